/* One file in, another one out; see filter.h. */
#include "filter.h"

#include <fcntl.h>

enum { PIECE = AGE_BATCH * AGE_CHUNK };

/* --- a signal on the way --- */

/* The part that is dropped by who interrupts us: what is in it may be secret. */
static struct {
	int dir;
	const char *name;
} part;

static void on_signal(int number)
{
	(void)unlinkat(part.dir, part.name, 0);
	cli_die(number);
}

static void watch_signals(const struct filter *f)
{
	part.dir = f->to.dir;
	part.name = f->to.part;
	cli_catch(on_signal);
}

/* --- opening --- */

static bool is_pipe(const char *path)
{
	return path == NULL || strcmp(path, "-") == 0;
}

const char *filter_input(const struct filter *f)
{
	return is_pipe(f->input) ? "the input" : f->input;
}

static int open_input(struct filter *f, struct err *e)
{
	int fd, rc;

	if (is_pipe(f->input)) {
		return source_over(&f->from, STDIN_FILENO, e);
	}
	fd = open(f->input, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open %s", f->input);
	}
	rc = source_over(&f->from, fd, e);
	if (rc != 0) {
		(void)close(fd);
	}
	f->from.owned = rc == 0;
	return rc;
}

static int open_output(struct filter *f, struct err *e)
{
	struct stat st;

	if (is_pipe(f->output)) {
		f->shown = f->output == NULL && cli_is_terminal();
		landing_stream(&f->to, STDOUT_FILENO);
		return 0;
	}
	if (stat(f->output, &st) == 0 && st.st_dev == f->from.st.st_dev &&
		st.st_ino == f->from.st.st_ino) {
		return err_set(e, EX_USAGE, "the input and the output are one file");
	}
	if (landing_open_path(&f->to, f->output, f->force ? FILE_REPLACE : FILE_NEW, false, e) !=
		0) {
		return -1;
	}
	watch_signals(f);
	return 0;
}

static int write_out(void *arg, const void *p, size_t n, struct err *e)
{
	struct filter *f = arg;

	return landing_write(&f->to, p, n, e);
}

int filter_open(struct filter *f, struct err *e)
{
	if (open_input(f, e) != 0) {
		return -1;
	}
	if (open_output(f, e) != 0) {
		source_close(&f->from);
		return -1;
	}
	age_batch_begin(&f->batch);
	behind_begin(&f->behind, write_out, f);
	return 0;
}

/* --- bytes --- */

static int take(void *arg, const void *p, size_t n, struct err *e)
{
	struct filter *f = arg;

	if (f->shown) {
		cli_print_piece(&f->pieces, p, n);
		return 0;
	}
	return behind_put(&f->behind, p, n, e);
}

struct age_sink filter_out(struct filter *f)
{
	return (struct age_sink){take, f};
}

/* What a file does not store is zeros. */
static int put_zeros(
	uint8_t piece[static PIECE], uint64_t n, const struct age_sink *to, struct err *e)
{
	memset(piece, 0, PIECE);
	while (n > 0) {
		size_t k = n < PIECE ? (size_t)n : PIECE;
		if (age_sink_put(to, piece, k, e) != 0) {
			return -1;
		}
		n -= k;
	}
	return 0;
}

int filter_run(struct filter *f, const struct age_sink *to, struct err *e)
{
	static uint8_t piece[PIECE];
	uint64_t hole;
	size_t n;
	int rc;

	do {
		rc = source_read(&f->from, piece, sizeof piece, &n, &hole, e);
		rc = rc == 0 ? age_sink_put(to, piece, n, e) : rc;
		rc = rc == 0 && hole > 0 ? put_zeros(piece, hole, to, e) : rc;
	} while (rc == 0 && (n > 0 || hole > 0));
	wipe(piece, sizeof piece);
	return rc == 0 ? source_unchanged(&f->from, e) : rc;
}

int filter_close(struct filter *f, bool whole, struct err *e)
{
	int rc = behind_end(&f->behind, whole ? e : NULL);

	cli_print_end(&f->pieces);
	age_batch_end(&f->batch);
	rc = !whole ? 0 : rc == 0 ? landing_finish(&f->to, e) : rc;
	(void)landing_end(&f->to, false);
	source_close(&f->from);
	return rc;
}
