/* Settling, beside everybody else: nothing is missing, doubled or unreadable at any moment, lists
 * keep their order, and limits are exact. */
#include "crash.h"

#include <poll.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- beside everybody --- */

enum { HAMMER_MS = 1200 };

static int64_t ends;

static int settle_on(int i)
{
	(void)i;
	while (now_ms() < ends) {
		if (box->ops->settle(box, &e) != 0) {
			(void)fprintf(stderr, "settle: %s\n", e.text);
			return 1;
		}
	}
	return 0;
}

/* A settler that is killed again and again, and a family that looks after it. */
static int settle_and_be_killed(int i)
{
	for (int at = 1; now_ms() < ends; at = at % 40 + 1) {
		pid_t pid = fork();
		int status;
		if (pid == 0) {
			due = at;
			_exit(box->ops->settle(box, &e) == 0 ? 0 : 1);
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
			(WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != DIED) ||
			box->ops->recover(box, &e) != 0) {
			(void)fprintf(stderr, "settler %d: %d, %s\n", i, status, e.text);
			return 1;
		}
	}
	return 0;
}

/* One writer and reader of a mailbox of his own: after each step it is as the model says. */
struct model {
	uint8_t ids[64][MAILBOX_ID_BYTES];
	int n;
};

static int fails(const char *user, const char *what, int step)
{
	(void)fprintf(stderr, "%s, step %d: %s (%d rows): %s\n", user, step, what, rows_n, e.text);
	return 1;
}

static int whole(const char *user, const struct mailbox_ref *ref)
{
	struct mailbox_reader *r = NULL;
	uint64_t size = 0;
	char text[200000];
	int rc = box->ops->open(box, user, ref, &r, &size, &e);

	if (rc == 0) {
		rc = size > sizeof text || box->ops->read(r, 0, text, size, &e) != 0 ||
				     memcmp(text + size - 5, "xxEND", 5) != 0
			     ? -1
			     : 0;
		box->ops->done(r);
	}
	return rc;
}

/* In the order of delivery, by both lists, each found by its id and read whole. */
static int agrees(const char *user, const struct model *m, int step)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	struct mailbox_usage usage;

	for (int way = 0; way < 2; way++) {
		int rc;
		rows_n = 0;
		rc = way == 0 ? box->ops->list(box, user, NULL, visit_row, NULL, &e)
			      : box->ops->list_behind(box, user, NULL, visit_row, NULL, &e);
		if (rc != 0 || rows_n != m->n) {
			return fails(user, way == 0 ? "list" : "list behind", step);
		}
		for (int i = 0; i < m->n; i++) {
			if (memcmp(rows[i].meta.id, m->ids[i], MAILBOX_ID_BYTES) != 0) {
				return fails(user, "order", step);
			}
			if (rows[i].meta.damaged || whole(user, &rows[i].ref) != 0) {
				return fails(user, "read", step);
			}
		}
	}
	if (box->ops->usage(box, user, &usage, &e) != 0 || usage.messages != (uint64_t)m->n) {
		return fails(user, "usage", step);
	}
	if (m->n > 0 && (box->ops->find(box, user, m->ids[step % m->n], &meta, &ref, &e) != 0 ||
				whole(user, &ref) != 0)) {
		return fails(user, "find", step);
	}
	return 0;
}

static int live(int i)
{
	static char large[70001];
	char user[] = "client1", content[64];
	struct model m = {0};

	user[6] = (char)('1' + i);
	memset(large, 'x', sizeof large - 4);
	memcpy(large + sizeof large - 4, "END", 4);
	for (int step = 0; now_ms() < ends || m.n > 0; step++) {
		bool removes = m.n == COUNT(m.ids) || now_ms() >= ends || step % 5 == 4;
		if (removes && m.n > 0) {
			struct mailbox_ref ref = {0};
			int which = step % m.n;
			memcpy(ref.id, m.ids[which], sizeof ref.id);
			if (box->ops->remove(box, user, &ref, &e) != 0) {
				return fails(user, "remove", step);
			}
			memmove(m.ids + which, m.ids + which + 1,
				(size_t)(m.n - which - 1) * sizeof *m.ids);
			m.n--;
		} else {
			(void)snprintf(content, sizeof content, "%d of %s xxEND", step, user);
			if (deliver_at("Same", step % 7 == 0 ? large : content, user,
				    box->ops->now(box)) != 0) {
				return fails(user, "deliver", step);
			}
			memcpy(m.ids[m.n++], last.id, sizeof last.id);
		}
		if (agrees(user, &m, step) != 0) {
			return 1;
		}
	}
	return 0;
}

static void hammer(int (*settler)(int i))
{
	pid_t pids[5];

	ends = now_ms() + HAMMER_MS;
	pids[4] = start_child(settler, 4);
	for (int i = 0; i < 4; i++) {
		pids[i] = start_child(live, i);
	}
	for (size_t i = 0; i < COUNT(pids); i++) {
		assert_int_equal(end_child(pids[i]), 0);
	}
	recover();
	settle();
	for (char user[] = "client1"; user[6] <= '4'; user[6]++) {
		assert_int_equal(list(user), 0);
		assert_int_equal(files_of(user), 0);
	}
	assert_int_equal(count_names(".spool"), 0);
}

static void beside_all(void **state)
{
	(void)state;
	hammer(settle_on);
}

static void killed_beside_all(void **state)
{
	(void)state;
	hammer(settle_and_be_killed);
}

/* --- order --- */

static void assert_order(uint8_t ids[][MAILBOX_ID_BYTES], int n)
{
	for (int from = -1; from < n; from++) {
		rows_n = 0;
		assert_int_equal(box->ops->list_behind(box, "client2", from < 0 ? NULL : ids[from],
					 visit_row, NULL, &e),
			0);
		assert_int_equal(rows_n, n - from - 1);
		for (int i = 0; i < rows_n; i++) {
			assert_memory_equal(rows[i].meta.id, ids[from + 1 + i], MAILBOX_ID_BYTES);
		}
	}
}

/* By arrival, whatever their times say, and whatever comes between. */
static void order_kept(void **state)
{
	uint8_t ids[20][MAILBOX_ID_BYTES];
	int settled = 0;

	(void)state;
	for (int i = 0; i < (int)COUNT(ids); i++) {
		assert_int_equal(
			deliver_at("T", "x", "client2;client3", 1000000 * (i * 7 % 20 + 1)), 0);
		memcpy(ids[i], last.id, sizeof ids[i]);
		if (i % 3 == 1) { /* files and records of the journal, mixed */
			due = 0;
			settle();
			settled++;
		} else if (i % 7 == 2) {
			crash_and_recover();
		} else if (i % 7 == 5) { /* as much as gets done */
			pid_t pid = fork();
			if (pid == 0) {
				due = 9 + i;
				(void)box->ops->settle(box, &e);
				_exit(0);
			}
			(void)end_child(pid);
		}
		assert_order(ids, i + 1);
	}
	crash_store();
	start_store();
	assert_order(ids, COUNT(ids));
	settle();
	assert_order(ids, COUNT(ids));
	reopen_store();
	assert_order(ids, COUNT(ids));
}

/* --- limits --- */

enum { LIMIT = 30 };

static int fill_up(int i)
{
	struct mailbox_usage limits[] = {{.messages = LIMIT}, {.bytes = 1 << 30}};
	struct mailbox_meta meta = {.source = "client1", .title = "L", .chars = 5};
	char to_text[] = "client2;client3";
	struct users_list to;
	struct buf head = {0};
	int stored = 0, rc;

	if (users_split(&to, to_text, strlen(to_text), &e) != 0) {
		return 101;
	}
	to.n = i % 2 == 0 ? 1 : 2;
	for (int k = 0; k < 30; k++) {
		struct mailbox_draft *d = NULL;
		bool again;
		meta.time_us = box->ops->now(box);
		(void)random_bytes(meta.id, sizeof meta.id, &e);
		head.n = 0;
		struct mailbox_delivery delivery = {.meta = &meta, .to = &to, .limits = limits};
		if (message_format(&head, message_text("client1"), message_text(to_text),
			    meta.time_us, message_text("L"), 5) != 0) {
			return 102;
		}
		delivery.head = head.p;
		rc = box->ops->begin(box, head.n, &d, &e);
		rc = rc == 0 ? box->ops->append(d, "hello", 5, &e) : rc;
		rc = rc == 0 ? box->ops->deliver(d, &delivery, &again, &e) : rc;
		box->ops->discard(d);
		stored += rc == 0 ? 1 : 0;
		if (rc != 0 && strstr(e.text, "is full") == NULL) {
			return 103;
		}
		if (k % 4 == i % 4 && box->ops->settle(box, &e) != 0) {
			return 104;
		}
	}
	users_list_free(&to);
	buf_free(&head);
	return stored;
}

static void limits_exact(void **state)
{
	pid_t pids[8];
	struct mailbox_usage usage;
	int stored = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		pids[i] = start_child(fill_up, i);
	}
	for (int i = 0; i < 8; i++) {
		int n = end_child(pids[i]);
		assert_in_range(n, 0, 100);
		stored += n;
	}
	assert_int_equal(stored, LIMIT);
	for (int again = 0; again < 3; again++) {
		uint64_t bytes = 0;
		assert_int_equal(list("client2"), LIMIT);
		for (int i = 0; i < rows_n; i++) {
			bytes += rows[i].meta.bytes;
		}
		assert_int_equal(box->ops->usage(box, "client2", &usage, &e), 0);
		assert_int_equal(usage.messages, LIMIT);
		assert_int_equal(usage.bytes, bytes);
		if (again == 0) {
			settle();
		} else {
			crash_and_recover();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_UNSETTLED("beside settling, everybody finds what the model says", beside_all),
		T_UNSETTLED("and when who settles is killed all the time", killed_beside_all),
		T_UNSETTLED("the order of arrival stays, whatever comes between", order_kept),
		T_UNSETTLED("limits are exact when eight deliver at once", limits_exact),
	};
	return RUN(tests);
}
