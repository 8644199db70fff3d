/* Values of header fields as text and as dates; see rfc5322.h. */
#include <strings.h>

#include "charset.h"
#include "rfc5322.h"
#include "transfer.h"

/* --- encoded words (RFC 2047) --- */

struct word {
	enum charset charset;
	bool base64;
	struct message_part text;
	size_t n; /* of all of it */
};

static const uint8_t *find_mark(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p != '?' && *p > ' ' && *p < 0x7f) {
		p++;
	}
	return p < end && *p == '?' ? p : NULL;
}

static bool parse_word(const uint8_t *p, size_t n, struct word *w)
{
	const uint8_t *end = p + n, *charset = p + 2, *encoding, *text, *close, *star;
	size_t charset_n;

	if (n < 8 || p[0] != '=' || p[1] != '?' || (encoding = find_mark(charset, end)) == NULL ||
		(text = find_mark(encoding + 1, end)) == NULL || text != encoding + 2 ||
		(close = find_mark(text + 1, end)) == NULL || close + 1 == end || close[1] != '=') {
		return false;
	}
	charset_n = (size_t)(encoding - charset);
	star = memchr(charset, '*', charset_n); /* a language, RFC 2231 5 */
	charset_n = star == NULL ? charset_n : (size_t)(star - charset);
	w->charset = charset_find(charset, charset_n);
	w->base64 = (encoding[1] | 0x20) == 'b';
	w->text = (struct message_part){.p = text + 1, .n = (size_t)(close - text - 1)};
	w->n = (size_t)(close + 2 - p);
	return w->charset != CHARSET_OTHER && (w->base64 || (encoding[1] | 0x20) == 'q');
}

static int take_decoded(void *arg, const void *p, size_t n, struct err *e)
{
	return buf_append(arg, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* The bytes of a word, behind what `raw` holds. 0, or -1: it is damaged, or there is no memory. */
static int decode_word(struct buf *raw, const struct word *w)
{
	struct transfer t;
	struct err ignored;
	int rc = 0;

	transfer_begin(&t, w->base64 ? TRANSFER_BASE64 : TRANSFER_QUOTED, take_decoded, raw);
	if (w->base64) {
		rc = transfer_decode(&t, w->text.p, w->text.n, &ignored);
	}
	for (size_t i = 0; !w->base64 && rc == 0 && i < w->text.n; i++) {
		/* "_" is a blank (4.2) */
		rc = w->text.p[i] == '_' ? transfer_decode(&t, "=20", 3, &ignored)
					 : transfer_decode(&t, w->text.p + i, 1, &ignored);
	}
	return rc != 0 ? rc : transfer_decode_end(&t, &ignored);
}

static int put_raw(struct buf *out, struct buf *raw, enum charset charset)
{
	int rc = charset_put(out, charset, raw->p, raw->n);

	raw->n = 0;
	return rc;
}

/* Words that follow each other, and the blanks between them (6.2); *taken: their bytes. 0 or -1.
 * Those of one character set are put together: senders split characters, though they must not. */
static int put_words(struct buf *out, const uint8_t *p, size_t n, size_t *taken)
{
	struct buf raw = {0};
	struct word w = {0}, next;
	size_t at = 0, gap = 0;
	int rc = 0;

	*taken = 0;
	while (rc == 0 && parse_word(p + at, n - at, &next)) {
		size_t before = raw.n;
		if (*taken > 0 && next.charset != w.charset) {
			rc = put_raw(out, &raw, w.charset);
			before = 0;
		}
		if (rc == 0 && decode_word(&raw, &next) != 0) {
			raw.n = before;
			break;
		}
		w = next;
		*taken = at + w.n;
		for (gap = *taken; gap < n && strchr(" \t\r\n", p[gap]) != NULL && p[gap] != '\0';
			gap++) {
		}
		at = gap;
	}
	if (rc == 0 && *taken > 0) {
		rc = put_raw(out, &raw, w.charset);
	}
	buf_free(&raw);
	return rc;
}

int rfc5322_text(struct buf *out, struct message_part value)
{
	size_t at = 0, taken;

	while (at < value.n) {
		const uint8_t *p = value.p + at;
		size_t k = 0;
		if (*p == '=' && put_words(out, p, value.n - at, &taken) != 0) {
			return -1;
		}
		if (*p == '=' && taken > 0) {
			at += taken;
			continue;
		}
		if (*p == '\r' || *p == '\n') { /* a fold: its blank stays */
			at++;
			continue;
		}
		do {
			k++;
		} while (at + k < value.n && p[k] != '=' && p[k] != '\r' && p[k] != '\n');
		if (charset_put(out, CHARSET_UTF8, p, k) != 0) {
			return -1;
		}
		at += k;
	}
	return 0;
}

/* --- dates --- */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

void rfc5322_format_date(int64_t time_us, char out[static RFC5322_DATE_MAX])
{
	time_t seconds = (time_t)(time_us / 1000000 - (time_us % 1000000 < 0 ? 1 : 0));
	struct tm tm = {.tm_mday = 1};

	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -900 || tm.tm_year > 8099) {
		tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
	}
	(void)snprintf(out, RFC5322_DATE_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
		days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
		tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int rfc5322_put_date(struct buf *out, const char *name, int64_t time_us)
{
	char text[RFC5322_DATE_MAX];

	rfc5322_format_date(time_us, text);
	return rfc5322_put(out, name, text);
}

struct date {
	int day, month, year, hour, minute, second, zone; /* zone: minutes east; -1 not known yet */
	bool has_time;
};

static bool two_digits(const uint8_t *p, int *v)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') {
		return false;
	}
	*v = 10 * (p[0] - '0') + (p[1] - '0');
	return true;
}

/* "19:29" or "19:29:35"; "9:29" is seen, too. */
static bool take_time(struct date *d, const uint8_t *p, size_t n)
{
	uint8_t padded[8] = "0";

	if (n == 4 || n == 7) {
		memcpy(padded + 1, p, n);
		p = padded;
		n++;
	}
	if ((n != 5 && n != 8) || p[2] != ':' || !two_digits(p, &d->hour) ||
		!two_digits(p + 3, &d->minute)) {
		return false;
	}
	d->second = 0;
	d->has_time = true;
	return n == 5 || (p[5] == ':' && two_digits(p + 6, &d->second));
}

static bool take_zone(struct date *d, const uint8_t *p, size_t n)
{
	int hours, minutes;

	if (n != 5 || !two_digits(p + 1, &hours) || !two_digits(p + 3, &minutes)) {
		return false;
	}
	d->zone = (60 * hours + minutes) * (p[0] == '-' ? -1 : 1);
	return true;
}

/* The names of RFC 5322 4.3; any other says nothing. */
static void take_zone_name(struct date *d, const uint8_t *p, size_t n)
{
	static const char east_to_west[] = "ECMP"; /* EST is five hours behind */
	const char *at = n == 3 && p[2] == 'T' ? strchr(east_to_west, p[0]) : NULL;

	if (at != NULL && *at != '\0' && (p[1] == 'S' || p[1] == 'D')) {
		d->zone = -60 * (5 + (int)(at - east_to_west) - (p[1] == 'D' ? 1 : 0));
	}
}

static bool take_number(struct date *d, const uint8_t *p, size_t n)
{
	uint64_t v;

	while (n > 1 && p[0] == '0') {
		p++;
		n--;
	}
	if (parse_decimal(p, n, 9999, &v) != 0) {
		return false;
	}
	if (d->day == 0 && v <= 31) {
		d->day = (int)v;
	} else if (d->year < 0) { /* RFC 5322 4.3 for two and three digits */
		d->year = (int)(v < 50 ? v + 2000 : v < 1000 ? v + 1900 : v);
	}
	return true;
}

static bool take_token(struct date *d, const uint8_t *p, size_t n)
{
	if (p[0] == '+' || p[0] == '-') {
		return take_zone(d, p, n);
	}
	if (memchr(p, ':', n) != NULL) {
		return take_time(d, p, n);
	}
	if (p[0] >= '0' && p[0] <= '9') {
		return take_number(d, p, n);
	}
	for (int i = 0; n >= 3 && i < 12 && d->month < 0; i++) {
		if (strncasecmp((const char *)p, months + 3 * (size_t)i, 3) == 0) {
			d->month = i;
			return true;
		}
	}
	take_zone_name(d, p, n);
	return true; /* a day's name, or what says nothing */
}

int rfc5322_parse_date(struct message_part value, int64_t *time_us)
{
	struct date d = {.month = -1, .year = -1};
	size_t at = 0;

	while (at < value.n) {
		size_t n = 0;
		const uint8_t *p = value.p + at;
		while (at + n < value.n && strchr(" \t\r\n,(", p[n]) == NULL) {
			n++;
		}
		if (n == 0 && *p == '(') { /* a comment ends it: "+0200 (CEST)" */
			break;
		}
		if (n > 0 && !take_token(&d, p, n)) {
			return -1;
		}
		at += n > 0 ? n : 1;
	}
	if (d.day < 1 || d.month < 0 || d.year < 1900 || !d.has_time || d.hour > 23 ||
		d.minute > 59 || d.second > 60) {
		return -1;
	}
	struct tm tm = {.tm_year = d.year - 1900,
		.tm_mon = d.month,
		.tm_mday = d.day,
		.tm_hour = d.hour,
		.tm_min = d.minute,
		.tm_sec = d.second};
	*time_us = ((int64_t)timegm(&tm) - 60 * (int64_t)d.zone) * 1000000;
	return 0;
}
