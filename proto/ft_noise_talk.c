/* The noise wire's handshake, objects and errors; see ft_noise.h. */
#include "ft_noise.h"

/* --- the handshake --- */

static int put_message(struct ft_noise *w, struct noise *n, struct err *e)
{
	uint8_t framed[FT_NOISE_LENGTH + FT_NOISE_HELLO] = {0, FT_NOISE_HELLO};
	size_t len;

	return noise_write(n, NULL, 0, framed + FT_NOISE_LENGTH, FT_NOISE_HELLO, &len, e) != 0 ||
			       ft_noise_put_raw(w, framed, sizeof framed, e) != 0
		       ? -1
		       : ft_noise_flush(w, e);
}

/* 0, 1 at the connection's end before it, or -1: with `otherwise` where it is not what the psk
 * makes. */
static int get_message(struct ft_noise *w, struct noise *n, int otherwise, struct err *e)
{
	uint8_t *p, payload[FT_NOISE_HELLO];
	size_t payload_n;
	int rc = ft_noise_get_raw(w, FT_NOISE_LENGTH, &p, e);

	if (rc != 0) {
		return rc;
	}
	if (p[0] != 0 || p[1] != FT_NOISE_HELLO) {
		return err_set(e, EX_PROTOCOL, "the %s's message has another length than %d",
			w->peer, FT_NOISE_HELLO);
	}
	rc = ft_noise_get_raw(w, FT_NOISE_HELLO, &p, e);
	if (rc != 0) {
		return rc < 0 ? -1
			      : err_set(e, EX_TEMPFAIL, "the connection ended inside a message");
	}
	return noise_read(n, p, FT_NOISE_HELLO, payload, &payload_n, e) == 0
		       ? 0
		       : err_set(e, otherwise, "the %s does not have this key", w->peer);
}

static int begin(struct noise *n, bool initiator, const uint8_t salt[static FT_SALT],
	const uint8_t psk[static FT_PSK], struct err *e)
{
	uint8_t prologue[FT_PREFACE_BYTES + FT_SALT];
	const struct noise_setup setup = {.pattern = FT_NOISE_PATTERN,
		.initiator = initiator,
		.prologue = prologue,
		.prologue_n = sizeof prologue,
		.psks = {psk}};

	memcpy(prologue, FT_PREFACE, FT_PREFACE_BYTES);
	memcpy(prologue + FT_PREFACE_BYTES, salt, FT_SALT);
	return noise_begin(n, &setup, e);
}

static int as_initiator(struct ft_noise *w, struct noise *n, struct err *e)
{
	int rc = put_message(w, n, e);

	ft_noise_say(w, "> message 1 (psk, e): an onlooker sees a fresh public key");
	/* who does not know the psk could not tell that ours is wrong: its answer is forged */
	rc = rc == 0 ? get_message(w, n, EX_PROTOCOL, e) : rc;
	if (rc == 0) {
		ft_noise_say(w, "< message 2 (e, ee): proves that the server has the key");
	}
	return rc;
}

static int as_responder(struct ft_noise *w, struct noise *n, struct err *e)
{
	int rc = get_message(w, n, EX_NOPERM, e);

	if (rc > 0) {
		return err_set(
			e, EX_PROTOCOL, "the client left before it proved that it has the key");
	}
	if (rc == 0) {
		ft_noise_say(w, "< message 1 (psk, e): proves that the client has the key");
		rc = put_message(w, n, e);
	}
	return rc;
}

int ft_noise_shake_hands(struct ft_noise *w, bool initiator, const uint8_t salt[static FT_SALT],
	const uint8_t psk[static FT_PSK], struct err *e)
{
	char hex[2 * HASH_BYTES + 1], fingerprint[FT_FINGERPRINT];
	struct noise n;
	int rc = begin(&n, initiator, salt, psk, e);

	ft_fingerprint(psk, fingerprint);
	ft_noise_say(w, "the key, stretched with this server's salt: %s", fingerprint);
	if (rc == 0) {
		rc = initiator ? as_initiator(w, &n, e) : as_responder(w, &n, e);
	}
	if (rc == 0) {
		hex_encode(hex, noise_hash(&n), HASH_BYTES);
		ft_noise_say(w, "handshake hash %s", hex);
		rc = noise_split(&n, &w->tx, &w->rx, e);
	}
	wipe(&n, sizeof n);
	return rc;
}

/* --- objects --- */

json_t *ft_noise_object(const char *type)
{
	json_t *o = json_object();

	ft_noise_add(&o, "type", json_string(type));
	return o;
}

void ft_noise_add(json_t **o, const char *name, json_t *value)
{
	if (json_object_set_new(*o, name, value) != 0) { /* an object that is NULL takes nothing */
		json_decref(*o);
		*o = NULL;
	}
}

void ft_noise_add_hex(json_t **o, const char *name, const uint8_t *p, size_t n)
{
	char hex[2 * PROOF_BYTES + 1];

	hex_encode(hex, p, n);
	ft_noise_add(o, name, json_string(hex));
}

int ft_noise_need_number(const json_t *o, const char *name, uint64_t *out, struct err *e)
{
	struct err why;

	return fields_number(o, name, INT64_MAX, out, &why) > 0
		       ? 0
		       : err_set(e, EX_PROTOCOL, "\"%s\" is missing, or no number", name);
}

int ft_noise_need_hex(const json_t *o, const char *name, uint8_t *out, size_t n, struct err *e)
{
	struct message_part text;
	struct err why;

	return fields_text(o, name, &text, &why) > 0 &&
			       hex_decode(out, n, (const char *)text.p, text.n) == 0
		       ? 0
		       : err_set(e, EX_PROTOCOL, "\"%s\" is missing, or no %zu digits of hex", name,
				 2 * n);
}

/* --- errors --- */

/* The peer's error as ours. Always -1. */
static int take_error(struct ft_noise *w, const json_t *o, struct err *e)
{
	char shown[4 * FT_NOISE_TEXT_MAX + 1];
	struct message_part text = {0}, code = {0};

	w->silent = w->told = true;
	(void)fields_text(o, "code", &code, NULL);
	(void)fields_text(o, "text", &text, NULL);
	(void)escape_text(shown, sizeof shown, text.n == 0 ? (const uint8_t *)"no reason" : text.p,
		text.n == 0                  ? 9
		: text.n < FT_NOISE_TEXT_MAX ? text.n
					     : FT_NOISE_TEXT_MAX,
		false);
	return err_set(
		e, ft_error_code(code.p, code.n, EX_PROTOCOL), "the %s says: %s", w->peer, shown);
}

int ft_noise_take_object(struct ft_noise *w, const char *type, const uint8_t *p, size_t n,
	json_t **out, struct err *e)
{
	const char *is;

	*out = n > FT_NOISE_OBJECT_MAX ? NULL : fields_parse(p, n, e);
	if (*out == NULL) {
		return n <= FT_NOISE_OBJECT_MAX
			       ? -1
			       : err_set(e, EX_PROTOCOL, "an object of %zu bytes came", n);
	}
	is = json_string_value(json_object_get(*out, "type"));
	ft_noise_say(w, "< record %llu: %.40s, %zu bytes", (unsigned long long)w->rx.counter - 1,
		is == NULL ? "?" : is, n);
	if (fields_is(*out, "type", "error")) {
		(void)take_error(w, *out, e);
	} else if (is == NULL || (type != NULL && strcmp(is, type) != 0)) {
		err_set(e, EX_PROTOCOL, "the %s says \"%.40s\" out of turn", w->peer,
			is == NULL ? "?" : is);
	} else {
		return 0;
	}
	json_decref(*out);
	*out = NULL;
	return -1;
}

int ft_noise_get_object(struct ft_noise *w, const char *type, json_t **out, struct err *e)
{
	enum ft_noise_kind kind;
	uint8_t *p;
	size_t n;

	*out = NULL;
	if (ft_noise_get(w, &kind, &p, &n, e) != 0) {
		return -1;
	}
	return kind == FT_NOISE_OBJECT
		       ? ft_noise_take_object(w, type, p, n, out, e)
		       : err_set(e, EX_PROTOCOL, "the %s sent a piece of a file out of turn",
				 w->peer);
}

/* Read and drop what comes until the peer leaves. */
static void drain(struct ft_noise *w)
{
	enum conn_got got = CONN_DATA;
	size_t n;

	conn_deadline(w->conn, FT_NOISE_PARTING_MS);
	while (got == CONN_DATA) {
		got = conn_read(w->conn, w->in, sizeof w->in, 0, &n, NULL);
	}
}

/* As much of it as is whole UTF-8. */
static json_t *as_text(const char *p, size_t n)
{
	json_t *text = json_stringn(p, n);

	while (text == NULL && n > 0) {
		text = json_stringn(p, --n);
	}
	return text;
}

int ft_noise_fail(struct ft_noise *w, const struct err *e)
{
	struct err ignored;
	json_t *o;
	size_t n = strcspn(e->text, "\n"); /* a hint is for our side */

	if (w->silent || !w->tx.has_key) {
		return -1;
	}
	o = ft_noise_object("error");
	ft_noise_add(&o, "code", json_string(ft_error_name(e->code)));
	ft_noise_add(&o, "text", as_text(e->text, n < FT_NOISE_TEXT_MAX ? n : FT_NOISE_TEXT_MAX));
	w->idle_ms = 0;
	conn_deadline(w->conn, FT_NOISE_PARTING_MS);
	if (ft_noise_put_object(w, o, &ignored) == 0 && ft_noise_flush(w, &ignored) == 0) {
		drain(w);
	}
	return -1;
}
