/* Turns at a user's chats: one process has one, and nobody waits for ever for another's. */
#include "unit.h"

#include <sys/file.h>

#include "../../cmd/chat_desk.h"

static struct err e;
static struct chat_desk desk;

static void begin(void)
{
	desk = (struct chat_desk){.dir = folder.fd, .self = {.name = "alice"}, .patience = 1};
}

static int take(const char *what)
{
	int fd = chat_desk_lock(&desk, what, &e);

	if (fd < 0) {
		fail_msg("%s", e.text);
	}
	return fd;
}

static void a_turn(void **state)
{
	char process[32];
	int fd;

	(void)state;
	begin();
	fd = take(CHAT_DESK_SENDING);
	(void)close(take(CHAT_DESK_RECEIVING)); /* is another */
	assert_refused(chat_desk_lock(&desk, CHAT_DESK_SENDING, &e), e, EX_TEMPFAIL);
	(void)snprintf(process, sizeof process, "process %d,", (int)getpid());
	assert_contains(e.text, process);
	assert_contains(e.text, "alice_chat/.sending for 1 seconds");
	(void)close(fd);
	(void)close(take(CHAT_DESK_SENDING));
}

/* What stands in the file is for people: whatever it is, a turn is a turn. */
static void who_has_it(void **state)
{
	static const char *const texts[] = {
		"", "x", "-1", "12 ", "99999999999999999999999999999999", "4 %s%n", "0"};

	(void)state;
	begin();
	for (size_t i = 0; i < COUNT(texts); i++) {
		int fd = take(CHAT_DESK_SENDING);
		spew_text(CHAT_DESK_SENDING, texts[i]);
		assert_refused(chat_desk_lock(&desk, CHAT_DESK_SENDING, &e), e, EX_TEMPFAIL);
		assert_contains(e.text, "another chat command has had alice_chat/.sending");
		(void)close(fd);
	}
	(void)close(take(CHAT_DESK_SENDING));
}

static int take_in_child(int i)
{
	(void)i;
	desk.patience = 60;
	for (int k = 0; k < 20; k++) {
		int fd = chat_desk_lock(&desk, CHAT_DESK_SENDING, &e);
		int alone = fd < 0 ? -1
				   : openat(folder.fd, "alone", O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (alone < 0 || unlinkat(folder.fd, "alone", 0) != 0) {
			return 1;
		}
		(void)close(alone);
		(void)close(fd);
	}
	return 0;
}

static void one_after_the_other(void **state)
{
	(void)state;
	begin();
	run_children(4, take_in_child);
}

/* When it has the turn it leaves a file that tells so. held: the parent's, copied by the fork. */
static int take_and_tell(int held)
{
	int fd = close(held) != 0 ? -1 : chat_desk_lock(&desk, CHAT_DESK_SENDING, &e);
	int told = fd < 0 ? -1 : openat(folder.fd, "told", O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return told < 0 ? 1 : 0;
}

static bool somebody_is_next(void)
{
	int fd = openat(folder.fd, CHAT_DESK_SENDING "-next", O_RDWR | O_CLOEXEC);
	bool is = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;

	(void)close(fd);
	return is;
}

static void in_turn(void **state)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	pid_t child;
	int fd;

	(void)state;
	begin();
	desk.patience = 60;
	fd = take(CHAT_DESK_SENDING);
	child = start_child(take_and_tell, fd);
	for (int i = 0; i < 30000 && !somebody_is_next(); i++) {
		(void)nanosleep(&pause, NULL);
	}
	assert_true(somebody_is_next());
	assert_int_equal(faccessat(folder.fd, "told", F_OK, 0), -1);
	(void)close(fd);
	fd = take(CHAT_DESK_SENDING);
	assert_int_equal(faccessat(folder.fd, "told", F_OK, 0), 0);
	(void)close(fd);
	assert_int_equal(end_child(child), 0);
	assert_false(somebody_is_next());
}

static void no_file(void **state)
{
	(void)state;
	begin();
	assert_int_equal(symlinkat("elsewhere", folder.fd, CHAT_DESK_SENDING), 0);
	assert_refused(chat_desk_lock(&desk, CHAT_DESK_SENDING, &e), e, EX_TEMPFAIL);
	assert_int_equal(mkdirat(folder.fd, CHAT_DESK_RECEIVING, 0700), 0);
	assert_refused(chat_desk_lock(&desk, CHAT_DESK_RECEIVING, &e), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, CHAT_DESK_SENDING, 0), 0);
	assert_int_equal(symlinkat("elsewhere", folder.fd, CHAT_DESK_SENDING "-next"), 0);
	assert_refused(chat_desk_lock(&desk, CHAT_DESK_SENDING, &e), e, EX_TEMPFAIL);
	assert_int_equal(count_names("."), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a turn that another has ends the waiting, and he is named", a_turn),
		T_FOLDER("... also where nobody can be named", who_has_it),
		T_FOLDER("several processes have it one after the other", one_after_the_other),
		T_FOLDER("who gives it back is behind who waits for it", in_turn),
		T_FOLDER("a link or a folder is no turn", no_file),
	};
	return RUN(tests);
}
