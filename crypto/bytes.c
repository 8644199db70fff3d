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

static int decode64(uint8_t *out, size_t cap, const char *p, size_t n, const char *last)
{
	size_t k = 0;
	uint32_t acc = 0, bits = 0;

	if (n % 4 == 1) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t v = base64_value(p[i], last);
		if (v > 63) {
			return -1;
		}
		acc = acc << 6 | v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (k == cap) {
				return -1;
			}
			out[k++] = (uint8_t)(acc >> bits);
		}
	}
	return (acc & ((1u << bits) - 1)) == 0 ? (int)k : -1;
}

size_t base64_encode(char *out, const void *p, size_t n)
{
	return encode64(out, p, n, last_two);
}

int base64_decode(uint8_t *out, size_t cap, const char *p, size_t n)
{
	return decode64(out, cap, p, n, last_two);
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
