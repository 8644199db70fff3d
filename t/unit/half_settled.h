/* What the tests of a crash in the midst of settling share: two messages whose files are made, and
 * which the journal still has. */
#ifndef T_HALF_SETTLED_H
#define T_HALF_SETTLED_H

#include "crash.h"

static inline void copy_file(const char *from, const char *to)
{
	struct buf b = {0};

	slurp(from, &b);
	spew(to, b.p, b.n);
	buf_free(&b);
}

static inline const char *segment_file(void)
{
	static char path[64];
	char name[SEGMENT_NAME + 1];

	segment_name(name, 1);
	(void)snprintf(path, sizeof path, "%s/%s", JOURNAL_FOLDER, name);
	return path;
}

/* All is settled, and then a crash: but the segment was not retired. */
static inline void settle_and_crash(void)
{
	copy_file(segment_file(), "segment");
	settle();
	crash_store();
	copy_file("segment", segment_file());
}

static uint8_t small_id[MAILBOX_ID_BYTES], both_id[MAILBOX_ID_BYTES];

static inline void deliver_two(void)
{
	assert_int_equal(deliver("small", "small", "client1"), 0);
	memcpy(small_id, last.id, sizeof small_id);
	assert_int_equal(deliver("both", "for both", "client1;client2"), 0);
	memcpy(both_id, last.id, sizeof both_id);
}

static inline void assert_two(void)
{
	assert_int_equal(whole_copies("client1", small_id, "small"), 1);
	assert_int_equal(whole_copies("client1", both_id, "for both"), 1);
	assert_int_equal(rows_n, 2);
	assert_int_equal(whole_copies("client2", both_id, "for both"), 1);
	assert_int_equal(rows_n, 1);
}

/* Nothing is left of it, but what the store keeps for itself. */
static inline void start_empty(void)
{
	assert_int_equal(remove_all("client1"), 0);
	assert_int_equal(remove_all("client2"), 0);
	settle();
	box->ops->close(box);
	start_store();
}

static inline void truncate_file(const char *path, off_t n)
{
	int fd = openat(folder.fd, path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0 && ftruncate(fd, n) == 0);
	assert_int_equal(close(fd), 0);
}

#endif
