/* An index that cannot be read just now is not lost: what it says later is right. */
#include "crash.h"

static int unread; /* this read fails, from 1; 0: none does */

ssize_t failing_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t failing_pread(int fd, void *p, size_t n, off_t at)
{
	if (unread > 0 && --unread == 0) {
		errno = EIO;
		return -1;
	}
	return (ssize_t)syscall(SYS_pread64, fd, p, n, at);
}

enum { LETTERS = 4 };

static uint8_t ids[LETTERS + 1][MAILBOX_ID_BYTES];

/* In the order of arrival, each once, and counted so. */
static void assert_letters(int n, const int *which)
{
	struct mailbox_usage usage;

	assert_int_equal(box->ops->usage(box, "client2", &usage, &e), 0);
	assert_int_equal(usage.messages, n);
	rows_n = 0;
	assert_int_equal(box->ops->list_behind(box, "client2", NULL, visit_row, NULL, &e), 0);
	assert_int_equal(rows_n, n);
	for (int i = 0; i < n; i++) {
		assert_memory_equal(rows[i].meta.id, ids[which[i]], MAILBOX_ID_BYTES);
	}
}

/* Their times go backwards: only the index has their order. */
static void deliver_letter(int i)
{
	assert_int_equal(deliver_at("T", "x", "client2", 1000000 * (100 - i)), 0);
	memcpy(ids[i], last.id, sizeof ids[i]);
}

static void begin(bool settled)
{
	struct mailbox_usage usage;

	for (int i = 0; i < LETTERS; i++) {
		deliver_letter(i);
	}
	if (settled) {
		settle();
	}
	assert_int_equal(box->ops->usage(box, "client2", &usage, &e), 0); /* which is kept */
}

static void end(void)
{
	assert_int_equal(remove_all("client2"), 0);
	settle();
}

static void removed(bool settled)
{
	static const int all[] = {0, 1, 2, 3}, left[] = {0, 2, 3};
	bool struck = true;

	for (int at = 1; struck; at++) {
		struct mailbox_ref ref = {0};
		begin(settled);
		memcpy(ref.id, ids[1], sizeof ref.id);
		unread = at;
		int rc = box->ops->remove(box, "client2", &ref, &e);
		struck = unread == 0;
		unread = 0;
		int n = list("client2");
		assert_true(n == LETTERS - 1 || (rc != 0 && n == LETTERS));
		assert_letters(n, n == LETTERS ? all : left);
		end();
	}
}

static void removed_unsettled(void **state)
{
	(void)state;
	removed(false);
}

static void removed_settled(void **state)
{
	(void)state;
	removed(true);
}

static void listed(void **state)
{
	static const int all[] = {0, 1, 2, 3, 4};
	bool struck = true;

	(void)state;
	for (int at = 1; struck; at++) {
		begin(at % 2 == 0);
		box_suspect(&((struct files *)box)->scan, "client2"); /* a look at the folder */
		unread = at;
		rows_n = 0;
		(void)box->ops->list(box, "client2", NULL, visit_row, NULL, &e);
		struck = unread == 0;
		unread = 0;
		deliver_letter(LETTERS);
		assert_letters(LETTERS + 1, all);
		end();
	}
}

static void settled(void **state)
{
	static const int all[] = {0, 1, 2, 3, 4};
	bool struck = true;

	(void)state;
	for (int at = 1; struck; at++) {
		begin(false);
		unread = at;
		(void)box->ops->settle(box, &e);
		struck = unread == 0;
		unread = 0;
		deliver_letter(LETTERS);
		assert_letters(LETTERS + 1, all);
		settle();
		assert_letters(LETTERS + 1, all);
		assert_int_equal(files_of("client2"), LETTERS + 1);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_UNSETTLED("a read that fails in a removal", removed_unsettled),
		T_UNSETTLED("and in one of a file", removed_settled),
		T_UNSETTLED("and in a look at a folder", listed),
		T_UNSETTLED("and in settling", settled),
	};
	return RUN(tests);
}
