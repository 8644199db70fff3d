/* A terminal on which a line is typed while other lines appear above it. The line at the bottom is
 * ours: it is redrawn, and never wider than the terminal. */
#ifndef CMD_CHAT_TTY_H
#define CMD_CHAT_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../crypto/err.h"
#include "chat_edit.h"

enum chat_tty_event {
	CHAT_TTY_NOTHING,    /* it was seen to */
	CHAT_TTY_ENTERED,    /* the line is whole: chat_tty_take */
	CHAT_TTY_TOO_LONG,   /* it has more bytes than can be: its beginning, for chat_tty_take */
	CHAT_TTY_ENDED,      /* Ctrl-D on an empty line, or the terminal is gone */
	CHAT_TTY_INTERRUPTED /* Ctrl-C, or a signal that ends programs */
};

struct chat_tty {
	struct chat_edit edit;
	size_t to;           /* where what is drawn of it ends */
	unsigned asked;      /* answers of the terminal's that are still to come */
	bool moved;          /* by the terminal, since the line was drawn: the last answer tells */
	uint8_t typed[1024]; /* read, and not looked at yet */
	size_t at, typed_n;
	bool colour;
};

/* Take the terminal over; one at a time. 0, or -1. chat_tty_close gives it back as it was. */
int chat_tty_open(struct chat_tty *t, struct err *e);
void chat_tty_close(struct chat_tty *t);

/* What to poll for reading: the keyboard, and a pipe that signals write to. */
int chat_tty_signals(void);
/* Has more been typed than was looked at? */
bool chat_tty_has_bytes(const struct chat_tty *t);
enum chat_tty_event chat_tty_typed(struct chat_tty *t);
enum chat_tty_event chat_tty_signalled(struct chat_tty *t);
/* The line, which is empty from then on: out holds CHAT_EDIT_LINE + 1. Its length. */
size_t chat_tty_take(struct chat_tty *t, char *out);
/* What was taken last, to be typed on: nothing that was typed since was looked at yet, and it comes
 * behind it. */
void chat_tty_put_back(struct chat_tty *t, const char *line);

/* Print above the line: n bytes that are escaped already, and end in LF. */
enum chat_tty_look { CHAT_TTY_PLAIN, CHAT_TTY_FAINT, CHAT_TTY_WARNING };
void chat_tty_print(struct chat_tty *t, enum chat_tty_look look, const void *p, size_t n);
void chat_tty_draw(struct chat_tty *t);
/* Take the line off the screen, where others are about to print; it is drawn again afterwards. */
void chat_tty_clear(struct chat_tty *t);

#endif
