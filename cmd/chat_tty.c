/* A line that is typed while others appear; see chat_tty.h. */
#include "chat_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "../crypto/bytes.h"

#define PROMPT "> "
enum { COLUMNS = 80, CTRL_D = 4, CTRL_H = 8, CTRL_L = 12, CTRL_U = 21, CTRL_W = 23, DEL = 127 };
enum { ESC = 27, NUMBER_MAX = 100000 };

/* Signals have no argument: there is one terminal. */
static struct termios before;
static int signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t ending; /* a signal that ends came, and was not seen to yet */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
enum { CAUGHT_N = sizeof caught / sizeof caught[0] };
static struct sigaction actions_before[CAUGHT_N];

static bool ends(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

/* The second one that ends does not wait for a server that does not answer. */
static void on_signal(int number)
{
	uint8_t byte = (uint8_t)number;
	int saved = errno;

	if (ends(number) && ending != 0) {
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
		_exit(128 + number);
	}
	ending = ends(number) ? number : ending;
	(void)!write(signal_pipe[1], &byte, 1);
	errno = saved;
}

/* --- the terminal --- */

static void take_over(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void put(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(STDOUT_FILENO, p, n);
		if (k < 0 && errno != EINTR) {
			return; /* a terminal that is gone ends the reading from it, too */
		}
		p += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
	}
}

int chat_tty_open(struct chat_tty *t, struct err *e)
{
	struct sigaction catch = {.sa_handler = on_signal};
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	*t = (struct chat_tty){0};
	t->colour = (no_colour == NULL || no_colour[0] == '\0') && term != NULL &&
		    strcmp(term, "dumb") != 0;
	if (tcgetattr(STDIN_FILENO, &before) != 0) {
		return err_sys(e, EX_OSERR, "cannot read the terminal's state");
	}
	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		return err_sys(e, EX_OSERR, "cannot open a pipe");
	}
	ending = 0;
	for (size_t i = 0; i < CAUGHT_N; i++) {
		(void)sigaction(caught[i], &catch, &actions_before[i]);
	}
	take_over();
	chat_tty_draw(t);
	return 0;
}

void chat_tty_close(struct chat_tty *t)
{
	put("\r\033[K", 4);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	for (size_t i = 0; i < CAUGHT_N; i++) {
		(void)sigaction(caught[i], &actions_before[i], NULL);
	}
	for (int i = 0; i < 2; i++) {
		(void)close(signal_pipe[i]);
		signal_pipe[i] = -1;
	}
	wipe(t, sizeof *t);
}

int chat_tty_signals(void)
{
	return signal_pipe[0];
}

/* Stop as if nothing had been caught, and go on when we are continued. */
static void stop(struct chat_tty *t)
{
	struct sigaction usual = {.sa_handler = SIG_DFL}, ours;

	put("\r\033[K", 4);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	(void)sigaction(SIGTSTP, &usual, &ours);
	(void)raise(SIGTSTP);
	(void)sigaction(SIGTSTP, &ours, NULL);
	take_over();
	chat_tty_draw(t);
}

/* Many terminals wrap the line anew when they become narrower, and take the cursor along; some cut it
 * off. Where the cursor stands now tells which: drawn over without looking, a piece of it would stay
 * for good. A terminal that does not answer has it drawn with the next key. */
static void ask_where(struct chat_tty *t)
{
	put("\033[6n", 4);
	t->asked++;
	t->moved = true;
}

enum chat_tty_event chat_tty_signalled(struct chat_tty *t)
{
	uint8_t number;

	while (read(signal_pipe[0], &number, 1) == 1) {
		if (ends(number)) {
			return CHAT_TTY_INTERRUPTED;
		}
		if (number == SIGTSTP) {
			stop(t);
		} else if (number == SIGWINCH) {
			ask_where(t);
		} else {
			take_over(); /* a shell may have changed it since */
			chat_tty_draw(t);
		}
	}
	return CHAT_TTY_NOTHING;
}

/* --- drawing --- */

/* Columns of a character, as terminals draw it. */
static size_t width_of(uint32_t c)
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

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
									       : COLUMNS;
}

/* The start of the character that ends ahead of this place. */
static size_t step_back(const char *line, size_t at)
{
	do {
		at--;
	} while (at > 0 && ((uint8_t)line[at] & 0xc0) == 0x80);
	return at;
}

/* Where the part begins that there is room for: the end of a long line is what is shown. */
static size_t shown_from(const struct chat_tty *t, size_t room)
{
	size_t at = t->n, used = 0;
	uint32_t c;

	while (at > 0) {
		size_t start = step_back(t->line, at);
		(void)utf8_next((const uint8_t *)t->line + start, at - start, &c);
		used += width_of(c);
		if (used > room) {
			break;
		}
		at = start;
	}
	return at;
}

void chat_tty_draw(struct chat_tty *t)
{
	size_t all = columns(), prompt = strlen(PROMPT);
	size_t from = all > prompt + 1 ? shown_from(t, all - prompt - 1) : t->n;

	put("\r\033[K" PROMPT, 4 + (all > prompt ? prompt : 0));
	put(t->line + from, t->n - from);
	t->from = from;
	t->moved = false;
}

void chat_tty_clear(struct chat_tty *t)
{
	put("\r\033[K", 4);
	t->moved = false;
}

/* How many rows above the cursor the line begins, where the terminal has wrapped what was drawn anew,
 * and says that the cursor is in this column, counted from 1. 0: it has not. */
static unsigned rows_above(const struct chat_tty *t, size_t column)
{
	size_t all = columns(), at = strlen(PROMPT), width;
	unsigned rows = 0;
	uint32_t c;
	int k;

	for (size_t i = t->from; i < t->n; i += (size_t)k) {
		k = utf8_next((const uint8_t *)t->line + i, t->n - i, &c);
		width = width_of(c);
		rows += at + width > all ? 1 : 0;
		at = at + width > all ? width : at + width;
	}
	if (at == all) { /* behind the last column, or at the beginning of the next row */
		return column == 1 ? rows + 1 : column >= all ? rows : 0;
	}
	return column == at + 1 ? rows : 0;
}

/* The terminal has answered. */
static void draw_moved(struct chat_tty *t, size_t column)
{
	char up[24];
	unsigned rows;

	t->asked -= t->asked > 0 ? 1 : 0;
	if (t->asked > 0 || !t->moved) {
		return;
	}
	rows = rows_above(t, column);
	put(up, (size_t)snprintf(up, sizeof up, rows > 0 ? "\033[%uA\r\033[J" : "\r\033[J", rows));
	chat_tty_draw(t);
}

void chat_tty_print(struct chat_tty *t, enum chat_tty_look look, const void *p, size_t n)
{
	static const char *const looks[] = {[CHAT_TTY_PLAIN] = "",
		[CHAT_TTY_FAINT] = "\033[2m",
		[CHAT_TTY_WARNING] = "\033[1;31m"};
	const char *on = t->colour ? looks[look] : "";

	if (n == 0) {
		return;
	}
	chat_tty_clear(t);
	put(on, strlen(on));
	put(p, n - 1);
	put("\033[0m", on[0] == '\0' ? 0 : 4);
	put("\n", 1);
	chat_tty_draw(t);
}

/* --- typing --- */

size_t chat_tty_take(struct chat_tty *t, char *out)
{
	size_t n = t->n;

	memcpy(out, t->line, n);
	out[n] = '\0';
	wipe(t->line, n);
	t->n = 0;
	t->too_long = false;
	return n;
}

/* Is there more, that was not looked at yet? It is another line, and is not run into this one. */
static bool is_typed_ahead(const struct chat_tty *t)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	return chat_tty_has_bytes(t) || poll(&p, 1, 0) > 0;
}

void chat_tty_put_back(struct chat_tty *t, const char *line)
{
	t->n = strlen(line);
	memcpy(t->line, line, t->n);
	if (t->n < CHAT_TTY_LINE && is_typed_ahead(t)) {
		t->line[t->n++] = ' ';
	}
	chat_tty_draw(t);
}

static void erase_from(struct chat_tty *t, size_t at)
{
	wipe(t->line + at, t->n - at);
	t->n = at;
}

static void erase_word(struct chat_tty *t)
{
	size_t at = t->n;

	while (at > 0 && t->line[at - 1] == ' ') {
		at--;
	}
	while (at > 0 && t->line[at - 1] != ' ') {
		at--;
	}
	erase_from(t, at);
}

/* A byte of a character: whole ones alone are in the line. */
static void add_byte(struct chat_tty *t, uint8_t byte)
{
	uint32_t c;
	int k;

	t->part[t->part_n++] = byte;
	k = utf8_next(t->part, t->part_n, &c);
	if (k == 0) {
		return;
	}
	if (k > 0 && t->n + t->part_n <= CHAT_TTY_LINE) {
		memcpy(t->line + t->n, t->part, t->part_n);
		t->n += t->part_n;
	} else if (k > 0) {
		t->too_long = true;
	}
	t->part_n = 0;
}

/* Keys that send a sequence (arrows and the like) do nothing: ESC, "[" or "O", up to a letter. */
static bool in_escape(struct chat_tty *t, uint8_t byte)
{
	if (byte == ESC) {
		t->escape = 1;
		return true;
	}
	if (t->escape == 1) { /* ESC by itself, and then a key: that one counts */
		t->escape = byte == '[' || byte == 'O' ? 2 : 0;
		t->number = 0;
		return t->escape == 2;
	}
	if (t->escape == 2) {
		if (byte >= '0' && byte <= '9') {
			t->number =
				t->number < NUMBER_MAX ? 10 * t->number + byte - '0' : NUMBER_MAX;
		} else if (byte == ';') {
			t->number = 0;
		} else if (byte == 'R') {
			draw_moved(t, t->number);
		}
		t->escape = byte >= 0x40 && byte <= 0x7e ? 0 : 2;
		return true;
	}
	return false;
}

static enum chat_tty_event type(struct chat_tty *t, uint8_t byte)
{
	if (in_escape(t, byte)) {
		return CHAT_TTY_NOTHING;
	}
	switch (byte) {
	case '\n':
	case '\r':
		return t->too_long ? CHAT_TTY_TOO_LONG : CHAT_TTY_ENTERED;
	case CTRL_D:
		return t->n == 0 ? CHAT_TTY_ENDED : CHAT_TTY_NOTHING;
	case CTRL_H:
	case DEL:
		erase_from(t, t->n > 0 ? step_back(t->line, t->n) : 0);
		break;
	case CTRL_U:
		erase_from(t, 0);
		t->too_long = false;
		break;
	case CTRL_W:
		erase_word(t);
		break;
	case '\t':
		add_byte(t, ' ');
		break;
	case CTRL_L:
	default:
		if (byte >= ' ') {
			add_byte(t, byte);
		}
		break;
	}
	return CHAT_TTY_NOTHING;
}

bool chat_tty_has_bytes(const struct chat_tty *t)
{
	return t->at < t->typed_n;
}

enum chat_tty_event chat_tty_typed(struct chat_tty *t)
{
	enum chat_tty_event event = CHAT_TTY_NOTHING;
	size_t had = t->n;
	ssize_t n;

	if (t->at == t->typed_n) {
		n = read(STDIN_FILENO, t->typed, sizeof t->typed);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
			return CHAT_TTY_ENDED;
		}
		t->at = 0;
		t->typed_n = n > 0 ? (size_t)n : 0;
	}
	while (t->at < t->typed_n && event == CHAT_TTY_NOTHING) {
		event = type(t, t->typed[t->at++]);
	}
	wipe(t->typed, t->at);
	if (!t->moved || t->n != had) {
		chat_tty_draw(t);
	}
	return event;
}
