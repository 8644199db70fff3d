/* Counters of wrong passwords: what each costs, whom it is counted for, and for how long. The clock
 * is the test's own. */
#include "unit.h"

#include <sys/syscall.h>
#include <time.h>

#include "../../proto/conn.h"
#include "../../proto/guard.h"

static struct guard g;
static int64_t ahead_ms; /* of the clock */

int shifted_clock(clockid_t id, struct timespec *t) __asm__("clock_gettime");
int shifted_clock(clockid_t id, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, id, t);

	t->tv_sec += ahead_ms / 1000;
	return rc;
}

static int open_guard(void **state)
{
	(void)state;
	ahead_ms = 0;
	guard_open(&g);
	return g.slots == NULL ? -1 : 0;
}

static int close_guard(void **state)
{
	(void)state;
	guard_close(&g);
	return 0;
}

#define T_GUARD(title, function)                               \
	{                                                      \
		title, function, open_guard, close_guard, NULL \
	}

static const int64_t waits[] = {0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000};

/* So many wrong ones, from the first on. */
static void assert_waits(const char *user, const char *peer, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t ms = guard_wrong(&g, user, peer);
		if (ms != waits[i]) {
			fail_msg("%s from %s, number %zu: %lld ms", user, peer, i + 1,
				(long long)ms);
		}
	}
}

static void doubles(void **state)
{
	(void)state;
	assert_int_equal(waits[GUARD_FREE], GUARD_STEP_MS);
	assert_waits("a", "192.0.2.1:4000", COUNT(waits));
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(guard_wrong(&g, "a", "192.0.2.1:4000"), GUARD_MAX_MS);
	}
}

/* One user from many addresses, and one address for many users. */
static void counts_both(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT(waits); i++) {
		(void)snprintf(text, sizeof text, "192.0.2.%zu:4000", i + 1);
		assert_int_equal(guard_wrong(&g, "a", text), waits[i]);
	}
	for (size_t i = 0; i < COUNT(waits); i++) {
		(void)snprintf(text, sizeof text, "user%zu", i);
		assert_int_equal(guard_wrong(&g, text, "198.51.100.7:1"), waits[i]);
	}
}

static void ports_do_not_count(void **state)
{
	char peer[64];

	(void)state;
	for (size_t i = 0; i < COUNT(waits); i++) {
		(void)snprintf(peer, sizeof peer, "[2001:db8::1]:%zu", 1000 + i);
		char user[16];
		(void)snprintf(user, sizeof user, "v6-%zu", i);
		assert_int_equal(guard_wrong(&g, user, peer), waits[i]);
	}
	assert_waits("b", "noport", 4);
	assert_int_equal(guard_wrong(&g, "", ""), 0);
	assert_int_equal(guard_wrong(&g, "", ":"), 0);
}

/* A name that is an address is not that address. */
static void kinds_apart(void **state)
{
	(void)state;
	assert_waits("c", "192.0.2.9:1", 5);
	assert_int_equal(guard_wrong(&g, "192.0.2.9", "203.0.113.1:1"), 0);
	assert_int_equal(guard_wrong(&g, "d", "c:1"), 0);
}

static void right_begins_anew(void **state)
{
	(void)state;
	assert_waits("a", "192.0.2.1:1", 5);
	guard_right(&g, "a");
	assert_int_equal(guard_wrong(&g, "a", "203.0.113.5:1"), 0);      /* the user's is gone, */
	assert_int_equal(guard_wrong(&g, "e", "192.0.2.1:1"), waits[5]); /* the address' stays */
	guard_right(&g, "nobody");
}

static void forgotten(void **state)
{
	(void)state;
	assert_waits("a", "192.0.2.1:1", 6);
	ahead_ms = GUARD_FORGET_MS - 2000;
	assert_int_equal(guard_wrong(&g, "a", "192.0.2.1:1"), waits[6]);
	ahead_ms += GUARD_FORGET_MS - 2000; /* counted from the last, not the first */
	assert_int_equal(guard_wrong(&g, "a", "192.0.2.1:1"), waits[7]);
	ahead_ms += GUARD_FORGET_MS + 2000;
	assert_waits("a", "192.0.2.1:1", COUNT(waits));
}

/* The wait ahead of a login: nothing up to GUARD_MANY wrong ones, of any users; then it doubles. */
static void waits_before(void **state)
{
	static const int64_t before[] = {250, 500, 1000, 2000, 4000, 8000, 8000};
	char user[16], peer[32];

	(void)state;
	for (size_t i = 0; i < GUARD_MANY + COUNT(before); i++) {
		(void)snprintf(user, sizeof user, "user%zu", i);
		(void)snprintf(peer, sizeof peer, "198.51.100.7:%zu", i + 1);
		assert_int_equal(
			guard_before(&g, peer), i <= GUARD_MANY ? 0 : before[i - GUARD_MANY - 1]);
		(void)guard_wrong(&g, user, peer);
	}
	assert_int_equal(guard_before(&g, "198.51.100.7:9"), 8000);
	assert_int_equal(guard_before(&g, "198.51.100.8:9"), 0); /* a neighbour, */
	assert_int_equal(guard_before(&g, "user1:9"), 0);        /* and a user, do not wait */
	guard_right(&g, "user1");                                /* nor does a right one help */
	assert_int_equal(guard_before(&g, "198.51.100.7:9"), 8000);
	ahead_ms = GUARD_FORGET_MS - 2000;
	assert_int_equal(guard_before(&g, "198.51.100.7:9"), 8000);
	ahead_ms = GUARD_FORGET_MS + 2000;
	assert_int_equal(guard_before(&g, "198.51.100.7:9"), 0);
	(void)guard_wrong(&g, "user1", "198.51.100.7:9");
	assert_int_equal(guard_before(&g, "198.51.100.7:9"), 0); /* and begins anew */
}

static int guess(int i)
{
	char peer[32];

	(void)snprintf(peer, sizeof peer, "10.0.0.%d:1", i);
	for (int k = 0; k < 4; k++) {
		(void)guard_wrong(&g, "shared", peer);
	}
	return 0;
}

static void across_processes(void **state)
{
	(void)state;
	run_children(16, guess);
	assert_int_equal(guard_wrong(&g, "shared", "10.0.1.1:1"), GUARD_MAX_MS);
}

static void without_memory(void **state)
{
	struct guard none = {0};

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(guard_wrong(&none, "a", "192.0.2.1:1"), 0);
	}
	assert_int_equal(guard_before(&none, "192.0.2.1:1"), 0);
	guard_right(&none, "a");
	guard_close(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_GUARD("three are free, then each costs twice as much, up to eight seconds",
			doubles),
		T_GUARD("users and addresses are counted, and the worse one tells", counts_both),
		T_GUARD("an address' port does not count", ports_do_not_count),
		T_GUARD("a user who is named like an address is another", kinds_apart),
		T_GUARD("a right password clears the user and not the address", right_begins_anew),
		T_GUARD("a quarter of an hour after the last one all is forgotten", forgotten),
		T_GUARD("an address that guessed a lot waits ahead of each login", waits_before),
		T_GUARD("all processes count together", across_processes),
		T("without memory nothing is counted, and nothing breaks", without_memory),
	};
	return RUN(tests);
}
