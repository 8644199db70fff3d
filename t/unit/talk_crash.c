/* Killed at each change to the disk of what is kept of chats: the states that store/talk.h names,
 * and no other; whatever was under way, tried again it ends well. */
#include "crash.h"
#include "talk.h"

static uint64_t number; /* of the packet that is put */
static char text[32];

static int put_and_die(int at)
{
	due = at;
	return put("alice", "bob", number, text);
}

static void each_step_of_a_put(void **state)
{
	int at = 1;

	(void)state;
	for (bool died = true; died; at++) {
		number = (uint64_t)at;
		(void)snprintf(text, sizeof text, "packet %d", at);
		died = dies(put_and_die, at);
		look("bob");
		assert_true(seen_n <= 1); /* whole, or not there */
		assert_true(died || seen_n == 1);
		assert_int_equal(put("alice", "bob", number, text), 0);
		look("bob");
		assert_true(seen_n == 1 || seen_n == 2);
		for (size_t i = 0; i < seen_n; i++) {
			assert_string_equal(seen[i].text, text);
			assert_memory_equal(seen[i].id, seen[0].id, TALK_ID);
		}
		done("bob", 0, 1);
		assert_int_equal(count("bob"), 0);
		assert_int_equal(count_names(".chat/bob/waiting"), 0); /* nothing lies about */
	}
	assert_in_range(at, 6, CALLS_MAX);
}

static int draft_and_die(int at)
{
	struct talk_post post = post_of("alice", "bob", number);
	struct talk_draft *d;
	bool again, full;
	int rc;

	due = at;
	if (talk_begin(talk, &post, strlen(text), &d, &e) != 0) {
		return -1;
	}
	rc = talk_append(d, text, 1, &e) != 0 || talk_append(d, text + 1, strlen(text + 1), &e) != 0
		     ? -1
		     : talk_put_draft(talk, &post, d, &again, &full, &e);
	talk_end(d);
	return rc;
}

static void each_step_of_a_draft(void **state)
{
	int at = 1;

	(void)state;
	for (bool died = true; died; at++) {
		number = (uint64_t)at;
		(void)snprintf(text, sizeof text, "packet %d", at);
		died = dies(draft_and_die, at);
		look("bob");
		assert_true(seen_n <= 1); /* whole, or not there */
		assert_true(died || seen_n == 1);
		assert_int_equal(draft_and_die(0), 0);
		look("bob");
		assert_true(seen_n == 1 || seen_n == 2);
		for (size_t i = 0; i < seen_n; i++) {
			assert_string_equal(seen[i].text, text);
		}
		done("bob", 0, 1);
		assert_int_equal(count("bob"), 0);
		assert_int_equal(count_names(".chat/bob/waiting"), 0); /* nothing lies about */
	}
	assert_in_range(at, 8, CALLS_MAX);
}

/* Who was killed with room announced takes none of it for ever. */
static void room_is_found_again(void **state)
{
	struct talk_post post = post_of("alice", "bob", 1);
	bool again, full;

	(void)state;
	post.max_bytes = 10;
	for (int at = 1; at < 20; at++) {
		number = (uint64_t)at + 1;
		(void)snprintf(text, sizeof text, "0123456789");
		(void)dies(put_and_die, at);
		look("bob");
		if (seen_n > 0) {
			done("bob", 0, 1);
		}
		post.number = (uint64_t)at + 100;
		assert_int_equal(talk_put(talk, &post, "9876543210", 10, &again, &full, &e), 0);
		look("bob");
		done("bob", 0, seen_n);
	}
}

static int receipt_and_die(int at)
{
	struct talk_post post = post_of("alice", "bob", 0);

	due = at;
	return talk_put_receipt(talk, &post, text, strlen(text), &e);
}

static void each_step_of_a_receipt(void **state)
{
	char was[32] = "receipt 0";
	int at = 1;

	(void)state;
	(void)snprintf(text, sizeof text, "%s", was);
	assert_int_equal(receipt_and_die(0), 0);
	for (bool died = true; died; at++) {
		(void)snprintf(text, sizeof text, "receipt %d", at);
		died = dies(receipt_and_die, at);
		look("bob");
		assert_int_equal(seen_n, 1);
		assert_true(strcmp(seen[0].text, text) == 0 ||
			    (died && strcmp(seen[0].text, was) == 0));
		assert_int_equal(receipt_and_die(0), 0);
		(void)snprintf(was, sizeof was, "%s", text);
	}
	assert_in_range(at, 4, CALLS_MAX);
}

static int offer_and_die(int at)
{
	due = at;
	return offer("bob", "alice", 10, 5) > 0 ? 0 : 1;
}

static void each_step_of_an_offer(void **state)
{
	int at = 1;

	(void)state;
	for (bool died = true; died; at++) {
		int held;
		assert_int_equal(talk_withdraw(talk, "bob", "alice", &e), 0);
		(void)offer("bob", "alice", 1, 3);
		assert_int_equal(taken("bob", "alice"), 1);
		died = dies(offer_and_die, at);
		held = held_for("bob", "alice");
		assert_true(held == 7 || (died && held == 2));
		assert_int_equal(taken("bob", "alice"), 2);
		assert_int_equal(taken("bob", "alice"), 3);
		assert_int_equal(taken("bob", "alice"), held == 7 ? 10 : 0);
	}
	assert_in_range(at, 4, CALLS_MAX);
}

static int take_and_die(int at)
{
	due = at;
	return taken("bob", "alice") == 2 ? 0 : 1;
}

/* The one that was being given is given to nobody else, unless it was given to nobody. */
static void each_step_of_a_take(void **state)
{
	int at = 1;

	(void)state;
	for (bool died = true; died; at++) {
		uint8_t next;
		assert_int_equal(talk_withdraw(talk, "bob", "alice", &e), 0);
		(void)offer("bob", "alice", 1, 3);
		assert_int_equal(taken("bob", "alice"), 1);
		died = dies(take_and_die, at);
		next = taken("bob", "alice");
		assert_true(next == 3 || (died && next == 2));
	}
	assert_in_range(at, 3, CALLS_MAX);
}

/* What cannot be synced is given to nobody, then and later. */
static void a_take_that_is_not_synced(void **state)
{
	uint8_t out[TALK_OFFER] = {0};
	bool none = false;

	(void)state;
	(void)offer("bob", "alice", 1, 3);
	fail_syncs = true;
	assert_refused(talk_take(talk, "bob", "alice", out, &none, &e), e, EX_TEMPFAIL);
	fail_syncs = false;
	assert_true(none);
	assert_int_equal(out[0], 0);
	assert_int_equal(taken("bob", "alice"), 2);
}

static int done_and_die(int at)
{
	look("bob");
	due = at;
	done("bob", 0, seen_n - 1);
	return 0;
}

static void each_step_of_done(void **state)
{
	int at = 1;

	(void)state;
	for (bool died = true; died; at++) {
		struct talk_post receipt = post_of("carol", "bob", 0);
		assert_int_equal(talk_put_receipt(talk, &receipt, "receipt", 7, &e), 0);
		for (uint64_t i = 1; i <= 4; i++) {
			(void)snprintf(text, sizeof text, "%d of %d", (int)i, at);
			assert_int_equal(put("alice", "bob", (uint64_t)at * 10 + i, text), 0);
		}
		died = dies(done_and_die, at);
		look("bob");
		assert_true(died ? seen_n >= 1 && seen_n <= 5 : seen_n == 1);
		assert_string_equal(seen[seen_n - 1].text, text); /* the last was not done */
		done("bob", 0, seen_n);
		assert_int_equal(count("bob"), 0);
	}
	assert_in_range(at, 6, CALLS_MAX);
}

static int forget_and_die(int at)
{
	due = at;
	return talk_forget(talk, "bob", &e);
}

static void each_step_of_forgetting(void **state)
{
	int at = 1;

	(void)state;
	for (bool died = true; died; at++) {
		(void)offer("bob", "alice", 1, 2);
		(void)offer("alice", "bob", 1, 2);
		assert_int_equal(put("alice", "bob", (uint64_t)at, "text"), 0);
		died = dies(forget_and_die, at);
		if (died) {
			(void)held_for("bob", "alice");
			look("bob");
		}
		assert_int_equal(talk_forget(talk, "bob", &e), 0);
		assert_int_equal(faccessat(folder.fd, ".chat/bob", F_OK, 0), -1);
		assert_int_equal(held_for("alice", "bob"), -1);
		assert_int_equal(talk_withdraw(talk, "alice", "bob", &e), 0);
	}
	assert_in_range(at, 8, CALLS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_TALK("a put that is killed is whole or not there, and ends well when tried again",
			each_step_of_a_put),
		T_TALK("one in pieces that is killed is whole or not there, and ends well",
			each_step_of_a_draft),
		T_TALK("what was announced and did not come takes no room", room_is_found_again),
		T_TALK("a receipt is the old one or the new one", each_step_of_a_receipt),
		T_TALK("offers are the old ones, or all of them", each_step_of_an_offer),
		T_TALK("an offer is never given twice", each_step_of_a_take),
		T_TALK("an offer that is not known to be taken is given to nobody",
			a_take_that_is_not_synced),
		T_TALK("what is done is gone in the end, and nothing else", each_step_of_done),
		T_TALK("forgetting can be gone on with", each_step_of_forgetting),
	};

	return RUN(tests);
}
