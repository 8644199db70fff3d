/* Messages that are sent again under their id, over files: what a crash left of the first time, and
 * the files of ids. What every engine does with a retry stands in engine/suite_once.c. */
#include "once.h"

#include <poll.h>

static uint8_t id[MAILBOX_ID_BYTES];
static uint32_t seed;

static void next_id(void)
{
	make_id(id, ++seed);
}

#define ALL "client2;client3;client4"

static void assert_copies(const char *to, int wanted)
{
	struct users_list l;

	assert_int_equal(users_split(&l, to, strlen(to), &e), 0);
	settle();
	for (size_t i = 0; i < l.n; i++) {
		int n = copies(l.names[i], id);
		if (n != wanted) {
			fail_msg("%d copies for %s, not %d", n, l.names[i], wanted);
		}
		assert_int_equal(files_of(l.names[i]), rows_n);
	}
	users_list_free(&l);
	assert_int_equal(count_names(".spool"), 0);
}

static void assert_sends(const char *to, bool wanted_again)
{
	if (send_once(id, to) != 0) {
		fail_msg("%s", e.text);
	}
	assert_int_equal(sent_before, wanted_again);
}

static void not_under_an_id(void **state)
{
	(void)state;
	next_id();
	assert_int_equal(send_with(id, "client2", false), 0);
	assert_int_equal(faccessat(folder.fd, SENT_FOLDER, F_OK, 0), -1);
	assert_int_equal(send_with(id, "client2", false), 0); /* as often as it is asked for */
	assert_int_equal(list("client2"), 2);
}

/* --- removing --- */

static void damaged_removed(void **state)
{
	(void)state;
	next_id();
	assert_sends("client2", false);
	drop("client2", "damaged", "no message", 10);
	assert_int_equal(list("client2"), 2);
	for (int i = 0; i < 2; i++) {
		if (rows[i].meta.damaged) {
			assert_int_equal(box->ops->remove(box, "client2", &rows[i].ref, &e), 0);
		}
	}
	assert_int_equal(list("client2"), 1);
	assert_sends("client2", true);
}

/* --- the folder of ids --- */

static void folder_missing(void **state)
{
	(void)state;
	next_id();
	assert_sends("client2", false);
	assert_int_equal(stat_of(SENT_FOLDER).st_mode & 07777, 0700);
	assert_int_equal(stat_of(SENT_FOLDER "/client1").st_mode & 07777, 0600);
	assert_int_equal(stat_of(SENT_FOLDER "/.lock").st_mode & 07777, 0600);
}

static void folder_unusable(void **state)
{
	static const char *const in_the_way[] = {SENT_FOLDER, SENT_FOLDER "/.lock",
		SENT_FOLDER "/client1", SENT_FOLDER "/client1.old"};

	(void)state;
	for (size_t i = 0; i < COUNT(in_the_way); i++) {
		next_id();
		assert_int_equal(i == 0 ? 0 : mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
		assert_int_equal(symlinkat("nowhere", folder.fd, in_the_way[i]), 0);
		for (int k = 0; k < 2; k++) {
			assert_refused(send_once(id, k == 0 ? "client2" : ALL), e, EX_TEMPFAIL);
			assert_false(sent_before);
			assert_copies(ALL, 0);
		}
		assert_int_equal(send_with(id, "client5", false), 0); /* without an id it goes */
		assert_int_equal(unlinkat(folder.fd, in_the_way[i], 0), 0);
		assert_sends(ALL, false);
		assert_copies(ALL, 1);
		for (const char *const *name = (const char *const[]){SENT_FOLDER "/.lock",
			     SENT_FOLDER "/client1", NULL};
			*name != NULL; name++) {
			assert_int_equal(unlinkat(folder.fd, *name, 0), 0);
		}
		assert_int_equal(unlinkat(folder.fd, SENT_FOLDER, AT_REMOVEDIR), 0);
	}
}

/* --- at once --- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("without an id nothing is remembered", not_under_an_id),
		T_STORE("a damaged message is removed, though it has no sender", damaged_removed),
		T_STORE("the folder of ids is made when it is needed", folder_missing),
		T_STORE("where ids cannot be kept it is 75, and nothing is stored",
			folder_unusable),
	};
	return RUN(tests);
}
