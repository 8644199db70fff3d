/* The header of a sealed file; see age_header.h. */
#include "age_header.h"

#include "hkdf.h"
#include "random.h"

#define VERSION_LINE "age-encryption.org/v1"
#define X25519_LABEL "age-encryption.org/v1/X25519"

enum {
	LINE = 64,       /* characters in a whole line of a stanza's body */
	LINE_BYTES = 48, /* which are so many */
	TEXT_32 = 43     /* 32 bytes in base64 */
};

static void header_mac(uint8_t out[static HASH_BYTES], const uint8_t file_key[static AGE_FILE_KEY],
	const void *text, size_t n)
{
	uint8_t key[HASH_BYTES];

	(void)hkdf_sha256(key, sizeof key, NULL, 0, file_key, AGE_FILE_KEY, "header", 6);
	hmac_sha256(out, key, sizeof key, text, n);
	wipe(key, sizeof key);
}

/* What the file key is sealed under for one recipient. shared: X25519's result. */
static void wrap_key(uint8_t out[static CHACHA_KEY], const uint8_t shared[static X25519_BYTES],
	const uint8_t share[static X25519_BYTES], const uint8_t recipient[static X25519_BYTES])
{
	uint8_t salt[2 * X25519_BYTES];

	memcpy(salt, share, X25519_BYTES);
	memcpy(salt + X25519_BYTES, recipient, X25519_BYTES);
	(void)hkdf_sha256(out, CHACHA_KEY, salt, sizeof salt, shared, X25519_BYTES, X25519_LABEL,
		sizeof X25519_LABEL - 1);
}

/* the key serves once */
static const uint8_t nonce[CHACHA_NONCE];

/* --- writing --- */

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* A stanza with a share of its own. */
static int put_stanza(struct buf *out, const uint8_t file_key[static AGE_FILE_KEY],
	const uint8_t recipient[static X25519_BYTES], struct err *e)
{
	uint8_t shared[X25519_BYTES], key[CHACHA_KEY], body[AGE_BODY];
	char share_text[TEXT_32 + 1], body_text[TEXT_32 + 1], lines[128];
	struct x25519_pair own;
	int rc = x25519_generate(&own, e);

	if (rc == 0 && x25519_shared(shared, own.private, recipient) != 0) {
		rc = err_set(e, EX_DATAERR, "a recipient is a point of low order, not a key");
	}
	if (rc == 0) {
		wrap_key(key, shared, own.public, recipient);
		memcpy(body, file_key, AGE_FILE_KEY);
		chacha_seal(key, nonce, NULL, 0, body, AGE_FILE_KEY, body + AGE_FILE_KEY);
		(void)base64_encode(share_text, own.public, sizeof own.public);
		(void)base64_encode(body_text, body, sizeof body);
		(void)snprintf(lines, sizeof lines, "-> X25519 %s\n%s\n", share_text, body_text);
		rc = buf_append_str(out, lines) == 0 ? 0 : no_memory(e);
	}
	wipe(&own, sizeof own);
	wipe(shared, sizeof shared);
	wipe(key, sizeof key);
	return rc;
}

int age_header_make(struct buf *out, const uint8_t file_key[static AGE_FILE_KEY],
	const struct age_recipient *recipients, size_t n, struct err *e)
{
	uint8_t mac[HASH_BYTES];
	char text[TEXT_32 + 1];
	size_t start = out->n;

	if (n == 0 || n > AGE_RECIPIENTS_MAX) {
		return err_set(e, EX_DATAERR, "a sealed file has 1 to %d recipients, not %zu",
			AGE_RECIPIENTS_MAX, n);
	}
	if (buf_append_str(out, VERSION_LINE "\n") != 0) {
		return no_memory(e);
	}
	for (size_t i = 0; i < n; i++) {
		if (put_stanza(out, file_key, recipients[i].key, e) != 0) {
			return -1;
		}
	}
	if (buf_append_str(out, "---") != 0) {
		return no_memory(e);
	}
	header_mac(mac, file_key, out->p + start, out->n - start);
	(void)base64_encode(text, mac, sizeof mac);
	return buf_append_str(out, " ") == 0 && buf_append_str(out, text) == 0 &&
			       buf_append_str(out, "\n") == 0
		       ? 0
		       : no_memory(e);
}

/* --- reading --- */

static int bad(enum age_fault *fault, struct err *e, const char *why)
{
	return age_fault_set(fault, AGE_BAD_HEADER, e, why);
}

static const char no_header[] = "it is no file of age-encryption.org/v1";

/* Base64 of exactly 32 bytes. */
static int read_32(uint8_t out[static 32], const uint8_t *p, size_t n)
{
	return n == TEXT_32 && base64_decode(out, 32, (const char *)p, n) == 32 ? 0 : -1;
}

static bool is_word(const uint8_t *p, size_t n, const char *text)
{
	return n == strlen(text) && memcmp(p, text, n) == 0;
}

/* The arguments of a stanza's first line: one or more, each of printing characters. */
static int read_arguments(
	struct age_header *h, const uint8_t *p, size_t n, enum age_fault *fault, struct err *e)
{
	size_t count = 0, k;
	bool share = false;

	h->ours = false;
	for (size_t at = 0; at <= n; at += k + 1, count++) {
		for (k = 0; at + k < n && p[at + k] != ' '; k++) {
			if (p[at + k] < 0x21 || p[at + k] > 0x7e) {
				return bad(fault, e, "a stanza holds a character that none may");
			}
		}
		if (k == 0) {
			return bad(fault, e, "a stanza has an empty argument");
		}
		if (count == 0) {
			h->ours = is_word(p, k, "X25519");
			h->scrypt = h->scrypt || is_word(p, k, "scrypt");
		} else if (count == 1 && h->ours) {
			share = read_32(h->share, p + at, k) == 0;
		}
	}
	return !h->ours || (count == 2 && share)
		       ? 0
		       : bad(fault, e, "a stanza for X25519 does not hold one share");
}

/* Try each identity on the stanza that has just ended. */
static int unwrap(struct age_header *h, enum age_fault *fault, struct err *e)
{
	uint8_t shared[X25519_BYTES], key[CHACHA_KEY], body[AGE_BODY];
	int rc = 0;

	for (size_t i = 0; i < h->identities_n && !h->matched && rc == 0; i++) {
		const struct x25519_pair *own = &h->identities[i];
		if (x25519_shared(shared, own->private, h->share) != 0) {
			rc = bad(fault, e, "a stanza's share is a point of low order");
			break;
		}
		wrap_key(key, shared, h->share, own->public);
		memcpy(body, h->body, sizeof body);
		h->matched = chacha_open(key, nonce, NULL, 0, body, AGE_FILE_KEY,
				     body + AGE_FILE_KEY) == 0;
		if (h->matched) {
			memcpy(h->file_key, body, AGE_FILE_KEY);
		}
	}
	wipe(shared, sizeof shared);
	wipe(key, sizeof key);
	wipe(body, sizeof body);
	return rc;
}

/* A line of a stanza's body; the first that is not full is its last. */
static int read_body(
	struct age_header *h, const uint8_t *p, size_t n, enum age_fault *fault, struct err *e)
{
	uint8_t data[LINE_BYTES];
	int k = n > LINE ? -1 : base64_decode(data, sizeof data, (const char *)p, n);

	if (k < 0) {
		return bad(fault, e, "a stanza's body is no canonical base64 in lines of 64");
	}
	if (h->body_n + (size_t)k <= AGE_BODY) {
		memcpy(h->body + h->body_n, data, (size_t)k);
	}
	h->body_n += (size_t)k;
	if (n == LINE) {
		return 0;
	}
	h->expects = AGE_STANZA;
	h->stanzas++;
	if (!h->ours) {
		return 0;
	}
	/* ahead of opening it: a longer one may open under several keys */
	return h->body_n == AGE_BODY ? unwrap(h, fault, e)
				     : bad(fault, e, "a stanza for X25519 does not hold 32 bytes");
}

/* The last line. Is it all in order, and is there a file key? 1 or -1. */
static int read_mac(
	struct age_header *h, const uint8_t *p, size_t n, enum age_fault *fault, struct err *e)
{
	uint8_t mac[HASH_BYTES], theirs[HASH_BYTES];

	h->expects = AGE_HEADER_WHOLE;
	if (n < 4 || p[3] != ' ' || read_32(theirs, p + 4, n - 4) != 0) {
		return bad(fault, e, "the header's last line is no MAC");
	}
	if (h->stanzas == 0) {
		return bad(fault, e, "the header names no recipient");
	}
	if (h->scrypt && h->stanzas > 1) {
		return bad(fault, e, "the header has a passphrase, and not alone");
	}
	if (!h->matched) {
		*fault = AGE_NO_MATCH;
		return err_set(e, EX_NOPERM,
			h->scrypt ? "it is sealed with a passphrase, which is not read here"
				  : "none of the identities opens it");
	}
	header_mac(mac, h->file_key, h->text.p, h->line + 3);
	if (!ct_eq(mac, theirs, sizeof mac)) {
		return age_fault_set(fault, AGE_BAD_HMAC, e, "the header was changed");
	}
	return 1;
}

/* A line is whole: n bytes from h->line on, without the LF. */
static int read_line(struct age_header *h, size_t n, enum age_fault *fault, struct err *e)
{
	const uint8_t *p = h->text.p + h->line;

	switch (h->expects) {
	case AGE_VERSION:
		h->expects = AGE_STANZA;
		return is_word(p, n, VERSION_LINE) ? 0 : bad(fault, e, no_header);
	case AGE_STANZA_BODY:
		return read_body(h, p, n, fault, e);
	case AGE_STANZA:
		if (n >= 3 && memcmp(p, "---", 3) == 0) {
			return read_mac(h, p, n, fault, e);
		}
		if (n < 3 || memcmp(p, "-> ", 3) != 0) {
			return bad(fault, e, "the header holds a line that is no stanza");
		}
		h->expects = AGE_STANZA_BODY;
		h->body_n = 0;
		return read_arguments(h, p + 3, n - 3, fault, e);
	case AGE_HEADER_WHOLE:
		break;
	}
	return err_set(e, EX_SOFTWARE, "a header that is whole was read on");
}

int age_header_read(struct age_header *h, const void *p, size_t n, size_t *used,
	enum age_fault *fault, struct err *e)
{
	const uint8_t *s = p;
	int rc = 0;

	for (*used = 0; *used < n && rc == 0;) {
		const uint8_t *end = memchr(s + *used, '\n', n - *used);
		size_t k = end == NULL ? n - *used : (size_t)(end - s) + 1 - *used;
		if (k > AGE_HEADER_MAX - h->text.n) {
			return bad(fault, e, "the header is larger than 1 MiB");
		}
		if (buf_append(&h->text, s + *used, k) != 0) {
			return no_memory(e);
		}
		*used += k;
		/* what is something else altogether is told at once */
		if (h->expects == AGE_VERSION && h->text.n > sizeof VERSION_LINE) {
			return bad(fault, e, no_header);
		}
		if (end != NULL) {
			rc = read_line(h, h->text.n - 1 - h->line, fault, e);
			h->line = h->text.n;
		}
	}
	return rc;
}

void age_header_wipe(struct age_header *h)
{
	buf_free(&h->text);
	wipe(h, sizeof *h);
}
