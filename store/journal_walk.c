/* The journal: reading it, and letting go of what is settled; see journal.h. */
#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "journal_state.h"

/* --- reading --- */

/* How far a segment's records count, for who stands beside the keeper: what later ones say of it
 * (those that are open). */
static uint64_t end_by_cuts(const struct journal *j, uint64_t number)
{
	uint64_t end = SEGMENT_BYTES;

	for (size_t i = 0; i < JOURNAL_SEGMENTS; i++) {
		const struct segment *s = &j->open[i];
		for (size_t k = 0; s->fd >= 0 && s->number > number && k < SEGMENT_CUTS; k++) {
			if (s->cuts[k].number == number && s->cuts[k].limit < end) {
				end = s->cuts[k].limit;
			}
		}
	}
	return end;
}

/* How far a segment's records count. */
static uint64_t end_of(const struct journal *j, uint64_t number)
{
	const struct journal_slot *slot;
	uint64_t end, limit;

	if (j->state == NULL) {
		return end_by_cuts(j, number);
	}
	slot = journal_slot(j, number);
	end = __atomic_load_n(&slot->end, __ATOMIC_ACQUIRE);
	limit = __atomic_load_n(&slot->limit, __ATOMIC_ACQUIRE);
	return end < limit ? end : limit;
}

int journal_read(
	struct journal *j, uint64_t number, uint64_t at, struct buf *payload, struct err *e)
{
	bool gone;
	uint64_t next;
	const struct segment *s = journal_segment(j, number, &gone, e);
	int rc;

	if (s == NULL) {
		return gone ? 1 : -1;
	}
	if (at < SEGMENT_HEAD || at >= end_of(j, number)) {
		return 1;
	}
	rc = segment_read(s, at, payload, &next, e);
	return rc < 0 ? -1 : rc == 0 ? 1 : 0;
}

/* Has whoever appended it done what it says? Of another life's records nobody is at any; beside the
 * keeper only the lock can tell. */
static bool is_done(const struct journal *j, const struct segment *s, uint64_t at)
{
	size_t granule = (size_t)(at / SEGMENT_ALIGN);
	const struct journal_slot *slot;

	if (j->state == NULL) {
		return journal_lock_bytes(s->fd, F_GETLK, F_WRLCK, at, 1) == F_UNLCK;
	}
	slot = journal_slot(j, s->number);
	return s->number <= j->state->adopted ||
	       (__atomic_load_n(&slot->done[granule / 8], __ATOMIC_ACQUIRE) >> granule % 8 & 1) !=
		       0;
}

static int walk(struct journal *j, const struct segment *s, struct buf *payload,
	journal_visit *visit, void *arg, struct err *e)
{
	struct journal_mark mark = {.number = s->number, .at = SEGMENT_HEAD};
	int rc = 0;

	while (rc == 0 && mark.at < end_of(j, s->number)) {
		rc = segment_read(s, mark.at, payload, &mark.end, e);
		if (rc <= 0) {
			break;
		}
		/* in this order: nobody has locked what is not written yet; and whoever could not
		 * sync his record is through with it, too, but has moved the end first */
		bool done = is_done(j, s, mark.at);
		rc = mark.at < end_of(j, s->number) ? visit(arg, &mark, payload, done, e) : 0;
		mark.at = mark.end;
	}
	return rc;
}

/* Sorted, the newest ones. */
static void add_number(uint64_t numbers[static JOURNAL_SEGMENTS], size_t *n, uint64_t number)
{
	size_t at = *n;

	while (at > 0 && numbers[at - 1] > number) {
		at--;
	}
	if (*n < JOURNAL_SEGMENTS) {
		memmove(numbers + at + 1, numbers + at, (*n - at) * sizeof *numbers);
		numbers[at] = number;
		(*n)++;
	} else if (at > 0) {
		memmove(numbers, numbers + 1, (at - 1) * sizeof *numbers);
		numbers[at - 1] = number;
	}
}

/* What segments there are, for who stands beside the keeper. */
int journal_find_segments(
	int dir, uint64_t numbers[static JOURNAL_SEGMENTS], size_t *n, struct err *e)
{
	DIR *d = file_read_names(dir);
	const struct dirent *entry;
	int rc = 0;

	*n = 0;
	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read %s", JOURNAL_FOLDER);
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		struct segment s = {.fd = -1, .number = segment_number(entry->d_name)};
		rc = s.number == 0 ? 1 : segment_open(&s, dir, e);
		if (rc == 0) {
			segment_close(&s);
			add_number(numbers, n, s.number);
		}
		rc = rc < 0 ? -1 : 0; /* one that cannot be opened just now is not overlooked */
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", JOURNAL_FOLDER);
	}
	(void)closedir(d);
	return rc;
}

int journal_each(struct journal *j, uint64_t first, uint64_t last, journal_visit *visit, void *arg,
	struct err *e)
{
	uint64_t numbers[JOURNAL_SEGMENTS];
	struct buf payload = {0};
	size_t n = 0;
	int rc = 0;

	if (j->state == NULL) {
		rc = j->dir < 0 ? 0 : journal_find_segments(j->dir, numbers, &n, e);
		for (size_t i = 0; rc == 0 && i < n; i++) { /* for what they say of each other */
			bool gone;
			rc = journal_segment(j, numbers[i], &gone, e) == NULL && !gone ? -1 : 0;
		}
	} else {
		uint64_t next = __atomic_load_n(&j->state->next, __ATOMIC_ACQUIRE);
		for (uint64_t k = j->state->oldest; k < next && n < JOURNAL_SEGMENTS; k++) {
			numbers[n++] = k;
		}
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool gone;
		const struct segment *s;
		if (numbers[i] < first || numbers[i] > last) {
			continue;
		}
		s = journal_segment(j, numbers[i], &gone, e);
		rc = s == NULL ? (gone ? 0 : -1) : walk(j, s, &payload, visit, arg, e);
	}
	buf_free(&payload);
	return rc;
}

uint64_t journal_oldest(const struct journal *j)
{
	return j->state == NULL ? 0 : __atomic_load_n(&j->state->oldest, __ATOMIC_ACQUIRE);
}

unsigned journal_segments(const struct journal *j)
{
	return j->state == NULL ? 0
				: (unsigned)(__atomic_load_n(&j->state->next, __ATOMIC_ACQUIRE) -
					     __atomic_load_n(&j->state->oldest, __ATOMIC_ACQUIRE));
}

uint64_t journal_adopted(const struct journal *j)
{
	return j->state != NULL && j->state->adopted >= j->state->oldest ? j->state->adopted : 0;
}

/* --- settling --- */

bool journal_unsettled(const struct journal *j, uint64_t *appended)
{
	const struct journal_state *st = j->state;
	uint64_t oldest, next;

	*appended = 0;
	if (st == NULL) {
		return false;
	}
	*appended = __atomic_load_n(&st->appended, __ATOMIC_ACQUIRE);
	oldest = __atomic_load_n(&st->oldest, __ATOMIC_ACQUIRE);
	next = __atomic_load_n(&st->next, __ATOMIC_ACQUIRE);
	return next > oldest;
}

int journal_seal(struct journal *j, uint64_t *number, struct err *e)
{
	struct journal_mark all;
	struct journal_slot *slot;
	const struct segment *s;
	uint64_t appended;
	bool gone;
	int rc = 0;

	if (!journal_unsettled(j, &appended)) {
		return 1;
	}
	*number = j->state->oldest;
	slot = journal_slot(j, *number);
	shared_lock_take(&j->state->append);
	slot->sealed = true;
	shared_lock_give(&j->state->append);
	s = journal_segment(j, *number, &gone, e);
	if (s == NULL) { /* taken away by hand: what it had is lost, and the others are settled */
		return gone ? 0 : -1;
	}
	if (journal_lock_bytes(s->fd, F_SETLKW, F_WRLCK, 0, SEGMENT_BYTES) < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot lock the journal");
	}
	(void)journal_lock_bytes(s->fd, F_SETLK, F_UNLCK, 0, SEGMENT_BYTES);
	all = (struct journal_mark){.number = *number, .end = slot->end};
	if (!slot->refused && slot->synced < slot->end) {
		rc = journal_commit(j, &all, e); /* of those who were killed before they did */
	}
	return rc == 0 || slot->refused ? 0 : -1;
}

int journal_retire(struct journal *j, uint64_t number, struct err *e)
{
	char name[SEGMENT_NAME + 1];
	struct journal_slot *slot = journal_slot(j, number);
	bool gone;
	const struct segment *s = journal_segment(j, number, &gone, e);

	segment_name(name, number);
	if (s == NULL && !gone) {
		return -1;
	}
	journal_save(j);
	if (s != NULL && slot->limit == UINT64_MAX && segment_void(s, NULL) == 0) {
		if (renameat(j->dir, name, j->dir, JOURNAL_SPARE) != 0) {
			(void)unlinkat(j->dir, name, 0); /* or it lies there to the next start */
		}
	} else {
		/* never synced again; or made void, or unlinked, by somebody who did not come to
		 * sync that. What else stands in its place was put there by hand */
		bool ours = s != NULL || segment_is_void(j->dir, name);
		if (ours && unlinkat(j->dir, name, 0) != 0 && errno != ENOENT) {
			return err_sys(e, EX_TEMPFAIL, "cannot retire a segment of the journal");
		}
		if (file_sync(j->dir, JOURNAL_FOLDER, e) != 0) {
			return -1;
		}
	}
	__atomic_store_n(&j->state->oldest, number + 1, __ATOMIC_RELEASE);
	return 0;
}
