/* Deliveries that are refused, and those of one who stands beside the keeper: what is refused
 * leaves nothing, and what is not there is not refused for long. */
#include "store.h"

#include <sys/syscall.h>

static bool fail_folder_sync;

int failing_fsync(int fd) __asm__("fsync");
int failing_fsync(int fd)
{
	errno = EIO;
	return fail_folder_sync || fd < 0 ? -1 : 0; /* no disk is lost here */
}

static struct mailbox *keeper, *beside;

static int open_both(void **state)
{
	fail_folder_sync = false;
	stay_unsettled = true;
	if (open_store(state) != 0 ||
		mailbox_files_open(folder.fd, mail_describe, MAILBOX_BESIDE, &beside, &e) != 0) {
		return -1;
	}
	keeper = box;
	return 0;
}

static int close_both(void **state)
{
	stay_unsettled = false;
	beside->ops->close(beside);
	box = keeper;
	return close_store(state);
}

#define T_BOTH(title, function)                              \
	{                                                    \
		title, function, open_both, close_both, NULL \
	}

static char large[100001];

static const char *content_of(int i)
{
	memset(large, 'x', sizeof large - 1);
	return i % 2 == 0 ? "small" : large;
}

/* --- beside the keeper --- */

static void delivers(void **state)
{
	uint8_t ids[4][MAILBOX_ID_BYTES];

	(void)state;
	for (int i = 0; i < 4; i++) {
		const struct letter l = {.title = "beside",
			.content = content_of(i),
			.to = "client1",
			.once = i / 2 == 1,
			.id = ids[i]};
		make_id(ids[i], (uint32_t)i);
		box = beside;
		assert_int_equal(post(&l), 0);
		assert_false(sent_before);
		box = keeper;
		assert_int_equal(list("client1"), i + 1);
		assert_int_equal(copies("client1", ids[i]), 1);
		if (l.once) { /* whoever is asked knows it */
			assert_int_equal(post(&l), 0);
			assert_true(sent_before);
			box = beside;
			assert_int_equal(post(&l), 0);
			assert_true(sent_before);
			box = keeper;
			assert_int_equal(copies("client1", ids[i]), 1);
		}
	}
	settle();
	assert_int_equal(files_of("client1"), 4);
}

static void refuses(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "x", "client1"), 0);
	assert_int_equal(list("client1"), 1);
	box = beside;
	assert_refused(deliver("two", "x", "client1;client2"), e, EX_TEMPFAIL);
	assert_contains(e.text, "another process keeps this store");
	assert_refused(box->ops->remove(box, "client1", &rows[0].ref, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "another process keeps this store");
	assert_refused(deliver("none", "x", "client9"), e, EX_TEMPFAIL);
	assert_contains(e.text, "client9");
	assert_int_equal(box->ops->recover(box, &e), 0); /* the keeper's business, and so is */
	settle();
	box = keeper;
	assert_int_equal(list("client1"), 1);
	assert_int_equal(list("client2"), 0);
	assert_int_equal(count_names(".spool"), 0);
}

/* The removal that the journal has would take along what comes under the same id. */
static void removed_a_moment_ago(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES], other[MAILBOX_ID_BYTES];
	struct letter l = {.title = "T", .content = "x", .to = "client1", .id = id};

	(void)state;
	make_id(id, 1);
	make_id(other, 2);
	assert_int_equal(post(&l), 0);
	settle();
	assert_int_equal(remove_id("client1", id), 0);
	box = beside;
	assert_refused(post(&l), e, EX_TEMPFAIL);
	assert_contains(e.text, "removed a moment ago");
	l.id = other;
	assert_int_equal(post(&l), 0);
	box = keeper;
	settle();
	assert_int_equal(list("client1"), 1);
	l.id = id;
	box = beside;
	assert_int_equal(post(&l), 0);
	box = keeper;
	assert_int_equal(list("client1"), 2);
}

/* It was linked and listed when the sync failed. */
static void taken_back(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct letter l = {.title = "T", .content = "x", .to = "client1", .id = id};

	(void)state;
	for (int once = 0; once < 2; once++) {
		make_id(id, (uint32_t)once);
		l.once = once == 1;
		if (l.once) { /* its folder is there, and needs no sync */
			const struct letter first = {
				.title = "T", .content = "x", .to = "client2", .once = true};
			assert_int_equal(post(&first), 0);
		}
		box = beside;
		fail_folder_sync = true;
		assert_refused(post(&l), e, EX_TEMPFAIL);
		assert_contains(e.text, strerror(EIO));
		fail_folder_sync = false;
		box = keeper;
		assert_int_equal(list("client1"), once);
		assert_int_equal(files_of("client1"), once);
		box = beside;
		assert_int_equal(post(&l), 0);
		assert_false(sent_before);
		box = keeper;
		assert_int_equal(copies("client1", id), 1);
	}
}

/* --- the keeper's --- */

static void nobody(void **state)
{
	static const char *const names[] = {"", ".", "..", "../x", "Client1", ".journal"};
	char name[1][USER_NAME_MAX + 1];
	struct users_list to = {.names = name};
	const struct mailbox_meta meta = {.time_us = 1, .source = "client1", .title = "T"};
	struct mailbox_delivery v = {.meta = &meta, .head = "head", .to = &to};
	struct mailbox_draft *d;
	bool again;

	(void)state;
	for (size_t i = 0; i <= COUNT(names); i++) {
		to.n = i == COUNT(names) ? 0 : 1;
		(void)snprintf(name[0], sizeof name[0], "%s", to.n == 0 ? "" : names[i]);
		assert_int_equal(box->ops->begin(box, 4, &d, &e), 0);
		assert_refused(box->ops->deliver(d, &v, &again, &e), e, EX_TEMPFAIL);
		box->ops->discard(d);
	}
}

/* Large messages of one sender under one id: one waits for the other to be settled. */
static void name_in_use(void **state)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct letter l = {.title = "T", .content = content_of(1), .to = "client2", .id = id};

	(void)state;
	make_id(id, 1);
	assert_int_equal(post(&l), 0);
	assert_int_equal(post(&l), 0);
	assert_int_equal(copies("client2", id), 2);
	/* what cannot be settled keeps its name */
	assert_int_equal(renameat(folder.fd, "client2", folder.fd, "aside"), 0);
	spew_text("client2", "in the way");
	l.to = "client1";
	assert_refused(post(&l), e, EX_TEMPFAIL);
	assert_contains(e.text, "a message with the same id is not settled yet");
	assert_int_equal(list("client1"), 0);
	assert_int_equal(unlinkat(folder.fd, "client2", 0), 0);
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client2"), 0);
	assert_int_equal(post(&l), 0);
	assert_int_equal(copies("client1", id), 1);
	assert_int_equal(copies("client2", id), 2);
	settle();
	for (int i = list("client2") - 1; i >= 0; i--) {
		assert_true(row_holds("client2", i, large));
	}
	assert_int_equal(count_names(".spool"), 0);
}

/* A mailbox that holds more than its limit now allows; and one whose use cannot be known. */
static void limits(void **state)
{
	struct mailbox_usage limit = {.bytes = 100};
	struct letter l = {.title = "T", .content = "x", .to = "client1"};

	(void)state;
	assert_int_equal(deliver("T", content_of(1), "client1"), 0);
	l.limits = &limit;
	assert_refused(post(&l), e, EX_TEMPFAIL);
	assert_contains(e.text, "mailbox client1 is full");
	limit = (struct mailbox_usage){.messages = 2};
	assert_int_equal(post(&l), 0);
	assert_refused(post(&l), e, EX_TEMPFAIL);
	assert_contains(e.text, "it holds 2 of at most 2 messages");
	assert_int_equal(list("client1"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("beside the keeper one mailbox is delivered to, each id once", delivers),
		T_BOTH("what takes a keeper is refused, and nothing is left of it", refuses),
		T_BOTH("what is being removed does not come back yet", removed_a_moment_ago),
		T_BOTH("what cannot be synced is taken back, and can be sent again", taken_back),
		T_BOTH("a mailbox has a user's name, and there is one", nobody),
		T_BOTH("a large message waits for the one of its id, or is refused", name_in_use),
		T_BOTH("a mailbox that is over its limit takes nothing", limits),
	};

	return RUN(tests);
}
