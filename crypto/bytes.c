/* Bytes and encodings; see bytes.h. No I/O, no state. UTF-8 is in text.c. */
#include "bytes.h"

void wipe(void *p, size_t n)
{
	if (n > 0) {
		memset(p, 0, n);
		__asm__ volatile(""
				 :
				 : "r"(p)
				 : "memory"); /* a reader the compiler cannot see through */
	}
}

bool ct_eq(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < n; i++) {
		diff = (uint8_t)(diff | (x[i] ^ y[i]));
	}
	return diff == 0;
}

/* --- hash --- */

uint32_t fnv1a(const void *p, size_t n)
{
	const uint8_t *s = p;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ s[i]) * 16777619u;
	}
	return h;
}

/* --- cursor --- */

struct cursor cursor_over(const void *p, size_t n)
{
	return (struct cursor){.p = p, .n = n, .failed = false};
}

size_t cursor_left(const struct cursor *c)
{
	return c->failed ? 0 : c->n;
}

const uint8_t *get_bytes(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->failed || n > c->n) {
		c->failed = true;
		return NULL;
	}
	c->p += n;
	c->n -= n;
	return p;
}

uint8_t get_u8(struct cursor *c)
{
	const uint8_t *p = get_bytes(c, 1);
	return p == NULL ? 0 : p[0];
}

static uint64_t get_le(struct cursor *c, size_t n)
{
	const uint8_t *p = get_bytes(c, n);
	uint64_t v = 0;

	if (p != NULL) {
		for (size_t i = n; i > 0; i--) {
			v = v << 8 | p[i - 1];
		}
	}
	return v;
}

uint16_t get_u16le(struct cursor *c)
{
	return (uint16_t)get_le(c, 2);
}

uint32_t get_u32le(struct cursor *c)
{
	return (uint32_t)get_le(c, 4);
}

uint32_t get_u32be(struct cursor *c)
{
	const uint8_t *p = get_bytes(c, 4);

	return p == NULL ? 0
			 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t get_u64le(struct cursor *c)
{
	return get_le(c, 8);
}

bool get_line(struct cursor *c, const uint8_t **line, size_t *n)
{
	const uint8_t *end = cursor_left(c) == 0 ? NULL : memchr(c->p, '\n', c->n);

	if (end == NULL) {
		c->failed = true;
		return false;
	}
	*n = (size_t)(end - c->p);
	*line = get_bytes(c, *n + 1);
	return true;
}

bool get_literal(struct cursor *c, const char *text)
{
	size_t n = strlen(text);
	const uint8_t *p = get_bytes(c, n);

	if (p == NULL || memcmp(p, text, n) != 0) {
		c->failed = true;
	}
	return !c->failed;
}

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = (uint8_t)(v >> (8 * i));
	}
}

void put_u16le(uint8_t *p, uint16_t v)
{
	put_le(p, v, 2);
}

void put_u32le(uint8_t *p, uint32_t v)
{
	put_le(p, v, 4);
}

void put_u64le(uint8_t *p, uint64_t v)
{
	put_le(p, v, 8);
}

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = n; i > 0; v >>= 8) {
		p[--i] = (uint8_t)v;
	}
}

void put_u32be(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24); /* one swap and one store */
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void put_u64be(uint8_t *p, uint64_t v)
{
	put_be(p, v, 8);
}

/* --- buffer --- */

int buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap = b->cap == 0 ? 256 : b->cap;
	uint8_t *p;

	if (__builtin_add_overflow(b->n, n, &need)) {
		return -1;
	}
	if (need <= b->cap) {
		return 0;
	}
	while (cap < need) {
		if (__builtin_mul_overflow(cap, (size_t)2, &cap)) {
			return -1;
		}
	}
	/* not realloc: what it leaves behind would not be wiped */
	p = malloc(cap);
	if (p == NULL) {
		return -1;
	}
	if (b->n > 0) {
		memcpy(p, b->p, b->n);
		wipe(b->p, b->n);
	}
	free(b->p);
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	if (buf_reserve(b, n) != 0) {
		return -1;
	}
	if (n > 0) {
		memcpy(b->p + b->n, p, n);
		b->n += n;
	}
	return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

void buf_free(struct buf *b)
{
	wipe(b->p, b->n);
	free(b->p);
	*b = (struct buf){0};
}

/* --- hex, base64, decimals --- */

void hex_encode(char *out, const void *p, size_t n)
{
	const uint8_t *s = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[s[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[s[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(uint8_t *out, size_t n, const char *hex, size_t hex_n)
{
	if (hex_n != 2 * n) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		int a = hex_digit(hex[2 * i]), b = hex_digit(hex[2 * i + 1]);
		if (a < 0 || b < 0) {
			return -1;
		}
		out[i] = (uint8_t)(a << 4 | b);
	}
	return 0;
}

/* The last two of the 64 tell the alphabets apart (RFC 4648 4 and 5). */
static const char last_two[] = "+/", last_two_url[] = "-_";

/* 0..63, or a value above 63 where c is not of the alphabet. */
static uint32_t base64_value(char ch, const char *last)
{
	uint32_t c = (uint8_t)ch, v = 0xff;

	v = c - 'A' < 26 ? c - 'A' : v;
	v = c - 'a' < 26 ? c - 'a' + 26 : v;
	v = c - '0' < 10 ? c - '0' + 52 : v;
	v = ch == last[0] ? 62 : v;
	return ch == last[1] ? 63 : v;
}

static char base64_char(uint32_t v, const char *last)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	return v < 62 ? chars[v] : last[v - 62];
}

size_t base64_len(size_t n)
{
	return n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1);
}

static size_t encode64(char *out, const void *p, size_t n, const char *last)
{
	const uint8_t *s = p;
	size_t k = 0;
	uint32_t acc = 0, bits = 0;

	for (size_t i = 0; i < n; i++) {
		acc = acc << 8 | s[i];
		for (bits += 8; bits >= 6; bits -= 6) {
			out[k++] = base64_char(acc >> (bits - 6) & 63, last);
		}
	}
	if (bits > 0) {
		out[k++] = base64_char(acc << (6 - bits) & 63, last);
	}
	out[k] = '\0';
	return k;
}

/* --- eight characters at once: a byte of the word each, and no byte of it carries into another.
 * Keys are read so, too: no character decides a branch or is looked up. */

static uint64_t each(uint32_t v)
{
	return 0x0101010101010101u * v;
}

/* 0x80 in each byte that is not below v; x has none above 0x7f. */
static uint64_t not_below(uint64_t x, uint32_t v)
{
	return ((x | each(0x80)) - each(v)) & each(0x80);
}

/* 0xff in each byte from first to last. */
static uint64_t within(uint64_t x, uint32_t first, uint32_t last)
{
	uint64_t high = not_below(x, first) & ~not_below(x, last + 1);

	return high | (high - (high >> 7));
}

/* The values of 8 characters, a byte each; *bad gets bits where one is not of the alphabet. */
static uint64_t eight_values(uint64_t chars, const char *last, uint64_t *bad)
{
	uint64_t x = chars & each(0x7f);
	uint64_t upper = within(x, 'A', 'Z'), lower = within(x, 'a', 'z');
	uint64_t digit = within(x, '0', '9');
	uint32_t c62 = (uint8_t)last[0], c63 = (uint8_t)last[1];
	uint64_t at62 = within(x, c62, c62), at63 = within(x, c63, c63);
	/* what is to be added, modulo 256 */
	uint64_t add = (upper & each(256 - 'A')) | (lower & each(256 + 26 - 'a')) |
		       (digit & each(52 - '0')) | (at62 & each((62 - c62) & 0xff)) |
		       (at63 & each((63 - c63) & 0xff));

	*bad |= (chars & each(0x80)) | ~(upper | lower | digit | at62 | at63);
	return (x + (add & each(0x7f))) ^ (add & each(0x80));
}

/* Written out, for the compiler to see one load and one swap. */
static uint64_t eight_chars(const char *p)
{
	const uint8_t *s = (const uint8_t *)p;

	return (uint64_t)s[0] << 56 | (uint64_t)s[1] << 48 | (uint64_t)s[2] << 40 |
	       (uint64_t)s[3] << 32 | (uint64_t)s[4] << 24 | (uint64_t)s[5] << 16 |
	       (uint64_t)s[6] << 8 | s[7];
}

/* 6 bytes of 8 characters. */
static void decode_eight(uint8_t *out, const char *p, const char *last, uint64_t *bad)
{
	uint64_t v = eight_values(eight_chars(p), last, bad);

	v = (v & 0x3f003f003f003f00u) >> 2 | (v & 0x003f003f003f003fu); /* 12 bits of 16 */
	v = (v & 0x0fff00000fff0000u) >> 4 | (v & 0x00000fff00000fffu); /* 24 of 32 */
	put_u32be(out, (uint32_t)(v >> 32 << 8 | (v >> 16 & 0xff)));
	out[4] = (uint8_t)(v >> 8);
	out[5] = (uint8_t)v;
}

static int decode64(uint8_t *out, size_t cap, const char *p, size_t n, const char *last)
{
	size_t k = 0, i = 0, len = n / 4 * 3 + (n % 4 == 0 ? 0 : n % 4 - 1);
	uint32_t acc = 0, bits = 0;
	uint64_t bad = 0;

	if (n % 4 == 1 || len > cap) {
		return -1;
	}
	for (; n - i >= 8; i += 8, k += 6) {
		decode_eight(out + k, p + i, last, &bad);
	}
	for (; i < n; i++) {
		uint32_t v = base64_value(p[i], last);
		bad |= v & ~63u;
		acc = acc << 6 | (v & 63);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[k++] = (uint8_t)(acc >> bits);
		}
	}
	bad |= acc & ((1u << bits) - 1);
	return bad == 0 ? (int)len : -1;
}

size_t base64_encode(char *out, const void *p, size_t n)
{
	return encode64(out, p, n, last_two);
}

int base64_decode(uint8_t *out, size_t cap, const char *p, size_t n)
{
	return decode64(out, cap, p, n, last_two);
}

size_t base64_padded_len(size_t n)
{
	return (n + 2) / 3 * 4;
}

size_t base64_padded_encode(char *out, const void *p, size_t n)
{
	size_t k = base64_encode(out, p, n);

	for (; k % 4 != 0; k++) {
		out[k] = '=';
	}
	out[k] = '\0';
	return k;
}

int base64_padded_decode(uint8_t *out, size_t cap, const char *p, size_t n)
{
	if (n % 4 != 0) {
		return -1;
	}
	for (int i = 0; i < 2 && n > 0 && p[n - 1] == '='; i++) {
		n--;
	}
	return base64_decode(out, cap, p, n);
}

size_t base64url_encode(char *out, const void *p, size_t n)
{
	return encode64(out, p, n, last_two_url);
}

int base64url_decode(uint8_t *out, size_t cap, const char *p, size_t n)
{
	return decode64(out, cap, p, n, last_two_url);
}

bool user_name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n >= 1 && n <= USER_NAME_MAX && name[n] == '\0' && name[0] != '_' && name[0] != '-';
}

int parse_decimal(const void *p, size_t n, uint64_t max, uint64_t *value)
{
	const uint8_t *s = p;
	uint64_t v = 0;

	if (n == 0 || (s[0] == '0' && n > 1)) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v)) {
			return -1;
		}
	}
	*value = v;
	return v <= max ? 0 : -1;
}
