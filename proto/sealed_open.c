/* Opening sealed mail; see sealed.h. The sealed text is gone over twice: the first time all of it
 * is checked and nothing kept but the signature and the header, and the second time it is handed
 * out. */
#include <stdlib.h>

#include "sealed_head.h"

/* Too much for the stack, and secret. */
struct opening {
	struct age_open age;
	/* the first time */
	struct sealed_head *head;
	enum { SIGNATURE, HEADER, CONTENT } stage;
	struct hash hash;
	uint64_t bytes; /* of content, so far */
	struct utf8_counter count;
	/* the second */
	uint64_t skip;
	transfer_put *put;
	void *arg;
};

static int open_pieces(void *arg, const void *p, size_t n, struct err *e)
{
	struct opening *o = arg;

	return age_open_write(&o->age, p, n, e);
}

/* Open all of it into a sink. 0 or -1. */
static int open_all(struct opening *o, const struct held *sealed,
	const struct x25519_pair *identities, size_t n,
	int (*take)(void *arg, const void *p, size_t n, struct err *e), struct err *e)
{
	int rc;

	age_open_begin(&o->age, identities, n, AGE_EITHER, (struct age_sink){take, o});
	rc = held_each(sealed, open_pieces, o, e);
	rc = rc == 0 ? age_open_end(&o->age, e) : rc;
	age_open_wipe(&o->age);
	return rc;
}

static void release(struct opening *o)
{
	if (o != NULL) {
		wipe(o, sizeof *o);
	}
	free(o);
}

bool sealed_is(const void *p, size_t n)
{
	static const char begins[] = "-----BEGIN AGE ENCRYPTED FILE-----";
	const char *s = p, *end = s + n;

	while (s < end && (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')) {
		s++;
	}
	return (size_t)(end - s) >= sizeof begins - 1 && memcmp(s, begins, sizeof begins - 1) == 0;
}

/* --- the first time: what is in it, and is it right? --- */

static const char begins[] = SEALED_SIGNATURE_BEGINS, ends[] = SEALED_SIGNATURE_ENDS;

static int append(struct buf *to, uint8_t byte, size_t max, struct err *e)
{
	if (to->n >= max) {
		return err_set(e, EX_DATAERR, "the header inside is none");
	}
	return buf_append(to, &byte, 1) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static bool ends_in(const struct buf *b, const char *text, size_t n)
{
	return b->n >= n && memcmp(b->p + b->n - n, text, n) == 0;
}

/* It begins as no signature does: all of it is content, and nobody's word. */
static void set_unsigned(struct opening *o)
{
	struct buf *s = &o->head->signature;

	o->stage = CONTENT;
	o->bytes = s->n;
	(void)utf8_feed(&o->count, s->p, s->n, UINT64_MAX);
	buf_free(s);
}

static int take_signature(struct opening *o, uint8_t byte, struct err *e)
{
	struct buf *s = &o->head->signature;

	if (append(s, byte, SSHSIG_TEXT_MAX, e) != 0) {
		return -1;
	}
	if (s->n < sizeof begins && byte != (uint8_t)begins[s->n - 1]) {
		set_unsigned(o);
	} else if (ends_in(s, ends, sizeof ends - 1)) {
		o->head->is_signed = true;
		o->stage = HEADER;
	}
	return 0;
}

static int take_header(struct opening *o, uint8_t byte, struct err *e)
{
	struct buf *text = &o->head->text;

	if (append(text, byte, SEALED_HEAD_MAX, e) != 0) {
		return -1;
	}
	if (!ends_in(text, "\n\n", 2)) {
		return 0;
	}
	o->stage = CONTENT;
	hash_add(&o->hash, text->p, text->n);
	return sealed_head_read(o->head, e);
}

static int look(void *arg, const void *p, size_t n, struct err *e)
{
	struct opening *o = arg;
	const uint8_t *at = p, *end = at + n;

	while (at < end && o->stage != CONTENT) {
		if (o->stage == SIGNATURE ? take_signature(o, *at, e) : take_header(o, *at, e)) {
			return -1;
		}
		at++;
	}
	hash_add(&o->hash, at, (size_t)(end - at));
	(void)utf8_feed(&o->count, at, (size_t)(end - at), UINT64_MAX);
	o->bytes += (uint64_t)(end - at);
	return 0;
}

/* All of it came. 0 or -1. */
static int judge(struct opening *o, struct err *e)
{
	struct sealed_head *h = o->head;

	if (o->stage == SIGNATURE && h->signature.n < sizeof begins - 1) {
		set_unsigned(o); /* it is shorter than that */
	}
	h->content_chars = o->count.count;
	h->content_is_text = !o->count.invalid && o->count.part_n == 0;
	if (!h->is_signed && o->stage == CONTENT) {
		h->content_bytes = o->bytes;
		return 0;
	}
	if (o->stage != CONTENT || o->bytes != h->content_bytes) {
		return err_set(e, EX_DATAERR, "it is not as long inside as its header says");
	}
	hash_end(&o->hash, h->digest);
	return sshsig_check(h->key, h->signature.p, h->signature.n, SSHSIG_MAIL, h->digest, e);
}

int sealed_open(struct sealed_head *out, const struct held *sealed,
	const struct x25519_pair *identities, size_t n, struct err *e)
{
	struct opening *o = calloc(1, sizeof *o);
	int rc;

	*out = (struct sealed_head){0};
	if (o == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	o->head = out;
	hash_begin(&o->hash);
	rc = open_all(o, sealed, identities, n, look, e);
	rc = rc == 0 ? judge(o, e) : rc;
	release(o);
	return rc;
}

void sealed_free(struct sealed_head *h)
{
	free(h->numbers);
	buf_free(&h->text);
	buf_free(&h->signature);
	*h = (struct sealed_head){0};
}

/* --- the second time --- */

static int hand_out(void *arg, const void *p, size_t n, struct err *e)
{
	struct opening *o = arg;
	size_t skip = o->skip < n ? (size_t)o->skip : n;

	o->skip -= skip;
	return skip == n ? 0 : o->put(o->arg, (const uint8_t *)p + skip, n - skip, e);
}

int sealed_each(const struct sealed_head *h, const struct held *sealed,
	const struct x25519_pair *identities, size_t n, bool whole, transfer_put *put, void *arg,
	struct err *e)
{
	struct opening *o = calloc(1, sizeof *o);
	int rc;

	if (o == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	o->skip = h->signature.n + (whole ? 0 : h->text.n);
	o->put = put;
	o->arg = arg;
	rc = open_all(o, sealed, identities, n, hand_out, e);
	release(o);
	return rc;
}
