/* The client half of SMTP submission (RFC 5321, 6409): hands messages to a server, in TLS unless
 * the caller asks for a clear connection. Nothing falls back: a server without STARTTLS, a login
 * that fails, a reply that is none end the attempt.
 *
 * Functions return 0, or -1 with e: EX_TEMPFAIL (4xx, lost, too slow), EX_UNAVAILABLE (no
 * connection), EX_PROTOCOL (the server breaks the protocol, or strips TLS), EX_NOPERM (its
 * certificate, or our login, is refused), EX_DATAERR and EX_NOUSER (5xx). What a server says
 * stands in e's text, escaped. */
#ifndef PROTO_SMTP_CLIENT_H
#define PROTO_SMTP_CLIENT_H

#include "conn_tls.h"
#include "rfc5322_address.h"
#include "transfer.h"

enum {
	SMTP_REPLY_MAX =
		2046, /* bytes of a reply's line; RFC 5321 4.5.3.1.5 has 510, servers more */
	SMTP_REPLY_LINES = 200, /* of one reply */
	SMTP_REPLY_TEXT = 400,  /* bytes of it that are kept */
	SMTP_AHEAD = 64,        /* commands sent ahead of their replies: no side's buffers fill */
	/* milliseconds for an answer (RFC 5321 4.5.3.2) */
	SMTP_PATIENCE = 300000,      /* greeting, EHLO, MAIL, RCPT, */
	SMTP_PATIENCE_DATA = 120000, /* DATA, */
	SMTP_PATIENCE_TEXT = 180000, /* each stretch of text, */
	SMTP_PATIENCE_END = 600000,  /* and the end of it */
	SMTP_PATIENCE_QUIT = 5000    /* nothing depends on that one */
};

enum smtp_tls { SMTP_STARTTLS, SMTP_TLS_AT_ONCE, SMTP_IN_THE_CLEAR };

/* All must outlive the client. */
struct smtp_target {
	const char *host, *port;
	const char *hello; /* this host, for EHLO */
	enum smtp_tls tls;
	struct conn_tls_check check;
	int64_t patience_ms; /* no answer may take longer; 0: the values above */
	/* what is said, a line at a time, without credentials; NULL: nobody wants to know */
	void (*trace)(void *arg, const char *line);
	void *trace_arg;
};

struct smtp_client;

/* Connect, begin TLS, say EHLO. NULL in *out where it fails. */
int smtp_client_open(struct smtp_client **out, const struct smtp_target *t, struct err *e);
/* By the best mechanism that the server offers, too: SCRAM-SHA-256, CRAM-MD5 or, in TLS alone,
 * PLAIN or LOGIN. Where one of the first two is refused in TLS, one of the last two is tried. */
int smtp_client_login(
	struct smtp_client *c, const char *user, const void *password, size_t n, struct err *e);
bool smtp_client_is_logged_in(const struct smtp_client *c);

/* What became of a recipient. */
enum smtp_fate { SMTP_ACCEPTED, SMTP_LATER, SMTP_NEVER };

struct smtp_envelope {
	const struct rfc5322_mailbox *from; /* an empty local part: "<>" */
	const struct rfc5322_mailbox *to;
	size_t to_n;
	bool eight_bit, utf8; /* of the text: bytes above 0x7f; those in its header */
	/* the text, its lines ended by LF, in pieces; called twice */
	int (*text)(void *arg, transfer_put *put, void *put_arg, struct err *e);
	void *text_arg;
	/* called for each that the server refuses */
	void (*refused)(void *arg, const char *recipient, const char *why);
	void *refused_arg;
	enum smtp_fate *fates; /* of each recipient; valid when smtp_client_send returns */
};

/* Lines of more than 998 bytes are broken, with a blank ahead of what follows, as Postfix does: no
 * server must take them longer (RFC 5321 4.5.3.1.6). 0: the server has it, for those who are
 * SMTP_ACCEPTED: at least one. */
int smtp_client_send(struct smtp_client *c, const struct smtp_envelope *v, struct err *e);

/* Can another message be sent? */
bool smtp_client_is_alive(const struct smtp_client *c);
/* Say QUIT, if it is alive, close, free. NULL is fine. */
void smtp_client_end(struct smtp_client *c);

#endif
