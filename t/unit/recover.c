/* What a crash leaves in the spool is completed or swept, once, and nothing else is touched. */
#include "store.h"

#define STORED                                                                                    \
	"From: client9\nTo: client1\nTime and Date: 2022-07-21 19:29:35.768508\nTitle: By hand\n" \
	"Content Length: 4\nContent:\nh\xc3\xa9re"

/* The state "linked into the mailboxes of `kept`, the intent still there", of a delivery to three.
 */
static void crash_with(const char *kept)
{
	char hex[2 * MAILBOX_ID_BYTES + 1], path[80], user[] = "client1";

	assert_int_equal(deliver("crash", "whole", "client1;client2;client3"), 0);
	hex_encode(hex, last.id, sizeof last.id);
	(void)snprintf(path, sizeof path, ".spool/%s", hex);
	assert_int_equal(linkat(folder.fd, "client1/client1_crash.txt", folder.fd, path, 0), 0);
	for (; user[6] <= '3'; user[6]++) {
		if (strchr(kept, user[6]) == NULL) {
			(void)snprintf(path, sizeof path, "%s/client1_crash.txt", user);
			assert_int_equal(unlinkat(folder.fd, path, 0), 0);
			(void)snprintf(path, sizeof path, "%s/.index", user);
			assert_int_equal(unlinkat(folder.fd, path, 0), 0);
		}
	}
}

static void intent_completed(void **state)
{
	static const char *const states[] = {"", "1", "2", "13", "123"};

	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		crash_with(states[i]);
		reopen_store();
		for (int again = 0; again < 3; again++) { /* at every start: never twice */
			assert_int_equal(box->ops->recover(box, &e), 0);
			assert_int_equal(count_names(".spool"), 0);
			for (char user[] = "client1"; user[6] <= '3'; user[6]++) {
				assert_int_equal(list(user), 1);
				assert_memory_equal(rows[0].meta.id, last.id, sizeof last.id);
				assert_true(row_holds(user, 0, "whole"));
			}
		}
		assert_int_equal(stat_of("client1/client1_crash.txt").st_nlink, 3);
		for (char user[] = "client1"; user[6] <= '3'; user[6]++) {
			assert_int_equal(list(user), 1);
			assert_int_equal(box->ops->remove(box, user, &rows[0].ref, &e), 0);
		}
	}
}

static void intent_for_the_gone(void **state)
{
	(void)state;
	crash_with("1");
	assert_int_equal(unlinkat(folder.fd, "client2/.index", 0) == 0 || errno == ENOENT, true);
	assert_int_equal(unlinkat(folder.fd, "client2", AT_REMOVEDIR), 0); /* deleted meanwhile */
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(count_names(".spool"), 0);
	assert_int_equal(list("client1"), 1);
	assert_int_equal(list("client3"), 1);
}

static void drafts_swept(void **state)
{
	int fd;

	(void)state;
	spew_text(".spool/tmp.00112233445566778899aabbccddeeff", "half a mess");
	spew_text(".spool/tmp.live", "being written");
	fd = openat(folder.fd, ".spool/tmp.live", O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(count_names(".spool"), 1);
	(void)close(fd);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(count_names(".spool"), 0);
	assert_int_equal(list("client1"), 0);
}

static void live_intent_left(void **state)
{
	char hex[2 * MAILBOX_ID_BYTES + 1], path[80];
	int fd;

	(void)state;
	crash_with("1");
	hex_encode(hex, last.id, sizeof last.id);
	(void)snprintf(path, sizeof path, ".spool/%s", hex);
	fd = openat(folder.fd, path, O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0); /* its session lives, and is about to go on */
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(count_names(".spool"), 1);
	assert_int_equal(list("client2"), 0);
	(void)close(fd);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(list("client2"), 1);
}

static void foreign_in_spool(void **state)
{
	(void)state;
	spew_text("outside", STORED);
	spew_text(".spool/README", "x");
	spew_text(".spool/00112233445566778899aabbccddeef", "31 digits");
	spew_text(".spool/00112233445566778899aabbccddeexx", STORED); /* no hex */
	spew_text(".spool/00112233445566778899aabbccddeeff", "no message");
	assert_int_equal(
		symlinkat("../outside", folder.fd, ".spool/ffffffffffffffffffffffffffffffff"), 0);
	assert_int_equal(mkfifoat(folder.fd, ".spool/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", 0600), 0);
	assert_int_equal(mkdirat(folder.fd, ".spool/dddddddddddddddddddddddddddddddd", 0700), 0);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_int_equal(count_names(".spool"), 7);
	assert_int_equal(list("client1"), 0);
	assert_int_equal(stat_of("outside").st_nlink, 1);
}

static int recover_many(int i)
{
	for (int k = 0; k < 20; k++) {
		if (i % 2 == 0 ? box->ops->recover(box, &e) != 0
			       : deliver("beside", "x", "client1;client2;client3") != 0) {
			(void)fprintf(
				stderr, "%s: %s\n", i % 2 == 0 ? "recover" : "deliver", e.text);
			return 1;
		}
	}
	return 0;
}

static void recovery_beside_deliveries(void **state)
{
	(void)state;
	run_children(4, recover_many);
	for (char user[] = "client1"; user[6] <= '3'; user[6]++) {
		assert_int_equal(list(user), 40);
		assert_int_equal(files_of(user), 40);
	}
	assert_int_equal(count_names(".spool"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a delivery that a crash cut short is completed, once", intent_completed),
		T_STORE("a delivery to somebody deleted since is completed for the others",
			intent_for_the_gone),
		T_STORE("drafts of the dead are swept, of the living kept", drafts_swept),
		T_STORE("a delivery under way is not completed by another", live_intent_left),
		T_STORE("what is not ours in the spool is left alone", foreign_in_spool),
		T_STORE("recovery beside deliveries doubles and loses nothing",
			recovery_beside_deliveries),
	};
	return RUN(tests);
}
