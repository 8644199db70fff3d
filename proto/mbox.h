/* mbox: many Internet messages in one file (RFC 4155 and its relatives). Each begins with a line
 * "From SENDER DATE" and ends with an empty line. Lines of a message that begin with "From " are
 * told from it in one of four ways:
 *
 *     mboxrd   ">" is put ahead of "From ", ">From ", ">>From " ...: every line comes back
 *     mboxo    ">" is put ahead of "From " alone: whether ">From " was "From " cannot be told
 *     mboxcl   as mboxo, and a Content-Length field says how many bytes the body has
 *     mboxcl2  Content-Length alone, nothing is quoted
 *
 * We write mboxrd. No file I/O: the reader is given a function that reads at an offset. */
#ifndef PROTO_MBOX_H
#define PROTO_MBOX_H

#include "transfer.h"

enum mbox_kind {
	MBOX_ANY, /* by a Content-Length that leads to the next message, or else as mboxrd */
	MBOX_RD,
	MBOX_O,
	MBOX_CL,
	MBOX_CL2
};

/* By its name ("mboxrd"). false: there is no such. */
bool mbox_find_kind(const char *name, enum mbox_kind *kind);

/* --- lines that begin with "From " --- */

enum mbox_quoting {
	MBOX_AS_IS,
	MBOX_QUOTE,
	MBOX_UNQUOTE /* mboxrd */,
	MBOX_UNQUOTE_ONE /* mboxo */
};

/* Passes text on, in pieces, with its quotes put on or taken off. */
struct mbox_filter {
	enum mbox_quoting quoting;
	transfer_put *put;
	void *arg;
	bool inside;     /* of a line that is decided */
	uint64_t quotes; /* ">" at its start, held back */
	size_t matched;  /* of "From ", held back */
};

void mbox_filter_begin(
	struct mbox_filter *f, enum mbox_quoting quoting, transfer_put *put, void *arg);
/* 0, or -1 (put's). */
int mbox_filter_take(struct mbox_filter *f, const void *p, size_t n, struct err *e);
int mbox_filter_end(struct mbox_filter *f, struct err *e);

/* --- writing --- */

/* "From sender Thu Jul 21 19:29:35 2022", in UTC, with its line end. 0, or -1 (no memory). */
int mbox_put_from(struct buf *out, const char *sender, int64_t time_us);

/* --- reading --- */

/* Up to n bytes at an offset; *got is less only at the end. 0, or -1 with e. */
typedef int mbox_read_at(void *arg, uint64_t offset, void *p, size_t n, size_t *got, struct err *e);

struct mbox_message {
	uint64_t start, end; /* of the message in the file: header and body, as they stand */
	enum mbox_quoting quoting;
	int64_t time_us; /* of the From_ line; -1: it has none */
};

enum { MBOX_BLOCK = 65536 };

struct mbox {
	mbox_read_at *read_at;
	void *arg;
	enum mbox_kind kind;
	uint64_t at;     /* where the next From_ line stands */
	uint64_t length; /* of the message in hand: its Content-Length, */
	bool has_length; /* if it has one */
	/* what was read last, whole lines of it looked at */
	uint64_t block_at;
	size_t block_n;
	uint8_t block[MBOX_BLOCK];
};

/* m is large: not for the stack. */
void mbox_open(struct mbox *m, enum mbox_kind kind, mbox_read_at *read_at, void *arg);
/* The next message. 1, 0 at the end, or -1 (EX_DATAERR: what stands there is no From_ line;
 * read_at's). */
int mbox_next(struct mbox *m, struct mbox_message *out, struct err *e);

#endif
