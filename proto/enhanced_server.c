/* The enhanced protocol's server: handshake, login, requests; see enhanced_server.h. */
#include "enhanced_server.h"

#include <poll.h>

#include "../crypto/random.h"
#include "../keys/keyfile.h"
#include "fields.h"
#include "log.h"

enum { DRAIN_MAX = 65536 };

static const char denied_text[] = "the login was refused";

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

/* --- handshake --- */

/* Message 1 was made for another server's key: answer what nobody can verify, so that the client
 * knows it, and has not named itself. */
static int answer_decoy(struct enhanced *w, struct err *e)
{
	uint8_t decoy[ENHANCED_HELLO];
	struct err ignored;

	if (random_bytes(decoy, sizeof decoy, &ignored) == 0 &&
		enhanced_put_message(w, decoy, sizeof decoy, &ignored) == 0 &&
		enhanced_flush(w, &ignored) == 0) {
		conn_finish(w->conn);
	}
	return err_prefix(e, "message 1 is not for this server's key");
}

static int next_message(
	struct enhanced *w, int number, size_t most, uint8_t **p, size_t *n, struct err *e)
{
	int rc = enhanced_get_message(w, most, p, n, e);

	return rc <= 0 ? rc
		       : err_set(e, EX_PROTOCOL, "the connection ended before message %d", number);
}

/* Messages 1 and 2. The payload of the first could be replayed: it must be empty. */
static int hello(struct enhanced *w, struct noise *n, struct err *e)
{
	uint8_t *p, payload[ENHANCED_HELLO], answer[ENHANCED_HELLO];
	size_t len, payload_n;

	if (next_message(w, 1, ENHANCED_HELLO, &p, &len, e) != 0) {
		return -1;
	}
	if (len != ENHANCED_HELLO) {
		return err_set(
			e, EX_PROTOCOL, "message 1 has %zu bytes, not %d", len, ENHANCED_HELLO);
	}
	if (noise_read(n, p, len, payload, &payload_n, e) != 0) {
		return answer_decoy(w, e);
	}
	enhanced_say(w, "< message 1 (e, es): for our key; an onlooker sees a fresh public key");
	if (noise_write(n, NULL, 0, answer, sizeof answer, &len, e) != 0 ||
		enhanced_put_message(w, answer, len, e) != 0) {
		return -1;
	}
	enhanced_say(w, "> message 2 (e, ee): proves our key; an onlooker sees a fresh public key");
	return enhanced_flush(w, e);
}

/* Message 3, and the keys that follow from it. The login's JSON is in out, n bytes. */
static int third(struct enhanced_session *s, struct noise *n,
	uint8_t out[static ENHANCED_LOGIN_MAX], size_t *out_n, struct err *e)
{
	char fingerprint[KEYFILE_FINGERPRINT_MAX], hex[2 * HASH_BYTES + 1];
	struct enhanced *w = &s->wire;
	uint8_t *p;
	size_t len;

	if (next_message(w, 3, ENHANCED_THIRD + ENHANCED_LOGIN_MAX, &p, &len, e) != 0) {
		return -1;
	}
	if (len <= ENHANCED_THIRD || (len - ENHANCED_THIRD) % ENHANCED_LOGIN_PAD != 0) {
		return err_set(e, EX_PROTOCOL, "message 3 has %zu bytes", len);
	}
	if (noise_read(n, p, len, p, out_n, e) != 0) {
		return err_prefix(e, "message 3");
	}
	memcpy(out, p, *out_n);
	wipe(p, *out_n);
	memcpy(s->who.key, noise_remote_static(n), sizeof s->who.key);
	if (w->trace != NULL && keyfile_x25519_fingerprint(s->who.key, fingerprint) == 0) {
		hex_encode(hex, noise_hash(n), HASH_BYTES);
		enhanced_say(w,
			"< message 3 (s, se): proves the key %s; an onlooker sees %zu bytes",
			fingerprint, len + ENHANCED_LENGTH);
		enhanced_say(w, "handshake hash %s", hex);
	}
	return noise_split(n, &w->tx, &w->rx, e);
}

static int handshake(struct enhanced_session *s, uint8_t login[static ENHANCED_LOGIN_MAX],
	size_t *login_n, struct err *e)
{
	const struct noise_setup setup = {.pattern = ENHANCED_PATTERN,
		.prologue = ENHANCED_PREFACE,
		.prologue_n = ENHANCED_PREFACE_BYTES,
		.s = s->host->x25519};
	struct noise n;
	int rc = noise_begin(&n, &setup, e);

	if (rc == 0) {
		rc = hello(&s->wire, &n, e) != 0 ? -1 : third(s, &n, login, login_n, e);
	}
	wipe(&n, sizeof n);
	return rc;
}

/* --- login --- */

struct login {
	char user[USER_NAME_MAX + 1]; /* empty: none that could be one */
	struct message_part password; /* n is 0 where none came */
	uint8_t secret[ENHANCED_SECRET];
	bool joins;
};

/* What of the login can be used; the rest is as if it were not there. */
static void read_login(const json_t *o, struct login *l)
{
	struct message_part text;
	struct err ignored;

	*l = (struct login){0};
	if (fields_text(o, "user", &text, &ignored) > 0 && text.n <= USER_NAME_MAX) {
		memcpy(l->user, text.p, text.n);
		l->user[user_name_valid(l->user) ? text.n : 0] = '\0';
	}
	if (fields_text(o, "password", &text, &ignored) > 0) {
		l->password = text;
	}
	l->joins = fields_text(o, "join", &text, &ignored) > 0 &&
		   base64url_decode(l->secret, sizeof l->secret, (const char *)text.p, text.n) ==
			   ENHANCED_SECRET;
}

/* Somebody was faster. That may have been this user, with this key: a client whose connection broke
 * tries again while the session before it still writes. */
static int join_anyway(
	struct enhanced_session *s, const struct login *l, enum users_needs *needs, struct err *e)
{
	if (accounts_refresh(&s->accounts, NULL, e) != 0 ||
		accounts_judge_key(&s->accounts, l->user, s->who.key, needs, e) != 0) {
		return -1;
	}
	if (*needs != USERS_REFUSED) {
		*needs = USERS_KEY_IS_ENOUGH;
	}
	return 0;
}

/* Enrol, where an invitation stands for it. 0 with *needs, or -1: it could not be judged. */
static int join(
	struct enhanced_session *s, const struct login *l, enum users_needs *needs, struct err *e)
{
	int64_t now = message_now() / 1000000;

	if (!users_invited(s->accounts.now, l->user, l->secret, now)) {
		return 0;
	}
	if (users_join(s->accounts.store, l->user, l->secret, now, s->who.key, e) != 0) {
		return e->code == EX_NOPERM ? join_anyway(s, l, needs, e) : -1;
	}
	if (s->host->box->ops->prepare(s->host->box, l->user, e) != 0) {
		return -1;
	}
	log_event("joined", "user=%s", l->user);
	*needs = USERS_KEY_IS_ENOUGH;
	return 0;
}

/* 0 with *code: ENHANCED_CODES when the login is right; *wait_ms, how long its refusal takes. -1:
 * it could not be judged. */
static int judge(struct enhanced_session *s, const struct login *l, enum enhanced_code *code,
	int64_t *wait_ms, struct err *e)
{
	const struct users_turn turn = host_turn(s->host);
	const struct users *users;
	enum users_needs needs;
	bool ok = true;
	int rc = 0;

	*code = ENHANCED_DENIED;
	if (accounts_refresh(&s->accounts, NULL, e) != 0 ||
		accounts_judge_key(&s->accounts, l->user, s->who.key, &needs, e) != 0) {
		return -1;
	}
	users = s->accounts.now;
	if (needs == USERS_REFUSED && l->joins && l->user[0] != '\0') {
		rc = join(s, l, &needs, e);
	} else if (needs == USERS_PASSWORD_TOO && l->password.n > 0) {
		rc = users_check_password(
			users, l->user, l->password.p, l->password.n, &turn, &ok, e);
	}
	if (rc != 0 || needs == USERS_REFUSED) {
		return rc;
	}
	if (needs == USERS_PASSWORD_TOO && l->password.n == 0) {
		*code = ENHANCED_PASSWORD;
	} else if (!ok) {
		*wait_ms += guard_wrong(s->host->guard, l->user, s->wire.conn->peer);
	} else {
		*code = ENHANCED_CODES;
		guard_right(s->host->guard, l->user);
		if (needs == USERS_PASSWORD_TOO) {
			host_upgrade(s->host, users, l->user, l->password.p, l->password.n);
		}
	}
	return 0;
}

static int refuse_login(struct enhanced_session *s, enum enhanced_code code, const char *user,
	int64_t until_ms, struct err *e)
{
	int64_t left = until_ms - conn_now_ms();

	if (left > 0 && code != ENHANCED_PASSWORD) {
		(void)poll(NULL, 0, (int)left);
	}
	conn_deadline(s->wire.conn, CONN_FINISH_MS);
	if (enhanced_refuse(s, code,
		    code == ENHANCED_PASSWORD    ? "this account asks for a password, too"
		    : code == ENHANCED_TRY_LATER ? "the login cannot be judged now"
						 : denied_text,
		    e) == 0 &&
		enhanced_flush(&s->wire, e) == 0) {
		conn_finish(s->wire.conn);
	}
	return err_set(e, EX_NOPERM, "login refused for %s", user[0] == '\0' ? "(no name)" : user);
}

/* Without the user's name: its length would show, which the login's padding hides. */
static int welcome(struct enhanced_session *s, struct err *e)
{
	json_t *o = json_object();

	if (json_object_set_new(o, "type", json_string("welcome")) != 0 ||
		json_object_set_new(o, "max_chars", json_integer((json_int_t)s->host->max_chars)) !=
			0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}

static int log_in(struct enhanced_session *s, struct err *e)
{
	uint8_t text[ENHANCED_LOGIN_MAX];
	enum enhanced_code code = ENHANCED_DENIED;
	struct login l = {0};
	struct err why;
	json_t *o = NULL;
	size_t n;
	int rc = handshake(s, text, &n, e);

	if (rc == 0) {
		int64_t until_ms = conn_now_ms() + HOST_REFUSAL_MS;
		o = fields_parse(text, n, &why);
		read_login(o, &l);
		if (judge(s, &l, &code, &until_ms, &why) != 0) {
			log_err("login-error", &why);
			code = ENHANCED_TRY_LATER; /* whoever it is */
		}
		if (code == ENHANCED_CODES) {
			memcpy(s->report->user, l.user, sizeof l.user);
			memcpy(s->who.user, l.user, sizeof l.user);
			s->who.enhanced = true;
			conn_set_proven(s->wire.conn, &s->who);
			host_forget_keys(s->host);
			rc = welcome(s, e);
		} else {
			rc = refuse_login(s, code, l.user, until_ms, e);
		}
	}
	json_decref(o);
	wipe(text, sizeof text);
	wipe(&l, sizeof l);
	return rc;
}

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

/* --- requests --- */

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

static int do_bye(struct enhanced_session *s, struct err *e)
{
	json_t *o = json_object();

	if (json_object_set_new(o, "type", json_string("bye")) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	if (enhanced_put_json(&s->wire, o, e) != 0 || enhanced_flush(&s->wire, e) != 0) {
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
		{"wait", enhanced_do_wait}};

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
	bool bye = false;
	int rc = 0;

	while (rc == 0 && !bye) {
		conn_deadline(s->wire.conn, s->host->idle_ms);
		if (enhanced_get_json(&s->wire, &request, e) != 0) {
			return -1;
		}
		conn_deadline(s->wire.conn, s->host->mail_ms);
		bye = fields_is(request, "type", "bye");
		rc = bye                                 ? do_bye(s, e)
		     : enhanced_still_allowed(s, e) != 0 ? -1
							 : dispatch(s, request, e);
		json_decref(request);
	}
	return rc;
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
		enhanced_refuse(s, code, s->denied ? denied_text : why->text, &ignored) == 0 &&
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
	s.accounts = accounts_inherit(&host->accounts);
	rc = log_in(&s, e);
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
