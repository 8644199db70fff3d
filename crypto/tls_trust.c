/* The certificates that a client trusts, from a PEM bundle; see tls.h. */
#include "pem.h"
#include "tls_state.h"

struct name {
	struct buf der;
	bool no_memory;
};

static void take_name(void *arg, const void *p, size_t n)
{
	struct name *name = arg;

	name->no_memory = buf_append(&name->der, p, n) != 0 || name->no_memory;
}

/* A copy of n bytes in fresh memory, or NULL. */
static uint8_t *copy(const uint8_t *p, size_t n)
{
	uint8_t *q = malloc(n == 0 ? 1 : n);

	if (q != NULL) {
		memcpy(q, p, n);
	}
	return q;
}

/* The decoder's key points into the decoder. */
static bool copy_key(br_x509_pkey *out, const br_x509_pkey *key)
{
	*out = *key;
	if (key->key_type == BR_KEYTYPE_RSA) {
		out->key.rsa.n = copy(key->key.rsa.n, key->key.rsa.nlen);
		out->key.rsa.e = copy(key->key.rsa.e, key->key.rsa.elen);
		return out->key.rsa.n != NULL && out->key.rsa.e != NULL;
	}
	out->key.ec.q = copy(key->key.ec.q, key->key.ec.qlen);
	return out->key.ec.q != NULL;
}

static void free_anchor(br_x509_trust_anchor *a)
{
	free(a->dn.data);
	if (a->pkey.key_type == BR_KEYTYPE_RSA) {
		free(a->pkey.key.rsa.n);
		free(a->pkey.key.rsa.e);
	} else if (a->pkey.key_type == BR_KEYTYPE_EC) {
		free(a->pkey.key.ec.q);
	}
}

/* Room for one more. */
static br_x509_trust_anchor *add(struct tls_trust *t)
{
	br_x509_trust_anchor *more = reallocarray(t->anchors, t->n + 1, sizeof *more);

	if (more == NULL) {
		return NULL;
	}
	t->anchors = more;
	more[t->n] = (br_x509_trust_anchor){.flags = 0};
	return &more[t->n++];
}

/* One that signs others is a CA; any other is trusted as the server's own. */
static int take_anchor(
	struct tls_trust *t, br_x509_decoder_context *d, struct name *name, struct err *e)
{
	br_x509_trust_anchor *a = name->no_memory ? NULL : add(t);

	if (a == NULL || !copy_key(&a->pkey, br_x509_decoder_get_pkey(d))) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	a->flags = br_x509_decoder_isCA(d) ? BR_X509_TA_CA : 0;
	a->dn = (br_x500_name){.data = name->der.p, .len = name->der.n};
	name->der = (struct buf){0}; /* it is the anchor's now */
	return 0;
}

static int take_certificate(
	struct tls_trust *t, const struct pem *pem, size_t number, struct err *e)
{
	br_x509_decoder_context d;
	struct name name = {.no_memory = false};
	int code, rc = 0;

	br_x509_decoder_init(&d, take_name, &name);
	br_x509_decoder_push(&d, pem->der.p, pem->der.n);
	code = br_x509_decoder_last_error(&d);
	if (code == 0) {
		rc = take_anchor(t, &d, &name, e);
	} else if (code != BR_ERR_X509_UNSUPPORTED) {
		tls_error(code, e);
		e->code = EX_CONFIG;
		rc = err_prefix(e, "certificate %zu in it", number);
	}
	buf_free(&name.der);
	return rc;
}

static int take_all(struct tls_trust *t, struct cursor text, struct err *e)
{
	struct pem pem;
	int rc = 0;

	for (size_t number = 1; rc == 0 && pem_more(&text);) {
		rc = pem_next(&pem, &text, e);
		if (rc == 0 && strcmp(pem.label, "CERTIFICATE") == 0) {
			rc = take_certificate(t, &pem, number++, e);
		}
		pem_free(&pem);
	}
	return rc;
}

int tls_trust_parse(struct tls_trust **out, const void *text, size_t n, struct err *e)
{
	struct tls_trust *t = calloc(1, sizeof *t);
	int rc;

	*out = NULL;
	if (t == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = take_all(t, cursor_over(text, n), e);
	if (rc == 0 && t->n == 0) {
		rc = err_set(e, EX_CONFIG, "it holds no certificate that can be used");
	}
	if (rc != 0) {
		tls_trust_free(t);
		return -1;
	}
	*out = t;
	return 0;
}

void tls_trust_free(struct tls_trust *t)
{
	if (t != NULL) {
		for (size_t i = 0; i < t->n; i++) {
			free_anchor(&t->anchors[i]);
		}
		free(t->anchors);
		free(t);
	}
}
