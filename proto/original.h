/* An Internet message (RFC 5322) as the content of a message of ours, and back, byte for byte. The
 * content is one line that tells how the message came here, then the message:
 *
 *     Received: from client.example ([127.0.0.1]) by mail.example (smtp361) with ESMTPSA id ...
 *
 * The message's lines end in CR LF, with no CR or LF elsewhere and no NUL in it; in the content
 * they end in LF, as lines of text do. Content is UTF-8: a byte of the message that is no part of
 * valid UTF-8 stands there as U+F780 + (byte - 0x80), of the private use area, and so do the three
 * bytes of a genuine U+F780 to U+F7FF, which makes the way back certain. */
#ifndef PROTO_ORIGINAL_H
#define PROTO_ORIGINAL_H

#include "transfer.h"

/* What stands in the line between other words, so that nobody else's trace is taken for it. */
#define ORIGINAL_MARK " (smtp361) with "

enum {
	ORIGINAL_TRACE_MAX = 998,
	ORIGINAL_OUT = 4096,
	ORIGINAL_TITLE_MAX = 4 * MESSAGE_TITLE_CHARS + 1
};

struct original_trace {
	const char *from; /* what the sender calls himself, with his address; NULL: left out */
	const char *by;   /* this host */
	const char *with; /* "ESMTPSA" (RFC 3848), ... */
	const char *id;
	int64_t time_us;
};

/* Append the line; what is no printable ASCII in it becomes "?". 0, or -1 (no memory). */
int original_put_trace(struct buf *out, const struct original_trace *t);

/* The subject of a header as a title: decoded, on one line, at most 100 characters; empty when
 * there is none. 0, or -1 (EX_TEMPFAIL). */
int original_title(
	const void *head, size_t n, char title[static ORIGINAL_TITLE_MAX], struct err *e);

/* Text on its way, in pieces; what comes out goes to put. */
struct original {
	transfer_put *put;
	void *arg;
	uint8_t part[4]; /* of a code point that a piece ended in */
	size_t part_n;
	bool begun, keep; /* reading: the first line is behind us; it was no trace */
	uint8_t line[ORIGINAL_TRACE_MAX + 2]; /* reading: the start of the content */
	size_t line_n;
	uint8_t out[ORIGINAL_OUT];
	size_t out_n;
};

/* The struct is large for a stack of many: some 5 KiB. */
void original_begin(struct original *o, transfer_put *put, void *arg);

/* A message, its lines ended by LF, becomes content. 0, or -1 (put's). */
int original_encode(struct original *o, const void *p, size_t n, struct err *e);
int original_encode_end(struct original *o, struct err *e);

/* Content becomes the message as it came, its lines ended by CR LF, without the line ahead of it.
 * Content that does not begin with that line goes through as it is. A transfer_put each. */
int original_decode(struct original *o, const void *p, size_t n, struct err *e);
int original_decode_end(struct original *o, struct err *e);

#endif
