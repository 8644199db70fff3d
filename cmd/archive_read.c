/* An Internet message, taken apart while it comes: one of our exports becomes the message that it
 * was, any other becomes the content of one. See archive.h. */
#include "archive.h"

struct archive_reader {
	struct archive_read *out;
	bool foreign;       /* nothing is ours */
	uint64_t max_chars; /* of content */
	struct buf head;    /* until it is whole */
	bool in_body;
	bool crlf, cr; /* lines end in CR LF; one CR is held back */
	struct transfer decoder;
	struct hash hash; /* ours: of the content; foreign: of what tells it from others */
	struct utf8_counter count;
};

struct archive_reader *archive_read_begin(
	struct archive_read *out, bool foreign, uint64_t max_chars, struct err *e)
{
	struct archive_reader *r = calloc(1, sizeof *r);

	*out = (struct archive_read){.date = -1, .content = HELD_EMPTY};
	if (r == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	r->out = out;
	r->foreign = foreign;
	r->max_chars = max_chars;
	hash_begin(&r->hash);
	return r;
}

void archive_read_free(struct archive_reader *r, struct archive_read *out)
{
	if (r != NULL) {
		buf_free(&r->head);
		free(r);
	}
	archive_letter_free(&out->letter);
	held_free(&out->content);
}

/* --- content --- */

static int put_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct archive_reader *r = arg;

	(void)utf8_feed(&r->count, p, n, UINT64_MAX);
	if (r->count.invalid) {
		return err_set(e, EX_DATAERR, "its text is not UTF-8");
	}
	if (r->count.count > r->max_chars) {
		return err_set(e, EX_DATAERR, "it has more than %llu characters",
			(unsigned long long)r->max_chars);
	}
	if (r->out->ours) {
		hash_add(&r->hash, p, n);
	}
	return held_put(&r->out->content, p, n, e);
}

/* A stretch of body without CRs of line ends. */
static int put_body(struct archive_reader *r, const void *p, size_t n, struct err *e)
{
	if (n == 0) {
		return 0;
	}
	if (r->out->ours) {
		return transfer_decode(&r->decoder, p, n, e);
	}
	hash_add(&r->hash, p, n);
	return put_content(r, p, n, e);
}

/* Where lines end in CR LF the CR goes: it belongs to how the file was carried. */
static int take_body(struct archive_reader *r, const uint8_t *p, size_t n, struct err *e)
{
	const uint8_t *end = p + n, *cr;

	while (r->crlf && p < end) {
		if (r->cr) {
			r->cr = false;
			if (*p != '\n' && put_body(r, "\r", 1, e) != 0) {
				return -1;
			}
		}
		cr = memchr(p, '\r', (size_t)(end - p));
		if (put_body(r, p, (size_t)((cr == NULL ? end : cr) - p), e) != 0) {
			return -1;
		}
		r->cr = cr != NULL;
		p = cr == NULL ? end : cr + 1;
	}
	return put_body(r, p, (size_t)(end - p), e);
}

/* --- the head --- */

/* Somebody else's: its fields are content, too; those that come and go are not hashed. */
static int begin_foreign(struct archive_reader *r, size_t head_n, size_t body_at, struct err *e)
{
	struct archive_read *out = r->out;
	struct cursor c = cursor_over(r->head.p, head_n);
	struct rfc5322_field f;
	struct message_part v;

	if (rfc5322_find(r->head.p, head_n, "Date", &v) && rfc5322_parse_date(v, &out->date) != 0) {
		out->date = -1;
	}
	if (rfc5322_find(r->head.p, head_n, "From", &v) &&
		!rfc5322_address(v, out->local, out->domain)) {
		out->local[0] = out->domain[0] = '\0';
	}
	if (original_title(r->head.p, head_n, out->letter.meta.title, e) != 0) {
		return -1;
	}
	while (rfc5322_next(&c, &f) > 0) {
		struct hash all = r->hash;
		if (take_body(r, f.whole.p, f.whole.n, e) != 0) {
			return -1;
		}
		if (archive_is_bookkeeping(&f)) {
			r->hash = all;
		}
	}
	return take_body(r, r->head.p + head_n, body_at - head_n, e);
}

/* One of ours: a multipart's head becomes content again, and the body what it was. */
static int begin_ours(struct archive_reader *r, struct err *e)
{
	const struct archive_letter *l = &r->out->letter;

	transfer_begin(&r->decoder, l->how, put_content, r);
	if (l->kind != ARCHIVE_MIME) {
		return 0;
	}
	return put_content(r, ARCHIVE_MIME_HEAD, strlen(ARCHIVE_MIME_HEAD), e) != 0 ||
			       put_content(r, l->boundary, strlen(l->boundary), e) != 0 ||
			       put_content(r, ARCHIVE_MIME_END, strlen(ARCHIVE_MIME_END), e) != 0
		       ? -1
		       : 0;
}

static int begin_body(struct archive_reader *r, struct err *e)
{
	size_t head_n = 0, body_at = 0;
	const uint8_t *lf;
	int rc = 0;

	if (buf_reserve(&r->head, 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	lf = memchr(r->head.p, '\n', r->head.n);
	if (r->head.n > 0 && rfc5322_head(r->head.p, r->head.n, &head_n, &body_at) < 0) {
		head_n = body_at = 0; /* it has none, and is all body */
	}
	r->in_body = true;
	r->crlf = lf != NULL && lf > r->head.p && lf[-1] == '\r';
	if (!r->foreign) {
		rc = archive_parse_head(r->head.p, head_n, &r->out->letter, e);
	}
	r->out->ours = rc > 0;
	rc = rc < 0 ? -1 : rc > 0 ? begin_ours(r, e) : begin_foreign(r, head_n, body_at, e);
	return rc != 0 ? -1 : take_body(r, r->head.p + body_at, r->head.n - body_at, e);
}

/* Does an empty line stand in it, from this offset on? */
static bool has_empty_line(const struct buf *head, size_t from)
{
	const uint8_t *p = head->p + (from > 2 ? from - 2 : 0), *end = head->p + head->n;

	if (from == 0 && head->n > 0 && head->p[0] == '\n') {
		return true;
	}
	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if ((end - p >= 1 && p[0] == '\n') ||
			(end - p >= 2 && p[0] == '\r' && p[1] == '\n')) {
			return true;
		}
	}
	return false;
}

int archive_read_take(void *reader, const void *p, size_t n, struct err *e)
{
	struct archive_reader *r = reader;
	size_t from = r->head.n;

	if (r->in_body) {
		return take_body(r, p, n, e);
	}
	if (buf_append(&r->head, p, n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (has_empty_line(&r->head, from)) {
		return begin_body(r, e);
	}
	if (r->head.n > RFC5322_HEAD_MAX) {
		return err_set(
			e, EX_DATAERR, "its header has more than %d bytes", RFC5322_HEAD_MAX);
	}
	return 0;
}

int archive_read_end(struct archive_reader *r, struct err *e)
{
	struct archive_read *out = r->out;
	uint8_t digest[HASH_BYTES];

	if ((!r->in_body && begin_body(r, e) != 0) || (r->cr && put_body(r, "\r", 1, e) != 0) ||
		(out->ours && transfer_decode_end(&r->decoder, e) != 0)) {
		return -1;
	}
	if (r->count.part_n > 0) {
		return err_set(e, EX_DATAERR, "its text is not UTF-8");
	}
	out->letter.meta.chars = r->count.count;
	hash_end(&r->hash, digest);
	if (!out->ours) {
		memcpy(out->letter.meta.id, digest, sizeof out->letter.meta.id);
	} else if (memcmp(digest, out->letter.digest, sizeof digest) != 0) {
		return err_set(e, EX_DATAERR, "its content is not what was exported");
	}
	return 0;
}
