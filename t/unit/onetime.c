/* One-time keys: each is found until it is destroyed, and then its bytes are nowhere. */
#include "unit.h"

#include "../../store/onetime.h"

static struct err e;
static struct x25519_pair pairs[ONETIME_MAX + 1];

static uint64_t make(const char *contact, size_t n)
{
	uint64_t first;

	if (onetime_make(folder.fd, contact, n, pairs, &first, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return first;
}

static void assert_found(const char *contact, uint64_t number, const struct x25519_pair *wanted)
{
	struct x25519_pair p;
	bool made;

	if (onetime_find(folder.fd, contact, number, &p, &made, &e) != 0) {
		fail_msg("key %d: %s", (int)number, e.text);
	}
	assert_true(made);
	assert_memory_equal(&p, wanted, sizeof p);
}

static void assert_gone(const char *contact, uint64_t number, bool was_made)
{
	static const struct x25519_pair zeros;
	struct x25519_pair p;
	bool made = !was_made;

	assert_refused(onetime_find(folder.fd, contact, number, &p, &made, &e), e, EX_NOINPUT);
	assert_int_equal(made, was_made);
	assert_memory_equal(&p, &zeros, sizeof p);
}

static int descriptor(const char *name)
{
	int fd = openat(folder.fd, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void found_until_destroyed(void **state)
{
	struct x25519_pair bobs[3], carols;
	struct stat st;

	(void)state;
	assert_gone("bob", 1, false);
	assert_int_equal(make("bob", 2), 1);
	memcpy(bobs, pairs, 2 * sizeof pairs[0]);
	assert_int_equal(make("bob", 1), 3);
	bobs[2] = pairs[0];
	assert_int_equal(make("carol", 1), 1);
	carols = pairs[0];
	for (uint64_t i = 0; i < 3; i++) {
		assert_found("bob", i + 1, &bobs[i]);
	}
	assert_found("carol", 1, &carols);
	assert_int_equal(fstatat(folder.fd, "bob.onetime/2", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(folder.fd, "bob.onetime", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_gone("bob", 0, false);
	assert_gone("bob", 4, false);

	assert_int_equal(onetime_destroy(folder.fd, "bob", 2, &e), 0);
	assert_int_equal(onetime_destroy(folder.fd, "bob", 2, &e), 0);
	assert_int_equal(onetime_destroy(folder.fd, "bob", 99, &e), 0);
	assert_int_equal(onetime_destroy(folder.fd, "dave", 1, &e), 0);
	assert_gone("bob", 2, true);
	assert_found("bob", 1, &bobs[0]);
	assert_found("bob", 3, &bobs[2]);

	assert_int_equal(onetime_destroy_all(folder.fd, "bob", &e), 0);
	assert_int_equal(onetime_destroy_all(folder.fd, "dave", &e), 0);
	assert_gone("bob", 1, true);
	assert_gone("bob", 3, true);
	assert_found("carol", 1, &carols);
	assert_int_equal(make("bob", 1), 4); /* none is given again */
	assert_int_equal(count_names("bob.onetime"), 2);
}

/* As far as a program can see: what the file held is zeros when its name goes. */
static void its_bytes_are_overwritten(void **state)
{
	struct x25519_pair key;
	uint8_t seen[256], zeros[256] = {0};
	ssize_t n;

	(void)state;
	(void)make("bob", 2);
	key = pairs[0];
	for (int all = 0; all < 2; all++) {
		int fd = descriptor(all ? "bob.onetime/2" : "bob.onetime/1");
		n = pread(fd, seen, sizeof seen, 0);
		assert_int_equal(n, 64);
		assert_memory_equal(seen, &pairs[all], sizeof key.private); /* it can be seen */
		assert_int_equal(all ? onetime_destroy_all(folder.fd, "bob", &e)
				     : onetime_destroy(folder.fd, "bob", 1, &e),
			0);
		assert_int_equal(pread(fd, seen, sizeof seen, 0), n);
		assert_memory_equal(seen, zeros, (size_t)n);
		(void)close(fd);
	}
}

static void what_a_crash_left_is_no_key(void **state)
{
	struct buf whole = {0};
	uint8_t zeros[64] = {0};
	bool same = true;

	(void)state;
	(void)make("bob", 1);
	slurp("bob.onetime/1", &whole);
	for (size_t n = 0; n < whole.n; n++) { /* cut while it was written */
		spew("bob.onetime/1", whole.p, n);
		assert_gone("bob", 1, true);
	}
	for (size_t n = 1; n <= whole.n; n++) { /* while it was overwritten */
		spew("bob.onetime/1", whole.p, whole.n);
		/* X25519 takes no notice of the lowest three bits: it may be the same key still */
		same = same && whole.p[n - 1] < (n == 1 ? 8 : 1);
		if (same) {
			continue;
		}
		int fd = openat(folder.fd, "bob.onetime/1", O_WRONLY);
		assert_int_equal(pwrite(fd, zeros, n, 0), (ssize_t)n);
		(void)close(fd);
		assert_gone("bob", 1, true);
	}
	assert_int_equal(onetime_destroy(folder.fd, "bob", 1, &e), 0);
	assert_int_equal(count_names("bob.onetime"), 1);
	buf_free(&whole);
}

static void the_oldest_go_for_newer_ones(void **state)
{
	struct x25519_pair last;

	(void)state;
	assert_int_equal(make("bob", ONETIME_MAX - 1), 1);
	last = pairs[ONETIME_MAX - 2];
	assert_int_equal(make("bob", 1), ONETIME_MAX);
	assert_found("bob", ONETIME_MAX - 1, &last);
	assert_int_equal(count_names("bob.onetime"), ONETIME_MAX + 1);
	int fd = descriptor("bob.onetime/2");
	assert_int_equal(make("bob", 3), ONETIME_MAX + 1);
	assert_int_equal(count_names("bob.onetime"), ONETIME_MAX + 1);
	assert_gone("bob", 1, true);
	assert_gone("bob", 2, true);
	assert_gone("bob", 3, true);
	assert_found("bob", ONETIME_MAX - 1, &last);
	uint8_t seen[64], zeros[64] = {0};
	assert_int_equal(pread(fd, seen, sizeof seen, 0), sizeof seen);
	assert_memory_equal(seen, zeros, sizeof zeros);
	(void)close(fd);
	assert_int_equal(make("bob", ONETIME_MAX), ONETIME_MAX + 4);
	assert_int_equal(count_names("bob.onetime"), ONETIME_MAX + 1);
	assert_gone("bob", ONETIME_MAX + 3, true);
}

static void made_at(const char *name, time_t seconds)
{
	const struct timespec at[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};

	assert_int_equal(utimensat(folder.fd, name, at, 0), 0);
}

static void the_old_ones_go(void **state)
{
	static const uint8_t zeros[64];
	const time_t now = time(NULL);
	struct x25519_pair kept[5];
	uint8_t seen[64];
	size_t n = 7;

	(void)state;
	assert_int_equal(make("bob", 5), 1);
	memcpy(kept, pairs, sizeof kept);
	made_at("bob.onetime/1", 999);
	made_at("bob.onetime/2", 1000);
	made_at("bob.onetime/3", now + 1000000); /* by a clock that was wrong */
	made_at("bob.onetime/4", 999);
	made_at("bob.onetime/5", 0);
	int fd = descriptor("bob.onetime/1");
	assert_int_equal(onetime_destroy_old(folder.fd, "bob", 4, 1000, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_gone("bob", 1, true);
	assert_int_equal(pread(fd, seen, sizeof seen, 0), sizeof seen);
	assert_memory_equal(seen, zeros, sizeof seen);
	(void)close(fd);
	for (uint64_t i = 2; i <= 5; i++) {
		assert_found("bob", i, &kept[i - 1]);
	}
	assert_int_equal(onetime_destroy_old(folder.fd, "bob", UINT64_MAX, now + 1, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_found("bob", 3, &kept[2]);
	assert_int_equal(onetime_destroy_old(folder.fd, "bob", 0, INT64_MAX, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(onetime_destroy_old(folder.fd, "dave", 4, 1000, &n, &e), 0);
	assert_int_equal(n, 0);
	spew_text("carol.onetime", "no folder");
	assert_refused(onetime_destroy_old(folder.fd, "carol", 4, 1000, &n, &e), e, EX_CONFIG);
}

static void they_are_counted(void **state)
{
	uint64_t next;
	size_t n = 7;

	(void)state;
	assert_int_equal(onetime_count(folder.fd, "bob", 0, &n, &next, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(next, 1);
	(void)make("bob", 5);
	assert_int_equal(onetime_destroy(folder.fd, "bob", 4, &e), 0);
	static const size_t wanted[] = {4, 4, 3, 2, 1, 1, 0}; /* from this number */
	for (size_t from = 0; from < COUNT(wanted); from++) {
		assert_int_equal(onetime_count(folder.fd, "bob", from, &n, &next, &e), 0);
		assert_int_equal(n, wanted[from]);
		assert_int_equal(next, 6);
	}
	assert_int_equal(unlinkat(folder.fd, "bob.onetime/next", 0), 0);
	assert_int_equal(onetime_count(folder.fd, "bob", 1, &n, &next, &e), 0);
	assert_int_equal(next, 6);
	assert_int_equal(make("bob", 1), 6);
	spew_text("bob.onetime/next", "x");
	assert_refused(onetime_count(folder.fd, "bob", 1, &n, &next, &e), e, EX_CONFIG);
	assert_refused(onetime_count(folder.fd, "../x", 1, &n, &next, &e), e, EX_SOFTWARE);
}

static void sizes_and_names(void **state)
{
	static const char *const contacts[] = {"", "..", "a/b", "A", "x.y"};
	uint64_t first;
	bool made;

	(void)state;
	assert_refused(onetime_make(folder.fd, "bob", 0, pairs, &first, &e), e, EX_SOFTWARE);
	assert_refused(
		onetime_make(folder.fd, "bob", ONETIME_MAX + 1, pairs, &first, &e), e, EX_SOFTWARE);
	for (size_t i = 0; i < COUNT(contacts); i++) {
		assert_refused(
			onetime_make(folder.fd, contacts[i], 1, pairs, &first, &e), e, EX_SOFTWARE);
		assert_refused(
			onetime_find(folder.fd, contacts[i], 1, pairs, &made, &e), e, EX_SOFTWARE);
		assert_refused(onetime_destroy(folder.fd, contacts[i], 1, &e), e, EX_SOFTWARE);
		assert_refused(onetime_destroy_all(folder.fd, contacts[i], &e), e, EX_SOFTWARE);
	}
	assert_int_equal(count_names("."), 0);
}

/* The counter was damaged or lost: no number of a key that is there is given again. */
static void the_counter(void **state)
{
	static const char *const damaged[] = {"", "0", "-1", "5 ", "x", "9223372036854775808"};
	uint64_t first;

	(void)state;
	assert_int_equal(make("bob", 5), 1);
	assert_int_equal(unlinkat(folder.fd, "bob.onetime/next", 0), 0);
	assert_int_equal(make("bob", 1), 6);
	for (size_t i = 0; i < COUNT(damaged); i++) {
		spew_text("bob.onetime/next", damaged[i]);
		assert_refused(onetime_make(folder.fd, "bob", 1, pairs, &first, &e), e, EX_CONFIG);
	}
	spew_text("bob.onetime/next", "9223372036854775806");
	assert_int_equal(make("bob", 1), INT64_MAX - 1);
	assert_refused(onetime_make(folder.fd, "bob", 1, pairs, &first, &e), e, EX_CONFIG);
}

static void other_things_in_its_place(void **state)
{
	uint64_t first;
	bool made;

	(void)state;
	(void)make("bob", 1);
	assert_int_equal(symlinkat("bob.onetime", folder.fd, "carol.onetime"), 0);
	assert_refused(onetime_make(folder.fd, "carol", 1, pairs, &first, &e), e, EX_CONFIG);
	assert_refused(onetime_find(folder.fd, "carol", 1, pairs, &made, &e), e, EX_CONFIG);
	spew_text("outside", "not to be overwritten");
	assert_int_equal(unlinkat(folder.fd, "bob.onetime/1", 0), 0);
	assert_int_equal(symlinkat("../outside", folder.fd, "bob.onetime/1"), 0);
	assert_int_equal(onetime_destroy(folder.fd, "bob", 1, &e), -1);
	struct buf b = {0};
	slurp("outside", &b);
	assert_string_equal((char *)b.p, "not to be overwritten");
	buf_free(&b);
	assert_int_equal(unlinkat(folder.fd, "bob.onetime/1", 0), 0);
	assert_int_equal(mkdirat(folder.fd, "bob.onetime/1", 0700), 0);
	assert_int_equal(onetime_destroy(folder.fd, "bob", 1, &e), -1);
}

enum { CHILDREN = 4, EACH = 20 };

static int make_in_child(int i)
{
	uint64_t got[EACH];
	char name[16];

	for (int k = 0; k < EACH; k++) {
		if (onetime_make(folder.fd, "bob", 3, pairs, &got[k], &e) != 0 ||
			onetime_destroy(folder.fd, "bob", got[k], &e) != 0) {
			return 1;
		}
	}
	(void)snprintf(name, sizeof name, "got%d", i);
	spew(name, got, sizeof got);
	return 0;
}

static void several_processes(void **state)
{
	bool seen[CHILDREN * EACH * 3 + 1] = {false};
	struct buf b = {0};
	uint64_t n;

	(void)state;
	run_children(CHILDREN, make_in_child);
	for (int i = 0; i < CHILDREN; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "got%d", i);
		slurp(name, &b);
		for (size_t k = 0; k < EACH; k++) {
			memcpy(&n, b.p + k * sizeof n, sizeof n);
			assert_in_range(n, 1, CHILDREN * EACH * 3);
			assert_false(seen[n]);
			seen[n] = true;
			assert_gone("bob", n, true);
			assert_int_equal(
				onetime_find(folder.fd, "bob", n + 1, pairs, &(bool){0}, &e), 0);
		}
	}
	buf_free(&b);
	assert_int_equal(count_names("bob.onetime"), CHILDREN * EACH * 2 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("each is found until it is destroyed", found_until_destroyed),
		T_FOLDER("a destroyed key's bytes were overwritten", its_bytes_are_overwritten),
		T_FOLDER("what a crash left is no key", what_a_crash_left_is_no_key),
		T_FOLDER("a thousand are kept, the newest", the_oldest_go_for_newer_ones),
		T_FOLDER("the old ones are destroyed, and one from the future is not",
			the_old_ones_go),
		T_FOLDER("they are counted, from a number on", they_are_counted),
		T_FOLDER("none at all and too many are refused, and names that are none",
			sizes_and_names),
		T_FOLDER("a lost counter gives no number again, a damaged one none", the_counter),
		T_FOLDER("a link or a folder is no key", other_things_in_its_place),
		T_FOLDER("several processes make keys together", several_processes),
	};
	return RUN(tests);
}
