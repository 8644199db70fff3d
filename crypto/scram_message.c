/* Messages of SCRAM; see scram_message.h. */
#include "scram_message.h"

#include "random.h"

int scram_malformed(struct err *e, const char *what)
{
	return err_set(e, EX_PROTOCOL, "SCRAM: %s", what);
}

int scram_out_of_turn(struct err *e)
{
	return err_set(e, EX_SOFTWARE, "SCRAM: a function was called out of its turn");
}

int scram_open(struct cursor *c, const void *p, size_t n, struct err *e)
{
	uint64_t count;

	if (n == 0 || n >= SCRAM_MESSAGE_MAX) {
		return scram_malformed(e, n == 0 ? "an empty message" : "a message is too long");
	}
	if (has_control(p, n) || utf8_count(p, n, &count) != 0) {
		return scram_malformed(e, "a message is no plain text");
	}
	*c = cursor_over(p, n);
	return 0;
}

bool scram_get(struct cursor *c, char name, struct scram_span *value)
{
	const uint8_t *start = c->p, *comma = cursor_left(c) == 0 ? NULL : memchr(c->p, ',', c->n);
	size_t n = comma == NULL ? cursor_left(c) : (size_t)(comma - start);

	if (n < 3 || start[0] != (uint8_t)name || start[1] != '=' ||
		(comma != NULL && n + 1 == c->n)) { /* a comma leads to something */
		c->failed = true;
		return false;
	}
	*value = (struct scram_span){.p = (const char *)start + 2, .n = n - 2};
	(void)get_bytes(c, comma == NULL ? n : n + 1);
	return true;
}

bool scram_skip(struct cursor *c, char until)
{
	struct scram_span ignored;

	while (cursor_left(c) > 0 && c->p[0] != (uint8_t)until) {
		char name = (char)c->p[0];
		bool letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
		if (!letter || name == 'm' || !scram_get(c, name, &ignored)) {
			c->failed = true;
		}
	}
	return !c->failed;
}

bool scram_nonce_valid(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x21 || p[i] > 0x7e || p[i] == ',') {
			return false;
		}
	}
	return n > 0;
}

int scram_nonce_make(char out[static SCRAM_NONCE + 1], struct err *e)
{
	uint8_t bytes[SCRAM_NONCE / 4 * 3];

	if (random_bytes(bytes, sizeof bytes, e) != 0) {
		return -1;
	}
	(void)base64_encode(out, bytes, sizeof bytes);
	return 0;
}

void scram_sign(const struct scram *s, const uint8_t key[static SCRAM_KEY],
	const struct scram_span *without_proof, uint8_t out[static SCRAM_KEY])
{
	br_hmac_key_context keyed;
	br_hmac_context context;

	br_hmac_key_init(&keyed, &br_sha256_vtable, key, SCRAM_KEY);
	br_hmac_init(&context, &keyed, 0);
	br_hmac_update(&context, s->client_first + s->gs2_n, s->client_first_n - s->gs2_n);
	br_hmac_update(&context, ",", 1);
	br_hmac_update(&context, s->server_first, s->server_first_n);
	br_hmac_update(&context, ",", 1);
	br_hmac_update(&context, without_proof->p, without_proof->n);
	(void)br_hmac_out(&context, out);
	wipe(&keyed, sizeof keyed);
	wipe(&context, sizeof context);
}

bool scram_get_key(const struct scram_span *text, uint8_t out[static SCRAM_KEY])
{
	return base64_padded_decode(out, SCRAM_KEY, text->p, text->n) == SCRAM_KEY;
}
