/* Takes submissions to a destination, one after the other over one connection. */
#ifndef CMD_CARRIER_H
#define CMD_CARRIER_H

#include "destination.h"
#include "local_users.h"
#include "submission.h"

/* Bytes of a message that is read at all, before the server says how many it takes. */
#define CARRIER_BYTES_MAX ((uint64_t)1 << 30)

struct carrier_smtp; /* what an SMTP server needs besides */

struct carrier {
	struct destination *to;
	struct local_users users;
	struct mail_client *mail; /* NULL: not connected */
	struct carrier_smtp *smtp;
	struct err down; /* the server could not be reached: it is not tried again; */
	struct err out;  /* nor is a login that it refused, for what needs one */
	/* told of each recipient that an SMTP server refuses, but for the first, who is the
	 * error's; NULL: nobody */
	void (*tell)(void *arg, const char *text);
	void *tell_arg;
};

/* d is resolved, and outlives it. 0, or -1 (EX_CONFIG). carrier_end is due in both cases. */
int carrier_begin(struct carrier *c, struct destination *d, struct err *e);
void carrier_end(struct carrier *c);

/* Is it a message that the destination takes, as far as can be told without asking it? 0, or -1
 * (EX_NOUSER). */
int carrier_check(struct carrier *c, const struct submission *s, struct err *e);

/* authenticate: log in to an SMTP server, if there is a password. 0: the message is durably with
 * the server, for every recipient. -1: EX_DATAERR, EX_NOUSER: it was refused, and will be;
 * EX_NOPERM; EX_TEMPFAIL: unreachable, or later; EX_PROTOCOL. When some recipients of an SMTP
 * server were accepted and some not, those that are left in s->to are the others. */
int carrier_send(struct carrier *c, struct submission *s, bool authenticate, struct err *e);

/* For carrier.c alone. */
int carrier_smtp_send(struct carrier *c, struct submission *s, bool authenticate, struct err *e);
void carrier_smtp_end(struct carrier *c);

#endif
