/* Where the records of messages stand: what is found, at what cost, and what is not believed. */
#include "unit.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include "../../store/hints.h"

static int reads, writes, syncs;

ssize_t counted_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t counted_pread(int fd, void *p, size_t n, off_t at)
{
	reads++;
	return (ssize_t)syscall(SYS_pread64, fd, p, n, at);
}

ssize_t checked_pread(int fd, void *p, size_t n, off_t at, size_t room) __asm__("__pread_chk");
ssize_t checked_pread(int fd, void *p, size_t n, off_t at, size_t room)
{
	return n <= room ? counted_pread(fd, p, n, at) : -1;
}

ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at)
{
	writes++;
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

int counted_fdatasync(int fd) __asm__("fdatasync");
int counted_fdatasync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

int counted_fsync(int fd) __asm__("fsync");
int counted_fsync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

/* --- helpers --- */

static const uint8_t *make_id(uint32_t seed)
{
	static uint8_t id[MAILBOX_ID_BYTES];

	fill_pattern(id, sizeof id, seed);
	return id;
}

static uint64_t where_of(uint32_t seed)
{
	return seed % 3 == 0 ? UINT64_MAX - seed : (uint64_t)seed * 977;
}

/* A whole new table with the ids first..first + n - 1. */
static void make(uint32_t first, uint32_t n)
{
	struct hints_new new;

	assert_int_equal(hints_begin(&new, folder.fd, n), 0);
	for (uint32_t i = 0; i < n; i++) {
		hints_add(&new, make_id(first + i), where_of(first + i));
	}
	assert_int_equal(hints_finish(&new, true), 0);
}

static int put(uint32_t seed, uint64_t where)
{
	struct hints h;
	int rc;

	hints_open(&h, folder.fd);
	rc = hints_put(&h, make_id(seed), where);
	hints_close(&h);
	return rc;
}

static bool find(uint32_t seed, uint64_t *where)
{
	struct hints h;
	bool found;

	*where = 12345;
	hints_open(&h, folder.fd);
	found = hints_find(&h, make_id(seed), where);
	hints_close(&h);
	return found;
}

static void assert_found(uint32_t first, uint32_t n)
{
	struct hints h;
	uint64_t where;

	hints_open(&h, folder.fd);
	for (uint32_t i = first; i < first + n; i++) {
		if (!hints_find(&h, make_id(i), &where) || where != where_of(i)) {
			fail_msg("%u is not found", i);
		}
	}
	hints_close(&h);
}

static void assert_not_found(uint32_t seed)
{
	uint64_t where;

	assert_false(find(seed, &where));
	assert_int_equal(where, 12345); /* left alone */
}

static off_t size_of_file(void)
{
	struct stat st;

	assert_int_equal(fstatat(folder.fd, HINTS_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_size;
}

/* --- what is found --- */

static void put_and_found(void **unused)
{
	uint64_t where;

	(void)unused;
	assert_not_found(1);
	assert_int_equal(put(1, 40), 1); /* there is no table */
	assert_int_equal(count_names("."), 0);
	make(0, 0);
	assert_not_found(1);
	assert_int_equal(put(1, 40), 0);
	assert_true(find(1, &where) && where == 40);
	assert_int_equal(put(1, UINT64_MAX), 0); /* in its place */
	assert_int_equal(put(2, 0), 0);
	assert_true(find(1, &where) && where == UINT64_MAX);
	assert_true(find(2, &where) && where == 0);
	assert_not_found(3);
	make(10, 5); /* those before are gone */
	assert_found(10, 5);
	assert_not_found(1);
	assert_int_equal(count_names("."), 1);
	assert_int_equal(syncs, 0);
}

/* It grows to twice what it was made for, and somewhat more, and then it says so. */
static void grows_to_twice(void **unused)
{
	static const uint32_t sizes[] = {0, 1, 87, 88, 89, 1000, 20000, 50000};

	(void)unused;
	for (size_t k = 0; k < COUNT(sizes); k++) {
		const uint32_t n = sizes[k], twice = n < 128 ? 256 : 2 * n;
		uint32_t i = n;
		struct hints h;
		off_t size;
		make(0, n);
		size = size_of_file();
		hints_open(&h, folder.fd);
		while (hints_put(&h, make_id(i), where_of(i)) == 0) {
			i++;
			assert_true(i < 3 * n + 600);
		}
		assert_int_equal(hints_put(&h, make_id(i), 1), 1);
		assert_int_equal(hints_put(&h, make_id(i - 1), where_of(i - 1)), 0);
		hints_close(&h);
		assert_true(i >= twice);
		assert_found(0, i);
		assert_not_found(i);
		assert_int_equal(size_of_file(), size);
		assert_true(size <= (off_t)(n * 48 + 3 * TABLE_BLOCK));
	}
}

static int reads_in_find(const struct hints *h, uint32_t seed)
{
	uint64_t where;

	reads = 0;
	(void)hints_find(h, make_id(seed), &where);
	return reads;
}

static void costs_the_same(void **unused)
{
	struct hints h;
	uint32_t i = 50000;

	(void)unused;
	make(0, i);
	reads = 0;
	hints_open(&h, folder.fd);
	assert_int_equal(reads, 1);
	for (uint32_t k = 0; k < 1000; k++) {
		assert_int_equal(reads_in_find(&h, k * 50), 1);
		assert_int_equal(reads_in_find(&h, 900000 + k), 1);
	}
	while (reads = writes = 0, hints_put(&h, make_id(i), where_of(i)) == 0) {
		assert_true(reads <= TABLE_PROBES && writes == 1);
		i++;
	}
	assert_int_equal(reads, TABLE_PROBES);
	assert_int_equal(writes, 0);
	for (uint32_t k = 0; k < i; k += 7) { /* as full as can be */
		assert_true(reads_in_find(&h, k) <= TABLE_PROBES);
		assert_true(reads_in_find(&h, 900000 + k) <= TABLE_PROBES);
	}
	hints_close(&h);
}

/* Beyond 512 blocks a new table is no longer made in memory. */
static void many(void **unused)
{
	(void)unused;
	make(0, 120000);
	assert_true(size_of_file() > 513 * TABLE_BLOCK);
	assert_found(0, 120000);
	assert_not_found(120000);
	assert_int_equal(put(120000, where_of(120000)), 0);
	assert_found(0, 120001);
}

/* More than it was made for: what finds no room is left out, and no more than that. */
static void more_than_told(void **unused)
{
	struct hints_new new;
	uint64_t where;
	uint32_t found = 0;

	(void)unused;
	for (uint32_t n = 512; n <= 2000; n += 1488) {
		assert_int_equal(hints_begin(&new, folder.fd, 88), 0); /* two blocks */
		for (uint32_t i = 0; i < n; i++) {
			hints_add(&new, make_id(i), where_of(i));
		}
		assert_int_equal(hints_finish(&new, true), 0);
		assert_found(0, 512);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		found += find(i, &where) ? 1 : 0;
	}
	assert_int_equal(found, 512);
	assert_int_equal(put(9000, 1), 1);
}

static int with_little_memory(int n)
{
	const struct rlimit limit = {.rlim_cur = 48 << 20, .rlim_max = 48 << 20};
	struct hints_new new;

	(void)setrlimit(RLIMIT_AS, &limit);
	if (hints_begin(&new, folder.fd, (uint64_t)n) != 0) {
		return 1;
	}
	hints_add(&new, make_id(1), 17);
	return hints_finish(&new, true) == 0 ? 0 : 2;
}

static void huge(void **unused)
{
	struct hints_new new;
	uint64_t where;

	(void)unused;
	if (getenv("SANITIZED") != NULL) { /* which take all addresses there are */
		skip();
	}
	assert_int_equal(end_child(start_child(with_little_memory, 20000000)), 0);
	assert_true(find(1, &where) && where == 17);
	assert_not_found(2);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(hints_begin(&new, folder.fd, k == 0 ? 1 << 30 : UINT64_MAX), -1);
		hints_add(&new, make_id(2), 18);
		assert_int_equal(hints_finish(&new, true), -1);
	}
	assert_true(find(1, &where) && where == 17);
	assert_int_equal(count_names("."), 1);
}

/* --- what is not believed, and what is in the way --- */

/* Whatever stands there: nothing that was never noted is found, and a new table helps. */
static void assert_recovers(void)
{
	for (uint32_t i = 500; i < 600; i++) {
		assert_not_found(i);
	}
	int rc = put(500, 7);
	assert_true(rc == 0 || rc == 1);
	make(0, 100);
	assert_found(0, 100);
}

static void damaged(void **unused)
{
	uint8_t *p = malloc(3 * TABLE_BLOCK);
	struct buf sound = {0};

	(void)unused;
	make(0, 100);
	slurp(HINTS_FILE, &sound);
	assert_int_equal(sound.n, 3 * TABLE_BLOCK);
	for (size_t n = 0; n < sound.n; n += n < 64 ? 1 : 1000) {
		spew(HINTS_FILE, sound.p, n);
		assert_recovers();
	}
	for (size_t at = 0; at < 64; at++) {
		memcpy(p, sound.p, sound.n);
		p[at] ^= 0x11;
		spew(HINTS_FILE, p, sound.n);
		assert_recovers();
	}
	for (uint32_t kind = 0; kind < 4; kind++) {
		fill_pattern(p, sound.n, kind + 1);
		memset(p, (int)kind, kind == 0 ? sound.n : 0);
		memcpy(p, sound.p, kind == 3 ? 64 : 0); /* a sound head, and rubbish */
		spew(HINTS_FILE, p, sound.n);
		assert_recovers();
	}
	free(p);
	buf_free(&sound);
}

static void in_the_way(void **unused)
{
	struct hints_new new;

	(void)unused;
	make(0, 100);
	assert_int_equal(renameat(folder.fd, HINTS_FILE, folder.fd, "outside"), 0);
	assert_int_equal(symlinkat("outside", folder.fd, HINTS_FILE), 0);
	assert_not_found(1);
	assert_int_equal(symlinkat("outside", folder.fd, HINTS_FILE ".new"), 0);
	make(200, 10);
	assert_found(200, 10);
	assert_int_equal(unlinkat(folder.fd, HINTS_FILE, 0), 0);
	assert_int_equal(mkfifoat(folder.fd, HINTS_FILE, 0600), 0);
	assert_recovers();
	assert_int_equal(unlinkat(folder.fd, HINTS_FILE, 0), 0);
	assert_int_equal(mkdirat(folder.fd, HINTS_FILE, 0700), 0);
	assert_not_found(1);
	assert_int_equal(put(1, 1), 1);
	assert_int_equal(hints_begin(&new, folder.fd, 5), -1); /* at once, not at the end */
	assert_int_equal(hints_finish(&new, true), -1);
	assert_int_equal(unlinkat(folder.fd, HINTS_FILE, AT_REMOVEDIR), 0);
	assert_int_equal(renameat(folder.fd, "outside", folder.fd, HINTS_FILE), 0);
	assert_found(0, 100); /* nobody wrote through the link */
	assert_not_found(200);
	assert_int_equal(count_names("."), 1);
}

static void not_kept(void **unused)
{
	struct hints_new new;

	(void)unused;
	make(0, 10);
	assert_int_equal(hints_begin(&new, folder.fd, 1), 0);
	hints_add(&new, make_id(50), 50);
	assert_int_equal(hints_finish(&new, false), 0);
	assert_found(0, 10);
	assert_not_found(50);
	assert_int_equal(count_names("."), 1);
}

static int make_when_full(int bytes)
{
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	const struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};
	struct hints_new new;

	(void)sigaction(SIGXFSZ, &ignored, NULL);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	(void)hints_begin(&new, folder.fd, 100000);
	for (uint32_t i = 0; i < 1000; i++) {
		hints_add(&new, make_id(i), 3);
	}
	return hints_finish(&new, true) == -1 ? 0 : 1;
}

static int put_read_only(int fd)
{
	struct hints h;
	uint64_t where;

	hints_open(&h, folder.fd);
	h.writable = false; /* root may always write */
	(void)fd;
	return hints_find(&h, make_id(1), &where) && hints_put(&h, make_id(1), 5) == -1 ? 0 : 1;
}

static void not_writable(void **unused)
{
	(void)unused;
	make(0, 10);
	assert_int_equal(end_child(start_child(make_when_full, 1 << 20)), 0);
	assert_int_equal(end_child(start_child(put_read_only, 0)), 0);
	assert_found(0, 10);
	assert_int_equal(count_names("."), 1);
}

/* --- reading beside a writer --- */

/* What is found is never wrong. */
static int read_beside(int i)
{
	struct hints h;
	uint64_t where;
	uint32_t last;

	(void)i;
	do {
		hints_open(&h, folder.fd);
		last = 0;
		for (uint32_t k = 1; k < 5000; k++) {
			if (hints_find(&h, make_id(k), &where)) {
				if (where != where_of(k)) {
					return 1;
				}
				last = k;
			}
		}
		hints_close(&h);
	} while (last < 4999);
	return 0;
}

static void beside_a_writer(void **unused)
{
	pid_t readers[2];

	(void)unused;
	make(0, 10);
	for (int i = 0; i < 2; i++) {
		readers[i] = start_child(read_beside, i);
	}
	for (uint32_t k = 10; k < 5000; k++) {
		if (put(k, where_of(k)) == 1) {
			make(0, k + 1);
		}
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(end_child(readers[i]), 0);
	}
	assert_found(0, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("what was put is found, where it was put last", put_and_found),
		T_FOLDER("a table takes twice what it was made for, and tells when it is full",
			grows_to_twice),
		T_FOLDER("the cost does not grow with the entries", costs_the_same),
		T_FOLDER("120,000 entries are found", many),
		T_FOLDER("a table leaves out what finds no room", more_than_told),
		T_FOLDER("a table for millions takes little memory, and one beyond is refused",
			huge),
		T_FOLDER("what is damaged finds nothing wrong, and is replaced", damaged),
		T_FOLDER("what is no file is not followed, waited for or written to", in_the_way),
		T_FOLDER("a new table that is not kept changes nothing", not_kept),
		T_FOLDER("nor does one that cannot be written", not_writable),
		T_FOLDER("a reader beside a writer finds nothing wrong", beside_a_writer),
	};
	return RUN(tests);
}
