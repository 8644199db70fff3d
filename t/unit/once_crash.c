/* Killed at each of its changes to the disk, in a delivery under an id, in its retry and in a
 * removal: what is tried until it is answered is in each mailbox once, and what was removed stays
 * so. The states of a delivery are in crash.c. */
#include "crash.h"
#include "once.h"

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

static int settle_and_die(int at)
{
	due = at;
	return box->ops->settle(box, &e) == 0 ? 0 : 1;
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
		if (n != wanted) {
			fail_msg("died at %d and %d: %d copies for %s, not %d", at, then, n,
				l.names[i], wanted);
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
	if (at % 2 == 0) {
		settle();
	}
	recover();
	assert_copies(to, 1, at, then);
	assert_int_equal(remove_id("client2", id), 0);
	assert_int_equal(send_once(id, to), 0);
	assert_true(sent_before);
	assert_copies("client2", 0, at, then);
	for (char user[] = "client3"; user[6] <= '4'; user[6]++) {
		assert_int_equal(remove_id(user, id), strstr(to, user) == NULL ? -1 : 0);
	}
	settle();
	assert_int_equal(send_once(id, to), 0);
	assert_true(sent_before);
	recover();
	assert_int_equal(count_names(".spool"), 0);
}

/* at % 3: the retry is the first to look; the server looks after the dead; all are killed. */
static void look_after(int at)
{
	if (at % 3 == 1) {
		recover();
	} else if (at % 3 == 2) {
		crash_store();
		start_store();
		if (at % 2 == 0) {
			recover();
		}
	}
}

static void a_delivery(const char *recipients)
{
	bool died = true;
	int at;

	to = recipients;
	for (int shift = 0; shift < 3; shift++) {
		died = true;
		for (at = 1; at < CALLS_MAX && died; at++) {
			next_id();
			died = dies(send_and_die, at);
			look_after(at + shift);
			assert_ends_well(at, shift);
		}
		assert_in_range(at, 5, CALLS_MAX - 1);
	}
}

static void one_recipient(void **state)
{
	(void)state;
	a_delivery("client2");
}

static void three_recipients(void **state)
{
	(void)state;
	a_delivery("client2;client3;client4");
}

/* The retry dies as well. */
static void twice(const char *first, const char *second)
{
	bool first_died = true, then_died;

	for (int at = 1; at < CALLS_MAX && first_died; at++) {
		then_died = true;
		for (int then = 1; then < CALLS_MAX && then_died; then++) {
			next_id();
			to = first;
			first_died = dies(send_and_die, at);
			look_after(at + then);
			to = second;
			then_died = dies(send_and_die, then);
			look_after(then);
			assert_int_equal(send_once(id, to), 0);
			recover();
			settle();
			for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
				int n = copies(user, id);
				assert_in_range(n, strstr(first, user) != NULL ? 1 : 0, 1);
			}
		}
	}
}

static void dies_twice(void **state)
{
	(void)state;
	twice("client2", "client2");
	twice("client2;client3", "client2;client3");
}

/* A client may name other recipients when it tries again: it should not, and doubles nothing. */
static void others_the_second_time(void **state)
{
	(void)state;
	twice("client2", "client2;client3;client4");
}

/* What a retry is told to be sent is on disk, though who appended it never synced it. */
static void known_is_synced(void **state)
{
	struct journal *j = ((struct files *)box)->journal;
	const struct journal_slot *slot;
	int at = 1;

	(void)state;
	to = "client2";
	for (; at < CALLS_MAX; at++) {
		next_id();
		if (!dies(send_and_die, at)) {
			break;
		}
		for (int k = 0; k < 2; k++) {
			assert_int_equal(send_once(id, to), 0);
			slot = &j->state->slots[(j->state->next - 1) % JOURNAL_SEGMENTS];
			assert_int_equal(slot->synced, slot->end);
			assert_int_equal(copies(to, id), 1); /* and it is listed */
		}
	}
	assert_in_range(at, 5, CALLS_MAX - 1);
}

/* The reader's session dies while it removes: it is there, or it is gone and stays so. */
static void removals(void **state)
{
	bool died = true;
	int at, left;

	(void)state;
	to = "client2;client3";
	for (at = 1; at < CALLS_MAX && died; at++) {
		next_id();
		assert_int_equal(send_once(id, to), 0);
		if (at % 2 == 0) {
			settle();
		}
		died = dies(remove_and_die, at);
		recover();
		left = copies("client2", id);
		assert_in_range(left, 0, died ? 1 : 0);
		look_after(at);
		assert_int_equal(send_once(id, to), 0);
		assert_true(sent_before);
		assert_copies("client2", left, at, 0);
		assert_copies("client3", 1, at, 0);
	}
	assert_in_range(at, 4, CALLS_MAX - 1);
}

/* The ids of an earlier life, and a settling that dies, are not forgotten. */
static void settling_keeps_ids(void **state)
{
	bool died = true;

	(void)state;
	to = "client2";
	for (int at = 1; at < CALLS_MAX && died; at++) {
		next_id();
		assert_int_equal(send_once(id, to), 0);
		if (at % 2 == 0) { /* .sent is as a power cut may leave it */
			(void)unlinkat(folder.fd, SENT_FOLDER "/client1", 0);
			crash_store();
			start_store();
		}
		died = dies(settle_and_die, at);
		look_after(at);
		assert_int_equal(send_once(id, to), 0);
		assert_true(sent_before);
		settle();
		assert_false(files_is_sent_behind((struct files *)box)); /* no more walks for it */
		crash_and_recover();
		assert_int_equal(send_once(id, to), 0);
		assert_true(sent_before);
		assert_copies("client2", 1, at, 0);
	}
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
		T_STORE("what a retry finds sent is on disk, and listed", known_is_synced),
		T_STORE("a removal that dies at any step is not undone by a retry", removals),
		T_STORE("settling that dies at any step forgets no id", settling_keeps_ids),
	};
	return RUN(tests);
}
