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
enum { COLUMNS = 80 /* of a terminal that does not say */ };

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

/* Many terminals wrap the line anew when they become narrower, and take the cursor along; some cut
 * it off. Where the cursor stands now tells which: drawn over without looking, a piece of it would
 * stay for good. A terminal that does not answer has it drawn with the next key. */
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

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
									       : COLUMNS;
}

void chat_tty_draw(struct chat_tty *t)
{
	struct chat_edit *d = &t->edit;
	size_t all = columns(), prompt = strlen(PROMPT);
	size_t to = chat_edit_show(d, all > prompt + 1 ? all - prompt - 1 : 0);
	size_t back = chat_edit_width(d, d->at, to - d->at);
	char left[24];

	put("\r\033[K" PROMPT, 4 + (all > prompt ? prompt : 0));
	put(d->line + d->from, to - d->from);
	put(left, back == 0 ? 0 : (size_t)snprintf(left, sizeof left, "\033[%zuD", back));
	t->to = to;
	t->moved = false;
}

void chat_tty_clear(struct chat_tty *t)
{
	put("\r\033[K", 4);
	t->moved = false;
}

/* How many rows above the cursor the line begins, where the terminal has wrapped what was drawn
 * anew, and says that the cursor is in this column, counted from 1. 0: it has not. */
static unsigned rows_above(const struct chat_tty *t, size_t column)
{
	const struct chat_edit *d = &t->edit;
	size_t all = columns(), at = strlen(PROMPT), width = 0;
	unsigned rows = 0;
	uint32_t c;

	for (size_t i = d->from; i < t->to && i <= d->at;) {
		bool behind = i == d->at; /* what is behind the cursor takes it along */
		i += (size_t)utf8_next((const uint8_t *)d->line + i, d->n - i, &c);
		width = chat_edit_width_of(c);
		rows += at + width > all ? 1 : 0;
		at = at + width > all ? 0 : at;
		at += behind ? 0 : width;
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
	return chat_edit_take(&t->edit, out);
}

/* Is there more, that was not looked at yet? It is another line, and is not run into this one. */
static bool is_typed_ahead(const struct chat_tty *t)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	return chat_tty_has_bytes(t) || poll(&p, 1, 0) > 0;
}

void chat_tty_put_back(struct chat_tty *t, const char *line)
{
	chat_edit_put(&t->edit, line);
	if (t->edit.n < CHAT_EDIT_LINE && is_typed_ahead(t)) {
		(void)chat_edit_byte(&t->edit, ' ');
	}
	chat_tty_draw(t);
}

static enum chat_tty_event type(struct chat_tty *t, uint8_t byte)
{
	switch (chat_edit_byte(&t->edit, byte)) {
	case CHAT_EDIT_ENTERED:
		return CHAT_TTY_ENTERED;
	case CHAT_EDIT_TOO_LONG:
		return CHAT_TTY_TOO_LONG;
	case CHAT_EDIT_ENDED:
		return CHAT_TTY_ENDED;
	case CHAT_EDIT_ANSWERED:
		draw_moved(t, t->edit.number);
		break;
	case CHAT_EDIT_NOTHING:
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
	const size_t had = t->edit.n, was = t->edit.at;
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
	if (!t->moved || t->edit.n != had || t->edit.at != was) {
		chat_tty_draw(t);
	}
	return event;
}
