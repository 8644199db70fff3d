/* What the parts of the SMTP door share: a session, and how it replies. */
#ifndef PROTO_SMTP_SESSION_SERVER_H
#define PROTO_SMTP_SESSION_SERVER_H

#include "mail_server.h"
#include "smtp_server.h"

enum { SMTP_HELO_MAX = 255 };

/* A message that is on its way. RFC 5321 4.1.4: what EHLO, RSET and the end of one forget. */
struct smtp_transaction {
	bool begun;
	bool utf8;            /* SMTPUTF8 */
	struct users_list to; /* each once */
	unsigned recipients;  /* commands that were taken */
};

struct smtp_session {
	struct conn *conn;
	const struct host *host;
	const struct smtp_host *door;
	struct report *report;
	struct accounts accounts;
	struct presence_who who;
	bool tls, logged_in, extended; /* extended: EHLO */
	char helo[SMTP_HELO_MAX + 1];  /* empty: no greeting yet */
	struct smtp_transaction mail;
	unsigned errors, refusals;
	bool over;      /* no more commands */
	bool told;      /* why it is over: what was replied is the last */
	struct err end; /* why, in the log; code 0: in good order */
	struct buf out; /* replies that nobody waits for yet */
	struct smtp_lines lines;
};

/* Reply "CODE STATUS TEXT" (RFC 2034; status may be empty), or a line of a longer reply. They go
 * out when the client has nothing more to say. No memory ends the session. */
void smtp_reply(struct smtp_session *s, const char *code_and_status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void smtp_reply_more(struct smtp_session *s, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, for what the client did wrong: too many of them, without a message that was taken, end
 * the session. */
void smtp_refuse(struct smtp_session *s, const char *code_and_status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 0 or -1. */
int smtp_flush(struct smtp_session *s, struct err *e);

/* The next line of the client, once it has all the replies. SMTP_LINE; SMTP_TOO_LONG, which is to
 * be replied to; or SMTP_FAILED: the session is over. */
enum smtp_got smtp_next(
	struct smtp_session *s, size_t max, const uint8_t **line, size_t *n, struct err *e);

/* The handshake; then this process needs the certificate's key no more. 0 or -1. */
int smtp_begin_tls(struct smtp_session *s, struct err *e);

/* The session ends behind what was replied. */
void smtp_end(struct smtp_session *s, int code, const char *why);

/* Run one command, and reply. */
void smtp_run(struct smtp_session *s, const uint8_t *line, size_t n);

/* Forget the message in hand. */
void smtp_forget(struct smtp_session *s);

/* For -v, in the founding form: "C: ..." and "S: ...". */
void smtp_log(const struct smtp_session *s, const char *who, const void *line, size_t n);

/* The user that this address is here; empty: nobody. false: it is of another domain. */
bool smtp_user_of(const struct smtp_session *s, const struct smtp_path *path,
	char user[static USER_NAME_MAX + 1]);

/* AUTH, with its arguments. 0, or -1 when the session is over. */
int smtp_auth(struct smtp_session *s, const uint8_t *args, size_t n, struct err *e);
/* The mechanisms that are offered now, "" or " SCRAM-SHA-256 ...". */
void smtp_auth_offer(const struct smtp_session *s, char out[static 64]);

/* Behind DATA's 354: take the message, deliver it, and reply. 0, or -1 when the session is over. */
int smtp_take_message(struct smtp_session *s, struct err *e);

#endif
