/* Chat, end to end: rounds of messages that alice sends to bob by `chat bob` in a pipe, and that he
 * takes by `chat --wait`, each by its own one-time key, in messages a second, from start to end of
 * the program. The yardstick is a raw durable write on the same disk: a file made, synced and
 * named, and its folder synced.
 *     17-chat SMTP361 FOLDER ADDRESS
 * FOLDER: where alice's and bob's folders of keys are; their one-time keys are with the server */
#include <sysexits.h>

#include "process.h"

enum { ROUNDS = 6, MESSAGES = 20 };

static const char *program, *folder, *address;

/* `chat` as this member, with the text as stdin; what it prints counts for nothing. */
static void chat(const char *who, const char *const more[3], const char *text)
{
	const char *argv[] = {program, "chat", "--enhanced", "-s", address, "-u", who, "-k", who,
		more[0], more[1], more[2], NULL};
	int ends[2], status;
	pid_t pid;

	if (pipe(ends) != 0) {
		die("cannot make a pipe: %s", strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		(void)close(ends[1]);
		if (chdir(folder) == 0 && dup2(ends[0], STDIN_FILENO) >= 0 &&
			dup2(null, STDOUT_FILENO) >= 0) {
			(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		}
		_exit(127);
	}
	(void)close(ends[0]);
	if (write(ends[1], text, strlen(text)) != (ssize_t)strlen(text) || close(ends[1]) != 0) {
		die("cannot write to chat: %s", strerror(errno));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("chat as %s failed: %d", who, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	}
}

static void raw_writes(void)
{
	static unsigned long number;
	int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct raw_file f;

	for (int i = 0; i < MESSAGES; i++) {
		raw_begin(&f, dir, dir, number++);
		if (write(f.fd, "a line of chat\n", 15) != 15) {
			die("cannot write: %s", strerror(errno));
		}
		raw_end(&f);
		(void)unlinkat(dir, f.name, 0);
	}
	(void)close(dir);
}

int main(int argc, char **argv)
{
	const char *const send[3] = {"bob", NULL, NULL}, *const wait[3] = {"--wait", NULL, NULL};
	struct rounds raw = {0}, sent = {0}, taken = {0}, all = {0};
	char text[MESSAGES * 24] = "";

	if (argc != 4) {
		die("usage: 17-chat SMTP361 FOLDER ADDRESS");
	}
	program = argv[1];
	folder = argv[2];
	address = argv[3];
	for (int i = 0, n = 0; i < MESSAGES; i++) {
		n += snprintf(text + n, sizeof text - (size_t)n, "this is line %d\n", i);
	}
	for (int r = 0; r <= ROUNDS; r++) { /* the first one makes keys and histories */
		double began = now(), middle, end;
		chat("alice", send, text);
		middle = now();
		chat("bob", wait, "");
		end = now();
		if (r > 0) {
			rounds_add(&sent, MESSAGES / (middle - began));
			rounds_add(&taken, MESSAGES / (end - middle));
			rounds_add(&all, MESSAGES / (end - began));
		}
		began = now();
		raw_writes();
		rounds_add(&raw, MESSAGES / (now() - began));
	}
	section("Chat, messages a second. Yardstick: raw durable writes");
	print_row(
		&(struct row){"sent, in a pipe", "/s", median(&sent), median(&raw), GOAL_NONE, 0});
	print_row(&(struct row){"taken, with one-time keys made anew", "/s", median(&taken),
		median(&raw), GOAL_NONE, 0});
	print_row(&(struct row){"end to end", "/s", median(&all), median(&raw), GOAL_NONE, 0});
	return 0;
}
