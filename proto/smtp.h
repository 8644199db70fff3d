/* SMTP (RFC 5321), what both halves and the lab share: its limits, lines, and addresses.
 *
 * A line ends in CR LF and in nothing else. A CR or LF that stands alone ends no line and is part
 * of none: whoever reads it one way, and his neighbour another way, can be made to see two messages
 * where one was sent (hostile.md 34, 35). */
#ifndef PROTO_SMTP_H
#define PROTO_SMTP_H

#include "conn.h"

enum {
	SMTP_COMMAND_MAX = 510, /* bytes of a command line without its end (RFC 5321 4.5.3.1.4), */
	SMTP_MAIL_MAX =
		1046, /* of MAIL, whose parameters may take 536 more (RFC 1870, 4954, 6531), */
	SMTP_AUTH_MAX = 12286, /* of one in an AUTH exchange (RFC 4954 4), */
	SMTP_TEXT_MAX = 32768, /* and of a message; RFC 5321 4.5.3.1.6 allows 998, senders more */
	SMTP_BUFFER = 65536,
	SMTP_LOCAL_MAX = 64,   /* bytes of a local part (RFC 5321 4.5.3.1.1), */
	SMTP_DOMAIN_MAX = 255, /* of a domain, */
	SMTP_PATH_MAX = 1024   /* and of a path, with a source route in it */
};

/* --- lines --- */

struct smtp_lines {
	struct conn *conn;
	size_t start, end; /* what was read, and not taken yet */
	size_t scanned;    /* of that, known to hold no LF */
	bool skipping;     /* the line in hand is too long: what came of it is gone */
	uint8_t last;      /* of that, the last byte, */
	bool bare;         /* and whether a CR stood alone in it */
	size_t used;       /* of the buffer, ever */
	uint8_t buffer[SMTP_BUFFER];
};

/* Large: not for the stack. */
void smtp_lines_over(struct smtp_lines *l, struct conn *c);

/* Logins and messages were in it. */
void smtp_lines_wipe(struct smtp_lines *l);

enum smtp_got {
	SMTP_FAILED = -1, /* e says why */
	SMTP_EOF,         /* no line is begun */
	SMTP_LINE,
	SMTP_TOO_LONG, /* a line of more than max bytes, sound otherwise; it is behind us */
	SMTP_BARE      /* a CR or LF that stands alone: what follows cannot be told for sure */
};

/* The next line, without its end; valid until the next call. max: at most SMTP_TEXT_MAX. An end of
 * the stream within a line is EX_PROTOCOL. */
enum smtp_got smtp_line(
	struct smtp_lines *l, size_t max, const uint8_t **line, size_t *n, struct err *e);
/* Wait until the first byte of the next line has come: *first. CONN_DATA, CONN_EOF, CONN_FAILED. */
enum conn_got smtp_peek(struct smtp_lines *l, uint8_t *first, struct err *e);
/* Does a whole line stand there already? Then reading it waits for nobody. */
bool smtp_has_line(const struct smtp_lines *l);
/* Has anything come that was not taken yet? */
bool smtp_has_more(const struct smtp_lines *l);

/* --- addresses --- */

struct smtp_path {
	char local[SMTP_LOCAL_MAX + 1];   /* without its quotes; empty in "<>" */
	char domain[SMTP_DOMAIN_MAX + 1]; /* lower case; empty where there is none */
};

/* Read "<local@domain>" at the start of n bytes, a source route passed over (RFC 5321 4.1.1.3);
 * *used gets its length. Bytes above 0x7f may stand in it (RFC 6531). 0, or -1: no path, or one
 * that is too long. */
int smtp_path(const uint8_t *p, size_t n, struct smtp_path *out, size_t *used);

/* --- base64 as AUTH has it (RFC 4648 4, padded) --- */

/* Append it. 0, or -1 (no memory). */
int smtp_encode64(struct buf *out, const void *p, size_t n);
/* Strictly. The bytes written, or -1: no base64, or more than cap. */
int smtp_decode64(uint8_t *out, size_t cap, const uint8_t *p, size_t n);

#endif
