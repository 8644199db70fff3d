/* One connection, from its first bytes: which wire it speaks, and whether this server does. See
 * host_server.h. */
#include "../crypto/tls.h"
#include "classic_server.h"
#include "enhanced.h"
#include "enhanced_server.h"
#include "log.h"
#include "smtp_server.h"

static void take_turn(void *gate)
{
	gate_take(gate);
}

static void give_turn(void *gate)
{
	gate_give(gate);
}

struct users_turn host_turn(const struct host *host)
{
	return (struct users_turn){.take = take_turn, .give = give_turn, .arg = host->gate};
}

void host_forget_keys(const struct host *host)
{
	if (host->rsa != NULL) {
		wipe(host->rsa, sizeof *host->rsa);
	}
	if (host->x25519 != NULL) {
		wipe(host->x25519, sizeof *host->x25519);
	}
}

void host_upgrade(const struct host *host, const struct users *users, const char *user,
	const void *password, size_t n)
{
	struct err e;

	if (host->upgrade && users_is_plain(users, user)) {
		gate_take(host->gate);
		if (users_upgrade(host->accounts.store, user, password, n, &e) != 0) {
			log_err("upgrade", &e);
		}
		gate_give(host->gate);
	}
}

int session_serve(struct conn *c, const struct host *host, struct report *report, struct err *e)
{
	uint8_t first[ENHANCED_PREFACE_BYTES];
	size_t got;

	*report = (struct report){.wire = "-"};
	if (c->door != HOST_DOOR_MAIL) {
		return smtp_serve(c, host, report, e);
	}
	if (host->smtp != NULL) { /* another door's */
		tls_identity_forget_key(host->smtp->identity);
	}
	conn_deadline(c, host->login_ms);
	if (conn_read_exact(c, first, sizeof first, &got, e) == CONN_FAILED) {
		return -1;
	}
	if (got == 0) {
		return err_set(e, EX_PROTOCOL, "no login came");
	}
	if (got == sizeof first && memcmp(first, ENHANCED_PREFACE, sizeof first) == 0) {
		report->wire = "enhanced";
		return host->x25519 != NULL
			       ? enhanced_serve(c, host, report, e)
			       : err_set(e, EX_PROTOCOL, "the enhanced protocol has no key here");
	}
	report->wire = "classic";
	if (host->rsa == NULL) {
		conn_finish(c); /* an end, and not a reset: trying again is of no use */
		return err_set(e, EX_PROTOCOL, "the classic protocol is refused here");
	}
	conn_unread(c, first, got);
	return classic_serve(c, host, report, e);
}
