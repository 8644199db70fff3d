/* Messages that stand in the journal, and what may happen to a store meanwhile: none is missing,
 * doubled or unreadable. */
#include "crash.h"
#include "once.h"

#include <sys/xattr.h>

static uint8_t id[MAILBOX_ID_BYTES];

static int sent_setup(void **state)
{
	body = "once and no more";
	sender = "client1";
	return open_unsettled(state);
}

#define T_SENT(title, function)                                    \
	{                                                          \
		title, function, sent_setup, close_unsettled, NULL \
	}

/* Found by its id alone, and read, as a client that lists nothing does. */
static void assert_found(const char *user, const uint8_t *wanted, const char *content)
{
	struct mailbox_meta meta;

	if (box->ops->find(box, user, wanted, &meta, &rows[0].ref, &e) != 0) {
		fail_msg("find: %s", e.text);
	}
	assert_memory_equal(meta.id, wanted, MAILBOX_ID_BYTES);
	assert_true(row_holds(user, 0, content));
}

/* --- indexes that are of another time --- */

/* A power cut leaves an index as it was before the segment was settled. */
static void index_from_before(void **state)
{
	uint8_t first[MAILBOX_ID_BYTES];
	struct buf old = {0};

	(void)state;
	for (int way = 0; way < 4; way++) {
		assert_int_equal(deliver("Old", "old", "client2"), 0);
		memcpy(first, last.id, sizeof first);
		slurp("client2/.index", &old);
		settle();
		if (way % 2 == 0) {
			assert_int_equal(deliver("New", "new", "client3"), 0); /* in its place */
		}
		crash_store();
		spew("client2/.index", old.p, old.n);
		start_store();
		if (way / 2 == 0) {
			recover();
		}
		assert_found("client2", first, "old");
	}
	buf_free(&old);
}

static void index_older_still(void **state)
{
	uint8_t first[MAILBOX_ID_BYTES];
	struct buf old = {0};

	(void)state;
	assert_int_equal(deliver("Old", "old", "client2"), 0);
	memcpy(first, last.id, sizeof first);
	slurp("client2/.index", &old);
	settle();
	crash_store();
	spew("client2/.index", old.p, old.n);
	start_store();
	assert_int_equal(deliver("New", "new", "client2"), 0); /* where the old one stood */
	assert_found("client2", first, "old");
	assert_found("client2", last.id, "new");
	assert_int_equal(remove_id("client2", first), 0);
	settle();
	assert_int_equal(list("client2"), 1);
	assert_int_equal(files_of("client2"), 1);
	buf_free(&old);
}

/* Any byte of an index may be damaged; what the journal holds is settled all the same. */
static void index_damaged(void **state)
{
	uint8_t ids[3][MAILBOX_ID_BYTES];
	struct buf image = {0};
	size_t n = 1;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < COUNT(ids); k++) {
			assert_int_equal(deliver("Damaged", "damaged", "client2;client3"), 0);
			memcpy(ids[k], last.id, sizeof ids[k]);
			if (k == 0 && i % 2 == 0) {
				settle();
				assert_int_equal(list("client2"), 1);
			}
		}
		slurp("client2/.index", &image);
		n = image.n;
		image.p[i] ^= (uint8_t)(1u << i % 8);
		if (i % 3 == 2) {
			image.p[i] = 0xff;
		}
		spew("client2/.index", image.p, image.n);
		if (i % 5 == 0) {
			crash_and_recover();
		} else if (i % 5 == 1) {
			(void)list("client2");
		}
		(void)box->ops->settle(box, &e); /* it may say so, once */
		settle();
		for (size_t k = 0; k < COUNT(ids); k++) {
			if (whole_copies("client2", ids[k], "damaged") != 1 || rows_n != 3 ||
				files_of("client2") != 3 ||
				whole_copies("client3", ids[k], "damaged") != 1) {
				fail_msg("byte %zu: %d listed, %d files", i, rows_n,
					files_of("client2"));
			}
		}
		assert_int_equal(remove_all("client2"), 0);
		assert_int_equal(remove_all("client3"), 0);
		settle();
		drop_index("client2");
		assert_int_equal(list("client2"), 0);
	}
	buf_free(&image);
}

static int list_and_die(int at)
{
	due = at;
	return list("client2") == 3 ? 0 : 1;
}

/* Who writes the index anew is killed at any call, and then somebody delivers: what was there
 * before stays ahead of what came later. */
static void index_half_written(void **state)
{
	uint8_t ids[4][MAILBOX_ID_BYTES];
	bool died = true;

	(void)state;
	for (int at = 1; died; at++) {
		for (size_t k = 0; k < COUNT(ids); k++) {
			if (k == 3) {
				spew("client2/.x", "x", 1); /* so that the folder is looked at */
				assert_int_equal(unlinkat(folder.fd, "client2/.x", 0), 0);
				died = dies(list_and_die, at);
			}
			assert_int_equal(deliver("Half", "half", "client2"), 0);
			memcpy(ids[k], last.id, sizeof ids[k]);
		}
		rows_n = 0;
		assert_int_equal(
			box->ops->list_behind(box, "client2", NULL, visit_row, NULL, &e), 0);
		assert_int_equal(rows_n, COUNT(ids));
		for (size_t k = 0; k < COUNT(ids); k++) {
			if (memcmp(rows[k].meta.id, ids[k], sizeof ids[k]) != 0) {
				fail_msg("call %d: message %zu is not in its place", at, k);
			}
		}
		assert_int_equal(remove_all("client2"), 0);
		settle();
	}
}

/* The index goes while somebody delivers, at any moment. */
static int send_and_stop(int at)
{
	due = at;
	pauses = true;
	return deliver("Stops", "stops", "client2;client3") == 0 ? 0 : 1;
}

static void index_lost_meanwhile(void **state)
{
	bool stopped = true;
	int at;

	(void)state;
	for (at = 1; at < CALLS_MAX && stopped; at++) {
		for (int looks = 0; looks < 3; looks++) {
			pid_t pid = start_child(send_and_stop, at);
			stopped = stops(pid);
			drop_index("client2");
			for (int k = 0; k < looks; k++) {
				assert_in_range(list("client2"), 0, 1);
			}
			(void)kill(pid, SIGCONT);
			assert_int_equal(end_child(pid), 0);
			if (looks != 1) {
				settle();
			}
			if (list("client2") != 1 || list("client3") != 1) {
				fail_msg("call %d, %d looks: not listed", at, looks);
			}
			settle();
			assert_int_equal(files_of("client2"), 1);
			assert_true(row_holds("client2", 0, "stops"));
			assert_int_equal(remove_all("client2"), 0);
			assert_int_equal(remove_all("client3"), 0);
			settle();
		}
	}
	assert_in_range(at, 5, CALLS_MAX - 1);
}

/* --- files as a power cut leaves them --- */

static void spoil(const char *path, int how, bool with_id)
{
	struct stat st = stat_of(path);
	char full[PATH_MAX + 64];
	uint8_t zeros[4096] = {0};
	int fd = openat(folder.fd, path, O_RDWR);

	(void)snprintf(full, sizeof full, "%s/%s", folder.path, path);
	assert_true(fd >= 0);
	if (how == 0) {
		assert_int_equal(ftruncate(fd, 0), 0);
	} else if (how == 1) {
		assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	} else if (how == 2) {
		assert_int_equal(pwrite(fd, zeros, (size_t)st.st_size, 0), st.st_size);
	} else {
		struct timespec times[2] = {st.st_atim, st.st_mtim};
		assert_int_equal(pwrite(fd, zeros, 20, st.st_size - 20), 20);
		assert_int_equal(futimens(fd, times), 0);
	}
	if (!with_id) {
		(void)removexattr(full, SPOOL_XATTR);
	}
	(void)close(fd);
}

/* Up to state 7: a segment is made void by the last of these calls. */
static int settle_but_retire(int calls)
{
	due = calls;
	return box->ops->settle(box, &e);
}

static bool index_says_live(const char *user)
{
	struct buf image = {0};
	struct index_record r;
	size_t at = INDEX_HEAD;
	char path[64];
	bool live;

	(void)snprintf(path, sizeof path, "%s/.index", user);
	slurp(path, &image);
	live = image.n > INDEX_HEAD;
	while (index_next(&image, &at, &r) > 0) {
		live = live && r.state != INDEX_JOURNAL;
	}
	buf_free(&image);
	return live;
}

static void files_spoiled(void **state)
{
	static const char *const paths[] = {
		"client2/client1_Spoiled.txt", "client3/client1_Spoiled.txt"};

	(void)state;
	for (int way = 0; way < 32; way++) {
		int how = way % 4;
		bool several = way / 4 % 2 == 1, index = way / 8 % 2 == 1, with_id = way / 16 == 0;
		assert_int_equal(deliver("Spoiled", "spoiled text of some length",
					 several ? "client2;client3" : "client2"),
			0);
		memcpy(id, last.id, sizeof id);
		for (int calls = 1; files_of("client2") == 0 || !index_says_live("client2");
			calls++) {
			assert_true(dies(settle_but_retire, calls));
		}
		crash_store();
		spoil(paths[0], how, with_id);
		if (!index) {
			drop_index("client2");
		}
		start_store();
		if (way % 3 == 0) {
			recover();
		}
		if (with_id || index) {
			if (whole_copies("client2", id, "spoiled text of some length") != 1 ||
				rows_n != 1) {
				fail_msg("way %d: %d listed", way, rows_n);
			}
		}
		settle();
		assert_int_equal(whole_copies("client2", id, "spoiled text of some length"), 1);
		if (several) {
			assert_int_equal(
				whole_copies("client3", id, "spoiled text of some length"), 1);
		}
		if (with_id || index) { /* else nothing tells what it was */
			assert_int_equal(rows_n, 1);
			assert_int_equal(files_of("client2"), 1);
		}
		assert_int_equal(remove_all("client2"), 0);
		assert_int_equal(remove_all("client3"), 0);
		settle();
		assert_int_equal(files_of("client2"), 0);
	}
}

/* --- the same id again --- */

static void removed_and_back(void **state)
{
	(void)state;
	for (uint32_t way = 0; way < 8; way++) {
		make_id(id, 500 + way);
		assert_int_equal(send_with(id, "client2;client3", false), 0);
		if (way % 2 == 0) {
			settle();
		}
		assert_int_equal(remove_id("client2", id), 0);
		assert_int_equal(send_with(id, "client2", false), 0); /* as an import does */
		assert_found("client2", id, body);
		if (way / 2 % 2 == 0) {
			drop_index("client2");
		}
		if (way / 4 == 0) {
			crash_and_recover();
		}
		assert_int_equal(whole_copies("client2", id, body), 1);
		settle();
		assert_int_equal(whole_copies("client2", id, body), 1);
		crash_and_recover();
		assert_int_equal(whole_copies("client2", id, body), 1);
		assert_found("client2", id, body);
		assert_int_equal(remove_id("client2", id), 0);
		assert_int_equal(whole_copies("client2", id, body), 0);
		crash_and_recover();
		assert_int_equal(whole_copies("client2", id, body), 0);
		settle();
	}
	assert_int_equal(files_of("client2"), 0);
}

/* One large message, imported into several mailboxes, with a segment's end between. */
static void one_id_in_two_segments(void **state)
{
	char *large = large_text();
	struct journal *j = ((struct files *)box)->journal;

	(void)state;
	body = large;
	make_id(id, 600);
	assert_int_equal(send_with(id, "client2", false), 0);
	j->state->slots[1].sealed = true; /* as if it were full */
	assert_int_equal(send_with(id, "client3", false), 0);
	assert_int_equal(send_with(id, "client4", false), 0);
	settle();
	recover();
	for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
		assert_int_equal(whole_copies(user, id, large), 1);
		assert_int_equal(files_of(user), 1);
	}
	assert_int_equal(count_names(".spool"), 0);
	free(large);
}

/* A delivery that fails does not take the text of one that did not. */
static void same_id_refused(void **state)
{
	char *large = large_text();

	(void)state;
	body = large;
	make_id(id, 601);
	assert_int_equal(send_with(id, "client2", false), 0);
	assert_int_equal(send_with(id, "gone", false), -1);
	assert_int_equal(whole_copies("client2", id, large), 1);
	fail_syncs = true;
	assert_int_equal(send_with(id, "client3", false), -1);
	fail_syncs = false;
	assert_int_equal(whole_copies("client2", id, large), 1);
	assert_int_equal(whole_copies("client3", id, large), 0);
	settle();
	assert_int_equal(whole_copies("client2", id, large), 1);
	free(large);
}

static void of_two_senders(void **state)
{
	static const char *const senders[] = {"client1", "client2"};

	(void)state;
	make_id(id, 700);
	for (int way = 0; way < 8; way++) {
		int first = way % 2;
		for (int i = 0; i < 2; i++) {
			sender = senders[i];
			body = i == 0 ? "the first" : "the second";
			assert_int_equal(send_with(id, "client5;client4", false), 0);
		}
		if (way / 2 % 2 == 1) {
			settle();
		}
		if (way / 4 == 1) {
			crash_and_recover();
			drop_index("client5");
		}
		assert_int_equal(list("client5"), 2);
		for (int i = 0; i < 2; i++) {
			bool is_first = strcmp(rows[i].meta.source, "client1") == 0;
			assert_true(row_holds("client5", i, is_first ? "the first" : "the second"));
		}
		/* the one that is meant goes */
		int which = strcmp(rows[0].meta.source, senders[first]) == 0 ? 0 : 1;
		assert_int_equal(box->ops->remove(box, "client5", &rows[which].ref, &e), 0);
		for (int k = 0; k < 3; k++) {
			assert_int_equal(list("client5"), 1);
			assert_string_equal(rows[0].meta.source, senders[1 - first]);
			assert_true(
				row_holds("client5", 0, first == 0 ? "the second" : "the first"));
			assert_int_equal(list("client4"), 2);
			if (k == 0) {
				crash_and_recover();
			} else {
				settle();
			}
		}
		assert_int_equal(remove_all("client5"), 0);
		assert_int_equal(remove_all("client4"), 0);
		settle();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_SENT("by an index from before its settling a message is found",
			index_from_before),
		T_SENT("and when another stands in the journal at its place", index_older_still),
		T_SENT("an index damaged at any byte loses no message of the journal",
			index_damaged),
		T_SENT("nor one that goes while somebody delivers", index_lost_meanwhile),
		T_SENT("one that is half written keeps the order of arrival", index_half_written),
		T_SENT("files emptied, cut and zeroed by a power cut are written again",
			files_spoiled),
		T_SENT("a message that was removed may come back under its id", removed_and_back),
		T_SENT("one id in two segments is settled twice", one_id_in_two_segments),
		T_SENT("one that is refused harms none of the same id", same_id_refused),
		T_SENT("equal ids of two senders are two messages", of_two_senders),
	};
	return RUN(tests);
}
