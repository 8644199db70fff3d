/* Characters of mail; see charset.h. */
#include "charset.h"

#include <strings.h>

static int put_code_point(struct buf *out, uint32_t c)
{
	uint8_t u[3] = {(uint8_t)(0xe0 | c >> 12), (uint8_t)(0x80 | (c >> 6 & 0x3f)),
		(uint8_t)(0x80 | (c & 0x3f))};

	if (c < 0x80) {
		u[0] = (uint8_t)c;
		return buf_append(out, u, 1);
	}
	if (c < 0x800) {
		u[1] = u[2];
		u[0] = (uint8_t)(0xc0 | c >> 6);
		return buf_append(out, u, 2);
	}
	return buf_append(out, u, 3);
}

/* Windows-1252 where it differs from ISO-8859-1, which as mail has it means the former. */
static const uint16_t windows_1252[32] = {0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020,
	0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd, 0xfffd, 0x2018,
	0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153,
	0xfffd, 0x017e, 0x0178};

static int put_latin(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t c = p[i] >= 0x80 && p[i] < 0xa0 ? windows_1252[p[i] - 0x80] : p[i];
		if (put_code_point(out, c) != 0) {
			return -1;
		}
	}
	return 0;
}

/* What is no UTF-8 becomes U+FFFD. */
static int put_valid(struct buf *out, const uint8_t *p, size_t n)
{
	while (n > 0) {
		uint32_t c;
		int k = utf8_next(p, n, &c);
		if ((k > 0 ? buf_append(out, p, (size_t)k) : put_code_point(out, 0xfffd)) != 0) {
			return -1;
		}
		p += k > 0 ? k : 1;
		n -= k > 0 ? (size_t)k : 1;
	}
	return 0;
}

static const struct {
	const char *name;
	enum charset charset;
} charsets[] = {
	{"utf-8", CHARSET_UTF8},
	{"us-ascii", CHARSET_UTF8},
	{"iso-8859-1", CHARSET_LATIN},
	{"iso-8859-15", CHARSET_LATIN},
	{"windows-1252", CHARSET_LATIN},
};

enum charset charset_find(const void *name, size_t n)
{
	for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++) {
		if (strlen(charsets[i].name) == n && strncasecmp(charsets[i].name, name, n) == 0) {
			return charsets[i].charset;
		}
	}
	return CHARSET_OTHER;
}

int charset_put(struct buf *out, enum charset charset, const void *p, size_t n)
{
	return charset == CHARSET_LATIN ? put_latin(out, p, n) : put_valid(out, p, n);
}

int charset_put_extended(struct buf *out, const char *value)
{
	const char *language = strchr(value, '\''),
		   *text = language == NULL ? NULL : strchr(language + 1, '\'');
	struct buf raw = {0};
	int rc = buf_reserve(&raw, strlen(value) + 1);

	for (const char *p = text == NULL ? value : text + 1; rc == 0 && *p != '\0'; p++) {
		uint8_t byte = (uint8_t)*p;
		if (*p == '%' && p[1] != '\0' && hex_decode(&byte, 1, p + 1, 2) == 0) {
			p += 2;
		}
		rc = buf_append(&raw, &byte, 1);
	}
	rc = rc == 0 ? charset_put(out,
			       text == NULL ? CHARSET_UTF8
					    : charset_find(value, (size_t)(language - value)),
			       raw.p, raw.n)
		     : rc;
	buf_free(&raw);
	return rc;
}
