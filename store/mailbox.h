/* Where mail is kept: the interface that proto/ and cmd/ see. Two engines stand behind it: files
 * (files.h has its layout and the legal states on disk), and one in memory that the tests use. It
 * is written so that a third fits, over a replicated store of objects and ordered maps that has no
 * rename, no links, no folders, and nothing atomic across objects. Hence:
 *
 *   - Above it nobody knows a file name: a message is known by its id.
 *   - The id and the time of a message are fixed before the first write, and every step of a
 *     delivery (the message, then an entry in each mailbox, then the acknowledgement) is safe to
 *     repeat.
 *   - Lists begin at a key, (time, id) or an id, never at a rank.
 *   - Waiting for mail is a hint followed by a list; hints are not this interface's business.
 *
 * The promise: when deliver() returns 0 the message is on stable storage for every mailbox named,
 * whole and once, listed in each of them, and survives kill -9 and power loss. Otherwise nothing of
 * it is listed anywhere. */
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
	MAILBOX_TITLE_ROOM = 680,  /* what an engine that stands before another says in its place */
	MAILBOX_HEAD_MAX = 65536   /* bytes of header lines: 1000 recipients fit */
};

/* An engine that stands before another one hands it texts that are no mail, and take more bytes
 * than the mail in them. It sets this bit in `chars`; the others are the bytes that the message
 * counts for, towards limits and in usage(). Its describe sets bytes, the length of the text, which
 * is checked in place of the characters. */
#define MAILBOX_COUNTED ((uint64_t)1 << 63)

/* The bytes that a message counts for, whose text has so many. */
static inline uint64_t mailbox_counts(uint64_t chars, uint64_t bytes)
{
	return (chars & MAILBOX_COUNTED) != 0 ? chars & ~MAILBOX_COUNTED : bytes;
}

struct mailbox_meta {
	uint8_t id[MAILBOX_ID_BYTES];
	int64_t time_us; /* when the whole message had arrived, microseconds since 1970 */
	uint64_t chars;  /* of content: Unicode code points */
	uint64_t bytes;  /* of the whole message, header included; set by listings */
	uint64_t index;  /* in the list by (time, id), from 1; set by listings */
	bool damaged;    /* listed so that nobody misses it; it cannot be read */
	char source[USER_NAME_MAX + 1];
	/* UTF-8, no LF, CR or NUL; MAILBOX_TITLE_BYTES, but between two engines */
	char title[MAILBOX_TITLE_ROOM + 1];
};

/* One message in one mailbox. `where` is the engine's hint, checked on use and never trusted: 0 is
 * as good, but may take longer. */
struct mailbox_ref {
	uint8_t id[MAILBOX_ID_BYTES];
	uint64_t where;
};

/* A place in the list by (time, id). */
struct mailbox_key {
	int64_t time_us;
	uint8_t id[MAILBOX_ID_BYTES];
};

/* What a mailbox holds, and what it may hold (0: no limit). */
struct mailbox_usage {
	uint64_t messages, bytes;
};

struct mailbox_draft;  /* a message that is being written; nobody sees it */
struct mailbox_reader; /* a message that is being read */

/* Everything that a delivery fixes. All of it is the caller's. */
struct mailbox_delivery {
	const struct mailbox_meta *meta;    /* id, time, chars, source and title are set */
	const void *head;                   /* as many bytes as begin() was told */
	const struct users_list *to;        /* at least one */
	const struct mailbox_usage *limits; /* one for each of `to`; NULL: none has a limit */
	/* deliver only if meta->source has not sent a message with this id before, whatever crash
	 * came between */
	bool once;
};

/* What the text of a message says of itself: the engine keeps bytes, proto/message knows the
 * format. text: the first n bytes of a message (all of it, or MAILBOX_HEAD_MAX). meta: time, chars,
 * source and title are set. to (may be NULL): owned by the caller. content_at: where the content
 * begins. 0, or -1 when this is no message. */
typedef int mailbox_describe(const uint8_t *text, size_t n, struct mailbox_meta *meta,
	struct users_list *to, size_t *content_at);

/* Non-zero ends the listing and is returned by it. */
typedef int mailbox_visit(
	void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref);

/* Something that check() found wrong. user: whose mailbox; NULL: the store's own. what: a sentence
 * that names the thing and its fault. repaired by itself (`harmless`) or a loss to look into. */
typedef void mailbox_finding(void *arg, const char *user, bool harmless, const char *what);

struct mailbox;

/* Each returns 0, or -1 with e: EX_TEMPFAIL (75) when the system refused (disk, descriptors,
 * memory, a mailbox that is missing or full); EX_NOINPUT (66) when the message is gone; EX_DATAERR
 * (65) damaged. */
struct mailbox_ops {
	/* Make sure that the user's mailbox exists. */
	int (*prepare)(struct mailbox *m, const char *user, struct err *e);
	/* Complete or sweep what a crash left. Safe to run at any time, beside deliveries. */
	int (*recover)(struct mailbox *m, struct err *e);
	/* Do the work that was put off behind acknowledgements: nobody loses anything by its
	 * lateness. Cheap when there is none; safe to run beside everything. */
	int (*settle)(struct mailbox *m, struct err *e);
	/* Is there work for settle()? *busy: more of it comes just now, it could wait (for some 100
	 * ms, to look again). Reads memory only. */
	bool (*unsettled)(struct mailbox *m, bool *busy);
	/* The present, microseconds since 1970, but never twice the same nor before one that was
	 * given earlier, whatever the clock does. */
	int64_t (*now)(struct mailbox *m);

	/* Begin a message whose header will have exactly head_n bytes. *out is owned: end it with
	 * discard, after deliver too. */
	int (*begin)(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e);
	int (*append)(struct mailbox_draft *d, const void *p, size_t n, struct err *e);
	/* Put the header in its place and deliver to all or to none. *again: a message of this
	 * sender with this id had been delivered before (only if `once`); nothing more is stored.
	 * A limit that it would break: EX_TEMPFAIL, naming the mailbox and its limit. */
	int (*deliver)(struct mailbox_draft *d, const struct mailbox_delivery *delivery,
		bool *again, struct err *e);
	void (*discard)(struct mailbox_draft *d); /* NULL is fine */

	/* Visit the user's messages by (time, id), oldest first, from the first one at or behind
	 * this key (NULL: from the beginning). meta->index counts from the beginning. */
	int (*list)(struct mailbox *m, const char *user, const struct mailbox_key *from,
		mailbox_visit *visit, void *arg, struct err *e);
	/* Visit what came to be listed behind this message (NULL: everything), in that order:
	 * unlike the order of times, nothing is ever listed ahead of what was seen. (When a folder
	 * was changed by hand or a crash, its messages are as if they had come by their times.)
	 * EX_NOINPUT when that message is not there. */
	int (*list_behind)(struct mailbox *m, const char *user, const uint8_t *after,
		mailbox_visit *visit, void *arg, struct err *e);
	/* How much the mailbox holds. */
	int (*usage)(struct mailbox *m, const char *user, struct mailbox_usage *out, struct err *e);
	/* Find a message by its id: *meta (index is 0), and *ref for the functions below. */
	int (*find)(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
		struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e);
	/* Open a message for reading; *size is its length in bytes, header included. */
	int (*open)(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
		struct mailbox_reader **out, uint64_t *size, struct err *e);
	/* Exactly n bytes from this offset; EX_NOINPUT when it has become shorter. */
	int (*read)(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e);
	void (*done)(struct mailbox_reader *r);
	/* When this returns 0 the message is gone for good, power loss or not. */
	int (*remove)(
		struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e);

	/* Look at everything that is kept for this user (NULL: what is kept beside the mailboxes),
	 * change nothing, not even a cache, and tell each fault. A listing mends what this
	 * finds. */
	int (*check)(struct mailbox *m, const char *user, mailbox_finding *found, void *arg,
		struct err *e);

	/* Settles first, as far as it can. */
	void (*close)(struct mailbox *m);
};

struct mailbox {
	const struct mailbox_ops *ops;
};

/* How the files engine is opened. One process, with its children, keeps a store; others may stand
 * beside it, and do less: they list, read and check, and deliver to one recipient at a time, more
 * slowly; remove() is EX_TEMPFAIL. */
enum mailbox_role {
	MAILBOX_KEEPER, /* EX_TEMPFAIL when another process keeps this store */
	MAILBOX_BESIDE, /* keeper if nobody else is, or else beside the one who is */
	MAILBOX_LOOK    /* never keeper, and in nobody's way: lists, reads and checks, and changes
			 * nothing but caches. What a crash left unfinished is seen as it is */
};

/* The files engine over a folder (a descriptor, which it duplicates). describe: see above. */
int mailbox_files_open(int dir, mailbox_describe *describe, enum mailbox_role role,
	struct mailbox **out, struct err *e);

#endif
