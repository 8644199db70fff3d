/* The server of SCRAM-SHA-256; see scram.h. Section numbers are RFC 5802's. */
#include "scram_message.h"

/* 5.1: in a name "=2C" is a comma, "=3D" an equals sign, and no other "=" is allowed. */
static int decode_name(const struct scram_span *text, char out[static SCRAM_NAME_MAX + 1])
{
	size_t k = 0;

	for (size_t i = 0; i < text->n; i++) {
		char ch = text->p[i];
		if (ch == '=') {
			if (text->n - i < 3) {
				return -1;
			}
			ch = memcmp(text->p + i, "=2C", 3) == 0   ? ','
			     : memcmp(text->p + i, "=3D", 3) == 0 ? '='
								  : '\0';
			i += 2;
		}
		if (ch == '\0' || k == SCRAM_NAME_MAX) {
			return -1;
		}
		out[k++] = ch;
	}
	out[k] = '\0';
	return 0;
}

/* 7: "n,," or "y,," with the name to act for between the commas, or nothing. */
static int read_gs2(struct cursor *c, struct scram_span *authzid, struct err *e)
{
	uint8_t flag = get_u8(c);
	size_t left;

	*authzid = (struct scram_span){0};
	if (flag == 'p') {
		return scram_malformed(e, "channel binding is not offered");
	}
	if ((flag != 'n' && flag != 'y') || !get_literal(c, ",")) {
		return scram_malformed(e, "no GS2 header");
	}
	left = cursor_left(c);
	if (left > 0 && c->p[0] == 'a') {
		return scram_get(c, 'a', authzid) ? 0 : scram_malformed(e, "a damaged GS2 header");
	}
	return get_literal(c, ",") ? 0 : scram_malformed(e, "no GS2 header");
}

static int read_client_first(
	struct scram_server *s, struct cursor *c, const uint8_t *start, struct err *e)
{
	char acts_for[SCRAM_NAME_MAX + 1];
	struct scram_span authzid, name, nonce;

	if (read_gs2(c, &authzid, e) != 0) {
		return -1;
	}
	s->state.gs2_n = (size_t)(c->p - start);
	if (!scram_get(c, 'n', &name) || decode_name(&name, s->name) != 0) {
		return scram_malformed(e, "no name");
	}
	if (!scram_get(c, 'r', &nonce) || !scram_nonce_valid(nonce.p, nonce.n) ||
		nonce.n > SCRAM_NONCE_MAX / 2) {
		return scram_malformed(e, "no nonce");
	}
	if (!scram_skip(c, '\0')) {
		return scram_malformed(e, "a damaged or mandatory extension");
	}
	if (authzid.n > 0 &&
		(decode_name(&authzid, acts_for) != 0 || strcmp(acts_for, s->name) != 0)) {
		return err_set(e, EX_NOPERM, "SCRAM: nobody may act for another");
	}
	memcpy(s->state.nonce, nonce.p, nonce.n);
	s->state.nonce[nonce.n] = '\0';
	return 0;
}

int scram_server_first(struct scram_server *s, const void *client_first, size_t n, struct err *e)
{
	struct cursor c;

	*s = (struct scram_server){0};
	if (scram_open(&c, client_first, n, e) != 0 ||
		read_client_first(s, &c, client_first, e) != 0) {
		scram_server_end(s);
		return -1;
	}
	memcpy(s->state.client_first, client_first, n);
	s->state.client_first_n = n;
	s->state.step = SCRAM_FIRST;
	return 0;
}

int scram_server_challenge_with(struct scram_server *s, const struct scram_verifier *v,
	const char *nonce, char server_first[static SCRAM_MESSAGE_MAX], struct err *e)
{
	char salt[SCRAM_SALT_MAX / 3 * 4 + 5];
	struct scram *state = &s->state;
	size_t had = strlen(state->nonce), n = strlen(nonce);

	if (state->step != SCRAM_FIRST || n > SCRAM_NONCE_MAX / 2 || !scram_nonce_valid(nonce, n)) {
		scram_server_end(s);
		return scram_out_of_turn(e);
	}
	memcpy(state->nonce + had, nonce, n + 1);
	(void)base64_padded_encode(salt, v->salt, v->salt_n);
	/* it fits: what is longest of each has some 360 bytes */
	state->server_first_n = (size_t)snprintf(state->server_first, sizeof state->server_first,
		"r=%s,s=%s,i=%u", state->nonce, salt, v->iterations);
	memcpy(server_first, state->server_first, state->server_first_n + 1);
	memcpy(state->key, v->stored_key, SCRAM_KEY);
	memcpy(state->server_key, v->server_key, SCRAM_KEY);
	state->step = SCRAM_SECOND;
	return 0;
}

int scram_server_challenge(struct scram_server *s, const struct scram_verifier *v,
	char server_first[static SCRAM_MESSAGE_MAX], struct err *e)
{
	char nonce[SCRAM_NONCE + 1];

	if (scram_nonce_make(nonce, e) != 0) {
		scram_server_end(s);
		return -1;
	}
	return scram_server_challenge_with(s, v, nonce, server_first, e);
}

/* 5.1: "c" repeats the GS2 header, so that nobody has changed it on its way. */
static bool repeats_gs2(const struct scram *s, const struct scram_span *text)
{
	uint8_t gs2[SCRAM_MESSAGE_MAX];
	int n = base64_padded_decode(gs2, sizeof gs2, text->p, text->n);

	return n >= 0 && (size_t)n == s->gs2_n && ct_eq(gs2, s->client_first, s->gs2_n);
}

/* The proof, and what was said before it. */
static int read_client_final(const struct scram *s, struct cursor *c, const void *start,
	struct scram_span *without_proof, uint8_t proof[static SCRAM_KEY], struct err *e)
{
	struct scram_span binding, nonce, text;

	if (!scram_get(c, 'c', &binding) || !repeats_gs2(s, &binding)) {
		return scram_malformed(e, "the GS2 header is not the first message's");
	}
	if (!scram_get(c, 'r', &nonce) || nonce.n != strlen(s->nonce) ||
		!ct_eq(nonce.p, s->nonce, nonce.n)) {
		return scram_malformed(e, "the nonce is not this exchange's");
	}
	if (!scram_skip(c, 'p') || cursor_left(c) == 0) {
		return scram_malformed(e, "no proof");
	}
	/* the comma ahead of the proof is not signed */
	*without_proof = (struct scram_span){
		.p = start, .n = (size_t)((const char *)c->p - (const char *)start) - 1};
	return scram_get(c, 'p', &text) && cursor_left(c) == 0 && scram_get_key(&text, proof)
		       ? 0
		       : scram_malformed(e, "a damaged proof");
}

/* 3: the proof is the client's key, hidden by the signature that the stored key makes. */
static bool proof_is_right(const struct scram *s, const struct scram_span *without_proof,
	const uint8_t proof[static SCRAM_KEY])
{
	uint8_t client_key[SCRAM_KEY], stored[SCRAM_KEY];
	bool same;

	scram_sign(s, s->key, without_proof, client_key);
	for (size_t i = 0; i < SCRAM_KEY; i++) {
		client_key[i] ^= proof[i];
	}
	hash_of(client_key, sizeof client_key, stored);
	same = ct_eq(stored, s->key, SCRAM_KEY);
	wipe(client_key, sizeof client_key);
	wipe(stored, sizeof stored);
	return same;
}

int scram_server_final(struct scram_server *s, const void *client_final, size_t n,
	char server_final[static SCRAM_MESSAGE_MAX], bool *ok, struct err *e)
{
	uint8_t proof[SCRAM_KEY], signature[SCRAM_KEY];
	struct scram_span without_proof;
	struct cursor c;
	int rc;

	*ok = false;
	server_final[0] = '\0';
	if (s->state.step != SCRAM_SECOND) {
		scram_server_end(s);
		return scram_out_of_turn(e);
	}
	rc = scram_open(&c, client_final, n, e);
	rc = rc == 0 ? read_client_final(&s->state, &c, client_final, &without_proof, proof, e)
		     : rc;
	if (rc == 0 && proof_is_right(&s->state, &without_proof, proof)) {
		*ok = true;
		scram_sign(&s->state, s->state.server_key, &without_proof, signature);
		memcpy(server_final, "v=", 2);
		(void)base64_padded_encode(server_final + 2, signature, sizeof signature);
	}
	wipe(proof, sizeof proof);
	wipe(signature, sizeof signature);
	scram_server_end(s);
	return rc;
}

void scram_server_end(struct scram_server *s)
{
	wipe(s, sizeof *s);
	s->state.step = SCRAM_DONE;
}
