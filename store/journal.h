/* The write-ahead journal: what it holds on stable storage is kept, whatever comes. A record is
 * appended, and committed together with those of everybody who appends meanwhile: one fdatasync
 * for all of them. Whoever appended then does what the record says in the mailboxes, and tells so
 * (journal_done); what he leaves undone because he is killed, others do. When a segment is settled
 * (every message in it is a file, on disk), it is retired, the oldest first.
 *
 * One process, with its children, keeps a journal: an flock on its folder, which dies with the last
 * of them. Others may read it beside them.
 *
 * A failed fdatasync (EIO) is never tried again on that segment: nothing behind what was synced
 * before is acknowledged. Ahead of the first refusal, the next segment says so in its header, which
 * is synced, or else the first of the refused records is overwritten, and that is synced. So what
 * was refused stays refused, by kill -9 and power loss too, if the disk took either. If it took
 * neither, what was refused is absent while the keeper's family lives, and may come back whole when
 * they all die before a settling retires the segment, or another one begins. Settling is tried as
 * long as anything lives: only a disk on which no write succeeds any more brings a refusal back.
 * Who dies unanswered may find his record there, or not. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "segment.h"
#include "shared.h"

#define JOURNAL_FOLDER ".journal"

enum { JOURNAL_SEGMENTS = SEGMENT_CUTS }; /* at once; more must be settled first */

struct journal; /* one for each process of the family: children inherit it by fork */

/* Where a record stands. */
struct journal_mark {
	uint64_t number, at, end; /* of the segment; offsets in it */
};

/* One record. payload: the caller must not keep it. done: somebody has done what it says. Non-zero
 * ends the walk and is returned. */
typedef int journal_visit(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *e);

/* Open the journal of a store's folder, as its keeper, or beside the keeper. JOURNAL_BESIDE when
 * nobody keeps it: this is the keeper. JOURNAL_LOOK: never; nothing is made, or stays locked.
 * Segments that are there are adopted: nothing is appended to them, their records are synced now,
 * and not done. Waits a little for a keeper that ends. A folder that cannot be written has a
 * journal that refuses to append. 0, or -1 (EX_TEMPFAIL: kept by somebody else, or it is there and
 * cannot be opened: without it acknowledged mail would be missing). */
enum journal_role { JOURNAL_KEEP, JOURNAL_BESIDE, JOURNAL_LOOK };
int journal_open(struct journal **out, int root, enum journal_role role, struct err *e);
void journal_close(struct journal *j); /* by the last process: what is settled takes no room */
bool journal_is_keeper(const struct journal *j);
/* Did somebody keep it when it was opened, this process included? */
bool journal_is_kept(const struct journal *j);
/* Is this name, in its folder, one of its own that is no segment? */
bool journal_owns(const char *name);
/* What the keeper's family, or the last one, is known by: another one each time a store is
 * opened. */
uint64_t journal_epoch(const struct journal *j);

/* Append a payload: 0; 1 when settling must make room first; or -1. p: SEGMENT_RECORD bytes of
 * room, then n bytes, 1 to SEGMENT_PAYLOAD_MAX; the room is written to. */
int journal_append(
	struct journal *j, uint8_t *p, size_t n, struct journal_mark *mark, struct err *e);
/* The record, and all ahead of it, are on stable storage; or it never happened. 0 or -1. */
int journal_commit(struct journal *j, const struct journal_mark *mark, struct err *e);
/* It was refused, but the disk did not even take that: after a crash it may be there. */
bool journal_may_return(const struct journal *j, const struct journal_mark *mark);
/* Committed or not, this process is through with the record. */
void journal_done(struct journal *j, const struct journal_mark *mark);
/* Is somebody at it? (Not this process.) */
bool journal_in_flight(struct journal *j, const struct journal_mark *mark);

/* Read the record at number and at. 0, 1 when there is no such record any more, or -1. */
int journal_read(
	struct journal *j, uint64_t number, uint64_t at, struct buf *payload, struct err *e);
/* Visit the records of the segments first to last (0, UINT64_MAX: all), in their order. */
int journal_each(struct journal *j, uint64_t first, uint64_t last, journal_visit *visit, void *arg,
	struct err *e);

/* The newest segment that was there when the journal was opened and is not retired yet; 0: none. */
uint64_t journal_adopted(const struct journal *j);

/* The oldest segment that is not retired, or would be. */
uint64_t journal_oldest(const struct journal *j);
/* How many segments are alive. JOURNAL_SEGMENTS: appending waits for settling. */
unsigned journal_segments(const struct journal *j);
/* Is there something to settle (an empty segment, too, is to go), and how much came so far (bytes
 * that only grow)? */
bool journal_unsettled(const struct journal *j, uint64_t *appended);
/* Close the oldest segment for appends, wait for whoever is at its records, and see that it is on
 * disk. 0 with its number, 1 when there is none, or -1. */
int journal_seal(struct journal *j, uint64_t *number, struct err *e);
/* The oldest segment, sealed, is settled: forget it for good. 0 or -1. */
int journal_retire(struct journal *j, uint64_t number, struct err *e);

/* Sweep what is left of a segment that somebody was killed at beginning. */
void journal_sweep(const struct journal *j);

/* The clock that never goes back: in the keeper's family, over restarts too. Microseconds. */
int64_t journal_now(struct journal *j);
void journal_not_before(struct journal *j, int64_t us);

#endif
