/* What processes that were killed, and calls that failed, leave to those that follow: in the files
 * engine, where each test knows which step it was. */
#include "once.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* --- the calls that matter --- */

static bool die_in_sync;    /* be killed in the next fdatasync */
static int hang_in_sync[2]; /* tell by the second, and wait for the end of the first */
static bool fail_in_index;  /* the next record that is written to an index */
static unsigned syncs, whole_syncs;

int counted_fdatasync(int fd) __asm__("fdatasync");
int counted_fdatasync(int fd)
{
	char byte = 0;

	if (die_in_sync) {
		(void)raise(SIGKILL);
	}
	if (hang_in_sync[1] > 0) {
		(void)!write(hang_in_sync[1], &byte, 1);
		(void)!read(hang_in_sync[0], &byte, 1);
	}
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

int counted_syncfs(int fd) __asm__("syncfs");
int counted_syncfs(int fd)
{
	whole_syncs++;
	return (int)syscall(SYS_syncfs, fd);
}

static bool is_index(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path);
	return n > 7 && memcmp(path + n - 7, "/.index", 7) == 0;
}

ssize_t failing_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t failing_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (fail_in_index && at >= INDEX_HEAD && is_index(fd)) {
		fail_in_index = false;
		errno = EIO;
		return -1;
	}
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

/* --- helpers --- */

static const struct files *files(void)
{
	return (const struct files *)box;
}

static pid_t child(void (*what)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		what();
		_exit(0);
	}
	return pid;
}

static void assert_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static bool is_current(const char *user)
{
	struct index_head head;
	struct box b;
	bool current;

	assert_int_equal(box_open(&b, files()->root, user, &e), 0);
	current = box_is_current(&b, &files()->scan, &head);
	box_close(&b);
	return current;
}

/* --- settling --- */

static void settle_and_die(void)
{
	die_in_sync = true;
	(void)box->ops->settle(box, &e);
}

static void settling_killed(void **state)
{
	(void)state;
	stay_unsettled = true;
	assert_int_equal(deliver("killed", "content", "client2"), 0);
	stay_unsettled = false;
	/* its record is synced: the next one is that of the file, which has its name by then */
	assert_killed(child(settle_and_die));
	assert_int_equal(files_of("client2"), 1);
	whole_syncs = 0;
	settle();
	assert_int_equal(whole_syncs, 1);
	assert_int_equal(files_of("client2"), 1);
	/* and that is all there is to do */
	assert_int_equal(deliver("later", "content", "client2"), 0);
	assert_int_equal(whole_syncs, 1);
}

static void record_stayed_behind(void **state)
{
	(void)state;
	stay_unsettled = true;
	assert_int_equal(deliver("twice", "content", "client2"), 0);
	stay_unsettled = false;
	assert_int_equal(list("client2"), 1); /* it is not written anew in settling */
	fail_in_index = true;
	assert_int_equal(box->ops->settle(box, &e), -1);
	assert_false(fail_in_index);
	assert_int_equal(files_of("client2"), 1);
	settle();
	assert_int_equal(list("client2"), 1);
	assert_int_equal(files_of("client2"), 1);
	reopen_store();
	assert_int_equal(list("client2"), 1);
}

/* --- suspicion --- */

static unsigned hash_of_name(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++) {
		h = (h ^ (uint8_t)*name) * 16777619u;
	}
	return h % BOX_SUSPECTS;
}

/* Deliver to client2, whose index cannot be written just then. */
static void deliver_unlisted(void)
{
	struct buf before = {0};

	assert_int_equal(list("client2"), 0);
	assert_true(is_current("client2"));
	slurp("client2/.index", &before);
	stay_unsettled = true;
	assert_int_equal(deliver("unlisted", "content", "client2"), 0);
	stay_unsettled = false;
	spew("client2/.index", before.p, before.n);
	buf_free(&before);
	box_suspect(&files()->scan, "client2");
}

static void suspected_together(void **state)
{
	char other[USER_NAME_MAX + 1];
	unsigned i = 0;

	(void)state;
	do {
		(void)snprintf(other, sizeof other, "u%u", i++);
	} while (hash_of_name(other) != hash_of_name("client2"));
	assert_int_equal(box->ops->prepare(box, other, &e), 0);
	deliver_unlisted();
	assert_int_equal(list(other), 0); /* which answers the suspicion, as far as he goes */
	assert_true(is_current(other));
	settle();
	assert_int_equal(list("client2"), 1);
	assert_int_equal(files_of("client2"), 1);
}

static void deliver_to_two(void)
{
	stay_unsettled = true;
	(void)deliver("slow", "content", "client2");
}

static void suspected_in_flight(void **state)
{
	int told[2], go[2];
	char byte;
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(list("client2"), 0);
	assert_int_equal(pipe(told), 0);
	assert_int_equal(pipe(go), 0);
	hang_in_sync[0] = go[0];
	hang_in_sync[1] = told[1];
	pid = child(deliver_to_two);
	hang_in_sync[1] = 0;
	assert_int_equal(read(told[0], &byte, 1), 1);
	box_suspect(&files()->scan, "client2");
	assert_int_equal(list("client2"), 0);
	assert_false(is_current("client2")); /* he may have failed to list it: ask again */
	assert_int_equal(write(go[1], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(list("client2"), 1);
	assert_true(is_current("client2"));
	settle();
	assert_int_equal(list("client2"), 1);
	for (int i = 0; i < 2; i++) {
		(void)close(told[i]);
		(void)close(go[i]);
	}
}

/* --- ids --- */

static uint8_t id[MAILBOX_ID_BYTES];

static void send_and_die(void)
{
	die_in_sync = true;
	stay_unsettled = true;
	(void)send_once(id, "client2;client3");
}

static void retried_at_once(void **state)
{
	(void)state;
	make_id(id, 7);
	stay_unsettled = true;
	assert_int_equal(deliver("first", "content", "client4"), 0); /* all is made by now */
	assert_killed(child(send_and_die));
	syncs = 0;
	assert_int_equal(send_once(id, "client2;client3"), 0);
	assert_true(sent_before);
	assert_true(syncs > 0); /* nobody had */
	assert_int_equal(copies("client2", id), 1);
	assert_int_equal(copies("client3", id), 1);
	stay_unsettled = false;
	settle();
	assert_int_equal(copies("client2", id), 1);
	assert_int_equal(files_of("client3"), 1);
	/* what was settled stands in .sent: no delivery needs to read the journal any more */
	assert_true(files()->shared->sent_behind < journal_oldest(files()->journal));
	assert_int_equal(send_once(id, "client2;client3"), 0);
	assert_true(sent_before);
}

static void recovered_then_retried(void **state)
{
	(void)state;
	make_id(id, 8);
	stay_unsettled = true;
	assert_killed(child(send_and_die));
	syncs = 0;
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_true(syncs > 0); /* ahead of its first listing */
	assert_int_equal(copies("client2", id), 1);
	assert_int_equal(send_once(id, "client2;client3"), 0);
	assert_true(sent_before);
	stay_unsettled = false;
	settle();
	assert_int_equal(files_of("client2"), 1);
}

/* --- two senders, one id --- */

/* As files_remove does, by a place that is not its own any more. */
static void remove_found(struct box_found *found)
{
	static const uint8_t room[SEGMENT_RECORD];
	struct files *f = (struct files *)box;
	uint8_t key[ENTRY_KEY];
	struct buf payload = {0};
	struct journal_mark mark;
	struct box b;

	found->where = 0;
	entry_key(&found->meta, key);
	assert_int_equal(buf_append(&payload, room, sizeof room), 0);
	assert_int_equal(entry_put_removed(&payload, "client2", key), 0);
	assert_int_equal(files_commit(f, &payload, &mark, &e), 0);
	assert_int_equal(box_open(&b, f->root, "client2", &e), 0);
	assert_int_equal(box_remove(&b, found, f->journal, &mark, &e), 0);
	box_close(&b);
	buf_free(&payload);
}

/* Two senders chose one id: the other's message stays, and the one that went does not come back
 * with a look at the folder, whether it had a file or not. */
static void namesake_stays(void **state)
{
	struct mailbox_ref ref = {0};
	struct box_found found;
	struct box b;

	(void)state;
	make_id(id, 9);
	for (int unsettled = 0; unsettled < 2; unsettled++) {
		stay_unsettled = unsettled != 0;
		for (int i = 0; i < 2; i++) {
			assert_int_equal(post(&(struct letter){.title = "same",
						 .content = "content",
						 .to = "client2",
						 .from = i == 0 ? "client1" : "client3",
						 .id = id}),
				0);
		}
		assert_int_equal(list("client2"), 2);
		assert_string_equal(rows[1].meta.source, "client3");
		ref = rows[1].ref;
		assert_int_equal(box_open(&b, files()->root, "client2", &e), 0);
		assert_int_equal(box_find(&b, &files()->scan, &ref, &found, &e), 0);
		box_close(&b);
		assert_int_equal(found.fd < 0, unsettled);
		if (found.fd >= 0) {
			assert_int_equal(close(found.fd), 0);
		}
		remove_found(&found);
		assert_int_equal(unlinkat(folder.fd, "client2/.index", 0), 0);
		assert_int_equal(list("client2"), 1);
		assert_string_equal(rows[0].meta.source, "client1");
		assert_true(row_holds("client2", 0, "content"));
		assert_int_equal(box->ops->remove(box, "client2", &rows[0].ref, &e), 0);
	}
	stay_unsettled = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("what a killed settling made is synced by the next", settling_killed),
		T_STORE("a file whose record stayed behind is not made twice",
			record_stayed_behind),
		T_STORE("a user of the same hash does not clear another's suspicion",
			suspected_together),
		T_STORE("a delivery in flight keeps a suspicion alive", suspected_in_flight),
		T_STORE("a retry right after a kill is known, on disk, and listed",
			retried_at_once),
		T_STORE("what was killed before its sync is synced, then listed",
			recovered_then_retried),
		T_STORE("of two messages of one id the right one is removed", namesake_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
