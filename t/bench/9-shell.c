/* `send` as a script calls it: one message of 1 KB from a file, everything else from config.json,
 * from the start of the process to its exit 0. The yardstick is what it cannot do without: starting
 * the same binary, four X25519 multiplications on each side, the server's fork, and the durable
 * steps. Where a Postfix runs beside it, the same message goes to it by msmtp, too, in blocks that
 * take turns.
 *     9-shell STATIC DYNAMIC FOLDER [MSMTPRC]
 * The message is in the file `letter`; FOLDER: for the yardstick's files */
#include "enhanced.h"
#include "process.h"

enum { BLOCKS = 4, RUNS = 26, BOTH_SIDES = 8, MESSAGE = 1024, SETTLE_US = 50000 };

struct results {
	struct rounds shared, fixed, version, dh, forked, raw, msmtp;
};

/* Start a program with the letter as its input, and wait for its exit 0. */
static double run(char *const argv[])
{
	double start = now();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int in = open("letter", O_RDONLY), null = open("/dev/null", O_WRONLY);
		(void)dup2(in, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("%s %s failed", argv[0], argv[1]);
	}
	return (now() - start) * 1e3;
}

static double run_send(char *program, int number)
{
	char title[32];
	char *const argv[] = {
		program, "send", "--enhanced", "--to", "box1", "--title", title, "letter", NULL};

	(void)snprintf(title, sizeof title, "%s %d", strrchr(program, '/') + 1, number);
	return run(argv);
}

static double write_one(const char *folder, unsigned long number)
{
	static const uint8_t content[MESSAGE];
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double start = now();
	struct raw_file f;

	if (dir < 0) {
		die("cannot open %s: %s", folder, strerror(errno));
	}
	raw_begin(&f, dir, dir, number);
	if (write(f.fd, content, MESSAGE) != MESSAGE) {
		die("cannot write: %s", strerror(errno));
	}
	raw_end(&f);
	start = (now() - start) * 1e3;
	(void)close(dir);
	return start;
}

static void ours(struct results *r, char **argv, int number)
{
	char *const version[] = {argv[1], "--version", NULL};

	rounds_add(&r->fixed, run_send(argv[1], number));
	rounds_add(&r->shared, run_send(argv[2], number));
	rounds_add(&r->version, run(version));
	rounds_add(&r->dh, BOTH_SIDES * milliseconds(x25519_operation, NULL, BOTH_SIDES));
	rounds_add(&r->forked, milliseconds(fork_exit, NULL, 1));
	rounds_add(&r->raw, write_one(argv[3], (unsigned long)number));
}

static void theirs(struct results *r, char *rc)
{
	char *const argv[] = {"msmtp", "-C", rc, "box1@example.org", NULL};

	rounds_add(&r->msmtp, run(argv));
}

static double least(const struct rounds *r)
{
	double v = NAN;

	for (size_t i = 0; i < r->n; i++) {
		v = i == 0 || r->v[i] < v ? r->v[i] : v;
	}
	return v;
}

static void report(const struct results *r)
{
	double bare = median(&r->version) + median(&r->dh) + median(&r->forked) + median(&r->raw);

	section("`send` from the shell, 1 KB, from its start to its exit. Yardstick: start and\n"
		"exit of the binary + 8 X25519 + fork + write + fdatasync + link + fsync(folder)");
	print_row(&(struct row){
		"smtp361.static send --enhanced", "ms", median(&r->fixed), bare, AT_MOST, 5});
	print_row(&(struct row){
		"smtp361 send --enhanced", "ms", median(&r->shared), bare, GOAL_NONE, 0});
	if (r->msmtp.n > 0) {
		print_row(&(struct row){"static, against msmtp to Postfix, TLS + AUTH", "ms",
			median(&r->fixed), median(&r->msmtp), RATIO_AT_MOST, 0.333});
		print_row(&(struct row){"  the same, against its fastest run", "ms",
			median(&r->fixed), least(&r->msmtp), GOAL_NONE, 0});
	}
}

int main(int argc, char **argv)
{
	static struct results r;

	if (argc != 4 && argc != 5) {
		die("usage: 9-shell STATIC DYNAMIC FOLDER [MSMTPRC]");
	}
	ours(&r, argv, 0); /* everything is in memory from here on */
	r = (struct results){0};
	for (int i = 0; i < BLOCKS; i++) {
		for (int k = 1; k <= RUNS; k++) {
			ours(&r, argv, i * RUNS + k);
		}
		for (int k = 0; k < RUNS && argc == 5; k++) {
			theirs(&r, argv[4]);
		}
		(void)usleep(SETTLE_US); /* what Postfix has accepted is thrown away meanwhile */
	}
	report(&r);
	return 0;
}
