/* The states of files.h, one after the other: whoever delivers, settles or removes is killed at
 * each of his changes to the disk, and the store is whole. */
#include "crash.h"

static char *large; /* more than a record of the journal takes */
static const char *content, *to;
static uint8_t id[MAILBOX_ID_BYTES];

static int large_setup(void **state)
{
	large = malloc(100001);
	if (large == NULL) {
		return -1;
	}
	memset(large, 'x', 100000);
	large[100000] = '\0';
	stay_unsettled = true;
	return open_store(state);
}

static int large_drop(void **state)
{
	free(large);
	stay_unsettled = false;
	return close_store(state);
}

#define T_LARGE(title, function)                               \
	{                                                      \
		title, function, large_setup, large_drop, NULL \
	}

static const char *const five = "client1;client2;client3;client4;client5";

/* What kind of message, in what order. */
static void use_kind(int kind)
{
	content = kind % 2 == 0 ? "small" : large;
	to = kind / 2 % 2 == 0 ? "client2" : five;
}

static void each(void (*look)(const char *user))
{
	struct users_list l;

	assert_int_equal(users_split(&l, to, strlen(to), &e), 0);
	for (size_t i = 0; i < l.n; i++) {
		look(l.names[i]);
	}
	users_list_free(&l);
}

static int at_call, way; /* for messages */

static void has_one(const char *user)
{
	int n = whole_copies(user, id, content);

	if (n != 1 || rows_n != 1) {
		fail_msg("call %d, way %d: %s has %d of %d", at_call, way, user, n, rows_n);
	}
}

static void has_one_file(const char *user)
{
	has_one(user);
	if (files_of(user) != 1) {
		fail_msg("call %d, way %d: %s has %d files", at_call, way, user, files_of(user));
	}
}

static void lose_index(const char *user)
{
	drop_index(user);
}

static void clear(const char *user)
{
	if (remove_all(user) != 0) {
		fail_msg("remove: %s", e.text);
	}
	if (list(user) != 0) {
		fail_msg(
			"call %d, way %d: %s lists %d removed: %s", at_call, way, user, rows_n, to);
	}
}

static void has_nothing(const char *user)
{
	if (list(user) != 0 || files_of(user) != 0) {
		fail_msg("call %d, way %d: %s has %d, %d files", at_call, way, user, rows_n,
			files_of(user));
	}
}

/* What comes behind a death: nothing; a look after it; a new family; each with the indexes or
 * without. */
enum { WAYS = 6 };

static void go_on(void)
{
	if (way % 3 == 2) {
		crash_store();
	}
	if (way / 3 == 1) {
		each(lose_index);
	}
	if (way % 3 == 2) {
		start_store();
	}
	if (way % 3 != 0) {
		recover();
	}
}

static void ends_empty(void)
{
	bool busy;

	each(clear);
	if (at_call % 2 == 0) {
		settle();
	} else {
		crash_and_recover();
	}
	each(has_nothing);
	settle();
	each(has_nothing);
	recover();
	assert_int_equal(count_names(".spool"), 0);
	assert_false(box->ops->unsettled(box, &busy));
}

/* --- settling --- */

static int settle_and_die(int at)
{
	due = at;
	return box->ops->settle(box, &e) == 0 ? 0 : 1;
}

static void a_settling(int kind)
{
	bool died = true;

	use_kind(kind);
	for (at_call = 1; at_call < CALLS_MAX && died; at_call++) {
		way = (at_call + kind) % WAYS;
		assert_int_equal(deliver("Settled", content, to), 0);
		memcpy(id, last.id, sizeof id);
		each(has_one);
		died = dies(settle_and_die, at_call);
		go_on();
		each(has_one);
		if (at_call % 2 == 0) { /* dies again, a bit later */
			(void)dies(settle_and_die, at_call / 2 + 1);
		}
		settle();
		each(has_one_file);
		crash_and_recover();
		each(has_one_file);
		ends_empty();
	}
	assert_in_range(at_call, 8, CALLS_MAX - 1);
}

static void settling_killed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		a_settling(kind);
	}
}

static void settling_named(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind += 3) {
		((struct files *)box)->spool.named_only = true; /* until the next restart */
		a_settling(kind);
	}
}

/* --- delivering --- */

static int send_and_die(int at)
{
	due = at;
	return deliver("Dies", content, to) == 0 ? 0 : 1;
}

static int listed_by;

static void count_listed(const char *user)
{
	int n = list(user);

	assert_in_range(n, 0, 1);
	if (n == 1) {
		assert_true(row_holds(user, 0, content));
		memcpy(id, rows[0].meta.id, sizeof id);
	}
	listed_by += n;
}

static int count_all(void)
{
	listed_by = 0;
	each(count_listed);
	return listed_by;
}

static void a_delivery(int kind)
{
	int all = kind / 2 % 2 == 0 ? 1 : 5;
	bool died = true;

	use_kind(kind);
	for (at_call = 1; at_call < CALLS_MAX && died; at_call++) {
		int before, n;
		way = (at_call + kind) % WAYS;
		before = at_call % 3; /* somebody looks before it is looked after */
		died = dies(send_and_die, at_call);
		n = before == 0 ? count_all() : 0;
		go_on();
		recover();
		if (count_all() != 0) { /* all of them or none; and none only if none before */
			assert_int_equal(listed_by, all);
			each(has_one);
			settle();
			each(has_one_file);
		} else {
			assert_int_equal(n, 0);
			assert_true(died);
			settle();
			each(has_nothing);
		}
		ends_empty();
	}
	assert_in_range(at_call, 3, CALLS_MAX - 1);
}

static void delivery_killed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		a_delivery(kind);
	}
}

/* --- removing --- */

static int remove_and_die(int at)
{
	due = at;
	return remove_all("client2") == 0 ? 0 : 1;
}

static void a_removal(int kind, bool settled)
{
	bool died = true;

	use_kind(kind);
	for (at_call = 1; at_call < CALLS_MAX && died; at_call++) {
		int left;
		way = (at_call + kind) % WAYS;
		assert_int_equal(deliver("Removed", content, to), 0);
		memcpy(id, last.id, sizeof id);
		if (settled) {
			settle();
		}
		died = dies(remove_and_die, at_call);
		go_on();
		recover();
		left = list("client2");
		assert_in_range(left, 0, died ? 1 : 0);
		for (int again = 0; again < 2; again++) { /* it stays as it was seen */
			assert_int_equal(whole_copies("client2", id, content), left);
			assert_int_equal(rows_n, left);
			if (kind >= 2) {
				has_one("client4");
			}
			drop_index("client2");
			settle();
			crash_and_recover();
		}
		assert_int_equal(files_of("client2"), left);
		ends_empty();
	}
	assert_in_range(at_call, 3, CALLS_MAX - 1);
}

static void removal_killed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		a_removal(kind, false);
		a_removal(kind, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_LARGE("settling that dies at any step loses and doubles nothing",
			settling_killed),
		T_LARGE("nor where an inode always has a name", settling_named),
		T_LARGE("a delivery that dies at any step is in all mailboxes, or in none",
			delivery_killed),
		T_LARGE("a removal that dies at any step is done, or not, for good",
			removal_killed),
	};
	return RUN(tests);
}
