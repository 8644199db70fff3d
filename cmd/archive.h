/* Messages of the store as Internet messages (RFC 5322) in files, and back, to the last byte. What
 * export and import share.
 *
 * The first field is X-SMTP361-Id; what a mail program cannot know stands in its neighbours:
 *
 *     X-SMTP361-Id: 000102030405060708090a0b0c0d0e0f
 *     X-SMTP361-Mailbox: client2                  whose copy it is
 *     X-SMTP361-Time: 1658431775768508            microseconds since 1970
 *     X-SMTP361-From: client1
 *     X-SMTP361-To: client2;client4               as written; a blank is %20, a tab %09
 *     X-SMTP361-Content: text                     or mime, or message: see enum archive_kind
 *     X-SMTP361-SHA256: ...                       of the content
 *     Message-ID, Date, From, To, Subject, MIME-Version, Content-Type, Content-Transfer-Encoding
 */
#ifndef CMD_ARCHIVE_H
#define CMD_ARCHIVE_H

#include "../crypto/hash.h"
#include "../proto/held.h"
#include "../proto/mail_server.h"
#include "../proto/mbox.h"
#include "../proto/original.h"
#include "../proto/rfc5322.h"

/* Nobody's domain (RFC 2606): users of a store have no Internet address. */
#define ARCHIVE_DOMAIN "smtp361.invalid"
/* The sender of mail that no user of this store sent. */
#define ARCHIVE_IMPORTED "imported"

enum archive_kind {
	ARCHIVE_TEXT,    /* the body is the content, in a content transfer encoding */
	ARCHIVE_MIME,    /* the content is a multipart of ours: its head became fields */
	ARCHIVE_MESSAGE, /* the content is an Internet message, attached as it is */
	ARCHIVE_KINDS
};

/* A content of ours begins with this, then the boundary, then ARCHIVE_MIME_END. */
#define ARCHIVE_MIME_HEAD "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\""
#define ARCHIVE_MIME_END "\"\n\n"
enum { ARCHIVE_BOUNDARY_MAX = 71 }; /* RFC 2046 5.1.1: 70 */

struct archive_letter {
	struct mailbox_meta meta; /* id, time, chars, source and title */
	char mailbox[USER_NAME_MAX + 1];
	struct buf to; /* owned: the recipients as written */
	enum archive_kind kind;
	enum transfer_how how;
	char boundary[ARCHIVE_BOUNDARY_MAX]; /* ARCHIVE_MIME */
	uint8_t digest[HASH_BYTES];
};

void archive_letter_free(struct archive_letter *l);

/* The fields and the empty line behind them. 0, or -1 (no memory). */
int archive_put_head(struct buf *out, const struct archive_letter *l, const char *domain);

/* Read fields that archive_put_head wrote; l is empty before, and owned whatever comes. 1; 0: it is
 * somebody else's message; or -1 (EX_DATAERR: ours, and damaged). Ours is what begins with our
 * field, but for what mail programs put ahead of it, and bears no mark of having travelled: whoever
 * can send mail to somebody could write our fields into it. */
int archive_parse_head(const void *p, size_t n, struct archive_letter *l, struct err *e);

/* Fields that mail programs add and change while a message lies in a file: they are not it. */
bool archive_is_bookkeeping(const struct rfc5322_field *f);

/* The head of a multipart of ours at the start of some content. Its length, or 0. */
size_t archive_mime_head(const void *p, size_t n, char boundary[static ARCHIVE_BOUNDARY_MAX]);

/* --- writing --- */

/* Read a message of the store and write it as an Internet message: lines, the last one ended. 0, or
 * -1: like mail_read, or put's. */
int archive_write(struct mailbox *box, const char *user, const struct mailbox_meta *meta,
	const struct mailbox_ref *ref, const char *domain, transfer_put *put, void *arg,
	struct err *e);

/* --- reading --- */

/* A message that is taken apart while it comes, in pieces. */
struct archive_reader;

struct archive_read {
	bool ours;
	struct archive_letter letter; /* foreign: the id and the title alone are set in meta */
	int64_t date;                 /* foreign: of its Date field; -1: none that can be read */
	char local[RFC5322_ADDRESS_MAX], domain[RFC5322_ADDRESS_MAX]; /* foreign: of From */
	struct held content;
};

/* foreign: take nothing for ours. NULL with e (EX_TEMPFAIL). */
struct archive_reader *archive_read_begin(
	struct archive_read *out, bool foreign, uint64_t max_chars, struct err *e);
/* A transfer_put whose arg is the reader. 0, or -1 (EX_DATAERR: it cannot be stored, and why). */
int archive_read_take(void *reader, const void *p, size_t n, struct err *e);
int archive_read_end(struct archive_reader *r, struct err *e);
void archive_read_free(struct archive_reader *r, struct archive_read *out);

/* --- being interrupted --- */

/* Catch SIGINT, SIGTERM and SIGHUP: the work stops at the next safe place, and cleans up. */
void archive_catch_signals(void);
bool archive_interrupted(void);
/* Die of the signal that came, if any: what called us sees why. */
void archive_die(void);

#endif
