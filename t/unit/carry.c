/* Mailboxes that cannot be written, or are gone, when the journal is settled: no other waits for
 * them, and what can come later does. */
#include "crash.h"

#include "../../store/carry.h"

static void break_box(void)
{
	assert_int_equal(renameat(folder.fd, "client2", folder.fd, "aside"), 0);
	spew_text("client2", "a file");
}

static void mend_box(void)
{
	assert_int_equal(unlinkat(folder.fd, "client2", 0), 0);
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client2"), 0);
}

static void one_broken(void **state)
{
	char *large = large_text();
	uint8_t ids[4][MAILBOX_ID_BYTES], removed[MAILBOX_ID_BYTES];
	struct mailbox_ref ref = {0};

	(void)state;
	assert_int_equal(deliver("gone", "gone", "client2"), 0);
	memcpy(removed, last.id, sizeof removed);
	settle();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(deliver("B", i % 2 == 0 ? "small" : large,
					 i / 2 == 0 ? "client2" : "client1;client2;client3"),
			0);
		memcpy(ids[i], last.id, sizeof last.id);
	}
	memcpy(ref.id, removed, sizeof ref.id);
	assert_int_equal(box->ops->remove(box, "client2", &ref, &e), 0);
	break_box();
	for (int again = 0; again < 6; again++) {
		assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
		assert_contains(e.text, "client2");
		assert_int_equal(files_of("client1"), 2 + again);
		assert_int_equal(files_of("client3"), 2 + again);
		assert_int_equal(deliver("more", "more", "client1;client3"), 0);
		if (again % 3 == 2) {
			crash_store();
			start_store();
			(void)box->ops->recover(box, &e);
		}
	}
	mend_box();
	for (int again = 0; again < 4; again++) {
		for (int i = 0; i < 4; i++) {
			assert_int_equal(
				whole_copies("client2", ids[i], i % 2 == 0 ? "small" : large), 1);
		}
		assert_int_equal(rows_n, 4);
		if (again % 2 == 0) {
			settle();
			assert_int_equal(files_of("client2"), 4);
		} else {
			crash_and_recover();
		}
	}
	recover();
	assert_int_equal(count_names(".spool"), 0);
	free(large);
}

static void carry_oldest(void)
{
	struct files *f = (struct files *)box;
	char name[][USER_NAME_MAX + 1] = {"client2"};
	struct users_list users = {.names = name, .n = 1};
	uint64_t segment;

	assert_int_equal(journal_seal(f->journal, &segment, &e), 0);
	if (carry_over(f, segment, &users, &e) != 0) {
		fail_msg("carry over: %s", e.text);
	}
}

/* What is said of a message while its mailbox is carried over stays the last that is said of it,
 * though it stands ahead of what was carried. */
static void say_meanwhile(bool back, bool far)
{
	struct mailbox_ref ref = {0};
	uint64_t segment;

	assert_int_equal(deliver("B", "small", "client2"), 0);
	memcpy(ref.id, last.id, sizeof ref.id);
	if (back) {
		assert_int_equal(box->ops->remove(box, "client2", &ref, &e), 0);
	}
	assert_int_equal(journal_seal(((struct files *)box)->journal, &segment, &e), 0);
	if (back) { /* it comes back under its id */
		assert_int_equal(
			post(&(struct letter){
				.title = "B", .content = "small", .to = "client2", .id = ref.id}),
			0);
	} else {
		assert_int_equal(box->ops->remove(box, "client2", &ref, &e), 0);
	}
	if (far) { /* what is carried is put into a later segment yet */
		struct journal *j = ((struct files *)box)->journal;
		journal_slot(j, j->state->next - 1)->sealed = true;
	}
}

static void said_meanwhile(void **state)
{
	(void)state;
	for (int way = 0; way < 4; way++) {
		bool back = way % 2 != 0, far = way / 2 != 0;
		say_meanwhile(back, far);
		for (int again = 0; again < 3; again++) {
			carry_oldest();
			assert_int_equal(list("client2"), back);
			if (!far) {
				crash_and_recover();
				assert_int_equal(list("client2"), back);
			}
		}
		settle();
		assert_int_equal(list("client2"), back);
		assert_int_equal(files_of("client2"), back);
		crash_and_recover();
		assert_int_equal(list("client2"), back);
		assert_int_equal(remove_all("client2"), 0);
		settle();
	}
}

/* It alone has mail in the oldest segment: the others have theirs settled all the same, and all go
 * on to be delivered to. */
static void alone_in_its_segment(void **state)
{
	enum { N = 60000, MANY = 700 };
	char *text = malloc(N + 1);
	uint8_t id[MAILBOX_ID_BYTES];

	(void)state;
	assert_non_null(text);
	memset(text, 'z', N);
	text[N] = '\0';
	assert_int_equal(deliver("B", "small", "client2"), 0);
	memcpy(id, last.id, sizeof id);
	break_box();
	assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
	assert_int_equal(deliver("other", "other", "client1"), 0);
	assert_refused(box->ops->settle(box, &e), e, EX_TEMPFAIL);
	assert_int_equal(files_of("client1"), 1);
	for (int i = 0; i < MANY; i++) { /* more than all segments hold */
		if (deliver("filler", text, "client3") != 0) {
			fail_msg("message %d: %s", i, e.text);
		}
	}
	mend_box();
	settle();
	assert_int_equal(whole_copies("client2", id, "small"), 1);
	assert_int_equal(files_of("client2"), 1);
	assert_int_equal(files_of("client3"), MANY);
	free(text);
}

/* A folder that takes no new names, but whose index can be written. */
static void immutable(void **state)
{
	char command[PATH_MAX + 64];
	uint8_t id[MAILBOX_ID_BYTES];

	(void)state;
	assert_int_equal(deliver("T", "text", "client2;client3"), 0);
	memcpy(id, last.id, sizeof id);
	(void)snprintf(command, sizeof command, "chattr +i '%s/client2' 2>/dev/null", folder.path);
	if (system(command) != 0) {
		print_message("# SKIPPED: chattr +i does not work here\n");
		skip();
	}
	int first = box->ops->settle(box, &e);
	int others = files_of("client3");
	int one = whole_copies("client2", id, "text");
	struct mailbox_meta meta;
	int found = box->ops->find(box, "client2", id, &meta, &rows[0].ref, &e);
	bool holds = found == 0 && row_holds("client2", 0, "text");
	crash_store();
	start_store();
	(void)box->ops->recover(box, &e);
	int again = whole_copies("client2", id, "text");
	(void)snprintf(command, sizeof command, "chattr -i '%s/client2'", folder.path);
	assert_int_equal(system(command), 0);
	assert_int_equal(first, -1);
	assert_int_equal(others, 1);
	assert_int_equal(one, 1);
	assert_true(holds);
	assert_int_equal(again, 1);
	settle();
	assert_int_equal(whole_copies("client2", id, "text"), 1);
	assert_int_equal(files_of("client2"), 1);
}

/* Somebody takes a mailbox away, with mail on its way to it. */
static void taken_away(void **state)
{
	char *large = large_text();

	(void)state;
	for (int again = 0; again < 4; again++) {
		assert_int_equal(deliver("T", again % 2 == 0 ? "small" : large,
					 again / 2 == 0 ? "client2" : "client2;client3"),
			0);
		drop_index("client2");
		assert_int_equal(unlinkat(folder.fd, "client2", AT_REMOVEDIR), 0);
		if (again == 3) {
			crash_store();
			start_store();
		}
		recover();
		settle();
		recover();
		assert_int_equal(count_names(".spool"), 0);
		assert_int_equal(list("client3"), again < 2 ? 0 : again - 1);
		assert_int_equal(box->ops->prepare(box, "client2", &e), 0);
		assert_int_equal(list("client2"), 0);
		assert_int_equal(deliver("after", "after", "client2"), 0);
		settle();
		assert_int_equal(list("client2"), 1);
		assert_int_equal(remove_all("client2"), 0);
		settle();
	}
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_UNSETTLED(
			"a mailbox that cannot be written gets its mail later, the others theirs",
			one_broken),
		T_UNSETTLED("and when a segment has mail for it alone", alone_in_its_segment),
		T_UNSETTLED("and when its folder takes no names", immutable),
		T_UNSETTLED("what is said meanwhile stays said when a mailbox is carried over",
			said_meanwhile),
		T_UNSETTLED("a mailbox that is taken away takes its mail with it", taken_away),
	};
	return RUN(tests);
}
