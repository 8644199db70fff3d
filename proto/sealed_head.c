/* Lines ahead of sealed content, written and read; see sealed.h. One spelling of each header is
 * right: what was read is what would be written. */
#include "sealed_head.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char version[] = "smtp361 sealed message 1\n";

enum { TIME_TEXT = 27, STREAM_TEXT = 2 * sizeof((struct sealed_number *)0)->stream };

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* "2026-11-22T10:00:00.123456Z". 0, or -1: no year of four digits. */
static int write_time(int64_t time_us, char out[static TIME_TEXT + 1])
{
	int64_t below = time_us % 1000000;
	time_t seconds = (time_t)((time_us - (below < 0 ? below + 1000000 : below)) / 1000000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -900 || tm.tm_year > 8099) {
		return -1;
	}
	return snprintf(out, TIME_TEXT + 1, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
		       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		       tm.tm_sec, (int)(below < 0 ? below + 1000000 : below)) == TIME_TEXT
		       ? 0
		       : -1;
}

/* --- recipients --- */

/* The next name of "a;b" into out. 1, 0 at the end, or -1: it is no user's name. */
static int next_name(struct cursor *at, char out[static USER_NAME_MAX + 1])
{
	const uint8_t *p = at->p, *end;
	size_t n;

	if (at->n == 0) {
		return 0;
	}
	end = memchr(p, ';', at->n);
	n = end == NULL ? at->n : (size_t)(end - p);
	if (n > USER_NAME_MAX || (end != NULL && n + 1 == at->n)) {
		return -1;
	}
	memcpy(out, p, n);
	out[n] = '\0';
	(void)get_bytes(at, n + (end == NULL ? 0 : 1));
	return strlen(out) == n && user_name_valid(out) ? 1 : -1;
}

/* How many; 0: there are none, or one is no name. */
static size_t count_names(const void *to, size_t n)
{
	struct cursor at = cursor_over(to, n);
	char name[USER_NAME_MAX + 1];
	size_t count = 0;
	int rc;

	while ((rc = next_name(&at, name)) > 0) {
		count++;
	}
	return rc == 0 ? count : 0;
}

/* --- writing --- */

static int check_letter(const struct sealed_letter *l, struct err *e)
{
	size_t names = count_names(l->to, strlen(l->to));

	if (!user_name_valid(l->from) || names == 0 || names != l->numbers_n ||
		l->bytes > INT64_MAX) {
		return err_set(e, EX_DATAERR, "cannot seal a letter without sound names");
	}
	for (size_t i = 0; i < l->numbers_n; i++) {
		if (l->numbers[i].number == 0 || l->numbers[i].number > INT64_MAX) {
			return err_set(e, EX_DATAERR, "cannot seal a letter without a number");
		}
	}
	return message_check_title(l->title, strlen(l->title), e);
}

static int put_line(struct buf *out, const char *name, const char *text)
{
	return buf_append_str(out, name) == 0 && buf_append_str(out, ": ") == 0 &&
			       buf_append_str(out, text) == 0 && buf_append(out, "\n", 1) == 0
		       ? 0
		       : -1;
}

static int put_numbers(struct buf *out, const struct sealed_letter *l, bool streams)
{
	int rc = buf_append_str(out, streams ? "Stream: " : "Number: ");
	char text[STREAM_TEXT + 32];

	for (size_t i = 0; rc == 0 && i < l->numbers_n; i++) {
		const struct sealed_number *n = &l->numbers[i];
		if (streams) {
			hex_encode(text, n->stream, sizeof n->stream);
		} else {
			(void)snprintf(text, sizeof text, "%llu", (unsigned long long)n->number);
		}
		rc = (i == 0 || buf_append(out, ";", 1) == 0) && buf_append_str(out, text) == 0
			     ? 0
			     : -1;
	}
	return rc == 0 ? buf_append(out, "\n", 1) : -1;
}

int sealed_head_write(struct buf *out, const struct sealed_letter *l, struct err *e)
{
	char time_text[TIME_TEXT + 1], id[MAIL_ID_TEXT + 1], length[24];

	if (check_letter(l, e) != 0) {
		return -1;
	}
	if (write_time(l->time_us, time_text) != 0) {
		return err_set(e, EX_DATAERR, "cannot seal a letter of no year");
	}
	hex_encode(id, l->id, MAIL_ID);
	(void)snprintf(length, sizeof length, "%llu", (unsigned long long)l->bytes);
	if (buf_append_str(out, version) != 0 || put_line(out, "From", l->from) != 0 ||
		put_line(out, "To", l->to) != 0 || put_line(out, "Time", time_text) != 0 ||
		put_line(out, "Id", id) != 0 || put_numbers(out, l, true) != 0 ||
		put_numbers(out, l, false) != 0 || put_line(out, "Title", l->title) != 0 ||
		put_line(out, "Length", length) != 0 || buf_append(out, "\n", 1) != 0) {
		return no_memory(e);
	}
	return out->n <= SEALED_HEAD_MAX
		       ? 0
		       : err_set(e, EX_DATAERR, "cannot seal a letter to so many recipients");
}

/* --- reading --- */

/* What stands behind "NAME: " on the next line. */
static bool get_field(struct cursor *c, const char *name, struct message_part *out)
{
	size_t name_n = strlen(name);

	if (!get_line(c, &out->p, &out->n) || out->n < name_n + 2 ||
		memcmp(out->p, name, name_n) != 0 || memcmp(out->p + name_n, ": ", 2) != 0) {
		return false;
	}
	out->p += name_n + 2;
	out->n -= name_n + 2;
	return true;
}

/* What one digit of many stands for is not asked: written again, it must be the same. */
static bool read_time(struct message_part text, int64_t *time_us)
{
	char copy[TIME_TEXT + 1], again[TIME_TEXT + 1];
	uint64_t us = 0;
	struct tm tm = {0};

	if (text.n != TIME_TEXT) {
		return false;
	}
	memcpy(copy, text.p, TIME_TEXT);
	copy[TIME_TEXT] = '\0';
	for (size_t i = 20; i < 26; i++) {
		us = us * 10 + (uint64_t)(copy[i] - '0') % 10;
	}
	if (sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6) {
		return false;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*time_us = (int64_t)timegm(&tm) * 1000000 + (int64_t)us;
	return write_time(*time_us, again) == 0 && memcmp(copy, again, TIME_TEXT) == 0;
}

static bool is_lower_hex(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] >= 'A' && p[i] <= 'F') {
			return false;
		}
	}
	return true;
}

/* Exactly as many as there are recipients. */
static bool read_numbers(struct sealed_head *h, struct message_part list, bool streams)
{
	const uint8_t *p = list.p, *end = list.p + list.n;

	for (size_t i = 0; i < h->numbers_n; i++) {
		struct sealed_number *one = &h->numbers[i];
		const uint8_t *stop = memchr(p, ';', (size_t)(end - p));
		bool last = i + 1 == h->numbers_n;
		size_t n;
		if (last != (stop == NULL)) {
			return false;
		}
		n = (size_t)((last ? end : stop) - p);
		if (streams ? hex_decode(one->stream, sizeof one->stream, (const char *)p, n) !=
						0 ||
					!is_lower_hex(p, n)
			    : parse_decimal(p, n, INT64_MAX, &one->number) != 0 ||
					one->number == 0) {
			return false;
		}
		p += n + (last ? 0 : 1);
	}
	return true;
}

static bool is_name(struct message_part text)
{
	return count_names(text.p, text.n) == 1;
}

static int set_bad(struct err *e)
{
	return err_set(e, EX_DATAERR, "the header inside is none");
}

int sealed_head_read(struct sealed_head *h, struct err *e)
{
	struct cursor c = cursor_over(h->text.p, h->text.n);
	struct message_part time_text, id, streams, numbers, length;
	struct err why;

	if (!get_literal(&c, version) || !get_field(&c, "From", &h->from) ||
		!get_field(&c, "To", &h->to) || !get_field(&c, "Time", &time_text) ||
		!get_field(&c, "Id", &id) || !get_field(&c, "Stream", &streams) ||
		!get_field(&c, "Number", &numbers) || !get_field(&c, "Title", &h->title) ||
		!get_field(&c, "Length", &length) || !get_literal(&c, "\n") ||
		cursor_left(&c) > 0) {
		return set_bad(e);
	}
	h->numbers_n = count_names(h->to.p, h->to.n);
	if (!is_name(h->from) || h->numbers_n == 0 || !read_time(time_text, &h->time_us) ||
		hex_decode(h->id, MAIL_ID, (const char *)id.p, id.n) != 0 ||
		!is_lower_hex(id.p, id.n) ||
		message_check_title(h->title.p, h->title.n, &why) != 0 ||
		parse_decimal(length.p, length.n, INT64_MAX, &h->content_bytes) != 0) {
		return set_bad(e);
	}
	h->numbers = calloc(h->numbers_n, sizeof *h->numbers);
	if (h->numbers == NULL) {
		return no_memory(e);
	}
	return read_numbers(h, streams, true) && read_numbers(h, numbers, false) ? 0 : set_bad(e);
}
