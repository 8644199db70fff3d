/* One mailbox with 1,000, 10,000, 100,000 and, where it is asked for and the disk has room,
 * 1,000,000 messages: what delivery, listing, reading, removing and a rebuilt index cost, and how
 * many bytes each has to look at, so that whatever grows with the mailbox can be seen. The store is
 * in this process.
 *     13-growth FOLDER      $GROWTH_MAX: messages of the largest mailbox (100000)
 * Mailboxes are filled by writing their files with the id beside the text, as the store leaves
 * them; the first listing makes the index. All are filled before the first is measured, and little
 * is deleted: ext4 without a journal makes new files slowly for some 35 s behind the deletion of
 * many. */
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "../../store/filename.h"
#include "store.h"

enum {
	REBUILDS = 3,
	LISTINGS = 7,
	PAGE = 50, /* rows of a short listing */
	DELIVERIES = 200,
	SAMPLES = 60, /* messages, all over the mailbox; a third each for reading, removing by
			  * hint, removing by id */
	MESSAGE_BYTES_ON_DISK = 6144 /* a block, an inode, and what folder and index hold of it */
};

#define BOX "box1"
#define XATTR "user.smtp361" /* id and time, as store/files.h has it */

enum measure {
	DELIVERY,
	SETTLING,
	LIST_ALL,
	LIST_FROM,
	LIST_LAST,
	FIND,
	READ_HINT,
	READ_HINT_BYTES,
	READ_ID,
	READ_ID_BYTES,
	REMOVE_HINT,
	REMOVE_HINT_BYTES,
	REMOVE_ID,
	REMOVE_ID_BYTES,
	RESTART,
	LOST,
	LOST_COLD,
	MEASURES
};

static const struct {
	const char *what, *unit;
} measures[MEASURES] = {
	[DELIVERY] = {"delivery, each", "ms"},
	[SETTLING] = {"  settling, each", "ms"},
	[LIST_ALL] = {"listing all", "ms"},
	[LIST_FROM] = {"listing 50 from the middle", "ms"},
	[LIST_LAST] = {"listing the last 50", "ms"},
	[FIND] = {"finding by id", "ms"},
	[READ_HINT] = {"reading, with hint", "ms"},
	[READ_HINT_BYTES] = {"  bytes looked at", "KiB"},
	[READ_ID] = {"reading, by id alone", "ms"},
	[READ_ID_BYTES] = {"  bytes looked at", "KiB"},
	[REMOVE_HINT] = {"removing, with hint", "ms"},
	[REMOVE_HINT_BYTES] = {"  bytes looked at", "KiB"},
	[REMOVE_ID] = {"removing, by id alone", "ms"},
	[REMOVE_ID_BYTES] = {"  bytes looked at", "KiB"},
	[RESTART] = {"start and first listing", "s"},
	[LOST] = {"the same, index lost", "s"},
	[LOST_COLD] = {"  and nothing cached", "s"},
};

struct sample {
	struct mailbox_ref ref;
	struct mailbox_key key;
};

struct job {
	unsigned long n;
	const char *name; /* the number, for people */
	int dir, box;     /* the store's folder, the mailbox */
	struct mailbox *m;
	unsigned long there; /* messages, now */
	struct sample samples[SAMPLES];
	struct mailbox_key middle, last;
	struct rounds r[MEASURES];
};

/* --- filling --- */

static void write_message(int box, unsigned long number)
{
	static const char text[] = "A line of content, as short as most messages are.";
	static struct buf file;
	int64_t time_us = 1658431775768508 + (int64_t)number * 60000000;
	uint8_t beside[MAILBOX_ID_BYTES + 8];
	char title[40], name[FILENAME_MAX_BYTES + 1];
	struct err e;
	int fd;

	file.n = 0;
	(void)snprintf(title, sizeof title, "message %lu", number);
	filename_make(name, STORE_SENDER, title, 1);
	put_u64le(beside + MAILBOX_ID_BYTES, (uint64_t)time_us);
	if (random_bytes(beside, MAILBOX_ID_BYTES, &e) != 0 ||
		message_format(&file, message_text(STORE_SENDER), message_text(BOX), time_us,
			message_text(title), strlen(text)) != 0 ||
		buf_append_str(&file, text) != 0) {
		die("cannot make a message");
	}
	fd = openat(box, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, file.p, file.n) != (ssize_t)file.n) {
		die("cannot write %s: %s", name, strerror(errno));
	}
	(void)fsetxattr(fd, XATTR, beside, sizeof beside, 0); /* without: ids are made later */
	(void)close(fd);
}

static void fill(struct job *j, int top)
{
	j->dir = make_folder(top, j->name);
	j->box = make_folder(j->dir, BOX);
	for (unsigned long i = 1; i <= j->n; i++) {
		write_message(j->box, i);
	}
	j->there = j->n;
}

/* --- what is looked at --- */

/* Bytes that this process has read, wherever they came from, and pages that it has touched first:
 * a mapped index does not pass through read(2). NAN: not known here. */
static double looked_at(void)
{
	char text[512] = "";
	struct rusage u = {0};
	int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	unsigned long long bytes;

	if (fd >= 0) {
		(void)close(fd);
	}
	if (n <= 0 || sscanf(text, "rchar: %llu", &bytes) != 1 || getrusage(RUSAGE_SELF, &u) != 0) {
		return NAN;
	}
	return (double)bytes + (double)(u.ru_minflt + u.ru_majflt) * (double)sysconf(_SC_PAGESIZE);
}

struct meter {
	double at, bytes;
};

static struct meter meter_begin(void)
{
	double before = looked_at(), mine = looked_at() - before; /* of looking itself */
	struct meter m = {.bytes = looked_at() + mine};

	m.at = now();
	return m;
}

/* One run, in milliseconds, and KiB beside it. */
static void meter_end(const struct meter *m, struct rounds *r)
{
	rounds_add(&r[0], (now() - m->at) * 1e3);
	rounds_add(&r[1], (looked_at() - m->bytes) / 1024);
}

/* --- listing --- */

struct walk {
	struct job *j;
	unsigned long rows, most;
	bool note; /* samples and keys */
};

static int visit(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct walk *w = arg;
	struct job *j = w->j;
	struct mailbox_key key = {.time_us = meta->time_us};

	w->rows++;
	memcpy(key.id, meta->id, sizeof key.id);
	for (unsigned long i = 0; w->note && i < SAMPLES; i++) {
		if (meta->index == 1 + (2 * i + 1) * j->n / (2L * SAMPLES)) {
			j->samples[i] = (struct sample){.ref = *ref, .key = key};
		}
	}
	if (w->note && meta->index == j->n / 2) {
		j->middle = key;
	}
	if (w->note && meta->index == j->n - PAGE + 1) {
		j->last = key;
	}
	return w->rows == w->most ? 1 : 0;
}

/* So many rows from this key, or all of them. Seconds. */
static double list(struct job *j, const struct mailbox_key *from, unsigned long most, bool note)
{
	struct walk w = {.j = j, .most = most, .note = note};
	double start = now(), spent;
	struct err e;

	if (j->m->ops->list(j->m, BOX, from, visit, &w, &e) < 0) {
		die("cannot list: %s", e.text);
	}
	spent = now() - start;
	if (w.rows != (most > 0 ? most : j->there)) {
		die("%lu messages are listed, of %lu", w.rows, j->there);
	}
	return spent;
}

/* --- starting --- */

/* The start of the engine and its first listing, in seconds. */
static double start(struct job *j)
{
	double from = now();

	j->m = store_open(j->dir);
	(void)list(j, NULL, 0, false);
	return now() - from;
}

static void end(struct job *j)
{
	j->m->ops->close(j->m);
}

static void lose_index(const struct job *j)
{
	if (unlinkat(j->box, ".index", 0) != 0 && errno != ENOENT) {
		die("cannot lose an index: %s", strerror(errno));
	}
}

/* Needs root. */
static bool drop_caches(const struct job *j)
{
	int fd = syncfs(j->box) != 0 ? -1 : open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "3", 1) == 1;

	if (fd >= 0) {
		(void)close(fd);
	}
	return done;
}

static void measure_starts(struct job *j)
{
	for (int i = 0; i < REBUILDS; i++) {
		lose_index(j);
		rounds_add(&j->r[LOST], start(j));
		end(j);
		rounds_add(&j->r[RESTART], start(j));
		end(j);
	}
}

/* After everything else: what a cold cache slows is more than this. */
static void measure_cold(struct job *j)
{
	lose_index(j);
	if (drop_caches(j)) {
		rounds_add(&j->r[LOST_COLD], start(j));
		end(j);
	}
	(void)close(j->box);
	(void)close(j->dir);
}

/* --- one message --- */

static struct mailbox_ref without_hint(const struct sample *s)
{
	struct mailbox_ref ref = s->ref;

	ref.where = 0;
	return ref;
}

static void find_one(struct job *j, const struct sample *s)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	double from = now();
	struct err e;

	if (j->m->ops->find(j->m, BOX, s->ref.id, &meta, &ref, &e) != 0) {
		die("cannot find a message: %s", e.text);
	}
	rounds_add(&j->r[FIND], (now() - from) * 1e3);
}

static void read_one(struct job *j, const struct mailbox_ref *ref, enum measure which)
{
	static uint8_t text[4096];
	struct meter meter = meter_begin();
	struct mailbox_reader *reader;
	uint64_t size;
	struct err e;

	if (j->m->ops->open(j->m, BOX, ref, &reader, &size, &e) != 0 ||
		j->m->ops->read(reader, 0, text, size < sizeof text ? size : sizeof text, &e) !=
			0) {
		die("cannot read a message: %s", e.text);
	}
	j->m->ops->done(reader);
	meter_end(&meter, &j->r[which]);
}

static void remove_one(struct job *j, const struct mailbox_ref *ref, enum measure which)
{
	struct meter meter = meter_begin();
	struct err e;

	if (j->m->ops->remove(j->m, BOX, ref, &e) != 0) {
		die("cannot remove a message: %s", e.text);
	}
	meter_end(&meter, &j->r[which]);
	j->there--;
}

static void measure_messages(struct job *j)
{
	for (int i = 0; i < SAMPLES; i += 3) {
		struct mailbox_ref alone = without_hint(&j->samples[i]);
		find_one(j, &j->samples[i]);
		read_one(j, &j->samples[i].ref, READ_HINT);
		read_one(j, &alone, READ_ID);
	}
	for (int i = 0; i < SAMPLES; i += 3) {
		struct mailbox_ref alone = without_hint(&j->samples[i + 2]);
		remove_one(j, &j->samples[i + 1].ref, REMOVE_HINT);
		remove_one(j, &alone, REMOVE_ID);
	}
}

/* --- mailboxes --- */

static void deliver_one(struct job *j, int number)
{
	static const char text[] = "A line of content, as short as most messages are.";
	double from = now();
	char title[40];

	(void)snprintf(title, sizeof title, "new message %d", number);
	store_deliver(j->m, BOX, title, text, strlen(text));
	rounds_add(&j->r[DELIVERY], (now() - from) * 1e3);
	j->there++;
}

/* The mailboxes take turns: a disk changes its mind by the second. */
static void measure_deliveries(struct job *jobs, size_t n)
{
	for (int i = 0; i < DELIVERIES; i++) {
		for (size_t k = 0; k < n; k++) {
			deliver_one(&jobs[k], i);
		}
	}
	for (size_t k = 0; k < n; k++) {
		double from = now();
		store_settle(jobs[k].m);
		rounds_add(&jobs[k].r[SETTLING], (now() - from) * 1e3 / DELIVERIES);
	}
}

static void measure_lists(struct job *j)
{
	j->m = store_open(j->dir);
	(void)list(j, NULL, 0, true);
	for (int i = 0; i < LISTINGS; i++) {
		rounds_add(&j->r[LIST_ALL], list(j, NULL, 0, false) * 1e3);
		rounds_add(&j->r[LIST_FROM], list(j, &j->middle, PAGE, false) * 1e3);
		rounds_add(&j->r[LIST_LAST], list(j, &j->last, PAGE, false) * 1e3);
	}
}

static void measure(struct job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		measure_starts(&jobs[i]);
		measure_lists(&jobs[i]);
	}
	measure_deliveries(jobs, n);
	for (size_t i = 0; i < n; i++) {
		measure_messages(&jobs[i]);
		end(&jobs[i]);
	}
	for (size_t i = 0; i < n; i++) {
		measure_cold(&jobs[i]);
	}
}

static bool has_room(int top, unsigned long n)
{
	struct statvfs v;

	return fstatvfs(top, &v) == 0 && v.f_bavail * v.f_frsize / MESSAGE_BYTES_ON_DISK > n &&
	       (v.f_files == 0 || v.f_favail > n);
}

/* The rows of one size beside those of the others: the ratio is the growth. */
static void report(const struct job *jobs, size_t n)
{
	char what[64];

	section("A mailbox that grows. Yardstick: ours with 1,000 messages");
	for (int k = 0; k < MEASURES; k++) {
		for (size_t i = 0; i < n; i++) {
			bool goal = (k == LOST || k == LOST_COLD) && jobs[i].n == 100000;
			(void)snprintf(
				what, sizeof what, "%-29s %9s", measures[k].what, jobs[i].name);
			print_row(&(struct row){what, measures[k].unit, median(&jobs[i].r[k]),
				i == 0 ? NAN : median(&jobs[0].r[k]), goal ? AT_MOST : GOAL_NONE,
				3});
		}
	}
}

int main(int argc, char **argv)
{
	static struct job jobs[] = {{.n = 1000, .name = "1,000"}, {.n = 10000, .name = "10,000"},
		{.n = 100000, .name = "100,000"}, {.n = 1000000, .name = "1,000,000"}};
	enum { JOBS = sizeof jobs / sizeof jobs[0] };
	const char *text = getenv("GROWTH_MAX");
	unsigned long most = text == NULL ? 100000 : strtoul(text, NULL, 10);
	size_t n = 0;
	int top;

	if (argc != 2) {
		die("usage: 13-growth FOLDER");
	}
	top = make_folder(AT_FDCWD, argv[1]);
	for (; n < JOBS && jobs[n].n <= most && has_room(top, jobs[n].n); n++) {
		fill(&jobs[n], top);
	}
	if (n < JOBS && jobs[n].n <= most) {
		(void)printf("\n  (the disk has no room for a mailbox of %s)\n", jobs[n].name);
	}
	(void)syncfs(top); /* or its writing would go on behind what is measured */
	measure(jobs, n);
	report(jobs, n);
	return 0;
}
