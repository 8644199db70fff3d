/* The enhanced protocol's server: the handshake and the login; see enhanced_server.h. */
#include "enhanced_server.h"

#include <poll.h>

#include "../crypto/random.h"
#include "../keys/keyfile.h"
#include "fields.h"
#include "log.h"

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

/* With another key than before he can read nothing of what waits for him, and answer for nothing
 * that he has offered: that is for whoever had the name. */
static void forget_talk(struct enhanced_session *s, const char *user)
{
	struct err why;

	if (talk_forget(s->host->talk, user, &why) != 0) {
		log_err("chat", &why);
	}
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
	forget_talk(s, l->user); /* a key that the account had would have been let in */
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
						 : ENHANCED_DENIED_TEXT,
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

int enhanced_log_in(struct enhanced_session *s, struct err *e)
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
