/* What the parts of the journal share: journal.c (appending, committing), journal_walk.c (reading,
 * sealing, retiring) and journal_open.c. Everybody else sees journal.h alone. */
#ifndef STORE_JOURNAL_STATE_H
#define STORE_JOURNAL_STATE_H

#include "journal.h"

#define JOURNAL_SPARE "spare" /* a retired segment, to be used again */

enum { JOURNAL_GRANULES = SEGMENT_BYTES / SEGMENT_ALIGN };

struct journal_slot {
	uint64_t number; /* 0: never used */
	uint64_t end;    /* records up to here are written */
	uint64_t synced; /* and up to here, synced */
	uint64_t limit;  /* what is behind it never happened; UINT64_MAX */
	uint64_t ready;  /* bytes that the file has */
	int errno_was;   /* of the sync that failed */
	bool refused;    /* it is time to tell: the limit is on disk, if it takes that */
	bool cut;        /* it has taken it */
	bool sealed;     /* nothing more is appended */
	uint8_t done[JOURNAL_GRANULES / 8];
};

struct journal_state {
	struct shared_lock append; /* end, next, and the slots' flags */
	struct shared_lock sync;   /* held by who syncs for all */
	uint32_t word;             /* changes with every sync */
	uint64_t oldest, next;     /* the segments oldest to next - 1 are alive */
	uint64_t adopted;
	uint64_t appended; /* bytes, ever */
	int64_t clock_us;
	struct journal_slot slots[JOURNAL_SEGMENTS];
};

struct journal {
	int dir;                               /* the lock is its; -1: there is none */
	uint64_t epoch;                        /* of the keeper's family */
	bool kept;                             /* there was one when this was opened */
	struct journal_state *state;           /* NULL: beside the keeper */
	struct segment open[JOURNAL_SEGMENTS]; /* this process's descriptors, by slot */
};

struct journal_slot *journal_slot(const struct journal *j, uint64_t number);
/* This process's descriptor of a segment. There is never a second one: closing it would drop this
 * process's record locks. NULL: *gone, or e. */
struct segment *journal_segment(struct journal *j, uint64_t number, bool *gone, struct err *e);
int journal_no_segment(uint64_t number, bool gone, struct err *e);

/* A record lock: whoever delivers holds one on the first byte of his record. The type that stands
 * (F_GETLK) or was set, or -1. */
int journal_lock_bytes(int fd, int how, short type, uint64_t at, uint64_t n);

/* The numbers of the segments in a folder, the newest JOURNAL_SEGMENTS of them, sorted. 0 or -1. */
int journal_find_segments(
	int dir, uint64_t numbers[static JOURNAL_SEGMENTS], size_t *n, struct err *e);
/* Keep the clock, and what the family is known by, for the next one. What fails is noticed as a
 * clock that went back. */
void journal_save(const struct journal *j);

#endif
