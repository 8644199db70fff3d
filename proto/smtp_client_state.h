/* What the parts of the SMTP client share. */
#ifndef PROTO_SMTP_CLIENT_STATE_H
#define PROTO_SMTP_CLIENT_STATE_H

#include "smtp.h"
#include "smtp_client.h"

enum smtp_mechanism { /* the best first */
	SMTP_SCRAM,
	SMTP_CRAM,
	SMTP_PLAIN,
	SMTP_LOGIN,
	SMTP_MECHANISMS
};

struct smtp_client {
	struct conn conn;
	const struct smtp_target *target;
	bool alive, tls, logged_in;
	/* what the server offers; begins anew with each EHLO */
	bool starttls, pipelining, eight_bit, utf8, has_size, auth;
	uint64_t size; /* 0: no limit */
	bool mechanisms[SMTP_MECHANISMS];
	struct smtp_lines lines;
};

struct smtp_reply {
	int code;
	char text[SMTP_REPLY_TEXT]; /* as it came, but for "..." where it was cut */
	size_t n;
};

/* What comes first on a connection: the greeting, EHLO, and TLS as the target has it. */
int smtp_client_greet(struct smtp_client *c, struct err *e);
/* Write bytes. 0 or -1: the client is then of no more use. */
int smtp_client_write(
	struct smtp_client *c, const void *p, size_t n, int64_t patience, struct err *e);
/* One command and its CR LF. shown: for the trace, where the line is secret; NULL: the line. */
int smtp_client_put(struct smtp_client *c, const char *line, const char *shown, struct err *e);
/* Take a reply. A 421 is a failure: the server closes. */
int smtp_client_take(
	struct smtp_client *c, int64_t patience, struct smtp_reply *reply, struct err *e);
/* The two of them. */
int smtp_client_ask(struct smtp_client *c, const char *line, int64_t patience,
	struct smtp_reply *reply, struct err *e);
/* A reply that refuses, as an error: 4xx is EX_TEMPFAIL, 5xx `code`, any other EX_PROTOCOL (the
 * client is then of no more use). -1. */
int smtp_client_refused(struct smtp_client *c, const char *what, const struct smtp_reply *reply,
	int code, struct err *e);

#endif
