/* What the tests of the journal share: appending numbered records, and reading them back. */
#ifndef T_JOURNAL_H
#define T_JOURNAL_H

#include "unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include "../../store/journal_state.h"

static struct journal *journal;
static struct err e;

static inline void open_journal(void)
{
	if (journal_open(&journal, folder.fd, false, &e) != 0) {
		fail_msg("journal_open: %s", e.text);
	}
}

static inline int journal_setup(void **state)
{
	return folder_make(state) == 0 ? journal_open(&journal, folder.fd, false, &e) : -1;
}

static inline int journal_drop(void **state)
{
	journal_close(journal);
	return folder_remove(state);
}

#define T_JOURNAL(title, function)                                 \
	{                                                          \
		title, function, journal_setup, journal_drop, NULL \
	}

/* As after kill -9 of the whole family: nothing is saved, the locks are gone. */
static inline void crash_journal(void)
{
	for (size_t i = 0; i < JOURNAL_SEGMENTS; i++) {
		segment_close(&journal->open[i]);
	}
	(void)munmap(journal->state, sizeof *journal->state);
	(void)close(journal->dir);
	free(journal);
}

static inline void restart_journal(void)
{
	crash_journal();
	open_journal();
}

/* A record of n bytes, 8 at least, that tells its seed. */
static inline int append_n(uint64_t seed, size_t n, struct journal_mark *mark)
{
	static uint8_t p[SEGMENT_RECORD + SEGMENT_PAYLOAD_MAX];

	fill_pattern(p + SEGMENT_RECORD, n, (uint32_t)seed);
	put_u64le(p + SEGMENT_RECORD, seed);
	return journal_append(journal, p, n, mark, &e);
}

static inline void must_append(uint64_t seed, size_t n)
{
	struct journal_mark mark;

	if (append_n(seed, n, &mark) != 0 || journal_commit(journal, &mark, &e) != 0) {
		fail_msg("record %d: %s", (int)seed, e.text);
	}
	journal_done(journal, &mark);
}

enum { SEEN_MAX = 8192 };
static struct seen {
	uint64_t seed;
	struct journal_mark mark;
	size_t n;
	bool done;
} seen[SEEN_MAX];
static size_t seen_n;

static inline int see(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *why)
{
	static uint8_t wanted[SEGMENT_PAYLOAD_MAX];
	struct cursor c = cursor_over(payload->p, payload->n);
	uint64_t seed = get_u64le(&c);

	(void)arg;
	(void)why;
	assert_true(payload->n >= 8);
	fill_pattern(wanted, payload->n, (uint32_t)seed);
	put_u64le(wanted, seed);
	assert_memory_equal(payload->p, wanted, payload->n);
	assert_true(seen_n < SEEN_MAX);
	seen[seen_n++] = (struct seen){.seed = seed, .mark = *mark, .n = payload->n, .done = done};
	return 0;
}

/* Walk it all: each is what was appended. How many there are. */
static inline size_t walk_journal(void)
{
	seen_n = 0;
	if (journal_each(journal, 0, UINT64_MAX, see, NULL, &e) != 0) {
		fail_msg("journal_each: %s", e.text);
	}
	return seen_n;
}

static inline void assert_seeds(uint64_t first, size_t n)
{
	assert_int_equal(walk_journal(), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(seen[i].seed, first + i);
	}
}

/* The path of a segment in the store's folder. */
static inline const char *segment_path(uint64_t number)
{
	static char path[64];
	char name[SEGMENT_NAME + 1];

	segment_name(name, number);
	(void)snprintf(path, sizeof path, JOURNAL_FOLDER "/%s", name);
	return path;
}

/* Seal and retire the oldest. */
static inline uint64_t retire_oldest(void)
{
	uint64_t number = 0;

	assert_int_equal(journal_seal(journal, &number, &e), 0);
	assert_int_equal(journal_retire(journal, number, &e), 0);
	return number;
}

enum { BIG = SEGMENT_PAYLOAD_MAX };

/* Fill all segments, with records from this seed on: the next seed. */
static inline uint64_t fill_all(uint64_t seed)
{
	struct journal_mark mark;
	int rc;

	while ((rc = append_n(seed, BIG, &mark)) == 0) {
		assert_int_equal(journal_commit(journal, &mark, &e), 0);
		journal_done(journal, &mark);
		seed++;
	}
	assert_int_equal(rc, 1);
	return seed;
}

#endif
