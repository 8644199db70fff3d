/* The keys of SCRAM-SHA-256, and what a server keeps of them; see scram.h. The exchange itself is
 * in scram_server.c and scram_client.c. */
#include "scram.h"

#include "bytes.h"
#include "hkdf.h"

/* The key is hashed into its two states once; each iteration then costs two blocks. */
void scram_salted_password(const void *password, size_t n, const void *salt, size_t salt_n,
	unsigned iterations, uint8_t out[static SCRAM_KEY])
{
	static const uint8_t first_block[4] = {0, 0, 0, 1};
	br_hmac_key_context keyed;
	br_hmac_context context;
	uint8_t u[SCRAM_KEY];

	br_hmac_key_init(&keyed, &br_sha256_vtable, n > 0 ? password : "", n);
	br_hmac_init(&context, &keyed, 0);
	br_hmac_update(&context, salt_n > 0 ? salt : "", salt_n);
	br_hmac_update(&context, first_block, sizeof first_block);
	(void)br_hmac_out(&context, u);
	memcpy(out, u, sizeof u);
	for (unsigned i = 1; i < iterations; i++) {
		br_hmac_init(&context, &keyed, 0);
		br_hmac_update(&context, u, sizeof u);
		(void)br_hmac_out(&context, u);
		for (size_t k = 0; k < sizeof u; k++) {
			out[k] ^= u[k];
		}
	}
	wipe(&keyed, sizeof keyed);
	wipe(&context, sizeof context);
	wipe(u, sizeof u);
}

static bool limits_kept(size_t salt_n, uint64_t iterations)
{
	return salt_n >= 1 && salt_n <= SCRAM_SALT_MAX && iterations >= SCRAM_ITERATIONS_MIN &&
	       iterations <= SCRAM_ITERATIONS_MAX;
}

int scram_make(const void *password, size_t n, const void *salt, size_t salt_n, unsigned iterations,
	struct scram_verifier *out)
{
	uint8_t salted[SCRAM_KEY], client_key[SCRAM_KEY];

	if (!limits_kept(salt_n, iterations)) {
		return -1;
	}
	*out = (struct scram_verifier){.iterations = iterations, .salt_n = salt_n};
	memcpy(out->salt, salt, salt_n);
	scram_salted_password(password, n, salt, salt_n, iterations, salted);
	hmac_sha256(client_key, salted, sizeof salted, "Client Key", 10);
	hash_of(client_key, sizeof client_key, out->stored_key);
	hmac_sha256(out->server_key, salted, sizeof salted, "Server Key", 10);
	wipe(salted, sizeof salted);
	wipe(client_key, sizeof client_key);
	return 0;
}

/* --- as text --- */

enum { KEY_CHARS = 44 }; /* of a key in base64 */

size_t scram_verifier_write(const struct scram_verifier *v, char out[static SCRAM_TEXT_MAX])
{
	char salt[SCRAM_SALT_MAX / 3 * 4 + 5], stored[KEY_CHARS + 1], server[KEY_CHARS + 1];
	int n;

	(void)base64_padded_encode(salt, v->salt, v->salt_n);
	(void)base64_padded_encode(stored, v->stored_key, SCRAM_KEY);
	(void)base64_padded_encode(server, v->server_key, SCRAM_KEY);
	n = snprintf(out, SCRAM_TEXT_MAX, "SCRAM-SHA-256$%u:%s$%s:%s", v->iterations, salt, stored,
		server);
	wipe(stored, sizeof stored);
	wipe(server, sizeof server);
	return (size_t)n;
}

/* What stands before this byte, which is taken, too. NULL: it is not there. */
static const char *get_until(struct cursor *c, char end, size_t *n)
{
	const uint8_t *stop = cursor_left(c) == 0 ? NULL : memchr(c->p, end, c->n);

	if (stop == NULL) {
		c->failed = true;
		return NULL;
	}
	*n = (size_t)(stop - c->p);
	return (const char *)get_bytes(c, *n + 1);
}

static bool get_key(struct cursor *c, uint8_t out[static SCRAM_KEY])
{
	const uint8_t *p = get_bytes(c, KEY_CHARS);

	return p != NULL &&
	       base64_padded_decode(out, SCRAM_KEY, (const char *)p, KEY_CHARS) == SCRAM_KEY;
}

static int read_verifier(struct scram_verifier *out, struct cursor *c)
{
	const char *number, *salt;
	size_t number_n = 0, salt_chars = 0;
	uint64_t iterations;
	int salt_n;

	if (!get_literal(c, "SCRAM-SHA-256$") || (number = get_until(c, ':', &number_n)) == NULL ||
		parse_decimal(number, number_n, SCRAM_ITERATIONS_MAX, &iterations) != 0 ||
		(salt = get_until(c, '$', &salt_chars)) == NULL) {
		return -1;
	}
	salt_n = base64_padded_decode(out->salt, sizeof out->salt, salt, salt_chars);
	if (salt_n < 0 || !limits_kept((size_t)salt_n, iterations)) {
		return -1;
	}
	out->salt_n = (size_t)salt_n;
	out->iterations = (unsigned)iterations;
	return get_key(c, out->stored_key) && get_literal(c, ":") && get_key(c, out->server_key) &&
			       cursor_left(c) == 0
		       ? 0
		       : -1;
}

int scram_verifier_read(struct scram_verifier *out, const char *text, size_t n)
{
	struct cursor c = cursor_over(text, n);
	int rc;

	*out = (struct scram_verifier){0};
	rc = read_verifier(out, &c);
	if (rc != 0) {
		wipe(out, sizeof *out);
	}
	return rc;
}
