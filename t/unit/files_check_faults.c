/* check() on a system that fails: it says so, and takes no fault of the system for a loss. */
#include "faults.h"

#include <sys/xattr.h>

#include "check.h"

static struct mailbox *looker;
static struct err why;
static char losses[8192]; /* that it tells when nothing fails */

static void write_message(const char *path, const char *content, uint64_t chars)
{
	struct buf b = {0};

	assert_int_equal(message_format(&b, message_text("client2"), message_text("client1"),
				 1658431775000000, message_text("by hand"), chars),
		0);
	assert_int_equal(buf_append(&b, content, strlen(content)), 0);
	spew(path, b.p, b.n);
	buf_free(&b);
}

/* Of everything there is something, sound or not. */
static void plant(void)
{
	static char large[100001];

	memset(large, 'y', sizeof large - 1);
	deliver_three();
	stay_unsettled = true;
	assert_int_equal(deliver("J", "journaled", "client1"), 0);
	assert_int_equal(deliver("L", large, "client1;client2"), 0);
	assert_int_equal(list("client1"), 5);
	assert_int_equal(box->ops->remove(box, "client1", &rows[1].ref, &e), 0);
	write_message("client1/short.txt", "short", 9);
	write_message("client1/bad.txt", "b\xff", 2);
	spew_text("client1/none.txt", "none");
	spew_text(".spool/00112233445566778899aabbccddeeff", "left");
	assert_int_equal(
		utimensat(folder.fd, ".spool/00112233445566778899aabbccddeeff",
			(struct timespec[2]){{.tv_sec = 1000000000}, {.tv_sec = 1000000000}}, 0),
		0);
	assert_true(mkdirat(folder.fd, ".sent", 0700) == 0 || errno == EEXIST);
	spew_text(".sent/client1", "");
}

static void begin_look(void)
{
	memset(&told, 0, sizeof told);
	why = (struct err){0};
	assert_int_equal(
		mailbox_files_open(folder.fd, mail_describe, MAILBOX_LOOK, &looker, &e), 0);
}

static int check_beside(void)
{
	return looker->ops->check(looker, NULL, found, NULL, &why);
}

static int check_box(void)
{
	return looker->ops->check(looker, "client1", found, NULL, &why);
}

/* A refusal says why. A loss that is told is one when nothing fails, too, or tells of the fault. */
static void judge_look(int rc)
{
	const char *reason = faults.error == 0 ? "memory" : strerror(faults.error);

	looker->ops->close(looker);
	if (rc != 0) {
		assert_int_equal(why.code, EX_TEMPFAIL);
		assert_contains(why.text, reason);
	}
	for (char *line = told.losses, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (strstr(losses, line) == NULL && strstr(line, reason) == NULL) {
			fail_msg("told as a loss: %s", line);
		}
	}
}

static const struct attempt looks[] = {
	{"check of what is beside", begin_look, check_beside, judge_look},
	{"check of a mailbox", begin_look, check_box, judge_look},
};

static void remember_losses(void)
{
	plant();
	begin_look();
	assert_int_equal(check_beside(), 0);
	assert_int_equal(check_box(), 0);
	looker->ops->close(looker);
	assert_int_equal(told.damaged, 3);
	memcpy(losses, told.losses, sizeof losses);
}

static void calls_fail(void **state)
{
	(void)state;
	remember_losses();
	for (size_t i = 0; i < COUNT(looks); i++) {
		assert_true(fail_each_call(&looks[i], NULL, EIO, false) > 30);
		assert_true(fail_each_call(&looks[i], NULL, EIO, true) > 5);
		assert_true(fail_each_call(&looks[i], "openat", EMFILE, false) > 5);
	}
}

static void memory_fails(void **state)
{
	(void)state;
	if (MEMORY_FAILS == 0) {
		skip();
	}
	/* or else libc asks for memory to know its time zone by, now and then */
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	remember_losses();
	faults.error = 0;
	for (size_t i = 0; i < COUNT(looks); i++) {
		assert_true(fail_each_allocation(&looks[i], false) > 5);
		assert_true(fail_each_allocation(&looks[i], true) > 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a call that fails is told, and is no loss", calls_fail),
		T_STORE("memory that fails is told, and is no loss", memory_fails),
	};

	return RUN(tests);
}
