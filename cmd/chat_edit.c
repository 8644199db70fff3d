/* A line that is typed; see chat_edit.h. */
#include "chat_edit.h"

#include <string.h>

#include "../crypto/bytes.h"

enum {
	CTRL_A = 1,
	CTRL_D = 4,
	CTRL_E = 5,
	CTRL_H = 8,
	CTRL_K = 11,
	CTRL_U = 21,
	CTRL_W = 23,
	ESC = 27,
	DEL = 127,
	NUMBER_MAX = 100000,
};
/* Where in an escape sequence: behind ESC; behind ESC O; behind ESC [; and in what the console of
 * Linux sends for F1: ESC [ [ A. */
enum { NO_ESCAPE, ESCAPE, SINGLE, SEQUENCE, CONSOLE };

/* --- places --- */

size_t chat_edit_width_of(uint32_t c)
{
	static const struct {
		uint32_t from, to;
		size_t width;
	} odd[] = {{0x300, 0x36f, 0}, {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0}, {0x20d0, 0x20ff, 0},
		{0x2e80, 0xa4cf, 2}, {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0},
		{0xfe30, 0xfe6f, 2}, {0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2},
		{0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1f9ff, 2},
		{0x20000, 0x3fffd, 2}};

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		if (c >= odd[i].from && c <= odd[i].to) {
			return odd[i].width;
		}
	}
	return 1;
}

/* Of the character that begins here; *next is where it ends. */
static size_t width_at(const struct chat_edit *d, size_t at, size_t *next)
{
	uint32_t c;

	*next = at + (size_t)utf8_next((const uint8_t *)d->line + at, d->n - at, &c);
	return chat_edit_width_of(c);
}

size_t chat_edit_width(const struct chat_edit *d, size_t at, size_t n)
{
	size_t width = 0;

	for (size_t end = at + n; at < end;) {
		width += width_at(d, at, &at);
	}
	return width;
}

/* The start of the character that ends here. */
static size_t character_before(const struct chat_edit *d, size_t at)
{
	while (at > 0 && ((uint8_t)d->line[--at] & 0xc0) == 0x80) {
	}
	return at;
}

/* The same, with what has no width and belongs to it. */
static size_t place_before(const struct chat_edit *d, size_t at)
{
	size_t next;

	do {
		at = character_before(d, at);
	} while (at > 0 && width_at(d, at, &next) == 0);
	return at;
}

static size_t place_behind(const struct chat_edit *d, size_t at)
{
	size_t next = at;

	if (at < d->n) {
		(void)width_at(d, at, &next);
	}
	for (at = next; at < d->n && width_at(d, at, &next) == 0; at = next) {
	}
	return at;
}

static size_t word_before(const struct chat_edit *d, size_t at)
{
	while (at > 0 && d->line[at - 1] == ' ') {
		at--;
	}
	while (at > 0 && d->line[at - 1] != ' ') {
		at--;
	}
	return at;
}

/* --- changes --- */

static void erase(struct chat_edit *d, size_t from, size_t to)
{
	memmove(d->line + from, d->line + to, d->n - to);
	d->n -= to - from;
	wipe(d->line + d->n, to - from);
	d->at = from;
	d->too_long = d->too_long && d->n > 0;
}

static void insert(struct chat_edit *d, const uint8_t *p, size_t n)
{
	if (n > CHAT_EDIT_LINE - d->n) {
		d->too_long = true;
		return;
	}
	memmove(d->line + d->at + n, d->line + d->at, d->n - d->at);
	memcpy(d->line + d->at, p, n);
	d->n += n;
	d->at += n;
}

/* A byte of a character: whole ones alone are in the line. */
static void add_byte(struct chat_edit *d, uint8_t byte)
{
	uint32_t c;
	int k;

	d->part[d->part_n++] = byte;
	k = utf8_next(d->part, d->part_n, &c);
	if (k == 0) {
		return;
	}
	if (k > 0 && (c < 0x80 || c >= 0xa0)) { /* no control character, as terminals obey it */
		insert(d, d->part, d->part_n);
	}
	d->part_n = 0;
}

size_t chat_edit_take(struct chat_edit *d, char *out)
{
	size_t n = d->n;

	memcpy(out, d->line, n);
	out[n] = '\0';
	wipe(d, sizeof *d);
	return n;
}

void chat_edit_put(struct chat_edit *d, const char *line)
{
	d->at = d->n = strlen(line);
	memcpy(d->line, line, d->n);
}

/* --- keys --- */

/* A key that sends ESC [ NUMBER ~. */
static void numbered_key(struct chat_edit *d)
{
	switch (d->number) {
	case 1:
	case 7:
		d->at = 0;
		break;
	case 3:
		erase(d, d->at, place_behind(d, d->at));
		break;
	case 4:
	case 8:
		d->at = d->n;
		break;
	default:
		break;
	}
}

/* The last byte of an escape sequence. */
static enum chat_edit_event key(struct chat_edit *d, uint8_t byte)
{
	switch (byte) {
	case 'C':
		d->at = place_behind(d, d->at);
		break;
	case 'D':
		d->at = place_before(d, d->at);
		break;
	case 'F':
		d->at = d->n;
		break;
	case 'H':
		d->at = 0;
		break;
	case 'R':
		return CHAT_EDIT_ANSWERED;
	case '~':
		numbered_key(d);
		break;
	default:
		break;
	}
	return CHAT_EDIT_NOTHING;
}

static enum chat_edit_event in_escape(struct chat_edit *d, uint8_t byte)
{
	bool first = d->escape == SEQUENCE && d->number == 0;

	if (d->escape == CONSOLE) {
		d->escape = NO_ESCAPE;
	} else if (byte >= '0' && byte <= '9') {
		d->number = d->number < NUMBER_MAX ? 10 * d->number + byte - '0' : NUMBER_MAX;
	} else if (byte == ';') {
		d->number = 0;
	} else if (byte == '[' && first) {
		d->escape = CONSOLE;
	} else if (byte >= 0x40 && byte < DEL) {
		d->escape = NO_ESCAPE;
		return key(d, byte);
	}
	return CHAT_EDIT_NOTHING;
}

static enum chat_edit_event control(struct chat_edit *d, uint8_t byte)
{
	switch (byte) {
	case '\n':
	case '\r':
		return d->too_long ? CHAT_EDIT_TOO_LONG : CHAT_EDIT_ENTERED;
	case CTRL_A:
		d->at = 0;
		break;
	case CTRL_D:
		if (d->n == 0) {
			return CHAT_EDIT_ENDED;
		}
		erase(d, d->at, place_behind(d, d->at));
		break;
	case CTRL_E:
		d->at = d->n;
		break;
	case CTRL_H:
	case DEL:
		erase(d, character_before(d, d->at), d->at);
		break;
	case CTRL_K:
		erase(d, d->at, d->n);
		break;
	case CTRL_U:
		erase(d, 0, d->at);
		break;
	case CTRL_W:
		erase(d, word_before(d, d->at), d->at);
		break;
	case '\t':
		add_byte(d, ' ');
		break;
	default:
		break;
	}
	return CHAT_EDIT_NOTHING;
}

enum chat_edit_event chat_edit_byte(struct chat_edit *d, uint8_t byte)
{
	if (byte < 0x80) {
		d->part_n = 0; /* one that was not typed to its end */
	}
	if (byte == ESC) {
		d->escape = ESCAPE;
		return CHAT_EDIT_NOTHING;
	}
	if (d->escape == ESCAPE) { /* ESC by itself, and then a key: that one counts */
		d->escape = byte == '[' ? SEQUENCE : byte == 'O' ? SINGLE : NO_ESCAPE;
		d->number = 0;
		if (d->escape != NO_ESCAPE) {
			return CHAT_EDIT_NOTHING;
		}
	}
	if (d->escape != NO_ESCAPE) {
		return in_escape(d, byte);
	}
	if (byte < ' ' || byte == DEL) {
		return control(d, byte);
	}
	add_byte(d, byte);
	return CHAT_EDIT_NOTHING;
}

/* --- what is shown --- */

/* Where the part begins that ends here, and is no wider than this. */
static size_t fits_before(const struct chat_edit *d, size_t at, size_t columns)
{
	while (at > 0) {
		size_t start = place_before(d, at), width = chat_edit_width(d, start, at - start);
		if (width > columns) {
			break;
		}
		columns -= width;
		at = start;
	}
	return at;
}

size_t chat_edit_show(struct chat_edit *d, size_t columns)
{
	size_t last = fits_before(d, d->n, columns);
	size_t least = fits_before(d, place_behind(d, d->at), columns);
	size_t to, next;

	if (d->at < d->from) { /* and some of what is ahead of the cursor */
		d->from = fits_before(d, d->at, columns / 2);
	}
	d->from = d->from < least ? least : d->from;
	d->from = d->from > last ? last : d->from;
	d->from = d->from > d->at ? d->at : d->from; /* not even one character fits */
	for (to = d->from; to < d->n; to = next) {
		size_t width = width_at(d, to, &next);
		if (width > columns) {
			break;
		}
		columns -= width;
	}
	return to;
}
