/* Sealed records, sound: of every size, in every piece that a connection can make of them. */
#include "records.h"

static uint8_t text[ENHANCED_RECORD_MAX + 1];

static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 256, 4096, ENHANCED_PIECE - 1, ENHANCED_PIECE,
	ENHANCED_PIECE + 1, ENHANCED_RECORD_MAX - 1, ENHANCED_RECORD_MAX};

static void every_size(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		odd = round == 1;
		for (size_t i = 0; i < COUNT(sizes); i++) {
			size_t before = wire.n;
			fill_pattern(text, sizes[i], (uint32_t)i);
			send_record(text, sizes[i]);
			assert_int_equal(wire.n - before, ENHANCED_LENGTH + sizes[i] + NOISE_TAG);
			assert_record(text, sizes[i]);
		}
	}
	assert_false(enhanced_has_bytes(&a));
}

/* Both directions at once have keys of their own. */
static void both_ways(void **state)
{
	uint8_t *p;
	size_t n;

	(void)state;
	for (int i = 0; i < 10; i++) {
		send_record("question", 8);
		assert_record("question", 8);
		assert_int_equal(put_text(&a, "answer", 6, &e), 0);
		assert_int_equal(enhanced_flush(&a, &e), 0);
		assert_int_equal(enhanced_get(&b, &p, &n, &e), 0);
		assert_int_equal(n, 6);
		assert_memory_equal(p, "answer", 6);
		assert_memory_not_equal(wire.p + wire.n - 10, back.p + back.n - 10, 10);
	}
}

static void many_in_one_read(void **state)
{
	enum { MANY = 5000 };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		fill_pattern(text, 8, i);
		assert_int_equal(put_text(&b, text, 8, &e), 0);
	}
	assert_int_equal(enhanced_flush(&b, &e), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(enhanced_has_bytes(&a), i > 0 && enhanced_has_record(&a));
		fill_pattern(text, 8, i);
		assert_record(text, 8);
	}
	assert_false(enhanced_has_record(&a) || enhanced_has_bytes(&a));
	assert_no_record(EX_TEMPFAIL);
}

/* Sizes around those of the buffer, in an order that puts records over every edge of it. */
static void over_the_edges(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (int round = 0; round < 3; round++) {
		odd = round > 0;
		for (int batch = 0; batch < 30; batch++) {
			uint32_t first = x;
			for (int pass = 0; pass < 2; pass++) {
				x = first;
				for (uint32_t i = 0; i < 6; i++) {
					x = x * 1664525u + 1013904223u;
					size_t n = sizes[x / 65536 % COUNT(sizes)];
					fill_pattern(text, n, x);
					if (pass == 0) {
						send_record(text, n);
					} else {
						assert_record(text, n);
					}
				}
			}
			assert_true(a.end <= sizeof a.in && a.start <= a.end);
		}
	}
	assert_int_equal(wire_at, wire.n);
}

static void has_record_is_exact(void **state)
{
	uint8_t *p;
	size_t n, whole;

	(void)state;
	send_record("one", 3);
	whole = wire.n;
	send_record("two", 3);
	for (size_t i = 0; i < whole; i++) { /* the first and so many bytes of the second */
		begin_anew();
		send_record("one", 3);
		send_record("two", 3);
		wire.n = whole + i;
		assert_record("one", 3);
		assert_int_equal(enhanced_has_bytes(&a), i > 0);
		assert_false(enhanced_has_record(&a));
		wire.n = 2 * whole;
		assert_int_equal(enhanced_get(&a, &p, &n, &e), 0);
		assert_memory_equal(p, "two", 3);
	}
}

/* --- raw bytes --- */

static void raw_bytes(void **state)
{
	static const size_t lengths[] = {0, 1, ENHANCED_PIECE - 1, ENHANCED_PIECE,
		ENHANCED_PIECE + 1, 5 * ENHANCED_PIECE + 3, 1000000};
	uint8_t *out = malloc(1000000), *p;

	(void)state;
	fill_pattern(out, 1000000, 7);
	for (size_t i = 0; i < 2 * COUNT(lengths); i++) {
		uint64_t left = lengths[i / 2];
		size_t n, all = 0;
		odd = i % 2 == 1;
		assert_int_equal(enhanced_put_raw(&b, out, lengths[i / 2], &e), 0);
		assert_int_equal(enhanced_flush(&b, &e), 0);
		while (left > 0) {
			assert_int_equal(enhanced_get_raw(&a, &left, &p, &n, &e), 0);
			assert_true(n <= ENHANCED_PIECE);
			assert_memory_equal(p, out + all, n);
			all += n;
			assert_int_equal(left, lengths[i / 2] - all);
		}
		assert_int_equal(all, lengths[i / 2]);
		assert_int_equal(wire_at, wire.n);
	}
	free(out);
}

static void room_is_kept(void **state)
{
	(void)state;
	/* what waits is written before there is too little room, and not before */
	fill_pattern(text, ENHANCED_RECORD_MAX, 3);
	assert_int_equal(put_text(&b, text, ENHANCED_RECORD_MAX, &e), 0);
	assert_int_equal(put_text(&b, text, ENHANCED_RECORD_MAX, &e), 0);
	assert_int_equal(wire.n, 0);
	assert_int_equal(b.out_n, sizeof b.out);
	assert_int_equal(put_text(&b, text, 1, &e), 0);
	assert_int_equal(wire.n, sizeof b.out);
	assert_int_equal(b.out_n, ENHANCED_LENGTH + 1 + NOISE_TAG);
	for (size_t n = 0; n <= ENHANCED_PIECE; n += 1021) { /* room is room, and is not sent */
		uint8_t *room = enhanced_room(&b, n, &e);
		assert_non_null(room);
		assert_true(room >= b.out && room + n + NOISE_TAG <= b.out + sizeof b.out);
		memset(room, 'x', n);
	}
	assert_int_equal(enhanced_flush(&b, &e), 0);
	assert_int_equal(enhanced_flush(&b, &e), 0);
	assert_record(text, ENHANCED_RECORD_MAX);
	assert_record(text, ENHANCED_RECORD_MAX);
	assert_record(text, 1);
	assert_int_equal(wire_at, wire.n);
}

/* --- JSON --- */

static char traced[4][512];
static int traced_n;

static void on_trace(void *arg, const char *line)
{
	assert_ptr_equal(arg, traced);
	assert_true(traced_n < 4);
	(void)snprintf(traced[traced_n++], sizeof traced[0], "%s", line);
}

static void json_both_ways(void **state)
{
	json_t *o;

	(void)state;
	a.trace = b.trace = on_trace;
	a.trace_arg = b.trace_arg = traced;
	traced_n = 0;
	o = json_object();
	assert_int_equal(json_object_set_new(o, "type", json_string("h\xc3\xa9llo")), 0);
	assert_int_equal(enhanced_put_json(&b, o, &e), 0);
	assert_int_equal(put_text(&b, "{}", 2, &e), 0);
	assert_int_equal(enhanced_flush(&b, &e), 0);
	assert_int_equal(enhanced_get_json(&a, &o, &e), 0);
	assert_string_equal(text_of(o, "type"), "h\xc3\xa9llo");
	json_decref(o);
	assert_int_equal(enhanced_get_json(&a, &o, &e), 0); /* one without a type is an object */
	json_decref(o);
	assert_int_equal(traced_n, 4);
	assert_contains(traced[0], "> record 0: h\xc3\xa9llo, 17 bytes; an onlooker sees 35");
	assert_contains(traced[1], "> record 1: test, 2 bytes");
	assert_contains(traced[2], "< record 0: h\xc3\xa9llo, 17 bytes; an onlooker sees 35");
	assert_contains(traced[3], "< record 1: ?, 2 bytes");
}

static void no_json(void **state)
{
	static const char *const bad[] = {" ", "[]", "\"x\"", "5", "null", "{", "{}x", "{} {}",
		"{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "{'a':1}", "{,}",
		"{\"a\":NaN}", "{\"a\":1e999}", "{\"a\":99999999999999999999}"};
	json_t *o;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		send_record(bad[i], strlen(bad[i]));
		assert_refused(enhanced_get_json(&a, &o, &e), e, EX_PROTOCOL);
		assert_null(o);
		assert_false(has_control(e.text, strlen(e.text)));
	}
	send_record("{}\0", 3);
	assert_refused(enhanced_get_json(&a, &o, &e), e, EX_PROTOCOL);
	send_record("{\"type\":\"a\0b\"}", 14);
	assert_refused(enhanced_get_json(&a, &o, &e), e, EX_PROTOCOL);
	memset(text, '[', 60000); /* deep */
	memcpy(text, "{\"a\":", 5);
	send_record(text, 60000);
	assert_refused(enhanced_get_json(&a, &o, &e), e, EX_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_WIRE("a record of any size comes through, in whatever pieces", every_size),
		T_WIRE("each direction has a key of its own", both_ways),
		T_WIRE("thousands that come in one read are told apart", many_in_one_read),
		T_WIRE("records of every size pass every edge of the buffer", over_the_edges),
		T_WIRE("whether a whole record is there is told exactly", has_record_is_exact),
		T_WIRE("raw bytes of any length come in records, and are counted", raw_bytes),
		T_WIRE("what waits is written when there is no more room", room_is_kept),
		T_WIRE("an object comes through, and -v tells its type and size", json_both_ways),
		T_WIRE("what is no such object is the peer's fault", no_json),
	};
	return RUN(tests);
}
