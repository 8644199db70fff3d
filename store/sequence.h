/* Numbers of messages, kept by the ones who write and read them, so that no server can withhold,
 * double or reorder one unnoticed. Sealed mail and chat count apart. Each direction of each pair of
 * members has a stream, 8 random bytes that whoever sends draws once, and in it numbers 1, 2, 3...
 * A sender who lost what he knew begins another stream, and that is told.
 *
 * One file for each contact and kind, DIR/CONTACT.KIND, replaced durably (crypto/file.h) on each
 * change, under the folder's lock, which is taken here: whoever calls must not hold it. The streams
 * that came are remembered, the last SEQUENCE_STREAMS_MAX to begin, so that what comes late of an
 * older one is judged by it, and is not taken for the beginning of yet another. */
#ifndef STORE_SEQUENCE_H
#define STORE_SEQUENCE_H

#include <stdbool.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

enum {
	SEQUENCE_STREAM = 8,
	SEQUENCE_ID = 16,
	SEQUENCE_STREAMS_MAX = 8, /* of a contact's, that are remembered */
	SEQUENCE_GAPS_MAX = 1000, /* missing numbers of each; older ones count as taken */
	SEQUENCE_RECENT_MAX =
		1000 /* ids that are remembered, to tell a repetition from a reading */
};

struct sequence_number {
	uint8_t stream[SEQUENCE_STREAM];
	uint64_t number; /* from 1 */
};

enum sequence_how {
	SEQUENCE_NEXT,     /* the one that was expected */
	SEQUENCE_FIRST,    /* of a stream, and we knew of no other */
	SEQUENCE_GAP,      /* later than expected: `missing` numbers stand between */
	SEQUENCE_LATE,     /* one that was missing has come */
	SEQUENCE_KNOWN,    /* this very message (its id) was taken before */
	SEQUENCE_REPEATED, /* its number was taken before, by a message with another id */
	SEQUENCE_ANEW      /* another stream: its sender began anew */
};

struct sequence_taken {
	enum sequence_how how;
	uint64_t first_missing, missing; /* with GAP (and FIRST, ANEW that begin above 1) */
	uint64_t highest;                /* in its stream, this one included */
	size_t gaps;                     /* numbers of this stream that are missing now */
	/* with REPEATED and KNOWN: another is remembered that had its number before. Else it may be
	 * this very one that is REPEATED, and its id forgotten, or that it was missing */
	bool second;
};

/* kind: "mail" or "chat", or what else is counted ([a-z]{1,8}). dir: a folder of the user's own.
 * Each returns 0, or -1: EX_CONFIG (the file is damaged: it is named), EX_TEMPFAIL and other faults
 * of the disk, EX_SOFTWARE (no such contact or kind can be). */

/* The number for the next message to this contact: never given twice, on disk before this
 * returns. */
int sequence_next(
	int dir, const char *contact, const char *kind, struct sequence_number *out, struct err *e);
/* A message of the contact's has come, and was found genuine. For who was stopped in between and
 * tries again it is KNOWN then. -1 also: EX_DATAERR (no number can be 0, or above INT64_MAX). */
int sequence_take(int dir, const char *contact, const char *kind,
	const struct sequence_number *number, const uint8_t id[static SEQUENCE_ID],
	struct sequence_taken *out, struct err *e);
/* The numbers that are missing of the newest stream, rising: at most cap of them into out (NULL
 * when 0); *n is how many there are. newest: the stream, and the highest number that came; 0: none
 * did. */
int sequence_missing(int dir, const char *contact, const char *kind, uint64_t *out, size_t cap,
	size_t *n, struct sequence_number *newest, struct err *e);

/* What is missing of one stream: n numbers, rising. newest: no other has begun since. Non-zero ends
 * the visit. */
typedef int sequence_visit(
	void *arg, uint64_t highest, const uint64_t *missing, size_t n, bool newest);
/* Visit every stream that is remembered and of which something is missing, as they began: who
 * withholds a message is not rid of it when its sender begins anew. The folder is locked. 0, -1, or
 * what the visit returned. */
int sequence_each_missing(int dir, const char *contact, const char *kind, sequence_visit *visit,
	void *arg, struct err *e);

/* What is missing now is not missed any more: its reader deleted it unread, or gives it up. If it
 * comes all the same, it is REPEATED, and not second. 0 or -1. */
int sequence_forgive(int dir, const char *contact, const char *kind, struct err *e);

#endif
