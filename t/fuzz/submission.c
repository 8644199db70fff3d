/* Messages as programs hand them over: read in two ways they are the same, what comes out has no
 * CR, no NUL and no Bcc, and read again it stays as it is. */
#include "fuzz.h"

#include "../../cmd/submission.h"

enum { MOST = 4096 };

static int gather(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	return buf_append(arg, p, n);
}

/* 0 with the whole text, or -1. */
static int read_in(const struct submission_rules *rules, const uint8_t *p, size_t n, size_t piece,
	struct submission *s, struct buf *all)
{
	struct err e = {0};
	struct submission_reader *r = submission_begin(s, rules, &e);
	int rc = 0;

	assert(r != NULL);
	for (size_t at = 0; rc == 0 && at < n; at += piece) {
		rc = submission_take(r, p + at, n - at < piece ? n - at : piece, &e);
	}
	rc = rc < 0 ? rc : submission_end(r, &e);
	submission_reader_free(r);
	assert(rc == 0 || (e.code == EX_DATAERR && e.text[0] != '\0'));
	if (rc == 0) {
		rc = submission_each(s, gather, all, &e);
		assert(rc == 0 && all->n == submission_bytes(s));
	}
	return rc;
}

static void judge(const struct submission *s, const struct buf *all)
{
	static const struct submission_rules plain = {.host = "h", .max_bytes = 4 * MOST};
	struct submission again = SUBMISSION_EMPTY;
	struct message_part v;
	struct buf twice = {0};

	assert(memchr(all->p, '\0', all->n) == NULL && memchr(all->p, '\r', all->n) == NULL);
	assert(all->p[all->n - 1] == '\n');
	assert(!rfc5322_find(s->head.p, s->head.n, "Bcc", &v));
	assert(rfc5322_find(s->head.p, s->head.n, "From", &v));
	assert(read_in(&plain, all->p, all->n, 7, &again, &twice) == 0);
	assert(twice.n == all->n && memcmp(twice.p, all->p, all->n) == 0);
	submission_free(&again);
	buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* what is added has dates and random numbers: messages bring their own */
	static const char own[] = "Date: d\nMessage-ID: <m>\nFrom: f\n";
	const bool from_head = size > 0 && (data[0] & 1) != 0,
		   dots = size > 0 && (data[0] & 2) != 0;
	const struct submission_rules rules = {.recipients_in_head = from_head,
		.dot_ends = dots,
		.host = "h",
		.max_bytes = 2 * MOST};
	struct submission one = SUBMISSION_EMPTY, two = SUBMISSION_EMPTY;
	struct buf text = {0}, first = {0}, second = {0};
	int rc;

	if (size == 0 || size > MOST) {
		return 0;
	}
	assert(buf_append_str(&text, own) == 0 && buf_append(&text, data + 1, size - 1) == 0);
	rc = read_in(&rules, text.p, text.n, text.n, &one, &first);
	assert(read_in(&rules, text.p, text.n, 1, &two, &second) == rc);
	if (rc == 0) {
		assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
		assert(one.to_n == two.to_n && memcmp(one.id, two.id, sizeof one.id) == 0);
		judge(&one, &first);
	}
	submission_free(&one);
	submission_free(&two);
	buf_free(&text);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
