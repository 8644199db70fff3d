/* Files that somebody copied by hand beside those of messages which the journal still has: each is
 * a message of its own, and none is taken for the one that it was copied from, whose text and id
 * stay what they are. */
#include "half_settled.h"

#include <sys/xattr.h>

#include "../../store/spool.h"

/* --- copies without an id --- */

/* Without their id they are messages of their own, wherever the folder lists them: ahead of the
 * one that the journal has, or behind it. */
enum { COPIES = 6 };

static void make_copies(void)
{
	char name[] = "client1/client1_small~0.txt";

	for (int i = 0; i < COPIES; i++) {
		name[strlen(name) - 5]++;
		copy_file("client1/client1_small.txt", name);
	}
}

static void assert_two_and_copies(void)
{
	assert_int_equal(whole_copies("client1", small_id, "small"), 1);
	assert_int_equal(rows_n, 2 + COPIES);
	for (int i = 0; i < rows_n; i++) {
		assert_true(
			row_holds("client1", i, "small") || row_holds("client1", i, "for both"));
	}
}

static void copied_beside(void **state)
{
	(void)state;
	for (int without = 0; without < 2; without++) {
		deliver_two();
		settle_and_crash();
		make_copies();
		if (without == 1) { /* where no file has an id, one of them is the message */
			copy_file("client1/client1_small.txt", "aside");
			assert_int_equal(renameat(folder.fd, "aside", folder.fd,
						 "client1/client1_small.txt"),
				0);
			drop_index("client1");
		}
		assert_int_equal(
			mailbox_files_open(folder.fd, mail_describe, MAILBOX_LOOK, &box, &e), 0);
		assert_two_and_copies();
		box->ops->close(box);
		start_store();
		recover();
		assert_two_and_copies();
		settle();
		assert_two_and_copies();
		assert_int_equal(files_of("client1"), 2 + COPIES);
		start_empty();
	}
}

/* ... and stay when it is removed. */
static void copied_and_removed(void **state)
{
	(void)state;
	deliver_two();
	settle_and_crash();
	start_store();
	recover();
	make_copies();
	assert_int_equal(linkat(folder.fd, "client1/client1_small.txt", folder.fd, "kept", 0), 0);
	assert_int_equal(remove_id("client1", small_id), 0);
	crash_store();
	assert_int_equal(renameat(folder.fd, "kept", folder.fd, "client1/back.txt"), 0);
	start_store();
	recover();
	assert_int_equal(whole_copies("client1", small_id, "small"), 0);
	assert_int_equal(rows_n, 1 + COPIES);
	assert_int_equal(files_of("client1"), 1 + COPIES);
}

/* Removed in full, and nobody has looked at the copies ahead of that. */
static void copied_unseen(void **state)
{
	(void)state;
	deliver_two();
	settle_and_crash();
	start_store();
	recover();
	make_copies();
	assert_int_equal(remove_id("client1", small_id), 0);
	for (int again = 0; again < 3; again++) {
		assert_int_equal(whole_copies("client1", small_id, "small"), 0);
		assert_int_equal(rows_n, 1 + COPIES);
		assert_int_equal(files_of("client1"), 1 + COPIES);
		drop_index("client1");
	}
}

/* client1 has the file of it, client2 cannot be settled for now. */
static void settle_one_of_two(void)
{
	assert_int_equal(deliver("both", "for both", "client1;client2"), 0);
	memcpy(both_id, last.id, sizeof both_id);
	assert_int_equal(renameat(folder.fd, "client2", folder.fd, "aside"), 0);
	spew_text("client2", "in the way");
	assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, "client2", 0), 0);
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client2"), 0);
}

/* What is copied ahead of the file, and edited, is not the message. */
static void copied_ahead(void **state)
{
	struct buf text = {0};

	(void)state;
	settle_one_of_two();
	slurp("client1/client1_both.txt", &text);
	memcpy(text.p + text.n - 8, "not that", 8);
	spew("client2/mine.txt", text.p, text.n);
	buf_free(&text);
	for (int again = 0; again < 3; again++) {
		assert_int_equal(whole_copies("client2", both_id, "for both"), 1);
		assert_int_equal(rows_n, 2);
		assert_true(
			row_holds("client2", 0, "not that") || row_holds("client2", 1, "not that"));
		settle();
	}
	assert_int_equal(files_of("client2"), 2);
}

/* --- copies with it, as cp -a makes them --- */

static void copy_with_id(const char *from, const char *to)
{
	uint8_t id[SPOOL_XATTR_BYTES];
	int in = openat(folder.fd, from, O_RDONLY | O_CLOEXEC), out;

	copy_file(from, to);
	out = openat(folder.fd, to, O_RDWR | O_CLOEXEC);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fgetxattr(in, SPOOL_XATTR, id, sizeof id), sizeof id);
	assert_int_equal(fsetxattr(out, SPOOL_XATTR, id, sizeof id, 0), 0);
	assert_int_equal(close(in), 0);
	assert_int_equal(close(out), 0);
}

static void make_copies_with_id(void)
{
	char name[] = "client1/client1_small~0.txt";

	for (int i = 0; i < COPIES; i++) {
		name[strlen(name) - 5]++;
		copy_with_id("client1/client1_small.txt", name);
	}
}

/* What was not synced when the power went: the size is there, and the time, and no text. */
static void lose_text(const char *path)
{
	static const uint8_t zeros[1024];
	struct stat st = stat_of(path);
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	int fd = openat(folder.fd, path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0 && st.st_size <= (off_t)sizeof zeros);
	assert_int_equal(pwrite(fd, zeros, (size_t)st.st_size, 0), st.st_size);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(close(fd), 0);
}

/* By its id, as a client asks that lists nothing. */
static void assert_readable(void)
{
	struct mailbox_meta meta;

	if (box->ops->find(box, "client1", small_id, &meta, &rows[0].ref, &e) != 0) {
		fail_msg("find: %s", e.text);
	}
	assert_true(row_holds("client1", 0, "small"));
}

static void assert_all_readable(void)
{
	assert_readable();
	assert_int_equal(list("client1"), 2 + COPIES);
	for (int i = 0; i < rows_n; i++) {
		assert_true(
			row_holds("client1", i, "small") || row_holds("client1", i, "for both"));
	}
}

static void copied_with_id(void **state)
{
	(void)state;
	for (int lost = 0; lost < 3; lost++) {
		deliver_two();
		settle_and_crash();
		make_copies_with_id();
		if (lost == 1) {
			truncate_file("client1/client1_small.txt", 10);
		} else if (lost == 2) {
			lose_text("client1/client1_small.txt");
		}
		for (int again = 0; again < 2 && lost < 2; again++) {
			assert_int_equal(mailbox_files_open(
						 folder.fd, mail_describe, MAILBOX_LOOK, &box, &e),
				0);
			assert_all_readable();
			box->ops->close(box);
		}
		start_store();
		recover();
		assert_all_readable();
		settle();
		assert_all_readable();
		drop_index("client1");
		assert_all_readable();
		assert_int_equal(files_of("client1"), 2 + COPIES);
		start_empty();
	}
}

/* One that takes the place of what the journal has is on disk before the journal lets go of it. */
static void copied_and_synced(void **state)
{
	(void)state;
	settle_one_of_two();
	copy_with_id("client1/client1_both.txt", "client2/mine.txt");
	fsynced = 0;
	assert_int_equal(whole_copies("client2", both_id, "for both"), 1);
	assert_int_equal(rows_n, 1);
	assert_int_equal(fsynced, stat_of("client2/mine.txt").st_ino);
	settle();
	assert_int_equal(whole_copies("client2", both_id, "for both"), 1);
	assert_int_equal(files_of("client2"), 1);
}

/* --- no copies: two senders chose one id --- */

static void one_id_of_two(void **state)
{
	static const char *const files[] = {"client1/client1_A.txt", "client1/client2_A.txt"};
	uint8_t id[MAILBOX_ID_BYTES];
	struct letter one = {.title = "A",
		.content = "of one",
		.to = "client1",
		.from = "client1",
		.id = id,
		.once = true};
	struct letter two = {.title = "A",
		.content = "of two, longer",
		.to = "client1",
		.from = "client2",
		.id = id,
		.once = true};

	(void)state;
	for (uint32_t torn = 1; torn < 4; torn++) {
		make_id(id, torn);
		assert_int_equal(post(&one), 0);
		assert_int_equal(post(&two), 0);
		settle_and_crash();
		for (size_t i = 0; i < COUNT(files); i++) {
			if ((torn >> i & 1) != 0) {
				truncate_file(files[i], 10);
			}
		}
		start_store();
		recover();
		for (int again = 0; again < 3; again++) {
			assert_int_equal(list("client1"), 2);
			assert_int_equal(row_holds("client1", 0, "of one") +
						 row_holds("client1", 1, "of one"),
				1);
			assert_int_equal(row_holds("client1", 0, "of two, longer") +
						 row_holds("client1", 1, "of two, longer"),
				1);
			settle();
			if (again == 1) {
				drop_index("client1");
			}
		}
		assert_int_equal(files_of("client1"), 2);
		start_empty();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_UNSETTLED("a copy of a file is a message of its own", copied_beside),
		T_UNSETTLED("... and stays when the message is removed", copied_and_removed),
		T_UNSETTLED("... also when nobody has looked between", copied_unseen),
		T_UNSETTLED("one made ahead of the file is not the message", copied_ahead),
		T_UNSETTLED("one with the id leaves the message what it is", copied_with_id),
		T_UNSETTLED("... or takes its place, and is synced first", copied_and_synced),
		T_UNSETTLED(
			"torn files of two senders who chose one id are told apart", one_id_of_two),
	};

	return RUN(tests);
}
