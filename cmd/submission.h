/* A message that a program hands over to be sent: read as it comes, put into form, and taken apart
 * into an envelope and an Internet message (RFC 5322, RFC 6409 8).
 *
 * Lines may end in LF or CR LF. A CR that ends no line is a line end in the body, where programs
 * that draw progress leave them, and a blank in the header, where it could begin a field that
 * nobody meant. NUL is refused. Bcc and Resent-Bcc never stay. From, Date and Message-ID are added
 * where they are missing. */
#ifndef CMD_SUBMISSION_H
#define CMD_SUBMISSION_H

#include "../proto/held.h"
#include "../proto/rfc5322_address.h"

enum {
	SUBMISSION_RECIPIENTS = 1000, /* of one message */
	SUBMISSION_ID = MAIL_ID
};

struct submission {
	struct rfc5322_mailbox from; /* of the envelope; local is empty: nobody ("<>") */
	struct rfc5322_mailbox *to;  /* owned; each once */
	size_t to_n;
	struct buf head;  /* the message's fields, */
	struct held body; /* and what stands behind the empty line; lines end in LF */
	bool eight_bit;   /* it holds bytes above 0x7f, */
	bool utf8_head;   /* its header does */
	uint8_t id[SUBMISSION_ID];
};

#define SUBMISSION_EMPTY ((struct submission){.body = HELD_EMPTY})
void submission_free(struct submission *s);
/* Its bytes, and all of it in pieces: put's 0 or -1, or EX_TEMPFAIL. */
uint64_t submission_bytes(const struct submission *s);
int submission_each(const struct submission *s, transfer_put *put, void *arg, struct err *e);

/* Do its To and Cc name this recipient? If not, the others are not to learn of him. */
bool submission_names(const struct submission *s, const struct rfc5322_mailbox *m);

/* How it is to be read. */
struct submission_rules {
	bool recipients_in_head; /* sendmail's -t: To, Cc and Bcc, or those of Resent- */
	bool dot_ends;           /* a line "." ends it */
	const char *name;        /* of the sender, for a From that is missing; NULL: none */
	const char *host;        /* this one */
	uint64_t max_bytes;
};

/* Add a recipient of the envelope. 0, or -1 (EX_DATAERR: too many). */
int submission_add(struct submission *s, const struct rfc5322_mailbox *m, struct err *e);

/* A message on its way in. `from` and what recipients are known are in *s already. */
struct submission_reader;
/* NULL: no memory. It keeps both pointers. */
struct submission_reader *submission_begin(
	struct submission *s, const struct submission_rules *rules, struct err *e);
/* 0; 1: the line that ends it was seen, and nothing more is taken; or -1 (EX_DATAERR: what it is;
 * EX_TEMPFAIL). */
int submission_take(struct submission_reader *r, const void *p, size_t n, struct err *e);
/* The same codes. Its id is that of a message that brings its own Message-ID, so that a retry is
 * stored once; a random one for others. */
int submission_end(struct submission_reader *r, struct err *e);
void submission_reader_free(struct submission_reader *r);

/* Read a descriptor to its end, or the line that ends it. 0, or -1 (EX_NOINPUT, too). */
int submission_read(struct submission *s, const struct submission_rules *rules, int fd,
	const char *what, struct err *e);

#endif
