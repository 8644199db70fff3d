/* The enhanced protocol's server: requests, and what they are answered; see enhanced_server.h. */
#include "enhanced_server.h"

#include "fields.h"
#include "log.h"

enum { DRAIN_MAX = 65536 };

static void trace_to_log(void *arg, const char *line)
{
	(void)arg;
	log_trace(line);
}

/* --- answering --- */

int enhanced_refuse(
	struct enhanced_session *s, enum enhanced_code code, const char *text, struct err *e)
{
	char shown[ERR_TEXT_MAX]; /* whatever a peer's bytes were cut to, this is UTF-8 */
	json_t *o = json_object();

	(void)escape_text(shown, sizeof shown, text, strcspn(text, "\n"), false);
	if (json_object_set_new(o, "type", json_string("error")) != 0 ||
		json_object_set_new(o, "code", json_string(enhanced_code_name(code))) != 0 ||
		json_object_set_new(o, "text", json_string(shown)) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}

/* {"type": TYPE, "id": ID} as the answer. */
int enhanced_answer_id(struct enhanced_session *s, const char *type,
	const uint8_t id[static MAILBOX_ID_BYTES], bool again, struct err *e)
{
	char hex[FIELDS_ID_TEXT + 1];
	json_t *o = json_object();

	hex_encode(hex, id, MAILBOX_ID_BYTES);
	if (json_object_set_new(o, "type", json_string(type)) != 0 ||
		json_object_set_new(o, "id", json_string(hex)) != 0 ||
		(again && json_object_set_new(o, "again", json_true()) != 0)) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}

int enhanced_refuse_as(
	struct enhanced_session *s, enum enhanced_code code, const struct err *why, struct err *e)
{
	char text[ERR_TEXT_MAX];

	(void)snprintf(text, sizeof text, "%.*s", (int)strcspn(why->text, "\n"), why->text);
	log_quotable(text);
	log_event("rejected", "user=%s code=%d text=\"%s\"", s->report->user, why->code, text);
	return enhanced_refuse(s, code, text, e);
}

int enhanced_refuse_err(struct enhanced_session *s, const struct err *why, struct err *e)
{
	static const struct {
		int exit;
		enum enhanced_code code;
	} fits[] = {{EX_NOUSER, ENHANCED_NO_USER}, {EX_NOINPUT, ENHANCED_NO_MESSAGE},
		{EX_DATAERR, ENHANCED_REJECTED}, {EX_NOPERM, ENHANCED_REJECTED}};

	for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
		if (fits[i].exit == why->code) {
			return enhanced_refuse_as(s, fits[i].code, why, e);
		}
	}
	return enhanced_refuse_as(s, ENHANCED_TRY_LATER, why, e);
}

/* --- requests --- */

int enhanced_still_allowed(struct enhanced_session *s, struct err *e)
{
	bool changed;

	if (accounts_refresh(&s->accounts, &changed, e) != 0) {
		return -1;
	}
	s->denied = s->denied || (changed && !accounts_allow(&s->accounts, &s->who));
	return s->denied ? err_set(e, EX_NOPERM, "the account no longer lets this key in") : 0;
}

static int on_woken(void *arg, struct err *e)
{
	return enhanced_still_allowed(arg, e);
}

/* The raw bytes of a request that is not known are dropped, if they are not too many. */
static int do_unknown(struct enhanced_session *s, const json_t *request, struct err *e)
{
	uint64_t left = 0;
	uint8_t *p;
	size_t n;

	if (!json_is_string(json_object_get(request, "type"))) {
		return err_set(e, EX_PROTOCOL, "a request without a type");
	}
	if (fields_number(request, "length", DRAIN_MAX, &left, e) < 0) {
		e->code = EX_PROTOCOL;
		return -1;
	}
	while (left > 0) {
		if (enhanced_get_raw(&s->wire, &left, &p, &n, e) != 0) {
			return -1;
		}
	}
	return enhanced_refuse(s, ENHANCED_UNKNOWN, "there is no such request", e);
}

/* Nothing follows what was answered last. */
static int end_session(struct enhanced_session *s, struct err *e)
{
	if (enhanced_flush(&s->wire, e) != 0) {
		return -1;
	}
	conn_finish(s->wire.conn);
	return 0;
}

static int dispatch(struct enhanced_session *s, const json_t *request, struct err *e)
{
	static const struct {
		const char *type;
		int (*run)(struct enhanced_session *s, const json_t *request, struct err *e);
	} requests[] = {{"send", enhanced_do_send}, {"inbox", enhanced_do_inbox},
		{"read", enhanced_do_read}, {"delete", enhanced_do_delete},
		{"wait", enhanced_do_wait}, {"file-put", enhanced_do_file_put},
		{"file-get", enhanced_do_file_get}, {"file-list", enhanced_do_file_list},
		{"file-remove", enhanced_do_file_remove}, {"member-get", enhanced_do_member_get},
		{"member-list", enhanced_do_member_list}, {"member-set", enhanced_do_member_set},
		{"account-remove", enhanced_do_account_remove},
		{"chat-offer", enhanced_do_chat_offer}, {"chat-offers", enhanced_do_chat_offers},
		{"chat-withdraw", enhanced_do_chat_withdraw}, {"chat-take", enhanced_do_chat_take},
		{"chat-send", enhanced_do_chat_send}, {"chat-fetch", enhanced_do_chat_fetch},
		{"chat-done", enhanced_do_chat_done}, {"chat-wait", enhanced_do_chat_wait},
		{"chat-presence", enhanced_do_chat_presence}};

	if (!json_is_string(json_object_get(request, "type"))) {
		return err_set(e, EX_PROTOCOL, "a request without a type");
	}
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		if (fields_is(request, "type", requests[i].type)) {
			return requests[i].run(s, request, e);
		}
	}
	return do_unknown(s, request, e);
}

/* Until `bye`. Answers wait in the buffer while more requests are there already: a batch is
 * answered in few writes. */
static int serve_requests(struct enhanced_session *s, struct err *e)
{
	json_t *request;
	int rc = 0;

	while (rc == 0 && !s->over) {
		conn_deadline(s->wire.conn, s->host->idle_ms);
		if (enhanced_get_json(&s->wire, &request, e) != 0) {
			return -1;
		}
		conn_deadline(s->wire.conn, s->host->mail_ms);
		s->over = fields_is(request, "type", "bye");
		rc = s->over                             ? enhanced_answer(s, "bye", e)
		     : enhanced_still_allowed(s, e) != 0 ? -1
							 : dispatch(s, request, e);
		json_decref(request);
	}
	return rc == 0 ? end_session(s, e) : rc;
}

/* Tell the client why the session ends, if it still listens. */
static void say_why(struct enhanced_session *s, const struct err *why, bool late)
{
	struct conn *c = s->wire.conn;
	enum enhanced_code code = s->denied                  ? ENHANCED_DENIED
				  : conn_is_stopping(c)      ? ENHANCED_STOPPING
				  : late                     ? ENHANCED_TIMEOUT
				  : why->code == EX_PROTOCOL ? ENHANCED_PROTOCOL
							     : ENHANCED_TRY_LATER;
	struct err ignored;

	c->woken = NULL;
	c->stop_fd = -1;
	conn_deadline(c, CONN_FINISH_MS);
	if (!s->mute &&
		enhanced_refuse(s, code, s->denied ? ENHANCED_DENIED_TEXT : why->text, &ignored) ==
			0 &&
		enhanced_flush(&s->wire, &ignored) == 0) {
		conn_finish(c);
	}
}

int enhanced_serve(struct conn *c, const struct host *host, struct report *report, struct err *e)
{
	static struct enhanced_session s; /* one a process; its buffers are large */
	int rc;

	enhanced_init(&s.wire, c);
	s.wire.trace = host->verbose ? trace_to_log : NULL;
	s.host = host;
	s.report = report;
	s.denied = s.over = s.mute = false;
	s.accounts = accounts_inherit(&host->accounts);
	rc = enhanced_log_in(&s, e);
	if (rc == 0) {
		c->woken = on_woken;
		c->woken_arg = &s;
		rc = serve_requests(&s, e);
		if (rc != 0) {
			say_why(&s, e, c->deadline_ms != 0 && conn_now_ms() >= c->deadline_ms);
		}
	}
	accounts_close(&s.accounts);
	enhanced_wipe(&s.wire);
	return rc;
}
