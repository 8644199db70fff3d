/* The SMTP door: messages of 1 KB per second over 1, 8 and 32 connections, a new one for each and
 * one for many, driven by Postfix' smtp-source. Ours are on stable storage when it has its reply;
 * Postfix' have a queue to go through, and are counted when they stand in the mailbox. All go to
 * one user. The two take turns, window by window.
 *     14-smtp DOOR FOLDER [POSTFIX_DOOR POSTFIX_BASE]
 * DOOR: "ADDRESS:PORT"; FOLDER: box1's mailbox of ours; POSTFIX_BASE: its Maildir is box1 in it */
#include <dirent.h>

#include "bench.h"

enum { ROUNDS = 5, MESSAGES = 300, MANY = 3, DELIVERED_S = 120 };

static const unsigned connections[] = {1, 8, 32};
enum { SIZES = sizeof connections / sizeof connections[0] };

/* New connections, and used ones. */
static struct result {
	struct rounds ours, texts, theirs;
} results[2][SIZES];

static pid_t start_source(const char *door, unsigned sessions, unsigned messages, bool reuse)
{
	char s[16], m[16];
	pid_t pid = fork();

	(void)snprintf(s, sizeof s, "%u", sessions);
	(void)snprintf(m, sizeof m, "%u", messages);
	if (pid == 0) {
		(void)execlp("smtp-source", "smtp-source", "-s", s, "-m", m, "-l", "1024", "-f",
			"bench@example.org", "-t", "box1@localhost", reuse ? "-d" : door,
			reuse ? door : NULL, NULL);
		_exit(127);
	}
	return pid;
}

static void run_source(const char *door, unsigned sessions, unsigned messages, bool reuse)
{
	pid_t pid = start_source(door, sessions, messages, reuse);
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("smtp-source to %s failed", door);
	}
}

/* How many messages stand in a folder; 0 where it is none yet. */
static unsigned count_in(const char *path)
{
	const struct dirent *entry;
	DIR *d = opendir(path);
	unsigned n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		n += entry->d_name[0] != '.' ? 1 : 0;
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	return n;
}

static void await(const char *path, unsigned wanted)
{
	double until = now() + DELIVERED_S;

	while (count_in(path) < wanted) {
		if (now() > until) {
			die("of %u messages %u are in %s", wanted, count_in(path), path);
		}
		(void)usleep(2000);
	}
}

static void run_ours(
	char **argv, unsigned sessions, unsigned messages, bool reuse, struct result *r)
{
	unsigned before = count_in(argv[2]);
	double start = now();

	run_source(argv[1], sessions, messages, reuse);
	rounds_add(&r->ours, messages / (now() - start));
	await(argv[2], before + messages);
	rounds_add(&r->texts, messages / (now() - start));
	if (count_in(argv[2]) != before + messages) {
		die("there are more messages than were sent");
	}
}

/* Each window has a Maildir of its own: Postfix makes it. */
static void run_theirs(
	char **argv, unsigned sessions, unsigned messages, bool reuse, struct result *r)
{
	static unsigned serial;
	char box[1024], arrived[1100], aside[1100];
	double start;

	(void)snprintf(box, sizeof box, "%s/box1", argv[4]);
	(void)snprintf(arrived, sizeof arrived, "%s/new", box);
	(void)snprintf(aside, sizeof aside, "%s.%u", box, ++serial);
	if (rename(box, aside) != 0) {
		die("cannot rename %s: %s", box, strerror(errno));
	}
	start = now();
	run_source(argv[3], sessions, messages, reuse);
	await(arrived, messages);
	rounds_add(&r->theirs, messages / (now() - start));
}

static void report(bool reuse)
{
	char what[64];

	(void)snprintf(what, sizeof what, "SMTP, messages of 1 KB, %s",
		reuse ? "one connection for many" : "a new connection each");
	section(what);
	(void)printf("Yardstick: Postfix, until they are delivered\n");
	for (size_t i = 0; i < SIZES; i++) {
		const struct result *r = &results[reuse][i];
		double yard = median(&r->theirs);
		(void)snprintf(what, sizeof what, "%u at a time", connections[i]);
		print_row(&(struct row){what, "/s", median(&r->ours), yard, RATIO_AT_LEAST, 3});
		print_row(&(struct row){"  until they are text files", "/s", median(&r->texts),
			yard, GOAL_NONE, 0});
	}
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 5) {
		die("usage: 14-smtp DOOR FOLDER [POSTFIX_DOOR POSTFIX_BASE]");
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < 2 * SIZES; i++) {
			bool reuse = i >= SIZES;
			unsigned sessions = connections[i % SIZES];
			unsigned messages = MESSAGES * (sessions > 1 ? MANY : 1);
			struct result *r = &results[reuse][i % SIZES];
			run_ours(argv, sessions, messages, reuse, r);
			if (argc == 5) {
				run_theirs(argv, sessions, messages, reuse, r);
			}
		}
	}
	report(false);
	report(true);
	return 0;
}
