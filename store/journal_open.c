/* The journal: its clock, opening and closing; see journal.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "../crypto/random.h"
#include "journal_state.h"

#define FAMILY "family" /* clock u64, epoch u64, the first 8 bytes of SHA-256 over both */

enum { FAMILY_SAID = 16, FAMILY_BYTES = 24, KEEPER_TRIES = 100, KEEPER_WAIT_MS = 50 };

#define CLOCK_MAX_US 253402300799999999 /* the end of 9999: nobody's clock goes on from there */

/* --- the clock --- */

int64_t journal_now(struct journal *j)
{
	struct timespec t;
	int64_t now, last;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	now = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	if (j->state == NULL) {
		return now;
	}
	last = __atomic_load_n(&j->state->clock_us, __ATOMIC_ACQUIRE);
	do {
		now = now > last ? now : last + 1;
	} while (!__atomic_compare_exchange_n(
		&j->state->clock_us, &last, now, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	return now;
}

void journal_not_before(struct journal *j, int64_t us)
{
	int64_t last;

	if (j->state == NULL || us > CLOCK_MAX_US) {
		return;
	}
	last = __atomic_load_n(&j->state->clock_us, __ATOMIC_ACQUIRE);
	while (last < us && !__atomic_compare_exchange_n(&j->state->clock_us, &last, us, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
	}
}

void journal_save(const struct journal *j)
{
	uint8_t raw[FAMILY_BYTES], digest[HASH_BYTES];
	int fd = openat(
		j->dir, FAMILY, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd >= 0) {
		put_u64le(raw, (uint64_t)__atomic_load_n(&j->state->clock_us, __ATOMIC_ACQUIRE));
		put_u64le(raw + 8, j->epoch);
		hash_of(raw, FAMILY_SAID, digest);
		memcpy(raw + FAMILY_SAID, digest, FAMILY_BYTES - FAMILY_SAID);
		(void)file_write_at(fd, raw, sizeof raw, 0);
		(void)close(fd);
	}
}

/* --- opening --- */

/* What the family before, or the one that keeps it now, left. */
static void load(struct journal *j, int64_t *clock_us)
{
	uint8_t raw[FAMILY_BYTES], digest[HASH_BYTES];
	int fd = openat(j->dir, FAMILY, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct cursor c = cursor_over(raw, sizeof raw);

	*clock_us = 0;
	if (fd < 0) {
		return;
	}
	if (file_read_at(fd, raw, sizeof raw, 0) == sizeof raw &&
		(hash_of(raw, FAMILY_SAID, digest),
			memcmp(raw + FAMILY_SAID, digest, FAMILY_BYTES - FAMILY_SAID) == 0)) {
		*clock_us = (int64_t)get_u64le(&c);
		j->epoch = get_u64le(&c);
	}
	(void)close(fd);
}

/* One segment of an earlier life: how far it goes, and that this is on disk. */
static int adopt_one(struct journal *j, uint64_t number, struct err *e)
{
	struct journal_slot *slot = journal_slot(j, number);
	struct buf payload = {0};
	const struct segment *s;
	uint64_t next;
	bool gone;
	int rc;

	*slot = (struct journal_slot){.number = number,
		.end = SEGMENT_HEAD,
		.limit = UINT64_MAX,
		.ready = SEGMENT_BYTES,
		.sealed = true};
	s = journal_segment(j, number, &gone, e);
	if (s == NULL) {
		return journal_no_segment(number, gone, e);
	}
	while ((rc = segment_read(s, slot->end, &payload, &next, e)) > 0) {
		slot->end = next;
	}
	buf_free(&payload);
	slot->synced = slot->end;
	journal_not_before(j, s->clock_us);
	/* what a later one says of earlier ones */
	for (size_t i = 0; i < SEGMENT_CUTS; i++) {
		uint64_t n = s->cuts[i].number;
		if (n >= j->state->oldest && n < number) {
			journal_slot(j, n)->limit = s->cuts[i].limit;
		}
	}
	if (rc == 0 && fdatasync(s->fd) != 0 && errno != EROFS && errno != EINVAL) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot sync the journal");
	}
	return rc;
}

/* A segment that was being begun, or retired, when its keeper was killed. What fails is swept by
 * the next keeper. */
static void sweep(const struct journal *j)
{
	DIR *d = file_read_names(j->dir);
	const struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (segment_number(entry->d_name) != 0 && segment_is_void(j->dir, entry->d_name)) {
			(void)unlinkat(j->dir, entry->d_name, 0);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
}

static int adopt(struct journal *j, struct err *e)
{
	uint64_t numbers[JOURNAL_SEGMENTS];
	struct journal_state *st = j->state;
	size_t n, first = 0;

	sweep(j);
	if (journal_find_segments(j->dir, numbers, &n, e) != 0) {
		return -1;
	}
	if (n == 0) {
		return 0;
	}
	/* of another store, put there by hand: left alone */
	while (numbers[n - 1] - numbers[first] >= JOURNAL_SEGMENTS) {
		first++;
	}
	st->oldest = numbers[first];
	st->next = st->oldest;
	for (; first < n; first++) {
		while (st->next < numbers[first]) { /* a gap is an empty one */
			*journal_slot(j, st->next) =
				(struct journal_slot){.number = st->next, .sealed = true};
			st->next++;
		}
		st->next++;
		if (adopt_one(j, numbers[first], e) != 0) {
			return -1;
		}
	}
	st->adopted = st->next - 1;
	return 0;
}

/* Is there a keeper? The lock is let go at once: who wants to keep asks again, but for
 * JOURNAL_BESIDE, for which it does no harm to stand beside nobody. */
static bool is_kept(int dir)
{
	if (flock(dir, LOCK_SH | LOCK_NB) != 0) {
		return true;
	}
	(void)flock(dir, LOCK_UN);
	return false;
}

/* 0 the keeper, 1 somebody else is, -1. */
static int take_keeping(int dir, bool beside, struct err *e)
{
	for (int i = 0; i < KEEPER_TRIES; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0) {
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR) {
			return err_sys(e, EX_TEMPFAIL, "cannot lock %s", JOURNAL_FOLDER);
		}
		if (beside) {
			return 1;
		}
		(void)poll(NULL, 0, KEEPER_WAIT_MS);
	}
	return err_set(e, EX_TEMPFAIL, "another server keeps this store");
}

static int open_folder(int root, bool make, int *out, struct err *e)
{
	int dir;

	*out = -1;
	if (make && mkdirat(root, JOURNAL_FOLDER, 0700) == 0) {
		(void)file_sync(root, "the store's folder", NULL); /* or its first segment tells */
	}
	dir = openat(root, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* none, or what is in its place is none: then there is nothing to miss in it */
	if (dir < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
		return err_sys(e, EX_TEMPFAIL, "cannot open %s", JOURNAL_FOLDER);
	}
	*out = dir;
	return 0;
}

static int open_state(struct journal *j, struct err *e)
{
	j->state = shared_map(sizeof *j->state, e);
	if (j->state == NULL) {
		return -1;
	}
	j->state->oldest = j->state->next = 1;
	if (random_bytes(&j->epoch, sizeof j->epoch, e) != 0) {
		return -1;
	}
	j->epoch |= 1; /* never the zero of an index that was never written */
	if (shared_lock_init(&j->state->append, e) != 0 ||
		shared_lock_init(&j->state->sync, e) != 0) {
		return -1;
	}
	if (j->dir < 0) {
		return 0;
	}
	uint64_t epoch = j->epoch;
	load(j, &j->state->clock_us);
	j->epoch = epoch;
	if (adopt(j, e) != 0) {
		return -1;
	}
	journal_save(j);
	return 0;
}

int journal_open(struct journal **out, int root, enum journal_role role, struct err *e)
{
	struct journal *j = calloc(1, sizeof *j);
	int rc = 0;

	if (j == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open the journal: out of memory");
	}
	for (size_t i = 0; i < JOURNAL_SEGMENTS; i++) {
		j->open[i].fd = -1;
	}
	rc = open_folder(root, role != JOURNAL_LOOK, &j->dir, e);
	if (rc == 0 && role == JOURNAL_LOOK) {
		j->kept = j->dir >= 0 && is_kept(j->dir);
		rc = 1;
	} else if (rc == 0) {
		j->kept = true;
		rc = j->dir >= 0 ? take_keeping(j->dir, role == JOURNAL_BESIDE, e) : 0;
	}
	if (rc == 0) {
		rc = open_state(j, e);
	} else if (rc > 0) {
		int64_t ignored;
		load(j, &ignored);
	}
	if (rc < 0) {
		journal_close(j);
		return -1;
	}
	*out = j;
	return 0;
}

void journal_close(struct journal *j)
{
	uint64_t appended;

	if (j == NULL) {
		return;
	}
	if (j->state != NULL && j->dir >= 0) {
		journal_save(j);
		if (!journal_unsettled(j, &appended)) {
			(void)unlinkat(j->dir, JOURNAL_SPARE, 0);
		}
	}
	for (size_t i = 0; i < JOURNAL_SEGMENTS; i++) {
		segment_close(&j->open[i]);
	}
	if (j->state != NULL) {
		(void)munmap(j->state, sizeof *j->state);
	}
	if (j->dir >= 0) {
		(void)close(j->dir);
	}
	free(j);
}

uint64_t journal_epoch(const struct journal *j)
{
	return j->epoch;
}

bool journal_is_kept(const struct journal *j)
{
	return j->kept;
}

bool journal_is_keeper(const struct journal *j)
{
	return j->state != NULL;
}

bool journal_owns(const char *name)
{
	return strcmp(name, JOURNAL_SPARE) == 0 || strcmp(name, FAMILY) == 0;
}
