/* The enhanced wire, both halves: the opening, Noise messages behind their lengths, and sealed
 * records that hold one JSON object or raw bytes. PROTOCOL.md has every byte; Noise rev 34. */
#ifndef PROTO_ENHANCED_H
#define PROTO_ENHANCED_H

#include <jansson.h>

#include "../crypto/noise.h"
#include "conn.h"
#include "message.h"

#define ENHANCED_PREFACE "SMTP361\x02"
#define ENHANCED_PATTERN "XK"

enum {
	ENHANCED_PREFACE_BYTES = 8,
	ENHANCED_LENGTH = 2,                                 /* ahead of each Noise message */
	ENHANCED_RECORD_MAX = NOISE_MESSAGE_MAX - NOISE_TAG, /* bytes in a record */
	ENHANCED_PIECE = 32750, /* raw bytes that we put into one: four fill a buffer */
	ENHANCED_HELLO = 48,    /* messages 1 and 2: a key and a tag */
	ENHANCED_THIRD = 64,    /* message 3, ahead of what its payload adds */
	ENHANCED_LOGIN_PAD = 256,
	ENHANCED_LOGIN_MAX = 4096,
	ENHANCED_EARLY_MAX = 32768, /* bytes of records that a client may send before `welcome` */
	ENHANCED_REQUESTS = 64,     /* under way at once */
	ENHANCED_BUFFER = 2 * (ENHANCED_LENGTH + NOISE_MESSAGE_MAX),
	ENHANCED_CHARS = 64000000,         /* of a message: the server's default, */
	ENHANCED_CHARS_MAX = 1000000000,   /* and the most that it can be set to */
	ENHANCED_INDEXES = 1000,           /* that one request may name */
	ENHANCED_FILE_NAME = 200,          /* bytes of a file's name */
	ENHANCED_FILE_TO = 100,            /* whom one is handed to */
	ENHANCED_FILE_PIECE = 262144,      /* bytes that we put behind one `file-data`, */
	ENHANCED_FILE_PIECE_MAX = 1 << 20, /* and that it may announce */
	ENHANCED_FILE_PACE = 10000, /* bytes that are compared, or written, in a ms at the least */
	ENHANCED_SECRET = 16,       /* bytes of an invitation's secret */
	ENHANCED_CHAT_OFFERS = 100, /* of one member for another, at once */
	ENHANCED_CHAT_OFFER = 120,  /* bytes of one */
	ENHANCED_CHAT_PACKET = 17 << 20, /* bytes of a packet, */
	ENHANCED_CHAT_RECEIPT = 1024,    /* and of a receipt */
	ENHANCED_CHAT_FETCH = 256,       /* packets in one answer; */
	ENHANCED_CHAT_BYTES = 8 << 20,   /* nothing follows in it behind so many bytes */
	ENHANCED_CHAT_IDS = 1000,        /* that one request may name */
	ENHANCED_CHAT_STREAM = 8         /* bytes of a stream's name */
};

/* Told what happens on the wire, one line each, for -v. NULL: nobody asked. */
typedef void enhanced_trace(void *arg, const char *line);

struct enhanced {
	struct conn *conn; /* the caller's */
	struct noise_cipher tx, rx;
	uint8_t in[ENHANCED_BUFFER]; /* start..end has arrived and was not read yet */
	size_t start, end;
	uint8_t out[ENHANCED_BUFFER]; /* sealed, and not written yet */
	size_t out_n;
	size_t in_most, out_most; /* how far the buffers were ever used: what there is to wipe */
	bool broken; /* a write failed: what was sealed for it is lost, with its number */
	enhanced_trace *trace;
	void *trace_arg;
};

/* --- the opening --- */

/* Begin; nothing is sealed before the handshake has given tx and rx. */
void enhanced_init(struct enhanced *w, struct conn *conn);
void enhanced_wipe(struct enhanced *w); /* secrets and plain text alike */

/* A handshake message behind its length, into the buffer. */
int enhanced_put_message(struct enhanced *w, const uint8_t *p, size_t n, struct err *e);
/* The next one. 0 with *p (valid until the next call) and *n, 1 at the connection's end before it,
 * or -1: EX_TEMPFAIL (the end within it, time, connection); EX_PROTOCOL as soon as its length is
 * there and is above most. */
int enhanced_get_message(struct enhanced *w, size_t most, uint8_t **p, size_t *n, struct err *e);

/* --- records --- */

/* Has a whole record arrived already? */
bool enhanced_has_record(const struct enhanced *w);
/* Has anything arrived that was not read? */
bool enhanced_has_bytes(const struct enhanced *w);

/* The next record; what waits to be written goes out before it is waited for. 0 with *p (valid
 * until the next call) and *n >= 1, or -1: EX_PROTOCOL (forged, empty), EX_TEMPFAIL (time,
 * connection, or its end, which is the same for a cut and a killed peer). */
int enhanced_get(struct enhanced *w, uint8_t **p, size_t *n, struct err *e);
/* The next record as a JSON object, which the caller releases. 0 or -1 as above. */
int enhanced_get_json(struct enhanced *w, json_t **out, struct err *e);
/* Raw bytes of which *left are to come: a record of them at most, counted off. 0 or -1. */
int enhanced_get_raw(struct enhanced *w, uint64_t *left, uint8_t **p, size_t *n, struct err *e);

/* Seal a JSON object, which is released, as a record. It waits in the buffer for enhanced_flush.
 * 0, or -1 (EX_TEMPFAIL: memory, connection). */
int enhanced_put_json(struct enhanced *w, json_t *o, struct err *e);
/* Room for n raw bytes (at most ENHANCED_PIECE) that enhanced_put_room then seals as a record. NULL
 * with e when the buffer could not be written out. what: they are, for the trace. */
uint8_t *enhanced_room(struct enhanced *w, size_t n, struct err *e);
int enhanced_put_room(struct enhanced *w, size_t n, const char *what, struct err *e);
/* Raw bytes of any length, in records. */
int enhanced_put_raw(struct enhanced *w, const void *p, size_t n, struct err *e);
/* Write what waits. 0 or -1. */
int enhanced_flush(struct enhanced *w, struct err *e);

void enhanced_say(const struct enhanced *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* --- errors, by name --- */

enum enhanced_code {
	ENHANCED_DENIED,
	ENHANCED_PASSWORD,
	ENHANCED_NO_USER,
	ENHANCED_NO_MESSAGE,
	ENHANCED_NO_FILE,
	ENHANCED_EXISTS,
	ENHANCED_REJECTED,
	ENHANCED_DAMAGED,
	ENHANCED_TOO_LARGE,
	ENHANCED_UNKNOWN,
	ENHANCED_PROTOCOL,
	ENHANCED_TRY_LATER,
	ENHANCED_FULL,
	ENHANCED_TIMEOUT,
	ENHANCED_STOPPING,
	ENHANCED_CODES
};

const char *enhanced_code_name(enum enhanced_code code);
/* The sysexits code of a name; EX_PROTOCOL for one that is not known. *ends: the connection
 * does. */
int enhanced_code_exit(const char *name, bool *ends);

#endif
