/* Content transfer encodings (RFC 2045 6): bytes as lines that every mail program carries, and
 * back, in pieces. No I/O: what comes out goes to a function of the caller's. */
#ifndef PROTO_TRANSFER_H
#define PROTO_TRANSFER_H

#include "message.h"

enum transfer_how {
	TRANSFER_7BIT,
	TRANSFER_8BIT,
	TRANSFER_BINARY,
	TRANSFER_QUOTED,
	TRANSFER_BASE64,
	TRANSFER_OTHER /* a name that nobody knows */
};

const char *transfer_name(enum transfer_how how);
/* By its name; an empty one is 7bit (6.1). */
enum transfer_how transfer_find(struct message_part name);

/* --- which one? --- */

/* What was seen of some content. Zero before the first piece. */
struct transfer_survey {
	uint64_t bytes, high; /* of them above 0x7f */
	uint64_t tripled;     /* of them that quoted-printable triples */
	uint64_t longest, line;
	bool odd;        /* NUL or CR */
	bool from;       /* a line begins with "From ", or with that behind ">"s */
	uint64_t quotes; /* ">" at the start of the line in hand, */
	size_t matched;  /* and how much of "From " behind them */
	uint8_t last;
};

void transfer_look(struct transfer_survey *s, const void *p, size_t n);
/* Is it lines, each with its LF, without NUL and CR? */
bool transfer_is_lines(const struct transfer_survey *s);
/* The plainest one that gives back every byte: 7bit or 8bit for lines of at most 998 bytes, or else
 * the shorter of quoted-printable and base64. A line "From " counts as none of these: in an mbox it
 * would be quoted, and most programs show the quote; encoded, it needs none. */
enum transfer_how transfer_choose(const struct transfer_survey *s);

/* --- there and back --- */

typedef int transfer_put(void *arg, const void *p, size_t n, struct err *e);

enum { TRANSFER_OUT = 4096, TRANSFER_BLANKS = 80 };

struct transfer {
	enum transfer_how how;
	transfer_put *put;
	void *arg;
	size_t column;
	uint8_t held[TRANSFER_BLANKS]; /* blanks, or the start of a group, that wait for more */
	size_t held_n;
	bool padded; /* base64: the end came */
	bool open;   /* the last line has no end yet */
	uint8_t out[TRANSFER_OUT];
	size_t out_n;
};

void transfer_begin(struct transfer *t, enum transfer_how how, transfer_put *put, void *arg);

/* Encode: what comes out ends in a line end, if anything went in. 0, or -1 (put's). */
int transfer_encode(struct transfer *t, const void *p, size_t n, struct err *e);
int transfer_encode_end(struct transfer *t, struct err *e);

/* Decode. Quoted-printable is read with indulgence, as RFC 2045 6.7 has it; base64 with anything
 * but blanks in it, or cut short, is EX_DATAERR. 0 or -1. */
int transfer_decode(struct transfer *t, const void *p, size_t n, struct err *e);
int transfer_decode_end(struct transfer *t, struct err *e);

#endif
