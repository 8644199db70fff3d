/* Every engine: what a mailbox may hold. Limits are judged exactly, for all recipients or for none.
 */
#include "suite.h"

static int post_limited(const char *content, const char *to, const struct mailbox_usage *limits)
{
	return post(&(struct letter){.title = "T", .content = content, .to = to, .limits = limits});
}

static void by_messages(void **state)
{
	struct mailbox_usage limit = {.messages = 3};

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(post_limited("x", "client1", &limit), 0);
		assert_usage("client1", i, i * last.bytes);
	}
	assert_refused(post_limited("", "client1", &limit), e, EX_TEMPFAIL);
	assert_contains(e.text, "client1");
	assert_contains(e.text, "3");
	assert_contains(e.text, "messages");
	assert_int_equal(list("client1"), 3);
	reopen();
	assert_refused(post_limited("", "client1", &limit), e, EX_TEMPFAIL);
	limit.messages = 2; /* lower than what it holds */
	assert_refused(post_limited("", "client1", &limit), e, EX_TEMPFAIL);
	assert_int_equal(remove_id("client1", rows[0].meta.id), 0);
	limit.messages = 3;
	assert_int_equal(post_limited("x", "client1", &limit), 0);
	assert_refused(post_limited("x", "client1", &limit), e, EX_TEMPFAIL);
	limit.messages = 0;
	assert_int_equal(post_limited("x", "client1", &limit), 0);
	assert_int_equal(post_limited("x", "client1", NULL), 0);
	assert_int_equal(list("client1"), 5);
}

static void by_bytes(void **state)
{
	struct mailbox_usage limit = {.bytes = 0}, used;
	char text[16];

	(void)state;
	assert_int_equal(post_limited("1234567890", "client1", &limit), 0);
	uint64_t one = last.bytes;
	limit.bytes = 2 * one - 1;
	assert_refused(post_limited("1234567890", "client1", &limit), e, EX_TEMPFAIL);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)limit.bytes);
	assert_contains(e.text, "client1");
	assert_contains(e.text, text);
	assert_contains(e.text, "bytes");
	assert_usage("client1", 1, one);
	limit.bytes = 2 * one; /* exactly */
	assert_int_equal(post_limited("1234567890", "client1", &limit), 0);
	assert_usage("client1", 2, 2 * one);
	assert_refused(post_limited("", "client1", &limit), e, EX_TEMPFAIL); /* a head has bytes */
	limit.bytes = 1;
	assert_refused(post_limited("", "client2", &limit), e, EX_TEMPFAIL);
	limit.bytes = UINT64_MAX;
	assert_int_equal(post_limited("", "client2", &limit), 0);
	assert_int_equal(box->ops->usage(box, "client1", &used, &e), 0);
	assert_int_equal(used.messages, 2);
}

static void by_both(void **state)
{
	struct mailbox_usage limit;

	(void)state;
	assert_int_equal(post_limited("12345", "client1", NULL), 0);
	uint64_t one = last.bytes;
	limit = (struct mailbox_usage){1, 10 * one};
	assert_refused(post_limited("12345", "client1", &limit), e, EX_TEMPFAIL);
	assert_contains(e.text, "messages");
	limit = (struct mailbox_usage){10, one};
	assert_refused(post_limited("12345", "client1", &limit), e, EX_TEMPFAIL);
	assert_contains(e.text, "bytes");
	limit = (struct mailbox_usage){2, 2 * one};
	assert_int_equal(post_limited("12345", "client1", &limit), 0);
	assert_refused(post_limited("12345", "client1", &limit), e, EX_TEMPFAIL);
}

/* One of five is full: nobody gets it, and the error names that one. */
static void one_of_several(void **state)
{
	char full[] = "client1";

	(void)state;
	for (; full[6] <= '5'; full[6]++) {
		struct mailbox_usage limits[5] = {{0, 0}};
		assert_int_equal(post_limited("fills it", full, NULL), 0);
		uint64_t bytes = last.bytes;
		for (int kind = 0; kind < 2; kind++) {
			limits[full[6] - '1'] = kind == 0 ? (struct mailbox_usage){0, bytes}
							  : (struct mailbox_usage){1, 0};
			struct buf before = snapshot(box);
			assert_refused(post_limited("more", ALL_FIVE, limits), e, EX_TEMPFAIL);
			assert_contains(e.text, full);
			struct buf after = snapshot(box);
			assert_same(&before, &after);
			buf_free(&before);
			buf_free(&after);
		}
		assert_int_equal(list(full), 1);
		assert_int_equal(remove_id(full, rows[0].meta.id), 0);
		assert_int_equal(post_limited("fits", ALL_FIVE, limits), 0);
		for (char user[] = "client1"; user[6] <= '5'; user[6]++) {
			assert_int_equal(list(user), 1);
			assert_int_equal(remove_id(user, rows[0].meta.id), 0);
		}
	}
}

/* What a limit refused was not sent; what was sent needs no room again. */
static void under_an_id(void **state)
{
	struct mailbox_usage limits[2] = {{1, 0}, {1, 0}};
	uint8_t id[MAILBOX_ID_BYTES], first[MAILBOX_ID_BYTES];
	struct letter l = {.title = "T",
		.content = "x",
		.to = "client2;client3",
		.id = id,
		.once = true,
		.limits = limits};

	(void)state;
	make_id(id, 41);
	assert_int_equal(post_limited("x", "client3", NULL), 0);
	memcpy(first, last.id, sizeof first);
	for (int i = 0; i < 3; i++) {
		assert_refused(post(&l), e, EX_TEMPFAIL);
		assert_contains(e.text, "client3");
		assert_usage("client2", 0, 0);
		assert_int_equal(list("client3"), 1);
	}
	assert_int_equal(remove_id("client3", first), 0);
	assert_int_equal(post(&l), 0);
	assert_false(sent_before);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(post(&l), 0); /* both are full of this very message */
		assert_true(sent_before);
		assert_int_equal(copies("client2", id), 1);
		assert_int_equal(copies("client3", id), 1);
		reopen();
	}
}

/* --- at once --- */

enum { FILLERS = 8, EACH = 8, ROOM = 25 };

static int fill(int i)
{
	struct mailbox_usage limits[2] = {{ROOM, 0}, {ROOM, 0}};

	for (int k = 0; k < EACH; k++) {
		/* in both orders: they must not wait for each other in a circle */
		if (post_limited("x", (i + k) % 2 == 0 ? "client1;client2" : "client2;client1",
			    limits) != 0) {
			if (e.code != EX_TEMPFAIL || strstr(e.text, "client") == NULL) {
				return 1;
			}
		}
	}
	return 0;
}

static void at_once(void **state)
{
	(void)state;
	run_children(FILLERS, fill);
	assert_int_equal(list("client1"), list("client2"));
	/* One that was refused may have held its place in the other mailbox for a moment, and so
	 * have kept a third one out: that one tries again. But never is there one too many. */
	assert_true(rows_n <= ROOM && rows_n > 0);
	for (int tries = 0; rows_n < ROOM && tries < 2 * ROOM; tries++) {
		(void)fill(0);
		(void)list("client1");
	}
	assert_int_equal(list("client1"), ROOM);
	assert_int_equal(list("client2"), ROOM);
}

static int fill_one(int i)
{
	struct mailbox_usage limit = {ROOM, 0};

	(void)i;
	for (int k = 0; k < EACH; k++) {
		if (post_limited("x", "client1", &limit) != 0 && e.code != EX_TEMPFAIL) {
			return 1;
		}
	}
	return 0;
}

static void one_at_once(void **state)
{
	(void)state;
	run_children(FILLERS, fill_one);
	assert_int_equal(list("client1"), ROOM); /* exactly */
}

static const struct suite_test tests[] = {
	S_WHOLE("a limit of messages: the last one fits, one more does not", by_messages),
	S_WHOLE("a limit of bytes: exactly full fits, one byte more does not", by_bytes),
	S_WHOLE("of two limits each counts", by_both),
	S_WHOLE("one of five is full: nobody gets it", one_of_several),
	S_WHOLE("what a limit refused is sent anew, what was sent needs no room", under_an_id),
	S_WHOLE("eight that fill one mailbox fill it exactly", one_at_once),
	S_WHOLE("eight that fill two mailboxes at once never fill them beyond", at_once),
};
const struct suite_part suite_limits = S_PART(tests);
