/* When the store is settled: the policy alone, and a server whose store is a fake. */
#include "unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "../../proto/server.h"
#include "../../proto/settle_server.h"

/* What the fake store is, for every process. */
static struct fake {
	atomic_bool work, busy, fails, dies;
	atomic_int settled, running, at_once, slow_ms;
	atomic_llong began_ms[8]; /* each time that settle was called */
} * fake;

static bool fake_unsettled(struct mailbox *m, bool *busy)
{
	(void)m;
	*busy = fake->busy;
	return fake->work;
}

static int fake_settle(struct mailbox *m, struct err *e)
{
	int n = fake->settled, running = ++fake->running;

	(void)m;
	fake->began_ms[n % 8] = conn_now_ms();
	fake->at_once = running > fake->at_once ? running : fake->at_once;
	fake->work = fake->fails;
	(void)poll(NULL, 0, fake->slow_ms);
	if (fake->dies) {
		fake->dies = false;
		fake->settled++;
		fake->running--;
		(void)raise(SIGKILL);
	}
	fake->running--;
	fake->settled++;
	return fake->fails ? err_set(e, EX_TEMPFAIL, "cannot sync a \"folder\": it is a fake") : 0;
}

static const struct mailbox_ops fake_ops = {.unsettled = fake_unsettled, .settle = fake_settle};
static struct mailbox fake_box = {.ops = &fake_ops};

static int make_fake(void **state)
{
	(void)state;
	fake = mmap(NULL, sizeof *fake, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return fake == MAP_FAILED ? -1 : 0;
}

static int drop_fake(void **state)
{
	(void)state;
	return munmap(fake, sizeof *fake);
}

/* --- the policy --- */

static struct settle s;
static int look;

static bool due(int64_t now)
{
	return settle_is_due(&s, &fake_box, now, &look);
}

static void when_there_is_work(void **state)
{
	(void)state;
	s = (struct settle){0};
	assert_false(due(5));
	assert_int_equal(look, -1); /* nobody wakes up for nothing */
	fake->work = true;
	assert_true(due(6));
	settle_ended(&s, true, 10);
	assert_false(due(10)); /* what came meanwhile waits a little */
	assert_int_equal(look, SETTLE_LOOK_MS);
	assert_false(due(10 + SETTLE_LOOK_MS - 1));
	assert_int_equal(look, 1);
	assert_true(due(10 + SETTLE_LOOK_MS));
	fake->work = false;
	assert_false(due(1000000));
	assert_int_equal(look, -1);
}

static void while_more_comes(void **state)
{
	(void)state;
	s = (struct settle){0};
	fake->work = fake->busy = true;
	assert_false(due(1000));
	assert_int_equal(look, SETTLE_LOOK_MS);
	assert_false(due(1000 + SETTLE_BUSY_MS - 1));
	assert_true(due(1000 + SETTLE_BUSY_MS)); /* it never ends: not for ever */
	settle_ended(&s, true, 4000);
	assert_false(due(4000 + SETTLE_LOOK_MS));
	assert_false(due(4000 + SETTLE_BUSY_MS)); /* counted from the first look on */
	assert_true(due(4000 + SETTLE_LOOK_MS + SETTLE_BUSY_MS));
	settle_ended(&s, true, 10000);
	assert_false(due(10100));
	fake->busy = false;
	assert_true(due(10200)); /* at once when it pauses */
	settle_ended(&s, true, 20000);
	fake->busy = true;
	assert_false(due(20100));
	fake->work = false;
	assert_false(due(20200));
	fake->work = true; /* other work: it has its own time */
	assert_false(due(20100 + SETTLE_BUSY_MS));
	assert_true(due(20100 + 2 * SETTLE_BUSY_MS));
}

static void while_it_fails(void **state)
{
	int64_t now = 1000;

	(void)state;
	s = (struct settle){0};
	fake->work = true;
	for (int64_t wait = 1000; wait < 200000; wait *= 2) {
		int64_t most = wait < 60000 ? wait : 60000;
		assert_true(due(now));
		settle_ended(&s, false, now);
		assert_false(due(now));
		assert_int_equal(look, most);
		assert_false(due(now + most - 1));
		now += most;
	}
	fake->work = false; /* and none to do: a new try has to wait all the same */
	settle_ended(&s, false, now);
	assert_false(due(now));
	assert_int_equal(look, -1);
	fake->work = true;
	assert_false(due(now + 1));
	assert_int_equal(look, 59999);
	assert_true(due(now + 60000));
	settle_ended(&s, true, now + 60000);
	assert_true(due(now + 60000 + SETTLE_LOOK_MS));
	settle_ended(&s, false, now + 70000);
	assert_false(due(now + 70000));
	assert_int_equal(look, SETTLE_RETRY_MS); /* from the beginning again */
}

/* --- in a server --- */

static pid_t server_pid;
static int port;

static int session(void *arg, struct conn *c)
{
	(void)arg;
	fake->work = true;
	presence_work(c->presence);
	return 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

static bool everybody_stays(void *arg, const struct presence_who *who)
{
	(void)arg;
	(void)who;
	return true;
}

/* As long as it takes; false after 20 seconds. */
static bool until(bool (*is)(void))
{
	for (int i = 0; i < 4000; i++) {
		if (is()) {
			return true;
		}
		(void)poll(NULL, 0, 5);
	}
	return false;
}

static bool is_listening(void)
{
	struct buf log = {0};
	const char *at;

	slurp("log", &log);
	at = strstr((const char *)log.p, "Listening on 127.0.0.1:");
	port = at == NULL ? 0 : (int)strtol(strchr(at, ':') + 1, NULL, 10);
	buf_free(&log);
	return port != 0;
}

static void start_server(void)
{
	struct server server = {.listen = {{.address = "127.0.0.1:0"}},
		.listen_n = 1,
		.sessions = 20,
		.per_address = 20,
		.session = session,
		.after_death = nothing,
		.box = &fake_box,
		.changed = nothing,
		.stays = everybody_stays,
		.ready = nothing};
	struct accounts_store *accounts;
	struct err e;

	assert_int_equal(accounts_files_open(folder.fd, &accounts, &e), 0);
	server.accounts = accounts;
	spew_text("log", "");
	server_pid = fork();
	if (server_pid == 0) {
		int fd = openat(folder.fd, "log", O_WRONLY | O_APPEND);
		(void)dup2(fd, 2);
		_exit(server_run(&server, &e) == 0 ? 0 : 1);
	}
	accounts->ops->close(accounts); /* the child has its own */
	assert_true(until(is_listening));
}

static void stop_server(void)
{
	int status;

	assert_int_equal(kill(server_pid, SIGTERM), 0);
	assert_int_equal(waitpid(server_pid, &status, 0), server_pid);
	assert_int_equal(status, 0);
}

/* One session, to its end. */
static void deliver(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	(void)close(fd);
}

static bool is_settled_once(void)
{
	return fake->settled >= 1 && fake->running == 0;
}

static bool is_settled_twice(void)
{
	return fake->settled >= 2 && fake->running == 0;
}

static bool has_no_work(void)
{
	return !fake->work && fake->running == 0;
}

/* How often the server went to sleep so far. */
static long sleeps(void)
{
	char path[64], text[4096];
	int fd;
	ssize_t n;
	const char *at;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)server_pid);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	assert_non_null(at);
	return strtol(strchr(at, ':') + 1, NULL, 10);
}

/* Does it sleep on, for this long? */
static bool sleeps_through(int ms)
{
	long before = sleeps();

	(void)poll(NULL, 0, ms);
	return sleeps() == before;
}

static bool sleeps_soundly(void)
{
	return sleeps_through(400);
}

static void what_a_session_left(void **state)
{
	(void)state;
	start_server();
	assert_true(until(sleeps_soundly));
	assert_int_equal(fake->settled, 0);
	deliver();
	assert_true(until(is_settled_once));
	assert_true(until(sleeps_soundly)); /* not a look more */
	assert_int_equal(fake->settled, 1);
	deliver();
	assert_true(until(is_settled_twice));
	assert_true(until(sleeps_soundly));
	assert_int_equal(fake->settled, 2);
	stop_server();
}

static void what_was_there_at_the_start(void **state)
{
	(void)state;
	fake->work = true;
	start_server();
	assert_true(until(is_settled_once));
	stop_server();
}

static void one_helper_at_once(void **state)
{
	(void)state;
	fake->slow_ms = 150;
	start_server();
	for (int i = 0; i < 100; i++) {
		deliver();
		(void)poll(NULL, 0, 5);
	}
	assert_true(until(has_no_work));
	assert_true(fake->settled >= 1);
	deliver();
	assert_true(until(is_settled_twice));
	assert_true(until(has_no_work));
	assert_int_equal(fake->at_once, 1);
	fake->work = true; /* at the end a helper that runs is waited for */
	deliver();
	stop_server();
	assert_int_equal(fake->running, 0);
}

static void later_while_more_comes(void **state)
{
	int64_t began = conn_now_ms();

	(void)state;
	fake->busy = true;
	start_server();
	deliver();
	assert_true(until(is_settled_once));
	assert_true(fake->began_ms[0] - began >= SETTLE_BUSY_MS);
	stop_server();
}

static int count_of(const struct buf *log, const char *text)
{
	int n = 0;

	for (const char *at = (const char *)log->p; (at = strstr(at, text)) != NULL; at++) {
		n++;
	}
	return n;
}

static void a_failure_is_logged(void **state)
{
	struct buf log = {0};

	(void)state;
	fake->fails = true;
	start_server();
	deliver();
	deliver();
	assert_true(until(is_settled_twice));
	stop_server();
	assert_true(fake->began_ms[1] - fake->began_ms[0] >= SETTLE_RETRY_MS);
	assert_true(fake->settled >= 2);
	slurp("log", &log);
	assert_int_equal(
		count_of(&log, " settle code=75 text=\"cannot sync a 'folder': it is a fake\"\n"),
		fake->settled);
	buf_free(&log);
}

static void a_helper_that_dies(void **state)
{
	struct buf log = {0};

	(void)state;
	fake->dies = true;
	start_server();
	deliver();
	assert_true(until(is_settled_once));
	deliver();
	assert_true(until(is_settled_twice));
	assert_true(fake->began_ms[1] - fake->began_ms[0] >= SETTLE_RETRY_MS);
	stop_server();
	slurp("log", &log);
	assert_int_equal(count_of(&log, " killed child="), 1);
	buf_free(&log);
}

/* --- telling --- */

static void one_byte_for_a_flood(void **state)
{
	struct presence p;
	struct err e;
	char bytes[64];

	(void)state;
	assert_int_equal(presence_open(&p, 3, &e), 0);
	for (int i = 0; i < 1000; i++) {
		presence_work(&p);
	}
	assert_int_equal(read(p.pipe[0], bytes, sizeof bytes), 1);
	presence_listen(&p);
	presence_work(&p);
	assert_int_equal(read(p.pipe[0], bytes, sizeof bytes), 1);
	presence_listen(&p);
	presence_told(&p);
	presence_work(&p);
	assert_int_equal(read(p.pipe[0], bytes, sizeof bytes), -1);
	presence_close(&p);
}

static int make_both(void **state)
{
	return make_fake(state) != 0 ? -1 : folder_make(state);
}

static int drop_both(void **state)
{
	return drop_fake(state) != 0 ? -1 : folder_remove(state);
}

#define T_FAKE(title, function)                             \
	{                                                   \
		title, function, make_fake, drop_fake, NULL \
	}
#define T_SERVER(title, function)                           \
	{                                                   \
		title, function, make_both, drop_both, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FAKE("work is done at once, and without any nobody looks", when_there_is_work),
		T_FAKE("work that comes puts it off, but not for ever", while_more_comes),
		T_FAKE("a failure puts it off, longer each time", while_it_fails),
		T("a flood of work is one byte", one_byte_for_a_flood),
		T_SERVER("a server settles what a session left, and sleeps", what_a_session_left),
		T_SERVER("... what was there at its start", what_was_there_at_the_start),
		T_SERVER("... in one helper at a time, and waits for it", one_helper_at_once),
		T_SERVER("... later, while more comes", later_while_more_comes),
		T_SERVER(
			"... again a second after a failure, which is logged", a_failure_is_logged),
		T_SERVER("... and after a helper that died", a_helper_that_dies),
	};
	return RUN(tests);
}
