/* The engine over BearSSL's; see tls.h. */
#include "tls.h"

#include "bytes.h"
#include "random.h"
#include "tls_state.h"

struct tls {
	br_ssl_engine_context *engine; /* that of one of these: */
	union {
		br_ssl_server_context server;
		br_ssl_client_context client;
	} role;
	struct tls_verify verify; /* a client's */
	uint8_t records[BR_SSL_BUFSIZE_BIDI];
};

/* The most wanted first: a server goes by its own order. */
static const struct {
	uint16_t suite;
	const char *name;
} suites[] = {
	{BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE_ECDSA AES_128_GCM"},
	{BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE_RSA AES_128_GCM"},
	{BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE_ECDSA CHACHA20_POLY1305"},
	{BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE_RSA CHACHA20_POLY1305"},
	{BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE_ECDSA AES_256_GCM"},
	{BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE_RSA AES_256_GCM"},
};

enum { SUITES = sizeof suites / sizeof suites[0], SEED_BYTES = 32, X25519_POINT = 32 };

/* --- curves --- */

static br_ec_impl curves;

/* The product's x coordinate is the shared secret; of X25519 it may be all zeros. */
static uint32_t multiply(
	unsigned char *point, size_t n, const unsigned char *scalar, size_t scalar_n, int curve)
{
	static const uint8_t zero[X25519_POINT];
	uint32_t ok = br_ec_get_default()->mul(point, n, scalar, scalar_n, curve);

	return curve == BR_EC_curve25519 && ct_eq(point, zero, X25519_POINT) ? 0 : ok;
}

const br_ec_impl *tls_curves(void)
{
	curves = *br_ec_get_default();
	curves.supported_curves &= (uint32_t)1 << BR_EC_secp256r1 | (uint32_t)1 << BR_EC_secp384r1 |
				   (uint32_t)1 << BR_EC_curve25519;
	curves.mul = multiply;
	return &curves;
}

/* --- setting up --- */

static int set_up(struct tls *t, br_ssl_engine_context *engine, struct err *e)
{
	uint16_t order[SUITES];
	uint8_t seed[SEED_BYTES];

	for (size_t i = 0; i < SUITES; i++) {
		order[i] = suites[i].suite;
	}
	t->engine = engine;
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_suites(engine, order, SUITES);
	br_ssl_engine_set_default_aes_gcm(engine);
	br_ssl_engine_set_default_chapol(engine);
	br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(engine, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(engine, br_tls12_sha384_prf);
	br_ssl_engine_set_default_rsavrfy(engine);
	br_ssl_engine_set_ecdsa(engine, br_ecdsa_vrfy_asn1_get_default());
	br_ssl_engine_set_ec(engine, tls_curves());
	br_ssl_engine_add_flags(
		engine, BR_OPT_NO_RENEGOTIATION | BR_OPT_ENFORCE_SERVER_PREFERENCES);
	br_ssl_engine_set_buffer(engine, t->records, sizeof t->records, 1);
	if (random_bytes(seed, sizeof seed, e) != 0) {
		return -1;
	}
	br_ssl_engine_inject_entropy(engine, seed, sizeof seed);
	wipe(seed, sizeof seed);
	return 0;
}

/* The engine as it is to go on, or freed when rc is not 0. */
static struct tls *set_off(struct tls *t, int rc, struct err *e)
{
	if (rc == 0 && tls_state(t) == TLS_FAILED) {
		rc = tls_failure(t, e);
	}
	if (rc != 0) {
		tls_free(t);
		return NULL;
	}
	return t;
}

static struct tls *allocate(struct err *e)
{
	struct tls *t = calloc(1, sizeof *t);

	if (t == NULL) {
		err_set(e, EX_TEMPFAIL, "cannot begin TLS: out of memory");
	}
	return t;
}

struct tls *tls_server(const struct tls_identity *id, struct err *e)
{
	struct tls *t = id->key_type == 0 ? NULL : allocate(e);
	br_ssl_server_context *s;
	int rc;

	if (t == NULL) {
		if (id->key_type == 0) {
			err_set(e, EX_SOFTWARE, "the certificate's key was wiped here");
		}
		return NULL;
	}
	s = &t->role.server;
	br_ssl_server_zero(s);
	rc = set_up(t, &s->eng, e);
	if (id->key_type == BR_KEYTYPE_RSA) {
		br_ssl_server_set_single_rsa(s, id->chain, id->chain_n,
			br_skey_decoder_get_rsa(&id->key), BR_KEYTYPE_SIGN, NULL,
			br_rsa_pkcs1_sign_get_default());
	} else {
		/* the key never agrees on a secret, so that who signed it does not matter */
		br_ssl_server_set_single_ec(s, id->chain, id->chain_n,
			br_skey_decoder_get_ec(&id->key), BR_KEYTYPE_SIGN, 0, tls_curves(),
			br_ecdsa_sign_asn1_get_default());
	}
	if (rc == 0) {
		(void)br_ssl_server_reset(s); /* what fails is in its state */
	}
	return set_off(t, rc, e);
}

struct tls *tls_client(
	const struct tls_trust *trust, const uint8_t *pin, const char *host, struct err *e)
{
	struct tls *t = allocate(e);
	uint8_t address[16];
	br_ssl_client_context *c;
	int rc;

	if (t == NULL) {
		return NULL;
	}
	c = &t->role.client;
	br_ssl_client_zero(c);
	rc = set_up(t, &c->eng, e);
	rc = rc == 0 ? tls_verify_init(&t->verify, trust, pin, host, e) : rc;
	if (rc == 0) {
		br_ssl_engine_set_x509(&c->eng, &t->verify.class);
		(void)br_ssl_client_reset(c, tls_address(host, address) > 0 ? NULL : host, 0);
	}
	return set_off(t, rc, e);
}

void tls_free(struct tls *t)
{
	if (t != NULL) {
		tls_verify_free(&t->verify);
		wipe(t, sizeof *t);
		free(t);
	}
}

/* --- bytes --- */

const uint8_t *tls_out(struct tls *t, size_t *n)
{
	return br_ssl_engine_sendrec_buf(t->engine, n);
}

void tls_out_done(struct tls *t, size_t n)
{
	br_ssl_engine_sendrec_ack(t->engine, n);
}

uint8_t *tls_in(struct tls *t, size_t *n)
{
	return br_ssl_engine_recvrec_buf(t->engine, n);
}

void tls_in_done(struct tls *t, size_t n)
{
	br_ssl_engine_recvrec_ack(t->engine, n);
}

const uint8_t *tls_text(struct tls *t, size_t *n)
{
	return br_ssl_engine_recvapp_buf(t->engine, n);
}

void tls_text_done(struct tls *t, size_t n)
{
	br_ssl_engine_recvapp_ack(t->engine, n);
}

uint8_t *tls_room(struct tls *t, size_t *n)
{
	return br_ssl_engine_sendapp_buf(t->engine, n);
}

void tls_room_done(struct tls *t, size_t n)
{
	br_ssl_engine_sendapp_ack(t->engine, n);
}

void tls_flush(struct tls *t)
{
	br_ssl_engine_flush(t->engine, 0);
}

void tls_close(struct tls *t)
{
	br_ssl_engine_close(t->engine);
}

/* --- state --- */

bool tls_is_ready(const struct tls *t)
{
	return (br_ssl_engine_current_state(t->engine) & BR_SSL_SENDAPP) != 0;
}

enum tls_state tls_state(const struct tls *t)
{
	if (br_ssl_engine_current_state(t->engine) != BR_SSL_CLOSED) {
		return TLS_OPEN;
	}
	return br_ssl_engine_last_error(t->engine) == BR_ERR_OK ? TLS_CLOSED : TLS_FAILED;
}

int tls_failure(const struct tls *t, struct err *e)
{
	return tls_error(br_ssl_engine_last_error(t->engine), e);
}

void tls_describe(const struct tls *t, char out[static TLS_SUITE_MAX])
{
	br_ssl_session_parameters session;
	const char *name = "";

	br_ssl_engine_get_session_parameters(t->engine, &session);
	for (size_t i = 0; i < SUITES; i++) {
		name = suites[i].suite == session.cipher_suite ? suites[i].name : name;
	}
	wipe(&session, sizeof session);
	(void)snprintf(out, TLS_SUITE_MAX, "TLS1.2 %s", name);
}
