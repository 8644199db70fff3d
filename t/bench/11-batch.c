/* Messages of 1 KB over the enhanced protocol: `send --batch`, which has up to 64 requests on their
 * way, from its start to its end; one message per round trip within one session; and the raw loop
 * of the same durable steps in one process. A round of each stands beside the others, because a
 * disk changes its mind by the second. 11-batch FOLDER      FOLDER: for the raw loop */
#include "enhanced.h"

enum { ROUNDS = 7, MESSAGES = 300, MESSAGE = 1024 };

static char content[MESSAGE + 1];
static const char batch_file[] = "batch.json";

static double per_second(double start)
{
	return MESSAGES / (now() - start);
}

/* --- send --batch --- */

static void write_batch(int round)
{
	FILE *f = fopen(batch_file, "w");

	for (int i = 0; f != NULL && i < MESSAGES; i++) {
		(void)fprintf(f, "{\"to\":\"box1\",\"title\":\"batch %d.%d\",\"content\":\"%s\"}\n",
			round, i, content);
	}
	if (f == NULL || fclose(f) != 0) {
		die("cannot write %s: %s", batch_file, strerror(errno));
	}
}

static double send_batch(int round)
{
	const char *program = getenv("SMTP361");
	double start;
	int status;
	pid_t pid;

	write_batch(round);
	start = now();
	pid = fork();
	if (pid == 0) {
		int in = open(batch_file, O_RDONLY), null = open("/dev/null", O_WRONLY);
		(void)dup2(in, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)execl(program, "smtp361", "send", "--batch", "--enhanced", "-u", KEY_USER,
			(char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("smtp361 send --batch failed");
	}
	return per_second(start);
}

/* --- one by one --- */

static double one_by_one(int round)
{
	struct mail_memory memory = {.p = (const uint8_t *)content, .n = MESSAGE};
	char title[32];
	struct mail_letter l = {.to = "box1",
		.title = title,
		.bytes = MESSAGE,
		.chars = MESSAGE,
		.source = mail_from_memory,
		.arg = &memory};
	struct mail_client *c;
	double rate, start = now();
	struct err e;
	struct mail_stored stored;

	if (try_enhanced_login(&c, &e) != 0) {
		die("cannot log in as %s: %s", KEY_USER, e.text);
	}
	for (int i = 0; i < MESSAGES; i++) {
		memory = (struct mail_memory){.p = (const uint8_t *)content, .n = MESSAGE};
		(void)snprintf(title, sizeof title, "single %d.%d", round, i);
		if (random_bytes(l.id, sizeof l.id, &e) != 0 || c->ops->post(c, &l, &e) != 0 ||
			c->ops->acknowledge(c, &stored, &e) != 0) {
			die("cannot send: %s", e.text);
		}
	}
	rate = per_second(start);
	c->ops->quit(c);
	c->ops->end(c);
	return rate;
}

/* --- the raw loop --- */

static double write_files(const char *folder)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static unsigned long number;
	double start = now();

	if (dir < 0) {
		die("cannot open %s: %s", folder, strerror(errno));
	}
	for (int i = 0; i < MESSAGES; i++) {
		struct raw_file f;
		raw_begin(&f, dir, dir, number++);
		if (write(f.fd, content, MESSAGE) != MESSAGE) {
			die("cannot write: %s", strerror(errno));
		}
		raw_end(&f);
	}
	(void)close(dir);
	return per_second(start);
}

int main(int argc, char **argv)
{
	struct rounds batch = {0}, single = {0}, raw = {0};

	if (argc != 2) {
		die("usage: 11-batch FOLDER");
	}
	memset(content, 'x', MESSAGE);
	for (int i = 0; i < ROUNDS; i++) {
		rounds_add(&batch, send_batch(i));
		rounds_add(&single, one_by_one(i));
		rounds_add(&raw, write_files(argv[1]));
	}
	section("Messages of 1 KB, enhanced, one client. Yardstick: one process doing\n"
		"write + fdatasync + link + fsync(folder)");
	print_row(&(struct row){
		"`send --batch` as a whole", "/s", median(&batch), median(&raw), GOAL_NONE, 0});
	print_row(&(struct row){"  the same, against ours one by one", "/s", median(&batch),
		median(&single), RATIO_ABOVE, 1});
	print_row(&(struct row){
		"one message per round trip", "/s", median(&single), median(&raw), GOAL_NONE, 0});
	return 0;
}
