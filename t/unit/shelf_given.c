/* Users' files belong to one user each: they are handed over by links that nobody overwrites,
 * others see none, and they have limits. */
#include "shelf.h"

/* --- handing over --- */

static void handed_over(void **state)
{
	struct stat one, two;

	(void)state;
	assert_int_equal(put_and_give("alice", "a.txt", "one", "bob", &no_limit), 0);
	assert_string_equal(was_given, "a.txt");
	assert_string_equal(list("bob"), "alice/a.txt 3\n");
	assert_int_equal(fstatat(folder.fd, ".shelf/alice/alice/a.txt", &one, 0), 0);
	assert_int_equal(fstatat(folder.fd, ".shelf/bob/alice/a.txt", &two, 0), 0);
	assert_int_equal(one.st_ino, two.st_ino);

	/* another one of that name, and what the first giver does, takes nothing away */
	assert_int_equal(put_and_give("alice", "a.txt", "two!", "bob", &no_limit), 0);
	assert_string_equal(was_given, "a.txt~2");
	assert_int_equal(put_and_give("carol", "a.txt", "three", "bob", &no_limit), 0);
	assert_string_equal(was_given, "a.txt");
	assert_string_equal(list("bob"), "alice/a.txt 3\nalice/a.txt~2 4\ncarol/a.txt 5\n");
	assert_string_equal(get("bob", "alice", "a.txt"), "one");
	assert_string_equal(get("bob", "alice", "a.txt~2"), "two!");
	assert_string_equal(get("bob", "carol", "a.txt"), "three");
	assert_int_equal(shelf->ops->remove(shelf, "alice", "alice", "a.txt", &e), 0);
	assert_string_equal(get("bob", "alice", "a.txt~2"), "two!");
	assert_int_equal(shelf->ops->remove(shelf, "bob", "alice", "a.txt", &e), 0);
	assert_string_equal(list("bob"), "alice/a.txt~2 4\ncarol/a.txt 5\n");
	assert_string_equal(get("carol", "carol", "a.txt"), "three");
	/* to oneself it is there already */
	assert_int_equal(put_and_give("bob", "b", "own", "bob", &no_limit), 0);
	assert_string_equal(was_given, "b");
	assert_string_equal(list("bob"), "bob/b 3\nalice/a.txt~2 4\ncarol/a.txt 5\n");
}

/* A retry finds the file, and gives it to nobody twice. */
static void given_once(void **state)
{
	struct shelf_plan plan = plan_of("alice", "a", 3);
	struct shelf_draft *d;
	struct shelf_file file;
	uint64_t held;

	(void)state;
	assert_int_equal(put_and_give("alice", "a", "one", "bob", &no_limit), 0);
	plan.resume = true;
	assert_int_equal(shelf->ops->begin(shelf, &plan, &d, &held, &e), 0);
	assert_int_equal(shelf->ops->from(d, held, &e), 0);
	assert_int_equal(shelf->ops->finish(d, &file, &e), 0);
	assert_int_equal(shelf->ops->give(d, "bob", &no_limit, was_given, &e), 0);
	assert_string_equal(was_given, "a");
	assert_int_equal(shelf->ops->give(d, "carol", &no_limit, was_given, &e), 0);
	shelf->ops->end(d);
	assert_string_equal(list("bob"), "alice/a 3\n");
	assert_string_equal(list("carol"), "alice/a 3\n");
}

static void long_copies(void **state)
{
	char name[SHELF_NAME_MAX + 1];
	size_t n = 0;

	(void)state;
	while (n + 3 <= SHELF_NAME_MAX) { /* of three bytes each */
		memcpy(name + n, "\xe2\x98\x95", 3);
		n += 3;
	}
	name[n] = '\0';
	assert_int_equal(put_and_give("alice", name, "one", "bob", &no_limit), 0);
	assert_int_equal(put_and_give("alice", name, "two", "bob", &no_limit), 0);
	assert_int_equal(landing_check_name(was_given, strlen(was_given), &e), 0);
	assert_string_equal(was_given + strlen(was_given) - 5, "\xe2\x98\x95~2");
	assert_string_equal(get("bob", "alice", was_given), "two");
}

/* --- whose they are --- */

static void others_see_nothing(void **state)
{
	struct shelf_reader *r;
	struct shelf_file file;

	(void)state;
	assert_int_equal(put("alice", "a", "secret", false), 0);
	assert_string_equal(list("bob"), "");
	assert_refused(shelf->ops->open(shelf, "bob", "alice", "a", &r, &file, &e), e, EX_NOINPUT);
	assert_refused(shelf->ops->open(shelf, "bob", "bob", "a", &r, &file, &e), e, EX_NOINPUT);
	assert_refused(shelf->ops->remove(shelf, "bob", "alice", "a", &e), e, EX_NOINPUT);
	assert_string_equal(get("alice", "alice", "a"), "secret");
}

/* What somebody with a shell put there. */
static void planted(void **state)
{
	struct shelf_reader *r;
	struct shelf_file file;

	(void)state;
	spew_text("outside", "not yours");
	assert_int_equal(put("alice", "a", "x", false), 0);
	assert_int_equal(symlinkat("../../../outside", folder.fd, ".shelf/alice/alice/link"), 0);
	assert_int_equal(symlinkat("../../../outside", folder.fd, ".shelf/alice/alice/.l.part"), 0);
	assert_int_equal(mkfifoat(folder.fd, ".shelf/alice/alice/fifo", 0600), 0);
	assert_int_equal(mkdirat(folder.fd, ".shelf/alice/alice/folder", 0700), 0);
	spew_text(".shelf/alice/alice/.hidden", "x");
	spew_text(".shelf/alice/alice/.part", "x");
	spew_text(".shelf/alice/stray", "x");
	assert_int_equal(symlinkat("alice", folder.fd, ".shelf/alice/dave"), 0);
	assert_int_equal(symlinkat("alice", folder.fd, ".shelf/eve"), 0);
	assert_string_equal(list("alice"), "alice/a 1\n");
	static const char *const planted_names[] = {"link", "fifo", "folder"};
	for (size_t i = 0; i < COUNT(planted_names); i++) {
		assert_refused(
			shelf->ops->open(shelf, "alice", "alice", planted_names[i], &r, &file, &e),
			e, EX_NOINPUT);
		assert_refused(shelf->ops->remove(shelf, "alice", "alice", planted_names[i], &e), e,
			EX_NOINPUT);
		assert_refused(put("alice", planted_names[i], "x", true), e, EX_CANTCREAT);
	}
	assert_refused(put("alice", "l", "x", true), e, EX_CANTCREAT);
	assert_refused(
		shelf->ops->open(shelf, "alice", "dave", "a", &r, &file, &e), e, EX_TEMPFAIL);
	assert_refused(shelf->ops->open(shelf, "eve", "alice", "a", &r, &file, &e), e, EX_TEMPFAIL);
	assert_refused(put_and_give("alice", "a", "y", "eve", &no_limit), e, EX_TEMPFAIL);
	struct buf text = {0};
	slurp("outside", &text);
	assert_string_equal((char *)text.p, "not yours");
	buf_free(&text);
}

/* --- room --- */

static void limits(void **state)
{
	struct shelf_limit ten = {.bytes = 10};
	struct shelf_plan plan = plan_of("alice", "b", 5);
	struct shelf_draft *d = NULL;

	(void)state;
	plan.limit = &ten;
	assert_int_equal(put("alice", "a", "123456", false), 0);
	assert_refused(bring(&plan, "12345", &d), e, EX_TEMPFAIL);
	assert_true(ten.full);
	assert_string_equal(list("alice"), "alice/a 6\n"); /* nothing is left over */
	assert_refused(shelf->ops->room(shelf, "alice", 5, &ten, &e), e, EX_TEMPFAIL);
	assert_int_equal(shelf->ops->room(shelf, "alice", 4, &ten, &e), 0);
	assert_false(ten.full);
	plan.size = 4;
	assert_int_equal(bring(&plan, "1234", &d), 0);
	shelf->ops->end(d);
	/* what is replaced makes room, all of it, and no more */
	plan.force = true;
	plan.size = 5;
	d = NULL;
	assert_refused(bring(&plan, "12345", &d), e, EX_TEMPFAIL);
	plan.name = "a";
	plan.size = 6;
	assert_int_equal(bring(&plan, "abcdef", &d), 0);
	shelf->ops->end(d);
	/* what broke off counts */
	break_off("alice", "c", "1234567890", 9);
	assert_refused(shelf->ops->room(shelf, "alice", 0, &ten, &e), e, EX_TEMPFAIL);
	assert_int_equal(shelf->ops->remove(shelf, "alice", "alice", "c", &e), 0);
	assert_int_equal(shelf->ops->room(shelf, "alice", 0, &ten, &e), 0);
	/* what is handed over counts for who gets it, */
	struct shelf_limit five = {.bytes = 5};
	assert_int_equal(put_and_give("carol", "a", "123", "bob", &five), 0);
	assert_refused(put_and_give("carol", "b", "123", "bob", &five), e, EX_TEMPFAIL);
	assert_true(five.full);
	assert_string_equal(list("bob"), "carol/a 3\n");
}

static void no_end_of_names(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(put("alice", "a", "", false), 0);
	for (int i = 1; i < SHELF_FILES_MAX; i++) {
		(void)snprintf(name, sizeof name, ".shelf/alice/alice/f%d", i);
		spew(name, "", 0);
	}
	assert_refused(put("alice", "b", "", false), e, EX_TEMPFAIL);
	assert_true(no_limit.full);
	assert_int_equal(put("alice", "a", "x", true), 0); /* it takes no name more */
	assert_refused(put_and_give("bob", "b", "", "alice", &no_limit), e, EX_TEMPFAIL);
	assert_true(no_limit.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_SHELF("a file that is handed over is the recipient's", handed_over),
		T_SHELF("a retry gives it to nobody twice", given_once),
		T_SHELF("a long name's copy is cut between characters", long_copies),
		T_SHELF("nobody sees or removes another's", others_see_nothing),
		T_SHELF("links, pipes and folders are not followed", planted),
		T_SHELF("limits hold, and what is refused leaves nothing", limits),
		T_SHELF("names are counted, too", no_end_of_names)};

	return RUN(tests);
}
