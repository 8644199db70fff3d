/* The tests that every engine behind store/mailbox.h must pass. A program engine_NAME.c tells of
 * its engine, and runs them all (suite_run). Between operations the suite calls settle() now and
 * then, here or in another process: nobody may notice. */
#ifndef T_SUITE_H
#define T_SUITE_H

#include "../mail.h"

struct engine {
	const char *name;
	/* It keeps the whole of store/mailbox.h's contract: limits, now() that never goes back,
	 * check() that finds. Where it does not, the tests that S_WHOLE names are left out,
	 * loudly. */
	bool whole;
	int operations;                                      /* of the random test */
	int (*open)(struct mailbox **out);                   /* a new, empty store. 0 or -1 */
	int (*reopen)(struct mailbox **m);                   /* as after a restart. 0 or -1 */
	int (*close)(struct mailbox *m);                     /* and remove it. 0 or -1 */
	void (*damage)(struct mailbox *m, const char *user); /* one damaged message more */
};
extern const struct engine *engine;

struct suite_test {
	struct CMUnitTest test;
	bool whole; /* only where engine->whole */
};

struct suite_part {
	const struct suite_test *tests;
	size_t n;
};
extern const struct suite_part suite_deliver, suite_list, suite_read, suite_limits, suite_once,
	suite_processes, suite_behind, suite_model;

/* All parts, then the engine's own tests. What main returns. */
int suite_run(const struct engine *of, const struct CMUnitTest *own, size_t own_n);

/* --- chance: reproducible, by the environment's SMTP361_SEED --- */

uint32_t chance(uint32_t below); /* 0 .. below - 1 */
/* The pattern's generator: what chance() gives from here on depends on this alone. */
void chance_begin(uint64_t seed);
uint64_t chance_seed(void); /* this run's */

/* --- what the parts share --- */

enum { SUITE_USERS = 5 }; /* client1 .. client5 */
#define ALL_FIVE "client1;client2;client3;client4;client5"

static inline void suite_between(void)
{
	bool busy;
	uint32_t what = chance(64);

	if (what < 16) {
		assert_int_equal(box->ops->settle(box, &e), 0);
	} else if (what < 18) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			_exit(box->ops->settle(box, &e) == 0 ? 0 : 1);
		}
		assert_int_equal(end_child(pid), 0);
	} else if (what < 20) {
		(void)box->ops->unsettled(box, &busy);
	}
}

static inline int suite_open(void **state)
{
	(void)state;
	chance_begin(chance_seed());
	if (engine->open(&box) != 0) {
		return -1;
	}
	between = suite_between;
	for (char user[] = "client1"; user[6] < '1' + SUITE_USERS; user[6]++) {
		if (box->ops->prepare(box, user, &e) != 0) {
			return -1;
		}
	}
	return 0;
}

static inline int suite_close(void **state)
{
	(void)state;
	return engine->close(box);
}

static inline void reopen(void)
{
	assert_int_equal(engine->reopen(&box), 0);
}

#define S(title, function)                                                       \
	{                                                                        \
		{title, function, suite_open, suite_close, NULL}, .whole = false \
	}
#define S_WHOLE(title, function)                                                \
	{                                                                       \
		{title, function, suite_open, suite_close, NULL}, .whole = true \
	}
#define S_PART(tests)                 \
	{                             \
		(tests), COUNT(tests) \
	}

/* All that an observer can see of the five mailboxes, as bytes. The caller frees them. */
struct buf snapshot(struct mailbox *m);

static inline void assert_same(const struct buf *before, const struct buf *after)
{
	assert_int_equal(before->n, after->n);
	assert_true(before->n == 0 || memcmp(before->p, after->p, before->n) == 0);
}

static inline void assert_usage(const char *user, uint64_t messages, uint64_t bytes)
{
	struct mailbox_usage u = {99, 99};

	pause_between();
	if (box->ops->usage(box, user, &u, &e) != 0) {
		fail_msg("usage %s: %s", user, e.text);
	}
	assert_int_equal(u.messages, messages);
	assert_int_equal(u.bytes, bytes);
}

/* Nothing is listed for anybody, and nothing counts. */
static inline void assert_all_empty(void)
{
	for (char user[] = "client1"; user[6] < '1' + SUITE_USERS; user[6]++) {
		assert_int_equal(list(user), 0);
		assert_usage(user, 0, 0);
	}
}

static inline void prepare(const char *user)
{
	pause_between();
	assert_int_equal(box->ops->prepare(box, user, &e), 0);
}

#endif
