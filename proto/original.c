/* Internet messages as content, and back; see original.h. */
#include "original.h"

#include "rfc5322.h"

enum { FIRST = 0xf780, LAST = 0xf7ff /* stand for the bytes 0x80 to 0xff */ };

int original_put_trace(struct buf *out, const struct original_trace *t)
{
	char text[ORIGINAL_TRACE_MAX], date[RFC5322_DATE_MAX];
	bool has_from = t->from != NULL;

	rfc5322_format_date(t->time_us, date);
	(void)snprintf(text, sizeof text,
		"Received: %s%.400s%sby %.200s" ORIGINAL_MARK "%.20s id %.64s; %s",
		has_from ? "from " : "", has_from ? t->from : "", has_from ? " " : "", t->by,
		t->with, t->id, date);
	for (char *p = text; *p != '\0'; p++) {
		*p = *p < ' ' || *p > '~' ? '?' : *p;
	}
	return buf_append_str(out, text) == 0 ? buf_append(out, "\n", 1) : -1;
}

int original_title(const void *head, size_t n, char title[static ORIGINAL_TITLE_MAX], struct err *e)
{
	struct message_part v;
	struct buf text = {0};
	size_t k = 0;
	uint32_t c;

	title[0] = '\0';
	if (!rfc5322_find(head, n, "Subject", &v)) {
		return 0;
	}
	if (buf_reserve(&text, 1) != 0 || rfc5322_text(&text, v) != 0) {
		buf_free(&text);
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (int chars = 0; k < text.n && chars < MESSAGE_TITLE_CHARS; chars++) {
		int len = utf8_next(text.p + k, text.n - k, &c);
		if (c < ' ' || c == 0x7f) {
			text.p[k] = ' ';
		}
		k += len > 0 ? (size_t)len : text.n; /* it is valid */
	}
	memcpy(title, text.p, k);
	title[k] = '\0';
	buf_free(&text);
	return 0;
}

/* --- text in pieces --- */

void original_begin(struct original *o, transfer_put *put, void *arg)
{
	o->put = put;
	o->arg = arg;
	o->part_n = o->line_n = o->out_n = 0;
	o->begun = o->keep = false;
}

static int flush(struct original *o, struct err *e)
{
	size_t n = o->out_n;

	o->out_n = 0;
	return n == 0 ? 0 : o->put(o->arg, o->out, n, e);
}

static int emit(struct original *o, const uint8_t *p, size_t n, struct err *e)
{
	if (n > ORIGINAL_OUT - o->out_n && flush(o, e) != 0) {
		return -1;
	}
	if (n > ORIGINAL_OUT) {
		return o->put(o->arg, p, n, e);
	}
	memcpy(o->out + o->out_n, p, n);
	o->out_n += n;
	return 0;
}

/* What one code point, or one byte that is part of none, becomes. */
typedef int original_step(
	struct original *o, const uint8_t *p, size_t n, uint32_t c, struct err *e);

static int encode_step(struct original *o, const uint8_t *p, size_t n, uint32_t c, struct err *e)
{
	if (n > 0 && (c < FIRST || c > LAST)) {
		return emit(o, p, n, e);
	}
	for (size_t i = 0; i < (n == 0 ? 1 : n); i++) {
		c = FIRST + (uint32_t)(p[i] - 0x80);
		const uint8_t three[3] = {(uint8_t)(0xe0 | c >> 12),
			(uint8_t)(0x80 | (c >> 6 & 0x3f)), (uint8_t)(0x80 | (c & 0x3f))};
		if (emit(o, three, sizeof three, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int decode_step(struct original *o, const uint8_t *p, size_t n, uint32_t c, struct err *e)
{
	uint8_t byte = (uint8_t)(0x80 + (c - FIRST));

	if (n > 0 && c >= FIRST && c <= LAST) {
		return emit(o, &byte, 1, e);
	}
	return n == 1 && *p == '\n' ? emit(o, (const uint8_t *)"\r\n", 2, e)
				    : emit(o, p, n == 0 ? 1 : n, e);
}

/* As many bytes at the start as every step passes on as they are. */
static size_t plain_run(const uint8_t *p, size_t n)
{
	size_t k = 0;

	while (k < n && p[k] < 0x80 && p[k] != '\n') {
		k++;
	}
	return k;
}

/* A code point that a piece ended in is completed by the next one. 0 or -1. */
static int finish_part(struct original *o, const uint8_t **p, const uint8_t *end,
	original_step *step, struct err *e)
{
	uint32_t c = 0;
	int len = 0;

	while (o->part_n > 0 && *p < end && len == 0) {
		o->part[o->part_n++] = **p;
		len = utf8_next(o->part, o->part_n, &c);
		*p += len < 0 ? 0 : 1;
		o->part_n -= len < 0 ? 1 : 0; /* this byte is none of it, and looked at anew */
	}
	if (len > 0) {
		o->part_n = 0;
		return step(o, o->part, (size_t)len, c, e);
	}
	for (size_t i = 0; len < 0 && i < o->part_n; i++) {
		if (step(o, o->part + i, 0, 0, e) != 0) {
			return -1;
		}
	}
	o->part_n = len < 0 ? 0 : o->part_n;
	return 0;
}

static int walk(struct original *o, const uint8_t *p, size_t n, original_step *step, struct err *e)
{
	const uint8_t *end = p + n;
	uint32_t c;

	if (finish_part(o, &p, end, step, e) != 0) {
		return -1;
	}
	while (p < end) {
		size_t run = plain_run(p, (size_t)(end - p));
		if (run > 0 && emit(o, p, run, e) != 0) {
			return -1;
		}
		p += run;
		if (p == end) {
			break;
		}
		int len = utf8_next(p, (size_t)(end - p), &c);
		if (len == 0) {
			o->part_n = (size_t)(end - p);
			memcpy(o->part, p, o->part_n);
			break;
		}
		if (step(o, p, len < 0 ? 0 : (size_t)len, c, e) != 0) {
			return -1;
		}
		p += len < 0 ? 1 : len;
	}
	return 0;
}

/* What was cut at the very end is part of no code point. */
static int end_walk(struct original *o, original_step *step, struct err *e)
{
	for (size_t i = 0; i < o->part_n; i++) {
		if (step(o, o->part + i, 0, 0, e) != 0) {
			return -1;
		}
	}
	o->part_n = 0;
	return flush(o, e);
}

int original_encode(struct original *o, const void *p, size_t n, struct err *e)
{
	return walk(o, p, n, encode_step, e);
}

int original_encode_end(struct original *o, struct err *e)
{
	return end_walk(o, encode_step, e);
}

/* --- back --- */

static bool is_trace(const uint8_t *line, size_t n)
{
	static const char name[] = "Received: ";

	return n > sizeof name && memcmp(line, name, sizeof name - 1) == 0 &&
	       memmem(line, n, ORIGINAL_MARK, strlen(ORIGINAL_MARK)) != NULL;
}

/* The first line is there, or too much for it: the trace goes, anything else stays as it is. */
static int judge_line(struct original *o, bool whole, struct err *e)
{
	o->begun = true;
	o->keep = !whole || !is_trace(o->line, o->line_n);
	return o->keep ? emit(o, o->line, o->line_n, e) : 0;
}

int original_decode(struct original *o, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p, *end = s + n;

	while (!o->begun && s < end) {
		o->line[o->line_n++] = *s++;
		bool whole = s[-1] == '\n';
		if ((whole || o->line_n == sizeof o->line) && judge_line(o, whole, e) != 0) {
			return -1;
		}
	}
	return o->keep ? emit(o, s, (size_t)(end - s), e)
		       : walk(o, s, (size_t)(end - s), decode_step, e);
}

int original_decode_end(struct original *o, struct err *e)
{
	if (!o->begun && judge_line(o, false, e) != 0) {
		return -1;
	}
	return end_walk(o, decode_step, e);
}
