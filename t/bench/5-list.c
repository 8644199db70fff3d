/* Listing and reading in large mailboxes, against reading every file of the folder, which is what a
 * server without an index would do. The mailboxes are filled by writing their files while the
 * server runs: its first listing finds no index. 5-list      uses the mailboxes of client2 and
 * client3, which are empty */
#include <dirent.h>
#include <sys/stat.h>

#include "../../store/filename.h"
#include "../../store/mailbox.h"
#include "bench.h"

enum { WARM = 7, COLD = 3, READS = 25 };

struct job {
	unsigned user;
	unsigned long n;
	const char *name; /* the number, for people */
	char folder[16];
	double goal_s; /* 0: none */
};

/* --- filling --- */

static void write_message(int dir, const struct job *j, unsigned long number)
{
	static const char text[] = "A line of content, as short as most messages are.";
	static struct buf file;
	char title[40], name[NAME_MAX + 1];
	int fd;

	file.n = 0;
	(void)snprintf(title, sizeof title, "message %lu", number);
	filename_make(name, "client1", title, 1);
	if (message_format(&file, message_text("client1"), message_text(j->folder),
		    1658431775768508 + (int64_t)number * 60000000, message_text(title),
		    strlen(text)) != 0 ||
		buf_append_str(&file, text) != 0) {
		die("out of memory");
	}
	fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, file.p, file.n) != (ssize_t)file.n || close(fd) != 0) {
		die("cannot write %s/%s: %s", j->folder, name, strerror(errno));
	}
}

static int fill(const struct job *j)
{
	int dir = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0) {
		die("cannot open %s: %s", j->folder, strerror(errno));
	}
	for (unsigned long i = 1; i <= j->n; i++) {
		write_message(dir, j, i);
	}
	(void)syncfs(dir); /* or its writing would go on behind what is measured */
	return dir;
}

/* --- what is measured, in seconds --- */

static double list_once(struct classic_client *c, const struct job *j)
{
	struct buf list = {0};
	struct classic_row row;
	unsigned long rows = 0;
	size_t at = 0;
	struct err e;
	double start = now(), spent;

	if (classic_client_list(c, &list, &e) != 0) {
		die("cannot list: %s", e.text);
	}
	spent = now() - start;
	while (classic_row_next(&list, &at, &row)) {
		rows++;
	}
	if (rows != j->n) {
		die("%lu messages are listed, not %lu", rows, j->n);
	}
	buf_free(&list);
	return spent;
}

/* `smtp361 inbox`, from its start to its end */
static double run_inbox(const struct job *j)
{
	const char *program = getenv("SMTP361");
	char file[24];
	double start = now();
	int status;
	pid_t pid;

	(void)snprintf(file, sizeof file, "pw%u", j->user);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		(void)dup2(null, STDOUT_FILENO);
		(void)execl(program, "smtp361", "inbox", "-u", j->folder, "--password-file", file,
			(char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("smtp361 inbox failed");
	}
	return now() - start;
}

static double view_once(struct classic_client *c, unsigned long index)
{
	struct message_head head;
	struct buf text = {0};
	struct err e;
	double start = now();

	if (classic_client_view(c, index, &text, &head, &e) != 0) {
		die("cannot read message %lu: %s", index, e.text);
	}
	buf_free(&text);
	return now() - start;
}

/* The yardstick: open, read and close every file. */
static double read_folder(int dir)
{
	static uint8_t bytes[4096];
	double start = now();
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		die("cannot read a folder: %s", strerror(errno));
	}
	while ((entry = readdir(d)) != NULL) {
		int file = entry->d_name[0] == '.' ? -1 : openat(dir, entry->d_name, O_RDONLY);
		if (file >= 0) {
			if (read(file, bytes, sizeof bytes) < 0) {
				die("cannot read %s: %s", entry->d_name, strerror(errno));
			}
			(void)close(file);
		}
	}
	(void)closedir(d);
	return now() - start;
}

/* A change in the folder that the index does not know of: as after a restart, it is looked through.
 */
static void touch(int dir)
{
	int fd = openat(dir, ".touched", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0 || close(fd) != 0 || unlinkat(dir, ".touched", 0) != 0) {
		die("cannot touch a folder: %s", strerror(errno));
	}
}

/* --- a mailbox --- */

static void seconds_row(const struct job *j, const char *what, const struct rounds *ours,
	const struct rounds *yard, double goal)
{
	char title[64];

	(void)snprintf(title, sizeof title, "%s %s", j->name, what);
	print_row(&(struct row){
		title, "s", median(ours), median(yard), goal > 0 ? AT_MOST : GOAL_NONE, goal});
}

static void measure(const struct job *j, struct rounds *reads)
{
	static struct classic_client c;
	struct rounds warm = {0}, inbox = {0}, lost = {0}, looked = {0}, yard = {0};
	int dir = fill(j);

	bench_login(&c, j->user);
	for (int i = 0; i < COLD; i++) {
		if (unlinkat(dir, ".index", 0) != 0 && errno != ENOENT) {
			die("cannot lose an index: %s", strerror(errno));
		}
		rounds_add(&lost, list_once(&c, j));
		rounds_add(&yard, read_folder(dir));
		touch(dir);
		rounds_add(&looked, list_once(&c, j));
	}
	for (int i = 0; i < WARM; i++) {
		rounds_add(&warm, list_once(&c, j));
		rounds_add(&inbox, run_inbox(j));
	}
	for (unsigned long i = 1; i <= READS; i++) {
		rounds_add(reads, view_once(&c, i * j->n / READS) * 1e3);
	}
	classic_client_quit(&c);
	classic_client_end(&c);
	(void)close(dir);
	seconds_row(j, "listed, within a session", &warm, &yard, j->goal_s);
	seconds_row(j, "listed, `smtp361 inbox` as a whole", &inbox, &yard, j->goal_s);
	seconds_row(j, "listed, folder looked through", &looked, &yard, 0);
	seconds_row(j, "listed, index lost", &lost, &yard, 0);
}

int main(void)
{
	static const struct job jobs[] = {
		{2, 10000, "10,000", "client2", 0}, {3, 100000, "100,000", "client3", 0.2}};
	static struct rounds reads[2];

	section("Listing. Yardstick: open, read and close every file of the mailbox");
	measure(&jobs[0], &reads[0]);
	measure(&jobs[1], &reads[1]);
	section("Reading a message anywhere in the list, in a session. Yardstick: among 10,000");
	print_row(&(struct row){"of 10,000", "ms", median(&reads[0]), NAN, GOAL_NONE, 0});
	print_row(&(struct row){
		"of 100,000", "ms", median(&reads[1]), median(&reads[0]), GOAL_NONE, 0});
	return 0;
}
