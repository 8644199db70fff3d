/* The client of SCRAM-SHA-256; see scram.h. Section numbers are RFC 5802's. */
#include "scram_message.h"

/* 5.1: a comma is "=2C", an equals sign "=3D". out holds 3 * SCRAM_NAME_MAX + 1. */
static void encode_name(const char *name, char *out)
{
	for (; *name != '\0'; name++) {
		bool escaped = *name == ',' || *name == '=';
		if (escaped) {
			memcpy(out, *name == ',' ? "=2C" : "=3D", 3);
		} else {
			*out = *name;
		}
		out += escaped ? 3 : 1;
	}
	*out = '\0';
}

int scram_client_first_with(struct scram_client *c, const char *name, const char *nonce,
	char client_first[static SCRAM_MESSAGE_MAX], struct err *e)
{
	char escaped[3 * SCRAM_NAME_MAX + 1];
	struct scram *state = &c->state;
	size_t n = strlen(name);
	uint64_t count;

	*c = (struct scram_client){0};
	if (n == 0 || n > SCRAM_NAME_MAX || has_control(name, n) ||
		utf8_count((const uint8_t *)name, n, &count) != 0) {
		scram_client_end(c);
		return err_set(
			e, EX_DATAERR, "SCRAM: a name is text of 1 to %d bytes", SCRAM_NAME_MAX);
	}
	if (!scram_nonce_valid(nonce, strlen(nonce)) || strlen(nonce) > SCRAM_NONCE_MAX / 2) {
		scram_client_end(c);
		return scram_out_of_turn(e);
	}
	encode_name(name, escaped);
	(void)snprintf(state->nonce, sizeof state->nonce, "%s", nonce);
	state->gs2_n = 3;
	state->client_first_n = (size_t)snprintf(
		state->client_first, sizeof state->client_first, "n,,n=%s,r=%s", escaped, nonce);
	memcpy(client_first, state->client_first, state->client_first_n + 1);
	state->step = SCRAM_FIRST;
	return 0;
}

int scram_client_first(struct scram_client *c, const char *name,
	char client_first[static SCRAM_MESSAGE_MAX], struct err *e)
{
	char nonce[SCRAM_NONCE + 1];

	if (scram_nonce_make(nonce, e) != 0) {
		scram_client_end(c);
		return -1;
	}
	return scram_client_first_with(c, name, nonce, client_first, e);
}

/* 5.1: the server's nonce continues the client's. Behind it s->nonce is both. */
static int read_server_first(
	struct scram *s, struct cursor *c, struct scram_verifier *v, struct err *e)
{
	struct scram_span nonce, salt, number;
	size_t had = strlen(s->nonce);
	uint64_t iterations;
	int salt_n;

	if (!scram_get(c, 'r', &nonce) || nonce.n <= had || nonce.n > SCRAM_NONCE_MAX ||
		!scram_nonce_valid(nonce.p, nonce.n) || !ct_eq(nonce.p, s->nonce, had)) {
		return scram_malformed(e, "the server's nonce does not continue the client's");
	}
	if (!scram_get(c, 's', &salt) ||
		(salt_n = base64_padded_decode(v->salt, sizeof v->salt, salt.p, salt.n)) < 1) {
		return scram_malformed(e, "no salt, or one that is too long");
	}
	if (!scram_get(c, 'i', &number) ||
		parse_decimal(number.p, number.n, UINT64_MAX, &iterations) != 0 ||
		!scram_skip(c, '\0')) {
		return scram_malformed(e, "a damaged first message of the server");
	}
	if (iterations < SCRAM_ITERATIONS_MIN || iterations > SCRAM_ITERATIONS_MAX) {
		return err_set(e, EX_PROTOCOL,
			"SCRAM: the server asks for %llu iterations: not from %d to %d",
			(unsigned long long)iterations, SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX);
	}
	v->salt_n = (size_t)salt_n;
	v->iterations = (unsigned)iterations;
	memcpy(s->nonce, nonce.p, nonce.n);
	s->nonce[nonce.n] = '\0';
	return 0;
}

/* The proof, into what is sent; and what the server must sign, into s->key. */
static void prove(struct scram *s, const struct scram_verifier *v, const void *password,
	size_t password_n, char client_final[static SCRAM_MESSAGE_MAX])
{
	uint8_t salted[SCRAM_KEY], client_key[SCRAM_KEY], key[SCRAM_KEY], proof[SCRAM_KEY];
	struct scram_span without_proof = {.p = client_final};

	without_proof.n = (size_t)snprintf(
		client_final, SCRAM_MESSAGE_MAX, "c=biws,r=%s", s->nonce); /* biws is "n,," */
	scram_salted_password(password, password_n, v->salt, v->salt_n, v->iterations, salted);
	hmac_sha256(client_key, salted, sizeof salted, "Client Key", 10);
	hash_of(client_key, sizeof client_key, key);
	scram_sign(s, key, &without_proof, proof);
	for (size_t i = 0; i < sizeof proof; i++) {
		proof[i] ^= client_key[i];
	}
	hmac_sha256(key, salted, sizeof salted, "Server Key", 10);
	scram_sign(s, key, &without_proof, s->key);
	memcpy(client_final + without_proof.n, ",p=", 3);
	(void)base64_padded_encode(client_final + without_proof.n + 3, proof, sizeof proof);
	wipe(salted, sizeof salted);
	wipe(client_key, sizeof client_key);
	wipe(key, sizeof key);
	wipe(proof, sizeof proof);
}

int scram_client_final(struct scram_client *c, const void *server_first, size_t n,
	const void *password, size_t password_n, char client_final[static SCRAM_MESSAGE_MAX],
	struct err *e)
{
	struct scram_verifier v = {0}; /* without its keys */
	struct cursor text;

	if (c->state.step != SCRAM_FIRST) {
		scram_client_end(c);
		return scram_out_of_turn(e);
	}
	if (scram_open(&text, server_first, n, e) != 0 ||
		read_server_first(&c->state, &text, &v, e) != 0) {
		scram_client_end(c);
		return -1;
	}
	memcpy(c->state.server_first, server_first, n);
	c->state.server_first_n = n;
	prove(&c->state, &v, password, password_n, client_final);
	c->state.step = SCRAM_SECOND;
	return 0;
}

/* 7: "v=" and the signature, or "e=" and why not. */
static int read_server_final(const struct scram *s, struct cursor *c, struct err *e)
{
	uint8_t signature[SCRAM_KEY];
	struct scram_span value;

	if (cursor_left(c) > 0 && c->p[0] == 'e') {
		return scram_get(c, 'e', &value)
			       ? err_set(e, EX_NOPERM, "SCRAM: the server refuses: %.*s",
					 (int)value.n, value.p)
			       : scram_malformed(e, "a damaged refusal");
	}
	if (!scram_get(c, 'v', &value) || !scram_get_key(&value, signature) ||
		!scram_skip(c, '\0')) {
		return scram_malformed(e, "a damaged last message of the server");
	}
	return ct_eq(signature, s->key, SCRAM_KEY)
		       ? 0
		       : scram_malformed(e,
				 "the server's signature is wrong: it does not know this account");
}

int scram_client_verify(struct scram_client *c, const void *server_final, size_t n, struct err *e)
{
	struct cursor text;
	int rc = -1;

	if (c->state.step != SCRAM_SECOND) {
		rc = scram_out_of_turn(e);
	} else if (scram_open(&text, server_final, n, e) == 0) {
		rc = read_server_final(&c->state, &text, e);
	}
	scram_client_end(c);
	return rc;
}

void scram_client_end(struct scram_client *c)
{
	wipe(c, sizeof *c);
	c->state.step = SCRAM_DONE;
}
