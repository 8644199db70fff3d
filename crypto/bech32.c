/* Bech32; see bech32.h. */
#include "bech32.h"

#include "bytes.h"

enum { CHECKSUM = 6, VALUES = 32 };

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* --- the checksum --- */

static uint32_t add(uint32_t sum, uint32_t value)
{
	static const uint32_t generator[5] = {
		0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (int i = 0; i < 5; i++) {
		sum ^= generator[i] & (0 - (top >> i & 1));
	}
	return sum;
}

/* A letter in lower case; others as they are. */
static uint32_t lower(char c)
{
	uint32_t v = (uint8_t)c;

	return v - 'A' < 26 ? v + 32 : v;
}

static uint32_t add_prefix(const char *prefix, size_t n)
{
	uint32_t sum = 1;

	for (size_t i = 0; i < n; i++) {
		sum = add(sum, lower(prefix[i]) >> 5);
	}
	sum = add(sum, 0);
	for (size_t i = 0; i < n; i++) {
		sum = add(sum, lower(prefix[i]) & 31);
	}
	return sum;
}

/* --- characters: all are looked at, whichever it is --- */

static char character(uint32_t value, bool upper)
{
	uint32_t c = 0, up;

	for (uint32_t i = 0; i < VALUES; i++) {
		c |= (uint8_t)alphabet[i] & (0 - (uint32_t)(i == value));
	}
	up = (uint32_t)upper & (uint32_t)(c - 'a' < 26);
	return (char)(c - 32 * up);
}

/* 0..31, or VALUES where c is not of the alphabet. */
static uint32_t value_of(char c)
{
	uint32_t low = lower(c), value = 0, found = 0;

	for (uint32_t i = 0; i < VALUES; i++) {
		uint32_t is = (uint32_t)(low == (uint8_t)alphabet[i]);
		value |= i & (0 - is);
		found |= is;
	}
	return value | VALUES * (1 - found);
}

/* --- both ways --- */

size_t bech32_len(size_t p, size_t n)
{
	return p + 1 + (8 * n + 4) / 5 + CHECKSUM;
}

static bool has_upper(const char *text)
{
	bool found = false;

	for (; *text != '\0'; text++) {
		found = found || (*text >= 'A' && *text <= 'Z');
	}
	return found;
}

/* Writes one value after the other. */
struct writer {
	char *out;
	uint32_t sum;
	bool upper;
};

static void put(struct writer *w, uint32_t value)
{
	w->sum = add(w->sum, value);
	*w->out++ = character(value, w->upper);
}

void bech32_encode(char *out, const char *prefix, const void *data, size_t n)
{
	const uint8_t *s = data;
	size_t p = strlen(prefix), bits = 0;
	struct writer w = {out + p + 1, add_prefix(prefix, p), has_upper(prefix)};
	uint32_t acc = 0, sum;

	memcpy(out, prefix, p);
	out[p] = '1';
	for (size_t i = 0; i < n; i++) {
		acc = acc << 8 | s[i];
		for (bits += 8; bits >= 5; bits -= 5) {
			put(&w, acc >> (bits - 5) & 31);
		}
	}
	if (bits > 0) {
		put(&w, acc << (5 - bits) & 31);
	}
	sum = w.sum;
	for (int i = 0; i < CHECKSUM; i++) {
		sum = add(sum, 0);
	}
	for (int i = CHECKSUM - 1; i >= 0; i--) {
		put(&w, (sum ^ 1) >> (5 * i) & 31);
	}
	*w.out = '\0';
}

/* No character outside 33 to 126, and not both cases. */
static bool is_text(const char *text, size_t n)
{
	bool upper = false, lower_case = false, bad = false;

	for (size_t i = 0; i < n; i++) {
		bad = bad || text[i] < 33 || text[i] > 126;
		upper = upper || (text[i] >= 'A' && text[i] <= 'Z');
		lower_case = lower_case || (text[i] >= 'a' && text[i] <= 'z');
	}
	return !bad && !(upper && lower_case);
}

/* The values of the data part, without the checksum, as bytes. */
static int to_bytes(uint8_t *data, size_t cap, const char *text, size_t n)
{
	uint32_t acc = 0, bits = 0;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		acc = acc << 5 | value_of(text[i]);
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			if (k == cap) {
				return -1;
			}
			data[k++] = (uint8_t)(acc >> bits);
		}
	}
	return bits < 5 && (acc & ((1u << bits) - 1)) == 0 ? (int)k : -1;
}

int bech32_decode(uint8_t *data, size_t cap, const char *prefix, const char *text, size_t n)
{
	size_t p = strlen(prefix);
	uint32_t sum = add_prefix(prefix, p), bad = 0;
	int k;

	if (p == 0 || n < p + 1 + CHECKSUM || memcmp(text, prefix, p) != 0 || text[p] != '1' ||
		!is_text(text, n)) {
		wipe(data, cap);
		return -1;
	}
	for (size_t i = p + 1; i < n; i++) {
		uint32_t value = value_of(text[i]);
		bad |= value & VALUES;
		sum = add(sum, value & (VALUES - 1));
	}
	k = bad == 0 && sum == 1 ? to_bytes(data, cap, text + p + 1, n - p - 1 - CHECKSUM) : -1;
	if (k < 0) {
		wipe(data, cap);
	}
	return k;
}
