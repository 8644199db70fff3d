/* The suite that every engine passes (engine/suite.h), over the engine in memory; and what only
 * that one can show: each step of a delivery and of a removal fails, loses its answer or is the
 * last of its process, and a retry under the same id makes good what is left, once. */
#include "engine/memory.h"
#include "engine/suite.h"

static int open_memory(struct mailbox **out)
{
	return memory_open(mail_describe, out, &e);
}

static int reopen_memory(struct mailbox **m)
{
	return memory_reopen(m, &e);
}

static int close_memory(struct mailbox *m)
{
	m->ops->close(m);
	return 0;
}

static void damage_memory(struct mailbox *m, const char *user)
{
	struct mailbox *before = box;

	box = m; /* each part of the suite has its own */
	assert_int_equal(deliver("damaged", "x", user), 0);
	assert_int_equal(memory_damage(m, user, last.id, &e), 0);
	box = before;
}

/* --- steps that fail --- */

#define THREE "client2;client3;client4"
enum { STEPS_MAX = 40 };

static uint8_t id[MAILBOX_ID_BYTES];
static uint32_t seed;
static const struct mailbox_usage *limits;

static int send_three(int once)
{
	return post(&(struct letter){.title = "Once",
		.content = "once and no more",
		.to = THREE,
		.id = id,
		.once = once == 1,
		.limits = limits});
}

static int send_dying(int once)
{
	return send_three(once) == 0 ? 0 : 1;
}

static void assert_copies(int wanted)
{
	for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
		assert_int_equal(copies(user, id), wanted);
	}
}

static void no_findings(void *arg, const char *user, bool harmless, const char *what)
{
	(void)arg;
	(void)harmless;
	fail_msg("%s: %s", user == NULL ? "" : user, what);
}

static void count_finding(void *arg, const char *user, bool harmless, const char *what)
{
	int *n = arg;

	(void)user;
	assert_true(harmless);
	assert_true(what[0] != '\0');
	(*n)++;
}

static int check_all(mailbox_finding *found, void *arg)
{
	for (char user[] = "client1"; user[6] <= '5'; user[6]++) {
		assert_int_equal(box->ops->check(box, user, found, arg, &e), 0);
	}
	return box->ops->check(box, NULL, found, arg, &e);
}

/* Try with this fault at this step. true: the fault came to pass. */
static bool try_with(enum memory_fault fault, unsigned step, int once, int *rc)
{
	if (fault == MEMORY_DIES) {
		memory_fail(box, fault, step);
		int code = end_child(start_child(send_dying, once));
		memory_fail(box, MEMORY_SOUND, 0);
		*rc = code == 0 ? 0 : -1;
		assert_true(code == 0 || code == MEMORY_DIED);
		return code == MEMORY_DIED;
	}
	memory_fail(box, fault, step);
	*rc = send_three(once);
	bool came = memory_steps(box) >= step;
	memory_fail(box, MEMORY_SOUND, 0);
	return came;
}

/* A fault at every step, then a retry: once in each mailbox; whatever is done between them. */
static void retried(enum memory_fault fault, int beside)
{
	unsigned step;
	bool came = true;
	int rc;

	between = NULL; /* its settling would be counted as a step */
	for (step = 1; came; step++) {
		assert_true(step < STEPS_MAX);
		make_id(id, ++seed);
		came = try_with(fault, step, 1, &rc);
		assert_true(!came ? rc == 0 : true);
		int listed = copies("client2", id);
		assert_copies(listed); /* all or none, always */
		assert_true(listed <= 1);
		if (rc == 0) {
			assert_int_equal(listed, 1);
		} else if (fault == MEMORY_REFUSES) {
			assert_int_equal(listed, 0);
		}
		assert_int_equal(beside == 1 ? box->ops->settle(box, &e) : 0, 0);
		assert_int_equal(beside == 2 ? box->ops->recover(box, &e) : 0, 0);
		if (beside == 3) {
			reopen();
		}
		assert_copies(listed);
		for (int again = 0; again < 3; again++) {
			assert_int_equal(send_three(1), 0);
			assert_int_equal(sent_before, listed == 1 || again > 0);
			assert_copies(1);
		}
	}
	assert_true(step > 6); /* claim, message, three entries, commit */
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(check_all(no_findings, NULL), 0);
}

static void refused_and_retried(void **state)
{
	(void)state;
	for (int beside = 0; beside < 4; beside++) {
		retried(MEMORY_REFUSES, beside);
	}
}

static void lost_and_retried(void **state)
{
	(void)state;
	for (int beside = 0; beside < 4; beside++) {
		retried(MEMORY_LOSES, beside);
	}
}

static void died_and_retried(void **state)
{
	(void)state;
	for (int beside = 0; beside < 4; beside++) {
		retried(MEMORY_DIES, beside);
	}
}

/* Without "once", what failed leaves nothing that anybody could see, and nothing that counts. */
static void failed_leaves_nothing(void **state)
{
	static const struct mailbox_usage one[3] = {{1, 0}, {1, 0}, {1, 0}};
	unsigned step;
	int rc, harmless = 0;

	(void)state;
	between = NULL;
	for (enum memory_fault fault = MEMORY_REFUSES; fault <= MEMORY_DIES; fault++) {
		limits = one;
		for (step = 1; try_with(fault, step, 0, &rc); step++) {
			assert_true(step < STEPS_MAX);
			if (rc != 0 && copies("client2", id) > 0) {
				/* all was done, but nobody said so */
				assert_true(fault != MEMORY_REFUSES);
				assert_int_equal(remove_id("client2", id), 0);
				assert_int_equal(remove_id("client3", id), 0);
				assert_int_equal(remove_id("client4", id), 0);
			}
			assert_all_empty();
			assert_int_equal(check_all(count_finding, &harmless), 0);
			make_id(id, ++seed);
			assert_int_equal(send_three(0), 0); /* there is room for one */
			assert_refused(send_three(0), e, EX_TEMPFAIL);
			for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
				assert_int_equal(remove_id(user, id), 0);
			}
			make_id(id, ++seed);
		}
		assert_int_equal(rc, 0);
		for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
			assert_int_equal(remove_id(user, id), 0);
		}
		limits = NULL;
	}
	assert_true(harmless > 0);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(check_all(no_findings, NULL), 0);
	assert_all_empty();
}

/* --- removing --- */

static int remove_second(int unused)
{
	(void)unused;
	return remove_id("client3", id) == 0 ? 0 : 1;
}

/* A removal that failed has removed it or not; tried again it has, and no retry brings it back. */
static void removals_retried(void **state)
{
	(void)state;
	between = NULL;
	for (enum memory_fault fault = MEMORY_REFUSES; fault <= MEMORY_DIES; fault++) {
		bool came = true;
		unsigned step;
		for (step = 1; came; step++) {
			assert_true(step < STEPS_MAX);
			make_id(id, ++seed);
			assert_int_equal(send_three(1), 0);
			memory_fail(box, fault, step);
			int rc = fault == MEMORY_DIES ? end_child(start_child(remove_second, 0))
						      : remove_second(0);
			memory_fail(box, MEMORY_SOUND, 0);
			came = rc != 0;
			int left = copies("client3", id);
			assert_true(rc != 0 || left == 0);
			rc = remove_id("client3", id);
			assert_true(left == 1 ? rc == 0 : rc == -1 && e.code == EX_NOINPUT);
			assert_int_equal(send_three(1), 0);
			assert_true(sent_before);
			assert_int_equal(copies("client3", id), 0);
			assert_int_equal(copies("client2", id), 1);
		}
		assert_int_equal(step, 3); /* there is but one */
	}
}

/* --- what a delivery that is under way looks like --- */

static void half_is_not_seen(void **state)
{
	(void)state;
	between = NULL;
	make_id(id, ++seed);
	memory_fail(box, MEMORY_DIES, 6); /* its entries are made, but it is not committed */
	assert_int_equal(end_child(start_child(send_dying, 1)), MEMORY_DIED);
	memory_fail(box, MEMORY_SOUND, 0);
	assert_all_empty();
	rows_n = 0;
	assert_int_equal(box->ops->list_behind(box, "client2", NULL, visit_row, NULL, &e), 0);
	assert_int_equal(rows_n, 0);
	assert_int_equal(deliver("later", "x", "client2"), 0);
	assert_int_equal(list("client2"), 1);
	assert_int_equal(rows[0].meta.index, 1); /* half has no place in the list */
	uint8_t later[MAILBOX_ID_BYTES];
	memcpy(later, last.id, sizeof later);
	assert_int_equal(send_three(1), 0); /* it arrives now, behind what was listed since */
	assert_false(sent_before);
	rows_n = 0;
	assert_int_equal(box->ops->list_behind(box, "client2", later, visit_row, NULL, &e), 0);
	assert_int_equal(rows_n, 1);
	assert_memory_equal(rows[0].meta.id, id, sizeof id);
}

/* What is kept for nobody is given back: else this would fill all its memory many times. */
static void memory_is_given_back(void **state)
{
	enum { LARGE = 4 << 20 };
	char *large = malloc(LARGE + 1);

	(void)state;
	memset(large, 'x', LARGE);
	large[LARGE] = '\0';
	for (int i = 0; i < 100; i++) {
		if (i % 10 == 9) { /* one that is left half done */
			memory_fail(box, MEMORY_REFUSES, 4);
			between = NULL;
			assert_refused(
				deliver("Large", large, "client1;client2;client3"), e, EX_TEMPFAIL);
			memory_fail(box, MEMORY_SOUND, 0);
			assert_int_equal(box->ops->recover(box, &e), 0);
			continue;
		}
		assert_int_equal(deliver("Large", large, "client1;client2"), 0);
		assert_int_equal(remove_id("client1", last.id), 0);
		assert_int_equal(remove_id("client2", last.id), 0);
		assert_int_equal(box->ops->settle(box, &e), 0);
	}
	free(large);
	assert_all_empty();
}

/* When it is full it says so, and keeps what it has. */
static void full(void **state)
{
	enum { LARGE = 30 << 20 };
	char *large = malloc(LARGE + 1);
	int stored = 0;

	(void)state;
	memset(large, 'x', LARGE);
	large[LARGE] = '\0';
	while (stored < 100 && deliver("Large", large, "client1;client2") == 0) {
		stored++;
	}
	assert_true(stored > 0 && stored < 100);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_int_equal(list("client1"), stored);
	assert_int_equal(list("client2"), stored);
	assert_int_equal(deliver("Small", "x", "client1"), 0);
	for (int i = 0; i < stored; i++) {
		assert_int_equal(remove_id("client2", rows[i].meta.id), 0);
	}
	assert_int_equal(remove_id("client1", rows[0].meta.id), 0);
	assert_int_equal(box->ops->settle(box, &e), 0);
	assert_int_equal(deliver("Large", large, "client1;client2"), 0);
	free(large);
}

static const struct engine memory = {
	.name = "memory",
	.whole = true,
	.operations = 6000,
	.open = open_memory,
	.reopen = reopen_memory,
	.close = close_memory,
	.damage = damage_memory,
};

int main(void)
{
	const struct CMUnitTest own[] = {
		{"a delivery refused at any step is made good by a retry, once",
			refused_and_retried, suite_open, suite_close, NULL},
		{"one whose answer is lost at any step is, too", lost_and_retried, suite_open,
			suite_close, NULL},
		{"and one whose process dies ahead of any step", died_and_retried, suite_open,
			suite_close, NULL},
		{"what failed is listed nowhere and counts towards no limit", failed_leaves_nothing,
			suite_open, suite_close, NULL},
		{"a removal that fails at any step is made good by a retry", removals_retried,
			suite_open, suite_close, NULL},
		{"half a delivery is not seen, and arrives when it is done", half_is_not_seen,
			suite_open, suite_close, NULL},
		{"what nobody keeps any more takes no room", memory_is_given_back, suite_open,
			suite_close, NULL},
		{"a full store says so, and keeps what it has", full, suite_open, suite_close,
			NULL},
	};
	return suite_run(&memory, own, COUNT(own));
}
