/* A history that is cut, altered or in disorder: what is sound is read, what is not is told, and
 * what was never finished is neither. */
#include "history.h"

static struct buf file;
static size_t ends[4];

static struct history *begin(void)
{
	give_identity();
	buf_free(&file);
	history_close(three(ends, &file));
	return NULL;
}

/* The file is this now. */
static struct history *opened(const void *p, size_t n)
{
	spew("bob.history", p, n);
	return open_history(&by_identity);
}

static void torn_at_every_byte(void **state)
{
	struct history *h;

	(void)state;
	(void)begin();
	for (size_t n = ends[0]; n < ends[3]; n++) {
		size_t whole = n >= ends[2] ? 2 : n >= ends[1] ? 1 : 0;
		h = opened(file.p, n);
		assert_int_equal(look_through(h), whole);
		assert_three(whole);
		/* and the next addition takes the place of what was never finished */
		assert_int_equal(add(h, "", "next"), whole + 1);
		assert_int_equal(look_through(h), whole + 1);
		assert_three(whole);
		assert_row(whole, whole + 1, "", "next");
		history_close(h);
		struct buf now = {0};
		slurp("bob.history", &now);
		assert_memory_equal(now.p, file.p, ends[whole]);
		assert_int_equal(now.n, ends[whole] + 84 + 4);
		buf_free(&now);
	}
	buf_free(&file);
}

/* A file that became long before its bytes came, as a power cut may leave it. */
static void zeros_at_the_end(void **state)
{
	struct history *h;
	struct buf b = {0};

	(void)state;
	(void)begin();
	assert_int_equal(buf_append(&b, file.p, file.n), 0);
	for (size_t n = 1; n < 300; n += 13) {
		b.n = file.n;
		assert_int_equal(buf_reserve(&b, n), 0);
		memset(b.p + b.n, 0, n);
		b.n += n;
		h = opened(b.p, b.n);
		assert_int_equal(look_through(h), 3);
		assert_int_equal(add(h, "", "four"), 4);
		assert_int_equal(look_through(h), 4);
		assert_three(3);
		history_close(h);
	}
	buf_free(&b);
	buf_free(&file);
}

/* Each bit of the records: every one is read as it was, or told as damaged; none is missed. */
static void each_bit(void **state)
{
	static const char *const bodies[] = {"one", "two", "three"};
	struct history *h;

	(void)state;
	(void)begin();
	for (size_t i = ends[0] * 8; i < file.n * 8; i++) {
		size_t hit = i / 8 < ends[1] ? 0 : i / 8 < ends[2] ? 1 : 2;
		bool trailer = i / 8 >= ends[hit + 1] - 4; /* it is looked at from the end alone */
		file.p[i / 8] ^= (uint8_t)(1 << i % 8);
		h = opened(file.p, file.n);
		if (look_through(h) != 3) {
			fail_msg("bit %zu: %zu records", i, seen.n);
		}
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(seen.rows[k].number, k + 1);
			assert_int_equal(seen.rows[k].damaged, k == hit && !trailer);
			assert_string_equal(
				seen.rows[k].body, k == hit && !trailer ? "" : bodies[k]);
		}
		assert_int_equal(add(h, "", "four"), 4); /* and nothing is cut off or hidden */
		assert_int_equal(look_through(h), 4);
		assert_row(3, 4, "", "four");
		assert_int_equal(seen.rows[hit].damaged, !trailer);
		history_close(h);
		file.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	buf_free(&file);
}

static void the_head(void **state)
{
	struct history *h;

	(void)state;
	(void)begin();
	for (size_t i = 0; i < ends[0] * 8; i++) {
		file.p[i / 8] ^= (uint8_t)(1 << i % 8);
		spew("bob.history", file.p, file.n);
		assert_refused(history_open(&h, folder.fd, "bob", &by_identity, &e), e, EX_CONFIG);
		file.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	spew("bob.history", file.p, 5);
	assert_refused(history_open(&h, folder.fd, "bob", &by_identity, &e), e, EX_CONFIG);
	buf_free(&file);
}

/* Records that were taken out, doubled, swapped, or overwritten by garbage. */
static void in_disorder(void **state)
{
	struct history *h;
	struct buf b = {0};

	(void)state;
	(void)begin();
	/* the second is taken out */
	assert_int_equal(buf_append(&b, file.p, ends[1]), 0);
	assert_int_equal(buf_append(&b, file.p + ends[2], ends[3] - ends[2]), 0);
	h = opened(b.p, b.n);
	assert_int_equal(look_through(h), 3);
	assert_damaged(1, 2);
	assert_row(2, 3, "{\"n\":3}", "three");
	history_close(h);
	/* the first stands twice */
	b.n = 0;
	assert_int_equal(buf_append(&b, file.p, ends[1]), 0);
	assert_int_equal(buf_append(&b, file.p + ends[0], ends[3] - ends[0]), 0);
	h = opened(b.p, b.n);
	assert_int_equal(look_through(h), 3);
	assert_three(3);
	history_close(h);
	/* the first two are swapped: what is out of its place counts as damaged */
	b.n = 0;
	assert_int_equal(buf_append(&b, file.p, ends[0]), 0);
	assert_int_equal(buf_append(&b, file.p + ends[1], ends[2] - ends[1]), 0);
	assert_int_equal(buf_append(&b, file.p + ends[0], ends[1] - ends[0]), 0);
	assert_int_equal(buf_append(&b, file.p + ends[2], ends[3] - ends[2]), 0);
	h = opened(b.p, b.n);
	assert_int_equal(look_through(h), 3);
	assert_damaged(0, 1);
	assert_row(1, 2, "{\"n\":2}", "two");
	assert_row(2, 3, "{\"n\":3}", "three");
	history_close(h);
	buf_free(&b);
	buf_free(&file);
}

/* A megabyte of garbage, with marks in it, between two records. */
static void garbage_between(void **state)
{
	enum { GARBAGE = 1 << 20 };
	struct history *h;
	struct buf b = {0};

	(void)state;
	(void)begin();
	assert_int_equal(buf_append(&b, file.p, ends[1]), 0);
	assert_int_equal(buf_reserve(&b, GARBAGE), 0);
	fill_pattern(b.p + b.n, GARBAGE, 5);
	for (size_t i = 0; i + 8 < GARBAGE; i += 9999) {
		memcpy(b.p + b.n + i, file.p + ends[0], 60); /* a head that is not of here */
	}
	b.n += GARBAGE;
	assert_int_equal(buf_append(&b, file.p + ends[2], ends[3] - ends[2]), 0);
	h = opened(b.p, b.n);
	assert_int_equal(look_through(h), 3);
	assert_damaged(1, 2);
	assert_row(2, 3, "{\"n\":3}", "three");
	assert_int_equal(add(h, "", "four"), 4);
	history_close(h);
	buf_free(&b);
	buf_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("torn at any byte, all but the last record is there", torn_at_every_byte),
		T_FOLDER("zeros at the end are no record", zeros_at_the_end),
		T_FOLDER("whichever bit is altered, its record is told and no other harmed",
			each_bit),
		T_FOLDER("no altered head passes", the_head),
		T_FOLDER("records that are taken out, doubled or swapped are told", in_disorder),
		T_FOLDER("what stands behind garbage is read", garbage_between),
	};
	return RUN(tests);
}
