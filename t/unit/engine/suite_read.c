/* Every engine: finding, reading and removing one message, and what a mailbox holds. */
#include "suite.h"

static void found_by_id(void **state)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	uint8_t none[MAILBOX_ID_BYTES] = {0};

	(void)state;
	deliver_three();
	assert_int_equal(list("client1"), 3);
	for (int i = 0; i < 3; i++) {
		memset(&meta, 0xff, sizeof meta);
		memset(&ref, 0xff, sizeof ref);
		pause_between();
		assert_int_equal(
			box->ops->find(box, "client1", rows[i].meta.id, &meta, &ref, &e), 0);
		assert_memory_equal(meta.id, rows[i].meta.id, sizeof meta.id);
		assert_memory_equal(ref.id, rows[i].meta.id, sizeof ref.id);
		assert_int_equal(meta.time_us, rows[i].meta.time_us);
		assert_int_equal(meta.chars, rows[i].meta.chars);
		assert_int_equal(meta.index, 0);
		assert_false(meta.damaged);
		assert_string_equal(meta.source, "client1");
		assert_string_equal(meta.title, rows[i].meta.title);
		rows[i].ref = ref;
		assert_int_equal(open_row("client1", i), 0);
	}
	assert_refused(
		box->ops->find(box, "client2", rows[0].meta.id, &meta, &ref, &e), e, EX_NOINPUT);
	assert_refused(box->ops->find(box, "client1", none, &meta, &ref, &e), e, EX_NOINPUT);
	assert_refused(box->ops->find(box, "client3", none, &meta, &ref, &e), e, EX_NOINPUT);
}

/* A hint is never trusted: whatever it says, the id decides. */
static void hints(void **state)
{
	struct mailbox_reader *r;
	uint64_t size, garbage[8];

	(void)state;
	deliver_three();
	for (int round = 0; round < 2; round++) {
		assert_int_equal(list("client1"), 3);
		for (int i = 0; i < 3; i++) {
			struct mailbox_ref ref = rows[i].ref;
			uint64_t hint[8] = {0, 1, ref.where + 1, ref.where - 1, UINT64_MAX,
				rows[(i + 1) % 3].ref.where, (uint64_t)1 << 63, 1000000};
			memcpy(garbage, hint, sizeof garbage);
			for (size_t k = 0; k < COUNT(garbage); k++) {
				ref.where = garbage[k];
				assert_int_equal(
					box->ops->open(box, "client1", &ref, &r, &size, &e), 0);
				assert_int_equal(size, rows[i].meta.bytes);
				box->ops->done(r);
			}
		}
		reopen();
	}
	assert_int_equal(list("client1"), 3);
	struct mailbox_ref stale = rows[2].ref;
	assert_int_equal(box->ops->remove(box, "client1", &rows[0].ref, &e), 0);
	assert_int_equal(box->ops->remove(box, "client1", &stale, &e), 0); /* it has moved, maybe */
	stale = rows[1].ref;
	stale.where = rows[2].ref.where;
	assert_int_equal(box->ops->remove(box, "client1", &stale, &e), 0);
	assert_int_equal(list("client1"), 0);
	for (int i = 0; i < 3; i++) { /* nor one that led to a message once */
		assert_refused(box->ops->remove(box, "client1", &rows[i].ref, &e), e, EX_NOINPUT);
	}
}

/* --- reading --- */

static void at_odd_offsets(void **state)
{
	enum { N = 200000 };
	char *content = malloc(N + 1), *got = malloc(N + 400);
	struct mailbox_reader *r, *other;
	uint64_t size, again;

	(void)state;
	fill_pattern((uint8_t *)content, N, 1);
	for (int i = 0; i < N; i++) {
		content[i] = (char)('0' + (content[i] & 63));
	}
	content[N] = '\0';
	assert_int_equal(deliver("Odd", content, "client1;client2"), 0);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(box->ops->open(box, "client1", &rows[0].ref, &r, &size, &e), 0);
	assert_int_equal(box->ops->open(box, "client1", &rows[0].ref, &other, &again, &e), 0);
	assert_int_equal(size, again);
	uint64_t head = size - N;
	for (int k = 0; k < 500; k++) {
		uint32_t at = chance(N), n = chance(k % 2 == 0 ? 100 : N) % (N - at + 1);
		assert_int_equal(box->ops->read(k % 3 == 0 ? other : r, head + at, got, n, &e), 0);
		assert_true(n == 0 || memcmp(got, content + at, n) == 0);
	}
	for (uint64_t at = 0; at < size; at += 9973) { /* one byte */
		assert_int_equal(box->ops->read(r, at, got, 1, &e), 0);
	}
	box->ops->done(r);
	assert_int_equal(box->ops->read(other, 0, got, size, &e), 0);
	assert_memory_equal(got + head, content, N);
	box->ops->done(other);
	free(content);
	free(got);
}

static void beyond_the_end(void **state)
{
	struct mailbox_reader *r;
	uint64_t size;
	char got[512];

	(void)state;
	assert_int_equal(deliver("End", "1234567890", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(box->ops->open(box, "client1", &rows[0].ref, &r, &size, &e), 0);
	assert_int_equal(size, last.bytes);
	assert_int_equal(box->ops->read(r, 0, got, size, &e), 0);
	assert_int_equal(box->ops->read(r, size - 1, got, 1, &e), 0);
	assert_int_equal(got[0], '0');
	assert_int_equal(box->ops->read(r, size, got, 0, &e), 0); /* nothing is there */
	assert_refused(box->ops->read(r, size, got, 1, &e), e, EX_NOINPUT);
	assert_refused(box->ops->read(r, size - 1, got, 2, &e), e, EX_NOINPUT);
	assert_refused(box->ops->read(r, 0, got, size + 1, &e), e, EX_NOINPUT);
	assert_refused(box->ops->read(r, size + 1, got, 1, &e), e, EX_NOINPUT);
	assert_refused(box->ops->read(r, (uint64_t)1 << 40, got, 1, &e), e, EX_NOINPUT);
	assert_int_equal(box->ops->read(r, size - 10, got, 10, &e), 0); /* as before */
	assert_memory_equal(got, "1234567890", 10);
	box->ops->done(r);
}

/* --- removing --- */

static void removed(void **state)
{
	struct mailbox_reader *r;
	struct mailbox_ref ref;
	struct mailbox_meta meta;
	uint64_t size;
	char first[6] = "";

	(void)state;
	deliver_three();
	assert_int_equal(list("client1"), 3);
	ref = rows[1].ref;
	assert_int_equal(box->ops->open(box, "client1", &ref, &r, &size, &e), 0);
	assert_int_equal(box->ops->remove(box, "client1", &ref, &e), 0);
	for (int settled = 0; settled < 2; settled++) { /* who reads it already reads on */
		assert_int_equal(box->ops->read(r, 0, first, 5, &e), 0);
		assert_string_equal(first, "From:");
		assert_int_equal(box->ops->settle(box, &e), 0);
	}
	box->ops->done(r);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_refused(box->ops->open(box, "client1", &ref, &r, &size, &e), e, EX_NOINPUT);
		assert_refused(box->ops->remove(box, "client1", &ref, &e), e, EX_NOINPUT);
		assert_refused(
			box->ops->find(box, "client1", ref.id, &meta, &ref, &e), e, EX_NOINPUT);
		assert_int_equal(list("client1"), 2);
		assert_string_equal(rows[0].meta.title, "one");
		assert_string_equal(rows[1].meta.title, "three");
		assert_int_equal(rows[1].meta.index, 2);
		assert_int_equal(list("client2"), 1); /* the other recipient's own */
		assert_true(row_holds("client2", 0, "<two>"));
		reopen();
	}
}

static void removed_by_each(void **state)
{
	struct mailbox_reader *r = NULL;
	uint64_t size;
	char end[9] = "";

	(void)state;
	assert_int_equal(deliver("All", "content", ALL_FIVE), 0);
	for (char user[] = "client1"; user[6] <= '5'; user[6]++) {
		assert_int_equal(list(user), 1);
		assert_true(row_holds(user, 0, "\ncontent")); /* as long as it is there */
		if (user[6] == '5') {
			assert_int_equal(box->ops->open(box, user, &rows[0].ref, &r, &size, &e), 0);
		}
		assert_int_equal(remove_id(user, last.id), 0);
		assert_refused(remove_id(user, last.id), e, EX_NOINPUT);
	}
	assert_all_empty();
	for (int i = 0; i < 3; i++) { /* the last one is being read: it lasts as long as that */
		assert_int_equal(box->ops->settle(box, &e), 0);
		assert_int_equal(deliver("All", "another", "client1"), 0);
		assert_int_equal(remove_id("client1", last.id), 0);
	}
	assert_int_equal(box->ops->read(r, size - 8, end, 8, &e), 0);
	assert_string_equal(end, "\ncontent");
	assert_int_equal(box->ops->read(r, 0, end, 5, &e), 0);
	assert_memory_equal(end, "From:", 5);
	box->ops->done(r);
	assert_all_empty();
	reopen();
	assert_all_empty();
}

static void title_given_to_another(void **state)
{
	struct mailbox_ref first;

	(void)state;
	assert_int_equal(deliver("t", "x", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	first = rows[0].ref;
	assert_int_equal(box->ops->remove(box, "client1", &first, &e), 0);
	assert_int_equal(deliver("t", "y", "client1"), 0); /* under the same name, maybe */
	assert_refused(box->ops->remove(box, "client1", &first, &e), e, EX_NOINPUT);
	assert_int_equal(list("client1"), 1);
	assert_true(row_holds("client1", 0, "\ny"));
}

static void others_refs(void **state)
{
	struct mailbox_ref ref;
	struct mailbox_reader *r;
	uint64_t size;

	(void)state;
	assert_int_equal(deliver("mine", "x", "client1"), 0);
	assert_int_equal(deliver("yours", "y", "client2"), 0);
	assert_int_equal(list("client2"), 1);
	ref = rows[0].ref;
	assert_refused(box->ops->open(box, "client1", &ref, &r, &size, &e), e, EX_NOINPUT);
	assert_refused(box->ops->remove(box, "client1", &ref, &e), e, EX_NOINPUT);
	memset(&ref, 0, sizeof ref);
	assert_refused(box->ops->open(box, "client1", &ref, &r, &size, &e), e, EX_NOINPUT);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(list("client2"), 1);
}

/* --- damage --- */

static void damaged(void **state)
{
	struct mailbox_ref ref = {.where = 0};

	(void)state;
	assert_int_equal(deliver("fine", "x", "client1"), 0);
	engine->damage(box, "client1");
	assert_int_equal(list("client1"), 2);
	for (int i = 0; i < 2; i++) {
		if (rows[i].meta.damaged) {
			assert_refused(open_row("client1", i), e, EX_DATAERR);
			ref = rows[i].ref;
		} else {
			assert_true(row_holds("client1", i, "\nx"));
		}
	}
	assert_int_equal(box->ops->remove(box, "client1", &ref, &e), 0);
	assert_int_equal(list("client1"), 1);
	assert_false(rows[0].meta.damaged);
}

/* --- usage --- */

static void usage(void **state)
{
	uint64_t one, two, three;

	(void)state;
	assert_all_empty();
	assert_int_equal(deliver("1", "", "client1"), 0);
	one = last.bytes;
	assert_usage("client1", 1, one);
	assert_int_equal(deliver("2", "some content", "client1;client2"), 0);
	two = last.bytes;
	assert_true(two > one);
	assert_usage("client1", 2, one + two);
	assert_usage("client2", 1, two);
	uint8_t second[MAILBOX_ID_BYTES];
	memcpy(second, last.id, sizeof second);
	assert_refused(deliver("3", "x", "client1;gone"), e, EX_TEMPFAIL);
	assert_usage("client1", 2, one + two);
	assert_int_equal(deliver("4", "\xe2\x82\xac", "client1"), 0); /* bytes, not characters */
	three = last.bytes;
	assert_usage("client1", 3, one + two + three);
	assert_int_equal(remove_id("client1", second), 0);
	assert_usage("client1", 2, one + three);
	assert_usage("client2", 1, two);
	reopen();
	assert_usage("client1", 2, one + three);
	assert_usage("client2", 1, two);
	assert_usage("client3", 0, 0);
}

static const struct suite_test tests[] = {
	S("a message is found by its id, in its own mailbox alone", found_by_id),
	S("a hint that is zero, stale or garbage finds the message all the same", hints),
	S("any bytes of a message are read from anywhere", at_odd_offsets),
	S("nothing is read beyond the end", beyond_the_end),
	S("a removed message is gone from one mailbox alone, and for good", removed),
	S("a message to five is there until the fifth has removed it", removed_by_each),
	S("a removal twice takes nothing that has the title since", title_given_to_another),
	S("a reference opens nothing in another mailbox", others_refs),
	S("what is damaged is listed, not read, and can be removed", damaged),
	S("usage counts messages and bytes, after all that may happen", usage),
};
const struct suite_part suite_read = S_PART(tests);
