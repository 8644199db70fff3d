/* The e-mail text format; see message.h. */
#include "message.h"

/* One line "NAME: VALUE". 1, 0 when the line is not complete, -1 when it is another line. */
static int parse_line(struct cursor *c, const char *name, struct message_part *value)
{
	const uint8_t *line;
	size_t n = strlen(name), got;

	if (!get_line(c, &line, &got)) {
		size_t have = c->n < n ? c->n : n;
		return have == 0 || memcmp(c->p, name, have) == 0 ? 0 : -1;
	}
	if (got < n || memcmp(line, name, n) != 0) {
		return -1;
	}
	*value = (struct message_part){.p = line + n, .n = got - n};
	return 1;
}

struct header_line {
	const char *name, *fault;
	struct message_part *value;
	bool wanted;
};

/* 1; or 0 or -1 like parse_line, with the line's fault. */
static int parse_lines(
	struct cursor *c, const struct header_line *lines, size_t lines_n, const char **why)
{
	for (size_t i = 0; i < lines_n; i++) {
		int rc = lines[i].wanted ? parse_line(c, lines[i].name, lines[i].value) : 1;
		if (rc <= 0) {
			*why = lines[i].fault;
			return rc;
		}
	}
	return 1;
}

int message_parse(const void *p, size_t n, bool stored, struct message_head *h, const char **why)
{
	struct message_part length = {0}, nothing = {0};
	const struct header_line lines[] = {
		{"From: ", "the first line is not From", &h->from, true},
		{"To: ", "the second line is not To", &h->to, true},
		{"Time and Date: ", "the third line is not Time and Date", &h->time, stored},
		{"Title: ", "there is no Title line after To", &h->title, true},
		{"Content Length: ", "there is no Content Length line after Title", &length, true},
		{"Content:", "there is no Content line after Content Length", &nothing, true},
	};
	struct cursor c = cursor_over(p, n);
	int rc;

	h->time = (struct message_part){0};
	rc = parse_lines(&c, lines, sizeof lines / sizeof lines[0], why);
	if (rc <= 0) {
		return n > MESSAGE_STORED_HEAD_MAX ? -1 : rc;
	}
	if (parse_decimal(length.p, length.n, UINT64_MAX, &h->length) != 0) {
		*why = "Content Length is not a number";
		return -1;
	}
	if (nothing.n != 0) {
		*why = "the Content line holds more than its name";
		return -1;
	}
	h->bytes = n - c.n;
	if (h->bytes > (stored ? MESSAGE_STORED_HEAD_MAX : MESSAGE_HEAD_MAX)) {
		*why = "the header is too long";
		return -1;
	}
	return 1;
}

static bool begins(const struct cursor *c, const char *text)
{
	size_t n = strlen(text);

	return c->n >= n && memcmp(c->p, text, n) == 0;
}

int message_parse_loose(const void *p, size_t n, struct message_head *h, const char **why)
{
	struct message_part other = {0}, length;
	const struct header_line first[] = {
		{"From: ", "the first line is not From", &h->from, true},
		{"To: ", "the second line is not To", &h->to, true},
	};
	struct cursor c = cursor_over(p, n);
	bool dated;

	*h = (struct message_head){0};
	if (n == 0) {
		*why = first[0].fault;
		return -1;
	}
	if (parse_lines(&c, first, 2, why) <= 0) {
		return -1;
	}
	dated = begins(&c, "Time and Date: ");
	const struct header_line rest[] = {
		{dated ? "Time and Date: " : "", "the header is not complete", &other,
			!begins(&c, "Title: ")},
		{"Title: ", "there is no Title line after To", &h->title, true},
		{"Content Length: ", "there is no Content Length line after Title", &length, true},
	};
	if (parse_lines(&c, rest, 3, why) <= 0) {
		return -1;
	}
	*why = "there is no Content line after Content Length";
	if (!begins(&c, "Content: ") && !begins(&c, "Content:\n")) {
		return -1;
	}
	h->time = dated ? other : message_text("");
	h->bytes = n - c.n + strlen("Content: ");
	return 0;
}

static int put_line(struct buf *out, const char *name, const void *value, size_t n)
{
	if (buf_append_str(out, name) != 0 || buf_append(out, value, n) != 0) {
		return -1;
	}
	return buf_append_str(out, "\n");
}

int message_format(struct buf *out, struct message_part from, struct message_part to,
	int64_t time_us, struct message_part title, uint64_t length)
{
	char time_text[MESSAGE_TIME_LEN + 1], number[24];
	int digits = snprintf(number, sizeof number, "%llu", (unsigned long long)length);

	if (put_line(out, "From: ", from.p, from.n) != 0 ||
		put_line(out, "To: ", to.p, to.n) != 0) {
		return -1;
	}
	if (time_us >= 0) {
		message_format_time(time_us, time_text);
		if (put_line(out, "Time and Date: ", time_text, MESSAGE_TIME_LEN) != 0) {
			return -1;
		}
	}
	if (put_line(out, "Title: ", title.p, title.n) != 0 ||
		put_line(out, "Content Length: ", number, (size_t)digits) != 0) {
		return -1;
	}
	return put_line(out, "Content:", "", 0);
}

int message_format_loose(struct buf *out, struct message_part from, struct message_part to,
	struct message_part title, uint64_t length)
{
	char number[24];
	int digits = snprintf(number, sizeof number, "%llu", (unsigned long long)length);

	if (put_line(out, "From: ", from.p, from.n) != 0 ||
		put_line(out, "To: ", to.p, to.n) != 0 ||
		put_line(out, "Time and Date: ", "", 0) != 0 ||
		put_line(out, "Title: ", title.p, title.n) != 0 ||
		put_line(out, "Content Length: ", number, (size_t)digits) != 0) {
		return -1;
	}
	return buf_append_str(out, "Content: ");
}

struct message_part message_text(const char *s)
{
	return (struct message_part){.p = (const uint8_t *)s, .n = strlen(s)};
}

int message_check_title(const void *p, size_t n, struct err *e)
{
	uint64_t chars;

	if (utf8_count(p, n, &chars) != 0) {
		return err_set(e, EX_DATAERR, "the title is not valid UTF-8");
	}
	if (chars > MESSAGE_TITLE_CHARS) {
		return err_set(e, EX_DATAERR, "the title has %llu characters, more than %d",
			(unsigned long long)chars, MESSAGE_TITLE_CHARS);
	}
	if (memchr(p, '\n', n) != NULL || memchr(p, '\r', n) != NULL ||
		memchr(p, '\0', n) != NULL) {
		return err_set(e, EX_DATAERR, "the title holds a line end or a NUL");
	}
	return 0;
}

int message_check_content(
	const void *p, size_t n, uint64_t max_chars, uint64_t *chars, struct err *e)
{
	if (utf8_count(p, n, chars) != 0) {
		return err_set(e, EX_DATAERR, "the content is not valid UTF-8");
	}
	if (*chars > max_chars) {
		return err_set(e, EX_DATAERR, "the content has %llu characters, more than %llu",
			(unsigned long long)*chars, (unsigned long long)max_chars);
	}
	return 0;
}

/* --- time --- */

int64_t message_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* v, not negative, as n digits at *at, and what stands behind them. */
static void put_digits(char **at, int v, size_t n, char behind)
{
	char *p = *at;

	for (size_t i = n; i > 0; i--) {
		p[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	p[n] = behind;
	*at = p + n + 1;
}

void message_format_time(int64_t time_us, char out[static MESSAGE_TIME_LEN + 1])
{
	int64_t us = (time_us % 1000000 + 1000000) % 1000000; /* before 1970, too */
	time_t seconds = (time_t)(time_us / 1000000 - (time_us % 1000000 < 0 ? 1 : 0));
	struct tm tm;

	if (localtime_r(&seconds, &tm) == NULL || tm.tm_year < -900 || tm.tm_year > 8099) {
		memset(&tm, 0,
			sizeof tm); /* a clock beyond four digits of year still fits the line */
		tm.tm_mday = 1;
	}
	/* by hand: a stored message formats it twice, and snprintf would be the largest part */
	put_digits(&out, tm.tm_year + 1900, 4, '-');
	put_digits(&out, tm.tm_mon + 1, 2, '-');
	put_digits(&out, tm.tm_mday, 2, ' ');
	put_digits(&out, tm.tm_hour, 2, ':');
	put_digits(&out, tm.tm_min, 2, ':');
	put_digits(&out, tm.tm_sec, 2, '.');
	put_digits(&out, (int)us, 6, '\0');
}

/* A run of n digits. */
static int digits(struct cursor *c, size_t n)
{
	const uint8_t *p = get_bytes(c, n);
	int v = 0;

	for (size_t i = 0; p != NULL && i < n; i++) {
		if (p[i] < '0' || p[i] > '9') {
			c->failed = true;
		}
		v = 10 * v + (p[i] - '0');
	}
	return v;
}

int message_parse_time(const void *p, size_t n, int64_t *time_us)
{
	struct cursor c = cursor_over(p, n);
	struct tm tm = {.tm_isdst = -1};
	time_t seconds;
	int us;

	tm.tm_year = digits(&c, 4) - 1900;
	(void)get_literal(&c, "-");
	tm.tm_mon = digits(&c, 2) - 1;
	(void)get_literal(&c, "-");
	tm.tm_mday = digits(&c, 2);
	(void)get_literal(&c, " ");
	tm.tm_hour = digits(&c, 2);
	(void)get_literal(&c, ":");
	tm.tm_min = digits(&c, 2);
	(void)get_literal(&c, ":");
	tm.tm_sec = digits(&c, 2);
	(void)get_literal(&c, ".");
	us = digits(&c, 6);
	if (c.failed || c.n != 0 || (seconds = mktime(&tm)) == (time_t)-1) {
		return -1;
	}
	*time_us = (int64_t)seconds * 1000000 + us;
	return 0;
}
