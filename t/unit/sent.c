/* The ids that each user has sent: what is known of one, for how long, and to how many at once. */
#include "unit.h"

#include <sys/resource.h>

#include "../../store/sent.h"

static struct err e;
static enum sent_state state;
static const char *user = "client1";

static void make_id(uint8_t id[static MAILBOX_ID_BYTES], uint32_t seed)
{
	fill_pattern(id, MAILBOX_ID_BYTES, seed);
}

/* Claim and release; with done, it was delivered in between. What it was before is in `state`. */
static int claim(uint32_t seed, bool done)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct sent s;
	int rc;

	make_id(id, seed);
	rc = sent_claim(&s, folder.fd, user, id, &state, &e);
	if (rc == 0 && done && state != SENT_DONE) {
		assert_int_equal(sent_done(&s), 0);
	}
	sent_release(&s);
	return rc;
}

static void assert_state(uint32_t seed, enum sent_state wanted)
{
	if (claim(seed, false) != 0) {
		fail_msg("%s", e.text);
	}
	assert_int_equal(state, wanted);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(folder.fd, path, &st, 0), 0);
	return st.st_size;
}

static void states(void **unused)
{
	uint8_t record[SENT_RECORD + 1];
	struct buf b = {0};

	(void)unused;
	assert_state(1, SENT_NEW);
	slurp(SENT_FOLDER "/client1", &b);
	make_id(record, 1);
	record[MAILBOX_ID_BYTES] = SENT_BEGUN;
	assert_int_equal(b.n, SENT_RECORD);
	assert_memory_equal(b.p, record, SENT_RECORD);
	assert_state(1, SENT_BEGUN);
	assert_state(2, SENT_NEW);
	assert_int_equal(claim(1, true), 0);
	assert_int_equal(state, SENT_BEGUN);
	assert_state(1, SENT_DONE);
	assert_state(2, SENT_BEGUN);
	slurp(SENT_FOLDER "/client1", &b);
	assert_int_equal(b.n, 2 * SENT_RECORD);
	assert_int_equal(b.p[MAILBOX_ID_BYTES], SENT_DONE);
	buf_free(&b);
}

static void users_apart(void **unused)
{
	(void)unused;
	assert_int_equal(claim(1, true), 0);
	user = "client2";
	assert_state(1, SENT_NEW);
	user = "abcdefghijklmnopqrstuvwxyz012345"; /* the longest */
	assert_state(1, SENT_NEW);
	user = "client1";
	assert_state(1, SENT_DONE);
	assert_int_equal(size_of(SENT_FOLDER "/abcdefghijklmnopqrstuvwxyz012345"), SENT_RECORD);
}

static void torn(void **unused)
{
	const off_t whole = (off_t)(3 * SENT_RECORD);

	(void)unused;
	for (uint32_t cut = 1; cut < SENT_RECORD; cut++) {
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(claim(i, true), 0);
		}
		int fd = openat(folder.fd, SENT_FOLDER "/client1", O_RDWR);
		assert_int_equal(ftruncate(fd, whole + (off_t)cut), 0);
		(void)close(fd);
		for (uint32_t i = 0; i < 3; i++) {
			assert_state(i, SENT_DONE);
		}
		assert_state(3, SENT_NEW); /* what was cut was never acknowledged */
		assert_int_equal(size_of(SENT_FOLDER "/client1"), whole + SENT_RECORD);
		assert_state(3, SENT_BEGUN);
		assert_state(2, SENT_DONE);
		assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/client1", 0), 0);
	}
}

/* The user's file with the ids first..first + n - 1, all DONE, and `more` bytes of another. */
static void fill_file(const char *path, uint32_t first, size_t n, size_t more)
{
	uint8_t *p = malloc(n * SENT_RECORD + more + 1);

	for (size_t i = 0; i < n; i++) {
		make_id(p + i * SENT_RECORD, first + (uint32_t)i);
		p[i * SENT_RECORD + MAILBOX_ID_BYTES] = SENT_DONE;
	}
	memset(p + n * SENT_RECORD, 'x', more);
	spew(path, p, n * SENT_RECORD + more);
	free(p);
}

static void every_place(void **unused)
{
	static const uint32_t places[] = {0, 1, 1022, 1023, 1024, 1025, 2047, 2048, 65534, 65535};

	(void)unused;
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
	fill_file(SENT_FOLDER "/client1", 0, SENT_MAX, 5);
	for (size_t i = 0; i < COUNT(places); i++) {
		assert_state(places[i], SENT_DONE);
	}
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_MAX * SENT_RECORD + 5);
}

static void turn_over(void **unused)
{
	(void)unused;
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
	fill_file(SENT_FOLDER "/client1", 0, SENT_MAX - 1, 0);
	assert_state(SENT_MAX - 1, SENT_NEW); /* the last that it takes */
	assert_int_equal(count_names(SENT_FOLDER), 2);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_MAX * SENT_RECORD);
	assert_state(SENT_MAX, SENT_NEW);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_RECORD);
	assert_int_equal(size_of(SENT_FOLDER "/client1.old"), SENT_MAX * SENT_RECORD);
	assert_state(0, SENT_DONE); /* the older file is known as well as the newer */
	assert_state(SENT_MAX - 1, SENT_BEGUN);
	assert_int_equal(claim(SENT_MAX - 1, true), 0); /* and written to */
	assert_state(SENT_MAX - 1, SENT_DONE);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_RECORD);
	fill_file(SENT_FOLDER "/client1", SENT_MAX, SENT_MAX, 0);
	assert_state(0, SENT_DONE);
	assert_state(2 * SENT_MAX, SENT_NEW); /* and over again */
	assert_state(SENT_MAX, SENT_DONE);    /* 65,536 behind the last: known */
	assert_state(2 * SENT_MAX - 1, SENT_DONE);
	assert_state(SENT_MAX - 1, SENT_NEW); /* the one before is forgotten */
	assert_int_equal(count_names(SENT_FOLDER), 3);
}

static void turn_over_torn(void **unused)
{
	(void)unused;
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
	fill_file(SENT_FOLDER "/client1", 0, SENT_MAX - 1, SENT_RECORD - 1);
	assert_state(SENT_MAX, SENT_NEW);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_MAX * SENT_RECORD);
	fill_file(SENT_FOLDER "/client1", 0, SENT_MAX, 3);
	assert_state(SENT_MAX, SENT_NEW);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_RECORD);
	assert_state(SENT_MAX - 1, SENT_DONE);
	assert_state(SENT_MAX, SENT_BEGUN);
}

/* --- many at once --- */

enum { PROCESSES = 16, EACH = 8 };

static void note(const char *name)
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
		if (sent_claim(&s, folder.fd, user, id, &state, &e) != 0 || state == SENT_BEGUN) {
			return 1; /* nobody lets go of one that is only begun */
		}
		if (state == SENT_NEW) {
			struct timespec t = {.tv_nsec = 2000000};
			note("stored");
			(void)nanosleep(&t, NULL);
			(void)sent_done(&s);
		}
		sent_release(&s);
	}
	return 0;
}

static void one_claims(void **unused)
{
	(void)unused;
	run_children(PROCESSES, same_id);
	assert_int_equal(size_of("stored"), EACH);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), EACH * SENT_RECORD);
}

static int die_with_it(int i)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct sent s;

	make_id(id, 7);
	if (sent_claim(&s, folder.fd, user, id, &state, &e) != 0) {
		return 1;
	}
	note(state == SENT_NEW ? "new" : state == SENT_BEGUN ? "begun" : "done");
	if (i == PROCESSES - 1) { /* one of them, whenever its turn is, delivers */
		(void)sent_done(&s);
	}
	return 0; /* and dies with the lock in its hand */
}

static void claims_die(void **unused)
{
	(void)unused;
	run_children(PROCESSES, die_with_it);
	assert_int_equal(size_of("new"), 1);
	assert_state(7, SENT_DONE);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_RECORD);
}

static int other_ids(int i)
{
	for (uint32_t k = 0; k < EACH; k++) {
		if (claim(1000 + (uint32_t)i * EACH + k, true) != 0 || state != SENT_NEW) {
			return 1;
		}
	}
	return 0;
}

static void all_claim(void **unused)
{
	(void)unused;
	run_children(PROCESSES, other_ids);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), PROCESSES * EACH * SENT_RECORD);
	for (uint32_t k = 0; k < PROCESSES * EACH; k++) {
		assert_state(1000 + k, SENT_DONE);
	}
}

static void all_claim_over_the_turn(void **unused)
{
	(void)unused;
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
	fill_file(SENT_FOLDER "/client1", 200000, SENT_MAX - 50, 0);
	run_children(PROCESSES, other_ids);
	assert_int_equal(size_of(SENT_FOLDER "/client1.old"), SENT_MAX * SENT_RECORD);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), (PROCESSES * EACH - 50) * SENT_RECORD);
	for (uint32_t k = 0; k < PROCESSES * EACH; k++) {
		assert_state(1000 + k, SENT_DONE);
	}
}

/* --- settling --- */

static int settle(uint32_t seed)
{
	uint8_t id[MAILBOX_ID_BYTES];

	make_id(id, seed);
	return sent_settle(folder.fd, user, id, &e);
}

static void settled(void **unused)
{
	(void)unused;
	assert_int_equal(settle(1), 0); /* nobody has sent anything */
	assert_int_equal(count_names("."), 0);
	assert_state(1, SENT_NEW);
	assert_int_equal(settle(2), 0);
	assert_state(1, SENT_BEGUN); /* another's is left as it is */
	assert_int_equal(settle(1), 0);
	assert_state(1, SENT_DONE);
	assert_int_equal(settle(1), 0);
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_RECORD);
	fill_file(SENT_FOLDER "/client1", 500, SENT_MAX, 0);
	assert_state(3, SENT_NEW); /* turns over */
	assert_int_equal(size_of(SENT_FOLDER "/client1"), SENT_RECORD);
	assert_int_equal(settle(3), 0);
	assert_state(3, SENT_DONE);
	int fd = openat(folder.fd, SENT_FOLDER "/client1.old", O_WRONLY);
	assert_int_equal(pwrite(fd, "B", 1, MAILBOX_ID_BYTES), 1);
	(void)close(fd);
	assert_state(500, SENT_BEGUN);
	assert_int_equal(settle(500), 0);
	assert_state(500, SENT_DONE);
	user = "?"; /* of a damaged message */
	assert_int_equal(settle(500), 0);
	user = "../client1";
	assert_int_equal(settle(500), 0);
	user = "client1";
}

/* --- what cannot be written --- */

static void in_the_way(void **unused)
{
	(void)unused;
	spew_text("outside", "untouched");
	spew_text(SENT_FOLDER, "a file");
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_refused(settle(1), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER, 0), 0);
	assert_int_equal(symlinkat(".", folder.fd, SENT_FOLDER), 0);
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_refused(settle(1), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER, 0), 0);
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
	assert_int_equal(symlinkat("../outside", folder.fd, SENT_FOLDER "/client1"), 0);
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_contains(e.text, "client1");
	assert_refused(settle(1), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/client1", 0), 0);
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER "/client1", 0700), 0);
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/client1", AT_REMOVEDIR), 0);
	assert_int_equal(mkfifoat(folder.fd, SENT_FOLDER "/client1", 0600), 0);
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/client1", 0), 0);
	assert_int_equal(symlinkat("../outside", folder.fd, SENT_FOLDER "/client1.old"), 0);
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/client1.old", 0), 0);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/.lock", 0), 0);
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER "/.lock", 0700), 0);
	assert_refused(claim(1, false), e, EX_TEMPFAIL);
	assert_int_equal(size_of("outside"), 9);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER "/.lock", AT_REMOVEDIR), 0);
	assert_state(1, SENT_NEW);
}

/* Files may grow to so many bytes: as on a disk that is full, but for the signal. */
static void limit_files(rlim_t bytes)
{
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};

	(void)sigaction(SIGXFSZ, &ignored, NULL);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

static int claim_when_full(int bytes)
{
	limit_files((rlim_t)bytes);
	return claim(9, false) == -1 && e.code == EX_TEMPFAIL ? 0 : 1;
}

static void disk_full(void **unused)
{
	(void)unused;
	assert_int_equal(claim(1, true), 0);
	for (int more = 0; more < SENT_RECORD; more++) {
		assert_int_equal(end_child(start_child(claim_when_full, SENT_RECORD + more)), 0);
		assert_state(1, SENT_DONE);
	}
	assert_state(9, SENT_NEW); /* half a record is none */
	assert_int_equal(size_of(SENT_FOLDER "/client1"), 2 * SENT_RECORD);
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
	assert_int_equal(claim(1, true), 0);
	assert_int_equal(end_child(start_child(claim_without_descriptors, 64)), 0);
	assert_state(9, SENT_NEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("an id is new, then begun, then done, and stays so", states),
		T_FOLDER("what one user has sent says nothing of another", users_apart),
		T_FOLDER("half a record at the end is none, and is written over", torn),
		T_FOLDER("an id is found wherever in the file it stands", every_place),
		T_FOLDER("the last 65,536 are known, over a turn of the files", turn_over),
		T_FOLDER("a torn record hinders no turn of the files", turn_over_torn),
		T_FOLDER(
			"of sixteen that claim one id, one has it and the others know", one_claims),
		T_FOLDER("a claim ends with the process that holds it", claims_die),
		T_FOLDER("sixteen claim different ids at once, and none is lost", all_claim),
		T_FOLDER("nor is one while the files are turned over", all_claim_over_the_turn),
		T_FOLDER("settling makes done of begun, and nothing of nothing", settled),
		T_FOLDER("what stands in the way is 75, and is not followed", in_the_way),
		T_FOLDER("a disk that is full is 75, and harms no record", disk_full),
		T_FOLDER("without descriptors it is 75", out_of_descriptors),
	};
	return RUN(tests);
}
