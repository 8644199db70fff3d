/* Every address of an address list, as To, Cc, Bcc and From hold them (RFC 5322 3.4, with the
 * obsolete forms of 4.4): groups, comments, quoted strings, folds, display names in encoded words
 * and source routes are passed over, and each address comes out as its two halves. Pure text, no
 * I/O. */
#ifndef PROTO_RFC5322_ADDRESS_H
#define PROTO_RFC5322_ADDRESS_H

#include "rfc5322.h"

enum {
	RFC5322_LOCAL_MAX = 64,  /* bytes (RFC 5321 4.5.3.1.1), */
	RFC5322_DOMAIN_MAX = 255 /* and 4.5.3.1.2 */
};

struct rfc5322_mailbox {
	char local[RFC5322_LOCAL_MAX + 1]; /* as it is meant: without quotes and backslashes */
	char domain[RFC5322_DOMAIN_MAX +
		    1]; /* as written, a literal in its brackets; empty: none */
};

/* The next address. 1; 0 at the end; or -1 at what is no address, too long, or holds a control
 * character: *c stays ahead of it. */
int rfc5322_address_next(struct cursor *c, struct rfc5322_mailbox *m);

/* One address alone, as an argument gives it. 0 or -1. */
int rfc5322_address_parse(struct message_part text, struct rfc5322_mailbox *m);

/* Append it as RFC 5321 4.1.2 has it, with quotes where the local part needs them; without its
 * domain when it has none. 0, or -1 (no memory). */
int rfc5322_address_put(struct buf *out, const struct rfc5322_mailbox *m);

#endif
