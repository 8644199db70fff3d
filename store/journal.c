/* The journal: appending, and committing in groups; see journal.h. What is shared between the
 * processes is struct journal_state; each has descriptors of its own. */
#include "journal_state.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"

enum {
	ROOM_AHEAD = 1 << 18, /* zeros written ahead: later syncs find the blocks there */
	LOOK_MS = 20          /* for a leader that was killed */
};

/* --- segments --- */

struct journal_slot *journal_slot(const struct journal *j, uint64_t number)
{
	return &j->state->slots[number % JOURNAL_SEGMENTS];
}

static bool is_alive(const struct journal *j, uint64_t number)
{
	return j->state == NULL
		       ? j->dir >= 0
		       : (number >= __atomic_load_n(&j->state->oldest, __ATOMIC_ACQUIRE) &&
				 number < __atomic_load_n(&j->state->next, __ATOMIC_ACQUIRE));
}

struct segment *journal_segment(struct journal *j, uint64_t number, bool *gone, struct err *e)
{
	struct segment *s = &j->open[number % JOURNAL_SEGMENTS];
	int rc;

	*gone = false;
	if (!is_alive(j, number)) {
		*gone = true;
		return NULL;
	}
	if (s->fd >= 0 && s->number == number && j->state != NULL) {
		return s;
	}
	segment_close(s);
	*s = (struct segment){.fd = -1, .number = number};
	rc = segment_open(s, j->dir, e);
	*gone = rc > 0;
	return rc == 0 ? s : NULL;
}

int journal_no_segment(uint64_t number, bool gone, struct err *e)
{
	return gone ? err_set(e, EX_TEMPFAIL, "segment %llu of the journal is gone",
			      (unsigned long long)number)
		    : -1;
}

/* --- record locks: whoever delivers holds one on the first byte of his record --- */

int journal_lock_bytes(int fd, int how, short type, uint64_t at, uint64_t n)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = (off_t)n};
	int rc;

	do {
		rc = fcntl(fd, how, &lock);
	} while (rc != 0 && errno == EINTR);
	return rc != 0 ? -1 : lock.l_type;
}

bool journal_in_flight(struct journal *j, const struct journal_mark *mark)
{
	struct err ignored;
	bool gone;
	struct segment *s = journal_segment(j, mark->number, &gone, &ignored);

	return s != NULL && journal_lock_bytes(s->fd, F_GETLK, F_WRLCK, mark->at, 1) != F_UNLCK;
}

void journal_done(struct journal *j, const struct journal_mark *mark)
{
	size_t granule = (size_t)(mark->at / SEGMENT_ALIGN);
	struct journal_slot *slot = journal_slot(j, mark->number);
	const struct segment *s = &j->open[mark->number % JOURNAL_SEGMENTS];

	if (slot->number != mark->number) {
		return; /* settled since */
	}
	(void)__atomic_or_fetch(
		&slot->done[granule / 8], (uint8_t)(1u << granule % 8), __ATOMIC_RELEASE);
	if (s->fd >= 0 && s->number == mark->number) {
		(void)journal_lock_bytes(s->fd, F_SETLK, F_UNLCK, mark->at, 1);
	}
}

/* --- appending --- */

/* A segment to append to. The lock is held. 0, 1 (all are taken), or -1 and nothing is left of it.
 * What it says of earlier ones is on disk; else its header goes there with its first record. */
static int activate(struct journal *j, struct err *e)
{
	struct journal_state *st = j->state;
	uint64_t number = st->next;
	struct journal_slot *slot = journal_slot(j, number);
	struct segment *s = &j->open[number % JOURNAL_SEGMENTS];
	char name[SEGMENT_NAME + 1];
	size_t cuts = 0;
	int rc;

	if (number - st->oldest >= JOURNAL_SEGMENTS) {
		return 1;
	}
	segment_close(s);
	*s = (struct segment){.fd = -1, .number = number, .clock_us = st->clock_us};
	for (uint64_t n = st->oldest; n < number; n++) {
		if (journal_slot(j, n)->limit != UINT64_MAX) {
			s->cuts[cuts].number = n;
			s->cuts[cuts++].limit = journal_slot(j, n)->limit;
		}
	}
	*slot = (struct journal_slot){
		.number = number, .end = SEGMENT_HEAD, .synced = SEGMENT_HEAD, .limit = UINT64_MAX};
	rc = segment_create(s, j->dir, JOURNAL_SPARE, &slot->ready, e);
	if (rc == 0 && cuts > 0 && fdatasync(s->fd) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot sync the journal");
	}
	rc = rc == 0 ? file_sync(j->dir, JOURNAL_FOLDER, e) : rc;
	if (rc != 0) {
		segment_close(s);
		segment_name(name, number);
		(void)unlinkat(j->dir, name, 0); /* a file that was not synced is not used again */
		return -1;
	}
	__atomic_store_n(&st->next, number + 1, __ATOMIC_RELEASE);
	return 0;
}

void journal_sweep(const struct journal *j)
{
	char name[SEGMENT_NAME + 1];

	if (j->state == NULL || j->dir < 0) {
		return;
	}
	shared_lock_take(&j->state->append);
	segment_name(name, j->state->next);
	(void)unlinkat(j->dir, name, 0); /* or whoever begins it uses it */
	shared_lock_give(&j->state->append);
}

static bool takes(const struct journal *j, uint64_t number, uint64_t span)
{
	const struct journal_slot *slot = journal_slot(j, number);

	return is_alive(j, number) && !slot->sealed && slot->limit == UINT64_MAX &&
	       slot->end + span <= SEGMENT_BYTES;
}

/* The file has its blocks up to `end`, so that the disk is full now or not at all. */
static int make_ready(
	const struct segment *s, struct journal_slot *slot, uint64_t end, struct err *e)
{
	static uint8_t zeros[1 << 14]; /* not const: it takes no room in the program */
	uint64_t far = end + ROOM_AHEAD < SEGMENT_BYTES ? end + ROOM_AHEAD : SEGMENT_BYTES;

	if (slot->ready >= end + ROOM_AHEAD / 2) {
		return 0; /* a file that grows with each record costs each sync its length, too */
	}
	while (slot->ready < far) {
		size_t n = far - slot->ready < sizeof zeros ? (size_t)(far - slot->ready)
							    : sizeof zeros;
		if (file_write_at(s->fd, zeros, n, slot->ready) != 0) {
			return slot->ready >= end
				       ? 0
				       : err_sys(e, EX_TEMPFAIL, "cannot write the journal");
		}
		slot->ready += n;
	}
	return 0;
}

static int append_locked(struct journal *j, struct segment_payload *payload,
	struct journal_mark *mark, struct err *e)
{
	struct journal_state *st = j->state;
	uint64_t span = segment_span(payload->n);
	struct segment *s;
	struct journal_slot *slot;
	bool gone;
	int rc;

	if (!takes(j, st->next - 1, span)) {
		rc = activate(j, e);
		if (rc != 0) {
			return rc;
		}
	}
	*mark = (struct journal_mark){.number = st->next - 1};
	slot = journal_slot(j, mark->number);
	mark->at = slot->end;
	mark->end = slot->end + span;
	s = journal_segment(j, mark->number, &gone, e);
	if (s == NULL) {
		return journal_no_segment(mark->number, gone, e);
	}
	if (make_ready(s, slot, mark->end, e) != 0) {
		return -1;
	}
	/* who was killed here a moment ago may not have let go of his yet: the kernel frees the
	 * mutex ahead of the files */
	if (journal_lock_bytes(s->fd, F_SETLKW, F_WRLCK, mark->at, 1) < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot lock the journal");
	}
	if (segment_write(s, mark->at, payload, e) != 0) {
		(void)journal_lock_bytes(s->fd, F_SETLK, F_UNLCK, mark->at, 1);
		return -1;
	}
	st->appended += span;
	__atomic_store_n(&slot->end, mark->end, __ATOMIC_RELEASE);
	return 0;
}

int journal_append(
	struct journal *j, uint8_t *p, size_t n, struct journal_mark *mark, struct err *e)
{
	struct segment_payload payload = {.p = p, .n = n};
	int rc;

	if (j->state == NULL || j->dir < 0) {
		return err_set(e, EX_TEMPFAIL, "the journal cannot be written");
	}
	if (n == 0 || n > SEGMENT_PAYLOAD_MAX) { /* it would be the end of what can be read */
		return err_set(e, EX_TEMPFAIL, "the journal takes no record of %zu bytes", n);
	}
	hash_of(p + SEGMENT_RECORD, n, payload.digest);
	shared_lock_take(&j->state->append);
	rc = append_locked(j, &payload, mark, e);
	shared_lock_give(&j->state->append);
	return rc;
}

/* --- committing --- */

/* Before anybody is told that his record is refused, the next segment says so on disk. When there
 * is no room for one, or it cannot be written, the first of these records is made none. false: the
 * disk took neither. The sync lock is held. */
static bool cut(struct journal *j, const struct journal_slot *slot)
{
	struct err ignored;
	bool gone, said;
	const struct segment *s;

	shared_lock_take(&j->state->append);
	said = activate(j, &ignored) == 0;
	shared_lock_give(&j->state->append);
	if (said) {
		return true;
	}
	s = journal_segment(j, slot->number, &gone, &ignored);
	return gone || (s != NULL && segment_erase(s, slot->limit, &ignored) == 0);
}

/* For everybody who has appended by now. The sync lock is held. What fails leaves its trace in the
 * slot; who was killed between may have left half of it. */
static void sync_slot(struct journal *j, struct journal_slot *slot)
{
	uint64_t end = __atomic_load_n(&slot->end, __ATOMIC_ACQUIRE);
	struct err ignored;
	bool gone;
	const struct segment *s = journal_segment(j, slot->number, &gone, &ignored);
	int rc = -1;

	if (slot->limit == UINT64_MAX) {
		errno = EIO;
		if (s != NULL) {
			do {
				rc = fdatasync(s->fd);
			} while (rc != 0 && errno == EINTR);
		}
		if (rc == 0) {
			__atomic_store_n(&slot->synced, end, __ATOMIC_RELEASE);
			return;
		}
		slot->errno_was = errno;
		__atomic_store_n(&slot->limit, slot->synced, __ATOMIC_RELEASE);
	}
	slot->cut = cut(j, slot);
	__atomic_store_n(&slot->refused, true, __ATOMIC_RELEASE);
}

bool journal_may_return(const struct journal *j, const struct journal_mark *mark)
{
	const struct journal_slot *slot = journal_slot(j, mark->number);

	return is_alive(j, mark->number) && slot->number == mark->number &&
	       __atomic_load_n(&slot->refused, __ATOMIC_ACQUIRE) && !slot->cut;
}

int journal_commit(struct journal *j, const struct journal_mark *mark, struct err *e)
{
	struct journal_slot *slot = journal_slot(j, mark->number);
	struct journal_state *st = j->state;

	while (slot->number == mark->number) { /* else it was settled since */
		uint32_t seen = __atomic_load_n(&st->word, __ATOMIC_ACQUIRE);
		if (!is_alive(j, mark->number) || /* settled meanwhile, or on disk */
			__atomic_load_n(&slot->synced, __ATOMIC_ACQUIRE) >= mark->end) {
			return 0;
		}
		if (__atomic_load_n(&slot->refused, __ATOMIC_ACQUIRE)) {
			errno = slot->errno_was;
			return err_sys(e, EX_TEMPFAIL, "cannot sync the journal");
		}
		if (!shared_lock_try(&st->sync)) {
			shared_wait(&st->word, seen, LOOK_MS);
			continue;
		}
		if (slot->synced < mark->end && !slot->refused) {
			sync_slot(j, slot);
		}
		shared_lock_give(&st->sync);
		shared_wake(&st->word);
	}
	return 0;
}
