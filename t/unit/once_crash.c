/* A process that dies at each of its changes to the disk, in a delivery under an id, in its retry
 * and in a removal: what is tried until it is answered is in each mailbox once, and what was
 * removed stays so. The C library's calls that change a file or a folder count here, and end the
 * process ahead of the one that is due. */
#include "once.h"

#include <sys/syscall.h>

enum { DIED = 99, CALLS_MAX = 200 };

static int due;     /* which call is the last; 0: none */
static bool pauses; /* it goes on when it is told to */

static void count_call(void)
{
	if (due == 0 || --due > 0) {
		return;
	}
	if (!pauses) {
		_exit(DIED);
	}
	(void)raise(SIGSTOP);
}

ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at)
{
	count_call();
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

int counted_fdatasync(int fd) __asm__("fdatasync");
int counted_fdatasync(int fd)
{
	count_call();
	return (int)syscall(SYS_fdatasync, fd);
}

int counted_fsync(int fd) __asm__("fsync");
int counted_fsync(int fd)
{
	count_call();
	return (int)syscall(SYS_fsync, fd);
}

int counted_linkat(int a, const char *from, int b, const char *to, int flags) __asm__("linkat");
int counted_linkat(int a, const char *from, int b, const char *to, int flags)
{
	count_call();
	return (int)syscall(SYS_linkat, a, from, b, to, flags);
}

int counted_unlinkat(int dir, const char *name, int flags) __asm__("unlinkat");
int counted_unlinkat(int dir, const char *name, int flags)
{
	count_call();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int counted_renameat(int a, const char *from, int b, const char *to) __asm__("renameat");
int counted_renameat(int a, const char *from, int b, const char *to)
{
	count_call();
	return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

int counted_mkdirat(int dir, const char *name, mode_t mode) __asm__("mkdirat");
int counted_mkdirat(int dir, const char *name, mode_t mode)
{
	count_call();
	return (int)syscall(SYS_mkdirat, dir, name, mode);
}

int counted_ftruncate(int fd, off_t n) __asm__("ftruncate");
int counted_ftruncate(int fd, off_t n)
{
	count_call();
	return (int)syscall(SYS_ftruncate, fd, n);
}

/* --- children that die --- */

static uint8_t id[MAILBOX_ID_BYTES];
static uint32_t seed;
static const char *to;

static int send_and_die(int at)
{
	due = at;
	return send_once(id, to) == 0 ? 0 : 1;
}

static int remove_and_die(int at)
{
	due = at;
	return remove_id("client2", id) == 0 ? 0 : 1;
}

/* false: it came to its end, since it makes fewer changes. */
static bool dies(int (*run)(int at), int at)
{
	int code = end_child(start_child(run, at));

	if (code != 0 && code != DIED) {
		fail_msg("call %d: exit %d", at, code);
	}
	return code == DIED;
}

static void next_id(void)
{
	make_id(id, ++seed);
}

static void assert_copies(const char *names, int wanted, int at, int then)
{
	struct users_list l;

	assert_int_equal(users_split(&l, names, strlen(names), &e), 0);
	for (size_t i = 0; i < l.n; i++) {
		int n = copies(l.names[i], id);
		if (n != wanted || files_of(l.names[i]) != rows_n) {
			fail_msg("died at %d and %d: %d copies for %s, not %d; %d files", at, then,
				n, l.names[i], wanted, files_of(l.names[i]));
		}
	}
	users_list_free(&l);
}

/* It is acknowledged in the end, and in each mailbox once; and leaves nothing. */
static void assert_ends_well(int at, int then)
{
	if (send_once(id, to) != 0) {
		fail_msg("died at %d and %d: %s", at, then, e.text);
	}
	assert_copies(to, 1, at, then);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_copies(to, 1, at, then);
	assert_int_equal(count_names(".spool"), 0);
	assert_int_equal(remove_id("client2", id), 0);
	assert_int_equal(send_once(id, to), 0);
	assert_true(again);
	assert_copies("client2", 0, at, then);
	for (char user[] = "client3"; user[6] <= '4'; user[6]++) {
		assert_int_equal(remove_id(user, id), strstr(to, user) == NULL ? -1 : 0);
	}
}

static void a_delivery(const char *recipients, bool named)
{
	bool died = true;
	int at;

	((struct files *)box)->named_only = named;
	to = recipients;
	for (at = 1; at < CALLS_MAX && died; at++) {
		next_id();
		died = dies(send_and_die, at);
		if (at % 2 == 0) { /* the server looks after it, or the retry is faster */
			assert_int_equal(box->ops->recover(box, &e), 0);
		}
		if (at % 3 == 0) {
			reopen_store();
			((struct files *)box)->named_only = named;
		}
		assert_ends_well(at, 0);
	}
	assert_true(at > 12 && at < CALLS_MAX);
}

static void one_recipient(void **state)
{
	(void)state;
	a_delivery("client2", false);
	a_delivery("client2", true);
}

static void three_recipients(void **state)
{
	(void)state;
	a_delivery("client2;client3;client4", false);
	a_delivery("client2;client3;client4", true);
}

/* The retry dies as well. */
static void twice(const char *first, const char *second)
{
	bool first_died = true, then_died;

	for (int at = 1; at < CALLS_MAX && first_died; at += 2) {
		then_died = true;
		for (int then = 1; then < CALLS_MAX && then_died; then += 3) {
			next_id();
			to = first;
			first_died = dies(send_and_die, at);
			if (!first_died && first != second) {
				break; /* done: the second is not looked at */
			}
			to = second;
			then_died = dies(send_and_die, then);
			assert_ends_well(at, then);
		}
	}
}

static void dies_twice(void **state)
{
	(void)state;
	twice("client2", "client2");
	twice("client2;client3;client4", "client2;client3;client4");
}

/* A client may name other recipients when it tries again: it should not, and doubles nothing. */
static void others_the_second_time(void **state)
{
	(void)state;
	twice("client2", "client2;client3;client4");
}

/* The reader's session dies while it removes: it is there, or it is gone and stays so. */
static void a_removal(bool done_lost)
{
	bool died = true;
	int at, left;

	to = "client2;client3";
	for (at = 1; at < CALLS_MAX && died; at++) {
		next_id();
		assert_int_equal(send_once(id, to), 0);
		if (done_lost) {
			forget_done();
		}
		died = dies(remove_and_die, at);
		left = copies("client2", id);
		assert_true(left == 1 || left == 0);
		assert_true(died || left == 0);
		assert_int_equal(send_once(id, to), 0);
		assert_true(again);
		assert_copies("client2", left, at, 0);
		assert_copies("client3", 1, at, 0);
	}
	assert_true(at > 5 && at < CALLS_MAX);
}

static void removals(void **state)
{
	(void)state;
	a_removal(false);
	a_removal(true);
}

/* false: it ended. */
static bool stops(pid_t pid)
{
	siginfo_t info = {0};

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT), 0);
	return info.si_code == CLD_STOPPED;
}

static int just_remove(int i)
{
	(void)i;
	pauses = false;
	return remove_and_die(0);
}

/* A retry that finds BEGUN looks into the mailbox, while the reader removes the message from there:
 * wherever the retry is held up, what was removed is not restored. */
static void a_removal_beside_a_retry(void **state)
{
	bool stopped = true;
	int at;

	(void)state;
	to = "client2";
	for (at = 1; at < CALLS_MAX && stopped; at++) {
		struct timespec t = {.tv_nsec = 30000000};
		next_id();
		assert_int_equal(send_once(id, to), 0);
		forget_done();
		pauses = true;
		pid_t retry = start_child(send_and_die, at);
		pauses = false;
		stopped = stops(retry);
		pid_t removal = start_child(just_remove, 0);
		(void)nanosleep(&t, NULL); /* it is done by now, or it waits for the retry */
		(void)kill(retry, SIGCONT);
		assert_int_equal(end_child(retry), 0);
		assert_int_equal(end_child(removal), 0);
		assert_copies(to, 0, at, 0);
		assert_int_equal(send_once(id, to), 0);
		assert_copies(to, 0, at, 0);
	}
	assert_true(at > 3 && at < CALLS_MAX);
}

/* The files of ids turn over, and the process dies in it: what was known still is. */
static void the_turn(void **state)
{
	uint8_t *p = calloc(SENT_MAX, SENT_RECORD);
	bool died = true;
	int at;

	(void)state;
	to = "client2";
	memset(p, 'x', SENT_MAX * (size_t)SENT_RECORD);
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
	for (at = 1; at < 10 && died; at++) {
		struct sent s;
		enum sent_state was;
		next_id();
		make_id(p + 17 * SENT_RECORD, 777);
		p[17 * SENT_RECORD + MAILBOX_ID_BYTES] = SENT_DONE;
		spew(SENT_FOLDER "/client1", p, SENT_MAX * (size_t)SENT_RECORD);
		died = dies(send_and_die, at);
		assert_ends_well(at, 0);
		make_id(id, 777);
		assert_int_equal(sent_claim(&s, folder.fd, sender, id, &was, &e), 0);
		assert_int_equal(was, SENT_DONE);
		sent_release(&s);
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a delivery to one that dies at any step is completed by a retry, once",
			one_recipient),
		T_STORE("and so is one to three", three_recipients),
		T_STORE("and when the retry dies as well", dies_twice),
		T_STORE("and when the retry names more recipients, and dies",
			others_the_second_time),
		T_STORE("a removal that dies at any step is not undone by a retry", removals),
		T_STORE("nor is one that goes on beside a retry", a_removal_beside_a_retry),
		T_STORE("dying while the files of ids turn over forgets none", the_turn),
	};
	return RUN(tests);
}
