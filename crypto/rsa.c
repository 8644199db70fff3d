/* RSA over BearSSL's 62-bit (or 31-bit) implementation; see rsa.h. */
#include "rsa.h"

#include "bytes.h"
#include "random.h"

static br_rsa_public_key bearssl_public(const struct rsa_public *key)
{
	/* BearSSL's struct has no const, but its public operations do not write */
	return (br_rsa_public_key){.n = (unsigned char *)(uintptr_t)key->n,
		.nlen = key->n_len,
		.e = (unsigned char *)(uintptr_t)key->e,
		.elen = key->e_len};
}

static unsigned bit_length(const uint8_t *p, size_t n)
{
	return n == 0 ? 0 : (unsigned)(8 * n) - (unsigned)(__builtin_clz(p[0]) - 24);
}

int rsa_check_public(const struct rsa_public *key, struct err *e)
{
	unsigned bits = key->n_len == 0 || key->n[0] == 0 ? 0 : bit_length(key->n, key->n_len);

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
		return err_set(e, EX_CONFIG, "the RSA modulus has %u bits, not %d to %d", bits,
			RSA_BITS_MIN, RSA_BITS_MAX);
	}
	if ((key->n[key->n_len - 1] & 1) == 0) {
		return err_set(e, EX_CONFIG, "the RSA modulus is even");
	}
	if (key->e_len == 0 || (key->e[key->e_len - 1] & 1) == 0 ||
		(key->e_len == 1 && key->e[0] < 3)) {
		return err_set(
			e, EX_CONFIG, "the RSA public exponent is not an odd number above 1");
	}
	return 0;
}

int rsa_check_private(const struct rsa_private *k, struct err *e)
{
	static const char text[] = "smtp361 key check";
	uint8_t block[RSA_BYTES_MAX];

	if (rsa_oaep_encrypt(&k->public, text, sizeof text, block, e) != 0) {
		return -1;
	}
	if (rsa_oaep_decrypt(k, block) != sizeof text || memcmp(block, text, sizeof text) != 0) {
		return err_set(e, EX_CONFIG, "the parts of the RSA key do not belong together");
	}
	return 0;
}

/* Is n = p q? By the way of school, in numbers of bytes; BearSSL 0.6 has no call that does it for
 * every prime and size. */
static bool is_product(
	const struct rsa_number *n, const struct rsa_number *p, const struct rsa_number *q)
{
	uint8_t out[RSA_BYTES_MAX] = {0};
	size_t len = p->n + q->n;
	bool same;

	if (len != n->n && len != n->n + 1) {
		return false;
	}
	for (size_t i = 0; i < p->n; i++) {
		uint32_t carry = 0;
		uint32_t a = p->p[p->n - 1 - i];
		for (size_t j = 0; j < q->n; j++) {
			uint8_t *at = &out[len - 1 - i - j];
			carry += *at + a * q->p[q->n - 1 - j];
			*at = (uint8_t)carry;
			carry >>= 8;
		}
		out[len - 1 - i - q->n] = (uint8_t)carry;
	}
	same = (len == n->n || out[0] == 0) && ct_eq(out + (len - n->n), n->p, n->n);
	wipe(out, sizeof out);
	return same;
}

static unsigned char *copy_part(uint8_t **at, const struct rsa_number *part)
{
	unsigned char *start = *at;

	memcpy(start, part->p, part->n);
	*at += part->n;
	return start;
}

static int check_parts(const struct rsa_parts *k, struct err *e)
{
	const struct rsa_number *halves[] = {&k->p, &k->q, &k->dp, &k->dq, &k->iq};

	for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
		if (halves[i]->n == 0 || halves[i]->p[0] == 0 || halves[i]->n > (k->n.n + 1) / 2) {
			return err_set(e, EX_CONFIG, "a part of the RSA key is zero, or too long");
		}
	}
	if (!is_product(&k->n, &k->p, &k->q) || (k->p.p[k->p.n - 1] & 1) == 0 ||
		(k->q.p[k->q.n - 1] & 1) == 0) {
		return err_set(e, EX_CONFIG, "the parts of the RSA key do not belong together");
	}
	return 0;
}

int rsa_private_from_parts(struct rsa_private *out, const struct rsa_parts *k, struct err *e)
{
	uint8_t *at = out->buf;

	memset(out, 0, sizeof *out);
	if (k->n.n > sizeof out->public.n || k->e.n > sizeof out->public.e) {
		return err_set(e, EX_CONFIG, "the RSA key has more than %d bits", RSA_BITS_MAX);
	}
	out->public.n_len = k->n.n;
	out->public.e_len = k->e.n;
	memcpy(out->public.n, k->n.p, k->n.n);
	memcpy(out->public.e, k->e.p, k->e.n);
	if (rsa_check_public(&out->public, e) != 0 || check_parts(k, e) != 0) {
		wipe(out, sizeof *out);
		return -1;
	}
	out->key = (br_rsa_private_key){.n_bitlen = bit_length(k->n.p, k->n.n),
		.plen = k->p.n,
		.qlen = k->q.n,
		.dplen = k->dp.n,
		.dqlen = k->dq.n,
		.iqlen = k->iq.n};
	out->key.p = copy_part(&at, &k->p);
	out->key.q = copy_part(&at, &k->q);
	out->key.dp = copy_part(&at, &k->dp);
	out->key.dq = copy_part(&at, &k->dq);
	out->key.iq = copy_part(&at, &k->iq);
	return 0;
}

int rsa_generate(struct rsa_private *out, unsigned bits, struct err *e)
{
	const br_prng_class **prng = random_prng(e);
	uint8_t public_buf[BR_RSA_KBUF_PUB_SIZE(RSA_BITS_MAX)];
	br_rsa_public_key public;

	if (prng == NULL) {
		return -1;
	}
	if (bits != 2048 && bits != 3072 && bits != 4096) {
		return err_set(e, EX_USAGE, "RSA keys have 2048, 3072 or 4096 bits, not %u", bits);
	}
	if (br_rsa_keygen_get_default()(
		    prng, &out->key, out->buf, &public, public_buf, bits, 65537) != 1 ||
		public.nlen > sizeof out->public.n || public.elen > sizeof out->public.e) {
		wipe(out, sizeof *out);
		return err_set(e, EX_SOFTWARE, "cannot generate an RSA key of %u bits", bits);
	}
	out->public.n_len = public.nlen;
	out->public.e_len = public.elen;
	memcpy(out->public.n, public.n, public.nlen);
	memcpy(out->public.e, public.e, public.elen);
	return rsa_check_private(out, e);
}

size_t rsa_private_exponent(const struct rsa_private *key, uint8_t *d)
{
	uint32_t exponent = 0;

	for (size_t i = 0; i < key->public.e_len; i++) {
		exponent = exponent << 8 | key->public.e[i];
	}
	return br_rsa_compute_privexp_get_default()(d, &key->key, exponent);
}

int rsa_oaep_encrypt(
	const struct rsa_public *key, const void *text, size_t n, uint8_t *out, struct err *e)
{
	const br_prng_class **prng = random_prng(e);
	br_rsa_public_key pk = bearssl_public(key);

	if (prng == NULL) {
		return -1;
	}
	if (br_rsa_oaep_encrypt_get_default()(
		    prng, &br_sha1_vtable, NULL, 0, &pk, out, key->n_len, text, n) != key->n_len) {
		return err_set(e, EX_DATAERR,
			"cannot encrypt %zu bytes to an RSA key of %zu bytes: at most %zu fit", n,
			key->n_len, key->n_len - RSA_OAEP_OVERHEAD);
	}
	return 0;
}

int rsa_oaep_decrypt(const struct rsa_private *key, uint8_t *block)
{
	size_t n = key->public.n_len;

	if (br_rsa_oaep_decrypt_get_default()(&br_sha1_vtable, NULL, 0, &key->key, block, &n) !=
		1) {
		wipe(block, key->public.n_len);
		return -1;
	}
	return (int)n;
}
