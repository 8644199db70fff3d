/* A file that arrives: whole under its name or not at all, and gone on with. */
#include "landing.h"

#include <sys/resource.h>

static uint8_t text[LARGE];

/* --- names --- */

static void names(void **state)
{
	static const struct {
		const char *name;
		size_t n;
	} bad[] = {{"", 0}, {".", 1}, {"..", 2}, {".a", 2}, {"a/b", 3}, {"/", 1}, {"a\0b", 3},
		{"a\n", 2}, {"a\x1b[2J", 5}, {"a\x7f", 2}, {"\xc2\x9b", 2}, {"a\xff", 2},
		{"a\xc3", 2}, {"\xc0\xae", 2}, {"a\xe2\x80\xae", 4}, {"\xed\xa0\x80", 3},
		{"a\xef\xbb\xbf", 4}};
	static const char *const good[] = {"a", "a.b", "a b", "~", "%2e", "-rf", "na\xc3\xafve",
		"\xf0\x9f\x93\x81", "a\\b", "a.part", "a..", "*"};
	char name[LANDING_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(landing_check_name(bad[i].name, bad[i].n, &e), e, EX_DATAERR);
		assert_false(has_control(e.text, strlen(e.text)));
	}
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(landing_check_name(good[i], strlen(good[i]), &e), 0);
		begin(good[i], FILE_NEW, false);
		finish();
		assert_true(is_there(good[i]));
	}
	assert_int_equal(count_names("."), COUNT(good));
	memset(name, 'n', sizeof name);
	assert_refused(landing_check_name(name, LANDING_NAME_MAX + 1, &e), e, EX_DATAERR);
	assert_int_equal(landing_check_name(name, LANDING_NAME_MAX, &e), 0);
	name[LANDING_NAME_MAX + 1] = '\0';
	assert_refused(landing_open(&l, folder.fd, name, FILE_NEW, false, &e), e, EX_DATAERR);
	(void)landing_end(&l, true);
	name[LANDING_NAME_MAX] = '\0';
	begin(name, FILE_NEW, false);
	finish();
	assert_refused(landing_open(&l, folder.fd, "../x", FILE_NEW, false, &e), e, EX_DATAERR);
	assert_int_equal(count_names("."), COUNT(good) + 1);
}

/* --- whole --- */

static void every_size(void **state)
{
	static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, LARGE};
	static const size_t pieces[] = {1, 7, BLOCK - 1, BLOCK, BLOCK + 1, LARGE};
	struct stat st;

	(void)state;
	fill_pattern(text, sizeof text, 1);
	memset(text + 2 * BLOCK - 5, 0, 3 * BLOCK); /* two whole blocks of zeros stand in it */
	for (size_t i = 0; i < COUNT(sizes) * COUNT(pieces); i++) {
		size_t n = sizes[i / COUNT(pieces)], k = pieces[i % COUNT(pieces)];
		begin("f", FILE_REPLACE, false);
		for (size_t at = 0; at < n; at += k) {
			put(text + at, n - at < k ? n - at : k);
			assert_int_equal(l.at, n - at < k ? n : at + k);
			assert_true(i == 0 || is_there(".f.part"));
		}
		finish();
		assert_holds("f", text, n);
		assert_int_equal(fstatat(folder.fd, "f", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_nlink, 1);
		assert_int_equal(count_names("."), 1);
	}
}

static void never_half(void **state)
{
	(void)state;
	begin("f", FILE_NEW, false);
	put("half", 4);
	assert_false(is_there("f"));
	(void)landing_end(&l, false);
	assert_int_equal(count_names("."), 0);
	begin("f", FILE_NEW, false);
	put("half", 4);
	(void)landing_end(&l, true);
	assert_false(is_there("f"));
	assert_holds(".f.part", "half", 4);
	begin("e", FILE_NEW, false);
	(void)landing_end(&l, true); /* nothing is there to go on with */
	assert_false(is_there(".e.part"));
	spew_text("g", "old");
	begin("g", FILE_REPLACE, false);
	put("new", 3);
	assert_holds("g", "old", 3);
	finish();
	assert_holds("g", "new", 3);
}

/* The blocks that a file takes, or a skip where this file system knows no holes. */
static blkcnt_t blocks_of(const char *name)
{
	struct stat st;
	blkcnt_t plain;
	int fd = openat(folder.fd, "probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(fstat(fd, &st), 0);
	plain = st.st_blocks;
	(void)close(fd);
	assert_int_equal(unlinkat(folder.fd, "probe", 0), 0);
	assert_int_equal(fstatat(folder.fd, name, &st, 0), 0);
	if (plain > 1024) {
		skip();
	}
	return st.st_blocks;
}

static void holes(void **state)
{
	static const uint8_t zeros[LARGE];
	struct buf in = {0};

	(void)state;
	begin("f", FILE_NEW, false);
	put("head", 4);
	assert_int_equal(landing_hole(&l, (64 << 20) - 4, &e), 0);
	for (int i = 0; i < 100; i++) {
		put(zeros, sizeof zeros); /* told as bytes */
	}
	put("midst", 5);
	assert_int_equal(landing_hole(&l, 1 << 20, &e), 0);
	finish();
	slurp("f", &in);
	assert_int_equal(in.n, (64 << 20) + 100 * LARGE + 5 + (1 << 20));
	assert_memory_equal(in.p, "head", 4);
	assert_memory_equal(in.p + (64 << 20) + 100 * LARGE, "midst", 5);
	memset(in.p, 0, 4);
	memset(in.p + (64 << 20) + 100 * LARGE, 0, 5);
	assert_true(in.p[0] == 0 && memcmp(in.p, in.p + 1, in.n - 1) == 0);
	buf_free(&in);
	assert_true(blocks_of("f") < 2048);
}

static void too_long(void **state)
{
	(void)state;
	begin("f", FILE_NEW, false);
	assert_int_equal(landing_hole(&l, INT64_MAX, &e), 0);
	assert_refused(landing_hole(&l, 1, &e), e, EX_TEMPFAIL);
	assert_refused(landing_write(&l, "x", 1, &e), e, EX_TEMPFAIL);
	assert_refused(landing_hole(&l, UINT64_MAX, &e), e, EX_TEMPFAIL);
	(void)landing_end(&l, false);
	assert_int_equal(count_names("."), 0);
}

/* --- going on --- */

static int die_in_a_hole(int i)
{
	(void)i;
	return landing_open(&l, folder.fd, "f", FILE_NEW, false, &e) != 0 ||
	       landing_write(&l, text, LARGE, &e) != 0 || landing_hole(&l, 1 << 20, &e) != 0;
}

static void goes_on(void **state)
{
	(void)state;
	fill_pattern(text, sizeof text, 2);
	/* a process that died: its lock is gone, and the hole that it was in is not there */
	assert_int_equal(end_child(start_child(die_in_a_hole, 0)), 0);
	begin("f", FILE_NEW, true);
	assert_int_equal(l.held, LARGE);
	assert_int_equal(l.at, 0);
	assert_refused(landing_from(&l, LARGE + 1, &e), e, EX_SOFTWARE);
	assert_int_equal(landing_from(&l, BLOCK + 1, &e), 0);
	assert_int_equal(l.at, BLOCK + 1);
	put(text + BLOCK + 1, 3 * BLOCK);
	assert_int_equal(landing_hole(&l, 100000, &e), 0);
	(void)landing_end(&l, true); /* the hole is kept */
	begin("f", FILE_NEW, true);
	assert_int_equal(l.held, 4 * BLOCK + 1 + 100000);
	assert_int_equal(landing_from(&l, 4 * BLOCK + 1, &e), 0);
	put(text + 4 * BLOCK + 1, LARGE - 4 * BLOCK - 1);
	finish();
	assert_holds("f", text, LARGE);
	assert_int_equal(count_names("."), 1);
}

/* What was held and not asked for never shows, not even through a hole. */
static void drops(void **state)
{
	static const uint8_t zeros[2 * BLOCK];
	struct landing kept;

	(void)state;
	memset(text, 'x', sizeof text);
	for (int how = 0; how < 5; how++) {
		spew(".f.part", text, sizeof text);
		begin("f", FILE_REPLACE, how != 0);
		kept = l;
		assert_int_equal(kept.held, how == 0 ? 0 : LARGE);
		if (how == 3) {
			assert_int_equal(landing_hole(&l, sizeof zeros, &e), 0);
		} else if (how != 4) {
			put(zeros, how == 2 ? 1 : sizeof zeros);
		}
		finish();
		assert_holds("f", zeros, how == 4 ? 0 : how == 2 ? 1 : sizeof zeros);
	}
	spew(".f.part", text, sizeof text); /* looked at and left as it is */
	begin("f", FILE_REPLACE, true);
	(void)landing_end(&l, true);
	assert_holds(".f.part", text, sizeof text);
}

/* --- no room --- */

static int write_beyond_limit(int i)
{
	struct rlimit limit = {.rlim_cur = 3 * BLOCK, .rlim_max = RLIM_INFINITY};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)i;
	if (sigaction(SIGXFSZ, &ignore, NULL) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
		landing_open(&l, folder.fd, "f", FILE_NEW, false, &e) != 0 ||
		landing_write(&l, text, BLOCK, &e) != 0) {
		return 1;
	}
	if (landing_write(&l, text + BLOCK, LARGE - BLOCK, &e) == 0 || e.code != EX_TEMPFAIL) {
		return 2;
	}
	(void)landing_end(&l, true);
	return 0;
}

static void no_room(void **state)
{
	(void)state;
	fill_pattern(text, sizeof text, 3);
	assert_int_equal(end_child(start_child(write_beyond_limit, 0)), 0);
	assert_int_equal(count_names("."), 0); /* it holds no room that is missing */
}

/* --- a pipe --- */

static void streams(void **state)
{
	uint8_t in[300];
	int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	landing_stream(&l, ends[1]);
	put("bytes", 5);
	assert_int_equal(landing_hole(&l, 200, &e), 0);
	put("more", 4);
	assert_int_equal(l.at, 209);
	finish();
	assert_int_equal(read(ends[0], in, sizeof in), 209);
	assert_memory_equal(in, "bytes\0\0", 7);
	assert_memory_equal(in + 204, "\0more", 5);
	assert_int_equal(write(ends[1], "x", 1), 1); /* it stayed the caller's */
	(void)close(ends[0]);
	(void)close(ends[1]);
	if (full >= 0) {
		landing_stream(&l, full);
		assert_refused(landing_write(&l, "x", 1, &e), e, EX_IOERR);
		assert_refused(landing_hole(&l, 1 << 20, &e), e, EX_IOERR);
		(void)landing_end(&l, false);
		(void)close(full);
	}
}

static int drain(int fd)
{
	uint8_t in[1000];
	uint64_t all = 0;
	ssize_t k;

	while ((k = read(fd, in, sizeof in)) > 0) {
		all += (uint64_t)k;
	}
	return all == (1 << 20) + LARGE ? 0 : 1;
}

/* A pipe that another program made non-blocking is waited for. */
static void slow_stream(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ends[1]);
		_exit(drain(ends[0]));
	}
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	landing_stream(&l, ends[1]);
	put(text, LARGE);
	assert_int_equal(landing_hole(&l, 1 << 20, &e), 0);
	finish();
	(void)close(ends[1]);
	assert_int_equal(end_child(pid), 0);
	(void)close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a name that leaves its folder, hides or harms a terminal is refused",
			names),
		T_FOLDER("files of every size, in every piece, with zeros in them, are whole",
			every_size),
		T_FOLDER("nothing stands under the name before the end", never_half),
		T_FOLDER("zeros take no room, told as bytes or as a hole", holes),
		T_FOLDER("no file is longer than 2^63 - 1", too_long),
		T_FOLDER("a broken try is gone on with, behind what is asked for", goes_on),
		T_FOLDER("of what is not gone on with nothing shows", drops),
		T_FOLDER("a limit on sizes is worth trying again, and nothing holds room", no_room),
		T("a pipe takes bytes and zeros; its errors are told", streams),
		T("a pipe that is full is waited for", slow_stream),
	};
	return RUN(tests);
}
