/* The ids that each user has sent: what is known, for how long, at what cost, and to how many at
 * once. */
#include "sent.h"

#include <sys/syscall.h>

/* --- the C library's reads and syncs, counted --- */

static int reads, syncs;
static int syncs_fail; /* so many of the next ones */

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

/* Writes while nobody held a user's byte, as seen through another descriptor of the lock file. */
static int lock_probe = -1, writes, unlocked;

ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct flock users = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 << 30};

	if (lock_probe >= 0) {
		(void)fcntl(lock_probe, F_OFD_GETLK, &users);
		unlocked += users.l_type == F_UNLCK ? 1 : 0;
		writes++;
	}
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

static int count_sync(long number, int fd)
{
	syncs++;
	if (syncs_fail > 0) {
		syncs_fail--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(number, fd);
}

int counted_fdatasync(int fd) __asm__("fdatasync");
int counted_fdatasync(int fd)
{
	return count_sync(SYS_fdatasync, fd);
}

int counted_fsync(int fd) __asm__("fsync");
int counted_fsync(int fd)
{
	return count_sync(SYS_fsync, fd);
}

/* --- what is known --- */

static void sent_is_known(void **unused)
{
	(void)unused;
	assert_known(1, false);
	assert_known(1, false); /* it was claimed, not sent */
	send_it(1);
	assert_known(1, true);
	assert_known(2, false);
	assert_int_equal(note(2), 0);
	assert_known(2, true);
	assert_int_equal(note(2), 0); /* once more changes nothing */
	assert_int_equal(note(1), 0);
	assert_head(NEWER, 1, 2);
	assert_int_equal(stat_of(SENT_FOLDER).st_mode & 07777, 0700);
	assert_int_equal(stat_of(NEWER).st_mode & 07777, 0600);
	assert_int_equal(stat_of(SENT_FOLDER "/.lock").st_mode & 07777, 0600);
	assert_int_equal(count_names(SENT_FOLDER), 2);
}

static void users_apart(void **unused)
{
	static const char *const none[] = {"?", "", "../client1", "client1.old", ".lock"};

	(void)unused;
	send_it(1);
	user = "client2";
	send_it(1);
	user = "abcdefghijklmnopqrstuvwxyz012345"; /* the longest */
	send_it(1);
	send_it(2);
	assert_head(SENT_FOLDER "/abcdefghijklmnopqrstuvwxyz012345", 1, 2);
	for (size_t i = 0; i < COUNT(none); i++) {
		user = none[i]; /* as the source of a damaged message */
		assert_int_equal(note(1), 0);
		assert_int_equal(sent_sync(folder.fd, user, &e), 0);
		assert_refused(claim(1, false), e, EX_TEMPFAIL);
	}
	assert_int_equal(count_names(SENT_FOLDER), 4);
	user = "client1";
	assert_known(1, true);
	assert_known(2, false);
}

/* No id is special. */
static void all_alike(void **unused)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct sent s;

	(void)unused;
	for (int k = 0; k < 3; k++) {
		memset(id, k == 0 ? 0 : k == 1 ? 0xff : 'D', sizeof id);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(sent_claim(&s, folder.fd, user, id, &known, &e), 0);
			assert_int_equal(known, again);
			assert_int_equal(known ? 0 : sent_add(&s, id, &e), 0);
			sent_release(&s);
		}
	}
	/* those that differ in one bit, and those that begin alike */
	memset(id, 0, sizeof id);
	for (int bit = 0; bit < 128; bit++) {
		id[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(sent_claim(&s, folder.fd, user, id, &known, &e), 0);
		assert_false(known);
		assert_int_equal(sent_add(&s, id, &e), 0);
		sent_release(&s);
		id[bit / 8] = (uint8_t)(bit % 8 == 7 ? 0 : id[bit / 8]);
	}
}

/* --- growing, turning over, and what it costs --- */

static void grows(void **unused)
{
	uint32_t sizes[] = {1, 192, 193, 384, 385, 768, 769, 1000}, at = 0;

	(void)unused;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (; at < sizes[i]; at++) {
			if (at % 2 == 0) {
				send_it(at);
			} else {
				assert_int_equal(note(at), 0);
			}
		}
		assert_head(NEWER, 1u << (i / 2), at);
		/* one block for the head, and one for each that holds something */
		assert_true(stat_of(NEWER).st_blocks * 512 <= ((1 << (i / 2)) + 1) * 4096 + 8192);
	}
	for (uint32_t i = 0; i < at; i++) {
		assert_known(i, true);
	}
	assert_known(at, false);
	assert_int_equal(count_names(SENT_FOLDER), 2); /* nothing is left over */
}

static void turns_over(void **unused)
{
	(void)unused;
	make_folder();
	fill_file(NEWER, 0, SENT_MAX - 1, 512);
	fill_file(OLDER, 900000, 10, 1);
	assert_known(900000, true);
	send_it(SENT_MAX - 1); /* the last that it takes */
	assert_head(NEWER, 512, SENT_MAX);
	assert_known(900000, true);
	send_it(SENT_MAX);
	assert_head(NEWER, 1, 1);
	assert_head(OLDER, 512, SENT_MAX);
	assert_known(0, true); /* the older file is known as well as the newer */
	assert_known(SENT_MAX - 1, true);
	assert_known(SENT_MAX, true);
	assert_known(900000, false); /* the one before is forgotten */
	assert_int_equal(note(SENT_MAX - 1), 0);
	assert_head(NEWER, 1, 1); /* it stands in the older one */
	fill_file(NEWER, SENT_MAX, SENT_MAX, 512);
	assert_int_equal(note(2 * SENT_MAX), 0); /* and over again */
	assert_known(SENT_MAX, true);            /* SENT_MAX behind the last: known */
	assert_known(SENT_MAX - 1, false);
	assert_int_equal(count_names(SENT_FOLDER), 3);
}

static int reads_of(int (*run)(uint32_t seed), uint32_t seed)
{
	reads = 0;
	assert_int_equal(run(seed), 0);
	return reads;
}

static int just_claim(uint32_t seed)
{
	return claim(seed, false);
}

static int claim_and_send(uint32_t seed)
{
	return claim(seed, true);
}

/* A head for each file that is opened, and at most four blocks of it; one where there is room. */
static void costs_the_same(void **unused)
{
	(void)unused;
	make_folder();
	fill_file(OLDER, 0, SENT_MAX, 512);
	fill_file(NEWER, SENT_MAX, SENT_MAX - 300, 512);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(reads_of(just_claim, i * 600) <= 2 + 8);
		assert_true(reads_of(just_claim, SENT_MAX + i * 600) <= 2 + 8);
		assert_int_equal(reads_of(claim_and_send, 3 * SENT_MAX + i), 3 + 2 + 2);
		assert_int_equal(reads_of(note, 4 * SENT_MAX + i), 2 + 2 + 2);
	}
}

/* --- syncing --- */

static void synced_when_told(void **unused)
{
	(void)unused;
	assert_int_equal(sent_sync(folder.fd, user, &e), 0); /* nobody has sent anything */
	assert_int_equal(count_names("."), 0);
	send_it(0);
	syncs = 0;
	assert_int_equal(sent_sync(folder.fd, "client2", &e), 0);
	assert_int_equal(syncs, 1); /* the folder */
	for (uint32_t i = 1; i < 100; i++) {
		send_it(i);
		assert_int_equal(note(100 + i), 0);
		assert_known(i, true);
		if (i == 90) {
			assert_int_equal(syncs, 1); /* none but that */
		}
	}
	assert_int_equal(syncs, 2); /* nor at 192, but for what is copied then */
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	assert_int_equal(syncs, 4);
	fill_file(OLDER, 1000, 10, 1);
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	assert_int_equal(syncs, 7);
}

/* What could not be synced is never synced again, but written anew. */
static void not_synced(void **unused)
{
	ino_t newer, older;

	(void)unused;
	for (uint32_t i = 0; i < 300; i++) {
		send_it(i);
	}
	fill_file(OLDER, 1000, 300, 2);
	newer = stat_of(NEWER).st_ino;
	older = stat_of(OLDER).st_ino;
	syncs_fail = 1;
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	assert_true(stat_of(NEWER).st_ino != newer);
	assert_true(stat_of(OLDER).st_ino == older);
	newer = stat_of(NEWER).st_ino;
	for (int k = 0; k < 3; k++) { /* the first one fails by the file, the next by the copy */
		syncs_fail = k == 0 ? 2 : 1;
		assert_refused(sent_sync(folder.fd, user, &e), e, EX_TEMPFAIL);
		assert_int_equal(syncs_fail, 0);
		assert_true(stat_of(NEWER).st_ino == newer);
		send_it(500 + (uint32_t)k);
	}
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	assert_true(stat_of(NEWER).st_ino != newer);
	assert_head(NEWER, 2, 303);
	newer = stat_of(NEWER).st_ino;
	assert_int_equal(sent_sync(folder.fd, user, &e), 0); /* which is sound again */
	assert_true(stat_of(NEWER).st_ino == newer);
	syncs_fail = 0;
	for (uint32_t i = 0; i < 300; i++) {
		assert_known(i, true);
		assert_known(1000 + i, true);
	}
	assert_int_equal(count_names(SENT_FOLDER), 3);
}

/* --- many at once --- */

enum { PROCESSES = 16, EACH = 8 };

static void mark(const char *name)
{
	int fd = openat(folder.fd, name, O_WRONLY | O_CREAT | O_APPEND, 0600);

	(void)!write(fd, "x", 1);
	(void)close(fd);
}

static int same_id(int i)
{
	(void)i;
	for (uint32_t k = 0; k < EACH; k++) {
		uint8_t id[MAILBOX_ID_BYTES];
		struct sent s;
		make_id(id, k);
		if (sent_claim(&s, folder.fd, user, id, &known, &e) != 0) {
			return 1;
		}
		if (!known) {
			struct timespec t = {.tv_nsec = 2000000};
			mark("stored");
			(void)nanosleep(&t, NULL); /* the others have time to do wrong */
			if (sent_note(folder.fd, user, (const uint8_t[16]){(uint8_t)k}, &e) != 0 ||
				sent_add(&s, id, &e) != 0) {
				return 1;
			}
		}
		sent_release(&s);
	}
	return 0;
}

static void one_claims(void **unused)
{
	(void)unused;
	run_children(PROCESSES, same_id);
	assert_int_equal(stat_of("stored").st_size, EACH);
	assert_head(NEWER, 1, 2 * EACH);
}

static int die_with_it(int i)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct sent s;

	make_id(id, 7);
	if (sent_claim(&s, folder.fd, user, id, &known, &e) != 0) {
		return 1;
	}
	mark(known ? "known" : "new");
	if (i == PROCESSES - 1 && !known) { /* one of them, whenever its turn is, sends */
		return sent_add(&s, id, &e) == 0 ? 0 : 1;
	}
	return 0; /* and dies with the lock in its hand */
}

static void claims_die(void **unused)
{
	(void)unused;
	run_children(PROCESSES, die_with_it);
	assert_known(7, true);
	assert_head(NEWER, 1, 1);
}

/* Whatever else the process does, it holds its claim. */
static void a_claim_holds(void **unused)
{
	struct flock any = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	uint8_t id[MAILBOX_ID_BYTES];
	struct sent s, other;
	int fd;

	(void)unused;
	make_id(id, 1);
	assert_int_equal(sent_claim(&s, folder.fd, user, id, &known, &e), 0);
	fd = openat(folder.fd, SENT_FOLDER "/.lock", O_RDWR);
	assert_int_equal(note(2), 0);
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	make_id(id, 3);
	assert_int_equal(sent_claim(&other, folder.fd, user, id, &known, &e), 0);
	sent_release(&other);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &any), -1);
	make_id(id, 1);
	assert_int_equal(sent_add(&s, id, &e), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &any), -1);
	sent_release(&s);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &any), 0);
	(void)close(fd);
	assert_known(1, true);
	assert_known(2, true);
	assert_known(3, false);
}

/* Everything that is written is written under the user's lock. */
static void written_in_turn(void **unused)
{
	const int all = 5;

	(void)unused;
	assert_known(1, false);
	lock_probe = openat(folder.fd, SENT_FOLDER "/.lock", O_RDWR);
	for (int k = 0; k < all; k++) {
		if (k > 0 && k < all - 1) {
			const int fd = lock_probe;
			lock_probe = -1;
			k == 1   ? fill_file(NEWER, 0, 192, 1)
			: k == 2 ? fill_file(NEWER, 0, SENT_MAX, 512)
				 : fill_former(NEWER, 0, 10, 0);
			lock_probe = fd;
		}
		writes = unlocked = 0;
		syncs_fail = k == all - 1 ? 1 : 0;
		send_it(500000 + (uint32_t)k);
		assert_true(writes >= 2);
		assert_int_equal(note(600000 + (uint32_t)k), 0);
		assert_true(writes >= 4);
		assert_int_equal(unlocked, 0);
		assert_int_equal(sent_sync(folder.fd, user, &e), 0);
		assert_int_equal(unlocked, k == all - 1 ? 1 : 0); /* that it is suspect */
	}
	(void)close(lock_probe);
	lock_probe = -1;
}

static int other_ids(int i)
{
	for (uint32_t k = 0; k < EACH; k++) {
		uint32_t seed = 300000 + (uint32_t)i * EACH + k;
		if (k % 2 == 0 ? note(seed) != 0 : claim(seed, true) != 0 || known) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 1;
		}
	}
	return 0;
}

static void assert_all_sent(void)
{
	run_children(PROCESSES, other_ids);
	for (uint32_t k = 0; k < PROCESSES * EACH; k++) {
		assert_known(300000 + k, true);
	}
	assert_int_equal(faccessat(folder.fd, NEWER ".new", F_OK, 0), -1);
}

static void all_send(void **unused)
{
	(void)unused;
	assert_all_sent();
	assert_head(NEWER, 1, PROCESSES * EACH);
}

static void all_send_over_growth(void **unused)
{
	(void)unused;
	make_folder();
	fill_file(NEWER, 0, 150, 1);
	assert_all_sent();
	assert_head(NEWER, 2, 150 + PROCESSES * EACH);
	fill_former(NEWER, 0, 150, 3);
	assert_all_sent();
	assert_head(NEWER, 2, 150 - 21 + PROCESSES * EACH);
}

static void all_send_over_the_turn(void **unused)
{
	(void)unused;
	make_folder();
	fill_file(NEWER, 0, SENT_MAX - 50, 512);
	assert_all_sent();
	assert_known(0, true);
	/* who claimed before it was full may add to it after */
	struct stat st = stat_of(OLDER);
	assert_int_equal(st.st_size, 513 * TABLE_BLOCK);
	assert_int_equal(stat_of(NEWER).st_size, 2 * TABLE_BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("what was sent or noted is known, what was claimed is not", sent_is_known),
		T_FOLDER("each user's ids are their own, and no path", users_apart),
		T_FOLDER("no id is special", all_alike),
		T_FOLDER("a file grows by doubling and forgets none", grows),
		T_FOLDER("65,536 ids make a generation, and two are known", turns_over),
		T_FOLDER("the cost does not grow with the ids", costs_the_same),
		T_FOLDER("nothing is synced but when told, or copied", synced_when_told),
		T_FOLDER("what could not be synced is written anew", not_synced),
		T_FOLDER("of sixteen that claim one id, one sends", one_claims),
		T_FOLDER("a claim dies with its process", claims_die),
		T_FOLDER("a claim holds, whatever else the process does", a_claim_holds),
		T_FOLDER("what is written is written in turn", written_in_turn),
		T_FOLDER("sixteen that send their own forget none", all_send),
		T_FOLDER("nor while the file grows, or is taken over", all_send_over_growth),
		T_FOLDER("nor while the files turn over", all_send_over_the_turn),
	};
	return RUN(tests);
}
