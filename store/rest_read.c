/* Reading a sealed message; see rest_text.h. */
#include "rest_text.h"

struct mailbox_reader {
	const struct rest *r;
	struct mailbox_reader *under;
	struct rest_head h;
	struct gcm key;       /* of the message */
	uint8_t *head;        /* owned: its header, as it was */
	uint8_t *piece;       /* owned: the one that was read last, as it was; and its tag */
	uint64_t piece_index; /* UINT64_MAX: none */
};

static int is_damaged(struct err *e)
{
	return err_set(e, EX_DATAERR, "the message is damaged");
}

static int read_under(struct mailbox_reader *r, uint64_t at, void *p, size_t n, struct err *e)
{
	return r->r->under->ops->read(r->under, at, p, n, e);
}

/* Decrypt n bytes and their tag behind them. */
static int open_part(struct mailbox_reader *r, uint64_t number, uint8_t *p, size_t n, struct err *e)
{
	uint8_t nonce[GCM_NONCE] = {0};

	put_u64be(nonce + GCM_NONCE - 8, number);
	return gcm_open(&r->key, nonce, NULL, 0, p, n, p + n) == 0 ? 0 : is_damaged(e);
}

/* The user's copy of the message's key. ahead: the bytes that it vouches for. */
static int find_key(struct mailbox_reader *r, const char *user, uint64_t size, const uint8_t *ahead,
	size_t ahead_n, struct err *e)
{
	size_t wraps_n = (size_t)r->h.recipients * REST_WRAP;
	uint8_t *wraps = malloc(wraps_n), *key, digest[HASH_BYTES];
	struct rest_user u;
	int rc = wraps == NULL ? err_set(e, EX_TEMPFAIL, "cannot open a message: out of memory")
			       : read_under(r, size - wraps_n, wraps, wraps_n, e);
	bool found = false;

	hash_of(ahead, ahead_n, digest);
	rest_user_key(&r->r->key, user, &u);
	for (size_t at = 0; rc == 0 && !found && at < wraps_n; at += REST_WRAP) {
		if (memcmp(wraps + at, u.selector, sizeof u.selector) != 0) {
			continue;
		}
		key = wraps + at + REST_SELECTOR + GCM_NONCE;
		found = gcm_open(&u.key, wraps + at + REST_SELECTOR, digest, sizeof digest, key,
				REST_KEY, key + REST_KEY) == 0;
		if (found) {
			gcm_init(&r->key, key);
			wipe(key, REST_KEY);
		}
	}
	wipe(&u, sizeof u);
	free(wraps);
	return rc != 0 || found ? rc : is_damaged(e);
}

static int open_head(struct mailbox_reader *r, const char *user, uint64_t size, struct err *e)
{
	uint8_t ahead[REST_TEXT_HEAD_MAX];
	size_t n = size < sizeof ahead ? (size_t)size : sizeof ahead, ahead_n;

	if (read_under(r, 0, ahead, n, e) != 0) {
		return -1;
	}
	if (rest_get_head(&r->h, ahead, n) != 0 || rest_text_bytes(&r->h) != size) {
		return is_damaged(e);
	}
	ahead_n = rest_head_bytes(r->h.head_n);
	r->head = malloc(r->h.head_n + GCM_TAG);
	r->piece = malloc(REST_PIECE + GCM_TAG);
	if (r->head == NULL || r->piece == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open a message: out of memory");
	}
	if (find_key(r, user, size, ahead, ahead_n, e) != 0 ||
		read_under(r, ahead_n, r->head, r->h.head_n + GCM_TAG, e) != 0) {
		return -1;
	}
	return open_part(r, 0, r->head, r->h.head_n, e);
}

int rest_open(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e)
{
	const struct rest *rest = (const struct rest *)m;
	struct mailbox_reader *r = calloc(1, sizeof *r);
	char name[USER_NAME_MAX + 1];
	uint64_t stored;
	int rc;

	if (r == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open a message: out of memory");
	}
	r->r = rest;
	r->piece_index = UINT64_MAX;
	rest_name(&rest->key, user, name);
	rc = rest->under->ops->open(rest->under, name, ref, &r->under, &stored, e);
	if (rc == 0) {
		rc = open_head(r, user, stored, e);
	}
	if (rc != 0) {
		rest_done(r);
		return rest_told_one(rest, user, -1, e);
	}
	*size = r->h.head_n + r->h.content_n;
	*out = r;
	return 0;
}

void rest_done(struct mailbox_reader *r)
{
	if (r == NULL) {
		return;
	}
	if (r->under != NULL) {
		r->r->under->ops->done(r->under);
	}
	if (r->head != NULL) {
		wipe(r->head, r->h.head_n + GCM_TAG);
	}
	if (r->piece != NULL) {
		wipe(r->piece, REST_PIECE + GCM_TAG);
	}
	free(r->head);
	free(r->piece);
	wipe(r, sizeof *r);
	free(r);
}

/* Have this piece of the content in memory, authentic. */
static int load_piece(struct mailbox_reader *r, uint64_t index, struct err *e)
{
	const uint64_t begin = rest_head_bytes(r->h.head_n) + r->h.head_n + GCM_TAG;
	uint64_t left = r->h.content_n - index * REST_PIECE;
	size_t n = left < REST_PIECE ? (size_t)left : REST_PIECE;

	if (r->piece_index == index) {
		return 0;
	}
	r->piece_index = UINT64_MAX;
	if (read_under(r, begin + index * (REST_PIECE + GCM_TAG), r->piece, n + GCM_TAG, e) != 0 ||
		open_part(r, index + 1, r->piece, n, e) != 0) {
		return -1;
	}
	r->piece_index = index;
	return 0;
}

int rest_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e)
{
	const uint64_t size = r->h.head_n + r->h.content_n;
	uint8_t *out = p;

	if (offset > size || n > size - offset) {
		return err_set(e, EX_NOINPUT, "the message has become shorter");
	}
	while (n > 0) {
		const uint8_t *from = r->head + offset;
		size_t k = offset < r->h.head_n ? r->h.head_n - (size_t)offset : 0;
		if (k == 0) {
			uint64_t at = offset - r->h.head_n;
			if (load_piece(r, at / REST_PIECE, e) != 0) {
				return -1;
			}
			from = r->piece + at % REST_PIECE;
			k = REST_PIECE - (size_t)(at % REST_PIECE);
		}
		k = k < n ? k : n;
		memcpy(out, from, k);
		out += k;
		offset += k;
		n -= k;
	}
	return 0;
}
