/* Messages of 1 KB per second, by 1, 8 and 32 processes: the naive durable loop, which is the
 * yardstick; a bare log; the store, in as many processes that share it as sessions do; and clients
 * of a `serve`, each within one session. Told apart: until everything is acknowledged, and until
 * everything is a text file on stable storage.
 *     12-throughput FOLDER [ROUNDS [MESSAGES]]
 * FOLDER: for all but the server, in whose folder this runs. MESSAGES: in a window of one process;
 * with more processes there are four times as many. A window of each stands beside the others,
 * because a disk changes its mind by the second.
 *
 * Each window has folders of its own and nothing is deleted before the end of run.sh: for some 35
 * seconds after an inode was deleted ext4 without a journal searches for another one, and after
 * many of them each new file takes 1 ms. What a window leaves to be written behind is synced before
 * the next begins. */
#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>

#include "crew.h"
#include "enhanced.h"
#include "store.h"

enum { ROUNDS = 5, MESSAGES = 320, MANY = 4, MESSAGE = 1024, BOXES = 8, SETTLED_S = 20 };

static uint8_t content[MESSAGE];
static int top;         /* FOLDER */
static unsigned serial; /* of windows */

/* What the processes of one window share, from before they begin. */
struct window {
	unsigned each; /* messages of each process */
	bool one_box;
	int dir;               /* of this window */
	int log;               /* shared by all */
	pthread_mutex_t *lock; /* in shared memory */
	struct mailbox *store;
	unsigned ahead; /* of acknowledgements, in a session */
};

static void box_of(const struct window *w, const struct crew_post *p, char out[static 8])
{
	(void)snprintf(out, 8, "box%u", w->one_box ? 1 : p->number % BOXES + 1);
}

static void title_of(const struct crew_post *p, unsigned i, char out[static 40])
{
	(void)snprintf(out, 40, "window %u.%u.%u", serial, p->number, i);
}

static void write_whole(int fd, const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n) {
		die("cannot write: %s", strerror(errno));
	}
}

/* --- the naive loop --- */

/* write + fdatasync + rename + fsync(folder) */
static double naive(const struct crew_post *p, const void *arg)
{
	const struct window *w = arg;
	char box[8], draft[40], name[40];
	int dir;

	box_of(w, p, box);
	dir = open_folder(w->dir, box);
	crew_await(p);
	for (unsigned i = 0; i < w->each; i++) {
		(void)snprintf(draft, sizeof draft, "tmp.%u.%u", p->number, i);
		title_of(p, i, name);
		int fd = openat(dir, draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0) {
			die("cannot create %s: %s", draft, strerror(errno));
		}
		write_whole(fd, content, MESSAGE);
		if (fdatasync(fd) != 0 || close(fd) != 0 || renameat(dir, draft, dir, name) != 0 ||
			fsync(dir) != 0) {
			die("cannot store %s: %s", name, strerror(errno));
		}
	}
	return now();
}

/* --- a bare log --- */

static int open_log(int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0) {
		die("cannot create %s: %s", name, strerror(errno));
	}
	return fd;
}

static double own_log(const struct crew_post *p, const void *arg)
{
	const struct window *w = arg;
	char name[24];
	int fd;

	(void)snprintf(name, sizeof name, "log.%u", p->number);
	fd = open_log(w->dir, name);
	crew_await(p);
	for (unsigned i = 0; i < w->each; i++) {
		write_whole(fd, content, MESSAGE);
		if (fdatasync(fd) != 0) {
			die("cannot sync a log: %s", strerror(errno));
		}
	}
	return now();
}

/* One at a time: nobody's fdatasync serves another. */
static double shared_log(const struct crew_post *p, const void *arg)
{
	const struct window *w = arg;

	crew_await(p);
	for (unsigned i = 0; i < w->each; i++) {
		(void)pthread_mutex_lock(w->lock);
		write_whole(w->log, content, MESSAGE);
		if (fdatasync(w->log) != 0) {
			die("cannot sync a log: %s", strerror(errno));
		}
		(void)pthread_mutex_unlock(w->lock);
	}
	return now();
}

/* --- the store --- */

static double deliver(const struct crew_post *p, const void *arg)
{
	const struct window *w = arg;
	char box[8], title[40];

	box_of(w, p, box);
	crew_await(p);
	for (unsigned i = 0; i < w->each; i++) {
		title_of(p, i, title);
		store_deliver(w->store, box, title, content, MESSAGE);
	}
	return now();
}

/* --- a server --- */

static void acknowledge(struct mail_client *c)
{
	struct mail_stored stored;
	struct err e;

	if (c->ops->acknowledge(c, &stored, &e) != 0) {
		die("not acknowledged: %s", e.text);
	}
}

static double post(const struct crew_post *p, const void *arg)
{
	const struct window *w = arg;
	struct mail_memory memory;
	char box[8], title[40];
	struct mail_letter l = {.to = box,
		.title = title,
		.bytes = MESSAGE,
		.chars = MESSAGE,
		.source = mail_from_memory,
		.arg = &memory};
	struct mail_client *c;
	unsigned waiting = 0;
	struct err e;
	double end;

	box_of(w, p, box);
	if (try_enhanced_login(&c, &e) != 0) {
		die("cannot log in as %s: %s", KEY_USER, e.text);
	}
	crew_await(p);
	for (unsigned i = 0; i < w->each; i++) {
		title_of(p, i, title);
		memory = (struct mail_memory){.p = content, .n = MESSAGE};
		if (random_bytes(l.id, sizeof l.id, &e) != 0 || c->ops->post(c, &l, &e) != 0) {
			die("cannot send: %s", e.text);
		}
		for (waiting++; waiting >= w->ahead; waiting--) {
			acknowledge(c);
		}
	}
	for (; waiting > 0; waiting--) {
		acknowledge(c);
	}
	end = now();
	c->ops->quit(c);
	c->ops->end(c);
	return end;
}

/* How many messages are text files in a mailbox of the server. */
static unsigned count_texts(unsigned box)
{
	const struct dirent *entry;
	char name[8];
	unsigned n = 0;
	DIR *d;

	(void)snprintf(name, sizeof name, "box%u", box + 1);
	d = opendir(name);
	if (d == NULL) {
		die("cannot read %s: %s", name, strerror(errno));
	}
	while ((entry = readdir(d)) != NULL) {
		n += entry->d_name[0] != '.' ? 1 : 0;
	}
	(void)closedir(d);
	return n;
}

/* Wait until each mailbox holds so many text files, and then until they are on stable storage: what
 * an engine notes of its own is not looked at. When that is, or NAN: it took too long. */
static double await_texts(const unsigned wanted[static BOXES])
{
	double until = now() + SETTLED_S;

	for (unsigned i = 0; i < BOXES; i++) {
		while (count_texts(i) < wanted[i]) {
			if (now() > until) {
				return NAN;
			}
			(void)usleep(5000);
		}
	}
	return syncfs(top) == 0 ? now() : NAN;
}

/* --- a window --- */

enum kind { NAIVE, OWN_LOG, SHARED_LOG, STORE, STORE_ONE, WIRE, WIRE_AHEAD, KINDS };

static const struct {
	const char *what;
	double (*work)(const struct crew_post *p, const void *arg);
	bool settles; /* text files are made behind the acknowledgement */
	double goal_1, goal_32;
} kinds[KINDS] = {
	[NAIVE] = {NULL, naive, false, 0, 0},
	[OWN_LOG] = {"write + fdatasync, a log each", own_log, false, 0, 0},
	[SHARED_LOG] = {"the same, one log, by turns", shared_log, false, 0, 0},
	[STORE] = {"store, 8 mailboxes", deliver, true, 0, 0},
	[STORE_ONE] = {"store, one mailbox", deliver, true, 0, 0},
	[WIRE] = {"`serve`, one per round trip", post, true, 1, 3},
	[WIRE_AHEAD] = {"`serve`, 64 on their way", post, true, 0, 0},
};

struct result {
	struct rounds acknowledged, settled;
};

static pthread_mutex_t *shared_lock(void)
{
	pthread_mutex_t *lock =
		mmap(NULL, sizeof *lock, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	if (lock == MAP_FAILED || pthread_mutexattr_init(&attributes) != 0 ||
		pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0 ||
		pthread_mutex_init(lock, &attributes) != 0) {
		die("cannot share a lock");
	}
	return lock;
}

static void prepare(struct window *w, enum kind kind)
{
	char name[24];

	(void)snprintf(name, sizeof name, "window.%u", ++serial);
	w->dir = make_folder(top, name);
	w->one_box = kind == STORE_ONE;
	w->ahead = kind == WIRE_AHEAD ? ENHANCED_REQUESTS : 1;
	w->log = kind == SHARED_LOG ? open_log(w->dir, "log") : -1;
	w->store = kind == STORE || kind == STORE_ONE ? store_open(w->dir) : NULL;
	for (unsigned i = 1; i <= BOXES; i++) {
		(void)snprintf(name, sizeof name, "box%u", i);
		if (w->store != NULL) {
			store_prepare(w->store, name);
		} else if (kind == NAIVE) {
			(void)close(make_folder(w->dir, name));
		}
	}
	if (syncfs(top) != 0) {
		die("cannot sync a file system: %s", strerror(errno));
	}
}

static void finish(struct window *w)
{
	if (w->store != NULL) {
		w->store->ops->close(w->store);
	}
	if (w->log >= 0) {
		(void)close(w->log);
	}
	(void)close(w->dir);
}

static void run_window(
	struct window *w, enum kind kind, unsigned processes, unsigned messages, struct result *r)
{
	bool wire = kind == WIRE || kind == WIRE_AHEAD;
	unsigned texts[BOXES] = {0};
	double start, end;

	w->each = messages / processes;
	messages = w->each * processes;
	prepare(w, kind);
	for (unsigned i = 0; wire && i < BOXES; i++) {
		texts[i] = count_texts(i);
	}
	for (unsigned i = 0; i < processes; i++) {
		texts[i % BOXES] += w->each; /* as box_of has it */
	}
	end = crew_run(processes, kinds[kind].work, w, &start);
	rounds_add(&r->acknowledged, messages / (end - start));
	if (wire) {
		rounds_add(&r->settled, messages / (await_texts(texts) - start));
	} else if (w->store != NULL) {
		store_settle(w->store);
		rounds_add(&r->settled, messages / (now() - start));
	}
	finish(w);
}

/* --- the table --- */

static void report_one(unsigned processes, enum kind kind, const struct result *r, double yard)
{
	double goal = processes == 1    ? kinds[kind].goal_1
		      : processes == 32 ? kinds[kind].goal_32
					: 0;

	print_row(&(struct row){kinds[kind].what, "/s", median(&r->acknowledged), yard,
		goal > 0 ? RATIO_AT_LEAST : GOAL_NONE, goal});
	if (kinds[kind].settles) {
		print_row(&(struct row){"  until they are text files on disk", "/s",
			median(&r->settled), yard, GOAL_NONE, 0});
	}
}

static void report(unsigned processes, const struct result r[static KINDS])
{
	char title[200];

	(void)snprintf(title, sizeof title,
		"Messages of 1 KB, %u %s, until acknowledged. Yardstick: as many processes doing\n"
		"write + fdatasync + rename + fsync(folder)",
		processes, processes == 1 ? "client" : "clients");
	section(title);
	for (int k = NAIVE + 1; k < KINDS; k++) {
		report_one(processes, (enum kind)k, &r[k], median(&r[NAIVE].acknowledged));
	}
}

static unsigned number(const char *text, unsigned usual)
{
	long n = text == NULL ? usual : strtol(text, NULL, 10);

	if (n < 1 || n > 1000000) {
		die("\"%s\" is no number of rounds or messages", text);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	static const unsigned processes[] = {1, 8, 32};
	enum { SIZES = sizeof processes / sizeof processes[0] };
	static struct result results[SIZES][KINDS];
	struct window w = {.lock = shared_lock()};

	if (argc < 2 || argc > 4) {
		die("usage: 12-throughput FOLDER [ROUNDS [MESSAGES]]");
	}
	unsigned rounds = number(argc > 2 ? argv[2] : NULL, ROUNDS);
	unsigned messages = number(argc > 3 ? argv[3] : NULL, MESSAGES);
	memset(content, 'x', sizeof content);
	top = make_folder(AT_FDCWD, argv[1]);
	for (unsigned i = 0; i < rounds; i++) {
		for (size_t s = 0; s < SIZES; s++) {
			for (int k = 0; k < KINDS; k++) {
				run_window(&w, (enum kind)k, processes[s],
					messages * (s == 0 ? 1 : MANY), &results[s][k]);
			}
		}
	}
	for (size_t s = 0; s < SIZES; s++) {
		report(processes[s], results[s]);
	}
	return 0;
}
