/* A store whose memory runs out, at each allocation of a start behind a crash, of settling, of a
 * delivery, a removal and a listing: it is told, and nothing is lost or doubled. */
#include "memory.h"

#include "crash.h"

static char large[100001];
static uint8_t one_id[MAILBOX_ID_BYTES], large_id[MAILBOX_ID_BYTES], gone_id[MAILBOX_ID_BYTES],
	new_id[MAILBOX_ID_BYTES];

/* Of each kind a message, and one that was removed; as long as this is on, nothing fails. */
static void deliver_all(void)
{
	const struct letter once = {.title = "once",
		.content = "once",
		.to = "client1;client2",
		.once = true,
		.id = one_id};

	make_id(one_id, 1);
	make_id(new_id, 2);
	assert_int_equal(post(&once), 0);
	assert_int_equal(deliver("large", large, "client1;client2"), 0);
	memcpy(large_id, last.id, sizeof large_id);
	assert_int_equal(deliver("gone", "gone", "client1"), 0);
	memcpy(gone_id, last.id, sizeof gone_id);
	assert_int_equal(remove_id("client1", gone_id), 0);
}

static void assert_all(void)
{
	assert_int_equal(whole_copies("client1", one_id, "once"), 1);
	assert_int_equal(whole_copies("client1", large_id, large), 1);
	assert_int_equal(copies("client1", gone_id), 0);
	assert_int_equal(whole_copies("client2", one_id, "once"), 1);
	assert_int_equal(whole_copies("client2", large_id, large), 1);
}

static void empty_store(void)
{
	for (char user[] = "client1"; user[6] <= '2'; user[6]++) {
		assert_int_equal(remove_all(user), 0);
	}
	settle();
	(void)unlinkat(folder.fd, ".sent/client1", 0);
}

static void assert_told(int rc)
{
	if (rc != 0) {
		assert_int_equal(e.code, EX_TEMPFAIL);
		assert_contains(e.text, "memory");
	}
}

/* --- a start behind a crash, which ends again --- */

static void begin_crashed(void)
{
	deliver_all();
	drop_index("client1");
	spew_text(".spool/00112233445566778899aabbccddeeff", "of no record");
	crash_store();
	e = (struct err){0};
}

static int start_and_recover(void)
{
	int rc = mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e);

	if (rc == 0) {
		rc = box->ops->recover(box, &e);
		crash_store();
	}
	return rc;
}

static void judge_started(int rc)
{
	assert_told(rc);
	start_store();
	recover();
	assert_all();
	settle();
	assert_all();
	empty_store();
	recover();
	assert_int_equal(count_names(".spool"), 0);
}

/* --- settling, with a mailbox that cannot be settled, or without --- */

static bool is_broken;

static void break_box(void)
{
	assert_int_equal(renameat(folder.fd, "client2", folder.fd, "aside"), 0);
	spew_text("client2", "in the way");
	is_broken = true;
}

static void mend_box(void)
{
	if (is_broken) {
		assert_int_equal(unlinkat(folder.fd, "client2", 0), 0);
		assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client2"), 0);
	}
	is_broken = false;
}

static void begin_settling(void)
{
	deliver_all();
	e = (struct err){0};
}

static void begin_carrying(void)
{
	deliver_all();
	break_box();
	e = (struct err){0};
}

static int settle_it(void)
{
	return box->ops->settle(box, &e);
}

static void judge_settled(int rc)
{
	if (rc != 0 && !is_broken) {
		assert_told(rc);
	}
	mend_box();
	assert_all();
	settle();
	assert_all();
	crash_and_recover();
	assert_all();
	empty_store();
	recover();
	assert_int_equal(count_names(".spool"), 0);
}

/* --- a delivery under an id --- */

static int deliver_it(void)
{
	static const struct mailbox_usage limits[] = {{.messages = 100}, {.bytes = 1000000}};
	struct mailbox_draft *d = NULL;
	struct mailbox_meta meta = {.time_us = 7000000, .chars = 3, .source = "client1"};
	static char names[2][USER_NAME_MAX + 1] = {"client1", "client2"};
	const struct users_list to = {.names = names, .n = 2};
	static const char head[] = "From: client1\nTo: client1;client2\n"
				   "Time and Date: 1970-01-01 00:00:07.000000\nTitle: new\n"
				   "Content Length: 3\nContent:\n";
	const struct mailbox_delivery v = {
		.meta = &meta, .head = head, .to = &to, .once = true, .limits = limits};
	bool again;
	int rc;

	memcpy(meta.id, new_id, sizeof meta.id);
	memcpy(meta.title, "new", 4);
	rc = box->ops->begin(box, sizeof head - 1, &d, &e);
	rc = rc == 0 ? box->ops->append(d, "new", 3, &e) : rc;
	rc = rc == 0 ? box->ops->deliver(d, &v, &again, &e) : rc;
	box->ops->discard(d);
	return rc;
}

static void judge_delivered(int rc)
{
	assert_told(rc);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(copies("client1", new_id), rc == 0 ? 1 : again);
		assert_int_equal(copies("client2", new_id), rc == 0 ? 1 : again);
		assert_int_equal(deliver_it(), 0);
	}
	assert_all();
	empty_store();
}

/* --- a removal, a listing, and the like --- */

static int remove_it(void)
{
	struct mailbox_ref ref = {0};

	memcpy(ref.id, one_id, sizeof ref.id);
	return box->ops->remove(box, "client1", &ref, &e);
}

static void judge_removed(int rc)
{
	assert_told(rc);
	if (rc == 0) {
		assert_int_equal(copies("client1", one_id), 0);
	}
	assert_int_equal(copies("client2", one_id), 1);
	empty_store();
}

static void begin_listing(void)
{
	begin_settling();
	drop_index("client1");
	rows_n = 0;
}

static int list_it(void)
{
	struct mailbox_usage usage;

	rows_n = 0;
	return box->ops->list(box, "client1", NULL, visit_row, NULL, &e) == 0 &&
			       box->ops->list_behind(box, "client1", one_id, visit_row, NULL, &e) ==
				       0 &&
			       box->ops->usage(box, "client1", &usage, &e) == 0 &&
			       open_row("client1", 0) == 0
		       ? 0
		       : -1;
}

static void judge_listed(int rc)
{
	assert_told(rc);
	if (rc == 0) {
		assert_int_equal(rows_n, 3); /* two, and the one behind the first */
	}
	assert_all();
	empty_store();
}

static const struct attempt attempts[] = {
	{"a start", begin_crashed, start_and_recover, judge_started},
	{"settling", begin_settling, settle_it, judge_settled},
	{"carrying over", begin_carrying, settle_it, judge_settled},
	{"a delivery", begin_settling, deliver_it, judge_delivered},
	{"a removal", begin_settling, remove_it, judge_removed},
	{"a listing", begin_listing, list_it, judge_listed},
};

static void each(size_t i)
{
	if (MEMORY_FAILS == 0) {
		skip();
	}
	memset(large, 'x', sizeof large - 1);
	/* or else libc asks for memory to know its time zone by, now and then */
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	assert_true(fail_each_allocation(&attempts[i], false) > 2);
	assert_true(fail_each_allocation(&attempts[i], true) > 1);
}

#define EACH(name, i)                  \
	static void name(void **state) \
	{                              \
		(void)state;           \
		each(i);               \
	}
EACH(a_start, 0)
EACH(settling, 1)
EACH(carrying, 2)
EACH(a_delivery, 3)
EACH(a_removal, 4)
EACH(a_listing, 5)

static int memory_setup(void **state)
{
	stay_unsettled = true;
	return open_store(state);
}

#define T_MEMORY(title, function)                                \
	{                                                        \
		title, function, memory_setup, close_store, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_MEMORY("a start behind a crash without memory is refused, and loses nothing",
			a_start),
		T_MEMORY("so is settling", settling),
		T_MEMORY("and what is carried over", carrying),
		T_MEMORY("a delivery without memory is refused, and can be sent again", a_delivery),
		T_MEMORY("a removal without memory is done or refused", a_removal),
		T_MEMORY("a listing without memory is refused, and hides nothing", a_listing),
	};

	return RUN(tests);
}
