/* What check() finds in a mailbox: files that are no messages, or not the ones that were delivered;
 * and what its index and the journal say of files that are not there. */
#include "check.h"

#include <sys/xattr.h>

static void remove_path(const char *path)
{
	assert_true(
		unlinkat(folder.fd, path, 0) == 0 || unlinkat(folder.fd, path, AT_REMOVEDIR) == 0);
}

/* A message's text, with content of its own; chars: what it says that it has. */
static void write_message(const char *path, const char *content, size_t n, uint64_t chars)
{
	struct buf b = {0};

	assert_int_equal(message_format(&b, message_text("client2"), message_text("client1"),
				 1658431775000000, message_text("by hand"), chars),
		0);
	assert_int_equal(buf_append(&b, content, n), 0);
	spew(path, b.p, b.n);
	buf_free(&b);
}

static void copy_file(const char *from, const char *to)
{
	struct buf b = {0};

	slurp(from, &b);
	spew(to, b.p, b.n);
	buf_free(&b);
}

/* Nothing but the index's header says that the folder is as it was. */
static void look_away(const char *user)
{
	struct mailbox_usage usage;

	assert_int_equal(box->ops->usage(box, user, &usage, &e), 0);
}

/* --- the mailbox --- */

static void no_mailbox(void **state)
{
	(void)state;
	assert_finds("client9", true, "it has no mailbox");
	spew_text("client9", "x");
	assert_finds("client9", false, "its mailbox is a file, and no folder");
	remove_path("client9");
	assert_int_equal(symlinkat("client1", folder.fd, "client9"), 0);
	assert_finds("client9", false, "its mailbox is a symlink, and no folder");
	remove_path("client9");
	assert_int_equal(mkdirat(folder.fd, "client9", 0700), 0);
	look("client9");
	assert_told(0, 0, ""); /* it is empty, and needs no index */
	assert_int_equal(fchmodat(folder.fd, "client9", 0750, 0), 0);
	assert_finds("client9", true, "its mailbox is open to others (mode 750)");
}

static void not_messages(void **state)
{
	(void)state;
	deliver_three();
	assert_int_equal(mkdirat(folder.fd, "client1/folder", 0700), 0);
	assert_int_equal(symlinkat("client1_one.txt", folder.fd, "client1/link"), 0);
	assert_int_equal(mkfifoat(folder.fd, "client1/fifo", 0600), 0);
	look("client1");
	assert_told(0, 3, "folder is a folder, and no message: it is passed over");
	assert_contains(told.text, "link is a symlink, and no message");
	assert_contains(told.text, "fifo is a FIFO, and no message");
}

static void hidden(void **state)
{
	static const struct {
		const char *name, *what;
		bool folder;
	} all[] = {
		{".mine", ".mine is a file of nobody's", false},
		{".yours", ".yours is a folder of nobody's", true},
		{".ids", "its .ids is a folder: another one takes its place", true},
		{".index.bad", ".index.bad is a folder that stood in the place of .index", true},
		{".ids.new", ".ids.new was left by a crash, or is being written", false},
	};
	char path[64];

	(void)state;
	deliver_three();
	for (size_t i = 0; i < COUNT(all); i++) {
		(void)snprintf(path, sizeof path, "client1/%s", all[i].name);
		if (all[i].folder) {
			assert_int_equal(mkdirat(folder.fd, path, 0700), 0);
		} else {
			spew_text(path, "x");
		}
		assert_finds("client1", true, all[i].what);
		remove_path(path);
	}
}

/* --- files --- */

/* Put there by hand, and not listed since. */
static void by_hand(void **state)
{
	static const char bad[] = "not \xff text";

	(void)state;
	deliver_three();
	write_message("client1/whole.txt", "sound", 5, 5);
	look("client1");
	assert_told(0, 1, "1 of its messages have no id beside them");
	write_message("client1/short.txt", "sound", 5, 6);
	look("client1");
	assert_told(1, 1, "short.txt says that it has 6 characters, and has 5");
	write_message("client1/bad.txt", bad, sizeof bad - 1, sizeof bad - 1);
	write_message("client1/cut.txt", "caf\xc3", 4, 4);
	spew_text("client1/none.txt", "From nobody\n");
	look("client1");
	assert_told(4, 1, "bad.txt is not UTF-8");
	assert_contains(told.text, "cut.txt is not UTF-8");
	assert_contains(told.text, "none.txt has no header of a message");
	/* once they are listed as damaged that is still so */
	assert_int_equal(list("client1"), 8);
	look("client1");
	assert_told(4, 1, "5 of its messages have no id");
	assert_contains(told.text, "none.txt has no header of a message");
	assert_contains(told.text, "short.txt says that it has 6 characters");
}

/* Larger than what is looked at once. */
static void large_by_hand(void **state)
{
	enum { N = 3 * MAILBOX_HEAD_MAX };
	char *text = malloc(N);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', N);
	write_message("client1/large.txt", text, N, N);
	assert_int_equal(list("client1"), 1);
	look("client1");
	assert_told(0, 1, "1 of its messages have no id");
	write_message("client1/large.txt", text, N - 1, N);
	look("client1");
	assert_told(2, 1, "large.txt says that it has 196608 characters, and has 196607");
	assert_contains(told.text, "large.txt has 196");
	free(text);
}

static void changed(void **state)
{
	(void)state;
	deliver_three();
	copy_file("client1/client1_one.txt", "kept");
	/* other bytes, of a message all the same */
	write_message("client1/client1_one.txt", "another", 7, 7);
	look("client1");
	assert_told(1, 0, "client1_one.txt has ");
	assert_contains(told.text, "when it was delivered");
	copy_file("kept", "client1/client1_one.txt");
	look("client1");
	assert_told(0, 0, "");
	remove_path("client1/client1_one.txt");
	assert_finds("client1", false, "is in the index, and its file client1_one.txt is gone");
	assert_int_equal(list("client1"), 2);
	look("client1");
	assert_told(0, 0, "");
}

/* Whoever looks sees nothing else than the index and the folder say. */
static void unlisted(void **state)
{
	struct timespec then[2];
	struct stat st;

	(void)state;
	deliver_three();
	assert_int_equal(list("client1"), 3);
	st = stat_of("client1");
	write_message("client1/behind.txt", "x", 1, 1);
	look("client1");
	assert_told(0, 1, "1 of its messages have no id"); /* the folder's time tells it */
	then[0] = st.st_atim;
	then[1] = st.st_mtim;
	assert_int_equal(utimensat(folder.fd, "client1", then, 0), 0);
	look("client1");
	assert_told(0, 2, "behind.txt is not in the index: the next listing adds it");
}

/* More than the first piece of the table of names. */
static void many(void **state)
{
	(void)state;
	for (int i = 0; i < 70; i++) {
		assert_int_equal(
			deliver("same", "x", i % 2 == 0 ? "client1" : "client1;client2"), 0);
	}
	look("client1");
	assert_told(0, 0, "");
	remove_path("client1/client1_same~37.txt");
	assert_finds("client1", false, "client1_same~37.txt is gone");
}

/* --- the index --- */

static void damaged_index(void **state)
{
	struct buf b = {0};

	(void)state;
	deliver_three();
	slurp("client1/.index", &b);
	b.p[b.n - 1] ^= 1; /* the last record */
	spew("client1/.index", b.p, b.n);
	assert_finds("client1", true, "its .index is damaged: the next listing makes it anew");
	b.p[20] ^= 1; /* the header */
	spew("client1/.index", b.p, b.n);
	assert_finds("client1", true, "it has no sound .index: the next listing makes it anew");
	assert_int_equal(list("client1"), 3);
	look("client1");
	assert_told(0, 0, "");
	buf_free(&b);
}

/* --- the index and the journal --- */

/* A message that the index has in the journal, which is gone: a loss if nothing else changed the
 * index since. If it did, the next listing tells. */
static void lost(void **state)
{
	char path[64], name[SEGMENT_NAME + 1];

	(void)state;
	stay_unsettled = true;
	look_away("client1");
	assert_int_equal(deliver("T", "text", "client1"), 0);
	segment_name(name, 1);
	(void)snprintf(path, sizeof path, "%s/%s", JOURNAL_FOLDER, name);
	look("client1");
	assert_told(0, 0, "");
	assert_int_equal(renameat(folder.fd, path, folder.fd, "aside"), 0);
	assert_finds("client1", false, "was in the journal, and is neither there nor a file");
	spew_text("client1/by hand", "x");
	look("client1");
	assert_told(1, 2, "is not where its index says: the next listing looks");
	assert_contains(told.text, "by hand has no header");
	remove_path("client1/by hand");
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, path), 0);
}

/* What a crash in the midst of settling leaves: files that the index does not have yet. */
static void half_settled(void **state)
{
	char path[64], name[SEGMENT_NAME + 1];
	uint8_t beside[SPOOL_XATTR_BYTES];
	struct stat st;
	int fd;

	(void)state;
	stay_unsettled = true;
	look_away("client1");
	assert_int_equal(deliver("T", "some text", "client1"), 0);
	copy_file("client1/.index", "index");
	segment_name(name, 1);
	(void)snprintf(path, sizeof path, "%s/%s", JOURNAL_FOLDER, name);
	copy_file(path, "segment");
	settle();
	st = stat_of("client1/client1_T.txt");
	copy_file("index", "client1/.index");
	/* settled, and its segment retired: the file is the message */
	look("client1");
	assert_told(0, 0, "");
	/* not retired: it is in both */
	copy_file("segment", path);
	look("client1");
	assert_told(0, 0, "");
	fd = openat(folder.fd, "client1/client1_T.txt", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, st.st_size - 2) == 0);
	look("client1");
	assert_told(0, 1, "client1_T.txt is not whole: the journal has it");
	/* of another message that has the same name by chance */
	assert_int_equal(fgetxattr(fd, SPOOL_XATTR, beside, sizeof beside), (ssize_t)sizeof beside);
	beside[0] ^= 1;
	assert_int_equal(fsetxattr(fd, SPOOL_XATTR, beside, sizeof beside, 0), 0);
	look("client1");
	assert_told(1, 0, "client1_T.txt says that it has 9 characters");
	(void)close(fd);
	remove_path(path);
}

/* What was removed, and its file is still there: the journal knows. */
static void half_removed(void **state)
{
	(void)state;
	deliver_three();
	assert_int_equal(list("client1"), 3);
	stay_unsettled = true;
	copy_file("client1/.index", "index");
	assert_int_equal(box->ops->remove(box, "client1", &rows[0].ref, &e), 0);
	copy_file("index", "client1/.index");
	look("client1");
	assert_told(0, 0, ""); /* its file is gone, as it should be */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a mailbox that is missing, none, or open to others is told of",
			no_mailbox),
		T_STORE("what is no message is passed over", not_messages),
		T_STORE("what is hidden is the store's or nobody's", hidden),
		T_STORE("a file that was put there is told what is wrong with it", by_hand),
		T_STORE("and so is a large one", large_by_hand),
		T_STORE("a message that was changed or taken away by hand is a loss", changed),
		T_STORE("a file that the index should have is named", unlisted),
		T_STORE("one of many that is gone is named", many),
		T_STORE("an index that is damaged, or its header, is told of", damaged_index),
		T_STORE("what the journal has lost is told from what is not known yet", lost),
		T_STORE("a crash in the midst of settling is no loss", half_settled),
		T_STORE("nor one in the midst of a removal", half_removed),
	};

	return RUN(tests);
}
