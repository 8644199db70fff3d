/* DER and the envelopes of keys; see der.h. Lengths are definite and as short as they can be, and
 * nothing may stand behind what was read. */
#include "der.h"

enum { EC = DER_P256 + 1 }; /* any curve but ours */
enum { ALGORITHM_MAX = 19, DER_ATTRIBUTES = 0xa0, DER_PUBLIC = 0x81 /* RFC 5958 2: [0], [1] */ };

/* What an AlgorithmIdentifier holds: an OID and its parameters. The first three are enum
 * der_kind; the others are named in errors alone, and we know no parameters of theirs. */
static const struct {
	const char *name;
	size_t n;
	uint8_t algorithm[ALGORITHM_MAX];
} kinds[] = {
	/* RFC 8017 A.1: with NULL */
	[DER_RSA] = {"RSA", 13,
		{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00}},
	/* RFC 8410 3: without parameters */
	[DER_X25519] = {"X25519", 5, {0x06, 0x03, 0x2b, 0x65, 0x6e}},
	/* RFC 5480 2.1.1: with the curve */
	[DER_P256] = {"EC P-256", 19,
		{0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
			0xce, 0x3d, 0x03, 0x01, 0x07}},
	[EC] = {"EC", 9, {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}},
	{"X448", 5, {0x06, 0x03, 0x2b, 0x65, 0x6f}},
	{"Ed25519", 5, {0x06, 0x03, 0x2b, 0x65, 0x70}},
	{"Ed448", 5, {0x06, 0x03, 0x2b, 0x65, 0x71}},
	{"DSA", 9, {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01}},
	{"RSA-PSS", 11, {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* --- reading --- */

static size_t get_length(struct cursor *c)
{
	uint8_t first = get_u8(c);
	size_t n = 0;

	if (first < 0x80) {
		return first;
	}
	if (first > 0x83 || first == 0x80) {
		c->failed = true;
		return 0;
	}
	for (int i = 0; i < (first & 0x7f); i++) {
		n = n << 8 | get_u8(c);
	}
	if (n < 0x80 || (first > 0x81 && n >> (8 * ((first & 0x7f) - 1)) == 0)) {
		c->failed = true;
	}
	return n;
}

struct cursor der_get_element(struct cursor *c, uint8_t tag)
{
	if (get_u8(c) != tag) {
		c->failed = true;
	}
	size_t n = get_length(c);
	const uint8_t *p = get_bytes(c, n);
	struct cursor inner = cursor_over(p, p == NULL ? 0 : n);
	inner.failed = c->failed;
	return inner;
}

uint8_t der_get_small(struct cursor *c)
{
	struct cursor i = der_get_element(c, DER_INTEGER);

	if (cursor_left(&i) != 1 || i.p[0] >= 0x80) {
		c->failed = true;
		return 0;
	}
	return i.p[0];
}

bool der_next_is(const struct cursor *c, uint8_t tag)
{
	return cursor_left(c) > 0 && c->p[0] == tag;
}

bool der_at_end(const struct cursor *c)
{
	return !c->failed && c->n == 0;
}

/* What a BIT STRING of whole bytes holds. */
static struct cursor get_bits(struct cursor *c, uint8_t tag)
{
	struct cursor bits = der_get_element(c, tag);

	if (get_u8(&bits) != 0 || bits.failed) {
		bits.failed = c->failed = true;
	}
	return bits;
}

/* --- writing --- */

int der_put_head(struct buf *out, uint8_t tag, size_t n)
{
	uint8_t head[5] = {tag};
	size_t k = 1;

	if (n >= 0x80) {
		size_t bytes = n > 0xffff ? 3 : n > 0xff ? 2 : 1;
		head[k++] = (uint8_t)(0x80 | bytes);
		while (bytes-- > 0) {
			head[k++] = (uint8_t)(n >> (8 * bytes));
		}
	} else {
		head[k++] = (uint8_t)n;
	}
	return buf_append(out, head, k);
}

size_t der_head_len(size_t n)
{
	return n < 0x80 ? 2 : n <= 0xff ? 3 : n <= 0xffff ? 4 : 5;
}

static int put_algorithm(struct buf *out, enum der_kind kind)
{
	return der_put_head(out, DER_SEQUENCE, kinds[kind].n) != 0
		       ? -1
		       : buf_append(out, kinds[kind].algorithm, kinds[kind].n);
}

/* An element's length with its head. */
static size_t whole(size_t n)
{
	return der_head_len(n) + n;
}

int der_put_public_head(struct buf *out, enum der_kind kind, size_t n)
{
	size_t bits = 1 + n; /* how many of the last byte's bits are unused: none */

	if (der_put_head(out, DER_SEQUENCE, whole(kinds[kind].n) + whole(bits)) != 0 ||
		put_algorithm(out, kind) != 0 || der_put_head(out, DER_BIT_STRING, bits) != 0) {
		return -1;
	}
	return buf_append(out, "", 1);
}

int der_put_private_head(struct buf *out, enum der_kind kind, size_t n)
{
	static const uint8_t version[] = {DER_INTEGER, 1, 0};

	if (der_put_head(out, DER_SEQUENCE, sizeof version + whole(kinds[kind].n) + whole(n)) !=
			0 ||
		buf_append(out, version, sizeof version) != 0 || put_algorithm(out, kind) != 0) {
		return -1;
	}
	return der_put_head(out, DER_OCTET_STRING, n);
}

/* --- envelopes --- */

int der_damaged(enum der_kind kind, const char *half, struct err *e)
{
	return err_set(e, EX_CONFIG, "its %s %s key is damaged", kinds[kind].name, half);
}

/* found may be KINDS: none that we know. */
static int other_kind(size_t found, enum der_kind want, struct err *e)
{
	if (found == KINDS) {
		return err_set(e, EX_CONFIG, "it is no %s key", kinds[want].name);
	}
	return err_set(e, EX_CONFIG, "it is no %s key: it is %s%s", kinds[want].name,
		kinds[found].name, want == DER_P256 && found == EC ? " of another curve" : "");
}

/* The label is not that of an envelope. Some tell a kind: "EC PRIVATE KEY" (SEC 1). */
static int wrong_label(const struct pem *pem, enum der_kind want, const char *half, struct err *e)
{
	for (size_t i = 0; i < KINDS; i++) {
		size_t n = strlen(kinds[i].name);
		if (i != (size_t)want && strncmp(pem->label, kinds[i].name, n) == 0 &&
			pem->label[n] == ' ') {
			return other_kind(i, want, e);
		}
	}
	err_set(e, EX_CONFIG, "it holds a \"%s\", not a %s key", pem->label, half);
	if (strcmp(pem->label, "ENCRYPTED PRIVATE KEY") == 0) {
		err_hint(e, "take its passphrase off: openssl pkey -in FILE -out NEWFILE");
	}
	return -1;
}

/* Read the AlgorithmIdentifier, which must be this kind's. */
static int take_algorithm(struct cursor *c, enum der_kind want, const char *half, struct err *e)
{
	struct cursor a = der_get_element(c, DER_SEQUENCE);
	size_t found = 0;

	if (a.failed) {
		return der_damaged(want, half, e);
	}
	for (; found < KINDS; found++) {
		size_t oid = 2u + kinds[found].algorithm[1];
		if (found == DER_P256) {
			oid = kinds[found].n; /* an EC key of another curve is another kind */
		}
		if (a.n >= oid && memcmp(a.p, kinds[found].algorithm, oid) == 0) {
			break;
		}
	}
	if (found != (size_t)want) {
		return other_kind(found, want, e);
	}
	if (a.n != kinds[want].n || memcmp(a.p, kinds[want].algorithm, a.n) != 0) {
		return der_damaged(want, half, e); /* other parameters */
	}
	return 0;
}

int der_open_public(struct cursor *key, const struct pem *pem, enum der_kind want, struct err *e)
{
	struct cursor c = cursor_over(pem->der.p, pem->der.n), seq;

	if (strcmp(pem->label, "PUBLIC KEY") != 0) {
		return wrong_label(pem, want, "public", e);
	}
	seq = der_get_element(&c, DER_SEQUENCE);
	if (take_algorithm(&seq, want, "public", e) != 0) {
		return -1;
	}
	*key = get_bits(&seq, DER_BIT_STRING);
	return der_at_end(&seq) && der_at_end(&c) ? 0 : der_damaged(want, "public", e);
}

int der_open_private(
	struct der_private *out, const struct pem *pem, enum der_kind want, struct err *e)
{
	struct cursor c = cursor_over(pem->der.p, pem->der.n), seq;
	uint8_t version;

	*out = (struct der_private){.has_public = false};
	if (strcmp(pem->label, "PRIVATE KEY") != 0) {
		return wrong_label(pem, want, "private", e);
	}
	seq = der_get_element(&c, DER_SEQUENCE);
	version = der_get_small(&seq);
	if (version > 1) {
		return der_damaged(want, "private", e);
	}
	if (take_algorithm(&seq, want, "private", e) != 0) {
		return -1;
	}
	out->key = der_get_element(&seq, DER_OCTET_STRING);
	if (der_next_is(&seq, DER_ATTRIBUTES)) {
		(void)der_get_element(&seq, DER_ATTRIBUTES);
	}
	out->has_public = version == 1 && der_next_is(&seq, DER_PUBLIC);
	if (out->has_public) {
		out->public = get_bits(&seq, DER_PUBLIC);
	}
	return der_at_end(&seq) && der_at_end(&c) ? 0 : der_damaged(want, "private", e);
}
