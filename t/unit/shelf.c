/* Users' files: they arrive whole or not at all, and what broke off is gone on with. */
#include "faults.h"
#include "shelf.h"

static void round_trip(void **state)
{
	struct stat st;

	(void)state;
	assert_string_equal(list("alice"), "");
	assert_int_equal(count_names("."), 0); /* a look makes nothing */
	assert_int_equal(put("alice", "b", "hello", false), 0);
	assert_int_equal(put("alice", "a", "", false), 0);
	assert_string_equal(list("alice"), "alice/a 0\nalice/b 5\n");
	assert_string_equal(get("alice", "alice", "b"), "hello");
	assert_string_equal(get("alice", "alice", "a"), "");
	assert_int_equal(fstatat(folder.fd, ".shelf/alice/alice", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(folder.fd, ".shelf/alice/alice/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden",
		"a\nb", "a\x1b[2J", "a\xff",
		"\xe2\x80\xae"
		"txt",
		"a\x7f"};
	struct shelf_reader *r;
	struct shelf_file file;
	char longest[SHELF_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(put("alice", bad[i], "x", true), e, EX_DATAERR);
		assert_refused(shelf->ops->open(shelf, "alice", "alice", bad[i], &r, &file, &e), e,
			EX_DATAERR);
		assert_refused(
			shelf->ops->remove(shelf, "alice", "alice", bad[i], &e), e, EX_DATAERR);
	}
	assert_string_equal(list("alice"), "");
	memset(longest, 'n', sizeof longest);
	longest[SHELF_NAME_MAX] = '\0';
	assert_int_equal(put("alice", longest, "x", false), 0);
	assert_string_equal(get("alice", "alice", longest), "x");
	longest[SHELF_NAME_MAX] = 'n';
	longest[SHELF_NAME_MAX + 1] = '\0';
	assert_refused(put("alice", longest, "x", false), e, EX_DATAERR);
	/* users' names become folders, too */
	assert_refused(
		shelf->ops->open(shelf, "alice", "..", "alice", &r, &file, &e), e, EX_NOINPUT);
	assert_refused(
		shelf->ops->open(shelf, "alice", "../bob", "x", &r, &file, &e), e, EX_NOINPUT);
	assert_refused(shelf->ops->remove(shelf, "alice", ".", "alice", &e), e, EX_NOINPUT);
}

static void replaced_by_force_alone(void **state)
{
	(void)state;
	assert_int_equal(put("alice", "a", "old", false), 0);
	assert_refused(put("alice", "a", "new", false), e, EX_CANTCREAT);
	assert_string_equal(get("alice", "alice", "a"), "old");
	assert_int_equal(put("alice", "a", "newer", true), 0);
	assert_string_equal(get("alice", "alice", "a"), "newer");
	assert_string_equal(list("alice"), "alice/a 5\n");
}

static void sizes_that_lie(void **state)
{
	struct shelf_plan plan = plan_of("alice", "a", 4);
	struct shelf_draft *d;

	(void)state;
	assert_refused(bring(&plan, "hello", &d), e, EX_DATAERR);
	shelf->ops->end(d);
	assert_refused(bring(&plan, "hel", &d), e, EX_DATAERR);
	shelf->ops->end(d);
	assert_string_equal(list("alice"), "");
}

/* --- going on --- */

static void resume(const char *text, uint64_t wanted_held, bool same)
{
	static const uint8_t key[PROOF_KEY] = {7};
	struct shelf_plan plan = plan_of("alice", "a", strlen(text));
	uint8_t theirs[PROOF_BYTES], ours[PROOF_BYTES];
	struct shelf_draft *d;
	struct shelf_file file;
	uint64_t held, from;
	int fd;

	plan.resume = true;
	assert_int_equal(shelf->ops->begin(shelf, &plan, &d, &held, &e), 0);
	assert_int_equal(held, wanted_held);
	spew("local", text, strlen(text));
	fd = openat(folder.fd, "local", O_RDONLY);
	assert_int_equal(proof_of(fd, held, key, ours, &e), 0);
	(void)close(fd);
	assert_int_equal(shelf->ops->proof(d, held, key, theirs, &e), 0);
	assert_int_equal(memcmp(ours, theirs, sizeof ours) == 0, same);
	from = same ? held : 0;
	assert_int_equal(shelf->ops->from(d, from, &e), 0);
	assert_int_equal(shelf->ops->append(d, text + from, strlen(text) - from, &e), 0);
	assert_int_equal(shelf->ops->finish(d, &file, &e), 0);
	shelf->ops->end(d);
	assert_string_equal(get("alice", "alice", "a"), text);
}

static void goes_on(void **state)
{
	(void)state;
	break_off("alice", "a", "hello world", 5);
	assert_string_equal(list("alice"), "alice/a 5 part\n");
	resume("hello world", 5, true);
	assert_string_equal(list("alice"), "alice/a 11\n");
}

static void other_beginning(void **state)
{
	(void)state;
	break_off("alice", "a", "HELLO world", 5);
	resume("hello world", 5, false);
	assert_string_equal(list("alice"), "alice/a 11\n");
}

/* What was held is more than the file now has. */
static void held_too_much(void **state)
{
	(void)state;
	break_off("alice", "a", "hello world", 8);
	resume("hello", 5, true);
	assert_string_equal(list("alice"), "alice/a 5\n");
}

static void begins_anew(void **state)
{
	(void)state;
	break_off("alice", "a", "HELLO world", 11);
	assert_int_equal(put("alice", "a", "hi", false), 0);
	assert_string_equal(list("alice"), "alice/a 2\n");
}

/* The answer was lost: the whole file is there, and is not sent again. */
static void whole_already(void **state)
{
	struct shelf_plan plan = plan_of("alice", "a", 5);
	struct shelf_draft *d;
	uint64_t held;

	(void)state;
	assert_int_equal(put("alice", "a", "hello", false), 0);
	resume("hello", 5, true);
	/* another one of that size is no reason to replace it, */
	plan.resume = true;
	assert_int_equal(shelf->ops->begin(shelf, &plan, &d, &held, &e), 0);
	assert_int_equal(held, 5);
	assert_refused(shelf->ops->from(d, 0, &e), e, EX_CANTCREAT);
	shelf->ops->end(d);
	assert_string_equal(get("alice", "alice", "a"), "hello");
	/* unless that is asked */
	plan.force = true;
	assert_int_equal(shelf->ops->begin(shelf, &plan, &d, &held, &e), 0);
	assert_int_equal(held, 5);
	assert_int_equal(shelf->ops->from(d, 0, &e), 0);
	assert_int_equal(shelf->ops->append(d, "HELLO", 5, &e), 0);
	struct shelf_file file;
	assert_int_equal(shelf->ops->finish(d, &file, &e), 0);
	shelf->ops->end(d);
	assert_string_equal(get("alice", "alice", "a"), "HELLO");
}

static void one_at_a_time(void **state)
{
	struct shelf_plan plan = plan_of("alice", "a", 5);
	struct shelf_draft *d;
	uint64_t held;

	(void)state;
	assert_int_equal(shelf->ops->begin(shelf, &plan, &d, &held, &e), 0);
	assert_refused(put("alice", "a", "other", true), e, EX_TEMPFAIL);
	assert_refused(shelf->ops->remove(shelf, "alice", "alice", "a", &e), e, EX_TEMPFAIL);
	assert_int_equal(shelf->ops->append(d, "hel", 3, &e), 0);
	shelf->ops->end(d);
	assert_int_equal(shelf->ops->remove(shelf, "alice", "alice", "a", &e), 0);
	assert_string_equal(list("alice"), "");
}

/* --- failing calls --- */

static void fresh(void)
{
	(void)shelf->ops->remove(shelf, "alice", "alice", "a", &e);
	(void)shelf->ops->remove(shelf, "bob", "alice", "a", &e);
}

static int put_three(void)
{
	return put_and_give("alice", "a", "new", "bob", &no_limit);
}

/* Where it was refused bob has nothing, or all of it; and a retry does the rest, once. */
static void judge(int rc)
{
	if (rc == 0) {
		assert_string_equal(list("bob"), "alice/a 3\n");
	} else {
		assert_true(e.text[0] != '\0');
		assert_true(strcmp(list("bob"), "") == 0 || strcmp(listed, "alice/a 3\n") == 0);
		const char *own = get("alice", "alice", "a");
		assert_true(own == NULL || strcmp(own, "new") == 0);
	}
}

static void each_call_fails(void **state)
{
	static const int errors[] = {ENOSPC, EIO, EMFILE};
	const struct attempt a = {.begin = fresh, .run = put_three, .judge = judge};
	long calls = 0;

	(void)state;
	assert_int_equal(put_three(), 0); /* the folders are there */
	for (size_t i = 0; i < COUNT(errors); i++) {
		calls += fail_each_call(&a, NULL, errors[i], false);
		calls += fail_each_call(&a, NULL, errors[i], true);
	}
	assert_true(calls > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_SHELF("what was put is listed, and comes back", round_trip),
		T_SHELF("names that are none are refused everywhere", names),
		T_SHELF("a file is replaced by force alone", replaced_by_force_alone),
		T_SHELF("more or fewer bytes than announced leave nothing", sizes_that_lie),
		T_SHELF("what broke off is gone on with", goes_on),
		T_SHELF("... unless it is another beginning", other_beginning),
		T_SHELF("... or longer than the file", held_too_much),
		T_SHELF("without resume it begins anew", begins_anew),
		T_SHELF("a file that is there whole is not sent again", whole_already),
		T_SHELF("a name is written by one at a time", one_at_a_time),
		T_SHELF("each call that fails leaves nothing half", each_call_fails)};

	return RUN(tests);
}
