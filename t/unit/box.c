/* One mailbox folder: its index heals, whatever happened to it, and hostile things may lie in it.
 */
#include <sys/syscall.h>

#include "store.h"

#include "../../store/box.h"

/* --- the index heals --- */

static void assert_three(void)
{
	static const char *const titles[] = {"one", "two", "three"};
	char content[32];

	assert_int_equal(list("client1"), 3);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(content, sizeof content, "\n<%s>", titles[i]);
		assert_string_equal(rows[i].meta.title, titles[i]);
		assert_false(rows[i].meta.damaged);
		assert_true(row_holds("client1", i, content));
	}
}

static void index_lost(void **state)
{
	uint8_t ids[3][MAILBOX_ID_BYTES];

	(void)state;
	deliver_three();
	assert_three();
	for (int i = 0; i < 3; i++) {
		memcpy(ids[i], rows[i].meta.id, MAILBOX_ID_BYTES);
	}
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	for (int again = 0; again < 3; again++) {
		assert_three();
		for (int i = 0; i < 3;
			i++) { /* ids stand beside the text, where the disk keeps them */
			assert_memory_equal(ids[i], rows[i].meta.id, MAILBOX_ID_BYTES);
		}
		reopen_store();
	}
}

static void index_damaged(void **state)
{
	struct buf image = {0};

	(void)state;
	deliver_three();
	assert_three(); /* current: what is changed now is not noticed by the folder's time */
	slurp("client1/.index", &image);
	for (size_t i = 0; i < image.n; i += 3) {
		struct buf bad = {0};
		assert_int_equal(buf_append(&bad, image.p, image.n), 0);
		bad.p[i] ^= 0x55;
		spew("client1/.index", bad.p, bad.n);
		buf_free(&bad);
		/* the spare bytes and the head's time have no checksum, and need none */
		assert_three();
	}
	buf_free(&image);
}

static void index_cut(void **state)
{
	struct buf image = {0};

	(void)state;
	deliver_three();
	assert_three();
	slurp("client1/.index", &image);
	size_t ends[4] = {INDEX_HEAD}, at = INDEX_HEAD;
	struct index_record r;
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(index_next(&image, &at, &r), 1);
		ends[i] = at;
	}
	for (size_t n = 0; n < image.n; n += n < INDEX_HEAD - 4 || n > INDEX_HEAD + 4 ? 5 : 1) {
		if (n == ends[0] || n == ends[1] || n == ends[2]) {
			continue; /* a cut between records: no crash cuts there under a clean header
				   */
		}
		spew("client1/.index", image.p, n);
		assert_three();
		slurp("client1/.index", &image);
	}
	buf_free(&image);
}

static void index_stale(void **state)
{
	struct buf old = {0};

	(void)state;
	assert_int_equal(deliver_at("one", "<one>", "client1", 1000000), 0);
	assert_int_equal(list("client1"), 1);
	slurp("client1/.index", &old);
	assert_int_equal(deliver_at("two", "<two>", "client1;client2", 2000000), 0);
	assert_int_equal(deliver_at("three", "<three>", "client1", 3000000), 0);
	spew("client1/.index", old.p, old.n); /* as restored from a backup */
	assert_three();
	spew("client1/.index", "S361IDX3 garbage that is no index", 33);
	assert_three();
	spew("client1/.index", "", 0);
	assert_three();
	buf_free(&old);
}

static void index_unusable(void **state)
{
	(void)state;
	deliver_three();
	assert_int_equal(unlinkat(folder.fd, "client1/.index", 0), 0);
	spew_text("victim", "untouched");
	assert_int_equal(symlinkat("../victim", folder.fd, "client1/.index"), 0);
	assert_int_equal(list("client1"), 3);
	assert_int_equal(faccessat(folder.fd, "client1/.index.bad", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	struct buf b = {0};
	slurp("victim", &b);
	assert_string_equal((char *)b.p, "untouched");
	buf_free(&b);
	assert_three();
}

/* --- what else may lie in a mailbox --- */

#define STORED                                                                                    \
	"From: client9\nTo: client1\nTime and Date: 2022-07-21 19:29:35.768508\nTitle: By hand\n" \
	"Content Length: 4\nContent:\nh\xc3\xa9re"

static void dropped_by_hand(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	drop("client1", "hand.txt", STORED, strlen(STORED));
	assert_int_equal(list("client1"), 2);
	assert_string_equal(rows[0].meta.source, "client9");
	assert_string_equal(rows[0].meta.title, "By hand");
	assert_int_equal(rows[0].meta.chars, 4);
	assert_int_equal(rows[0].meta.time_us % 1000000, 768508);
	assert_false(rows[0].meta.damaged);
	assert_true(row_holds("client1", 0, "h\xc3\xa9re"));
	assert_int_equal(unlinkat(folder.fd, "client1/hand.txt", 0), 0);
	assert_int_equal(list("client1"), 1);
	assert_string_equal(rows[0].meta.title, "T");
}

/* The kernel's clock ticks every few milliseconds: all of this is in one tick, most times. */
static void dropped_within_a_tick(void **state)
{
	char name[32];
	uint8_t id[MAILBOX_ID_BYTES];

	(void)state;
	for (int i = 0; i < 20; i++) {
		int there = 2 * i;
		assert_int_equal(deliver("T", "x", "client1"), 0); /* and settled */
		memcpy(id, last.id, sizeof id);
		(void)snprintf(name, sizeof name, "a%d.txt", i);
		drop("client1", name, STORED, strlen(STORED));
		assert_int_equal(
			list("client1"), there + 2); /* and found by a look at the folder */
		(void)snprintf(name, sizeof name, "b%d.txt", i);
		drop("client1", name, STORED, strlen(STORED));
		assert_int_equal(list("client1"), there + 3);
		assert_int_equal(remove_id("client1", id), 0);
		assert_int_equal(renameat(folder.fd, "client1/a0.txt", folder.fd, "a0.txt"), 0);
		assert_int_equal(list("client1"), there + 1);
		assert_int_equal(renameat(folder.fd, "a0.txt", folder.fd, "client1/a0.txt"), 0);
		assert_int_equal(list("client1"), there + 2);
	}
}

static int links_until; /* how many more messages are linked before a file appears; 0: none does */

int counted_linkat(int from, const char *path, int to, const char *name, int flags) __asm__(
	"linkat");
int counted_linkat(int from, const char *path, int to, const char *name, int flags)
{
	if (links_until > 0 && --links_until == 0) {
		drop("client1", "hand.txt", STORED, strlen(STORED));
	}
	return (int)syscall(SYS_linkat, from, path, to, name, flags);
}

static void dropped_while_it_settles(void **state)
{
	(void)state;
	for (int ahead = 1; ahead <= 4; ahead++) {
		stay_unsettled = true;
		deliver_three();
		links_until = ahead; /* one of them is of the spool */
		settle();
		stay_unsettled = false;
		assert_int_equal(links_until, 0);
		assert_int_equal(list("client1"), 4);
		assert_int_equal(close_store(state), 0);
		assert_int_equal(open_store(state), 0);
	}
}

static bool drops_at_rename; /* a file appears ahead of the next rename */

int counted_renameat(int from, const char *path, int to, const char *name) __asm__("renameat");
int counted_renameat(int from, const char *path, int to, const char *name)
{
	if (drops_at_rename) {
		drops_at_rename = false;
		drop("client1", "late.txt", STORED, strlen(STORED));
	}
	return (int)syscall(SYS_renameat2, from, path, to, name, 0);
}

/* A look at many messages makes .ids anew, which changes the folder, too. */
static void dropped_while_it_looks(void **state)
{
	(void)state;
	stay_unsettled = true;
	for (int i = 0; i < BOX_HINTS_FROM; i++) {
		assert_int_equal(deliver("T", "x", "client1"), 0);
	}
	settle();
	stay_unsettled = false;
	drop("client1", "hand.txt", STORED, strlen(STORED));
	drops_at_rename = true;
	assert_int_equal(list("client1"), BOX_HINTS_FROM + 1);
	assert_false(drops_at_rename);
	assert_int_equal(list("client1"), BOX_HINTS_FROM + 2);
}

static void damaged_files(void **state)
{
	static const struct {
		const char *name, *text;
		size_t n;
	} files[] = {
		{"empty.txt", "", 0},
		{"foreign.txt", "hello\n", 6},
		{"cut-in-content.txt", STORED, sizeof STORED - 2},
		{"cut-in-character.txt", STORED, sizeof STORED - 4},
		{"cut-in-head.txt", STORED, 60},
		{"longer.txt", STORED "more", sizeof STORED + 3},
		{"nul.txt", "\0\0\0\0", 4},
		{"esc\x1b[31m.txt", "x", 1},
	};

	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		drop("client1", files[i].name, files[i].text, files[i].n);
	}
	for (int again = 0; again < 2; again++) {
		int damaged = 0;
		assert_int_equal(list("client1"), COUNT(files) + 1);
		for (int i = 0; i < rows_n; i++) {
			assert_false(has_control(rows[i].meta.title, strlen(rows[i].meta.title)));
			if (rows[i].meta.damaged) {
				assert_refused(open_row("client1", i), e, EX_DATAERR);
				damaged++;
			} else {
				assert_string_equal(rows[i].meta.title, "T");
				assert_true(row_holds("client1", i, "x"));
			}
		}
		assert_int_equal(damaged, COUNT(files));
		reopen_store();
	}
	assert_int_equal(list("client1"), COUNT(files) + 1);
	for (int i = 0; i < rows_n; i++) { /* what cannot be read can be removed */
		assert_int_equal(box->ops->remove(box, "client1", &rows[i].ref, &e), 0);
	}
	assert_int_equal(files_of("client1"), 0);
}

static void no_files(void **state)
{
	(void)state;
	spew_text("secret", STORED);
	assert_int_equal(deliver("T", "x", "client1"), 0);
	assert_int_equal(symlinkat("../secret", folder.fd, "client1/link.txt"), 0);
	assert_int_equal(symlinkat("/dev/zero", folder.fd, "client1/zero.txt"), 0);
	assert_int_equal(mkfifoat(folder.fd, "client1/fifo.txt", 0600), 0);
	assert_int_equal(mkdirat(folder.fd, "client1/dir.txt", 0700), 0);
	spew_text("client1/.hidden.txt", STORED);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(list("client1"), 1);
		assert_true(row_holds("client1", 0, "x"));
		reopen_store();
	}
	/* a message whose file was replaced by a symlink is not followed */
	assert_int_equal(list("client1"), 1);
	assert_int_equal(
		renameat(folder.fd, "client1/link.txt", folder.fd, "client1/client1_T.txt"), 0);
	assert_int_equal(open_row("client1", 0), -1);
}

static void truncated_later(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "content", "client1"), 0);
	assert_int_equal(deliver("U", "fine", "client1"), 0);
	assert_int_equal(list("client1"), 2);
	struct stat st = stat_of("client1/client1_T.txt");
	int fd = openat(folder.fd, "client1/client1_T.txt", O_WRONLY);
	assert_int_equal(ftruncate(fd, st.st_size - 3), 0);
	(void)close(fd);
	assert_int_equal(list("client1"), 2);
	assert_refused(open_row("client1", 0), e, EX_DATAERR);
	assert_true(row_holds("client1", 1, "fine"));
	reopen_store();
	assert_int_equal(list("client1"), 2);
	int damaged = 0;
	for (int i = 0; i < 2; i++) {
		damaged += rows[i].meta.damaged ? 1 : 0;
	}
	assert_int_equal(damaged, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a lost index is rebuilt, ids and all", index_lost),
		T_STORE("an index damaged at any byte lists the same", index_damaged),
		T_STORE("an index cut inside a record lists the same", index_cut),
		T_STORE("an index from a backup, garbage, or empty is brought up to date",
			index_stale),
		T_STORE("an index that is a symlink is not followed but put aside", index_unusable),
		T_STORE("a message dropped in by hand is listed, and gone with its file",
			dropped_by_hand),
		T_STORE("so is one that is dropped within a tick of a change of the store's",
			dropped_within_a_tick),
		T_STORE("and one that is dropped while messages are settled beside it",
			dropped_while_it_settles),
		T_STORE("and one that is dropped while the folder is looked at",
			dropped_while_it_looks),
		T_STORE("empty, foreign and cut files are listed as damaged, the others fine",
			damaged_files),
		T_STORE("symlinks, FIFOs, folders and hidden files are skipped", no_files),
		T_STORE("a file cut after it was listed is told to be damaged", truncated_later),
	};
	return RUN(tests);
}
