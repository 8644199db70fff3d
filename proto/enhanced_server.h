/* The server half of the enhanced protocol: the handshake, the login, and a loop of requests. What
 * the requests do is in enhanced_send_server.c, enhanced_inbox_server.c, enhanced_read_server.c;
 * with users' files in enhanced_put_server.c and enhanced_files_server.c; and with members and
 * their chats in enhanced_members_server.c, enhanced_offers_server.c and enhanced_chat_server.c. */
#ifndef PROTO_ENHANCED_SERVER_H
#define PROTO_ENHANCED_SERVER_H

#include "enhanced.h"
#include "host_server.h"
#include "mail_server.h"

/* Serve one connection whose opening bytes were read. 0 after `bye`, or -1 with what ended it:
 * EX_NOPERM (login refused, or revoked), EX_PROTOCOL, EX_TEMPFAIL. */
int enhanced_serve(struct conn *c, const struct host *host, struct report *report, struct err *e);

/* --- between the parts of it --- */

struct enhanced_session {
	struct enhanced wire;
	const struct host *host;
	struct report *report;
	struct accounts accounts;
	struct presence_who who;
	bool denied; /* the account no longer lets this key in */
	bool over;   /* the answer that was put is the last */
	bool mute;   /* an error that ends the session was told, or content is on its way */
};

/* Does the account still let this session's key in? Costs a look at a file's time, unless accounts
 * have changed. 0, or -1 (EX_NOPERM; `denied` is set). */
int enhanced_still_allowed(struct enhanced_session *s, struct err *e);

/* enhanced_login_server.c: the handshake and the login, to its welcome. 0, or -1: EX_NOPERM, and
 * what ends a session. */
int enhanced_log_in(struct enhanced_session *s, struct err *e);
#define ENHANCED_DENIED_TEXT "the login was refused" /* or the session is */

/* Answer with an error. 0 or -1 like enhanced_put_json. */
int enhanced_refuse(
	struct enhanced_session *s, enum enhanced_code code, const char *text, struct err *e);

/* Answer a request that the store or the rules refused, and log it: the code that fits, the first
 * line of why. */
int enhanced_refuse_err(struct enhanced_session *s, const struct err *why, struct err *e);
/* The same with a code of its own. */
int enhanced_refuse_as(
	struct enhanced_session *s, enum enhanced_code code, const struct err *why, struct err *e);

/* "to", an array of names, as the text of a To line: "a;b". 0 or -1 (EX_DATAERR, EX_NOUSER). */
int enhanced_read_to(struct buf *out, const json_t *to, struct err *e);

/* Answer {"type": type, "id": id}, with "again" where it is true. */
int enhanced_answer_id(struct enhanced_session *s, const char *type,
	const uint8_t id[static MAILBOX_ID_BYTES], bool again, struct err *e);

/* Answer {"type": type}. */
int enhanced_answer(struct enhanced_session *s, const char *type, struct err *e);

/* A field that names a user. 0, or -1: EX_DATAERR (none is named), EX_NOUSER (it can be no
 * name). */
int enhanced_read_name(const json_t *request, const char *field, char out[static USER_NAME_MAX + 1],
	struct err *e);

static inline int enhanced_no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* Requests. 0 when the session goes on (an error may have been answered), or -1. */
int enhanced_do_send(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_inbox(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_read(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_delete(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_wait(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_file_put(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_file_get(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_file_list(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_file_remove(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_member_get(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_member_list(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_member_set(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_account_remove(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_offer(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_offers(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_withdraw(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_take(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_send(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_fetch(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_done(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_wait(struct enhanced_session *s, const json_t *request, struct err *e);
int enhanced_do_chat_presence(struct enhanced_session *s, const json_t *request, struct err *e);

/* --- between the two parts that have to do with files --- */

/* A request's "name" and "from" (the user's own where there is none), which may be anybody's bytes.
 * 0, or -1 (EX_DATAERR). */
int enhanced_file_names(
	struct enhanced_session *s, const json_t *request, struct shelf_file *out, struct err *e);
/* Answer that the shelf refused something. full: for want of room. */
int enhanced_file_refuse(
	struct enhanced_session *s, const struct err *why, bool full, struct err *e);
/* Between two pieces of a transfer, in which nothing may have been waited for: may it go on? 0 or
 * -1. The next piece has its time from here on. */
int enhanced_file_goes_on(struct enhanced_session *s, struct err *e);
/* The deadline of what follows when so many bytes are compared, or synced, first. */
void enhanced_file_deadline(struct enhanced_session *s, uint64_t bytes);
/* A line in the log. */
void enhanced_file_log(
	const struct enhanced_session *s, const char *verb, const struct shelf_file *file);

/* --- between the two parts that have to do with chat --- */

/* Answer that a request was refused. full: for want of room. */
int enhanced_chat_refuse(
	struct enhanced_session *s, const struct err *why, bool full, struct err *e);
/* A field that names somebody who has an account. 0 or -1 (EX_DATAERR, EX_NOUSER). */
int enhanced_chat_user(const struct enhanced_session *s, const json_t *request, const char *field,
	char out[static USER_NAME_MAX + 1], struct err *e);
/* Put an answer whose fields were set; ok: all of them. */
int enhanced_chat_put(struct enhanced_session *s, json_t *o, bool ok, struct err *e);
bool enhanced_chat_text(json_t *o, const char *name, const char *text);
bool enhanced_chat_number(json_t *o, const char *name, uint64_t n);

#endif
