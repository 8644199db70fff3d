/* What was sent, on a system that fails: whatever call or allocation it is, an id that was noted is
 * known, one that was not may be sent, and what was known before still is. */
#include "faults.h"

#include "sent.h"

enum { OLD = 1000000, NEW };

static const char *what;

static void empty_folder(void)
{
	static const char *const all[] = {
		NEWER, OLDER, SENT_FOLDER "/client1.new", SENT_FOLDER "/.lock", SENT_FOLDER};

	for (size_t i = 0; i < COUNT(all); i++) {
		int rc = unlinkat(folder.fd, all[i], i + 1 == COUNT(all) ? AT_REMOVEDIR : 0);
		assert_true(rc == 0 || errno == ENOENT);
	}
}

static void begin_fresh(void)
{
	empty_folder();
}

static void begin_known(void)
{
	empty_folder();
	send_it(OLD);
}

static void begin_former(void)
{
	empty_folder();
	make_folder();
	fill_former(NEWER, OLD, 200, 3);
}

static void begin_growing(void)
{
	empty_folder();
	make_folder();
	fill_file(NEWER, OLD, 192, 1);
	spew_text(SENT_FOLDER "/client1.new", "left by a crash");
}

static void begin_turning(void)
{
	empty_folder();
	make_folder();
	fill_file(NEWER, OLD, SENT_MAX, 512);
}

static int send_new(void)
{
	e = (struct err){0};
	return claim(NEW, true);
}

static int note_new(void)
{
	e = (struct err){0};
	return note(NEW);
}

static int sync_all(void)
{
	e = (struct err){0};
	return sent_sync(folder.fd, user, &e);
}

static void judge_refusal(int rc)
{
	if (rc == 0) {
		return;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EX_TEMPFAIL);
	if (faults.error != 0 && strstr(e.text, strerror(faults.error)) == NULL) {
		fail_msg("%s: %s", what, e.text);
	}
}

static void judge_new(int rc)
{
	judge_refusal(rc);
	if (rc == 0) {
		assert_known(NEW, true);
	} else {
		assert_int_equal(note(NEW), 0);
		assert_known(NEW, true);
	}
}

static void judge_both(int rc)
{
	judge_new(rc);
	assert_known(OLD, true);
}

static void judge_sync(int rc)
{
	judge_refusal(rc);
	assert_int_equal(sent_sync(folder.fd, user, &e), 0);
	assert_known(OLD, true);
}

static const struct attempt attempts[] = {
	{"the first of all", begin_fresh, send_new, judge_new},
	{"another one", begin_known, send_new, judge_both},
	{"another one, noted", begin_known, note_new, judge_both},
	{"the former layout", begin_former, send_new, judge_both},
	{"a file that grows", begin_growing, send_new, judge_both},
	{"a sync", begin_known, sync_all, judge_sync},
};

static void calls_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(attempts); i++) {
		what = attempts[i].name;
		assert_true(fail_each_call(&attempts[i], NULL, EIO, false) > 5);
		assert_true(fail_each_call(&attempts[i], NULL, EIO, true) > 0);
	}
}

static void judge_passed(int rc)
{
	assert_int_equal(rc, 0);
}

/* A signal is no failure. */
static void interrupted(void **state)
{
	static const char *const calls[] = {"fcntl", "pread", "pwrite"};

	(void)state;
	for (size_t i = 0; i < COUNT(attempts); i++) {
		struct attempt must_pass = attempts[i];
		must_pass.judge = judge_passed;
		for (size_t k = 0; k < COUNT(calls); k++) {
			(void)fail_each_call(&must_pass, calls[k], EINTR, false);
		}
	}
}

static void memory_fails(void **state)
{
	(void)state;
	if (MEMORY_FAILS == 0) {
		skip();
	}
	faults.error = 0;
	for (size_t i = 0; i < COUNT(attempts); i++) {
		what = attempts[i].name;
		(void)fail_each_allocation(&attempts[i], false);
		(void)fail_each_allocation(&attempts[i], true);
	}
}

/* The largest file, when it becomes the older one: some calls, each costs a while. */
static void turning(void **state)
{
	static const char *const calls[] = {"renameat", "openat", "ftruncate"};
	const struct attempt turn = {"a file that turns over", begin_turning, send_new, judge_both};

	(void)state;
	what = turn.name;
	for (size_t k = 0; k < COUNT(calls); k++) {
		(void)fail_each_call(&turn, calls[k], EIO, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a call that fails loses no id, and is told", calls_fail),
		T_FOLDER("a signal is no failure", interrupted),
		T_FOLDER("memory that fails loses no id", memory_fails),
		T_FOLDER("nor does a file that turns over", turning),
	};

	return RUN(tests);
}
