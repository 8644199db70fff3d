/* Bech32 against the vectors of BIP 173, and what age refuses. */
#include "unit.h"

#include "../../crypto/bech32.h"

enum { BIG = 2000 };

/* The bytes of a vector, whose characters above 7f stand as latin-1. */
static size_t latin1(char *out, const char *utf8)
{
	size_t n = 0;

	for (const uint8_t *p = (const uint8_t *)utf8; *p != 0; p++) {
		out[n++] = (char)(*p < 0x80 ? *p : (p[0] << 6 | (p[1] & 0x3f)));
		p += *p < 0x80 ? 0 : 1;
	}
	out[n] = '\0';
	return n;
}

static void check_vector(const char *text, size_t n, bool valid)
{
	static char prefix[BIG], again[BIG];
	static uint8_t data[BIG];
	const char *one = memrchr(text, '1', n);
	int k;

	(void)snprintf(prefix, sizeof prefix, "%.*s", one == NULL ? 0 : (int)(one - text), text);
	k = bech32_decode(data, sizeof data, prefix, text, n);
	if (!valid) {
		assert_int_equal(k, -1);
		return;
	}
	assert_true(k >= 0);
	assert_int_equal(bech32_len(strlen(prefix), (size_t)k), n);
	bech32_encode(again, prefix, data, (size_t)k);
	/* a prefix without letters leaves the case open: ours is the lower one */
	assert_string_equal(again, text);
}

static void published(void **state)
{
	json_t *root = vectors("bech32/bip173.json"), *row;
	size_t i, valid = 0, invalid = 0;
	static char text[BIG];

	(void)state;
	json_array_foreach(json_object_get(root, "vectors"), i, row)
	{
		bool ok = json_is_true(json_object_get(row, "valid"));
		check_vector(text, latin1(text, text_of(row, "s")), ok);
		valid += ok;
		invalid += !ok;
	}
	assert_int_equal(valid, 8);
	assert_int_equal(invalid, 14);
}

/* of age's specification */
static const char recipient[] = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
static const char identity[] =
	"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

static int of(const char *prefix, const char *text, uint8_t data[static 32])
{
	return bech32_decode(data, 32, prefix, text, strlen(text));
}

static void keys(void **state)
{
	uint8_t data[32], want[32];
	char text[100];

	(void)state;
	memset(want, 0x42, sizeof want);
	assert_int_equal(of("AGE-SECRET-KEY-", identity, data), 32);
	assert_memory_equal(data, want, sizeof data);
	bech32_encode(text, "AGE-SECRET-KEY-", data, sizeof data);
	assert_string_equal(text, identity);
	assert_int_equal(of("age", recipient, data), 32);
	bech32_encode(text, "age", data, sizeof data);
	assert_string_equal(text, recipient);
}

static void refusals(void **state)
{
	static const uint8_t zero[32];
	uint8_t data[32];
	char text[100];
	size_t n = strlen(recipient);

	(void)state;
	assert_int_equal(of("AGE", recipient, data), -1);
	assert_int_equal(of("ag", recipient, data), -1);
	assert_int_equal(of("age1", recipient, data), -1);
	assert_int_equal(of("AGE-SECRET-KEY-", recipient, data), -1);
	assert_int_equal(of("age", "", data), -1);
	for (size_t i = 0; i < n; i++) { /* cut, and in another case */
		assert_int_equal(bech32_decode(data, 32, "age", recipient, i), -1);
		memcpy(text, recipient, n + 1);
		if (text[i] >= 'a' && text[i] <= 'z') {
			text[i] = (char)(text[i] - 32);
			assert_int_equal(of("age", text, data), -1);
		}
	}
	for (size_t i = 0; i < n; i++) { /* each single wrong character is found */
		for (int c = 1; c < 256; c++) {
			memcpy(text, recipient, n + 1);
			text[i] = (char)c;
			assert_int_equal(of("age", text, data), text[i] == recipient[i] ? 32 : -1);
		}
	}
	memset(data, 1, sizeof data);
	assert_int_equal(bech32_decode(data, 31, "age", recipient, n), -1);
	assert_memory_equal(data, zero, 31);
}

static void lengths(void **state)
{
	uint8_t data[64], again[64];
	char text[200];

	(void)state;
	fill_pattern(data, sizeof data, 1);
	for (size_t n = 0; n <= sizeof data; n++) {
		bech32_encode(text, "x", data, n);
		assert_int_equal(strlen(text), bech32_len(1, n));
		assert_int_equal(
			bech32_decode(again, sizeof again, "x", text, strlen(text)), (int)n);
		assert_memory_equal(again, data, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("the vectors of BIP 173, without its limits of length", published),
		T("age's keys, both ways", keys),
		T("another prefix, another case, one wrong character, a cut: refused", refusals),
		T("0 to 64 bytes come back", lengths),
	};
	return RUN(tests);
}
