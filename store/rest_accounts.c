/* The accounts of mail at rest: one sealed object in the place of their text; see rest.h. */
#include "../crypto/random.h"
#include "rest.h"

#define FIELD "at rest" /* no name of a user: without the key it is none of theirs */

struct rest_accounts {
	struct accounts_store base; /* first: the interface's pointer is this one */
	struct accounts_store *under;
	struct gcm key;
};

/* --- the object --- */

/* Ahead of the base64 of nonce, text and tag, and behind it. */
static const char before[] = "{\"" FIELD "\": \"", behind[] = "\"}\n", purpose[] = "accounts";

static int seal_text(const struct gcm *key, const void *p, size_t n, struct buf *out, struct err *e)
{
	const size_t raw_n = GCM_NONCE + n + GCM_TAG;
	struct buf raw = {0};
	int rc = -1;

	if (n > ACCOUNTS_TEXT_MAX ||
		base64_padded_len(raw_n) + sizeof before + sizeof behind > ACCOUNTS_TEXT_MAX) {
		return err_set(e, EX_CANTCREAT, "there are more accounts than can be kept at rest");
	}
	if (buf_reserve(&raw, raw_n) != 0 || buf_append_str(out, before) != 0 ||
		buf_reserve(out, base64_padded_len(raw_n) + sizeof behind) != 0) {
		err_set(e, EX_TEMPFAIL, "cannot seal the accounts: out of memory");
	} else if (random_bytes(raw.p, GCM_NONCE, e) == 0) {
		if (n > 0) {
			memcpy(raw.p + GCM_NONCE, p, n);
		}
		gcm_seal(key, raw.p, purpose, sizeof purpose, raw.p + GCM_NONCE, n,
			raw.p + GCM_NONCE + n);
		raw.n = raw_n;
		out->n += base64_padded_encode((char *)out->p + out->n, raw.p, raw_n);
		rc = buf_append_str(out, behind);
	}
	buf_free(&raw);
	return rc;
}

static int open_raw(const struct gcm *key, uint8_t *raw, int n, struct buf *out, struct err *e)
{
	if (n < GCM_NONCE + GCM_TAG ||
		gcm_open(key, raw, purpose, sizeof purpose, raw + GCM_NONCE,
			(size_t)n - GCM_NONCE - GCM_TAG, raw + n - GCM_TAG) != 0) {
		return err_set(e, EX_CONFIG, "the accounts are damaged, or under another key");
	}
	return buf_append(out, raw + GCM_NONCE, (size_t)n - GCM_NONCE - GCM_TAG) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "cannot read the accounts: out of memory");
}

static void skip_blanks(struct cursor *c)
{
	while (cursor_left(c) > 0 && c->p[0] != '\0' && strchr(" \t\r\n", c->p[0]) != NULL) {
		(void)get_u8(c);
	}
}

/* This text, and blanks around it. */
static void get_token(struct cursor *c, const char *text)
{
	const uint8_t *p;

	skip_blanks(c);
	p = get_bytes(c, strlen(text));
	c->failed = c->failed || memcmp(p, text, strlen(text)) != 0;
	skip_blanks(c);
}

/* The base64 in the object. 0, or -1: it is no such object. */
static int find_text(const struct buf *text, const char **p, size_t *n)
{
	struct cursor c = cursor_over(text->p, text->n);
	const uint8_t *end;

	get_token(&c, "{");
	get_token(&c, "\"" FIELD "\"");
	get_token(&c, ":");
	get_token(&c, "\"");
	end = cursor_left(&c) > 0 ? memchr(c.p, '"', c.n) : NULL;
	if (end == NULL) {
		return -1;
	}
	*p = (const char *)c.p;
	*n = (size_t)(end - c.p);
	(void)get_bytes(&c, *n);
	get_token(&c, "\"");
	get_token(&c, "}");
	return c.failed || cursor_left(&c) > 0 ? -1 : 0;
}

static int open_text(const struct gcm *key, const struct buf *text, struct buf *out, struct err *e)
{
	struct buf raw = {0};
	const char *p;
	size_t n;
	int rc = -1;

	if (find_text(text, &p, &n) != 0) {
		err_set(e, EX_CONFIG, "the accounts are not at rest, but the mail is");
	} else if (buf_reserve(&raw, n + 1) != 0) {
		err_set(e, EX_TEMPFAIL, "cannot read the accounts: out of memory");
	} else {
		int raw_n = base64_padded_decode(raw.p, raw.cap, p, n);
		raw.n = raw_n > 0 ? (size_t)raw_n : 0;
		rc = open_raw(key, raw.p, raw_n, out, e);
	}
	buf_free(&raw);
	return rc;
}

int rest_accounts_seal(
	const struct rest_key *key, const void *p, size_t n, struct buf *out, struct err *e)
{
	return seal_text(&key->accounts, p, n, out, e);
}

int rest_accounts_open(
	const struct rest_key *key, const struct buf *text, struct buf *out, struct err *e)
{
	return open_text(&key->accounts, text, out, e);
}

/* --- the engine --- */

static struct accounts_store *under_of(struct accounts_store *s)
{
	return ((struct rest_accounts *)s)->under;
}

static int read_accounts(struct accounts_store *s, struct accounts_text *out, struct err *e)
{
	const struct rest_accounts *r = (const struct rest_accounts *)s;
	struct buf sealed;
	int rc = r->under->ops->read(r->under, out, e);

	if (rc != 0) {
		return rc;
	}
	sealed = out->text;
	out->text = (struct buf){0};
	rc = open_text(&r->key, &sealed, &out->text, e);
	buf_free(&sealed);
	return rc == 0 ? 0 : err_prefix(e, "%s", s->name);
}

static int replace(struct accounts_store *s, const void *p, size_t n,
	const struct accounts_version *expected, bool *stale, struct err *e)
{
	const struct rest_accounts *r = (const struct rest_accounts *)s;
	struct buf sealed = {0};
	int rc = seal_text(&r->key, p, n, &sealed, e);

	*stale = false;
	rc = rc == 0 ? r->under->ops->replace(r->under, sealed.p, sealed.n, expected, stale, e)
		     : rc;
	buf_free(&sealed);
	return rc;
}

static int look(struct accounts_store *s, const struct accounts_version *version, bool *changed,
	struct err *e)
{
	return under_of(s)->ops->look(under_of(s), version, changed, e);
}

static int follow(struct accounts_store *s)
{
	return under_of(s)->ops->follow(under_of(s));
}

static bool news(struct accounts_store *s)
{
	return under_of(s)->ops->news(under_of(s));
}

static void unfollow(struct accounts_store *s)
{
	under_of(s)->ops->unfollow(under_of(s));
}

static void close_accounts(struct accounts_store *s)
{
	struct rest_accounts *r = (struct rest_accounts *)s;

	r->under->ops->close(r->under);
	wipe(r, sizeof *r);
	free(r);
}

static const struct accounts_ops rest_ops = {.read = read_accounts,
	.replace = replace,
	.look = look,
	.follow = follow,
	.news = news,
	.unfollow = unfollow,
	.close = close_accounts};

int accounts_rest_open(struct accounts_store *under, const struct rest_key *key,
	struct accounts_store **out, struct err *e)
{
	struct rest_accounts *r = calloc(1, sizeof *r);

	if (r == NULL) {
		under->ops->close(under);
		return err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", under->name);
	}
	*r = (struct rest_accounts){.base = {.ops = &rest_ops, .name = under->name},
		.under = under,
		.key = key->accounts};
	*out = &r->base;
	return 0;
}
