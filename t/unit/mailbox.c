/* The files engine: what only files have, in deliveries, names and removals. What every engine has
 * stands in engine/. */
#include "store.h"

/* --- delivering --- */

static void one_recipient(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(deliver("Test", "Welcome", "client2"), 0);
	assert_int_equal(list("client2"), 1);
	assert_true(row_holds("client2", 0, "Title: Test\nContent Length: 7\nContent:\nWelcome"));
	st = stat_of("client2/client1_Test.txt");
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_names(".spool"), 0);
	assert_int_equal(files_of("client1"), 0);
}

static void five_recipients(void **state)
{
	char path[] = "client1/client1_All.txt", user[] = "client1";
	ino_t inode = 0;

	(void)state;
	assert_int_equal(deliver("All", "x", "client1;client2;client3;client4;client5"), 0);
	for (; user[6] <= '5'; user[6]++) {
		path[6] = user[6];
		struct stat st = stat_of(path);
		assert_int_equal(st.st_nlink, 5);
		assert_true(inode == 0 || inode == st.st_ino);
		inode = st.st_ino;
		assert_int_equal(list(user), 1);
		assert_memory_equal(rows[0].meta.id, last.id, sizeof last.id);
	}
	assert_int_equal(count_names(".spool"), 0);
}

static void one_named(void **state)
{
	((struct files *)box)->spool.named_only = true; /* as on a file system without O_TMPFILE */
	one_recipient(state);
}

static void five_named(void **state)
{
	((struct files *)box)->spool.named_only = true;
	five_recipients(state);
}

static void missing_mailbox(void **state)
{
	static const char *const to[] = {"gone", "gone;client1;client2", "client1;gone;client2",
		"client1;client2;gone", "client1;client2;client3;client4;client5;gone"};
	char user[] = "client1";

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		assert_refused(deliver("T", "x", to[i]), e, EX_TEMPFAIL);
		for (user[6] = '1'; user[6] <= '5'; user[6]++) {
			assert_int_equal(files_of(user), 0);
		}
		assert_int_equal(count_names(".spool"), 0);
	}
	reopen_store();
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(files_of("client1"), 0); /* not at the next start either */
}

static void mailbox_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(folder.fd, "outside", 0700), 0);
	assert_int_equal(symlinkat("outside", folder.fd, "link"), 0);
	spew_text("file", "untouched");
	assert_refused(deliver("T", "x", "client1;link"), e, EX_TEMPFAIL);
	assert_refused(deliver("T", "x", "file"), e, EX_TEMPFAIL);
	assert_int_equal(count_names("outside"), 0);
	assert_int_equal(files_of("client1"), 0);
	assert_int_equal(box->ops->list(box, "link", NULL, visit_row, NULL, &e), -1);
	assert_int_equal(count_names(".spool"), 0);
}

static void discarded(void **state)
{
	static char large[ENTRY_INLINE];
	struct mailbox_draft *d;

	(void)state;
	for (int named = 0; named < 2; named++) {
		((struct files *)box)->spool.named_only = named != 0;
		assert_int_equal(box->ops->begin(box, 10, &d, &e), 0);
		assert_int_equal(box->ops->append(d, "x", 1, &e), 0);
		assert_int_equal(count_names(".spool"), 0); /* small: in memory */
		assert_int_equal(box->ops->append(d, large, sizeof large, &e), 0);
		assert_int_equal(count_names(".spool"), named);
		box->ops->discard(d);
		assert_int_equal(count_names(".spool"), 0);
	}
	box->ops->discard(NULL);
}

static void no_spool(void **state)
{
	static char large[ENTRY_INLINE + 1];

	(void)state;
	memset(large, 'x', ENTRY_INLINE);
	assert_int_equal(deliver("T", "x", "client1"), 0);
	assert_int_equal(unlinkat(folder.fd, ".spool", AT_REMOVEDIR), 0);
	spew_text(".spool", "in the way");
	reopen_store();
	assert_refused(deliver("U", large, "client1"), e, EX_TEMPFAIL);
	assert_refused(box->ops->recover(box, &e), e, EX_TEMPFAIL);
	assert_int_equal(list("client1"), 1); /* what it holds it still serves */
	assert_true(row_holds("client1", 0, "x"));
	stay_unsettled = true;
	assert_int_equal(deliver("V", "y", "client1"), 0); /* and the journal takes small ones */
	stay_unsettled = false;
	assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
	assert_int_equal(list("client1"), 2);
	assert_true(row_holds("client1", 1, "y"));
	assert_int_equal(unlinkat(folder.fd, ".spool", 0), 0);
	reopen_store();
	settle();
	assert_int_equal(files_of("client1"), 2);
}

/* --- names --- */

static void equal_titles(void **state)
{
	char path[64], content[32];

	(void)state;
	for (int i = 1; i <= 40; i++) {
		(void)snprintf(content, sizeof content, "number %d", i);
		assert_int_equal(deliver("T", content, "client1"), 0);
		(void)snprintf(path, sizeof path,
			i == 1 ? "client1/client1_T.txt" : "client1/client1_T~%d.txt", i);
		(void)stat_of(path);
	}
	assert_int_equal(deliver("T~2", "other", "client1"), 0); /* a title that is a copy's name */
	(void)stat_of("client1/client1_T~2~2.txt");
	assert_int_equal(list("client1"), 41);
}

static void hostile_titles(void **state)
{
	static const char *const titles[] = {"a/b", "/etc/passwd", "../../x", "..", ".", "",
		".index", "../.index", "%", "%2F", "\x01\x1b[2J\x7f\t", "~2", "\xe2\x80\xae", "con",
		"a\\b", " "};
	char long_title[MAILBOX_TITLE_BYTES + 1];
	int before;

	(void)state;
	assert_int_equal(deliver("first", "x", "client2"), 0);
	before = count_names(".");
	for (size_t i = 0; i < COUNT(titles); i++) {
		assert_int_equal(deliver(titles[i], "x", "client1"), 0);
	}
	for (size_t i = 0; i < MAILBOX_TITLE_BYTES; i += 4) {
		memcpy(long_title + i, "\xf0\x9f\x98\x80", 5);
	}
	assert_int_equal(deliver(long_title, "x", "client1"), 0);
	assert_int_equal(deliver(long_title, "x", "client1"), 0);
	int stored = (int)COUNT(titles) + 2;
	for (int again = 0; again < 2; again++) { /* from the index, then from the files */
		assert_int_equal(list("client1"), stored);
		for (size_t i = 0; i < COUNT(titles); i++) {
			assert_string_equal(rows[i].meta.title, titles[i]);
			assert_int_equal(open_row("client1", (int)i), 0);
		}
		assert_string_equal(rows[stored - 1].meta.title, long_title);
		assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	}
	assert_int_equal(files_of("client1"), stored);
	assert_int_equal(count_names("."), before + stored);
}

enum { WRITERS = 8, EACH = 20 };

static int write_some(int i)
{
	char content[32];

	for (int k = 0; k < EACH; k++) {
		(void)snprintf(content, sizeof content, "writer %d, %d.", i, k);
		if (deliver("Same", content, k % 2 == 0 ? "client1" : "client1;client2") != 0) {
			return 1;
		}
	}
	return 0;
}

static void writers_at_once(void **state)
{
	(void)state;
	run_children(WRITERS, write_some);
	settle();
	for (int again = 0; again < 2; again++) { /* from the index, then from the files */
		assert_int_equal(list("client2"), WRITERS * EACH / 2);
		assert_int_equal(list("client1"), WRITERS * EACH);
		assert_int_equal(files_of("client1"), WRITERS * EACH);
		(void)unlinkat(folder.fd, "client1/.index", 0);
	}
	assert_int_equal(count_names(".spool"), 0);
}

/* --- removing --- */

static void removed(void **state)
{
	(void)state;
	deliver_three();
	assert_int_equal(list("client1"), 3);
	assert_int_equal(stat_of("client2/client1_two.txt").st_nlink, 2);
	assert_int_equal(box->ops->remove(box, "client1", &rows[1].ref, &e), 0);
	assert_int_equal(faccessat(folder.fd, "client1/client1_two.txt", F_OK, 0), -1);
	assert_int_equal(stat_of("client2/client1_two.txt").st_nlink, 1);
	assert_int_equal(files_of("client1"), 2);
}

static void removed_by_hand(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(unlinkat(folder.fd, "client1/client1_T.txt", 0), 0);
	assert_refused(open_row("client1", 0), e, EX_NOINPUT);
	assert_refused(box->ops->remove(box, "client1", &rows[0].ref, &e), e, EX_NOINPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a message to one is a file of its own name, 0600, listed and whole",
			one_recipient),
		T_STORE("a message to five is one inode with five links", five_recipients),
		T_STORE("a message to one is the same without O_TMPFILE", one_named),
		T_STORE("a message to five is the same without O_TMPFILE", five_named),
		T_STORE("a missing mailbox: try later, nothing is left anywhere", missing_mailbox),
		T_STORE("a mailbox that is a symlink or a file is never written to",
			mailbox_elsewhere),
		T_STORE("a discarded draft leaves nothing", discarded),
		T_STORE("without a spool nothing is taken, and all is served", no_spool),
		T_STORE("equal titles get ~2, ~3 and on, and a title like that collides with none",
			equal_titles),
		T_STORE("hostile titles are stored whole, and nothing stands outside",
			hostile_titles),
		T_STORE("eight writers of one title: as many files", writers_at_once),
		T_STORE("a removed message's file is gone from one folder alone", removed),
		T_STORE("a message removed by hand is gone, and said to be", removed_by_hand),
	};
	return RUN(tests);
}
