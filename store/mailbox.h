/* Where mail is kept: the interface that proto/ sees, behind which files are the first engine.
 *
 * The promise: when deliver() returns 0 the message is on stable storage in every mailbox named,
 * whole and once, and survives kill -9 and power loss. Otherwise nothing of it is listed anywhere.
 *
 * The legal states of the files engine, in the order a delivery passes through them, and what
 * a crash in each leaves behind ("swept" and "completed" by recover(), which runs at every start
 * and after the death of a session):
 *
 *   0  nothing
 *   1  the message in an inode without a name, or as .spool/tmp.*       gone, or swept
 *   2  its bytes synced                                                 gone, or swept
 *   3  several recipients: linked as .spool/ID, .spool synced           completed
 *   4  linked into k of n mailboxes, each with a PENDING record         completed; n = 1: as 5
 *   5  in all of them, the folders synced, the records LIVE             listed
 *   6  .spool/ID gone, .spool synced; acknowledged                      listed
 *
 * deliver_once() has a state of its own beside these, in sent.h.
 *
 * With one recipient the link is the one atomic step. .index is a cache of what the folder holds
 * and is never needed for the promise: index.h tells how a stale one is noticed.
 *
 * Above this interface nobody knows a file name: a message is known by its id. An id and a time are
 * fixed before the first write. */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"
#include "users.h"

enum {
	MAILBOX_ID_BYTES = 16,
	MAILBOX_TITLE_BYTES = 400, /* 100 characters, the founding limit */
	MAILBOX_HEAD_MAX = 65536   /* bytes of header lines: 1000 recipients fit */
};

struct mailbox_meta {
	uint8_t id[MAILBOX_ID_BYTES];
	int64_t time_us; /* when the whole message had arrived, microseconds since 1970 */
	uint64_t chars;  /* of content: Unicode code points */
	uint64_t index;  /* in the list by (time, id), from 1; set by listings */
	bool damaged;    /* listed so that nobody misses it; it cannot be read */
	char source[USER_NAME_MAX + 1];
	char title[MAILBOX_TITLE_BYTES + 1]; /* UTF-8, no LF, CR or NUL */
};

/* One message in one mailbox. `where` is the engine's hint, checked on use and never trusted. */
struct mailbox_ref {
	uint8_t id[MAILBOX_ID_BYTES];
	uint64_t where;
};

struct mailbox_draft;  /* a message that is being written; nobody sees it */
struct mailbox_reader; /* a message that is being read */

/* What the text of a message says of itself: the engine keeps bytes, proto/message knows the
 * format. text: the first n bytes of a message (all of it, or MAILBOX_HEAD_MAX). meta: time, chars,
 * source and title are set. to (may be NULL): owned by the caller. content_at: where the content
 * begins. 0, or -1 when this is no message. */
typedef int mailbox_describe(const uint8_t *text, size_t n, struct mailbox_meta *meta,
	struct users_list *to, size_t *content_at);

/* Non-zero ends the listing and is returned by it. */
typedef int mailbox_visit(
	void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref);

struct mailbox;

/* Each returns 0, or -1 with e: EX_TEMPFAIL (75) when the system refused (disk, descriptors,
 * memory, a mailbox that is missing); EX_NOINPUT (66) when the message is gone; EX_DATAERR (65)
 * damaged. */
struct mailbox_ops {
	/* Make sure that the user's mailbox exists. */
	int (*prepare)(struct mailbox *m, const char *user, struct err *e);
	/* Complete or sweep what a crash left. Safe to run at any time, beside deliveries. */
	int (*recover)(struct mailbox *m, struct err *e);

	/* Begin a message whose header will have exactly head_n bytes. *out is owned: end it with
	 * discard, after deliver too. */
	int (*begin)(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e);
	int (*append)(struct mailbox_draft *d, const void *p, size_t n, struct err *e);
	/* Put the header in its place and deliver to all or to none. */
	int (*deliver)(struct mailbox_draft *d, const struct mailbox_meta *meta, const void *head,
		const struct users_list *to, struct err *e);
	/* The same, but only if meta->source has not sent a message with this id before, whatever
	 * crash came between: *again says that there was one, and nothing more is stored. */
	int (*deliver_once)(struct mailbox_draft *d, const struct mailbox_meta *meta,
		const void *head, const struct users_list *to, bool *again, struct err *e);
	void (*discard)(struct mailbox_draft *d); /* NULL is fine */

	/* Visit the user's messages, by (time, id), oldest first. */
	int (*list)(struct mailbox *m, const char *user, mailbox_visit *visit, void *arg,
		struct err *e);
	/* Visit what came to be listed behind this message (NULL: everything), in that order:
	 * unlike the order of times, nothing is ever listed ahead of what was seen. (When a folder
	 * was changed by hand or a crash, its messages are as if they had come by their times.)
	 * EX_NOINPUT when that message is not there. */
	int (*list_behind)(struct mailbox *m, const char *user, const uint8_t *after,
		mailbox_visit *visit, void *arg, struct err *e);
	/* Find a message by its id: *meta, and *ref for the functions below. */
	int (*find)(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
		struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e);
	/* Open a message for reading; *size is its length in bytes, header included. */
	int (*open)(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
		struct mailbox_reader **out, uint64_t *size, struct err *e);
	/* Exactly n bytes from this offset; EX_NOINPUT when it has become shorter. */
	int (*read)(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e);
	void (*done)(struct mailbox_reader *r);
	int (*remove)(
		struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e);

	void (*close)(struct mailbox *m);
};

struct mailbox {
	const struct mailbox_ops *ops;
};

/* The files engine over a folder (a descriptor, which it duplicates). describe: see above. */
int mailbox_files_open(int dir, mailbox_describe *describe, struct mailbox **out, struct err *e);

#endif
