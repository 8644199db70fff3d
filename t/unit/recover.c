/* What a crash leaves in the spool is swept or used, and nothing else is touched; and what the
 * journal has is listed after any death. */
#include "crash.h"

static char large[100001];

static void fill_large(void)
{
	memset(large, 'x', sizeof large - 1);
}

static void drafts_swept(void **state)
{
	int fd;

	(void)state;
	spew_text(".spool/tmp.00112233445566778899aabbccddeeff", "half a mess");
	spew_text(".spool/tmp.live", "being written");
	spew_text(".spool/00112233445566778899aabbccddeeff", "of no record");
	spew_text(".spool/ffeeddccbbaa99887766554433221100", "about to be of one");
	fd = openat(folder.fd, ".spool/tmp.live", O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	int other = openat(folder.fd, ".spool/ffeeddccbbaa99887766554433221100", O_RDONLY);
	assert_int_equal(flock(other, LOCK_EX), 0);
	recover();
	assert_int_equal(count_names(".spool"), 2);
	(void)close(fd);
	(void)close(other);
	recover();
	assert_int_equal(count_names(".spool"), 0);
	assert_int_equal(list("client1"), 0);
}

/* The names of large messages that are not settled stay, and no longer. */
static void wanted_stay(void **state)
{
	(void)state;
	fill_large();
	for (int again = 0; again < 3; again++) {
		assert_int_equal(deliver("large", large, "client2;client3"), 0);
		assert_int_equal(count_names(".spool"), 1);
		recover();
		assert_int_equal(count_names(".spool"), 1);
		crash_and_recover();
		assert_int_equal(count_names(".spool"), 1);
		assert_int_equal(whole_copies("client2", last.id, large), 1);
		if (again == 1) {
			assert_int_equal(remove_all("client2"), 0);
			assert_int_equal(remove_all("client3"), 0);
		}
		settle();
		assert_int_equal(count_names(".spool"), 0);
		recover();
		assert_int_equal(whole_copies("client3", last.id, large), again == 1 ? 0 : 1);
	}
}

static void foreign_in_spool(void **state)
{
	(void)state;
	spew_text("outside", "x");
	spew_text(".spool/README", "x");
	spew_text(".spool/00112233445566778899aabbccddeef", "31 digits");
	spew_text(".spool/00112233445566778899aabbccddeexx", "no hex");
	assert_int_equal(
		symlinkat("../outside", folder.fd, ".spool/ffffffffffffffffffffffffffffffff"), 0);
	assert_int_equal(symlinkat("../outside", folder.fd, ".spool/tmp.link"), 0);
	recover();
	assert_int_equal(count_names(".spool"), 5);
	assert_int_equal(list("client1"), 0);
	assert_int_equal(stat_of("outside").st_nlink, 1);
}

/* A sender's file of this name is not taken for his message. */
static void planted_name(void **state)
{
	char path[64];
	uint8_t key[ENTRY_KEY];
	char name[SPOOL_KEY_NAME + 1];

	(void)state;
	fill_large();
	assert_int_equal(deliver("large", large, "client2"), 0);
	entry_key(&last, key);
	spool_key_name(name, key);
	(void)snprintf(path, sizeof path, ".spool/%s", name);
	assert_int_equal(unlinkat(folder.fd, path, 0), 0);
	assert_int_equal(symlinkat("../outside", folder.fd, path), 0);
	spew_text("outside", "x");
	assert_int_equal(list("client2"), 1);
	assert_int_equal(open_row("client2", 0), -1);
	(void)box->ops->settle(box, &e);
	assert_int_equal(stat_of("outside").st_nlink, 1);
	assert_int_equal(unlinkat(folder.fd, path, 0), 0);
}

static int recover_many(int i)
{
	for (int k = 0; k < 20; k++) {
		int rc = i % 3 == 0   ? box->ops->recover(box, &e)
			 : i % 3 == 1 ? box->ops->settle(box, &e)
				      : deliver("beside", k % 5 == 0 ? large : "x",
						"client1;client2;client3");
		if (rc != 0) {
			(void)fprintf(stderr, "%d: %s\n", i % 3, e.text);
			return 1;
		}
	}
	return 0;
}

static void beside_deliveries(void **state)
{
	(void)state;
	fill_large();
	run_children(6, recover_many);
	for (int again = 0; again < 3; again++) {
		for (char user[] = "client1"; user[6] <= '3'; user[6]++) {
			assert_int_equal(list(user), 40);
			for (int i = 0; i < rows_n; i++) {
				assert_int_equal(open_row(user, i), 0);
			}
		}
		if (again == 0) {
			settle();
		} else {
			crash_and_recover();
		}
	}
	assert_int_equal(files_of("client2"), 40);
	assert_int_equal(count_names(".spool"), 0);
}

/* One mailbox that cannot be looked at keeps the others from nothing. */
static void one_unreadable(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "x", "client1;client2;client3"), 0);
	crash_store();
	assert_int_equal(renameat(folder.fd, "client2", folder.fd, "aside"), 0);
	spew_text("client2", "in the way");
	for (char user[] = "client1"; user[6] <= '3'; user[6] = (char)(user[6] + 2)) {
		drop_index(user);
	}
	start_store();
	assert_refused(box->ops->recover(box, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "client2");
	assert_int_equal(list("client1"), 1);
	assert_int_equal(list("client3"), 1);
	assert_int_equal(unlinkat(folder.fd, "client2", 0), 0);
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, "client2"), 0);
	recover();
	assert_int_equal(whole_copies("client2", last.id, "x"), 1);
}

/* The time of what the journal has is never given again. */
static void clock_goes_on(void **state)
{
	int64_t far = box->ops->now(box) + 7200 * 1000000ll;

	(void)state;
	assert_int_equal(deliver_at("T", "x", "client1", far), 0);
	crash_store();
	(void)unlinkat(folder.fd, ".journal/family", 0);
	start_store();
	recover();
	assert_true(box->ops->now(box) > far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_UNSETTLED("drafts of the dead are swept, of the living kept", drafts_swept),
		T_UNSETTLED("large messages stay in the spool until they are settled", wanted_stay),
		T_UNSETTLED("what is not ours in the spool is left alone", foreign_in_spool),
		T_UNSETTLED("a symlink in a message's place is not followed", planted_name),
		T_UNSETTLED("recovery beside deliveries and settling loses and doubles nothing",
			beside_deliveries),
		T_UNSETTLED("a mailbox that cannot be looked at is so alone", one_unreadable),
		T_UNSETTLED("the clock goes on from what the journal has", clock_goes_on),
	};
	return RUN(tests);
}
