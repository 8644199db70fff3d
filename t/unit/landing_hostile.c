/* A file that arrives where others are: under its name, under its part's name, and at the same
 * time. */
#include "landing.h"

/* --- what stands under the name --- */

static void never_replaces(void **state)
{
	(void)state;
	spew_text("f", "old");
	assert_refused(landing_open(&l, folder.fd, "f", FILE_NEW, false, &e), e, EX_CANTCREAT);
	assert_contains(e.text, "f: it exists");
	(void)landing_end(&l, true);
	assert_int_equal(count_names("."), 1);
	/* one that comes meanwhile, even as a symlink to nothing */
	begin("g", FILE_NEW, false);
	put("new", 3);
	spew_text("g", "old");
	assert_refused(landing_finish(&l, &e), e, EX_CANTCREAT);
	assert_holds("g", "old", 3);
	assert_holds(".g.part", "new", 3);
	assert_int_equal(unlinkat(folder.fd, "g", 0), 0);
	assert_int_equal(symlinkat("nothing", folder.fd, "g"), 0);
	assert_refused(landing_finish(&l, &e), e, EX_CANTCREAT);
	assert_int_equal(unlinkat(folder.fd, "g", 0), 0);
	finish(); /* nothing stands in the way any more */
	assert_holds("g", "new", 3);
	assert_int_equal(count_names("."), 2);
}

static void replaces_files_alone(void **state)
{
	static const char *const others[] = {"link", "dangling", "folder", "fifo"};

	(void)state;
	spew_text("victim", "untouched");
	assert_int_equal(symlinkat("victim", folder.fd, "link"), 0);
	assert_int_equal(symlinkat("nothing", folder.fd, "dangling"), 0);
	assert_int_equal(mkdirat(folder.fd, "folder", 0700), 0);
	assert_int_equal(mkfifoat(folder.fd, "fifo", 0600), 0);
	for (size_t i = 0; i < COUNT(others); i++) {
		for (int how = FILE_NEW; how <= FILE_REPLACE; how++) {
			assert_refused(landing_open(&l, folder.fd, others[i], (enum file_how)how,
					       false, &e),
				e, EX_CANTCREAT);
			assert_contains(e.text, others[i]);
		}
	}
	assert_int_equal(count_names("."), 1 + COUNT(others));
	begin("g", FILE_REPLACE, false);
	put("new", 3);
	assert_int_equal(symlinkat("victim", folder.fd, "g"), 0);
	assert_refused(landing_finish(&l, &e), e, EX_CANTCREAT);
	(void)landing_end(&l, false);
	assert_holds("victim", "untouched", 9);
	assert_int_equal(count_names("."), 2 + COUNT(others));
}

/* --- what stands under the part's name --- */

static void traps(void **state)
{
	(void)state;
	spew_text("victim", "untouched");
	assert_int_equal(symlinkat("victim", folder.fd, ".a.part"), 0);
	assert_int_equal(symlinkat("nothing", folder.fd, ".b.part"), 0);
	assert_int_equal(mkfifoat(folder.fd, ".c.part", 0600), 0);
	assert_int_equal(mkdirat(folder.fd, ".d.part", 0700), 0);
	for (const char *name = "a\0b\0c\0d"; *name != '\0'; name += 2) {
		assert_refused(
			landing_open(&l, folder.fd, name, FILE_NEW, true, &e), e, EX_CANTCREAT);
		assert_contains(e.text, "remove it");
		(void)landing_end(&l, false);
		if (*name == 'd') {
			break;
		}
	}
	assert_int_equal(count_names("."), 5);
	assert_holds("victim", "untouched", 9);
}

/* A file that another name leads to, and one that others may write, is left as it is. */
static void not_ours_alone(void **state)
{
	struct stat st;

	(void)state;
	spew_text("victim", "untouched");
	assert_int_equal(linkat(folder.fd, "victim", folder.fd, ".f.part", 0), 0);
	begin("f", FILE_NEW, true);
	assert_int_equal(l.held, 0);
	put("new", 3);
	finish();
	assert_holds("victim", "untouched", 9);
	assert_holds("f", "new", 3);
	spew_text(".g.part", "theirs");
	assert_int_equal(fchmodat(folder.fd, ".g.part", 0666, 0), 0);
	int theirs = openat(folder.fd, ".g.part", O_RDWR | O_CLOEXEC);
	begin("g", FILE_NEW, true);
	assert_int_equal(l.held, 0);
	put("ours", 4);
	finish();
	assert_int_equal(pwrite(theirs, "evil", 4, 0), 4);
	(void)close(theirs);
	assert_holds("g", "ours", 4);
	assert_int_equal(fstatat(folder.fd, "g", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* --- one writer --- */

static void one_writer(void **state)
{
	struct landing second;

	(void)state;
	begin("f", FILE_NEW, false);
	put("first", 5);
	assert_refused(
		landing_open(&second, folder.fd, "f", FILE_REPLACE, true, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "somebody else");
	(void)landing_end(&second, false);
	finish();
	assert_holds("f", "first", 5);
	begin("f", FILE_REPLACE, false); /* the lock went with it */
	(void)landing_end(&l, false);
	assert_holds("f", "first", 5);
	assert_int_equal(count_names("."), 1);
}

/* Writes files of its own byte until it has named ten; whoever looks sees whole ones alone. */
static int write_many(int i)
{
	uint8_t byte[3 * BLOCK], seen[sizeof byte + 1];
	struct landing mine;
	struct err why;

	memset(byte, 'a' + i, sizeof byte);
	for (int done = 0; done < 10;) {
		if (landing_open(&mine, folder.fd, "f", FILE_REPLACE, i % 2 == 1, &why) != 0) {
			if (why.code != EX_TEMPFAIL) {
				return 1;
			}
			continue;
		}
		if (landing_from(&mine, 0, &why) != 0 ||
			landing_write(&mine, byte, BLOCK, &why) != 0 ||
			landing_write(&mine, byte, 2 * BLOCK, &why) != 0) {
			return 2;
		}
		if (done % 3 == 2) {
			(void)landing_end(&mine, i % 4 == 3);
		} else if (landing_finish(&mine, &why) != 0) {
			return 3;
		}
		done++;
		int fd = openat(folder.fd, "f", O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, seen, sizeof seen);
		(void)close(fd);
		if (n != sizeof byte || memcmp(seen, seen + 1, sizeof byte - 1) != 0) {
			return 4;
		}
	}
	return 0;
}

static void many_writers(void **state)
{
	(void)state;
	run_children(8, write_many);
	(void)unlinkat(folder.fd, ".f.part", 0);
	assert_int_equal(count_names("."), 1);
}

static void taken_away(void **state)
{
	(void)state;
	begin("f", FILE_NEW, false);
	put("ours", 4);
	assert_int_equal(unlinkat(folder.fd, ".f.part", 0), 0);
	spew_text(".f.part", "theirs");
	assert_refused(landing_finish(&l, &e), e, EX_TEMPFAIL);
	(void)landing_end(&l, false);
	assert_false(is_there("f"));
	assert_holds(".f.part", "theirs", 6); /* not ours to remove */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("an existing file is not replaced, even if it came meanwhile",
			never_replaces),
		T_FOLDER("what is no regular file is never replaced", replaces_files_alone),
		T_FOLDER("a symlink, FIFO or folder in the part's place is refused", traps),
		T_FOLDER("a part that others hold or may write is not written", not_ours_alone),
		T_FOLDER("a second writer of a name is refused", one_writer),
		T_FOLDER("of eight writers of one name each writes whole files", many_writers),
		T_FOLDER("another file in the part's place is not named", taken_away),
	};
	return RUN(tests);
}
