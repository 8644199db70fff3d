/* Every engine: a process and its children at once in one store. */
#include "suite.h"

#include <poll.h>
#include <sys/mman.h>

/* Zeroed memory that children share. */
static void *shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* --- writers --- */

enum { WRITERS = 8, EACH = 20 };

static int write_some(int i)
{
	char content[32];

	for (int k = 0; k < EACH; k++) {
		(void)snprintf(content, sizeof content, "writer %d, %d.", i, k);
		if (deliver("Same", content, k % 2 == 0 ? "client1" : "client1;client2") != 0) {
			return 1;
		}
	}
	return 0;
}

static void writers_at_once(void **state)
{
	(void)state;
	run_children(WRITERS, write_some);
	assert_int_equal(list("client2"), WRITERS * EACH / 2);
	for (int restarted = 0; restarted < 2; restarted++) {
		int seen[WRITERS][EACH] = {{0}}, i = -1, k = -1;
		assert_int_equal(list("client1"), WRITERS * EACH);
		for (int at = 0; at < rows_n; at++) {
			struct buf b = text_of_row("client1", at);
			const char *content = strstr((const char *)b.p, "\nwriter ");
			assert_non_null(content);
			assert_int_equal(sscanf(content, "\nwriter %d, %d.", &i, &k), 2);
			assert_true(i >= 0 && i < WRITERS && k >= 0 && k < EACH);
			assert_int_equal(seen[i][k]++, 0);
			buf_free(&b);
		}
		reopen();
	}
}

/* --- removers --- */

static int *removals; /* of each message, how many succeeded */

static int remove_all(int i)
{
	for (int k = 0; k < rows_n; k++) {
		int at = i % 2 == 0 ? k : rows_n - 1 - k;
		if (box->ops->remove(box, "client1", &rows[at].ref, &e) == 0) {
			(void)__atomic_add_fetch(&removals[at], 1, __ATOMIC_SEQ_CST);
		} else if (e.code != EX_NOINPUT) {
			return 1;
		}
	}
	return 0;
}

static void removers_at_once(void **state)
{
	enum { MANY = 40 };

	(void)state;
	removals = shared(MANY * sizeof *removals);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(deliver("T", "x", "client1;client2"), 0);
	}
	assert_int_equal(list("client1"), MANY);
	run_children(4, remove_all);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(removals[i], 1);
	}
	assert_int_equal(list("client1"), 0);
	assert_int_equal(list("client2"), MANY);
	(void)munmap(removals, MANY * sizeof *removals);
}

/* --- one that follows --- */

static bool *ended;

static int write_for_follower(int i)
{
	for (int k = 0; k < EACH; k++) {
		int64_t time_us = 1000000 + (i * 7 + k * 13) % 50; /* in any order */
		if (deliver_at("T", "x", k % 3 == 0 ? "client2;client1" : "client1", time_us) !=
			0) {
			return 1;
		}
	}
	return 0;
}

/* Each message once, though it asks only for what came behind the last it saw. */
static int follow(int wanted)
{
	static uint8_t ids[WRITERS * EACH + 1][MAILBOX_ID_BYTES];
	int n = 0;

	for (bool last_look = false; !last_look;) {
		last_look = __atomic_load_n(ended, __ATOMIC_SEQ_CST);
		rows_n = 0;
		if (box->ops->list_behind(
			    box, "client1", n == 0 ? NULL : ids[n - 1], visit_row, NULL, &e) != 0) {
			return 2;
		}
		for (int i = 0; i < rows_n; i++) {
			for (int k = 0; k < n; k++) {
				if (memcmp(ids[k], rows[i].meta.id, MAILBOX_ID_BYTES) == 0) {
					return 3;
				}
			}
			if (n == wanted) {
				return 4;
			}
			memcpy(ids[n++], rows[i].meta.id, MAILBOX_ID_BYTES);
		}
	}
	return n == wanted ? 0 : 5;
}

static void followed_by_arrival(void **state)
{
	pid_t follower;

	(void)state;
	ended = shared(sizeof *ended);
	follower = start_child(follow, 4 * EACH);
	run_children(4, write_for_follower);
	__atomic_store_n(ended, true, __ATOMIC_SEQ_CST);
	assert_int_equal(end_child(follower), 0);
	(void)munmap(ended, sizeof *ended);
}

/* What the two lists say of each other: what was not listed when a message was seen comes behind
 * it, once it is. */
static int compare_lists(int unused)
{
	static uint8_t seen[ROWS][MAILBOX_ID_BYTES], fresh[ROWS][MAILBOX_ID_BYTES];
	int seen_n = 0;

	(void)unused;
	while (!__atomic_load_n(ended, __ATOMIC_SEQ_CST)) {
		int fresh_n = 0;
		(void)list("client1");
		for (int i = 0; i < rows_n; i++) {
			bool known = false;
			for (int k = 0; k < seen_n && !known; k++) {
				known = memcmp(seen[k], rows[i].meta.id, sizeof *seen) == 0;
			}
			if (!known) {
				memcpy(fresh[fresh_n++], rows[i].meta.id, sizeof *fresh);
			}
		}
		for (int k = 0; k < seen_n && fresh_n > 0; k++) {
			int found = 0;
			rows_n = 0;
			if (box->ops->list_behind(box, "client1", seen[k], visit_row, NULL, &e) !=
				0) {
				return 2;
			}
			for (int i = 0; i < rows_n * fresh_n; i++) {
				found += memcmp(fresh[i % fresh_n], rows[i / fresh_n].meta.id,
						 sizeof *fresh) == 0
						 ? 1
						 : 0;
			}
			if (found != fresh_n) {
				return 3;
			}
		}
		memcpy(seen[seen_n], fresh, (size_t)fresh_n * sizeof *fresh);
		seen_n += fresh_n;
	}
	return 0;
}

static void never_overtaken(void **state)
{
	pid_t follower;

	(void)state;
	ended = shared(sizeof *ended);
	follower = start_child(compare_lists, 0);
	run_children(4, write_for_follower);
	__atomic_store_n(ended, true, __ATOMIC_SEQ_CST);
	assert_int_equal(end_child(follower), 0);
	(void)munmap(ended, sizeof *ended);
}

/* --- one that settles --- */

static int settle_always(int i)
{
	bool busy;

	while (!__atomic_load_n(ended, __ATOMIC_SEQ_CST)) {
		(void)box->ops->unsettled(box, &busy);
		if (box->ops->settle(box, &e) != 0 || (i == 1 && box->ops->recover(box, &e) != 0)) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		(void)poll(NULL, 0, i == 1 ? 0 : 1); /* one comes always, one now and then */
	}
	return 0;
}

static void settled_all_the_while(void **state)
{
	pid_t settlers[2];
	char content[32];

	(void)state;
	ended = shared(sizeof *ended);
	for (int i = 0; i < 2; i++) {
		settlers[i] = start_child(settle_always, i);
	}
	for (int i = 0; i < 60; i++) {
		(void)snprintf(content, sizeof content, "\nmessage %d.", i);
		assert_int_equal(deliver("T", content, i % 2 == 0 ? "client1" : ALL_FIVE), 0);
		assert_int_equal(list("client1"), 1 + i % 3);
		assert_true(row_holds("client1", i % 3, content));
		if (i % 3 == 2) {
			for (int k = 0; k < 3; k++) {
				assert_int_equal(
					box->ops->remove(box, "client1", &rows[k].ref, &e), 0);
			}
		}
	}
	__atomic_store_n(ended, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(end_child(settlers[i]), 0);
	}
	(void)munmap(ended, sizeof *ended);
	assert_int_equal(list("client1"), 0);
	assert_int_equal(list("client5"), 30);
}

/* --- the present --- */

enum { CLOCKS = 8, TIMES = 500 };
static int64_t *times;

static int take_times(int i)
{
	for (int k = 0; k < TIMES; k++) {
		times[i * TIMES + k] = box->ops->now(box);
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void now_is_never_twice(void **state)
{
	enum { ALL_TIMES = CLOCKS * TIMES };
	int64_t before = box->ops->now(box), after;

	(void)state;
	assert_true(llabs(before - message_now()) < 60 * (int64_t)1000000);
	times = shared(ALL_TIMES * sizeof *times);
	run_children(CLOCKS, take_times);
	after = box->ops->now(box);
	for (int i = 1; i < ALL_TIMES; i++) {
		assert_true(i % TIMES == 0 || times[i - 1] < times[i]);
	}
	qsort(times, ALL_TIMES, sizeof *times, by_time);
	for (int i = 1; i < ALL_TIMES; i++) {
		assert_true(times[i - 1] < times[i]);
	}
	assert_true(before < times[0] && times[ALL_TIMES - 1] < after);
	for (int i = 0; i < 1000; i++) {
		int64_t next = box->ops->now(box);
		assert_true(next > after);
		after = next;
	}
	(void)munmap(times, ALL_TIMES * sizeof *times);
}

static const struct suite_test tests[] = {
	S("eight writers of one title: each message is there, once", writers_at_once),
	S("four that remove the same messages: each is removed by one", removers_at_once),
	S("one that follows four writers by arrival sees each message once", followed_by_arrival),
	S_WHOLE("what is listed later comes behind all that was listed before", never_overtaken),
	S("others that settle and recover all the while disturb nobody", settled_all_the_while),
	S_WHOLE("the present comes never twice, in whatever process", now_is_never_twice),
};
const struct suite_part suite_processes = S_PART(tests);
