/* Every engine: the two lists, by time and in the order of arrival. */
#include "suite.h"

/* "T1 U2 ": each row's title and index. */
static void assert_rows(const char *wanted)
{
	char got[512] = "";

	for (int i = 0; i < rows_n; i++) {
		(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d ",
			rows[i].meta.title, (int)rows[i].meta.index);
	}
	assert_string_equal(got, wanted);
}

static int behind(const uint8_t *after)
{
	pause_between();
	rows_n = 0;
	return box->ops->list_behind(box, "client1", after, visit_row, NULL, &e);
}

static int post_at(const char *title, int64_t time_us, uint8_t first)
{
	uint8_t id[MAILBOX_ID_BYTES] = {first, 1, 2, 3};

	return post(&(struct letter){
		.title = title, .content = title, .to = "client1", .time_us = time_us, .id = id});
}

/* --- by time --- */

static void sorted(void **state)
{
	(void)state;
	assert_int_equal(post_at("c", 3000000, 9), 0);
	assert_int_equal(post_at("a", 1000000, 8), 0); /* the clock was set back */
	assert_int_equal(post_at("b", 2000000, 7), 0);
	assert_int_equal(post_at("d", 3000000, 0x80), 0); /* bytes of ids have no sign */
	assert_int_equal(post_at("C", 3000000, 3), 0);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(list("client1"), 5);
		assert_rows("a1 b2 C3 c4 d5 ");
		reopen();
	}
}

static void of_equal_times(void **state)
{
	enum { MANY = 60 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(deliver_at("same", "x", "client1;client2", 5000000), 0);
	}
	for (char user[] = "client1"; user[6] <= '2'; user[6]++) {
		assert_int_equal(list(user), MANY);
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(rows[i].meta.index, i + 1);
			assert_true(i == 0 || memcmp(rows[i - 1].meta.id, rows[i].meta.id,
						      MAILBOX_ID_BYTES) < 0);
		}
	}
}

static struct mailbox_key key(int64_t time_us, uint8_t first, uint8_t end)
{
	struct mailbox_key k = {.time_us = time_us, .id = {first, 1, 2, 3}};

	k.id[MAILBOX_ID_BYTES - 1] = end;
	return k;
}

static void from_a_key(void **state)
{
	const struct {
		struct mailbox_key from;
		const char *rows;
	} wanted[] = {
		{key(0, 0, 0), "a1 b2 c3 d4 e5 "},
		{key(INT64_MIN, 255, 255), "a1 b2 c3 d4 e5 "},
		{key(1000000, 5, 0), "a1 b2 c3 d4 e5 "}, /* itself */
		{key(1000000, 5, 1), "b2 c3 d4 e5 "},    /* just behind it */
		{key(1000000, 4, 255), "a1 b2 c3 d4 e5 "},
		{key(1000001, 0, 0), "b2 c3 d4 e5 "},
		{key(2000000, 0, 0), "b2 c3 d4 e5 "},
		{key(2000000, 2, 0), "c3 d4 e5 "}, /* among equal times */
		{key(2000000, 200, 0), "d4 e5 "},
		{key(2000000, 200, 1), "e5 "},
		{key(2000001, 0, 0), "e5 "},
		{key(4000000, 1, 0), "e5 "},
		{key(4000000, 1, 1), ""},
		{key(4000001, 0, 0), ""},
		{key(INT64_MAX, 255, 255), ""},
	};

	(void)state;
	assert_int_equal(list_from("client1", &wanted[0].from), 0);
	assert_int_equal(post_at("e", 4000000, 1), 0);
	assert_int_equal(post_at("d", 2000000, 200), 0);
	assert_int_equal(post_at("c", 2000000, 2), 0);
	assert_int_equal(post_at("b", 2000000, 1), 0);
	assert_int_equal(post_at("a", 1000000, 5), 0);
	for (size_t i = 0; i < COUNT(wanted); i++) {
		(void)list_from("client1", &wanted[i].from);
		assert_rows(wanted[i].rows);
	}
	assert_int_equal(list("client2"), 0);
}

/* --- visitors --- */

static int stop_at; /* visits left */
static int stop_with;

static int visit_and_stop(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	(void)arg;
	(void)meta;
	(void)ref;
	return --stop_at == 0 ? stop_with : 0;
}

static void ended_by_visitor(void **state)
{
	static const int codes[] = {1, 7, -1, -5, INT_MAX};

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(deliver("T", "x", "client1"), 0);
	}
	for (size_t i = 0; i < COUNT(codes); i++) {
		for (int at = 1; at <= 5; at++) {
			stop_with = codes[i];
			stop_at = at;
			assert_int_equal(
				box->ops->list(box, "client1", NULL, visit_and_stop, NULL, &e),
				codes[i]);
			assert_int_equal(stop_at, 0); /* it was not asked again */
			stop_at = at;
			assert_int_equal(box->ops->list_behind(
						 box, "client1", NULL, visit_and_stop, NULL, &e),
				codes[i]);
			assert_int_equal(stop_at, 0);
		}
	}
}

static int visit_and_change(
	void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	int *n = arg;

	(void)meta;
	(*n)++;
	return box->ops->remove(box, "client1", ref, &e) == 0 &&
			       deliver("late", "x", "client1;client2") == 0
		       ? 0
		       : -1;
}

static void changed_by_visitor(void **state)
{
	int n = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(deliver("early", "x", "client1"), 0);
	}
	assert_int_equal(box->ops->list(box, "client1", NULL, visit_and_change, &n, &e), 0);
	assert_true(n >= 5);
	assert_int_equal(list("client2"), n);
	assert_int_equal(list("client1"), 5);
}

/* --- by arrival --- */

/* Their times are 3, 1 and 2. */
static void deliver_late(void)
{
	assert_int_equal(deliver_at("c", "x", "client1", 3000000), 0);
	assert_int_equal(deliver_at("a", "x", "client1", 1000000), 0);
	assert_int_equal(deliver_at("b", "x", "client1", 2000000), 0);
}

static void by_arrival(void **state)
{
	struct mailbox_meta all[3];

	(void)state;
	deliver_late();
	assert_int_equal(list("client1"), 3);
	assert_rows("a1 b2 c3 ");
	for (int i = 0; i < 3; i++) {
		all[i] = rows[i].meta;
	}
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(behind(NULL), 0);
		assert_rows("c3 a1 b2 "); /* the index is that of the other list */
		assert_int_equal(behind(all[2].id), 0);
		assert_rows("a1 b2 ");
		assert_int_equal(behind(all[0].id), 0);
		assert_rows("b2 ");
		assert_int_equal(behind(all[1].id), 0);
		assert_rows("");
		reopen();
	}
	assert_int_equal(deliver_at("d", "x", "client1", 500000), 0);
	assert_int_equal(behind(all[1].id), 0);
	assert_rows("d1 ");
	assert_int_equal(behind(NULL), 0);
	assert_rows("c4 a2 b3 d1 ");
}

static void behind_what_is_not_there(void **state)
{
	uint8_t none[MAILBOX_ID_BYTES] = {1}, b[MAILBOX_ID_BYTES];

	(void)state;
	assert_int_equal(behind(NULL), 0);
	assert_rows("");
	assert_refused(behind(none), e, EX_NOINPUT);
	deliver_late();
	memcpy(b, last.id, sizeof b);
	assert_refused(behind(none), e, EX_NOINPUT);
	assert_int_equal(deliver("of another", "x", "client2"), 0);
	assert_refused(behind(last.id), e, EX_NOINPUT);
	assert_int_equal(remove_id("client1", b), 0);
	assert_refused(behind(b), e, EX_NOINPUT);
	assert_int_equal(behind(NULL), 0);
	assert_rows("c2 a1 ");
}

/* A reader that asks for what is behind the last it saw sees all, once, whatever their times. */
static void followed(void **state)
{
	enum { MANY = 60 };
	uint8_t seen[MAILBOX_ID_BYTES];
	int n = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(deliver_at("T", "x", i % 2 == 0 ? "client1" : "client1;client2",
					 1000000 + (int64_t)chance(20)),
			0);
		if (i % 3 == 0) {
			continue;
		}
		assert_int_equal(behind(n == 0 ? NULL : seen), 0);
		assert_int_equal(rows_n, i + 1 - n);
		n += rows_n;
		memcpy(seen, rows[rows_n - 1].meta.id, sizeof seen);
		assert_memory_equal(seen, last.id, sizeof seen);
	}
	reopen();
	assert_int_equal(behind(seen), 0);
	assert_int_equal(rows_n, 0);
	assert_int_equal(list("client1"), MANY);
}

static const struct suite_test tests[] = {
	S("a list is sorted by time, then id", sorted),
	S("sixty of one time are sorted by id", of_equal_times),
	S("a list begins at a key, itself there or not, and counts from the beginning", from_a_key),
	S("a list ends when the visitor says so, and returns what it said", ended_by_visitor),
	S("a visitor may deliver and remove", changed_by_visitor),
	S("what comes late is behind what was seen, across a restart, too", by_arrival),
	S("nothing is listed behind a message that is not there", behind_what_is_not_there),
	S("who asks for what came behind the last it saw sees each once", followed),
};
const struct suite_part suite_list = S_PART(tests);
