/* A line that is typed: bytes of a keyboard go in, the line and the place of the cursor in it come
 * out. Nothing is read or drawn here. What is taken away is wiped. */
#ifndef CMD_CHAT_EDIT_H
#define CMD_CHAT_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAT_EDIT_LINE = 8192 /* bytes that can be typed */ };

enum chat_edit_event {
	CHAT_EDIT_NOTHING,  /* it was seen to */
	CHAT_EDIT_ENTERED,  /* the line is whole: chat_edit_take */
	CHAT_EDIT_TOO_LONG, /* it has more bytes than can be: its beginning, for chat_edit_take */
	CHAT_EDIT_ENDED,    /* Ctrl-D on an empty line */
	CHAT_EDIT_ANSWERED  /* the terminal's, where its cursor is: in column number */
};

struct chat_edit {
	char line[CHAT_EDIT_LINE + 1]; /* UTF-8 */
	size_t n;
	size_t at;   /* of the cursor: never inside a character, or ahead of what has no width */
	size_t from; /* where what is shown begins */
	uint8_t part[4]; /* of a character that is being typed */
	size_t part_n;
	bool too_long;   /* more was typed than the line holds */
	unsigned escape; /* inside an escape sequence */
	unsigned number; /* that stands last in it */
};

enum chat_edit_event chat_edit_byte(struct chat_edit *d, uint8_t byte);
/* The line, which is empty from then on: out holds CHAT_EDIT_LINE + 1. Its length. */
size_t chat_edit_take(struct chat_edit *d, char *out);
/* This line, with the cursor at its end. */
void chat_edit_put(struct chat_edit *d, const char *line);

/* Columns of n bytes of the line from a place on, as terminals draw them; and of a character. */
size_t chat_edit_width(const struct chat_edit *d, size_t at, size_t n);
size_t chat_edit_width_of(uint32_t c);
/* What is to be shown where there are so many columns: from d->from to this place. The cursor is
 * among it; what was shown before moves no more than it must. */
size_t chat_edit_show(struct chat_edit *d, size_t columns);

#endif
