/* What check() finds in a store of the files engine, in the hands of its keeper and beside him. */
#include "check.h"

static const char small[] = "Meet at noon.\n";

/* One message in the journal, for client1 and client2; its segment's file. */
static void journal_one(char path[static 64])
{
	const struct letter l = {.title = "one", .content = small, .to = "client1;client2"};
	char name[SEGMENT_NAME + 1];
	struct mailbox_usage usage;

	stay_unsettled = true;
	/* an index that was looked at in this life is believed */
	assert_int_equal(box->ops->usage(box, "client1", &usage, &e), 0);
	assert_int_equal(box->ops->usage(box, "client2", &usage, &e), 0);
	assert_int_equal(post(&l), 0);
	segment_name(name, 1);
	(void)snprintf(path, 64, "%s/%s", JOURNAL_FOLDER, name);
}

static void damage(const char *path, off_t at)
{
	int fd = openat(folder.fd, path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	change_byte(fd, at);
	assert_int_equal(close(fd), 0);
}

static void test_sound(void **state)
{
	char path[64];

	(void)state;
	journal_one(path);
	look(NULL);
	assert_told(0, 0, "");
	look("client1");
	assert_told(0, 0, "");
	settle();
	look("client1");
	assert_told(0, 0, "");
	look(NULL);
	assert_told(0, 0, "");
}

static void test_header(void **state)
{
	char path[64];

	(void)state;
	journal_one(path);
	damage(path, 20);
	look(NULL);
	assert_told(1, 0, "its header is damaged");
	look("client2");
	assert_told(1, 0, "was in the journal, and is neither there nor a file");
}

static void test_cut(void **state)
{
	char path[64];
	int fd;

	(void)state;
	journal_one(path);
	fd = openat(folder.fd, path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, SEGMENT_HEAD + 10) == 0);
	assert_int_equal(close(fd), 0);
	look(NULL);
	assert_told(0, 0, "");
	look("client1");
	assert_told(1, 0, "was in the journal");
}

/* A record that is damaged hides the sound one behind it. */
static void test_gap(void **state)
{
	char path[64];

	(void)state;
	journal_one(path);
	journal_one(path);
	damage(path, SEGMENT_HEAD + SEGMENT_RECORD + 40);
	look(NULL);
	assert_told(0, 1, "1 records behind one that is not whole");
	look("client1");
	assert_told(2, 0, "was in the journal");
}

/* The look makes and moves nothing. */
static void test_lost_index(void **state)
{
	char path[64];

	(void)state;
	journal_one(path);
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	look("client1");
	assert_told(0, 2, "it has no sound .index");
	assert_non_null(strstr(told.text, "1 of its messages are in the journal alone"));
	assert_int_not_equal(faccessat(folder.fd, "client1/.index", F_OK, 0), 0);
	assert_int_equal(mkdirat(folder.fd, "client1/.index", 0700), 0);
	look("client1");
	assert_told(0, 3, "its .index is a folder");
	assert_true(S_ISDIR(stat_of("client1/.index").st_mode));
	assert_int_equal(unlinkat(folder.fd, "client1/.index", AT_REMOVEDIR), 0);
}

static void test_folder_of_nobody(void **state)
{
	struct mailbox *m;

	(void)state;
	assert_int_equal(folder_make(NULL), 0);
	look(NULL);
	assert_told(0, 0, "");
	assert_int_not_equal(faccessat(folder.fd, JOURNAL_FOLDER, F_OK, 0), 0);
	assert_int_not_equal(faccessat(folder.fd, SPOOL_FOLDER, F_OK, 0), 0);
	/* who looks is in nobody's way */
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e), 0);
	box->ops->close(box);
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_LOOK, &m, &e), 0);
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e), 0);
	box->ops->close(box);
	m->ops->close(m);
	assert_int_equal(folder_remove(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("nothing is wrong with a store, settled or not", test_sound),
		T_STORE("a damaged header is a loss, and names what is lost", test_header),
		T_STORE("a segment that was cut: its messages are named", test_cut),
		T_STORE("a sound record behind a damaged one is told of", test_gap),
		T_STORE("an index that is gone is told of, and not made", test_lost_index),
		{"a look at an empty folder makes nothing there, and keeps nothing",
			test_folder_of_nobody, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
