/* A mailbox whose index cannot be opened or written, or tells what is not so: no mail is hidden by
 * it, none is doubled, and what needs it is refused with the reason. */
#include "store.h"

#include <sys/syscall.h>

#include "../../store/hints.h"

/* --- an index that cannot be had --- */

static int deny_write, deny_read; /* errno; 0: as it is */
static int deny_behind;           /* so often it can be had before that */
static int deny_message;          /* of a message's file */
static int deny_attribute;        /* of any file */
static int deny_unlock;
static const char *message_name;
static void (*on_sync)(void); /* called once, when the journal is synced */

int denied_openat(int dir, const char *path, int flags, mode_t mode) __asm__("openat");
int denied_openat(int dir, const char *path, int flags, mode_t mode)
{
	int why = 0;

	if (strcmp(path, ".index") == 0 && deny_behind-- <= 0) {
		why = (flags & O_ACCMODE) == O_RDONLY ? deny_read : deny_write;
	} else if (message_name != NULL && strcmp(path, message_name) == 0) {
		why = deny_message;
	}
	errno = why;
	return why != 0 ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

ssize_t denied_fgetxattr(int fd, const char *name, void *p, size_t n) __asm__("fgetxattr");
ssize_t denied_fgetxattr(int fd, const char *name, void *p, size_t n)
{
	errno = deny_attribute;
	return deny_attribute != 0 ? -1 : (ssize_t)syscall(SYS_fgetxattr, fd, name, p, n);
}

int denied_flock(int fd, int how) __asm__("flock");
int denied_flock(int fd, int how)
{
	errno = how == LOCK_UN ? deny_unlock : 0;
	return errno != 0 ? -1 : (int)syscall(SYS_flock, fd, how);
}

int watched_fdatasync(int fd) __asm__("fdatasync");
int watched_fdatasync(int fd)
{
	void (*act)(void) = on_sync;

	on_sync = NULL;
	if (act != NULL) {
		act();
	}
	return fd >= 0 ? 0 : -1; /* no disk is lost here */
}

static int open_allowed(void **state)
{
	deny_write = deny_read = deny_behind = deny_message = deny_attribute = deny_unlock = 0;
	message_name = NULL;
	stay_unsettled = false;
	on_sync = NULL;
	return open_store(state);
}

#define T_INDEX(title, function)                                 \
	{                                                        \
		title, function, open_allowed, close_store, NULL \
	}

static int none_found;
static void count_finding(void *arg, const char *user, bool harmless, const char *what)
{
	(void)arg;
	assert_string_equal(user, "client1");
	assert_true(harmless);
	none_found += strstr(what, "it has no sound .index") != NULL ? 1 : 0;
}

/* Four messages, of which two are files yet, are all there, and can be read. */
static void assert_readable(void)
{
	static const char *const contents[] = {"<one>", "<two>", "<three>", "<four>"};
	struct mailbox_meta meta;
	struct mailbox_usage usage;
	struct mailbox_ref ref;

	assert_int_equal(list("client1"), 4);
	for (int i = 0; i < 4; i++) {
		assert_false(rows[i].meta.damaged);
		assert_true(row_holds("client1", i, contents[i]));
		rows[i].ref.where = 0;
		assert_true(row_holds("client1", i, contents[i]));
		assert_int_equal(
			box->ops->find(box, "client1", rows[i].meta.id, &meta, &ref, &e), 0);
		assert_string_equal(meta.title, rows[i].meta.title);
	}
	assert_int_equal(box->ops->usage(box, "client1", &usage, &e), 0);
	assert_int_equal(usage.messages, 4);
	assert_int_equal(usage.bytes,
		rows[0].meta.bytes + rows[1].meta.bytes + rows[2].meta.bytes + rows[3].meta.bytes);
}

static void assert_not_written(const char *why)
{
	(void)list("client1");
	assert_refused(deliver("more", "x", "client1"), e, EX_TEMPFAIL);
	assert_contains(e.text, "client1");
	assert_contains(e.text, why);
	assert_refused(deliver("more", "x", "client2;client1"), e, EX_TEMPFAIL);
	assert_contains(e.text, why);
	assert_refused(box->ops->remove(box, "client1", &rows[0].ref, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, why);
	assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "mailbox client");
	assert_contains(e.text, why);
}

static void index_denied(void **state)
{
	(void)state;
	assert_int_equal(deliver_at("one", "<one>", "client1", 1000000), 0);
	assert_int_equal(deliver_at("two", "<two>", "client1", 2000000), 0);
	stay_unsettled = true;
	assert_int_equal(deliver_at("three", "<three>", "client1;client2", 3000000), 0);
	assert_int_equal(deliver_at("four", "<four>", "client1", 4000000), 0);
	assert_readable();
	deny_write = EROFS;
	assert_readable();
	assert_not_written(strerror(EROFS));
	deny_read = EIO;
	deny_write = EIO;
	assert_readable();
	assert_not_written(strerror(EIO));
	assert_int_equal(box->ops->check(box, "client1", count_finding, NULL, &e), 0);
	assert_int_equal(none_found, 1);
	/* that does not mean that it cannot be had */
	deny_read = deny_write = EMFILE;
	assert_refused(box->ops->list(box, "client1", NULL, visit_row, NULL, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EMFILE));
	assert_refused(box->ops->check(box, "client1", count_finding, NULL, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EMFILE));
	deny_read = deny_write = 0;
	assert_readable();
	settle();
	assert_readable();
	assert_int_equal(list("client2"), 1);
}

/* A limit is judged by what the mailbox holds: if that cannot be known, nothing is delivered. */
static void limit_unknown(void **state)
{
	struct mailbox_usage limit = {.messages = 10};
	const struct letter l = {.title = "T", .content = "x", .to = "client1", .limits = &limit};

	(void)state;
	deny_behind = 1; /* it was there a moment ago */
	deny_read = deny_write = EMFILE;
	assert_refused(post(&l), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EMFILE));
	deny_read = deny_write = 0;
	assert_int_equal(list("client1"), 0);
	assert_int_equal(post(&l), 0);
	assert_int_equal(list("client1"), 1);
}

/* --- files that come and go while they are looked at --- */

static void file_denied(void **state)
{
	static const struct {
		int error;
		int listed; /* -1: the listing is refused */
	} all[] = {{ENOENT, 1}, {ELOOP, 1}, {EACCES, 2}, {EPERM, 2}, {EIO, -1}, {EMFILE, -1}};

	(void)state;
	assert_int_equal(deliver_at("one", "<one>", "client1", 1000000), 0);
	assert_int_equal(deliver_at("two", "<two>", "client1", 2000000), 0);
	message_name = "client1_one.txt";
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
		deny_message = all[i].error;
		if (all[i].listed < 0) {
			assert_refused(box->ops->list(box, "client1", NULL, visit_row, NULL, &e), e,
				EX_TEMPFAIL);
			assert_contains(e.text, "client1");
			assert_contains(e.text, strerror(all[i].error));
		} else {
			int damaged = 0;
			assert_int_equal(list("client1"), all[i].listed);
			for (int k = 0; k < rows_n; k++) {
				if (rows[k].meta.damaged) {
					damaged++;
					assert_refused(open_row("client1", k), e, EX_DATAERR);
				} else {
					assert_true(row_holds("client1", k, "<two>"));
				}
			}
			assert_int_equal(damaged, all[i].listed - 1);
		}
		deny_message = 0;
	}
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	assert_int_equal(list("client1"), 2);
	assert_true(row_holds("client1", 0, "<one>"));
}

/* A message has the id that stands beside its text: if that cannot be read just now, it is not
 * listed under another one. */
static void attribute_denied(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES];

	(void)state;
	assert_int_equal(deliver("T", "text", "client1"), 0);
	memcpy(id, last.id, sizeof id);
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	deny_attribute = EIO;
	assert_refused(box->ops->list(box, "client1", NULL, visit_row, NULL, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EIO));
	deny_attribute = 0;
	assert_int_equal(copies("client1", id), 1);
	/* where there are none it has one of its own */
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	deny_attribute = EOPNOTSUPP;
	assert_int_equal(copies("client1", id), 0);
	assert_int_equal(rows_n, 1);
	assert_true(row_holds("client1", 0, "text"));
}

static int read_listed(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct mailbox_reader *r;
	uint64_t size;
	int rc = box->ops->open(box, "client1", ref, &r, &size, &e);

	(void)meta;
	if (rc == 0) {
		box->ops->done(r);
		*(int *)arg += 1;
	}
	return rc;
}

/* Whoever cannot give a lock back does not wait for himself, nor anybody for him. */
static void unlock_denied(void **state)
{
	int read = 0;

	(void)state;
	(void)alarm(60); /* or it would wait for good */
	deny_unlock = EIO;
	deliver_three();
	assert_int_equal(box->ops->list(box, "client1", NULL, read_listed, &read, &e), 0);
	assert_int_equal(read, 3);
	assert_int_equal(list("client1"), 3);
	assert_refused(box->ops->remove(box, "client1", &rows[0].ref, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EIO));
	assert_int_equal(list("client1"), 2); /* the journal has it that it is gone */
	deny_unlock = 0;
	settle();
	assert_int_equal(list("client1"), 2);
	(void)alarm(0);
}

static void replace_file(void)
{
	spew_text("aside", "by hand");
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client1/client1_one.txt"), 0);
}

/* Between finding a message and removing it somebody gives its name to another file. */
static void replaced_meanwhile(void **state)
{
	(void)state;
	deliver_three();
	assert_int_equal(list("client1"), 3);
	stay_unsettled = true;
	on_sync = replace_file;
	assert_int_equal(box->ops->remove(box, "client1", &rows[0].ref, &e), 0);
	assert_null(on_sync);
	struct buf b = {0};
	slurp("client1/client1_one.txt", &b);
	assert_string_equal((char *)b.p, "by hand");
	buf_free(&b);
	assert_int_equal(list("client1"), 3); /* that file is one of them, damaged */
	for (int i = 0; i < 3; i++) {
		assert_string_not_equal(rows[i].meta.title, "one");
	}
}

/* --- an index that tells what is not so --- */

/* As somebody who was killed may have left it: a record of what the journal never had. */
static void append_record(const char *user, const uint8_t *id, uint64_t segment, uint64_t at)
{
	struct index_record r = {.state = INDEX_JOURNAL,
		.time_us = 5000000,
		.file = {.bytes = 100, .inode = segment, .mtime_ns = (int64_t)at},
		.source = "client3",
		.source_n = 7,
		.title = "never",
		.title_n = 5};
	struct index ix;
	uint64_t where;
	int dir = openat(folder.fd, user, O_RDONLY | O_DIRECTORY, 0);

	memcpy(r.id, id, sizeof r.id);
	assert_int_equal(index_open(&ix, dir, &e), 0);
	assert_int_equal(index_append(&ix, &r, &where, &e), 0);
	index_close(&ix);
	(void)close(dir);
}

/* No file is made of it, and it is not counted; of the record that stands in its place none is
 * doubled. */
static void never_committed(void **state)
{
	struct mailbox_usage usage;
	uint8_t id[MAILBOX_ID_BYTES];

	(void)state;
	stay_unsettled = true;
	assert_int_equal(box->ops->usage(box, "client1", &usage, &e), 0);
	assert_int_equal(deliver("one", "<one>", "client1"), 0);
	make_id(id, 1);
	append_record("client1", id, 1, SEGMENT_HEAD);             /* it is another one's */
	append_record("client1", id, 1, SEGMENT_HEAD + (1 << 20)); /* there is none */
	append_record("client1", id, 1, 8);
	assert_int_equal(box->ops->usage(box, "client1", &usage, &e), 0);
	assert_int_equal(list("client1"), 4); /* it is believed, until somebody reads */
	for (int i = 0; i < 4; i++) {
		if (strcmp(rows[i].meta.title, "never") == 0) {
			assert_true(open_row("client1", i) == -1);
			assert_true(e.code == EX_NOINPUT || e.code == EX_TEMPFAIL);
		}
	}
	assert_int_equal(list("client1"), 1);
	append_record("client1", id, 1, SEGMENT_HEAD);
	append_record("client1", id, 1, SEGMENT_HEAD + (1 << 20));
	append_record("client1", id, 1, 8);
	assert_int_equal(box->ops->usage(box, "client1", &usage, &e), 0);
	assert_int_equal(usage.messages, 4);
	settle();
	assert_int_equal(list("client1"), 1);
	assert_true(row_holds("client1", 0, "<one>"));
	assert_int_equal(files_of("client1"), 1);
	assert_int_equal(box->ops->usage(box, "client1", &usage, &e), 0);
	assert_int_equal(usage.messages, 1);
	assert_int_equal(usage.bytes, rows[0].meta.bytes);
}

/* --- more than an index is searched for at once --- */

enum { MANY = BOX_HINTS_FROM + 20 };

static void hinted(void **state)
{
	static uint8_t ids[MANY][MAILBOX_ID_BYTES];
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	char title[16];

	(void)state;
	stay_unsettled = true;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(title, sizeof title, "T%d", i);
		assert_int_equal(deliver(title, title, "client1"), 0);
		memcpy(ids[i], last.id, MAILBOX_ID_BYTES);
	}
	settle();
	assert_true(stat_of("client1/" HINTS_FILE).st_size > 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(box->ops->find(box, "client1", ids[i], &meta, &ref, &e), 0);
		(void)snprintf(title, sizeof title, "T%d", i);
		assert_string_equal(meta.title, title);
	}
	/* what was removed is not found by its hint; nor by one that leads elsewhere */
	assert_int_equal(remove_id("client1", ids[7]), 0);
	assert_refused(box->ops->find(box, "client1", ids[7], &meta, &ref, &e), e, EX_NOINPUT);
	settle();
	assert_refused(box->ops->find(box, "client1", ids[7], &meta, &ref, &e), e, EX_NOINPUT);
	/* and when it comes back, as one that is not settled yet, it is */
	const struct letter again = {
		.title = "again", .content = "again", .to = "client1", .id = ids[7]};
	assert_int_equal(post(&again), 0);
	assert_int_equal(box->ops->find(box, "client1", ids[7], &meta, &ref, &e), 0);
	assert_string_equal(meta.title, "again");
	settle();
	assert_int_equal(box->ops->find(box, "client1", ids[7], &meta, &ref, &e), 0);
	assert_string_equal(meta.title, "again");
	assert_int_equal(list("client1"), MANY);
}

/* Two senders chose the same id: each of their messages is told by both. */
static void same_id(void **state)
{
	const char *const senders[] = {"client3", "client4", "abc"};
	uint8_t id[MAILBOX_ID_BYTES];

	(void)state;
	make_id(id, 2);
	for (int unsettled = 0; unsettled < 2; unsettled++) {
		stay_unsettled = unsettled == 1;
		for (size_t i = 0; i < COUNT(senders); i++) {
			const struct letter l = {.title = "same",
				.content = senders[i],
				.to = "client1",
				.from = senders[i],
				.id = id};
			assert_int_equal(post(&l), 0);
		}
		for (int left = COUNT(senders); left > 0; left--) {
			char source[USER_NAME_MAX + 1];
			assert_int_equal(list("client1"), left);
			memcpy(source, rows[left - 1].meta.source, sizeof source);
			/* where the last one stands */
			assert_int_equal(
				box->ops->remove(box, "client1", &rows[left - 1].ref, &e), 0);
			assert_int_equal(list("client1"), left - 1);
			for (int i = 0; i < left - 1; i++) {
				assert_string_not_equal(rows[i].meta.source, source);
			}
		}
		settle();
		assert_int_equal(files_of("client1"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_INDEX("an index that cannot be opened hides no mail; what needs it is refused",
			index_denied),
		T_INDEX("where its use cannot be known a limit lets nothing through",
			limit_unknown),
		T_INDEX("a file that goes is skipped, one that may not be read is damaged",
			file_denied),
		T_INDEX("an id that cannot be read is not made up", attribute_denied),
		T_INDEX("a lock that cannot be given back stops nobody", unlock_denied),
		T_INDEX("a file that took the place of a message is not removed with it",
			replaced_meanwhile),
		T_INDEX("what the journal never had becomes no file", never_committed),
		T_INDEX("messages of a large mailbox are found by their ids", hinted),
		T_INDEX("two of one id are told by their senders", same_id),
	};

	return RUN(tests);
}
