/* The server half of the classic protocol: one session, from login to the end. */
#ifndef PROTO_CLASSIC_SERVER_H
#define PROTO_CLASSIC_SERVER_H

#include "host_server.h"

/* Serve one connection. 0 when the client ended it in good order, or -1 with what ended it:
 * EX_NOPERM (login refused), EX_PROTOCOL, EX_TEMPFAIL. */
int classic_serve(struct conn *conn, const struct host *host, struct report *report, struct err *e);

#endif
