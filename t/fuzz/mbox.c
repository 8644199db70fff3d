/* mbox files with Internet messages in them, as import reads them; and any bytes as the content of
 * a message, out and in again. The first byte says how the file is read, and in what pieces. */
#include "fuzz.h"

#include <string.h>

#include "../../cmd/archive.h"

enum { CHARS = 100000 };

struct text {
	const uint8_t *p;
	size_t n;
};

static int read_at(void *arg, uint64_t offset, void *p, size_t n, size_t *got, struct err *e)
{
	const struct text *t = arg;
	size_t left = offset < t->n ? t->n - (size_t)offset : 0;

	(void)e;
	*got = n < left ? n : left;
	if (*got > 0) {
		memcpy(p, t->p + offset, *got);
	}
	return 0;
}

static int take(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	assert(n == 0 || buf_append(arg, p, n) == 0);
	return 0;
}

/* Whatever is read can be stored. */
static void judge(const struct archive_read *in)
{
	const struct archive_letter *l = &in->letter;
	struct users_list list;
	struct err e;
	uint64_t chars;
	struct buf content = {0};

	assert(held_each(&in->content, take, &content, &e) == 0);
	assert(utf8_count(content.p, content.n, &chars) == 0);
	assert(chars == l->meta.chars && chars <= CHARS);
	assert(message_check_title(l->meta.title, strlen(l->meta.title), &e) == 0);
	if (in->ours) {
		assert(user_name_valid(l->meta.source) && user_name_valid(l->mailbox));
		assert(l->meta.time_us >= 0);
		assert(users_split(&list, l->to.p, l->to.n, &e) == 0);
		users_list_free(&list);
	}
	buf_free(&content);
}

static void read_message(const uint8_t *p, size_t n, enum mbox_quoting quoting, size_t piece)
{
	struct archive_read in;
	struct err e = {0};
	struct archive_reader *r = archive_read_begin(&in, false, CHARS, &e);
	struct mbox_filter f;
	int rc;

	assert(r != NULL);
	mbox_filter_begin(&f, quoting, archive_read_take, r);
	rc = n == 0 ? 0 : mbox_filter_take(&f, p, n < piece ? n : piece, &e);
	for (size_t at = piece; rc == 0 && at < n; at += piece) {
		rc = mbox_filter_take(&f, p + at, n - at < piece ? n - at : piece, &e);
	}
	rc = rc == 0 ? mbox_filter_end(&f, &e) : rc;
	rc = rc == 0 ? archive_read_end(r, &e) : rc;
	if (rc == 0) {
		judge(&in);
	} else {
		assert(e.code == EX_DATAERR && e.text[0] != '\0');
	}
	archive_read_free(r, &in);
}

static void read_file(const uint8_t *p, size_t n, enum mbox_kind kind, size_t piece)
{
	static struct mbox m;
	struct text t = {.p = p, .n = n};
	struct mbox_message message;
	struct err e = {0};
	uint64_t last = 0;
	int rc;

	mbox_open(&m, kind, read_at, &t);
	while ((rc = mbox_next(&m, &message, &e)) > 0) {
		assert(message.start > last && message.start <= message.end && message.end <= n);
		last = message.end;
		read_message(p + message.start, (size_t)(message.end - message.start),
			message.quoting, piece);
	}
	assert(rc == 0 || e.code == EX_DATAERR);
}

/* Any content is the same behind its encoding and the quotes of an mbox. */
static void there_and_back(const uint8_t *p, size_t n, size_t piece)
{
	static struct transfer out, in;
	struct transfer_survey s = {0};
	struct buf text = {0}, quoted = {0}, unquoted = {0}, back = {0};
	struct mbox_filter f;
	struct err e;

	transfer_look(&s, p, n);
	transfer_begin(&out, transfer_choose(&s), take, &text);
	for (size_t at = 0; at < n; at += piece) {
		assert(transfer_encode(&out, p + at, n - at < piece ? n - at : piece, &e) == 0);
	}
	assert(transfer_encode_end(&out, &e) == 0);
	assert(text.n == 0 || text.p[text.n - 1] == '\n');
	mbox_filter_begin(&f, MBOX_QUOTE, take, &quoted);
	assert(mbox_filter_take(&f, text.p, text.n, &e) == 0 && mbox_filter_end(&f, &e) == 0);
	assert(quoted.n == text.n); /* nothing of it needs quotes */
	mbox_filter_begin(&f, MBOX_QUOTE, take, &unquoted);
	assert(mbox_filter_take(&f, p, n, &e) == 0 && mbox_filter_end(&f, &e) == 0);
	quoted.n = 0;
	mbox_filter_begin(&f, MBOX_UNQUOTE, take, &quoted);
	assert(mbox_filter_take(&f, unquoted.p, unquoted.n, &e) == 0 &&
		mbox_filter_end(&f, &e) == 0);
	assert(quoted.n == n && (n == 0 || memcmp(quoted.p, p, n) == 0));
	transfer_begin(&in, out.how, take, &back);
	for (size_t at = 0; at < text.n; at += piece) {
		size_t k = text.n - at < piece ? text.n - at : piece;
		assert(transfer_decode(&in, text.p + at, k, &e) == 0);
	}
	assert(transfer_decode_end(&in, &e) == 0);
	assert(back.n == n && (n == 0 || memcmp(back.p, p, n) == 0));
	buf_free(&text);
	buf_free(&quoted);
	buf_free(&unquoted);
	buf_free(&back);
}

/* A title that can be stored comes back from its field. */
static void title_back(const uint8_t *p, size_t n)
{
	struct message_part title = {.p = p, .n = n}, value;
	struct buf field = {0}, back = {0};
	struct err e;

	if (n > 0 && message_check_title(p, n, &e) == 0) {
		assert(rfc5322_put_text(&field, "Subject", title) == 0);
		assert(rfc5322_find(field.p, field.n, "Subject", &value));
		assert(rfc5322_text(&back, value) == 0);
		assert(back.n == n && memcmp(back.p, p, n) == 0);
	}
	buf_free(&field);
	buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece;

	if (size < 1) {
		return 0;
	}
	piece = (size_t)(data[0] >> 3) * 7 + 1;
	read_file(data + 1, size - 1, (enum mbox_kind)(data[0] % 5), piece);
	read_message(data + 1, size - 1, MBOX_AS_IS, piece);
	there_and_back(data + 1, size - 1, piece);
	title_back(data + 1, size - 1);
	return 0;
}
