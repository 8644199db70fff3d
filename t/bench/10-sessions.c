/* Many idle enhanced sessions: what each costs in memory (mean PSS of the server's children, as in
 * 6-memory), and what a login takes meanwhile, against the login with no other session, measured on
 * the same server just before. Where this machine does not let so many be, it does what is possible
 * and says so. 10-sessions SERVER_PID NAME      NAME: of the binary, for the table */
#include <sys/resource.h>

#include "enhanced.h"
#include "process.h"

enum { MOST = 5000, LOGINS = 20, SPARE = 64 };

/* A descriptor for each session. How many there can be. */
static unsigned raise_limit(void)
{
	const struct rlimit wanted = {.rlim_cur = MOST + SPARE, .rlim_max = MOST + SPARE};
	struct rlimit l = {0};

	(void)getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur >= wanted.rlim_cur) {
		return MOST;
	}
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) {
		return MOST;
	}
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	return (unsigned)l.rlim_cur - SPARE;
}

/* Log in until there are so many. How many there are: fewer when the machine, or the server, lets
 * no more in. */
static unsigned open_sessions(struct mail_client **c, unsigned from, unsigned to)
{
	struct err e;

	for (unsigned n = from; n < to; n++) {
		if (try_enhanced_login(&c[n], &e) != 0) {
			(void)printf("  %u sessions, and no more: %.200s\n", n, e.text);
			return n;
		}
	}
	return to;
}

/* The median of so many, in milliseconds. */
static double login_ms(void)
{
	struct rounds r = {0};

	for (int i = 0; i < LOGINS; i++) {
		rounds_add(&r, milliseconds(enhanced_login_once, NULL, 1));
	}
	return median(&r);
}

static void report(const char *server, const char *name, unsigned n, double alone)
{
	double login = login_ms();
	char what[64];

	(void)snprintf(what, sizeof what, "%s, %u idle: memory of each", name, n);
	print_row(&(struct row){what, "KiB", mean_pss(server, n), NAN, GOAL_NONE, 0});
	(void)snprintf(what, sizeof what, "%s, %u idle: a login", name, n);
	print_row(&(struct row){what, "ms", login, alone, GOAL_NONE, 0});
}

int main(int argc, char **argv)
{
	static const unsigned counts[] = {1000, MOST};
	static struct mail_client *c[MOST];
	unsigned n = 0, most = raise_limit();
	double alone;

	if (argc != 3) {
		die("usage: 10-sessions SERVER_PID NAME");
	}
	(void)login_ms(); /* everything is in memory from here on */
	alone = login_ms();
	for (size_t i = 0; i < sizeof counts / sizeof counts[0] && (i == 0 || n == counts[i - 1]);
		i++) {
		unsigned wanted = counts[i] < most ? counts[i] : most;
		n = open_sessions(c, n, wanted);
		if (n == most && most < counts[i]) {
			(void)printf("  %u sessions, and no more: the limit of descriptors\n", n);
		}
		if (n > 0) {
			report(argv[1], argv[2], n, alone);
		}
	}
	while (n > 0) {
		n--;
		c[n]->ops->end(c[n]);
	}
	return 0;
}
