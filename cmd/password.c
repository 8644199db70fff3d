/* Passwords from a file or a terminal; see account.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>

#include "account.h"

static volatile sig_atomic_t interrupted; /* the signal's number */
static int interrupt_pipe[2] = {-1, -1};  /* readable once it came, so that none slips by */

/* Wait until fd can be read. 1: a signal came first. */
static int wait_for_input(int fd)
{
	struct pollfd p[2] = {
		{.fd = fd, .events = POLLIN}, {.fd = interrupt_pipe[0], .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR) {
	}
	return p[1].revents != 0 ? 1 : 0;
}

/* Read up to a line end or the end. Byte by byte: what follows on stdin is not ours. 1: a signal
 * came. */
static int read_line(int fd, uint8_t *out, size_t *n, struct err *e)
{
	uint8_t byte;
	ssize_t k;

	for (*n = 0;;) {
		if (wait_for_input(fd) != 0) {
			return 1;
		}
		k = read(fd, &byte, 1);
		if (k < 0 && errno == EINTR) {
			continue;
		}
		if (k < 0) {
			return err_sys(e, EX_NOINPUT, "cannot read the password");
		}
		if (k == 0 || byte == '\n') {
			break;
		}
		if (*n == PASSWORD_MAX) {
			return err_set(
				e, EX_DATAERR, "the password has more than %d bytes", PASSWORD_MAX);
		}
		out[(*n)++] = byte;
	}
	if (*n > 0 && out[*n - 1] == '\r') {
		(*n)--;
	}
	if (k == 0 && *n == 0) {
		return err_set(e, EX_NOINPUT, "no password came: the input ended");
	}
	return 0;
}

int account_password_fd(int fd, const char *what, uint8_t *password, size_t *n, struct err *e)
{
	if (read_line(fd, password, n, e) != 0) {
		return -1;
	}
	return *n > 0 ? 0 : err_set(e, EX_DATAERR, "the first line of %s is empty", what);
}

int account_password_file(const char *file, uint8_t *password, size_t *n, struct err *e)
{
	bool is_stdin = strcmp(file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;
	char what[256];

	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open the password file %s", file);
	}
	(void)snprintf(what, sizeof what, "the password file %.200s", file);
	rc = account_password_fd(fd, what, password, n, e);
	if (!is_stdin) {
		(void)close(fd);
	}
	return rc;
}

static void on_interrupt(int number)
{
	int saved = errno;

	interrupted = number;
	(void)!write(interrupt_pipe[1], "", 1);
	errno = saved;
}

/* What can end the program while the echo is off. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_N = sizeof ending / sizeof ending[0] };

/* Where a person sees a prompt: not in a file that holds the result. */
static FILE *prompts(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) != 1 ? stderr : stdout;
}

/* Ask and read a line with the echo off: off before the prompt, or a fast paste is shown, and lost.
 * Whatever ends it, the terminal is as before. */
static int read_hidden(const char *prompt, uint8_t *password, size_t *n, struct err *e)
{
	struct sigaction catch = {.sa_handler = on_interrupt}, before[ENDING_N];
	struct termios shown, hidden;
	bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
	int rc;

	interrupted = 0;
	if (pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		return err_sys(e, EX_OSERR, "cannot open a pipe");
	}
	for (size_t i = 0; i < ENDING_N; i++) {
		(void)sigaction(ending[i], &catch, &before[i]);
	}
	if (terminal) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	}
	(void)fputs(prompt, prompts());
	(void)fflush(prompts());
	rc = read_line(STDIN_FILENO, password, n, e);
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		(void)fputs("\n", prompts());
	}
	for (size_t i = 0; i < ENDING_N; i++) {
		(void)sigaction(ending[i], &before[i], NULL);
	}
	for (int i = 0; i < 2; i++) {
		(void)close(interrupt_pipe[i]);
		interrupt_pipe[i] = -1;
	}
	return interrupted != 0 ? 1 : rc;
}

int account_password_ask(const char *prompt, uint8_t *password, size_t *n, struct err *e)
{
	int rc = read_hidden(prompt, password, n, e);

	if (rc == 1) {
		wipe(password, *n);
		if (interrupted != SIGINT) {
			(void)raise(interrupted); /* as if it had not been caught */
		}
		return err_set(e, 128 + SIGINT, "interrupted");
	}
	return rc;
}
