/* A run of the man in the middle; see mitm.h. */
#include "mitm.h"

#include <sys/mman.h>
#include <sys/wait.h>

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

/* Each in a process of its own, beside the relay; they end with their parent. 0, or -1. */
static int start_strikes(const struct mitm *m, struct err *e)
{
	struct err why;
	pid_t pid;

	for (size_t i = 0; i < m->attacks_n; i++) {
		if (m->attacks[i]->strike == NULL) {
			continue;
		}
		pid = fork();
		if (pid == 0) {
			if (m->attacks[i]->strike(m, &why) != 0) {
				log_err("strike", &why);
				_exit(why.code);
			}
			_exit(EX_OK);
		}
		if (pid < 0) {
			return err_sys(e, EX_OSERR, "cannot fork");
		}
	}
	return 0;
}

static void nothing_left(void *arg)
{
	(void)arg; /* a connection leaves nothing */
}

int mitm_run(struct mitm *m, const char *const *listen, size_t listen_n, void (*ready)(void *arg),
	struct err *e)
{
	struct server s = {.listen_n = listen_n,
		.sessions = SERVER_SESSIONS,
		.per_address = SERVER_SESSIONS,
		.session = relay_session,
		.after_death = nothing_left,
		.ready = ready,
		.arg = m};

	for (size_t i = 0; i < listen_n; i++) {
		s.listen[i] = listen[i];
	}
	return start_strikes(m, e) != 0 ? -1 : server_run(&s, e);
}
