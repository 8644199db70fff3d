/* Reading standard input; see input.h. */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 65536 };

static struct {
	struct buf read;
	size_t at;     /* where the next line begins */
	size_t handed; /* bytes ahead of it: the line that was handed out last */
	bool ended;
} in;

/* More of it, behind what is in b. 0 or -1. */
static int read_more(struct buf *b, bool *ended, struct err *e)
{
	ssize_t k;

	if (buf_reserve(b, PIECE) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	do {
		k = read(STDIN_FILENO, b->p + b->n, PIECE);
	} while (k < 0 && errno == EINTR);
	if (k < 0) {
		return err_sys(e, EX_NOINPUT, "cannot read standard input");
	}
	b->n += (size_t)k;
	*ended = k == 0;
	return 0;
}

/* What was handed out is wiped where it stands: whoever asks for more is done with it. */
static void forget(void)
{
	if (in.handed > 0) {
		wipe(in.read.p + in.at - in.handed, in.handed);
		in.handed = 0;
	}
}

/* Room at the end, in place of what was handed out. */
static void close_up(void)
{
	size_t left = in.read.n - in.at;

	if (in.at > 0) {
		memmove(in.read.p, in.read.p + in.at, left);
		wipe(in.read.p + left, in.at);
		in.read.n = left;
		in.at = 0;
	}
}

static int too_long(size_t most, struct err *e)
{
	return err_set(e, EX_DATAERR, "a line has more than %zu bytes", most);
}

/* The next line, if it is here already. Of what came, `seen` bytes are known to have no LF. */
static bool take_line(struct message_part *line, size_t seen)
{
	const uint8_t *start = in.read.p + in.at;
	size_t n = in.read.n - in.at;
	const uint8_t *lf = n == seen ? NULL : memchr(start + seen, '\n', n - seen);

	if (lf == NULL && (n == 0 || !in.ended)) {
		return false;
	}
	*line = (struct message_part){.p = start, .n = lf == NULL ? n : (size_t)(lf - start)};
	in.handed = line->n + (lf == NULL ? 0 : 1);
	in.at += in.handed;
	return true;
}

int input_line(struct message_part *line, size_t most, input_idle *idle, void *arg, struct err *e)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	size_t seen = 0;

	forget();
	while (!take_line(line, seen)) {
		close_up();
		seen = in.read.n;
		if (in.ended) {
			return 0;
		}
		if (seen > most) {
			return too_long(most, e);
		}
		if ((idle != NULL && poll(&p, 1, 0) == 0 && idle(arg, e) != 0) ||
			read_more(&in.read, &in.ended, e) != 0) {
			return -1;
		}
	}
	return line->n > most ? too_long(most, e) : 1;
}

int input_rest(struct buf *out, size_t most, struct err *e)
{
	bool ended = in.ended;

	forget();
	close_up();
	if (buf_append(out, in.read.p, in.read.n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	in.handed = in.at = in.read.n;
	forget();
	while (!ended) {
		if (read_more(out, &ended, e) != 0) {
			return -1;
		}
		if (out->n > most) {
			return err_set(
				e, EX_DATAERR, "standard input has more than %zu bytes", most);
		}
	}
	in.ended = true;
	return 0;
}

void input_end(void)
{
	in.at = in.handed = 0;
	buf_free(&in.read);
}
