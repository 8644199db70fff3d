/* Who is logged in and who waits, in memory that processes share: who is woken, once, and by
 * what. */
#include "unit.h"

#include "../../proto/presence.h"

static struct presence p;

static void enter(size_t slot, const char *user)
{
	struct presence_who who = {0};

	(void)snprintf(who.user, sizeof who.user, "%s", user);
	presence_enter(&p, slot, &who);
}
static struct err e;

enum { SLOTS = 20 };

static int open_presence(void **state)
{
	(void)state;
	return presence_open(&p, SLOTS, &e);
}

static int close_presence(void **state)
{
	(void)state;
	presence_close(&p);
	return 0;
}

#define T_PRESENCE(title, function)                                  \
	{                                                            \
		title, function, open_presence, close_presence, NULL \
	}

/* How many bytes the server finds in its pipe. */
static int told(void)
{
	uint8_t bytes[4096];
	ssize_t n = read(p.pipe[0], bytes, sizeof bytes);

	return n < 0 ? 0 : (int)n;
}

static int woken(void)
{
	int n = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		n += presence_take_wake(&p, i) ? 1 : 0;
	}
	return n;
}

static void tell(const char *a, const char *b)
{
	char names[2][USER_NAME_MAX + 1] = {0};

	(void)snprintf(names[0], sizeof names[0], "%s", a);
	(void)snprintf(names[1], sizeof names[1], "%s", b == NULL ? "" : b);
	presence_tell(&p, names, b == NULL ? 1 : 2);
}

static void who_waits_is_woken(void **state)
{
	(void)state;
	tell("a", "b");
	assert_int_equal(told() + woken(), 0);
	for (size_t i = 0; i < 4; i++) { /* a, b, a, b */
		enter(i, i % 2 == 0 ? "a" : "b");
	}
	tell("a", "b");
	assert_int_equal(told() + woken(), 0); /* they do not wait */
	presence_wait(&p, 0, true);
	presence_wait(&p, 1, true);
	presence_wait(&p, 2, true);
	tell("c", NULL);
	assert_int_equal(told() + woken(), 0);
	tell("a", NULL);
	assert_int_equal(told(), 1);
	assert_true(presence_take_wake(&p, 0));
	assert_false(presence_take_wake(&p, 0)); /* once */
	assert_false(presence_take_wake(&p, 1));
	assert_true(presence_take_wake(&p, 2));
	tell("c", "b");
	assert_int_equal(told(), 1);
	assert_int_equal(woken(), 1);
	presence_wait(&p, 1, false);
	tell("a", "b");
	assert_int_equal(woken(), 2);
	tell("", NULL); /* nobody has no name */
	assert_int_equal(woken(), 0);
}

static bool is_a(void *arg, const struct presence_who *who)
{
	(void)arg;
	return strcmp(who->user, "a") == 0;
}

static bool nobody(void *arg, const struct presence_who *who)
{
	(void)arg;
	(void)who;
	return false;
}

static void all_who_logged_in(void **state)
{
	(void)state;
	enter(3, "a");
	enter(5, "b");
	presence_wait(&p, 7, true); /* waits, and never logged in */
	presence_wake_all_but(&p, is_a, NULL);
	assert_true(presence_take_wake(&p, 5)); /* b alone may not stay */
	assert_int_equal(woken(), 0);
	presence_wake_all_but(&p, nobody, NULL);
	assert_true(presence_take_wake(&p, 3) && presence_take_wake(&p, 5));
	assert_int_equal(woken(), 0);
	assert_int_equal(told(), 0); /* the server itself does it */
}

static void slots_begin_anew(void **state)
{
	(void)state;
	enter(1, "abcdefghijklmnopqrstuvwxyz012345");
	assert_string_equal(p.slots[1].who.user, "abcdefghijklmnopqrstuvwxyz012345");
	presence_wait(&p, 1, true);
	tell("abcdefghijklmnopqrstuvwxyz012345", NULL);
	presence_clear(&p, 1); /* the session is gone, and another one comes */
	assert_false(p.slots[1].proven || p.slots[1].waits || p.slots[1].wake);
	assert_string_equal(p.slots[1].who.user, "");
	presence_wake_all_but(&p, nobody, NULL);
	assert_int_equal(woken(), 0);
}

static void drained(void **state)
{
	(void)state;
	enter(0, "a");
	presence_wait(&p, 0, true);
	for (int i = 0; i < 100000; i++) { /* more than a pipe holds: nobody is held up */
		tell("a", NULL);
	}
	presence_drain(&p);
	assert_int_equal(told(), 0);
	tell("a", NULL);
	assert_int_equal(told(), 1);
	presence_drain(&p); /* empty: it does not wait */
	assert_int_equal(woken(), 1);
}

static int a_session(int i)
{
	char name[8];

	(void)snprintf(name, sizeof name, "u%d", i);
	enter((size_t)i, name);
	presence_wait(&p, (size_t)i, true);
	return 0;
}

static int a_delivery(int i)
{
	char name[8];

	(void)snprintf(name, sizeof name, "u%d", i);
	tell(name, NULL);
	return 0;
}

static void across_processes(void **state)
{
	(void)state;
	run_children(16, a_session);
	for (size_t i = 0; i < 16; i++) {
		assert_true(p.slots[i].proven && p.slots[i].waits && !p.slots[i].wake);
	}
	run_children(16, a_delivery);
	assert_int_equal(told(), 16);
	assert_int_equal(woken(), 16);
}

static void closed(void **state)
{
	struct presence none;

	(void)state;
	assert_int_equal(presence_open(&none, 1, &e), 0);
	presence_close(&none);
	presence_close(&none); /* twice is fine */
	assert_null(none.slots);
	assert_refused(presence_open(&none, SIZE_MAX / sizeof *none.slots, &e), e, EX_OSERR);
	presence_close(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PRESENCE("mail wakes those it is for who wait, once", who_waits_is_woken),
		T_PRESENCE("a change of accounts wakes all who logged in", all_who_logged_in),
		T_PRESENCE("a new session's slot has nothing of the one before", slots_begin_anew),
		T_PRESENCE("a full pipe holds nobody up, and is emptied", drained),
		T_PRESENCE("sessions and deliveries are processes of their own", across_processes),
		T("without memory it is told, and closing is safe", closed),
	};
	return RUN(tests);
}
