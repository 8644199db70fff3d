/* What the benchmarks share: time, rows of the table, logging in, and the raw durable write that
 * the store is measured against. Each program prints its section of the table on stdout; a goal
 * that is missed is a word in a row, never a failure. They run in the folder that run.sh made:
 * keys, accounts and mailboxes of a `serve` at $SMTP361_SERVER. */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "../../keys/keyfile.h"
#include "../../proto/classic_client.h"

enum { ROUNDS_MAX = 256, RAW_NAME_MAX = 64 };

/* Something broke, which is no matter of figures. */
static inline _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline _Noreturn void die(const char *format, ...)
{
	va_list ap;

	(void)fputs("bench: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputs("\n", stderr);
	exit(EX_SOFTWARE);
}

static inline double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The mean of one run of so many. */
static inline double milliseconds(void (*run)(const void *arg), const void *arg, int times)
{
	double start = now();

	for (int i = 0; i < times; i++) {
		run(arg);
	}
	return (now() - start) * 1e3 / times;
}

/* --- figures --- */

/* What was measured in each round. The median is what counts: a neighbour's noise is in few rounds.
 */
struct rounds {
	double v[ROUNDS_MAX];
	size_t n;
};

static inline void rounds_add(struct rounds *r, double v)
{
	if (r->n < ROUNDS_MAX) {
		r->v[r->n++] = v;
	}
}

static inline int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static inline double median(const struct rounds *r)
{
	struct rounds s = *r;

	if (s.n == 0) {
		return NAN;
	}
	qsort(s.v, s.n, sizeof s.v[0], by_value);
	return (s.v[(s.n - 1) / 2] + s.v[s.n / 2]) / 2;
}

enum goal { GOAL_NONE, RATIO_AT_LEAST, RATIO_AT_MOST, RATIO_ABOVE, AT_LEAST, AT_MOST };

struct row {
	const char *what, *unit;
	double ours, yard; /* yard NAN: there is none */
	enum goal kind;
	double goal;
};

static inline void print_figure(double v, const char *unit)
{
	char text[32] = "-";

	if (!isnan(v)) {
		(void)snprintf(text, sizeof text, "%.*f %s", v < 1 ? 3 : v < 100 ? 2 : 0, v, unit);
	}
	(void)printf(" %12s", text);
}

static inline void section(const char *title)
{
	(void)printf("\n%s\n", title);
	(void)fflush(stdout); /* a fork must not take it along */
}

static inline bool is_met(const struct row *r, double got)
{
	switch (r->kind) {
	case RATIO_ABOVE:
		return got > r->goal;
	case RATIO_AT_LEAST:
	case AT_LEAST:
		return got >= r->goal;
	default:
		return got <= r->goal;
	}
}

static inline void print_row(const struct row *r)
{
	static const char *const signs[] = {"", ">= ", "<= ", "> ", ">= ", "<= "};
	bool of_ratio = r->kind <= RATIO_ABOVE;
	double ratio = r->ours / r->yard, got = of_ratio ? ratio : r->ours;
	char goal[40] = "-";
	const char *verdict = "-";

	if (r->kind != GOAL_NONE) {
		(void)snprintf(goal, sizeof goal, "%s%g%s%s", signs[r->kind], r->goal,
			of_ratio ? "" : " ", of_ratio ? "x" : r->unit);
		verdict = isnan(got) ? "not measured" : is_met(r, got) ? "met" : "missed";
	}
	(void)printf("  %-42s", r->what);
	print_figure(r->ours, r->unit);
	print_figure(r->yard, r->unit);
	print_figure(ratio, "x");
	(void)printf(" %13s  %s\n", goal, verdict);
	(void)fflush(stdout);
}

/* --- the server under test --- */

/* Log in as clientN, whose password is passwordN. The keys stay loaded: checking them takes as long
 * as using them does. */
static inline void bench_login(struct classic_client *c, unsigned user)
{
	static struct rsa_private own;
	static struct rsa_public server;
	static unsigned loaded;
	char host[CONN_HOST_MAX], port[8], name[16], password[24];
	struct classic_login l = {.host = host,
		.port = port,
		.user = name,
		.password = password,
		.server_key = &server,
		.user_key = &own};
	const char *address = getenv("SMTP361_SERVER");
	struct err e;

	(void)snprintf(name, sizeof name, "client%u", user);
	l.password_n = (size_t)snprintf(password, sizeof password, "password%u", user);
	if (loaded != user && (keyfile_load_private(AT_FDCWD, name, &own, &e) != 0 ||
				      keyfile_load_public(AT_FDCWD, "server", &server, &e) != 0)) {
		die("no keys for %s: %s", name, e.text);
	}
	loaded = user;
	if (conn_split(address == NULL ? "" : address, host, port, &e) != 0 ||
		classic_client_login(c, &l, &e) != 0) {
		die("cannot log in as %s: %s", name, e.text);
	}
}

/* --- the yardstick: one message on disk as plainly as can be --- */

struct raw_file {
	int dir, fd;
	bool unnamed;
	char name[RAW_NAME_MAX];
};

/* The inode is made in `spool`, and will be linked into `dir`, as the store does it: where a file
 * system looks for a free one depends on the folder. */
static inline void raw_begin(struct raw_file *f, int spool, int dir, unsigned long number)
{
	f->dir = dir;
	(void)snprintf(f->name, sizeof f->name, "raw.%ld.%lu", (long)getpid(), number);
	f->fd = openat(spool, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	f->unnamed = f->fd >= 0;
	if (f->fd < 0) { /* none here: then with its name from the start */
		f->fd = openat(dir, f->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	}
	if (f->fd < 0) {
		die("cannot create %s: %s", f->name, strerror(errno));
	}
}

/* fdatasync, link, fsync of the folder */
static inline void raw_end(struct raw_file *f)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", f->fd);
	if (fdatasync(f->fd) != 0 ||
		(f->unnamed && linkat(AT_FDCWD, path, f->dir, f->name, AT_SYMLINK_FOLLOW) != 0) ||
		fsync(f->dir) != 0 || close(f->fd) != 0) {
		die("cannot store %s: %s", f->name, strerror(errno));
	}
}

/* One message of client1's, acknowledged. */
static inline void bench_send(struct classic_client *c, const char *to, const char *title,
	const void *content, size_t n, uint64_t chars)
{
	struct mail_memory memory = {.p = content, .n = n};
	const struct mail_letter l = {.to = to,
		.title = title,
		.bytes = n,
		.chars = chars,
		.source = mail_from_memory,
		.arg = &memory};
	struct err e;

	if (classic_client_post(c, "client1", &l, &e) != 0 ||
		classic_client_acknowledge(c, &e) != 0) {
		die("cannot send: %s", e.text);
	}
}

#endif
