/* The server half of the enhanced protocol: the handshake, the login, and a loop of requests. What
 * the requests do is in enhanced_send_server.c, enhanced_inbox_server.c and
 * enhanced_read_server.c. */
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
	bool mute;   /* an error that ends the session was told, or content is on its way */
};

/* Does the account still let this session's key in? Costs a look at a file's time, unless accounts
 * have changed. 0, or -1 (EX_NOPERM; `denied` is set). */
int enhanced_still_allowed(struct enhanced_session *s, struct err *e);

/* Answer with an error. 0 or -1 like enhanced_put_json. */
int enhanced_refuse(
	struct enhanced_session *s, enum enhanced_code code, const char *text, struct err *e);

/* Answer a request that the store or the rules refused, and log it: the code that fits, the first
 * line of why. */
int enhanced_refuse_err(struct enhanced_session *s, const struct err *why, struct err *e);
/* The same with a code of its own. */
int enhanced_refuse_as(
	struct enhanced_session *s, enum enhanced_code code, const struct err *why, struct err *e);

/* Answer {"type": type, "id": id}, with "again" where it is true. */
int enhanced_answer_id(struct enhanced_session *s, const char *type,
	const uint8_t id[static MAILBOX_ID_BYTES], bool again, struct err *e);

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

#endif
