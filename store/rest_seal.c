/* What mail at rest hides in the place of names and titles, and what stands ahead of a sealed text;
 * see rest_text.h. */
#include "rest_text.h"

#include "../crypto/hkdf.h"
#include "../crypto/random.h"
#include "filename.h"

_Static_assert((int)REST_SEAL_MAX <= (int)MAILBOX_TITLE_ROOM, "the files engine takes it");
_Static_assert(((REST_SEALED_FIXED + USER_NAME_MAX + MAILBOX_TITLE_BYTES + REST_PAD - 1) &
		       ~(REST_PAD - 1)) == REST_SEALED_MAX,
	"the longest title fits");
_Static_assert((int)REST_TEXT_HEAD_MAX < (int)MAILBOX_HEAD_MAX, "describe is shown all of it");

static const char magic[8] = {'S', '3', '6', '1', 'R', 'S', 'T', '1'};

/* --- names --- */

static void name_digest(
	const struct rest_key *key, const char *user, uint8_t out[static HASH_BYTES])
{
	hmac_sha256(out, key->names, sizeof key->names, user, strlen(user));
}

void rest_name(const struct rest_key *key, const char *user, char out[static USER_NAME_MAX + 1])
{
	uint8_t digest[HASH_BYTES];
	char hex[USER_NAME_MAX + 1];

	name_digest(key, user, digest);
	hex_encode(hex, digest, USER_NAME_MAX / 2);
	out[0] = 'u';
	memcpy(out + 1, hex, USER_NAME_MAX - 1);
	out[USER_NAME_MAX] = '\0';
}

void rest_user_key(const struct rest_key *key, const char *user, struct rest_user *out)
{
	uint8_t digest[HASH_BYTES], own[REST_KEY];

	name_digest(key, user, digest);
	memcpy(out->selector, digest + HASH_BYTES - REST_SELECTOR, REST_SELECTOR);
	hmac_sha256(own, key->users, sizeof key->users, user, strlen(user));
	gcm_init(&out->key, own);
	wipe(own, sizeof own);
}

/* --- the seal --- */

static size_t padded(size_t title_n)
{
	return (REST_SEALED_FIXED + USER_NAME_MAX + title_n + REST_PAD - 1) &
	       ~(size_t)(REST_PAD - 1);
}

/* A title stands in the header, so it has no more bytes; the name of a damaged file does not. */
size_t rest_seal_room(size_t head_n)
{
	size_t title_n = head_n < MAILBOX_TITLE_BYTES ? head_n : MAILBOX_TITLE_BYTES;

	title_n = title_n > FILENAME_MAX_BYTES ? title_n : FILENAME_MAX_BYTES;
	return base64_len(GCM_NONCE + padded(title_n) + GCM_TAG);
}

int rest_seal_meta(const struct rest_key *key, const struct mailbox_meta *meta,
	char out[static REST_SEAL_MAX + 1], struct err *e)
{
	uint8_t raw[GCM_NONCE + REST_SEALED_MAX + GCM_TAG] = {0}, *p = raw + GCM_NONCE;
	size_t source_n = strlen(meta->source), title_n = strlen(meta->title), n = padded(title_n);

	if (title_n > MAILBOX_TITLE_BYTES) {
		return err_set(e, EX_TEMPFAIL, "a title has at most %d bytes", MAILBOX_TITLE_BYTES);
	}
	if (random_bytes(raw, GCM_NONCE, e) != 0) {
		return -1;
	}
	p[0] = meta->damaged ? 1 : 0;
	p[1] = (uint8_t)source_n;
	put_u16le(p + 2, (uint16_t)title_n);
	put_u64le(p + 4, meta->chars);
	put_u64le(p + 12, meta->bytes);
	memcpy(p + REST_SEALED_FIXED, meta->source, source_n);
	memcpy(p + REST_SEALED_FIXED + source_n, meta->title, title_n);
	gcm_seal(&key->meta, raw, NULL, 0, p, n, p + n);
	(void)base64url_encode(out, raw, GCM_NONCE + n + GCM_TAG);
	return 0;
}

static int get_text(struct cursor *c, size_t n, size_t max, char *out)
{
	const uint8_t *p = n > max ? NULL : get_bytes(c, n);

	if (p == NULL) {
		return -1;
	}
	memcpy(out, p, n);
	out[n] = '\0';
	return 0;
}

int rest_unseal_meta(const struct rest_key *key, const char *seal, struct mailbox_meta *meta)
{
	uint8_t raw[GCM_NONCE + REST_SEALED_MAX + GCM_TAG];
	int n = base64url_decode(raw, sizeof raw, seal, strlen(seal)), rc = -1;

	if (n > GCM_NONCE + GCM_TAG &&
		gcm_open(&key->meta, raw, NULL, 0, raw + GCM_NONCE, (size_t)n - GCM_NONCE - GCM_TAG,
			raw + n - GCM_TAG) == 0) {
		struct cursor c = cursor_over(raw + GCM_NONCE, (size_t)n - GCM_NONCE - GCM_TAG);
		meta->damaged = get_u8(&c) != 0;
		size_t source_n = get_u8(&c), title_n = get_u16le(&c);
		meta->chars = get_u64le(&c);
		meta->bytes = get_u64le(&c);
		rc = get_text(&c, source_n, USER_NAME_MAX, meta->source) == 0 &&
				     get_text(&c, title_n, MAILBOX_TITLE_BYTES, meta->title) == 0
			     ? 0
			     : -1;
	}
	wipe(raw, sizeof raw);
	return rc;
}

void rest_open_meta(const struct rest_key *key, const char *seal, struct mailbox_meta *meta)
{
	char name[MAILBOX_TITLE_BYTES + 1];

	if (rest_unseal_meta(key, seal, meta) == 0) {
		if (meta->damaged) { /* as the files engine shows it */
			memcpy(name, meta->title, strlen(meta->title) + 1);
			(void)escape_text(meta->title, sizeof name, name, strlen(name), false);
		}
	} else {
		meta->damaged = true;
		meta->chars = 0;
		(void)snprintf(meta->source, sizeof meta->source, "?");
		(void)snprintf(meta->title, sizeof meta->title, "sealed, and cannot be opened");
	}
}

/* --- what stands ahead of the header --- */

size_t rest_head_bytes(size_t head_n)
{
	return REST_FIXED + rest_seal_room(head_n);
}

void rest_put_head(const struct rest_head *h, uint8_t *out)
{
	size_t seal_n = strlen(h->seal);

	memset(out, 0, rest_head_bytes(h->head_n));
	memcpy(out, magic, sizeof magic);
	put_u64le(out + 8, (uint64_t)h->time_us);
	put_u32le(out + 16, h->head_n);
	put_u32le(out + 20, h->recipients);
	put_u64le(out + 24, h->content_n);
	memcpy(out + 32, h->source, USER_NAME_MAX);
	put_u16le(out + 32 + USER_NAME_MAX, (uint16_t)seal_n);
	memcpy(out + REST_FIXED, h->seal, seal_n);
}

int rest_get_head(struct rest_head *h, const uint8_t *p, size_t n)
{
	struct cursor c = cursor_over(p, n);
	const uint8_t *what = get_bytes(&c, sizeof magic);
	size_t seal_n;

	h->time_us = (int64_t)get_u64le(&c);
	h->head_n = get_u32le(&c);
	h->recipients = get_u32le(&c);
	h->content_n = get_u64le(&c);
	if (what == NULL || memcmp(what, magic, sizeof magic) != 0 ||
		get_text(&c, USER_NAME_MAX, USER_NAME_MAX, h->source) != 0) {
		return -1;
	}
	seal_n = get_u16le(&c);
	if (h->head_n > MAILBOX_HEAD_MAX || h->recipients == 0 ||
		h->recipients > REST_RECIPIENTS_MAX || h->content_n > INT64_MAX / 4 ||
		seal_n > rest_seal_room(h->head_n) || !user_name_valid(h->source)) {
		return -1;
	}
	return get_text(&c, seal_n, REST_SEAL_MAX, h->seal) == 0 &&
			       strspn(h->seal,
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_") == seal_n
		       ? 0
		       : -1;
}

uint64_t rest_text_bytes(const struct rest_head *h)
{
	uint64_t pieces = (h->content_n + REST_PIECE - 1) / REST_PIECE;

	return rest_head_bytes(h->head_n) + h->head_n + GCM_TAG + h->content_n + pieces * GCM_TAG +
	       (uint64_t)h->recipients * REST_WRAP;
}

int rest_describe(const uint8_t *text, size_t n, struct mailbox_meta *meta, struct users_list *to,
	size_t *content_at)
{
	struct rest_head h;

	if (to != NULL || rest_get_head(&h, text, n) != 0) {
		return -1; /* to whom it is, it does not say */
	}
	meta->time_us = h.time_us;
	meta->chars = MAILBOX_COUNTED | (h.head_n + h.content_n);
	meta->bytes = rest_text_bytes(&h);
	memcpy(meta->source, h.source, sizeof meta->source);
	memcpy(meta->title, h.seal, strlen(h.seal) + 1);
	*content_at = rest_head_bytes(h.head_n);
	return 0;
}
