/* Messages that are sent again under their id: whatever was in between, each mailbox has one. */
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
	assert_int_equal(again, wanted_again);
}

static void sent_again(void **state)
{
	static const char *const to[] = {"client2", ALL, "client1", "client1;client1"};

	(void)state;
	for (int named = 0; named < 2; named++) {
		((struct files *)box)->named_only = named == 1;
		for (size_t i = 0; i < COUNT(to); i++) {
			next_id();
			assert_sends(to[i], false);
			assert_copies(to[i], 1);
			for (int k = 0; k < 3; k++) {
				assert_sends(to[i], true);
				assert_copies(to[i], 1);
			}
			reopen_store();
			assert_sends(to[i], true);
			assert_copies(to[i], 1);
		}
	}
}

/* Another message under the same id: the first one counts. */
static void another_message(void **state)
{
	(void)state;
	next_id();
	assert_sends("client2", false);
	body = "something else";
	assert_sends(ALL, true);
	body = "once and no more";
	assert_copies("client2", 1);
	assert_copies("client3;client4", 0);
	assert_int_equal(list("client2"), 1);
	assert_true(row_holds("client2", 0, body));
}

static void of_different_users(void **state)
{
	(void)state;
	next_id();
	assert_sends("client5", false);
	sender = "client2";
	assert_sends("client5", false);
	assert_sends("client5", true);
	sender = "client1";
	assert_sends("client5", true);
	assert_int_equal(list("client5"), 2);
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

/* A crash left BEGUN, and the message in some of the mailboxes: for every set of them. */
static void begun_and_in_some(void **state)
{
	enum sent_state was;
	struct sent s;

	(void)state;
	for (int round = 0; round < 16; round++) {
		next_id();
		assert_int_equal(sent_claim(&s, folder.fd, sender, id, &was, &e), 0);
		assert_int_equal(was, SENT_NEW);
		sent_release(&s);
		for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
			if ((round >> (user[6] - '2') & 1) != 0) {
				assert_int_equal(send_with(id, user, false), 0);
			}
		}
		if (round >= 8) {
			reopen_store();
			assert_int_equal(box->ops->recover(box, &e), 0);
		}
		assert_sends(ALL, round % 8 == 7);
		assert_copies(ALL, 1);
		assert_sends(ALL, true);
		assert_copies(ALL, 1);
	}
}

/* It failed, and was taken back: it may be tried again, and is new. */
static void after_a_failure(void **state)
{
	static const char *const to[] = {"gone", "gone;client2", "client2;gone", ALL ";gone"};

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		next_id();
		for (int k = 0; k < 2; k++) {
			assert_refused(send_once(id, to[i]), e, EX_TEMPFAIL);
			assert_false(again);
			assert_copies(ALL, 0);
		}
		assert_int_equal(box->ops->prepare(box, "gone", &e), 0);
		assert_sends(to[i], false);
		assert_copies(to[i], 1);
		assert_sends(to[i], true);
		assert_copies(to[i], 1);
		assert_int_equal(remove_id("gone", id), 0);
		assert_int_equal(unlinkat(folder.fd, "gone/.index", 0), 0);
		assert_int_equal(unlinkat(folder.fd, "gone", AT_REMOVEDIR), 0);
	}
}

/* --- removing --- */

static void removed_and_sent_again(void **state)
{
	(void)state;
	for (int lost = 0; lost < 2; lost++) { /* the note that it was delivered, in a crash */
		next_id();
		assert_sends(ALL, false);
		if (lost == 1) {
			forget_done();
			reopen_store();
		}
		assert_int_equal(remove_id("client3", id), 0);
		assert_sends(ALL, true);
		assert_copies("client3", 0);
		assert_copies("client2;client4", 1);
		assert_int_equal(remove_id("client2", id), 0);
		assert_int_equal(remove_id("client4", id), 0);
		assert_sends(ALL, true);
		assert_copies(ALL, 0);
	}
}

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

/* Where it cannot be noted that it was delivered, it is not removed: a retry would restore it. */
static void not_removed_unsettled(void **state)
{
	(void)state;
	next_id();
	assert_sends("client2", false);
	forget_done();
	assert_int_equal(renameat(folder.fd, SENT_FOLDER, folder.fd, "aside"), 0);
	spew_text(SENT_FOLDER, "in the way");
	assert_refused(remove_id("client2", id), e, EX_TEMPFAIL);
	assert_copies("client2", 1);
	assert_int_equal(unlinkat(folder.fd, SENT_FOLDER, 0), 0);
	assert_int_equal(renameat(folder.fd, "aside", folder.fd, SENT_FOLDER), 0);
	assert_int_equal(remove_id("client2", id), 0);
	assert_sends("client2", true);
	assert_copies("client2", 0);
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
			assert_false(again);
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

/* An id of 65,536 others ago and more may be stored anew; one before that not. */
static void remembered(void **state)
{
	uint8_t *p = calloc(SENT_MAX, SENT_RECORD), first[MAILBOX_ID_BYTES];

	(void)state;
	next_id();
	memcpy(first, id, sizeof first);
	assert_sends("client2", false);
	spew(SENT_FOLDER "/client1.old", p, SENT_MAX * (size_t)SENT_RECORD);
	for (uint32_t i = 0; i < SENT_MAX; i++) {
		make_id(p + i * SENT_RECORD, 5000 + i);
		p[i * SENT_RECORD + MAILBOX_ID_BYTES] = SENT_DONE;
	}
	memcpy(p, first, sizeof first);
	spew(SENT_FOLDER "/client1", p, SENT_MAX * (size_t)SENT_RECORD);
	free(p);
	next_id();
	assert_sends("client3", false);
	assert_int_equal(stat_of(SENT_FOLDER "/client1").st_size, SENT_RECORD);
	assert_sends("client3", true);
	memcpy(id, first, sizeof id);
	assert_sends("client2", true);
	assert_copies("client2", 1);
}

/* --- at once --- */

static int send_same(int i)
{
	int mine = 0;

	(void)i;
	for (uint32_t k = 0; k < 6; k++) {
		make_id(id, 9000 + k);
		if (send_once(id, k % 2 == 0 ? "client2" : ALL) != 0) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 100;
		}
		mine += again ? 0 : 1;
	}
	int fd = openat(folder.fd, "stored", O_WRONLY | O_CREAT | O_APPEND, 0600);
	(void)!write(fd, "xxxxxx", (size_t)mine);
	(void)close(fd);
	return 0;
}

static void sixteen_send_one(void **state)
{
	(void)state;
	run_children(16, send_same);
	assert_int_equal(stat_of("stored").st_size, 6); /* one of them each */
	for (uint32_t k = 0; k < 6; k++) {
		make_id(id, 9000 + k);
		assert_copies(k % 2 == 0 ? "client2" : ALL, 1);
	}
}

static int send_own(int i)
{
	for (uint32_t k = 0; k < 6; k++) {
		make_id(id, 10000 + (uint32_t)i * 6 + k);
		if (send_once(id, k % 2 == 0 ? "client2" : ALL) != 0 || again) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 100;
		}
	}
	return 0;
}

static void sixteen_send_their_own(void **state)
{
	(void)state;
	run_children(16, send_own);
	assert_int_equal(list("client2"), 96);
	assert_int_equal(list("client3"), 48);
	for (uint32_t k = 0; k < 96; k++) {
		make_id(id, 10000 + k);
		assert_copies("client2", 1);
	}
}

/* A delivery to three that a crash cut short is being completed, and slowly. */
static int complete_slowly(int ms)
{
	char hex[2 * MAILBOX_ID_BYTES + 1], path[80];
	int fd;

	hex_encode(hex, id, sizeof id);
	(void)snprintf(path, sizeof path, ".spool/%s", hex);
	fd = openat(folder.fd, path, O_RDONLY);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		return 100;
	}
	spew_text("locked", "");
	(void)poll(NULL, 0, ms);
	(void)close(fd);
	return box->ops->recover(box, &e) == 0 ? 0 : 101;
}

/* missing: who has not got it yet. */
static void retry_beside_completion(const char *missing)
{
	char hex[2 * MAILBOX_ID_BYTES + 1], path[80];

	next_id();
	assert_sends(ALL, false);
	hex_encode(hex, id, sizeof id);
	(void)snprintf(path, sizeof path, ".spool/%s", hex);
	assert_int_equal(linkat(folder.fd, "client2/client1_Once.txt", folder.fd, path, 0), 0);
	for (char user[] = "client3"; user[6] <= '4'; user[6]++) {
		if (strstr(missing, user) != NULL) {
			assert_int_equal(remove_id(user, id), 0);
		}
	}
	forget_done(); /* which removing has settled, too */
	pid_t child = start_child(complete_slowly, 600);
	while (faccessat(folder.fd, "locked", F_OK, 0) != 0) {
		(void)poll(NULL, 0, 5);
	}
	/* it may wait, or say that this is not the time; what is not allowed is a second copy */
	int rc = send_once(id, ALL);
	assert_true(rc == -1 ? e.code == EX_TEMPFAIL : faccessat(folder.fd, path, F_OK, 0) != 0);
	assert_int_equal(end_child(child), 0);
	assert_int_equal(unlinkat(folder.fd, "locked", 0), 0);
	assert_int_equal(box->ops->recover(box, &e), 0);
	assert_copies(ALL, 1);
	assert_sends(ALL, true);
	assert_copies(ALL, 1);
	for (char user[] = "client2"; user[6] <= '4'; user[6]++) {
		assert_int_equal(remove_id(user, id), 0);
	}
}

static void two_beside_a_completion(void **state)
{
	(void)state;
	retry_beside_completion("client3;client4");
}

static void one_beside_a_completion(void **state)
{
	(void)state;
	retry_beside_completion("client4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_STORE("a message that is sent again is stored once", sent_again),
		T_STORE("another message under the same id is not stored", another_message),
		T_STORE("two users' equal ids are two messages", of_different_users),
		T_STORE("without an id nothing is remembered", not_under_an_id),
		T_STORE("what a crash left in some mailboxes is completed in the others",
			begun_and_in_some),
		T_STORE("what failed is nowhere, and may be sent again", after_a_failure),
		T_STORE("what its reader removed is not restored by a retry",
			removed_and_sent_again),
		T_STORE("a damaged message is removed, though it has no sender", damaged_removed),
		T_STORE("nothing is removed of which a retry would know nothing",
			not_removed_unsettled),
		T_STORE("the folder of ids is made when it is needed", folder_missing),
		T_STORE("where ids cannot be kept it is 75, and nothing is stored",
			folder_unusable),
		T_STORE("65,536 ids are remembered", remembered),
		T_STORE("sixteen that send one message store it once", sixteen_send_one),
		T_STORE("sixteen that send their own store all", sixteen_send_their_own),
		T_STORE("a retry beside the completion of a crash doubles nothing",
			two_beside_a_completion),
		T_STORE("nor where one mailbox alone is to be completed", one_beside_a_completion),
	};
	return RUN(tests);
}
