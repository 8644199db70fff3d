/* What the man in the middle knows of an SMTP session; see mitm_relay.h. Before TLS nothing is
 * hidden and nothing is bound together: not the server's list of what it can, not the login to the
 * messages behind it. */
#ifndef PROTO_MITM_SMTP_H
#define PROTO_MITM_SMTP_H

#include "smtp.h"

/* Where a session stands, as an outsider follows it (mitm_sight_smtp.c). */
struct mitm_smtp {
	bool tls;           /* behind the 220 that answers STARTTLS, or from the beginning */
	bool starttls;      /* the client has asked for it */
	bool text;          /* behind a 354: the message, up to its line of one dot */
	bool mid_line;      /* in it: the line in hand has begun earlier */
	bool auth;          /* behind a 334: the client's next line answers it */
	bool hello;         /* EHLO has no reply yet */
	bool is_hello;      /* the last reply was the one to it */
	unsigned code;      /* of the last reply; 0: none, or none that is one */
	unsigned sealed[2]; /* records that hold data, by side */
};

/* What an attack has heard of login and mail (mitm_smtp_heard.c). */
struct mitm_smtp_heard {
	char mechanism[24]; /* of a login that goes on; empty: none does */
	unsigned answers;   /* of the client's in it */
	char user[SMTP_LOCAL_MAX + 1], password[128];
	struct buf challenge, answer; /* the last of each, in base64 */
	bool logged_in;
	struct smtp_path from, to; /* of the last message, and its first recipient */
	struct buf mail;           /* so far */
	unsigned mails;            /* heard to their ends */
};

#endif
