/* Messages of 1 KB, each acknowledged before the next, over one session per client; against the raw
 * loop of the same durable steps by as many processes in the same file system. Every window of ours
 * stands beside a window of the raw loop, because a disk changes its mind by the second.
 *     3-messages FOLDER      FOLDER: for the raw loop */
#include <sys/stat.h>

#include "bench.h"

enum { ROUNDS = 7, CLIENTS = 8, MESSAGE = 1024 };

static const double window_s = 0.5;
static uint8_t content[MESSAGE];

struct setup {
	const char *what, *against_one;
	unsigned workers;
	bool same; /* one mailbox for all */
};

struct worker {
	unsigned mailbox; /* from 1 */
	int ready, go;    /* a byte when it can begin; end of file when it may */
	const char *raw_folder;
};

/* --- in the worker --- */

static void await_go(const struct worker *w)
{
	uint8_t byte = 0;

	/* closed at once, so that a worker that dies is missed and not waited for */
	if (write(w->ready, &byte, 1) != 1 || close(w->ready) != 0 || read(w->go, &byte, 1) != 0) {
		die("cannot meet the other clients: %s", strerror(errno));
	}
}

static double send_messages(const struct worker *w)
{
	static struct classic_client c;
	char to[16], title[64];
	unsigned long n = 0;
	double start, spent;

	bench_login(&c, 1);
	(void)snprintf(to, sizeof to, "box%u", w->mailbox);
	await_go(w);
	start = now();
	do {
		(void)snprintf(title, sizeof title, "message %ld.%lu", (long)getpid(), n++);
		bench_send(&c, to, title, content, MESSAGE, MESSAGE);
		spent = now() - start;
	} while (spent < window_s);
	classic_client_quit(&c);
	return (double)n / spent;
}

static double write_files(const struct worker *w)
{
	struct raw_file f;
	unsigned long n = 0;
	double start, spent;
	char path[512];
	int spool = open(w->raw_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir;

	(void)snprintf(path, sizeof path, "%s/%u", w->raw_folder, w->mailbox);
	if (spool < 0 || (mkdir(path, 0700) != 0 && errno != EEXIST) ||
		(dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		die("cannot open %s: %s", path, strerror(errno));
	}
	await_go(w);
	start = now();
	do {
		raw_begin(&f, spool, dir, n++);
		if (write(f.fd, content, MESSAGE) != MESSAGE) {
			die("cannot write: %s", strerror(errno));
		}
		raw_end(&f);
		spent = now() - start;
	} while (spent < window_s);
	return (double)n / spent;
}

/* --- in the parent --- */

static void open_pipe(int p[2])
{
	if (pipe(p) != 0) {
		die("cannot open a pipe: %s", strerror(errno));
	}
}

/* One window: the sum of what the workers did per second. */
static double window(
	const struct setup *s, double (*work)(const struct worker *w), const char *folder)
{
	int ready[2], go[2], results[2];
	double sum = 0, rate;
	uint8_t byte;

	open_pipe(ready);
	open_pipe(go);
	open_pipe(results);
	for (unsigned i = 1; i <= s->workers; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct worker w = {s->same ? 1 : i, ready[1], go[0], folder};
			(void)close(go[1]);
			rate = work(&w);
			_exit(write(results[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
		}
		if (pid < 0) {
			die("cannot fork: %s", strerror(errno));
		}
	}
	(void)close(ready[1]);
	(void)close(results[1]); /* so that a worker's death is an end of file */
	for (unsigned i = 0; i < s->workers; i++) {
		if (read(ready[0], &byte, 1) != 1) {
			die("a client could not begin");
		}
	}
	(void)close(go[1]);
	for (unsigned i = 0; i < s->workers; i++) {
		if (read(results[0], &rate, sizeof rate) != sizeof rate) {
			die("a client did not finish");
		}
		sum += rate;
	}
	while (wait(NULL) > 0) {
	}
	(void)close(ready[0]);
	(void)close(go[0]);
	(void)close(results[0]);
	return sum;
}

int main(int argc, char **argv)
{
	static const struct setup setups[] = {
		{"1 client", "", 1, false},
		{"8 clients, a mailbox each", "  the same, against our 1 client", CLIENTS, false},
		{"8 clients, one mailbox", "  the same, against our 1 client", CLIENTS, true},
	};
	enum { SETUPS = sizeof setups / sizeof setups[0] };
	static struct rounds ours[SETUPS], raw[SETUPS];

	if (argc != 2) {
		die("usage: 3-messages FOLDER");
	}
	memset(content, 'x', sizeof content);
	for (int i = 0; i < ROUNDS; i++) {
		for (size_t k = 0; k < SETUPS; k++) {
			rounds_add(&ours[k], window(&setups[k], send_messages, NULL));
			rounds_add(&raw[k], window(&setups[k], write_files, argv[1]));
		}
	}
	section("Messages of 1 KB, one session per client. Yardstick: as many processes doing\n"
		"write + fdatasync + link + fsync(folder)");
	for (size_t k = 0; k < SETUPS; k++) {
		print_row(&(struct row){setups[k].what, "/s", median(&ours[k]), median(&raw[k]),
			k == 0 ? RATIO_AT_LEAST : GOAL_NONE, 0.8});
		if (k > 0) {
			print_row(&(struct row){setups[k].against_one, "/s", median(&ours[k]),
				median(&ours[0]), RATIO_ABOVE, 1});
		}
	}
	return 0;
}
