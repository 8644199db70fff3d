/* Signing and sealing; see sealed.h. */
#include <stdlib.h>

#include "sealed_head.h"

/* Too much for the stack, and secret. */
struct sealing {
	struct age_seal age;
	struct hash hash;
	uint8_t piece[65536];
};

/* Takes a piece of the content. 0 or -1. */
typedef int take_piece(struct sealing *s, size_t n, struct err *e);

/* Read the content from its beginning to its end. 0 or -1. */
static int each_piece(
	struct sealing *s, const struct sealed_letter *l, take_piece *take, struct err *e)
{
	uint64_t left = l->bytes;
	size_t n = 1;

	while (n > 0) {
		if (l->source(l->arg, s->piece, sizeof s->piece, &n, e) != 0) {
			return -1;
		}
		if (n > left || (n == 0 && left > 0)) {
			return err_set(e, EX_DATAERR, "the content changed while it was read");
		}
		left -= n;
		hash_add(&s->hash, s->piece, n);
		if (n > 0 && take != NULL && take(s, n, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int seal_piece(struct sealing *s, size_t n, struct err *e)
{
	return age_seal_write(&s->age, s->piece, n, e);
}

static int hold(void *arg, const void *p, size_t n, struct err *e)
{
	return held_put(arg, p, n, e);
}

/* Digest, signature, and the same content again. */
static int seal_letter(struct sealing *s, struct held *out, const struct sealed_letter *l,
	const struct buf *head, const struct p256_pair *key, const struct age_recipient *recipients,
	size_t n, struct err *e)
{
	uint8_t digest[HASH_BYTES], again[HASH_BYTES];
	struct buf signature = {0};
	int rc;

	hash_begin(&s->hash);
	hash_add(&s->hash, head->p, head->n);
	rc = each_piece(s, l, NULL, e);
	hash_end(&s->hash, digest);
	rc = rc == 0 ? sshsig_sign(&signature, key, SSHSIG_MAIL, digest, e) : rc;
	rc = rc == 0 ? l->rewind(l->arg, e) : rc;
	hash_begin(&s->hash);
	hash_add(&s->hash, head->p, head->n);
	if (rc == 0) {
		rc = age_seal_begin(&s->age, recipients, n, true, (struct age_sink){hold, out}, e);
		rc = rc == 0 ? age_seal_write(&s->age, signature.p, signature.n, e) : rc;
		rc = rc == 0 ? age_seal_write(&s->age, head->p, head->n, e) : rc;
		rc = rc == 0 ? each_piece(s, l, seal_piece, e) : rc;
		rc = rc == 0 ? age_seal_end(&s->age, e) : rc;
		age_seal_wipe(&s->age);
	}
	hash_end(&s->hash, again);
	buf_free(&signature);
	return rc != 0                                     ? -1
	       : memcmp(digest, again, sizeof digest) == 0 ? 0
							   : err_set(e, EX_DATAERR,
								     "the content changed while it "
								     "was sealed");
}

int sealed_write(struct held *out, const struct sealed_letter *l, const struct p256_pair *key,
	const struct age_recipient *recipients, size_t n, struct err *e)
{
	struct sealing *s = calloc(1, sizeof *s);
	struct buf head = {0};
	int rc = s == NULL ? err_set(e, EX_TEMPFAIL, "out of memory")
			   : sealed_head_write(&head, l, e);

	rc = rc == 0 ? seal_letter(s, out, l, &head, key, recipients, n, e) : rc;
	buf_free(&head);
	if (s != NULL) {
		wipe(s, sizeof *s);
	}
	free(s);
	return rc;
}
