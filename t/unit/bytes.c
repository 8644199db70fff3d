/* The ground floor: cursor, buffer, UTF-8, encodings. */
#include "unit.h"

static void wipe_clears(void **state)
{
	uint8_t p[64];

	(void)state;
	memset(p, 0xa5, sizeof p);
	wipe(p + 1, 62);
	for (size_t i = 1; i < 63; i++) {
		assert_int_equal(p[i], 0);
	}
	assert_int_equal(p[0], 0xa5);
	assert_int_equal(p[63], 0xa5);
	wipe(NULL, 0);
}

static void ct_eq_tells(void **state)
{
	uint8_t a[33] = {0}, b[33] = {0};

	(void)state;
	assert_true(ct_eq(a, b, 0));
	assert_true(ct_eq(a, b, sizeof a));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i] = 0x80;
		assert_false(ct_eq(a, b, sizeof a));
		assert_true(ct_eq(a, b, i));
		b[i] = 0;
	}
}

static void cursor_stops(void **state)
{
	static const uint8_t bytes[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct cursor c = cursor_over(bytes, sizeof bytes);

	(void)state;
	assert_int_equal(get_u8(&c), 1);
	assert_int_equal(get_u16le(&c), 0x0302);
	assert_int_equal(get_u32le(&c), 0x07060504);
	assert_int_equal(cursor_left(&c), 8);
	assert_true(get_bytes(&c, 0) == bytes + 7);
	assert_int_equal(get_u64le(&c), 0x0f0e0d0c0b0a0908);
	assert_int_equal(cursor_left(&c), 0);
	assert_false(c.failed);
	assert_true(get_bytes(&c, 0) != NULL);
	assert_int_equal(get_u8(&c), 0);
	assert_true(c.failed);
}

static void cursor_latches(void **state)
{
	static const uint8_t bytes[7] = {1, 2, 3, 4, 5, 6, 7};
	struct cursor c = cursor_over(bytes, sizeof bytes);

	(void)state;
	assert_int_equal(get_u64le(&c), 0); /* one byte short */
	assert_true(c.failed);
	assert_int_equal(cursor_left(&c), 0);
	assert_int_equal(get_u8(&c), 0);
	assert_null(get_bytes(&c, 0));
	c = cursor_over(bytes, sizeof bytes);
	assert_null(get_bytes(&c, SIZE_MAX));
	assert_true(c.failed);
	c = cursor_over(NULL, 0);
	assert_int_equal(get_u8(&c), 0);
	assert_true(c.failed);
}

static void lines_end(void **state)
{
	static const char text[] = "one\n\nthree";
	struct cursor c = cursor_over(text, strlen(text));
	const uint8_t *line;
	size_t n;

	(void)state;
	assert_true(get_line(&c, &line, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(line, "one", 3);
	assert_true(get_line(&c, &line, &n));
	assert_int_equal(n, 0);
	assert_false(get_line(&c, &line, &n));
	assert_true(c.failed);
	c = cursor_over("", 0);
	assert_false(get_line(&c, &line, &n));
	c = cursor_over("ab", 2);
	assert_true(get_literal(&c, "a"));
	assert_false(get_literal(&c, "bc"));
	assert_false(get_literal(&c, "b"));
}

static void numbers_round(void **state)
{
	uint8_t p[14];
	struct cursor c;

	(void)state;
	for (int i = 0; i < 64; i++) {
		uint64_t v = UINT64_MAX >> i;
		put_u16le(p, (uint16_t)v);
		put_u32le(p + 2, (uint32_t)v);
		put_u64le(p + 6, v);
		c = cursor_over(p, sizeof p);
		assert_int_equal(get_u16le(&c), (uint16_t)v);
		assert_int_equal(get_u32le(&c), (uint32_t)v);
		assert_int_equal(get_u64le(&c), v);
	}
}

static void buf_grows(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	for (unsigned i = 0; i < 3000; i++) {
		uint8_t byte = (uint8_t)i;
		assert_int_equal(buf_append(&b, &byte, 1), 0);
	}
	assert_int_equal(b.n, 3000);
	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(b.p[i], (uint8_t)i);
	}
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 3000), -1); /* no size is twice as large */
	assert_int_equal(b.n, 3000);
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.n + b.cap, 0);
	buf_free(&b);
	assert_int_equal(buf_append_str(&b, "abc"), 0);
	assert_memory_equal(b.p, "abc", 3);
	buf_free(&b);
}

/* --- UTF-8 --- */

static size_t encode_utf8(uint8_t out[4], uint32_t v)
{
	if (v < 0x80) {
		out[0] = (uint8_t)v;
		return 1;
	}
	if (v < 0x800) {
		out[0] = (uint8_t)(0xc0 | v >> 6);
		out[1] = (uint8_t)(0x80 | (v & 63));
		return 2;
	}
	if (v < 0x10000) {
		out[0] = (uint8_t)(0xe0 | v >> 12);
		out[1] = (uint8_t)(0x80 | (v >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (v & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | v >> 18);
	out[1] = (uint8_t)(0x80 | (v >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (v >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (v & 63));
	return 4;
}

static void utf8_all(void **state)
{
	uint8_t p[4];
	uint32_t got;

	(void)state;
	for (uint32_t v = 0; v <= 0x110000; v++) {
		size_t n = encode_utf8(p, v);
		bool valid = v < 0x110000 && (v < 0xd800 || v > 0xdfff);
		int len = utf8_next(p, n, &got);
		if (valid ? len != (int)n || got != v : len != -1) {
			fail_msg("U+%04X: %d", v, len);
		}
		for (size_t k = 1; valid && k < n; k++) {
			if (utf8_next(p, k, &got) != 0) {
				fail_msg("U+%04X cut to %zu", v, k);
			}
		}
	}
}

static void utf8_pairs(void **state)
{
	uint32_t got;

	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			uint8_t p[2] = {(uint8_t)a, (uint8_t)b};
			bool low = a == 0xe0 ? b >= 0xa0 : a == 0xf0 ? b >= 0x90 : b >= 0x80;
			bool high = a == 0xed ? b <= 0x9f : a == 0xf4 ? b <= 0x8f : b <= 0xbf;
			int want = a < 0x80                                ? 1
				   : a < 0xc2 || a > 0xf4 || !low || !high ? -1
				   : a < 0xe0                              ? 2
									   : 0;
			if (utf8_next(p, 2, &got) != want) {
				fail_msg("%02x %02x", a, b);
			}
		}
	}
}

static void utf8_counts(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(utf8_count((const uint8_t *)"", 0, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(utf8_count((const uint8_t *)"a\0b", 3, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(utf8_count((const uint8_t *)"\xf0\x9f\x98\x80\xc3\xa9x", 7, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(utf8_count((const uint8_t *)"aaaaaaaaa\xc3", 10, &n), -1);
	assert_int_equal(utf8_count((const uint8_t *)"\xc0\xaf", 2, &n), -1);
	assert_int_equal(utf8_count((const uint8_t *)"\xed\xa0\x80", 3, &n), -1);
}

/* Valid, cut, overlong, surrogates, stray bytes, and long runs of ASCII around them. */
static const uint8_t mixed[] =
	"abcdefghijklmnop\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
	"0123456\xf0\x90\x80"
	"A\xe0\xa0\xc3\xa9\xff\xfe\x80\xed\xa0\x80zzzzzzzzzzzz\xf4\x90\x80\x80\xc2";

static void utf8_splits(void **state)
{
	size_t n = sizeof mixed - 1;
	struct utf8_counter whole = {0};

	(void)state;
	assert_int_equal(utf8_feed(&whole, mixed, n, UINT64_MAX), n);
	assert_true(whole.invalid);
	assert_int_equal(whole.part_n, 1);
	for (size_t i = 0; i <= n; i++) {
		for (size_t k = i; k <= n; k++) {
			struct utf8_counter u = {0};
			assert_int_equal(utf8_feed(&u, mixed, i, UINT64_MAX), i);
			assert_int_equal(utf8_feed(&u, mixed + i, k - i, UINT64_MAX), k - i);
			assert_int_equal(utf8_feed(&u, mixed + k, n - k, UINT64_MAX), n - k);
			assert_int_equal(u.count, whole.count);
			assert_int_equal(u.part_n, whole.part_n);
			assert_true(u.invalid);
		}
	}
}

static void utf8_limits(void **state)
{
	static const uint8_t text[] = "abcdefghijk\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	static const size_t ends[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 20, 21};
	size_t n = sizeof text - 1;

	(void)state;
	for (size_t limit = 0; limit < COUNT(ends); limit++) {
		for (size_t cut = 0; cut <= n; cut++) {
			struct utf8_counter u = {0};
			size_t took = utf8_feed(&u, text, cut, limit);
			if (took == cut) {
				took += utf8_feed(&u, text + cut, n - cut, limit);
			}
			assert_int_equal(took, ends[limit]);
			assert_int_equal(u.count, limit);
			assert_false(u.invalid);
		}
	}
}

static void control_found(void **state)
{
	(void)state;
	assert_false(has_control("", 0));
	assert_false(has_control(" ~\x80\xff", 4));
	assert_true(has_control("a\x1f", 2));
	assert_true(has_control("\x7f", 1));
	assert_true(has_control("a\0", 2));
	assert_false(has_control("a\0", 1));
}

static void escapes(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		bool keep;
		const char *out;
	} rows[] = {
		{"", 0, false, ""},
		{"plain \\ text", 12, false, "plain \\ text"},
		{"a\nb\tc\rd", 7, false, "a\\nb\\tc\\rd"},
		{"a\nb\tc\rd", 7, true, "a\nb\tc\\rd"},
		{"\x1b[31m", 5, true, "\\x1b[31m"},
		{"\0\x7f", 2, false, "\\x00\\x7f"},
		{"\xc2\x9b"
		 "31m",
			5, false, "\\u{009b}31m"},
		{"\xe2\x80\xae", 3, true, "\\u{202e}"},
		{"\xff\xc3", 2, false, "\\xff\\xc3"},
		{"\xed\xa0\x80", 3, false, "\\xed\\xa0\\x80"},
		{"\xc3\xa9\xf0\x9f\x98\x80", 6, false, "\xc3\xa9\xf0\x9f\x98\x80"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = escape_text(out, sizeof out, rows[i].in, rows[i].n, rows[i].keep);
		assert_string_equal(out, rows[i].out);
		assert_int_equal(n, strlen(out));
	}
}

static void escape_fits(void **state)
{
	uint8_t all[512];
	char out[600];

	(void)state;
	fill_pattern(all, sizeof all, 7);
	for (size_t cap = 1; cap <= sizeof out; cap++) {
		memset(out, 'X', sizeof out);
		size_t n = escape_text(out, cap, all, sizeof all, true);
		assert_true(n < cap);
		assert_int_equal(out[n], '\0');
		for (size_t i = n + 1; i < sizeof out; i++) {
			assert_int_equal(out[i], 'X');
		}
	}
	assert_int_equal(escape_text(out, 4, "abcdef", 6, false), 3);
}

static void hex_round(void **state)
{
	uint8_t p[256], back[256];
	char hex[513];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		p[i] = (uint8_t)i;
	}
	hex_encode(hex, p, 256);
	assert_int_equal(strlen(hex), 512);
	assert_int_equal(hex_decode(back, 256, hex, 512), 0);
	assert_memory_equal(p, back, 256);
	assert_int_equal(hex_decode(back, 1, "aF", 2), 0);
	assert_int_equal(back[0], 0xaf);
	assert_int_equal(hex_decode(back, 0, "", 0), 0);
	assert_int_equal(hex_decode(back, 1, "a", 1), -1);
	assert_int_equal(hex_decode(back, 1, "aaa", 3), -1);
	assert_int_equal(hex_decode(back, 1, "g0", 2), -1);
	assert_int_equal(hex_decode(back, 1, " 0", 2), -1);
	hex_encode(hex, p, 0);
	assert_string_equal(hex, "");
}

static void names_valid(void **state)
{
	static const char *const good[] = {
		"a", "0", "client1", "a_b-c", "abcdefghijklmnopqrstuvwxyz012345"};
	static const char *const bad[] = {"", ".", "..", "_a", "-a", "A", "a b", "a/b", "a.b",
		"a;b", "a\n", "\x1b", "e\xcc\x81", "\xc3\xa9", "abcdefghijklmnopqrstuvwxyz0123456"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(user_name_valid(good[i]));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(user_name_valid(bad[i]));
	}
}

static void decimals(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "00", "01",
		"1a", "18446744073709551616", "99999999999999999999", "1\n"};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (parse_decimal(bad[i], strlen(bad[i]), UINT64_MAX, &v) != -1) {
			fail_msg("\"%s\" was taken", bad[i]);
		}
	}
	assert_int_equal(parse_decimal("0", 1, 0, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(parse_decimal("18446744073709551615", 20, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_decimal("65535", 5, 65535, &v), 0);
	assert_int_equal(parse_decimal("65536", 5, 65535, &v), -1);
	assert_int_equal(parse_decimal("12\0", 3, 1000, &v), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("wipe clears its bytes and no others", wipe_clears),
		T("ct_eq sees a difference in every place", ct_eq_tells),
		T("a cursor reads little-endian up to its end", cursor_stops),
		T("a cursor stays failed once it has failed", cursor_latches),
		T("get_line wants a line end, get_literal the whole text", lines_end),
		T("numbers come back as they were put", numbers_round),
		T("a buffer grows, refuses sizes that overflow, and is empty once freed",
			buf_grows),
		T("every code point decodes, every surrogate is refused, every cut one wants more",
			utf8_all),
		T("all 65536 pairs of bytes are judged as RFC 3629 has it", utf8_pairs),
		T("code points are counted, NUL too; invalid and cut text is refused", utf8_counts),
		T("text fed in three pieces, cut anywhere, counts as the whole does", utf8_splits),
		T("a counter stops behind its limit wherever the pieces end", utf8_limits),
		T("control bytes are found", control_found),
		T("what would move a terminal's cursor is escaped", escapes),
		T("escaped text never exceeds its room", escape_fits),
		T("hex comes back, and other lengths and letters are refused", hex_round),
		T("user names are 1 to 32 of the safe characters", names_valid),
		T("decimals are plain digits within their limit", decimals),
	};
	return RUN(tests);
}
