/* How texts and e-mails travel on the classic wire; see classic.h. */
#include "classic.h"

#include <poll.h>

int classic_init_key(struct classic *c, struct conn *conn, const uint8_t *key, size_t key_n)
{
	/* not the buffers: an idle session then touches few of their pages */
	c->conn = conn;
	c->start = c->end = c->raw = c->tail_pad = c->out_n = 0;
	c->gap_ms = 0;
	c->spoke = false;
	return aes_init(&c->aes, key, key_n);
}

void classic_init(struct classic *c, struct conn *conn, const uint8_t key[static CLASSIC_KEY])
{
	(void)classic_init_key(c, conn, key, CLASSIC_KEY);
}

/* --- sending --- */

static int flush(struct classic *c, size_t n, struct err *e)
{
	if (c->spoke && c->gap_ms > 0) {
		(void)poll(NULL, 0, c->gap_ms);
	}
	c->spoke = false; /* until this text has ended */
	aes_ecb_encrypt(&c->aes, c->out, n);
	return conn_write(c->conn, c->out, n, e);
}

int classic_put(struct classic *c, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;

	while (n > 0) {
		size_t k = sizeof c->out - c->out_n;
		k = k < n ? k : n;
		memcpy(c->out + c->out_n, s, k);
		c->out_n += k;
		s += k;
		n -= k;
		if (c->out_n == sizeof c->out) {
			c->out_n = 0;
			if (flush(c, sizeof c->out, e) != 0) {
				return -1;
			}
		}
	}
	return 0;
}

int classic_end(struct classic *c, struct err *e)
{
	size_t n = c->out_n;

	c->out_n = 0;
	aes_pad(c->out, n); /* a full buffer was flushed, so there is room */
	if (flush(c, aes_padded_len(n), e) != 0) {
		return -1;
	}
	c->spoke = true;
	return 0;
}

int classic_send(struct classic *c, const char *text, struct err *e)
{
	if (classic_put(c, text, strlen(text), e) != 0) {
		return -1;
	}
	return classic_end(c, e);
}

/* --- receiving --- */

/* Read and decrypt what there is, at least one more block. Drops what start has passed when room is
 * needed. The other results of conn_read pass through. */
static enum conn_got fill(struct classic *c, int64_t quiet_ms, struct err *e)
{
	enum conn_got how;
	size_t got, whole;

	if (c->start == c->end || c->raw == sizeof c->in) {
		memmove(c->in, c->in + c->start, c->raw - c->start);
		c->raw -= c->start;
		c->end -= c->start;
		c->start = 0;
	}
	do {
		if (c->raw == sizeof c->in) {
			err_set(e, EX_PROTOCOL, "the peer sent a text without an end");
			return CONN_FAILED;
		}
		how = conn_read(c->conn, c->in + c->raw, sizeof c->in - c->raw, quiet_ms, &got, e);
		if (how != CONN_DATA) {
			return how;
		}
		c->raw += got;
		whole = (c->raw - c->end) / AES_BLOCK * AES_BLOCK;
	} while (whole == 0);
	aes_ecb_decrypt(&c->aes, c->in + c->end, whole);
	c->end += whole;
	c->tail_pad = aes_padding(c->in + c->end - AES_BLOCK);
	return CONN_DATA;
}

/* What a fill that brought nothing means while a text is awaited. */
static int no_text(const struct classic *c, bool begun, enum conn_got how, struct err *e)
{
	if (how == CONN_EOF) {
		bool inside = begun || c->raw > c->start;
		return err_set(e, inside ? EX_PROTOCOL : EX_TEMPFAIL,
			"the peer closed the connection%s", inside ? " inside a text" : "");
	}
	if (how == CONN_QUIET) {
		return err_set(e, EX_PROTOCOL, "the peer sent a text whose padding is not valid");
	}
	return -1;
}

/* Take the blocks that are here, up to one with padding. true when the text has ended. */
static bool take_blocks(struct classic *c, struct buf *out, bool *no_memory)
{
	while (c->start < c->end) {
		const uint8_t *block = c->in + c->start;
		size_t pad = aes_padding(block);
		*no_memory = buf_append(out, block, AES_BLOCK - pad) != 0;
		c->start += AES_BLOCK;
		if (pad > 0 || *no_memory) {
			return true;
		}
	}
	return false;
}

int classic_recv(struct classic *c, struct buf *out, size_t max, int64_t quiet_ms, struct err *e)
{
	size_t before = out->n;
	bool no_memory = false, begun = false;

	c->spoke = false;
	while (!take_blocks(c, out, &no_memory)) {
		begun = begun || out->n > before;
		if (out->n - before > max) {
			return err_set(
				e, EX_PROTOCOL, "the peer sent a text of more than %zu bytes", max);
		}
		enum conn_got how = fill(c, begun && c->raw == c->end ? quiet_ms : 0, e);
		if (how != CONN_DATA) {
			return no_text(c, begun, how, e);
		}
	}
	if (out->n - before > max) {
		return err_set(e, EX_PROTOCOL, "the peer sent a text of more than %zu bytes", max);
	}
	return no_memory ? err_set(e, EX_TEMPFAIL, "out of memory") : 0;
}

int classic_starts_with(struct classic *c, const char *text, struct err *e)
{
	size_t n = strlen(text);

	if (c->start == c->end) {
		enum conn_got how = fill(c, 0, e);
		if (how != CONN_DATA) {
			return no_text(c, false, how, e);
		}
	}
	n = n < AES_BLOCK ? n : AES_BLOCK;
	return memcmp(c->in + c->start, text, n) == 0 ? 1 : 0;
}

/* --- receiving an e-mail --- */

struct arrival {
	struct classic *c;
	const struct classic_mail *mail;
	uint64_t bytes; /* of plaintext that belongs to the e-mail so far */
	uint64_t chars; /* that Content Length announces */
	struct utf8_counter counter;
	bool dropped; /* head or content refused it */
};

static enum classic_got faulty(struct err *e, const char *why)
{
	err_set(e, EX_DATAERR, "%s", why);
	return CLASSIC_FAULTY;
}

/* The lengths are of no help any more: read on until a block with valid padding is followed by
 * silence. An honest sender waits for the menu then. */
static enum classic_got drain(struct classic *c, uint64_t bytes, const char *why, struct err *e)
{
	enum { DRAIN_MAX = 64 << 20 }; /* bytes; who sends more is cut off */

	while (bytes <= DRAIN_MAX) {
		bytes += c->end - c->start;
		c->start = c->end;
		enum conn_got how = fill(c, CLASSIC_QUIET_MS, e);
		if (how == CONN_QUIET && c->tail_pad > 0 && c->raw == c->end) {
			return faulty(e, why);
		}
		if (how != CONN_DATA) {
			(void)no_text(c, true, how, e);
			return CLASSIC_BROKEN;
		}
	}
	err_set(e, EX_PROTOCOL, "the peer sent more than %d bytes for one e-mail", DRAIN_MAX);
	return CLASSIC_BROKEN;
}

/* Content that is here: count it and hand it on. */
static int take_content(struct arrival *a, struct err *e)
{
	struct classic *c = a->c;
	const uint8_t *p = c->in + c->start;
	size_t n = utf8_feed(&a->counter, p, c->end - c->start, a->chars);
	int rc = 0;

	c->start += n;
	a->bytes += n;
	if (!a->dropped && n > 0) {
		rc = a->mail->content(a->mail->arg, p, n, e);
		a->dropped = rc != 0;
	}
	return rc < 0 ? -1 : 0;
}

/* Fewer characters came than were announced. Or the sender is very slow and its last block happens
 * to end like a text: sending again is right, then. */
static enum classic_got cut_short(const struct arrival *a, struct err *e)
{
	if (a->counter.invalid) {
		return faulty(e, "the content is not valid UTF-8");
	}
	err_set(e, EX_TEMPFAIL, "the content is shorter than its Content Length says");
	return CLASSIC_FAULTY;
}

/* The padding behind the last character, which its place determines. */
static enum classic_got take_padding(struct arrival *a, struct err *e)
{
	struct classic *c = a->c;
	size_t pad = AES_BLOCK - (size_t)(a->bytes % AES_BLOCK);

	while (c->end - c->start < pad) {
		/* what ends like a text may have counted its own padding as content */
		bool ends = c->tail_pad > 0 && c->raw == c->end;
		enum conn_got how = fill(c, ends ? CLASSIC_QUIET_MS : 0, e);
		if (how == CONN_QUIET) {
			return cut_short(a, e);
		}
		if (how != CONN_DATA) {
			(void)no_text(c, true, how, e);
			return CLASSIC_BROKEN;
		}
	}
	for (size_t i = 0; i < pad; i++) {
		if (c->in[c->start + i] != pad) {
			return drain(c, a->bytes,
				"the content is longer than its Content Length says", e);
		}
	}
	c->start += pad;
	if (a->counter.invalid) {
		return faulty(e, "the content is not valid UTF-8");
	}
	return a->dropped ? CLASSIC_DROPPED : CLASSIC_WHOLE;
}

static enum classic_got take_body(struct arrival *a, struct err *e)
{
	struct classic *c = a->c;
	bool ends;

	while (a->counter.count < a->chars) {
		if (take_content(a, e) != 0) {
			return CLASSIC_BROKEN;
		}
		if (a->counter.count >= a->chars) {
			break;
		}
		ends = c->tail_pad > 0 && c->raw == c->end;
		enum conn_got how = fill(c, ends ? CLASSIC_QUIET_MS : 0, e);
		if (how == CONN_QUIET) {
			return cut_short(a, e);
		}
		if (how != CONN_DATA) {
			(void)no_text(c, true, how, e);
			return CLASSIC_BROKEN;
		}
	}
	return take_padding(a, e);
}

/* The header, whole and contiguous in c->in: 1, or 0 with *result. */
static int take_head(
	struct arrival *a, struct message_head *h, enum classic_got *result, struct err *e)
{
	struct classic *c = a->c;
	const char *why = "the header is not complete";
	int rc = 0;

	for (;;) {
		if (c->end > c->start) {
			rc = message_parse(
				c->in + c->start, c->end - c->start, a->mail->stored, h, &why);
		}
		if (rc != 0) {
			break;
		}
		bool ends = c->end > c->start && c->tail_pad > 0 && c->raw == c->end;
		enum conn_got how = fill(c, ends ? CLASSIC_QUIET_MS : 0, e);
		if (how == CONN_QUIET) {
			c->start = c->end;
			*result = faulty(e, why);
			return 0;
		}
		if (how != CONN_DATA) {
			(void)no_text(c, true, how, e);
			*result = CLASSIC_BROKEN;
			return 0;
		}
	}
	if (rc < 0) {
		*result = drain(c, a->bytes, why, e);
	}
	return rc > 0;
}

enum classic_got classic_recv_mail(
	struct classic *c, const struct classic_mail *mail, struct err *e)
{
	enum { COUNTABLE_MAX = 16 * MESSAGE_CONTENT_CHARS }; /* an honest length, if too long */
	struct arrival a = {.c = c, .mail = mail};
	struct message_head h;
	enum classic_got result = CLASSIC_BROKEN;
	int rc;

	c->spoke = false;
	if (!take_head(&a, &h, &result, e)) {
		return result;
	}
	rc = mail->head(mail->arg, &h, c->in + c->start, e);
	if (rc < 0) {
		return CLASSIC_BROKEN;
	}
	a.dropped = rc != 0;
	a.chars = h.length;
	c->start += h.bytes;
	a.bytes = h.bytes;
	if (h.length > COUNTABLE_MAX) {
		return drain(c, a.bytes, "the Content Length is far beyond the limit", e);
	}
	return take_body(&a, e);
}

/* --- receiving what was announced --- */

/* Less has come than was announced, and it ends like a text: has it ended? CLASSIC_WHOLE when more
 * of it is here. */
static enum classic_got await_more(struct classic *c, bool begun, struct err *e)
{
	bool ends = begun && c->tail_pad > 0 && c->raw == c->end;
	enum conn_got how = fill(c, ends ? CLASSIC_QUIET_MS : 0, e);

	if (how == CONN_QUIET) {
		err_set(e, EX_TEMPFAIL, "the text is shorter than the size that was announced");
		return CLASSIC_FAULTY;
	}
	if (how != CONN_DATA) {
		(void)no_text(c, begun, how, e);
		return CLASSIC_BROKEN;
	}
	return CLASSIC_WHOLE;
}

enum classic_got classic_recv_sized(
	struct classic *c, const struct buf *told, struct buf *out, size_t max, struct err *e)
{
	enum classic_got got = CLASSIC_WHOLE;
	size_t before = out->n, pad = 0;
	uint64_t hint, bytes = 0; /* bytes: of plaintext so far, with what pads it */
	bool sane = parse_decimal(told->p, told->n, aes_padded_len(max), &hint) == 0;

	c->spoke = false;
	while (pad == 0) {
		if (c->start == c->end) {
			got = await_more(c, bytes > 0, e);
		}
		if (got != CLASSIC_WHOLE) {
			return got;
		}
		if (!sane) {
			return drain(c, 0,
				"the size that was announced is no number, or above the limit", e);
		}
		if (bytes > max) {
			return drain(c, bytes, "the text is longer than its limit", e);
		}
		bytes += AES_BLOCK;
		pad = bytes >= hint ? aes_padding(c->in + c->start) : 0;
		if (buf_append(out, c->in + c->start, AES_BLOCK - pad) != 0) {
			err_set(e, EX_TEMPFAIL, "out of memory");
			return CLASSIC_BROKEN;
		}
		c->start += AES_BLOCK;
	}
	return out->n - before > max ? faulty(e, "the text is longer than its limit")
				     : CLASSIC_WHOLE;
}

/* A header of the looser form is as long as the one that will be stored. */
static bool head_fits(const struct message_head *h, bool *no_memory)
{
	struct buf head = {0};
	bool fits;

	*no_memory = message_format(&head, h->from, h->to, -1, h->title, h->length) != 0;
	fits = head.n <= MESSAGE_HEAD_MAX;
	buf_free(&head);
	return fits;
}

enum classic_got classic_take_mail(
	const struct buf *text, const struct classic_mail *mail, struct err *e)
{
	struct message_head h;
	const uint8_t *content;
	const char *why;
	bool no_memory = false;
	size_t n;
	int rc;

	if (message_parse_loose(text->p, text->n, &h, &why) != 0) {
		return faulty(e, why);
	}
	content = text->p + h.bytes;
	n = text->n - h.bytes;
	if (utf8_count(content, n, &h.length) != 0) {
		return faulty(e, "the content is not valid UTF-8");
	}
	if (!head_fits(&h, &no_memory)) {
		return faulty(e, "the header is too long");
	}
	if (no_memory) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return CLASSIC_FAULTY;
	}
	rc = mail->head(mail->arg, &h, text->p, e);
	if (rc == 0 && n > 0) {
		rc = mail->content(mail->arg, content, n, e);
	}
	return rc < 0 ? CLASSIC_BROKEN : rc > 0 ? CLASSIC_DROPPED : CLASSIC_WHOLE;
}

enum classic_got classic_recv_step(struct classic *c, const struct classic_step *step,
	const struct classic_mail *mail, struct err *e)
{
	struct buf told = {0}, text = {0};
	enum classic_got got = CLASSIC_BROKEN;

	if (step->text == NULL) {
		return classic_recv_mail(c, mail, e);
	}
	if (classic_recv(c, &told, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e) == 0 &&
		classic_send(c, step->text, e) == 0) {
		got = classic_recv_sized(c, &told, &text, CLASSIC_MAIL_MAX, e);
	}
	got = got == CLASSIC_WHOLE ? classic_take_mail(&text, mail, e) : got;
	buf_free(&told);
	buf_free(&text);
	return got;
}
