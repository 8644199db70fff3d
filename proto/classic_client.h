/* The client half of the classic protocol. Nothing proves who the server is: whoever has the
 * client's public key can play it. That is the classic protocol; see PROTOCOL.md. */
#ifndef PROTO_CLASSIC_CLIENT_H
#define PROTO_CLASSIC_CLIENT_H

#include "../crypto/rsa.h"
#include "classic.h"
#include "classic_dialect.h"
#include "mail_client.h"

enum {
	CLASSIC_CLIENT_MS = 120000, /* default for one answer of the server */
	CLASSIC_MAIL_MS = 600000    /* for an e-mail or a list on its way */
};

struct classic_client {
	struct mail_client base; /* first; as classic_client_open sets it */
	const struct classic_dialect *dialect;
	struct conn conn;
	struct classic wire;
	struct buf menu; /* the last menu, with whatever line the server put ahead of it */
	void (*trace)(void *arg, const char *line); /* as in struct classic_login */
	void *trace_arg;
};

struct classic_login {
	const char *host, *port, *user;
	const void *password;
	size_t password_n;
	const struct rsa_public *server_key;
	const struct rsa_private *user_key;
	const struct classic_dialect *dialect;      /* NULL: classic_spec */
	void (*trace)(void *arg, const char *line); /* told what an onlooker sees; may be NULL */
	void *trace_arg;
};

/* Connect, log in, and wait for the first menu. 0, or -1: EX_UNAVAILABLE, EX_NOPERM ("Invalid
 * username or password"), EX_PROTOCOL, EX_TEMPFAIL. end it with classic_client_end in every case.
 */
int classic_client_login(struct classic_client *c, const struct classic_login *l, struct err *e);

/* Send one e-mail, of at most MESSAGE_CONTENT_CHARS; its id has no place on this wire. 0, or -1
 * (EX_DATAERR: too long; EX_TEMPFAIL). */
int classic_client_post(
	struct classic_client *c, const char *from, const struct mail_letter *l, struct err *e);
/* 0 when the server's next menu says by its silence that the message is stored; -1: EX_DATAERR
 * (rejected; the reason), EX_TEMPFAIL (not stored now; or the connection broke before the answer,
 * and sending again may store it twice: this protocol has no message ids). */
int classic_client_acknowledge(struct classic_client *c, struct err *e);

/* Fetch the list as text. 0 or -1. */
int classic_client_list(struct classic_client *c, struct buf *list, struct err *e);

/* Fetch an e-mail of the last list, counted from 1, as text; head->bytes tells where its content
 * begins. 0, or -1: EX_NOINPUT with the server's line when there is none. */
int classic_client_view(struct classic_client *c, uint64_t index, struct buf *text,
	struct message_head *head, struct err *e);

/* Say goodbye, close, wipe. */
void classic_client_quit(struct classic_client *c);
void classic_client_end(struct classic_client *c);

/* One row of a list. The parts point into the list's text. */
struct classic_row {
	struct message_part index, from, time, title;
};

/* Is it a list, and each line of it a row? 0, or -1: EX_TEMPFAIL with the line that stands in its
 * place, EX_PROTOCOL. */
int classic_check_list(const struct buf *list, struct err *e);

/* The row at *at of a list, moving *at behind it. false at the end, and on a line that is no row.
 */
bool classic_row_next(const struct buf *list, size_t *at, struct classic_row *row);

/* Connect, log in, and be a mail_client. 0 with *out, to be ended by its ops; or -1 like
 * classic_client_login. */
int classic_client_open(struct mail_client **out, const struct classic_login *l, struct err *e);

#endif
