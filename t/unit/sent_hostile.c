/* The ids that each user has sent, where the files are of the former layout, damaged, foreign, in
 * the way, or cannot be written, and where the process dies at any step. */
#include "sent.h"

#include <sys/resource.h>
#include <sys/syscall.h>

/* --- files of the former layout --- */

static void former(void **unused)
{
	(void)unused;
	make_folder();
	for (uint32_t round = 0; round < 6; round++) {
		const bool turned = round % 2 == 1;
		const uint32_t n = (const uint32_t[]){1, 300, 2000}[round / 2];
		fill_former(NEWER, 0, n, round % 3 * 8); /* the last record may be torn */
		fill_former(OLDER, 50000, turned ? n : 0, 0);
		for (uint32_t i = 0; i < n; i++) {
			assert_known(i, i % 7 != 6); /* what was begun may never have come */
			assert_known(50000 + i, turned && i % 7 != 6);
		}
		assert_head(NEWER, n == 1 ? 1 : n == 300 ? 2 : 16, n - n / 7);
		send_it(80000);
		assert_known(80000, true);
		assert_known(0, true);
	}
	assert_int_equal(count_names(SENT_FOLDER), 3);
}

static void former_full(void **unused)
{
	const uint32_t sent = SENT_MAX - SENT_MAX / 7;

	(void)unused;
	make_folder();
	fill_former(OLDER, 100000, SENT_MAX, 0);
	fill_former(NEWER, 0, SENT_MAX, 5);
	assert_int_equal(note(200000), 0);
	assert_head(NEWER, 512, sent + 1);
	assert_head(OLDER, 512, sent);
	for (uint32_t i = 0; i < SENT_MAX; i += i < SENT_MAX - 30 ? 1009 : 1) {
		assert_known(i, i % 7 != 6);
		assert_known(100000 + i, i % 7 != 6);
	}
}

/* --- damage --- */

/* What a user sends is new, and known when it is sent. */
static void assert_sound(uint32_t seed)
{
	assert_known(seed, false);
	assert_int_equal(note(seed + 1), 0);
	send_it(seed);
	for (uint32_t i = seed; i < seed + 2; i++) {
		assert_known(i, true);
	}
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	assert_int_equal(faccessat(folder.fd, NEWER ".new", F_OK, 0), -1);
}

static void foreign(void **unused)
{
	static const size_t sizes[] = {0, 1, 16, 17, 18, 39, 40, 41, 4095, 4096, 4097, 8192,
		SENT_MAX * FORMER_RECORD, 3 << 20};
	uint8_t *p = malloc(3 << 20), zero[MAILBOX_ID_BYTES] = {0};
	struct sent s;

	(void)unused;
	make_folder();
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (uint32_t kind = 0; kind < 4; kind++) {
			const char *name = (i + kind) % 2 == 0 ? NEWER : OLDER;
			memset(p, kind == 0 ? 0 : kind == 1 ? 0xff : 'D', sizes[i]);
			if (kind == 3) {
				fill_pattern(p, sizes[i], (uint32_t)i + 1);
			}
			spew(name, p, sizes[i]);
			assert_int_equal(sent_claim(&s, folder.fd, user, zero, &known, &e), 0);
			assert_false(known);
			sent_release(&s);
			spew(name, p, sizes[i]);
			assert_sound(1000 * (uint32_t)(i + 1) + 10 * kind);
		}
	}
	free(p);
}

static void change_at(const char *name, off_t at)
{
	int fd = openat(folder.fd, name, O_RDWR);

	change_byte(fd, at);
	(void)close(fd);
}

static void head_damaged(void **unused)
{
	(void)unused;
	make_folder();
	for (off_t at = 0; at < TABLE_HEAD + 12; at++) {
		fill_file(NEWER, 0, 150, 1);
		fill_file(OLDER, 500, 150, 1);
		change_at(at % 2 == 0 ? NEWER : OLDER, at);
		assert_sound(1000);
		/* a count or a mark that is wrong costs nothing that was known */
		assert_known(0, at >= TABLE_HEAD + 4 || at % 2 == 1);
		assert_known(500, at >= TABLE_HEAD + 4 || at % 2 == 0);
	}
}

static void cut(void **unused)
{
	static const off_t sizes[] = {40, 100, 4096, 4100, 6000, 8191, 8192, 16384};

	(void)unused;
	make_folder();
	for (size_t i = 0; i < COUNT(sizes); i++) {
		int fd, n = 0;
		fill_file(NEWER, 0, 700, 4);
		fd = openat(folder.fd, NEWER, O_RDWR);
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		(void)close(fd);
		assert_sound(1000);
		for (uint32_t k = 0; k < 700; k++) {
			assert_int_equal(claim(k, false), 0);
			n += known ? 1 : 0;
		}
		/* some 175 in each block that is whole */
		assert_true(n <= (sizes[i] <= 4096 ? 0 : (int)(sizes[i] - 4096) / 16));
		assert_true(n >= ((int)sizes[i] / 4096 - 1) * 120);
	}
}

/* Every entry is taken, by rubbish. */
static void stuffed(void **unused)
{
	uint8_t *p = malloc(513 * TABLE_BLOCK);

	(void)unused;
	make_folder();
	fill_pattern(p, 513 * TABLE_BLOCK, 3);
	for (uint32_t blocks = 1; blocks <= 512; blocks *= 8) {
		int fd;
		fill_file(NEWER, 0, 10, blocks);
		fill_file(OLDER, 0, 10, blocks);
		for (int k = 0; k < 2; k++) {
			fd = openat(folder.fd, k == 0 ? NEWER : OLDER, O_RDWR);
			assert_int_equal(pwrite(fd, p, blocks * (size_t)TABLE_BLOCK, TABLE_BLOCK),
				blocks * (size_t)TABLE_BLOCK);
			(void)close(fd);
		}
		assert_sound(1000);
		assert_known(0, false);
	}
	free(p);
}

/* --- in the way --- */

static void assert_all_refused(void)
{
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_refused(note(1), e, EX_TEMPFAIL);
}

static void refused_by(const char *name)
{
	assert_int_equal(symlinkat("../outside", folder.fd, name), 0);
	assert_all_refused();
	assert_int_equal(unlinkat(folder.fd, name, 0), 0);
	assert_int_equal(mkdirat(folder.fd, name, 0700), 0);
	assert_all_refused();
	assert_int_equal(unlinkat(folder.fd, name, AT_REMOVEDIR), 0);
	assert_int_equal(mkfifoat(folder.fd, name, 0600), 0);
	assert_all_refused();
	assert_contains(e.text, name);
	assert_int_equal(unlinkat(folder.fd, name, 0), 0);
}

static void in_the_way(void **unused)
{
	(void)unused;
	spew_text("outside", "untouched");
	spew_text(SENT_FOLDER, "a file");
	assert_all_refused();
	assert_refused(sent_sync(folder.fd, user, &e), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER, 0), 0);
	assert_int_equal(symlinkat(".", folder.fd, SENT_FOLDER), 0);
	assert_all_refused();
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER, 0), 0);
	make_folder();
	refused_by(SENT_FOLDER "/.lock");
	refused_by(NEWER);
	refused_by(OLDER);
	assert_int_equal(stat_of("outside").st_size, 9);
	assert_int_equal(mkdirat(folder.fd, NEWER ".new", 0700), 0); /* what cannot go is named */
	assert_int_equal(claim(1, false), -1);
	assert_contains(e.text, strerror(EISDIR));
	assert_int_equal(unlinkat(folder.fd, NEWER ".new", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../outside", folder.fd, NEWER ".new"), 0); /* or a crash's */
	send_it(1);
	assert_int_equal(stat_of("outside").st_size, 9);
	assert_int_equal(count_names(SENT_FOLDER), 2);
}

/* --- what cannot be written --- */

/* Files may grow to so many bytes: as on a disk that is full, but for the signal. */
static int send_when_full(int bytes)
{
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	const struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};

	(void)sigaction(SIGXFSZ, &ignored, NULL);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	/* before anything is delivered */
	return claim(9, false) == -1 && e.code == EX_TEMPFAIL ? 0 : 1;
}

static void disk_full(void **unused)
{
	(void)unused;
	for (int bytes = 0; bytes < 2 * TABLE_BLOCK; bytes += 1024) {
		assert_int_equal(end_child(start_child(send_when_full, bytes)), 0);
	}
	assert_int_equal(count_names(SENT_FOLDER), 1); /* .lock */
	fill_file(NEWER, 100, 192, 1);
	for (int bytes = 0; bytes < 3 * TABLE_BLOCK; bytes += 1024) {
		assert_int_equal(end_child(start_child(send_when_full, bytes)), 0);
		assert_known(100, true);
		fill_file(NEWER, 100, 192, 1);
	}
	send_it(9);
	assert_head(NEWER, 2, 193);
	assert_int_equal(count_names(SENT_FOLDER), 2);
}

static int claim_without_descriptors(int n)
{
	const struct rlimit limit = {.rlim_cur = (rlim_t)n, .rlim_max = (rlim_t)n};
	int fd;

	do {
		fd = dup(folder.fd); /* so that exactly the rest is left */
	} while (fd >= 0 && fd < n - 1);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return claim(9, false) == -1 && e.code == EX_TEMPFAIL ? 0 : 1;
}

static void out_of_descriptors(void **unused)
{
	(void)unused;
	send_it(1);
	assert_int_equal(end_child(start_child(claim_without_descriptors, 64)), 0);
	send_it(9);
}

/* --- dying at each change: the C library's calls that make one count here --- */

enum { DIED = 99 };
static int due; /* which call is the last; 0: none */

static void count_call(void)
{
	if (due > 0 && --due == 0) {
		_exit(DIED);
	}
}

ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at)
{
	count_call();
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

int counted_fdatasync(int fd) __asm__("fdatasync");
int counted_fdatasync(int fd)
{
	count_call();
	return (int)syscall(SYS_fdatasync, fd);
}

int counted_ftruncate(int fd, off_t n) __asm__("ftruncate");
int counted_ftruncate(int fd, off_t n)
{
	count_call();
	return (int)syscall(SYS_ftruncate, fd, n);
}

int counted_renameat(int a, const char *from, int b, const char *to) __asm__("renameat");
int counted_renameat(int a, const char *from, int b, const char *to)
{
	count_call();
	return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

int counted_unlinkat(int dir, const char *name, int flags) __asm__("unlinkat");
int counted_unlinkat(int dir, const char *name, int flags)
{
	count_call();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

static int send_and_die(int at)
{
	due = at;
	return (at % 2 == 0 ? note(7000000) : claim(7000000, true)) == 0 ? 0 : 1;
}

static void none(void)
{
	(void)unlinkat(folder.fd, NEWER, 0);
}

static void growing(void)
{
	fill_file(NEWER, 0, 192, 1);
}

static void turning(void)
{
	fill_file(NEWER, 0, SENT_MAX, 512);
}

static void taking_over(void)
{
	fill_former(NEWER, 0, 192, 3);
}

static void dies(void **unused)
{
	static void (*const begin[])(void) = {none, growing, turning, taking_over};

	(void)unused;
	make_folder();
	for (size_t k = 0; k < COUNT(begin); k++) {
		int code = DIED, at;
		for (at = 1; code == DIED; at++) {
			begin[k]();
			(void)unlinkat(folder.fd, OLDER, 0);
			code = end_child(start_child(send_and_die, at));
			assert_true(code == DIED || code == 0);
			for (uint32_t i = 0; k > 0 && i < 192; i++) {
				assert_known(i, k < 3 || i % 7 != 6);
			}
			assert_int_equal(claim(7000000, true), 0);
			assert_known(7000000, true);
			assert_sound(8000000);
		}
		assert_true(at > 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a file of the former layout is taken over", former),
		T_FOLDER("and so are two full ones", former_full),
		T_FOLDER("what is foreign knows nothing, and is replaced", foreign),
		T_FOLDER("a head that is damaged makes nothing known or refused", head_damaged),
		T_FOLDER("a file that was cut knows what is left", cut),
		T_FOLDER("a file full of rubbish makes room", stuffed),
		T_FOLDER("what is no file is refused and not followed", in_the_way),
		T_FOLDER("on a full disk it is 75 ahead of the delivery", disk_full),
		T_FOLDER("without descriptors it is 75", out_of_descriptors),
		T_FOLDER("dying at any step forgets nothing", dies),
	};
	return RUN(tests);
}
