/* Every engine: messages that are sent again under their id. */
#include "suite.h"

static uint8_t id[MAILBOX_ID_BYTES];
static uint32_t seed;

static void next_id(void)
{
	make_id(id, ++seed);
}

#define ALL "client2;client3;client4"

static int send_once(const char *from, const char *to, const char *content)
{
	return post(&(struct letter){.title = "Once",
		.content = content,
		.from = from,
		.to = to,
		.id = id,
		.once = true});
}

static void assert_copies(const char *to, int wanted)
{
	struct users_list l;

	assert_int_equal(users_split(&l, to, strlen(to), &e), 0);
	for (size_t i = 0; i < l.n; i++) {
		int n = copies(l.names[i], id);
		if (n != wanted) {
			fail_msg("%d copies for %s, not %d", n, l.names[i], wanted);
		}
	}
	users_list_free(&l);
}

static void assert_sends(const char *to, bool wanted_before)
{
	if (send_once("client1", to, "once and no more") != 0) {
		fail_msg("%s", e.text);
	}
	assert_int_equal(sent_before, wanted_before);
}

static void sent_again(void **state)
{
	static const char *const to[] = {"client2", ALL, "client1", "client1;client1", ALL_FIVE};

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		next_id();
		assert_sends(to[i], false);
		assert_copies(to[i], 1);
		for (int k = 0; k < 3; k++) {
			assert_sends(to[i], true);
			assert_copies(to[i], 1);
		}
		reopen();
		assert_sends(to[i], true);
		assert_int_equal(box->ops->recover(box, &e), 0);
		assert_sends(to[i], true);
		assert_copies(to[i], 1);
	}
}

/* Another message under the same id: the first one counts. */
static void another_message(void **state)
{
	(void)state;
	next_id();
	assert_sends("client2", false);
	assert_int_equal(send_once("client1", ALL, "something else"), 0);
	assert_true(sent_before);
	assert_copies("client2", 1);
	assert_copies("client3;client4", 0);
	assert_int_equal(list("client2"), 1);
	assert_true(row_holds("client2", 0, "\nonce and no more"));
}

/* Nobody takes another's message away by its id. */
static void of_different_users(void **state)
{
	(void)state;
	next_id();
	assert_sends("client5;client4", false);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(send_once("client2", "client5", "of another"), 0);
		assert_int_equal(sent_before, restarted == 1);
		assert_sends("client5;client4", true);
		assert_int_equal(list("client4"), 1);
		assert_int_equal(list("client5"), 2);
		for (int i = 0; i < 2; i++) {
			bool mine = strcmp(rows[i].meta.source, "client1") == 0;
			assert_true(row_holds(
				"client5", i, mine ? "\nonce and no more" : "\nof another"));
		}
		assert_string_not_equal(rows[0].meta.source, rows[1].meta.source);
		reopen();
	}
}

/* It failed, and was taken back: it may be tried again, and is new. */
static void after_a_failure(void **state)
{
	static const char *const to[] = {"gone", "gone;client2", "client2;gone", ALL ";gone"};
	char missing[8], names[64];

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		(void)snprintf(missing, sizeof missing, "gon%d", (int)i);
		(void)snprintf(names, sizeof names, "%s", to[i]);
		memcpy(strstr(names, "gone"), missing, 4);
		next_id();
		for (int k = 0; k < 2; k++) {
			assert_refused(send_once("client1", names, "x"), e, EX_TEMPFAIL);
			assert_contains(e.text, missing);
			assert_copies(ALL, 0);
			reopen();
		}
		prepare(missing);
		assert_sends(names, false);
		assert_copies(names, 1);
		assert_sends(names, true);
		assert_copies(names, 1);
	}
}

static void removed_and_sent_again(void **state)
{
	(void)state;
	for (int restarts = 0; restarts < 2; restarts++) {
		next_id();
		assert_sends(ALL, false);
		if (restarts == 1) {
			reopen();
		}
		assert_int_equal(remove_id("client3", id), 0);
		assert_sends(ALL, true);
		assert_copies("client3", 0);
		assert_copies("client2;client4", 1);
		assert_int_equal(remove_id("client2", id), 0);
		assert_int_equal(remove_id("client4", id), 0);
		for (int k = 0; k < 2; k++) {
			assert_sends(ALL, true);
			assert_copies(ALL, 0);
			assert_int_equal(box->ops->settle(box, &e), 0);
			reopen();
		}
	}
}

/* Nobody asks for it before it is gone from everywhere. */
static void removed_by_all_and_sent_again(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		next_id();
		assert_sends(ALL, false);
		for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
			assert_int_equal(remove_id(user, id), 0);
		}
		assert_int_equal(i >= 1 ? box->ops->settle(box, &e) : 0, 0);
		if (i == 2) {
			reopen();
		}
		assert_sends(ALL, true);
		assert_copies(ALL, 0);
	}
}

/* A message with an id that is not sent "once" stands beside them. */
static void many_ids(void **state)
{
	enum { MANY = 100 };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		make_id(id, 5000 + i);
		assert_sends(i % 2 == 0 ? "client2" : "client2;client3", false);
	}
	assert_int_equal(deliver("not once", "x", "client2"), 0);
	assert_false(sent_before);
	for (uint32_t i = 0; i < MANY; i += 3) {
		make_id(id, 5000 + i);
		assert_sends("client2", true);
	}
	assert_int_equal(list("client2"), MANY + 1);
	assert_int_equal(list("client3"), MANY / 2);
}

/* --- at once --- */

static int send_same(int i)
{
	int mine = 0;

	(void)i;
	for (uint32_t k = 0; k < 6; k++) {
		make_id(id, 9000 + k);
		if (send_once("client1", k % 2 == 0 ? "client2" : ALL, "x") != 0) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 100;
		}
		mine += sent_before ? 0 : 1;
	}
	return mine;
}

static void sixteen_send_one(void **state)
{
	pid_t pids[16];
	int stored = 0;

	(void)state;
	for (int i = 0; i < 16; i++) {
		pids[i] = start_child(send_same, i);
	}
	for (int i = 0; i < 16; i++) {
		stored += end_child(pids[i]);
	}
	assert_int_equal(stored, 6); /* each was new to one of them */
	for (uint32_t k = 0; k < 6; k++) {
		make_id(id, 9000 + k);
		assert_copies(k % 2 == 0 ? "client2" : ALL, 1);
	}
}

static int send_own(int i)
{
	for (uint32_t k = 0; k < 6; k++) {
		make_id(id, 10000 + (uint32_t)i * 6 + k);
		if (send_once("client1", k % 2 == 0 ? "client2" : ALL, "x") != 0 || sent_before) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 100;
		}
	}
	return 0;
}

static void sixteen_send_their_own(void **state)
{
	(void)state;
	run_children(16, send_own);
	assert_int_equal(list("client2"), 96);
	assert_int_equal(list("client3"), 48);
	for (uint32_t k = 0; k < 96; k++) {
		make_id(id, 10000 + k);
		assert_copies("client2", 1);
	}
}

static const struct suite_test tests[] = {
	S("a message that is sent again is stored once", sent_again),
	S("another message under the same id is not stored", another_message),
	S("two users' equal ids are two messages", of_different_users),
	S("what failed is nowhere, and may be sent again", after_a_failure),
	S("what its reader removed is not restored by a retry", removed_and_sent_again),
	S("nor what all of them removed", removed_by_all_and_sent_again),
	S("a hundred ids are told apart", many_ids),
	S("sixteen that send one message store it once", sixteen_send_one),
	S("sixteen that send their own store all", sixteen_send_their_own),
};
const struct suite_part suite_once = S_PART(tests);
