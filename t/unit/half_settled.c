/* What a crash in the midst of settling leaves: files of messages that the journal still has. Each
 * message is there once, for the next keeper and for whoever looks meanwhile; and records that say
 * nothing are in nobody's way. */
#include "half_settled.h"

static const char *denied; /* a message's file that cannot be opened to write */

int denied_openat(int dir, const char *path, int flags, mode_t mode) __asm__("openat");
int denied_openat(int dir, const char *path, int flags, mode_t mode)
{
	if (denied != NULL && strcmp(path, denied) == 0 && (flags & O_ACCMODE) != O_RDONLY) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

static int half_setup(void **state)
{
	denied = NULL;
	fail_syncs = false;
	return open_unsettled(state);
}

#define T_HALF(title, function)                                    \
	{                                                          \
		title, function, half_setup, close_unsettled, NULL \
	}

/* Nobody keeps the store: it is seen as it is, and nothing of it is changed. */
static void look_at_two(void)
{
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_LOOK, &box, &e), 0);
	for (int again = 0; again < 2; again++) {
		assert_two();
	}
	box->ops->close(box);
}

static void count_finding(void *arg, const char *user, bool harmless, const char *what)
{
	int *found = arg;

	(void)user;
	(void)harmless;
	(void)what;
	(*found)++;
}

static void files_and_journal(void **state)
{
	int found = 0;

	(void)state;
	for (int spoiled = 0; spoiled < 3; spoiled++) {
		deliver_two();
		settle_and_crash();
		if (spoiled == 1) { /* what was not synced may be short, or empty */
			truncate_file("client1/client1_small.txt", 10);
			truncate_file("client2/client1_both.txt", 0); /* client1's, too */
		} else if (spoiled == 2) {
			drop_index("client1");
			truncate_file("client1/client1_small.txt", 0);
		}
		look_at_two();
		start_store();
		recover();
		assert_two();
		assert_int_equal(box->ops->check(box, "client1", count_finding, &found, &e), 0);
		assert_int_equal(found, 0);
		settle();
		assert_two();
		assert_int_equal(files_of("client1"), 2);
		start_empty();
	}
}

/* One that cannot be written again is not believed until it can. */
static void not_repaired(void **state)
{
	(void)state;
	deliver_two();
	settle_and_crash();
	truncate_file("client1/client1_small.txt", 10);
	start_store();
	denied = "client1_small.txt";
	assert_refused(box->ops->recover(box, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "client1");
	assert_contains(e.text, strerror(EIO));
	assert_refused(box->ops->list(box, "client1", NULL, visit_row, NULL, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EIO));
	assert_int_equal(whole_copies("client2", both_id, "for both"), 1); /* nobody else waits */
	denied = NULL;
	recover();
	assert_two();
	settle();
	assert_two();
}

/* A file of it has a second name, given by hand. */
static void second_name(void **state)
{
	(void)state;
	deliver_two();
	settle_and_crash();
	assert_int_equal(linkat(folder.fd, "client1/client1_small.txt", folder.fd,
				 "client1/another name.txt", 0),
		0);
	drop_index("client1");
	start_store();
	recover();
	assert_two();
	settle();
	assert_two();
}

/* Files that were copied without what stands beside their text are known by their time, source and
 * title: messages that share some of these are told from each other. */
static void copied_without_ids(void **state)
{
	static const struct {
		const char *from, *title, *file;
		int64_t time_us;
	} all[] = {
		{"client1", "one", "client1/client1_one.txt", 1000000},
		{"client1", "two", "client1/client1_two.txt", 1000000},
		{"client1", "three", "client1/client1_three.txt", 1000000},
		{"client2", "one", "client1/client2_one.txt", 1000000},
		{"abc", "one", "client1/abc_one.txt", 1000000},
		{"client1", "one more", "client1/client1_one more.txt", 2000000},
	};
	uint8_t ids[COUNT(all)][MAILBOX_ID_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		const struct letter l = {.title = all[i].title,
			.content = all[i].file,
			.to = "client1",
			.from = all[i].from,
			.time_us = all[i].time_us};
		assert_int_equal(post(&l), 0);
		memcpy(ids[i], last.id, sizeof last.id);
	}
	settle_and_crash();
	for (size_t i = 0; i < COUNT(all); i++) {
		copy_file(all[i].file, "aside");
		assert_int_equal(renameat(folder.fd, "aside", folder.fd, all[i].file), 0);
	}
	drop_index("client1");
	start_store();
	recover();
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			assert_int_equal(whole_copies("client1", ids[i], all[i].file), 1);
		}
		assert_int_equal(rows_n, COUNT(all));
		settle();
	}
	assert_int_equal(files_of("client1"), COUNT(all));
}

/* Its removal is in the journal, and its file was not unlinked yet. */
static void removed(void **state)
{
	(void)state;
	for (int kept = 0; kept < 2; kept++) {
		deliver_two();
		settle();
		assert_int_equal(
			linkat(folder.fd, "client1/client1_small.txt", folder.fd, "kept", 0), 0);
		assert_int_equal(remove_id("client1", small_id), 0);
		crash_store();
		assert_int_equal(renameat(folder.fd, "kept", folder.fd, "client1/back.txt"), 0);
		drop_index("client1");
		if (kept == 0) { /* whoever looks leaves it where it is */
			assert_int_equal(mailbox_files_open(
						 folder.fd, mail_describe, MAILBOX_LOOK, &box, &e),
				0);
			assert_int_equal(whole_copies("client1", both_id, "for both"), 1);
			assert_int_equal(rows_n, 1);
			box->ops->close(box);
			assert_int_equal(stat_of("client1/back.txt").st_nlink, 1);
		}
		start_store();
		recover();
		assert_int_equal(whole_copies("client1", both_id, "for both"), 1);
		assert_int_equal(rows_n, 1);
		assert_int_equal(files_of("client1"), 1);
		assert_int_equal(remove_all("client1"), 0);
		assert_int_equal(remove_all("client2"), 0);
		settle();
	}
}

/* --- records that say nothing --- */

static void append_nonsense(const char *text)
{
	struct journal *j = ((struct files *)box)->journal;
	uint8_t p[SEGMENT_RECORD + 64];
	struct journal_mark mark;
	size_t n = strlen(text);

	memcpy(p + SEGMENT_RECORD, text, n);
	assert_int_equal(journal_append(j, p, n, &mark, &e), 0);
	assert_int_equal(journal_commit(j, &mark, &e), 0);
	journal_done(j, &mark);
}

static void nonsense(void **state)
{
	char *large = large_text();
	uint8_t large_id[MAILBOX_ID_BYTES];
	struct letter once = {.title = "once", .content = "once", .to = "client3", .once = true};

	(void)state;
	for (int again = 0; again < 2; again++) {
		append_nonsense("nonsense");
		deliver_two();
		append_nonsense("D");
		assert_int_equal(deliver("large", large, "client2"), 0);
		memcpy(large_id, last.id, sizeof large_id);
		append_nonsense("R\x07");
		make_id(large_id, (uint32_t)again);
		once.id = large_id;
		assert_int_equal(post(&once), 0);
		crash_and_recover();
		assert_int_equal(list("client2"), 2);
		assert_int_equal(post(&once), 0); /* it looks in the journal */
		assert_true(sent_before);
		/* what cannot be settled is carried over, past it */
		assert_int_equal(renameat(folder.fd, "client2", folder.fd, "aside"), 0);
		spew_text("client2", "in the way");
		assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
		assert_int_equal(unlinkat(folder.fd, "client2", 0), 0);
		assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client2"), 0);
		settle();
		assert_int_equal(whole_copies("client1", small_id, "small"), 1);
		assert_int_equal(whole_copies("client1", both_id, "for both"), 1);
		assert_int_equal(whole_copies("client2", both_id, "for both"), 1);
		assert_int_equal(rows_n, 2);
		assert_int_equal(copies("client3", large_id), 1);
		for (char user[] = "client1"; user[6] <= '3'; user[6]++) {
			assert_int_equal(remove_all(user), 0);
		}
		settle();
		recover();
		assert_int_equal(count_names(".spool"), 0);
	}
	free(large);
}

/* --- killed before it was synced --- */

static int send_and_die(int at)
{
	uint8_t id[MAILBOX_ID_BYTES];
	const struct letter l = {
		.title = "T", .content = "text", .to = "client1", .id = id, .once = true};

	make_id(id, 9);
	due = at;
	return post(&l) == 0 ? 0 : 1;
}

/* Nobody knows whether it is on disk, and it cannot be synced now: until it can, its id is neither
 * known nor free. */
static void not_synced(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct letter l = {
		.title = "T", .content = "text", .to = "client1", .id = id, .once = true};
	bool died = true, refused = false;

	(void)state;
	make_id(id, 9);
	for (int at = 1; died; at++) {
		died = dies(send_and_die, at);
		fail_syncs = true;
		refused = box->ops->recover(box, &e) != 0 || refused;
		fail_syncs = false;
		recover();
		assert_int_equal(post(&l), 0);
		assert_int_equal(whole_copies("client1", id, "text"), 1);
		assert_int_equal(remove_all("client1"), 0);
		settle();
		box->ops->close(box);
		assert_int_equal(unlinkat(folder.fd, ".sent/client1", 0), 0);
		start_store();
	}
	assert_true(refused); /* somewhere it was written, and not synced */
}

/* It is settled before anybody recovers what he left. */
static void settled_behind_the_dead(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct letter l = {
		.title = "T", .content = "text", .to = "client1", .id = id, .once = true};
	bool died = true;
	int before = 0;

	(void)state;
	make_id(id, 9);
	for (int at = 1; died; at++) {
		died = dies(send_and_die, at);
		settle();
		before += whole_copies("client1", id, "text");
		assert_int_equal(files_of("client1"), rows_n);
		assert_int_equal(post(&l), 0);
		assert_int_equal(sent_before, rows_n == 1);
		assert_int_equal(whole_copies("client1", id, "text"), 1);
		assert_int_equal(remove_all("client1"), 0);
		settle();
		box->ops->close(box);
		assert_int_equal(unlinkat(folder.fd, ".sent/client1", 0), 0);
		start_store();
	}
	assert_true(before > 1); /* he was through with it, or almost */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_HALF("a message that is a file and in the journal is there once",
			files_and_journal),
		T_HALF("a file that cannot be written again is not believed", not_repaired),
		T_HALF("whatever other names its file has", second_name),
		T_HALF("a file without its id is known by its time, source and title",
			copied_without_ids),
		T_HALF("one that was removed stays so, though its file came back", removed),
		T_HALF("records that say nothing are passed over, and carried nowhere", nonsense),
		T_HALF("what cannot be synced now is neither known nor sent anew", not_synced),
		T_HALF("what the dead had written is settled, and known", settled_behind_the_dead),
	};

	return RUN(tests);
}
