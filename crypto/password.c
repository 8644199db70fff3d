/* Argon2id PHC strings over libargon2; see password.h. */
#include "password.h"

#include <argon2.h>

#include "bytes.h"
#include "random.h"

static int refuse(struct err *e, const char *why)
{
	return err_set(e, EX_CONFIG, "not an Argon2id string that can be used: %s", why);
}

/* NAME=DECIMAL up to the separator; max bounds the value. */
static int parse_parameter(
	struct cursor *c, const char *name, char end, uint64_t max, uint32_t *value, struct err *e)
{
	const char *stop;
	uint64_t v;

	if (!get_literal(c, name) || (stop = memchr(c->p, end, c->n)) == NULL) {
		return refuse(e, "a parameter is missing");
	}
	size_t n = (size_t)(stop - (const char *)c->p);
	if (parse_decimal(c->p, n, UINT64_MAX, &v) != 0 || v == 0) {
		return refuse(e, "a parameter is no plain number");
	}
	if (v > max) {
		return refuse(e, "a parameter is above its cap");
	}
	*value = (uint32_t)v;
	(void)get_bytes(c, n + 1);
	return 0;
}

/* One base64 field of min..64 bytes, up to the next '$' or the end. */
static int parse_field(
	struct cursor *c, uint8_t out[static 64], size_t *out_n, size_t min, bool last)
{
	const uint8_t *stop = last ? c->p + c->n : memchr(c->p, '$', c->n);
	int k;

	if (stop == NULL) {
		return -1;
	}
	size_t n = (size_t)(stop - c->p);
	k = base64_decode(out, 64, (const char *)c->p, n);
	(void)get_bytes(c, last ? n : n + 1);
	*out_n = k < 0 ? 0 : (size_t)k;
	return k < 0 || *out_n < min ? -1 : 0;
}

int password_parse(struct password_phc *out, const char *phc, size_t n, struct err *e)
{
	struct cursor c = cursor_over(phc, n);

	if (n >= PASSWORD_PHC_MAX || !get_literal(&c, "$argon2id$v=19$")) {
		return refuse(e, "it does not begin with $argon2id$v=19$");
	}
	if (parse_parameter(&c, "m=", ',', PASSWORD_M_KIB_MAX, &out->m_kib, e) != 0 ||
		parse_parameter(&c, "t=", ',', PASSWORD_T_MAX, &out->t, e) != 0 ||
		parse_parameter(&c, "p=", '$', PASSWORD_P_MAX, &out->p, e) != 0) {
		return -1;
	}
	if ((uint64_t)out->m_kib * out->t > PASSWORD_WORK_MAX || out->m_kib < 8 * out->p) {
		return refuse(e, "its parameters are above their cap, or m is below 8 p");
	}
	if (parse_field(&c, out->salt, &out->salt_n, 8, false) != 0 ||
		parse_field(&c, out->hash, &out->hash_n, 16, true) != 0) {
		return refuse(e, "its salt or hash is damaged");
	}
	return 0;
}

/* The one call into libargon2. threads = 1: lanes are computed in turn, no thread is ever started.
 */
static int argon2id(
	const struct password_phc *phc, uint8_t *out, const void *password, size_t n, struct err *e)
{
	uint8_t copy[PASSWORD_MAX];
	argon2_context ctx = {.out = out,
		.outlen = (uint32_t)phc->hash_n,
		.pwd = copy,
		.pwdlen = (uint32_t)n,
		.salt = (uint8_t *)(uintptr_t)phc->salt,
		.saltlen = (uint32_t)phc->salt_n,
		.t_cost = phc->t,
		.m_cost = phc->m_kib,
		.lanes = phc->p,
		.threads = 1,
		.flags = ARGON2_FLAG_CLEAR_PASSWORD,
		.version = ARGON2_VERSION_13};
	int rc;

	if (n > sizeof copy) {
		return err_set(e, EX_DATAERR, "a password has at most %d bytes", PASSWORD_MAX);
	}
	if (n > 0) {
		memcpy(copy, password, n);
	}
	rc = argon2id_ctx(&ctx);
	wipe(copy, sizeof copy);
	if (rc != ARGON2_OK) {
		return err_set(e, EX_TEMPFAIL, "cannot compute Argon2id with %u KiB: %s",
			phc->m_kib, argon2_error_message(rc));
	}
	return 0;
}

int password_hash(char *phc, const void *password, size_t n, struct err *e)
{
	struct password_phc p = {.m_kib = PASSWORD_M_KIB,
		.t = PASSWORD_T,
		.p = PASSWORD_P,
		.salt_n = 16,
		.hash_n = 32};
	char salt[32], hash[64];
	int rc = -1;

	if (random_bytes(p.salt, p.salt_n, e) == 0 && argon2id(&p, p.hash, password, n, e) == 0) {
		(void)base64_encode(salt, p.salt, p.salt_n);
		(void)base64_encode(hash, p.hash, p.hash_n);
		(void)snprintf(phc, PASSWORD_PHC_MAX, "$argon2id$v=19$m=%u,t=%u,p=%u$%s$%s",
			p.m_kib, p.t, p.p, salt, hash);
		rc = 0;
	}
	wipe(&p, sizeof p);
	wipe(hash, sizeof hash);
	return rc;
}

int password_key(uint8_t key[static PASSWORD_KEY], const void *password, size_t n,
	const uint8_t salt[static PASSWORD_SALT], struct err *e)
{
	struct password_phc p = {.m_kib = PASSWORD_M_KIB,
		.t = PASSWORD_T,
		.p = PASSWORD_P,
		.salt_n = PASSWORD_SALT,
		.hash_n = PASSWORD_KEY};

	memcpy(p.salt, salt, PASSWORD_SALT);
	return argon2id(&p, key, password, n, e);
}

int password_verify(
	const struct password_phc *phc, const void *password, size_t n, bool *ok, struct err *e)
{
	uint8_t hash[64] = {0};
	int rc;

	*ok = false;
	rc = argon2id(phc, hash, password, n, e);
	if (rc == 0) {
		*ok = ct_eq(hash, phc->hash, phc->hash_n);
	}
	wipe(hash, sizeof hash);
	return rc;
}
