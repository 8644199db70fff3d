/* Listen, accept, fork, supervise; see server.h. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "../crypto/bytes.h"
#include "crowd_server.h"
#include "helper_server.h"
#include "listen.h"
#include "log.h"

struct state {
	const struct server *s;
	/* listeners; then the signals, who is to be woken, and whether accounts have changed */
	struct pollfd polls[SERVER_LISTEN_MAX + 3];
	size_t listeners;
	const struct server_door *doors[SERVER_LISTEN_MAX]; /* of each listener */
	struct crowd crowd;
	struct presence presence; /* shared with the children: who has logged in, who waits */
	int news_fd;              /* tells that accounts may have changed; -1: nothing tells */
	struct helper helper;
	bool stopping;    /* sessions are being killed: the next start cleans up */
	int stop_pipe[2]; /* sessions hold the reading end; closing the other one stops them, and so
			   * does the death of this process */
	unsigned long count;   /* connections so far, for their ids */
	int64_t refused_at_ms; /* when a refusal was last logged */
	unsigned refused;
	int spare_fd; /* given up to accept, and close, a connection when descriptors run out */
};

static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
	int saved = errno;
	uint8_t byte = (uint8_t)number;

	(void)!write(signal_pipe[1], &byte, 1);
	errno = saved;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(number, &sa, NULL);
}

/* --- children --- */

/* Refusals come in floods: one line a second tells how many there were. */
static void log_refusal(struct state *st, const char *peer, const char *why)
{
	st->refused++;
	if (conn_now_ms() - st->refused_at_ms >= 1000) {
		log_event("refused", "peer=%s count=%u text=\"%s\"", peer, st->refused, why);
		st->refused_at_ms = conn_now_ms();
		st->refused = 0;
	}
}

static void unfollow(const struct server *s)
{
	if (s->accounts != NULL) {
		s->accounts->ops->unfollow(s->accounts);
	}
}

/* In the child: let go of what is the parent's alone. */
static void become_child(const struct state *st)
{
	for (size_t i = 0; i < st->listeners; i++) {
		(void)close(st->polls[i].fd);
	}
	(void)close(signal_pipe[0]);
	(void)close(signal_pipe[1]);
	(void)close(st->stop_pipe[1]);
	(void)close(st->presence.pipe[0]);
	unfollow(st->s);
	if (st->spare_fd >= 0) {
		(void)close(st->spare_fd);
	}
	/* a terminal's Ctrl-C and a supervisor's SIGTERM reach the group: the parent judges */
	handle(SIGINT, SIG_IGN);
	handle(SIGTERM, SIG_IGN);
	handle(SIGHUP, SIG_IGN);
	handle(SIGCHLD, SIG_DFL);
}

static void helper_is_child(void *arg)
{
	become_child(arg);
}

static void clean_up(struct state *st)
{
	if (!st->stopping) {
		helper_clean_up(&st->helper);
	}
}

/* Take every dead child off the list. */
static void reap(struct state *st)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool shed = crowd_leave(&st->crowd, pid);
		if (shed) {
			log_event("shed", "child=%ld text=\"no login came, and others wait\"",
				(long)pid);
			continue;
		}
		helper_reap(&st->helper, pid, status);
		if (WIFSIGNALED(status)) {
			log_event("killed", "child=%ld signal=%d", (long)pid, WTERMSIG(status));
		}
	}
}

/* The child's whole life. */
static void run_session(const struct state *st, int fd, int door, int slot, const char *peer)
{
	char id[32];
	struct conn c;

	become_child(st);
	(void)snprintf(id, sizeof id, "c%lu", st->count);
	log_identify(id);
	conn_init(&c, fd);
	c.stop_fd = st->stop_pipe[0];
	c.presence = &st->presence;
	c.slot = (size_t)slot;
	c.peer = peer;
	c.door = door;
	_exit(st->s->session(st->s->arg, &c));
}

static void start_session(struct state *st, int fd, int door, const struct sockaddr_storage *sa)
{
	char peer[CONN_ADDRESS_MAX];
	struct crowd_child child = {.began_ms = conn_now_ms()};
	int slot;

	conn_address(sa, peer);
	crowd_network_of(sa, child.network);
	st->count++;
	if (!crowd_make_room(&st->crowd, child.network)) {
		log_refusal(st, peer, "too many sessions");
		return;
	}
	for (int i = 0; (slot = crowd_free_slot(&st->crowd)) < 0 && i < SERVER_SHED_MS; i++) {
		(void)poll(NULL, 0, 1); /* the one that was shed is about to go */
		reap(st);
	}
	if (slot < 0) {
		log_refusal(st, peer, "too many sessions");
		return;
	}
	presence_clear(&st->presence, (size_t)slot);
	child.pid = fork();
	if (child.pid == 0) {
		run_session(st, fd, door, slot, peer);
	}
	if (child.pid < 0) {
		log_refusal(st, peer, strerror(errno));
		(void)poll(NULL, 0, SERVER_BACK_OFF_MS);
		return;
	}
	crowd_enter(&st->crowd, slot, &child);
}

/* No descriptor is free: use the spare one to take the connection off the queue and drop it. */
static void shed_one(struct state *st, int listener)
{
	if (st->spare_fd >= 0) {
		(void)close(st->spare_fd);
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0) {
			(void)close(fd);
		}
		st->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	log_refusal(st, "unknown", "no descriptor is free");
	(void)poll(NULL, 0, SERVER_BACK_OFF_MS);
}

static void accept_one(struct state *st, int listener, int door)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	int fd = accept(listener, (struct sockaddr *)&sa, &n);

	if (fd >= 0) {
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		start_session(st, fd, door, &sa);
		(void)close(fd);
		return;
	}
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		shed_one(st, listener);
		break;
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
		break;
	default: /* the network's own, or the unknown: not in a tight loop */
		log_refusal(st, "unknown", strerror(errno));
		(void)poll(NULL, 0, SERVER_BACK_OFF_MS);
		break;
	}
}

/* --- the loop --- */

/* What arrived through the signal pipe; true when it is time to stop. */
static bool take_signals(struct state *st)
{
	uint8_t bytes[64];
	ssize_t n = read(signal_pipe[0], bytes, sizeof bytes);
	bool stop = false, again = false;

	for (ssize_t i = 0; i < n; i++) {
		stop = stop || bytes[i] == SIGTERM || bytes[i] == SIGINT;
		again = again || bytes[i] == SIGHUP;
	}
	if (again) {
		st->s->reload(st->s->arg);
	}
	reap(st);
	return stop;
}

/* Wake the sessions that are to be woken. */
static void wake(struct state *st)
{
	for (unsigned i = 0; i < st->s->sessions; i++) {
		if (presence_take_wake(&st->presence, i) && crowd_pid(&st->crowd, i) != 0) {
			(void)kill(crowd_pid(&st->crowd, i), SIGUSR1);
		}
	}
}

/* How long nothing need be looked at: the store, and the accounts where nothing tells. -1: for
 * ever. */
static int quiet_ms(const struct state *st, int settle_ms)
{
	int watch_ms = st->news_fd < 0 && st->s->accounts != NULL ? SERVER_LOOK_MS : -1;

	return settle_ms < 0 || (watch_ms >= 0 && watch_ms < settle_ms) ? watch_ms : settle_ms;
}

static void loop(struct state *st)
{
	struct pollfd *signals = &st->polls[st->listeners], *wakes = signals + 1;
	struct accounts_store *accounts = st->s->accounts;
	int64_t look_ms = 0; /* when to look at the accounts next, where nothing tells */

	for (;;) {
		int rc = poll(
			st->polls, st->listeners + 3, quiet_ms(st, helper_settle(&st->helper)));
		if (rc < 0) {
			continue; /* EINTR: the pipe tells */
		}
		if (signals->revents != 0 && take_signals(st)) {
			return;
		}
		bool look = wakes[1].revents != 0 || (st->news_fd < 0 && conn_now_ms() >= look_ms);
		bool changed = look && accounts != NULL && accounts->ops->news(accounts);
		look_ms = look ? conn_now_ms() + SERVER_LOOK_MS : look_ms;
		if (changed) {
			st->s->changed(st->s->arg);
			presence_wake_all_but(&st->presence, st->s->stays, st->s->arg);
		}
		if (wakes->revents != 0) {
			presence_drain(&st->presence);
		}
		if (changed || wakes->revents != 0) {
			wake(st);
		}
		for (size_t i = 0; i < st->listeners; i++) {
			if (st->polls[i].revents != 0) {
				accept_one(st, st->polls[i].fd, st->doors[i]->door);
			}
		}
		clean_up(st);
	}
}

static void kill_all(const struct state *st)
{
	crowd_kill(&st->crowd);
	if (st->helper.pid != 0) {
		(void)kill(st->helper.pid, SIGKILL);
	}
}

/* Sessions end at their next wait; a delivery on its way is finished first. A second signal, or too
 * long a time, kills them: true. */
static bool stop(struct state *st)
{
	int64_t until = conn_now_ms() + SERVER_STOP_MS;
	struct pollfd p = {.fd = signal_pipe[0], .events = POLLIN};
	bool killed = false;

	log_event("stopping", "sessions=%zu", st->crowd.n);
	(void)close(st->stop_pipe[1]);
	for (size_t i = 0; i < st->listeners; i++) {
		(void)close(st->polls[i].fd);
	}
	reap(st);
	while (st->crowd.n > 0 || st->helper.pid != 0) {
		int64_t left = until - conn_now_ms();
		int rc = poll(&p, 1, killed ? -1 : left < 0 ? 0 : (int)left);
		bool again = rc > 0 && take_signals(st);
		reap(st);
		clean_up(st);
		if (!killed && (again || conn_now_ms() >= until)) {
			st->stopping = true;
			kill_all(st);
			killed = true;
		}
	}
	log_event("stopped", "connections=%lu", st->count);
	return killed;
}

static void announce(const struct server *s, int fd, const char *wire)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	char text[CONN_ADDRESS_MAX];

	if (getsockname(fd, (struct sockaddr *)&sa, &n) == 0) {
		conn_address(&sa, text);
		log_line("Listening on %s%s%s", text, wire == NULL ? "" : " for ",
			wire == NULL ? "" : wire);
		if (s->listens != NULL) {
			s->listens(s->arg, text);
		}
	}
}

static int open_pipe(int p[2], struct err *e)
{
	if (pipe(p) != 0) {
		return err_sys(e, EX_OSERR, "cannot open a pipe");
	}
	for (int i = 0; i < 2; i++) {
		(void)fcntl(p[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(p[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static void watch_all(struct state *st, const int *fds)
{
	const int others[] = {signal_pipe[0], st->presence.pipe[0], st->news_fd};
	size_t n = st->listeners;

	for (size_t i = 0; i < n; i++) {
		st->polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
		announce(st->s, fds[i], st->doors[i]->wire);
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		st->polls[n + i] = (struct pollfd){.fd = others[i], .events = POLLIN};
	}
}

int server_run(const struct server *s, struct err *e)
{
	struct state st = {.s = s, .stop_pipe = {-1, -1}, .spare_fd = -1, .news_fd = -1};
	int fds[SERVER_LISTEN_MAX], rc = -1;

	st.helper = (struct helper){
		.server = s, .presence = &st.presence, .in_child = helper_is_child, .arg = &st};

	if (crowd_open(&st.crowd, s->sessions, s->per_address, &st.presence, e) != 0) {
		return -1;
	}
	if (presence_open(&st.presence, s->sessions, e) != 0 || open_pipe(signal_pipe, e) != 0 ||
		open_pipe(st.stop_pipe, e) != 0) {
		goto out;
	}
	for (size_t i = 0; i < s->listen_n; i++) {
		size_t before = st.listeners;
		if (listen_open(s->listen[i].address, fds, SERVER_LISTEN_MAX, &st.listeners, e) !=
			0) {
			goto out;
		}
		for (size_t k = before; k < st.listeners; k++) {
			st.doors[k] = &s->listen[i];
		}
	}
	st.news_fd = s->accounts == NULL ? -1 : s->accounts->ops->follow(s->accounts);
	watch_all(&st, fds);
	st.spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	handle(SIGPIPE, SIG_IGN);
	handle(SIGCHLD, on_signal);
	handle(SIGTERM, on_signal);
	handle(SIGINT, on_signal);
	if (s->reload != NULL) {
		handle(SIGHUP, on_signal);
	}
	conn_catch_wake();
	s->ready(s->arg);
	loop(&st);
	rc = stop(&st) ? 1 : 0;
	handle(SIGTERM, SIG_DFL);
	handle(SIGINT, SIG_DFL);
out:
	unfollow(s);
	presence_close(&st.presence);
	crowd_close(&st.crowd);
	return rc;
}
