/* The records of a history, in DIR/CONTACT.history; integers big-endian:
 *
 *     8   magic
 *     16  the id of the history
 * and for each record
 *     8   a mark, by which records behind a damaged one are found
 *     8   its number, from 1
 *     4   bytes of the note, 4 of the body
 *     12  nonce of the note, 12 of the body
 *     n   the note, AES-256-GCM, and its tag of 16
 *     n   the body, likewise
 *     4   bytes of the record, these included: the last record is found from the end of the file
 *
 * Associated data of the note: the id, the record's head as it stands, and 0; of the body: 1. So
 * no length is trusted that was altered, and no record stands for another. */
#ifndef STORE_HISTORY_RECORD_H
#define STORE_HISTORY_RECORD_H

#include "history_key.h"

enum {
	HISTORY_HEAD = 24,
	RECORD_HEAD = 48,
	RECORD_OVERHEAD = RECORD_HEAD + 2 * GCM_TAG + 4,
	RECORD_MAX = RECORD_OVERHEAD + HISTORY_NOTE_MAX + HISTORY_BODY_MAX
};

struct record_key {
	struct gcm gcm;
	uint8_t id[HISTORY_ID];
};

void history_head_make(uint8_t out[static HISTORY_HEAD], const uint8_t id[static HISTORY_ID]);

/* Append a sealed record. 0, or -1 (EX_DATAERR: too long; EX_TEMPFAIL). */
int record_make(struct buf *out, const struct record_key *k, uint64_t number, const void *note,
	size_t note_n, const void *body, size_t body_n, struct err *e);

/* A walk over the records of an open file, in their order. */
struct record_walk {
	const struct record_key *key;
	int fd;
	uint64_t size; /* of the file, when the walk began */
	uint64_t at;   /* where the next one begins, or the end of all */
	uint64_t next; /* the number that it has */
	/* the one that was read */
	uint64_t number;
	uint64_t start;
	bool damaged; /* it is there, and cannot be read */
	uint8_t head[RECORD_HEAD];
	size_t note_n, body_n;
	uint8_t note[HISTORY_NOTE_MAX + GCM_TAG];
};

/* wipe() w after use. */
void record_walk_begin(struct record_walk *w, const struct record_key *k, int fd, uint64_t size);
/* From the last record on, where it is sound: only `at` and `next` count then. 1, 0: it is not, and
 * nothing else will do than to walk; or -1 (EX_IOERR, EX_TEMPFAIL). */
int record_walk_end(struct record_walk *w, struct err *e);
/* The next one: its note is opened. Numbers may be left out: those records are damaged beyond being
 * found. 1, 0: there is none, and what stands at `at` is left of one that was never finished; or
 * -1. */
int record_walk_next(struct record_walk *w, struct err *e);
/* Open the body of the one that was read, into out, which is emptied. 1, 0: it is damaged;
 * or -1. */
int record_body(const struct record_walk *w, struct buf *out, struct err *e);

#endif
