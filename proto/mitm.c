/* A run of the man in the middle; see mitm.h. */
#include "mitm.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "log.h"
#include "mitm_relay.h"
#include "server.h"

const struct mitm_attack *mitm_find(const char *name)
{
	for (size_t i = 0; i < mitm_attacks_n; i++) {
		if (strcmp(mitm_attacks[i].name, name) == 0) {
			return &mitm_attacks[i];
		}
	}
	return NULL;
}

int mitm_open(struct mitm *m, struct err *e)
{
	void *p = mmap(
		NULL, sizeof *m->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		return err_sys(e, EX_TEMPFAIL, "cannot share memory");
	}
	m->shared = p;
	return 0;
}

void mitm_close(struct mitm *m)
{
	if (m->shared != NULL) {
		(void)munmap(m->shared, sizeof *m->shared);
	}
	m->shared = NULL;
}

/* --- strikes: each in a process of its own, beside the relay --- */

/* Wait for the word to begin. false: the relay has not come to listen. */
static bool await_word(int fd)
{
	uint8_t byte;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

static void be_strike(struct mitm *m, const struct mitm_attack *a, const int word[2])
{
	struct err why;

	(void)close(word[1]); /* or the end of the relay would not be told */
	m->stop_fd = word[0];
	if (!await_word(word[0])) {
		_exit(EX_OK);
	}
	if (a->strike(m, &why) != 0) {
		log_err("strike", &why);
		_exit(why.code);
	}
	_exit(EX_OK);
}

/* They wait until the relay listens, and end with it. 0, or -1. */
static int prepare_strikes(struct mitm *m, struct err *e)
{
	for (size_t i = 0; i < m->attacks_n; i++) {
		const struct mitm_attack *a = m->attacks[i];
		int word[2];
		if (a->strike == NULL) {
			continue;
		}
		if (pipe(word) != 0) {
			return err_sys(e, EX_OSERR, "cannot open a pipe");
		}
		pid_t pid = fork();
		if (pid == 0) {
			be_strike(m, a, word);
		}
		(void)close(word[0]);
		m->strike_fds[i] = word[1];
		if (pid < 0) {
			return err_sys(e, EX_OSERR, "cannot fork");
		}
	}
	return 0;
}

bool mitm_is_stopping(const struct mitm *m, int ms)
{
	struct pollfd p = {.fd = m->stop_fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* --- the relay --- */

static void ready(void *arg)
{
	struct mitm *m = arg;

	for (size_t i = 0; i < m->attacks_n; i++) {
		if (m->strike_fds[i] > 0) {
			(void)!write(m->strike_fds[i], "", 1);
		}
	}
	if (m->ear.ready != NULL) {
		m->ear.ready(m->ear.arg);
	}
}

int mitm_run(struct mitm *m, const char *const *listen, size_t listen_n, struct err *e)
{
	struct server s = {.sessions = SERVER_SESSIONS,
		.per_address = SERVER_SESSIONS,
		.session = relay_session,
		.ready = ready,
		.arg = m};
	int rc;

	if (listen_n > SERVER_LISTEN_MAX) {
		return err_set(e, EX_USAGE, "at most %d addresses to listen on", SERVER_LISTEN_MAX);
	}
	for (size_t i = 0; i < listen_n; i++) {
		s.listen[i].address = listen[i];
	}
	s.listen_n = listen_n;
	rc = prepare_strikes(m, e) != 0 ? -1 : server_run(&s, e);
	for (size_t i = 0; i < m->attacks_n; i++) {
		if (m->strike_fds[i] > 0) {
			(void)close(m->strike_fds[i]);
		}
	}
	return rc;
}
