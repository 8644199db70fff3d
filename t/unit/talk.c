/* What the server keeps of chats: offers given once, packets that wait in order and are kept once,
 * receipts that replace each other, limits, who is there, and what is forgotten. */
#include "talk.h"

/* --- offers --- */

static void given_once_and_in_order(void **state)
{
	uint8_t out[TALK_OFFER];
	bool none;

	(void)state;
	assert_int_equal(offer("bob", "alice", 1, 3), 3);
	assert_int_equal(offer("bob", "carol", 7, 1), 1);
	for (uint8_t i = 1; i <= 3; i++) {
		assert_int_equal(taken("bob", "alice"), i);
	}
	assert_int_equal(talk_take(talk, "bob", "alice", out, &none, &e), 0);
	assert_true(none);
	assert_int_equal(taken("bob", "carol"), 7);
	/* more behind what was taken: numbers go on */
	assert_int_equal(offer("bob", "alice", 4, 2), 2);
	assert_int_equal(taken("bob", "alice"), 4);
	assert_int_equal(offer("bob", "alice", 6, 1), 2);
	assert_int_equal(taken("bob", "alice"), 5);
	assert_int_equal(taken("bob", "alice"), 6);
	assert_int_equal(taken("bob", "alice"), 0);
}

static void offers_have_a_limit(void **state)
{
	uint8_t many[TALK_OFFERS_MAX + 1][TALK_OFFER] = {{0}};
	uint64_t held;
	bool full;

	(void)state;
	assert_refused(talk_offer(talk, "bob", "alice", (const uint8_t(*)[TALK_OFFER])many,
			       TALK_OFFERS_MAX + 1, &held, &full, &e),
		e, EX_TEMPFAIL);
	assert_true(full);
	assert_int_equal(held_for("bob", "alice"), -1); /* all or none */
	assert_int_equal(talk_offer(talk, "bob", "alice", (const uint8_t(*)[TALK_OFFER])many, 0,
				 &held, &full, &e),
		0);
	assert_int_equal(held, 0);
	assert_int_equal(offer("bob", "alice", 1, TALK_OFFERS_MAX), TALK_OFFERS_MAX);
	assert_refused(talk_offer(talk, "bob", "alice", (const uint8_t(*)[TALK_OFFER])many, 1,
			       &held, &full, &e),
		e, EX_TEMPFAIL);
	assert_true(full);
	assert_int_equal(held, TALK_OFFERS_MAX);
	assert_int_equal(taken("bob", "alice"), 1);
	assert_int_equal(offer("bob", "alice", 101, 1), TALK_OFFERS_MAX);
	assert_int_equal(taken("bob", "alice"), 2);
}

static void listed_and_withdrawn(void **state)
{
	(void)state;
	assert_int_equal(held_for("bob", "alice"), -1); /* not in the list */
	assert_int_equal(talk_withdraw(talk, "bob", "alice", &e), 0);
	(void)offer("bob", "alice", 1, 3);
	(void)offer("bob", "carol", 1, 2);
	assert_int_equal(taken("bob", "alice"), 1);
	assert_int_equal(held_for("bob", "alice"), 2);
	assert_int_equal(held_for("bob", "carol"), 2);
	assert_int_equal(held_for("alice", "bob"), -1);
	assert_int_equal(talk_withdraw(talk, "bob", "alice", &e), 0);
	assert_int_equal(held_for("bob", "alice"), -1);
	assert_int_equal(taken("bob", "alice"), 0);
	assert_int_equal(held_for("bob", "carol"), 2);
}

/* --- packets --- */

static void in_order_and_until_done(void **state)
{
	struct talk_post receipt = post_of("alice", "bob", 0);
	uint8_t id[TALK_ID];
	char text[24];

	(void)state;
	for (int i = 0; i < 50; i++) { /* the clock stands, or is set back */
		now_us = 1000000 - (i % 3) * 500;
		(void)snprintf(text, sizeof text, "packet %02d", i);
		assert_int_equal(put("alice", "bob", (uint64_t)i + 1, text), 0);
	}
	assert_int_equal(count("bob"), 50);
	look("bob");
	assert_int_equal(seen_n, 50);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(text, sizeof text, "packet %02d", i);
		assert_string_equal(seen[i].text, text);
		assert_string_equal(seen[i].from, "alice");
		assert_true(i == 0 || seen[i].us > seen[i - 1].us);
	}
	memcpy(id, seen[44].id, TALK_ID);
	look_after("bob", id);
	assert_int_equal(seen_n, 5);
	assert_string_equal(seen[0].text, "packet 45");
	assert_int_equal(talk_put_receipt(talk, &receipt, "read", 4, &e), 0);
	look_after("bob", id); /* receipts come first */
	assert_int_equal(seen_n, 5);
	look("bob");
	assert_string_equal(seen[0].text, "read");
	look_after("bob", seen[0].id);
	assert_int_equal(seen_n, 50);
	look_after("bob", (const uint8_t *)"not one that is "); /* and then none */
	assert_int_equal(seen_n, 0);
	look("bob");
	done("bob", 0, 21);
	look("bob");
	assert_int_equal(seen_n, 30);
	assert_string_equal(seen[0].text, "packet 20");
	done("bob", 0, 30);
	assert_int_equal(count("bob"), 0);
	assert_int_equal(count("alice"), 0);
	done("bob", 0, 30); /* once more */
}

static void kept_once(void **state)
{
	struct talk_post post = post_of("alice", "bob", 7);
	bool again, full;

	(void)state;
	assert_int_equal(talk_put(talk, &post, "text", 4, &again, &full, &e), 0);
	assert_false(again);
	assert_int_equal(talk_put(talk, &post, "text", 4, &again, &full, &e), 0);
	assert_true(again);
	assert_int_equal(count("bob"), 1);
	look("bob");
	done("bob", 0, 1); /* and when it was fetched meanwhile */
	assert_int_equal(talk_put(talk, &post, "text", 4, &again, &full, &e), 0);
	assert_true(again);
	assert_int_equal(count("bob"), 0);
	/* another number, stream, packet or sender is another one */
	post.number = 8;
	assert_int_equal(talk_put(talk, &post, "text", 4, &again, &full, &e), 0);
	assert_false(again);
	post.stream[0] ^= 1;
	assert_int_equal(talk_put(talk, &post, "text", 4, &again, &full, &e), 0);
	assert_false(again);
	assert_int_equal(talk_put(talk, &post, "next", 4, &again, &full, &e), 0);
	assert_false(again);
	post.from = "carol";
	assert_int_equal(talk_put(talk, &post, "next", 4, &again, &full, &e), 0);
	assert_false(again);
	assert_int_equal(count("bob"), 4);
	look("bob");
	done("bob", 0, 1); /* one id of "text": both of them */
	assert_int_equal(count("bob"), 2);
}

static void sizes(void **state)
{
	uint8_t *large = calloc(1, TALK_PACKET_MAX + 1);
	struct talk_post post = post_of("alice", "bob", 1);
	bool again, full;

	(void)state;
	assert_non_null(large);
	assert_refused(talk_put(talk, &post, large, 0, &again, &full, &e), e, EX_DATAERR);
	assert_refused(talk_put(talk, &post, large, TALK_PACKET_MAX + 1, &again, &full, &e), e,
		EX_DATAERR);
	assert_false(full);
	assert_int_equal(talk_put(talk, &post, large, TALK_PACKET_MAX, &again, &full, &e), 0);
	post.number = 2;
	assert_int_equal(talk_put(talk, &post, large, 1, &again, &full, &e), 0);
	look("bob");
	assert_int_equal(seen_n, 2);
	assert_int_equal(seen[0].n, TALK_PACKET_MAX);
	assert_int_equal(seen[1].n, 1);
	assert_refused(talk_put_receipt(talk, &post, large, 0, &e), e, EX_DATAERR);
	assert_refused(
		talk_put_receipt(talk, &post, large, TALK_RECEIPT_MAX + 1, &e), e, EX_DATAERR);
	assert_int_equal(talk_put_receipt(talk, &post, large, TALK_RECEIPT_MAX, &e), 0);
	look("bob");
	assert_int_equal(seen_n, 3);
	assert_int_equal(seen[0].n, TALK_RECEIPT_MAX);
	free(large);
}

/* --- receipts --- */

static void one_receipt_of_each(void **state)
{
	struct talk_post post = post_of("alice", "bob", 0), carols = post_of("carol", "bob", 0);
	uint8_t first[TALK_ID];

	(void)state;
	assert_int_equal(put("alice", "bob", 1, "packet"), 0);
	assert_int_equal(talk_put_receipt(talk, &post, "one", 3, &e), 0);
	look("bob");
	assert_int_equal(seen_n, 2);
	assert_string_equal(seen[0].text, "one"); /* ahead of packets */
	assert_string_equal(seen[1].text, "packet");
	memcpy(first, seen[0].id, sizeof first);
	assert_int_equal(talk_put_receipt(talk, &post, "two", 3, &e), 0);
	assert_int_equal(talk_put_receipt(talk, &carols, "three", 5, &e), 0);
	assert_int_equal(count("bob"), 3);
	/* the one that was fetched is gone, and its successor is not */
	assert_int_equal(talk_done(talk, "bob", (const uint8_t(*)[TALK_ID])first, 1, &e), 0);
	assert_int_equal(count("bob"), 3);
	look("bob");
	assert_true(strcmp(seen[0].text, "two") == 0 || strcmp(seen[1].text, "two") == 0);
	done("bob", 0, 3);
	assert_int_equal(count("bob"), 0);
}

/* --- presence --- */

static int64_t last_of(const char *name, bool *present)
{
	int64_t us;

	assert_int_equal(talk_presence(talk, name, present, &us, &e), 0);
	return us;
}

static void who_is_there(void **state)
{
	bool present;
	int first, second;

	(void)state;
	assert_int_equal(last_of("bob", &present), 0);
	assert_false(present);
	first = talk_present(talk, "bob", &e);
	second = talk_present(talk, "bob", &e);
	assert_true(first >= 0 && second >= 0);
	assert_true(last_of("bob", &present) > 1600000000000000);
	assert_true(present);
	talk_absent(first);
	(void)last_of("bob", &present);
	assert_true(present); /* by the other session */
	(void)close(second);  /* as a kill does */
	assert_true(last_of("bob", &present) > 0);
	assert_false(present);
	talk_absent(-1);
}

/* --- forgetting --- */

static void forgotten(void **state)
{
	struct talk_post receipt = post_of("alice", "bob", 0), of_bob = post_of("bob", "carol", 0);
	int there;

	(void)state;
	(void)offer("bob", "alice", 1, 2);
	(void)offer("alice", "bob", 1, 2);
	(void)offer("alice", "carol", 1, 2);
	assert_int_equal(put("alice", "bob", 1, "for bob"), 0);
	assert_int_equal(put("bob", "carol", 1, "from bob"), 0);
	assert_int_equal(talk_put_receipt(talk, &receipt, "r", 1, &e), 0);
	assert_int_equal(talk_put_receipt(talk, &of_bob, "r", 1, &e), 0);
	there = talk_present(talk, "bob", &e);
	assert_true(there >= 0);
	for (int i = 0; i < 2; i++) { /* again is fine */
		assert_int_equal(talk_forget(talk, "bob", &e), 0);
		assert_int_equal(faccessat(folder.fd, ".chat/bob", F_OK, 0), -1);
		assert_int_equal(held_for("alice", "bob"), -1);
		assert_int_equal(held_for("alice", "carol"), 2);
		look("carol");
		assert_int_equal(seen_n, 1); /* what he sent is theirs; his receipt is no use */
		assert_string_equal(seen[0].text, "from bob");
	}
	talk_absent(there);
	assert_int_equal(count("bob"), 0);
	assert_int_equal(put("alice", "bob", 1, "for the next bob"), 0);
	assert_int_equal(count("bob"), 1);
}

/* --- many at once --- */

enum { WRITERS = 4, EACH = 50 };

static int write_some(int i)
{
	const char *from[] = {"alice", "carol", "dave", "eve"};
	char text[32];

	for (int k = 0; k < EACH; k++) {
		(void)snprintf(text, sizeof text, "%d of %d", k, i);
		if (put(from[i], "bob", (uint64_t)k + 1, text) != 0) {
			return 1;
		}
	}
	return 0;
}

static void writers_at_once(void **state)
{
	int next[WRITERS] = {0};

	(void)state;
	run_children(WRITERS, write_some);
	look("bob");
	assert_int_equal(seen_n, WRITERS * EACH);
	for (size_t i = 0; i < seen_n; i++) {
		int k, of;
		assert_int_equal(sscanf(seen[i].text, "%d of %d", &k, &of), 2);
		assert_int_equal(k, next[of]++); /* of one sender's in his order */
	}
}

static int take_some(int i)
{
	char name[16];
	int fd;

	(void)snprintf(name, sizeof name, "taken%d", i);
	fd = openat(folder.fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int k = 0; k < TALK_OFFERS_MAX; k++) {
		uint8_t number = taken("bob", "alice");
		if (number != 0 && write(fd, &number, 1) != 1) {
			return 1;
		}
	}
	return close(fd);
}

static void takers_at_once(void **state)
{
	bool given[256] = {false};
	struct buf all = {0};
	char name[24];
	size_t n = 0;

	(void)state;
	(void)offer("bob", "alice", 1, TALK_OFFERS_MAX);
	run_children(4, take_some);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof name, "taken%d", i);
		slurp(name, &all);
		for (size_t k = 0; k < all.n; k++) {
			assert_false(given[all.p[k]]);
			given[all.p[k]] = true;
			n++;
		}
	}
	assert_int_equal(n, TALK_OFFERS_MAX);
	buf_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_TALK("offers are given once, and in order", given_once_and_in_order),
		T_TALK("offers have a limit", offers_have_a_limit),
		T_TALK("offers are listed, and withdrawn", listed_and_withdrawn),
		T_TALK("packets wait in order, until they are done", in_order_and_until_done),
		T_TALK("a packet that is sent again is kept once", kept_once),
		T_TALK("packets and receipts of every size", sizes),
		T_TALK("of each sender one receipt waits, the newest", one_receipt_of_each),
		T_TALK("who waits is there", who_is_there),
		T_TALK("who is forgotten leaves nothing but what he sent", forgotten),
		T_TALK("many write at once", writers_at_once),
		T_TALK("many take at once, and none gets the same", takers_at_once),
	};

	return RUN(tests);
}
