/* A server's certificate chain and private key, and a client's trusted certificates, from PEM; see
 * tls.h. */
#include "hash.h"
#include "tls_state.h"
#include "x509.h"

enum {
	RSA_BITS_LEAST = 2048,
	RSA_BITS_MOST = 4096, /* what BearSSL's buffers hold */
	SIGNATURE_MAX = RSA_BITS_MOST / 8,
	DAYS_TO_1970 = 719528,
	SECONDS_A_DAY = 86400
};

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* A certificate that BearSSL's decoder refused with this code. */
static int bad_certificate(size_t number, int code, struct err *e)
{
	tls_error(code, e);
	e->code = EX_CONFIG;
	return err_prefix(e, "certificate %zu in it", number);
}

/* --- the chain --- */

static int take_certificate(struct tls_identity *id, struct pem *pem, struct err *e)
{
	struct cursor spki;

	if (id->chain_n == TLS_CHAIN_MAX) {
		return err_set(
			e, EX_CONFIG, "it holds more than %d certificates", (int)TLS_CHAIN_MAX);
	}
	if (!x509_spki(pem->der.p, pem->der.n, &spki)) {
		return bad_certificate(id->chain_n + 1, BR_ERR_X509_INVALID_VALUE, e);
	}
	id->chain[id->chain_n++] =
		(br_x509_certificate){.data = pem->der.p, .data_len = pem->der.n};
	pem->der = (struct buf){0}; /* it is the chain's now */
	return 0;
}

static int parse_chain(struct tls_identity *id, const void *text, size_t n, struct err *e)
{
	struct cursor c = cursor_over(text, n);
	struct pem pem;
	int rc = 0;

	while (rc == 0 && pem_more(&c)) {
		rc = pem_next(&pem, &c, e);
		if (rc == 0) {
			rc = strcmp(pem.label, "CERTIFICATE") == 0 ? take_certificate(id, &pem, e)
								   : 0;
			pem_free(&pem);
		}
	}
	if (rc == 0 && id->chain_n == 0) {
		return err_set(e, EX_CONFIG, "it holds no certificate");
	}
	return rc;
}

static int64_t seconds(uint32_t days, uint32_t of_day)
{
	return ((int64_t)days - DAYS_TO_1970) * SECONDS_A_DAY + of_day;
}

/* What the first certificate says; d holds its key afterwards. */
static int read_certificate(struct tls_identity *id, br_x509_decoder_context *d, struct err *e)
{
	struct tls_certificate *own = &id->certificate;
	const br_x509_certificate *c = &id->chain[0];
	struct cursor spki;
	int code;

	br_x509_decoder_init(d, NULL, NULL);
	br_x509_decoder_push(d, c->data, c->data_len);
	code = br_x509_decoder_last_error(d);
	if (code != 0) {
		return bad_certificate(1, code, e);
	}
	(void)x509_spki(c->data, c->data_len, &spki); /* it was there when the chain was read */
	hash_of(spki.p, spki.n, own->pin);
	hash_of(c->data, c->data_len, own->digest);
	own->from = seconds(d->notbefore_days, d->notbefore_seconds);
	own->until = seconds(d->notafter_days, d->notafter_seconds);
	return 0;
}

/* --- the private key --- */

static bool is_private_key(const char *label)
{
	return strcmp(label, "PRIVATE KEY") == 0 || strcmp(label, "RSA PRIVATE KEY") == 0 ||
	       strcmp(label, "EC PRIVATE KEY") == 0;
}

static int encrypted(struct err *e)
{
	err_set(e, EX_CONFIG, "its private key is encrypted");
	return err_hint(e, "take its passphrase off: openssl pkey -in FILE -out NEWFILE");
}

/* Is it one that we can sign with? */
static int check_key(const br_skey_decoder_context *d, struct err *e)
{
	const br_rsa_private_key *rsa;
	int curve;

	if (br_skey_decoder_last_error(d) != 0) {
		return err_set(e, EX_CONFIG, "its private key is damaged, or neither RSA nor EC");
	}
	if (br_skey_decoder_key_type(d) == BR_KEYTYPE_RSA) {
		rsa = br_skey_decoder_get_rsa(d);
		return rsa->n_bitlen >= RSA_BITS_LEAST && rsa->n_bitlen <= RSA_BITS_MOST
			       ? 0
			       : err_set(e, EX_CONFIG, "its RSA key has %u bits, not %d to %d",
					 (unsigned)rsa->n_bitlen, (int)RSA_BITS_LEAST,
					 (int)RSA_BITS_MOST);
	}
	curve = br_skey_decoder_get_ec(d)->curve;
	return curve == BR_EC_secp256r1 || curve == BR_EC_secp384r1
		       ? 0
		       : err_set(e, EX_CONFIG,
				 "its EC key is on another curve than P-256 and P-384");
}

static int take_key(struct tls_identity *id, const struct pem *pem, struct err *e)
{
	if (strcmp(pem->label, "ENCRYPTED PRIVATE KEY") == 0) {
		return encrypted(e);
	}
	if (!is_private_key(pem->label)) {
		return 0; /* "EC PARAMETERS", or a certificate beside its key */
	}
	if (id->key_type != 0) {
		return err_set(e, EX_CONFIG, "it holds more than one private key");
	}
	br_skey_decoder_init(&id->key);
	br_skey_decoder_push(&id->key, pem->der.p, pem->der.n);
	id->key_type = br_skey_decoder_key_type(&id->key);
	return check_key(&id->key, e);
}

static int parse_key(struct tls_identity *id, const void *text, size_t n, struct err *e)
{
	static const char old_way[] = "Proc-Type: 4,ENCRYPTED"; /* RFC 1421 4.6.1.1 */
	struct cursor c = cursor_over(text, n);
	struct pem pem;
	int rc = 0;

	if (n > 0 && memmem(text, n, old_way, sizeof old_way - 1) != NULL) {
		return encrypted(e);
	}
	while (rc == 0 && pem_more(&c)) {
		rc = pem_next(&pem, &c, e);
		if (rc == 0) {
			rc = take_key(id, &pem, e);
			pem_free(&pem);
		}
	}
	if (rc == 0 && id->key_type == 0) {
		return err_set(e, EX_CONFIG, "it holds no private key");
	}
	return rc;
}

/* --- do they belong together? --- */

static bool rsa_signs(const br_skey_decoder_context *key, const br_rsa_public_key *public,
	const uint8_t hash[static HASH_BYTES])
{
	const br_rsa_private_key *private = br_skey_decoder_get_rsa(key);
	uint8_t signature[SIGNATURE_MAX], seen[HASH_BYTES];

	return br_rsa_pkcs1_sign_get_default()(
		       BR_HASH_OID_SHA256, hash, HASH_BYTES, private, signature) == 1 &&
	       br_rsa_pkcs1_vrfy_get_default()(signature, (private->n_bitlen + 7) / 8,
		       BR_HASH_OID_SHA256, HASH_BYTES, public, seen) == 1 &&
	       ct_eq(seen, hash, HASH_BYTES);
}

static bool ec_signs(const br_skey_decoder_context *key, const br_ec_public_key *public,
	const uint8_t hash[static HASH_BYTES])
{
	const br_ec_private_key *private = br_skey_decoder_get_ec(key);
	uint8_t signature[SIGNATURE_MAX];
	size_t n;

	n = br_ecdsa_sign_asn1_get_default()(
		br_ec_get_default(), &br_sha256_vtable, hash, private, signature);
	return n > 0 && br_ecdsa_vrfy_asn1_get_default()(
				br_ec_get_default(), hash, HASH_BYTES, public, signature, n) == 1;
}

/* What the key signs must be what the certificate's key verifies: as the handshake has it. */
static int check_pair(const struct tls_identity *id, br_x509_decoder_context *d, struct err *e)
{
	const br_x509_pkey *public = br_x509_decoder_get_pkey(d);
	uint8_t hash[HASH_BYTES];
	bool same = public->key_type == id->key_type;

	hash_of("smtp361", 7, hash);
	if (same) {
		same = id->key_type == BR_KEYTYPE_RSA ? rsa_signs(&id->key, &public->key.rsa, hash)
						      : ec_signs(&id->key, &public->key.ec, hash);
	}
	return same ? 0 : err_set(e, EX_CONFIG, "its private key is not that of the certificate");
}

int tls_identity_parse(struct tls_identity **out, const void *chain, size_t chain_n,
	const void *key, size_t key_n, bool *from_key, struct err *e)
{
	struct tls_identity *id = calloc(1, sizeof *id);
	br_x509_decoder_context d;
	int rc;

	*out = NULL;
	*from_key = false;
	if (id == NULL) {
		return no_memory(e);
	}
	rc = parse_chain(id, chain, chain_n, e);
	rc = rc == 0 ? read_certificate(id, &d, e) : rc;
	if (rc == 0) {
		*from_key = true;
		rc = parse_key(id, key, key_n, e);
		rc = rc == 0 ? check_pair(id, &d, e) : rc;
	}
	if (rc != 0) {
		tls_identity_free(id);
		return -1;
	}
	*out = id;
	return 0;
}

void tls_identity_forget_key(struct tls_identity *id)
{
	if (id != NULL) {
		wipe(&id->key, sizeof id->key);
		id->key_type = 0;
	}
}

void tls_identity_free(struct tls_identity *id)
{
	if (id != NULL) {
		for (size_t i = 0; i < id->chain_n; i++) {
			free(id->chain[i].data); /* public */
		}
		wipe(id, sizeof *id);
		free(id);
	}
}

const struct tls_certificate *tls_identity_certificate(const struct tls_identity *id)
{
	return &id->certificate;
}
