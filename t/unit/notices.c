/* Counting what changes in a folder, one after the other. */
#include "unit.h"

#include <sys/resource.h>

#include "../../store/notices.h"

static struct notices n;

static int notices_setup(void **state)
{
	if (folder_make(state) != 0 || mkdirat(folder.fd, "one", 0700) != 0 ||
		mkdirat(folder.fd, "two", 0700) != 0) {
		return -1;
	}
	return 0;
}

static int notices_teardown(void **state)
{
	notices_close(&n);
	return folder_remove(state);
}

#define T_NOTICES(title, function)                                     \
	{                                                              \
		title, function, notices_setup, notices_teardown, NULL \
	}

static int open_folder(const char *name)
{
	int fd = openat(folder.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void told_of_each(void **state)
{
	int one = open_folder("one"), two = open_folder("two");
	unsigned names = 99;

	(void)state;
	notices_open(&n);
	notices_begin(&n, one);
	assert_true(notices_end(&n, &names));
	assert_int_equal(names, 0);
	notices_begin(&n, one);
	spew_text("one/a", "");
	spew_text("one/.hidden", "");
	spew_text("two/a", "");
	assert_int_equal(linkat(one, "a", one, "b", 0), 0);
	assert_int_equal(renameat(one, "b", two, "b"), 0);
	assert_int_equal(renameat(two, "b", one, "c"), 0);
	assert_int_equal(unlinkat(one, "c", 0), 0);
	assert_true(notices_end(&n, &names));
	assert_int_equal(names, 5);
	spew_text("one/behind", "");
	notices_begin(&n, two);
	spew_text("one/beside", "");
	spew_text("two/in place", "");
	spew_text("two/in place", "written again");
	assert_true(notices_end(&n, &names));
	assert_int_equal(names, 1);
	(void)close(one);
	(void)close(two);
}

/* What the kernel keeps for us until we look. */
static unsigned kept_at_most(void)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned most = 0;

	if (f == NULL || fscanf(f, "%u", &most) != 1 || most > 1000000) {
		skip();
	}
	(void)fclose(f);
	return most;
}

static void make_many(int dir, const char *stem, unsigned n_made)
{
	char name[32];

	for (unsigned i = 0; i < n_made; i++) {
		(void)snprintf(name, sizeof name, "%s%u", stem, i);
		assert_int_equal(symlinkat("x", dir, name), 0);
	}
}

static void too_many(void **state)
{
	int one = open_folder("one");
	unsigned names;

	(void)state;
	notices_open(&n);
	notices_begin(&n, one);
	make_many(one, "few", 1000);
	assert_true(notices_end(&n, &names));
	assert_int_equal(names, 1000);
	notices_begin(&n, one);
	make_many(one, "many", kept_at_most() + 1);
	assert_false(notices_end(&n, &names));
	notices_begin(&n, one);
	assert_true(notices_end(&n, &names));
	assert_int_equal(names, 0);
	(void)close(one);
}

static void without_inotify(void **state)
{
	struct rlimit before, none;
	int one = open_folder("one");
	unsigned names;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	notices_open(&n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	notices_begin(&n, one);
	assert_false(notices_end(&n, &names));
	notices_close(&n);
	notices_open(&n);
	notices_begin(&n, -1);
	assert_false(notices_end(&n, &names));
	(void)close(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_NOTICES("each name that comes or goes is told once, hidden ones are not",
			told_of_each),
		T_NOTICES("more than the kernel keeps cannot be told, the next ones can", too_many),
		T_NOTICES("without inotify nothing can be told", without_inotify),
	};
	return RUN(tests);
}
