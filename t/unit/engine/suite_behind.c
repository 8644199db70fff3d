/* Every engine: what is done behind acknowledgements changes nothing for an observer, and check()
 * finds what is wrong and nothing else. */
#include "suite.h"

/* Something of everything. */
static void fill(void)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct letter l = {
		.title = "Once", .content = "x", .to = "client2;client4", .id = id, .once = true};

	deliver_three();
	assert_int_equal(deliver("to all", "content", ALL_FIVE), 0);
	make_id(id, 3);
	assert_int_equal(post(&l), 0);
	assert_int_equal(post(&l), 0);
	assert_int_equal(deliver("removed", "x", "client1;client3"), 0);
	assert_int_equal(remove_id("client1", last.id), 0);
	assert_refused(deliver("refused", "x", "client1;gone"), e, EX_TEMPFAIL);
}

static int settle_once(void)
{
	return box->ops->settle(box, &e);
}

static int settle_twice(void)
{
	return settle_once() == 0 ? settle_once() : -1;
}

static int recover(void)
{
	return box->ops->recover(box, &e);
}

static int settle_child(int i)
{
	(void)i;
	return settle_once() == 0 && recover() == 0 ? 0 : 1;
}

static int settle_elsewhere(void)
{
	return end_child(start_child(settle_child, 0));
}

static int restart(void)
{
	reopen();
	return 0;
}

static int unsettled(void)
{
	bool busy;

	(void)box->ops->unsettled(box, &busy);
	return 0;
}

static void nobody_notices(void **state)
{
	static int (*const done[])(void) = {unsettled, settle_once, settle_twice, recover,
		settle_elsewhere, restart, settle_once, recover, settle_elsewhere};

	(void)state;
	between = NULL;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(done); i++) {
			if (round == 0 || i == 0) {
				fill();
			}
			struct buf before = snapshot(box);
			assert_int_equal(done[i](), 0);
			struct buf after = snapshot(box);
			assert_same(&before, &after);
			buf_free(&before);
			buf_free(&after);
		}
	}
}

static void settled(void **state)
{
	bool busy = true;

	(void)state;
	between = NULL;
	assert_int_equal(settle_once(), 0);
	assert_false(box->ops->unsettled(box, &busy));
	assert_false(busy);
	for (int i = 0; i < 3; i++) {
		fill();
		assert_int_equal(settle_once(), 0);
		assert_false(box->ops->unsettled(box, &busy)); /* nothing is left */
		assert_false(busy);
	}
}

/* --- check --- */

static struct {
	int harmless, losses;
	char user[USER_NAME_MAX + 1], text[512];
} findings;

static void found(void *arg, const char *user, bool harmless, const char *what)
{
	assert_ptr_equal(arg, &findings);
	findings.harmless += harmless ? 1 : 0;
	findings.losses += harmless ? 0 : 1;
	(void)snprintf(findings.user, sizeof findings.user, "%s", user == NULL ? "" : user);
	(void)snprintf(findings.text, sizeof findings.text, "%s", what);
}

static void check_all(void)
{
	memset(&findings, 0, sizeof findings);
	pause_between();
	for (char user[] = "client1"; user[6] <= '5'; user[6]++) {
		assert_int_equal(box->ops->check(box, user, found, &findings, &e), 0);
	}
	assert_int_equal(box->ops->check(box, NULL, found, &findings, &e), 0);
}

static void assert_clean(void)
{
	check_all();
	if (findings.harmless + findings.losses > 0) {
		fail_msg("%s: %s", findings.user, findings.text);
	}
}

static void nothing_is_wrong(void **state)
{
	(void)state;
	assert_clean();
	for (int i = 0; i < 5; i++) {
		fill();
		assert_clean();
	}
	reopen();
	assert_clean();
	assert_int_equal(recover(), 0);
	assert_clean();
}

static void damage_is_found(void **state)
{
	(void)state;
	fill();
	engine->damage(box, "client3");
	between = NULL;
	struct buf before = snapshot(box);
	check_all();
	assert_true(findings.losses >= 1);
	assert_string_equal(findings.user, "client3");
	assert_true(findings.text[0] != '\0');
	struct buf after = snapshot(box);
	assert_same(&before, &after);
	buf_free(&before);
	buf_free(&after);
	/* a mailbox that is not there is a fault to tell of, or to fail of */
	memset(&findings, 0, sizeof findings);
	if (box->ops->check(box, "gone", found, &findings, &e) == 0) {
		assert_string_equal(findings.user, "gone");
	} else {
		assert_int_equal(e.code, EX_TEMPFAIL);
		assert_contains(e.text, "gone");
	}
}

static const struct suite_test tests[] = {
	S("nobody notices settling, recovering or a restart", nobody_notices),
	S("what was settled is settled", settled),
	S("a sound store has no findings, whatever was done to it", nothing_is_wrong),
	S_WHOLE("damage is found, and named by its mailbox; a missing mailbox: try later",
		damage_is_found),
};
const struct suite_part suite_behind = S_PART(tests);
