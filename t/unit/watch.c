/* Noticing that a file was replaced: by inotify, and without it. */
#include "unit.h"

#include <poll.h>
#include <sys/resource.h>

#include "../../store/watch.h"

static struct watch w;

/* Does the descriptor say, within a moment, that there is something to look at? */
static bool told(void)
{
	struct pollfd p = {.fd = w.fd, .events = POLLIN};

	return poll(&p, 1, 200) > 0;
}

/* A file's time ticks coarsely, and an inode's number may be used again: let the time pass. */
static void tick(void)
{
	(void)poll(NULL, 0, 20);
}

static void replace(const char *text)
{
	tick();
	spew_text("aside", text);
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, "watched"), 0);
}

/* What is noticed however it is looked for. */
static void notices_changes(bool by_inotify)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	assert_false(watch_changed(&w));
	replace("two");
	assert_true(!by_inotify || told());
	assert_true(watch_changed(&w));
	assert_false(watch_changed(&w)); /* once */
	assert_false(by_inotify && told());
	tick();
	spew_text("watched", "in place");
	assert_true(!by_inotify || told());
	assert_true(watch_changed(&w));
	assert_int_equal(utimensat(folder.fd, "watched", times, 0), 0);
	assert_true(watch_changed(&w)); /* another second, though no one tells */
	tick();
	spew_text("beside", "another file");
	assert_int_equal(mkdirat(folder.fd, "folder", 0700), 0);
	assert_false(watch_changed(&w));
	tick();
	assert_int_equal(unlinkat(folder.fd, "watched", 0), 0);
	assert_true(!by_inotify || told());
	assert_true(watch_changed(&w)); /* gone */
	assert_false(watch_changed(&w));
	replace("three");
	assert_true(!by_inotify || told());
	assert_true(watch_changed(&w));
	for (int i = 0; i < 2000; i++) { /* more events than one read takes */
		spew_text("a-rather-long-name-for-a-file-that-is-not-the-one-watched", "");
	}
	assert_false(watch_changed(&w));
	assert_false(by_inotify && told()); /* all were read */
}

static void with_inotify(void **state)
{
	(void)state;
	spew_text("watched", "one");
	watch_open(&w, folder.fd, "watched");
	if (w.fd < 0) {
		print_message("# SKIPPED: there is no inotify\n");
		watch_close(&w);
		skip();
	}
	notices_changes(true);
	watch_close(&w);
	assert_int_equal(w.fd, -1);
	watch_close(&w); /* twice is fine */
}

static int without_descriptors(int i)
{
	const struct rlimit none = {.rlim_cur = 3, .rlim_max = 4096};
	struct rlimit before;

	(void)i;
	(void)getrlimit(RLIMIT_NOFILE, &before);
	(void)setrlimit(RLIMIT_NOFILE, &none);
	watch_open(&w, folder.fd, "watched");
	(void)setrlimit(RLIMIT_NOFILE, &before);
	return w.fd < 0 ? 0 : 1;
}

static void without_inotify(void **state)
{
	struct rlimit before, few;

	(void)state;
	spew_text("watched", "one");
	assert_int_equal(end_child(start_child(without_descriptors, 0)), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	watch_open(&w, folder.fd, "watched");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(w.fd, -1);
	notices_changes(false);
	watch_close(&w);
}

static void not_a_folder(void **state)
{
	int fd;

	(void)state;
	spew_text("watched", "one");
	fd = openat(folder.fd, "watched", O_RDONLY);
	watch_open(&w, fd, "watched"); /* inotify may watch it; there is nothing in it */
	assert_false(watch_changed(&w));
	watch_close(&w);
	(void)close(fd);
	watch_open(&w, 900, "watched"); /* a descriptor of nothing */
	assert_int_equal(w.fd, -1);
	assert_false(watch_changed(&w));
	watch_close(&w);
}

static void not_there_at_first(void **state)
{
	(void)state;
	watch_open(&w, folder.fd, "watched");
	assert_false(watch_changed(&w));
	replace("one");
	assert_true(watch_changed(&w));
	assert_false(watch_changed(&w));
	watch_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("by inotify a change is told, and noticed once", with_inotify),
		T_FOLDER("without inotify it is noticed when it is looked for", without_inotify),
		T_FOLDER("what is no folder can be asked, and never changes", not_a_folder),
		T_FOLDER("a file that comes later is a change", not_there_at_first),
	};
	return RUN(tests);
}
