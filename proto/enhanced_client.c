/* The enhanced protocol's client: handshake, login, requests; see enhanced_client.h. What it does
 * with lists and messages is in enhanced_mail.c. */
#include "enhanced_mail.h"

#include "../keys/keyfile.h"
#include "fields.h"

/* --- handshake --- */

/* The opening and message 1, in one write. */
static int send_hello(struct enhanced *w, struct noise *n, struct err *e)
{
	uint8_t first[ENHANCED_HELLO];
	size_t len;

	if (noise_write(n, NULL, 0, first, sizeof first, &len, e) != 0) {
		return -1;
	}
	memcpy(w->out, ENHANCED_PREFACE, ENHANCED_PREFACE_BYTES);
	w->out_n = ENHANCED_PREFACE_BYTES;
	enhanced_say(w,
		"> the opening, and message 1 (e, es): an onlooker sees SMTP361, version 2, "
		"and a fresh public key");
	return enhanced_put_message(w, first, len, e) != 0 ? -1 : enhanced_flush(w, e);
}

/* Message 2 proves the server's key. */
static int take_proof(struct enhanced *w, struct noise *n, const uint8_t *server_key, struct err *e)
{
	char fingerprint[KEYFILE_FINGERPRINT_MAX] = "";
	uint8_t *p, payload[ENHANCED_HELLO];
	size_t len, payload_n;
	int rc = enhanced_get_message(w, ENHANCED_HELLO, &p, &len, e);

	(void)keyfile_x25519_fingerprint(server_key, fingerprint);
	if (rc > 0) {
		err_set(e, EX_TEMPFAIL, "the server closed the connection before it answered");
		return err_hint(e, "it may have no room, or not speak the enhanced protocol: its "
				   "log says why");
	}
	if (rc != 0) {
		return -1;
	}
	if (len != ENHANCED_HELLO || noise_read(n, p, len, payload, &payload_n, e) != 0) {
		err_set(e, EX_PROTOCOL, "the server does not hold the key %s", fingerprint);
		return err_hint(e, "nothing was sent to it; if its key was changed, ask for the "
				   "new one on a way that you trust");
	}
	enhanced_say(w,
		"< message 2 (e, ee): proves the server's key %s, which is pinned; an "
		"onlooker sees a fresh public key",
		fingerprint);
	return 0;
}

/* The login as JSON, and blanks behind it. 0, or -1 (EX_DATAERR: too long). */
static int write_login(const struct enhanced_login *l, uint8_t out[static ENHANCED_LOGIN_MAX],
	size_t *n, struct err *e)
{
	char secret[2 * ENHANCED_SECRET];
	json_t *o = json_object();
	int rc = fields_set_text(o, "user", l->user, strlen(l->user));

	if (rc == 0 && l->password != NULL &&
		fields_set_text(o, "password", l->password, l->password_n) != 0) {
		json_decref(o);
		return err_set(e, EX_DATAERR, "the password is no UTF-8 text");
	}
	if (rc == 0 && l->secret != NULL) {
		(void)base64url_encode(secret, l->secret, ENHANCED_SECRET);
		rc = json_object_set_new(o, "join", json_string(secret));
		wipe(secret, sizeof secret);
	}
	*n = rc == 0 ? json_dumpb(o, (char *)out, ENHANCED_LOGIN_MAX, JSON_COMPACT) : 0;
	json_decref(o);
	if (*n == 0 || *n > ENHANCED_LOGIN_MAX) {
		return err_set(e, *n == 0 ? EX_TEMPFAIL : EX_DATAERR,
			*n == 0 ? "out of memory" : "the user's name or password is too long");
	}
	while (*n % ENHANCED_LOGIN_PAD != 0) {
		out[(*n)++] = ' ';
	}
	return 0;
}

/* Message 3, which waits in the buffer: what is asked first goes with it. */
static int put_login(
	struct enhanced *w, struct noise *n, const struct enhanced_login *l, struct err *e)
{
	uint8_t login[ENHANCED_LOGIN_MAX], third[ENHANCED_THIRD + ENHANCED_LOGIN_MAX];
	char fingerprint[KEYFILE_FINGERPRINT_MAX] = "", hex[2 * HASH_BYTES + 1];
	size_t login_n = 0, len = 0;
	int rc = write_login(l, login, &login_n, e);

	rc = rc == 0 ? noise_write(n, login, login_n, third, sizeof third, &len, e) : rc;
	rc = rc == 0 ? enhanced_put_message(w, third, len, e) : rc;
	if (rc == 0) {
		(void)keyfile_x25519_fingerprint(l->key->public, fingerprint);
		hex_encode(hex, noise_hash(n), HASH_BYTES);
		enhanced_say(w,
			"> message 3 (s, se): proves our key %s, and says who we are, sealed; "
			"an onlooker sees %zu bytes",
			fingerprint, len + ENHANCED_LENGTH);
		enhanced_say(w, "handshake hash %s", hex);
		rc = noise_split(n, &w->tx, &w->rx, e);
	}
	wipe(login, sizeof login);
	return rc;
}

static int shake_hands(struct enhanced *w, const struct enhanced_login *l, struct err *e)
{
	const struct noise_setup setup = {.pattern = ENHANCED_PATTERN,
		.initiator = true,
		.prologue = ENHANCED_PREFACE,
		.prologue_n = ENHANCED_PREFACE_BYTES,
		.s = l->key,
		.remote_static = l->server_key};
	struct noise n;
	int rc = noise_begin(&n, &setup, e);

	if (rc == 0) {
		rc = send_hello(w, &n, e) != 0 || take_proof(w, &n, l->server_key, e) != 0 ||
				     put_login(w, &n, l, e) != 0
			     ? -1
			     : 0;
	}
	wipe(&n, sizeof n);
	return rc;
}

int enhanced_client_open(struct mail_client **out, const struct enhanced_login *l, struct err *e)
{
	struct enhanced_client *c = malloc(sizeof *c);
	int rc;

	*out = NULL;
	if (c == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	c->base = (struct mail_client){.ops = &enhanced_client_ops, .alive = true};
	c->welcomed = c->asks = c->left = false;
	c->max_chars = c->early = 0;
	c->waits = 0;
	c->conn.fd = -1;
	rc = conn_dial(&c->conn, l->host, l->port, e);
	enhanced_init(&c->wire, &c->conn);
	c->wire.trace = l->trace;
	c->wire.trace_arg = l->trace_arg;
	if (rc == 0) {
		conn_deadline(&c->conn, ENHANCED_CLIENT_MS);
		rc = shake_hands(&c->wire, l, e);
	}
	if (rc != 0) {
		enhanced_client_end(&c->base);
		return -1;
	}
	*out = &c->base;
	return 0;
}

/* --- replies --- */

/* An error of the server's as ours. */
static int take_error(struct enhanced_client *c, const json_t *reply, struct err *e)
{
	const char *code = json_string_value(json_object_get(reply, "code"));
	struct message_part text = {0};
	bool ends;
	int exit;

	(void)fields_text(reply, "text", &text, NULL);
	code = code == NULL ? "" : code;
	exit = enhanced_code_exit(code, &ends);
	c->base.alive = c->base.alive && !ends;
	c->asks = strcmp(code, enhanced_code_name(ENHANCED_PASSWORD)) == 0;
	c->refused = !ends && strcmp(code, enhanced_code_name(ENHANCED_TRY_LATER)) != 0;
	if (text.n == 0) {
		return err_set(e, exit, "the server gives no reason");
	}
	/* "cannot write F: No space left" could be of a file here */
	return err_set(e, exit, "%s%.*s", c->of_file ? "the server says: " : "",
		(int)(text.n < 400 ? text.n : 400), (const char *)text.p);
}

/* Writing failed: what the server said before it closed tells more than the broken pipe. */
int enhanced_client_broken(struct enhanced_client *c, struct err *e)
{
	struct err ignored;
	json_t *reply;
	bool said = false;

	c->base.alive = false;
	conn_deadline(&c->conn, CONN_FINISH_MS);
	while (!said && enhanced_get_json(&c->wire, &reply, &ignored) == 0) {
		said = fields_is(reply, "type", "error");
		if (said) {
			(void)take_error(c, reply, e);
		}
		json_decref(reply);
	}
	return -1;
}

static int next_reply(struct enhanced_client *c, json_t **reply, struct err *e)
{
	if (enhanced_flush(&c->wire, e) != 0) {
		return enhanced_client_broken(c, e);
	}
	if (enhanced_get_json(&c->wire, reply, e) != 0) {
		c->base.alive = false;
		return -1;
	}
	if (fields_is(*reply, "type", "error")) {
		(void)take_error(c, *reply, e);
		json_decref(*reply);
		*reply = NULL;
		return -1;
	}
	return 0;
}

/* What was waited for is not asked for any more: the request behind it has ended that. */
static int get_reply(struct enhanced_client *c, json_t **reply, struct err *e)
{
	while (c->waits > 0) {
		json_t *news;
		c->waits--;
		if (next_reply(c, &news, e) == 0) {
			json_decref(news);
		} else if (!c->base.alive) {
			return -1;
		}
	}
	return next_reply(c, reply, e);
}

static int await_welcome(struct enhanced_client *c, struct err *e)
{
	json_t *reply;
	int rc;

	if (c->welcomed) {
		return 0;
	}
	rc = get_reply(c, &reply, e);
	if (rc == 0) {
		c->welcomed =
			fields_is(reply, "type", "welcome") &&
			fields_number(reply, "max_chars", ENHANCED_CHARS_MAX, &c->max_chars, e) > 0;
		json_decref(reply);
		rc = c->welcomed ? 0 : err_set(e, EX_PROTOCOL, "the server's welcome is none");
	}
	c->base.alive = c->base.alive && rc == 0;
	return rc;
}

int enhanced_client_welcome(struct mail_client *base, bool *asks, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	int rc = await_welcome(c, e);

	if (asks != NULL) {
		*asks = rc != 0 && c->asks;
	}
	return rc;
}

int enhanced_client_any(struct enhanced_client *c, json_t **reply, struct err *e)
{
	*reply = NULL;
	return await_welcome(c, e) != 0 ? -1 : get_reply(c, reply, e);
}

int enhanced_client_reply(
	struct enhanced_client *c, const char *type, json_t **reply, struct err *e)
{
	if (enhanced_client_any(c, reply, e) != 0) {
		return -1;
	}
	if (!fields_is(*reply, "type", type)) {
		json_decref(*reply);
		*reply = NULL;
		c->base.alive = false;
		return err_set(e, EX_PROTOCOL, "the server's answer is no \"%s\"", type);
	}
	return 0;
}

/* --- the end --- */

int enhanced_client_leave(struct mail_client *base, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;

	c->left = true;
	return enhanced_put_json(&c->wire, enhanced_request("bye"), e) == 0
		       ? 0
		       : enhanced_client_broken(c, e);
}

/* What was asked before was answered: nothing depends on the answer to this. */
void enhanced_client_quit(struct mail_client *base)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *reply;
	struct err ignored;

	if (!base->alive) {
		return;
	}
	conn_deadline(&c->conn, CONN_FINISH_MS);
	if ((c->left || enhanced_client_leave(base, &ignored) == 0) &&
		enhanced_client_reply(c, "bye", &reply, &ignored) == 0) {
		json_decref(reply);
	}
	base->alive = false;
}

void enhanced_client_end(struct mail_client *base)
{
	struct enhanced_client *c = (struct enhanced_client *)base;

	conn_close(&c->conn);
	enhanced_wipe(&c->wire);
	free(c);
}
