/* Writing a sealed message; see rest_text.h. */
#include "rest_text.h"

#include "../crypto/random.h"

struct mailbox_draft {
	const struct rest *r;
	struct mailbox_draft *under;
	struct gcm key; /* of this message, and no other */
	uint8_t raw_key[REST_KEY];
	struct buf piece; /* that is not full yet; room for its tag behind it */
	uint64_t pieces, content_n;
	size_t head_n;
	bool spent; /* its nonces are used up: it cannot be delivered twice */
};

int rest_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	struct mailbox_draft *d = calloc(1, sizeof *d);

	if (d == NULL || head_n > MAILBOX_HEAD_MAX) {
		free(d);
		return err_set(e, EX_TEMPFAIL, "cannot begin a message: %s",
			head_n > MAILBOX_HEAD_MAX ? "its header is too long" : "out of memory");
	}
	d->r = r;
	d->head_n = head_n;
	if (random_bytes(d->raw_key, sizeof d->raw_key, e) != 0 ||
		r->under->ops->begin(
			r->under, rest_head_bytes(head_n) + head_n + GCM_TAG, &d->under, e) != 0) {
		rest_discard(d);
		return -1;
	}
	gcm_init(&d->key, d->raw_key);
	*out = d;
	return 0;
}

void rest_discard(struct mailbox_draft *d)
{
	if (d != NULL) {
		d->r->under->ops->discard(d->under);
		buf_free(&d->piece);
		wipe(d, sizeof *d);
		free(d);
	}
}

static void nonce_of(uint64_t number, uint8_t nonce[static GCM_NONCE])
{
	memset(nonce, 0, GCM_NONCE);
	put_u64be(nonce + GCM_NONCE - 8, number);
}

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot keep a message: out of memory");
}

static int put_piece(struct mailbox_draft *d, struct err *e)
{
	uint8_t nonce[GCM_NONCE];
	size_t n = d->piece.n;

	if (buf_reserve(&d->piece, GCM_TAG) != 0) {
		return no_memory(e);
	}
	nonce_of(++d->pieces, nonce);
	gcm_seal(&d->key, nonce, NULL, 0, d->piece.p, n, d->piece.p + n);
	d->piece.n = 0;
	return d->r->under->ops->append(d->under, d->piece.p, n + GCM_TAG, e);
}

int rest_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e)
{
	const uint8_t *from = p;

	d->content_n += n;
	while (n > 0) {
		size_t room = REST_PIECE - d->piece.n, k = n < room ? n : room;
		if (buf_append(&d->piece, from, k) != 0) {
			return no_memory(e);
		}
		from += k;
		n -= k;
		if (d->piece.n == REST_PIECE && put_piece(d, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The message's key, for one recipient. 0 or -1. */
static int put_wrap(struct mailbox_draft *d, const char *user,
	const uint8_t digest[static HASH_BYTES], struct err *e)
{
	uint8_t wrap[REST_WRAP], *nonce = wrap + REST_SELECTOR, *key = nonce + GCM_NONCE;
	struct rest_user u;

	if (random_bytes(nonce, GCM_NONCE, e) != 0) {
		return -1;
	}
	rest_user_key(&d->r->key, user, &u);
	memcpy(wrap, u.selector, sizeof u.selector);
	memcpy(key, d->raw_key, REST_KEY);
	gcm_seal(&u.key, nonce, digest, HASH_BYTES, key, REST_KEY, key + REST_KEY);
	wipe(&u, sizeof u);
	return d->r->under->ops->append(d->under, wrap, sizeof wrap, e);
}

/* What stands ahead of the content, in the end, and what stands behind it. */
static int finish(struct mailbox_draft *d, const struct mailbox_delivery *v,
	const struct rest_head *h, struct buf *head, struct err *e)
{
	size_t ahead = rest_head_bytes(d->head_n);
	uint8_t digest[HASH_BYTES], nonce[GCM_NONCE];

	if (buf_reserve(head, ahead + d->head_n + GCM_TAG) != 0) {
		return no_memory(e);
	}
	rest_put_head(h, head->p);
	hash_of(head->p, ahead, digest);
	if (d->head_n > 0) {
		memcpy(head->p + ahead, v->head, d->head_n);
	}
	nonce_of(0, nonce);
	gcm_seal(&d->key, nonce, NULL, 0, head->p + ahead, d->head_n, head->p + ahead + d->head_n);
	for (size_t i = 0; i < v->to->n; i++) {
		if (put_wrap(d, v->to->names[i], digest, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int seal_head(const struct mailbox_draft *d, const struct mailbox_delivery *v,
	struct rest_head *h, struct err *e)
{
	struct mailbox_meta meta = *v->meta;

	*h = (struct rest_head){.time_us = meta.time_us,
		.head_n = (uint32_t)d->head_n,
		.recipients = (uint32_t)v->to->n,
		.content_n = d->content_n};
	meta.bytes = d->head_n + d->content_n;
	rest_name(&d->r->key, meta.source, h->source);
	if (rest_seal_meta(&d->r->key, &meta, h->seal, e) != 0) {
		return -1;
	}
	return strlen(h->seal) <= rest_seal_room(d->head_n)
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "the title is not in the header");
}

/* To the engine below, under other names. */
static int hand_over(struct mailbox_draft *d, const struct mailbox_delivery *v,
	const struct rest_head *h, const struct buf *head, bool *again, struct err *e)
{
	struct users_list to = {.names = calloc(v->to->n, sizeof *to.names), .n = v->to->n};
	struct mailbox_meta meta = *v->meta;
	struct mailbox_delivery below = *v;
	int rc;

	if (to.names == NULL) {
		return no_memory(e);
	}
	for (size_t i = 0; i < to.n; i++) {
		rest_name(&d->r->key, v->to->names[i], to.names[i]);
	}
	meta.chars = MAILBOX_COUNTED | (d->head_n + d->content_n);
	memcpy(meta.source, h->source, sizeof meta.source);
	memcpy(meta.title, h->seal, strlen(h->seal) + 1);
	below.meta = &meta;
	below.head = head->p;
	below.to = &to;
	rc = d->r->under->ops->deliver(d->under, &below, again, e);
	users_list_free(&to);
	return rc;
}

int rest_deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *e)
{
	struct buf head = {0};
	struct rest_head h;
	int rc = 0;

	*again = false;
	if (d->spent || v->to->n == 0 || v->to->n > REST_RECIPIENTS_MAX) {
		return err_set(e, EX_TEMPFAIL,
			d->spent ? "this message was delivered" : "%zu recipients", v->to->n);
	}
	d->spent = true;
	rc = d->piece.n > 0 ? put_piece(d, e) : 0;
	rc = rc == 0 ? seal_head(d, v, &h, e) : rc;
	rc = rc == 0 ? finish(d, v, &h, &head, e) : rc;
	rc = rc == 0 ? hand_over(d, v, &h, &head, again, e) : rc;
	buf_free(&head);
	if (rc != 0) {
		(void)rest_told_one(d->r, v->meta->source, rc, e);
	}
	return rest_told(d->r, v->to, rc, e);
}
