/* What the parts of the classic protocol's server share: a session. */
#ifndef PROTO_CLASSIC_SESSION_SERVER_H
#define PROTO_CLASSIC_SESSION_SERVER_H

#include "classic.h"
#include "classic_dialect.h"
#include "host_server.h"

struct classic_session {
	struct conn *conn;
	const struct host *host;
	struct report *report;
	const struct classic_dialect *dialect;
	struct classic wire;
	/* what the numbers of the last list stand for; empty before the first */
	struct mailbox_ref *listed;
	size_t listed_n, listed_cap;
	const struct mailbox_ref *chosen; /* of those; NULL: the index names none */
	struct accounts accounts;
	struct presence_who who;
	char reason[ERR_TEXT_MAX]; /* why the last e-mail was rejected; empty when it was not */
};

/* Steps 1 and 2. 0, or -1: EX_NOPERM (refused), EX_PROTOCOL, EX_TEMPFAIL. */
int classic_session_login(struct classic_session *s, struct err *e);

/* For -v: what a step was, and what an onlooker sees of it. */
void classic_session_say(const struct classic_session *s, const char *step);

#endif
