/* mbox: what was written comes back, and what others wrote is taken apart by its own rules. */
#include "unit.h"

#include "../../proto/mbox.h"

static struct err e;

struct text {
	const char *p;
	size_t n;
};

static int read_at(void *arg, uint64_t offset, void *p, size_t n, size_t *got, struct err *why)
{
	const struct text *t = arg;
	size_t left = offset < t->n ? t->n - (size_t)offset : 0;

	(void)why;
	*got = n < left ? n : left;
	memcpy(p, t->p + (left == 0 ? 0 : offset), *got);
	return 0;
}

static int take(void *arg, const void *p, size_t n, struct err *why)
{
	(void)why;
	return buf_append(arg, p, n);
}

static void filter(
	enum mbox_quoting quoting, const char *p, size_t n, size_t piece, struct buf *out)
{
	struct mbox_filter f;

	mbox_filter_begin(&f, quoting, take, out);
	for (size_t at = 0; at < n; at += piece) {
		assert_int_equal(
			mbox_filter_take(&f, p + at, n - at < piece ? n - at : piece, &e), 0);
	}
	assert_int_equal(mbox_filter_end(&f, &e), 0);
}

/* The messages of a file, unquoted, each followed by "|". */
static struct buf all_of(const char *p, size_t n, enum mbox_kind kind, int *rc)
{
	struct mbox *m = malloc(sizeof *m);
	struct text t = {.p = p, .n = n};
	struct mbox_message message;
	struct buf out = {0};

	assert_non_null(m);
	mbox_open(m, kind, read_at, &t);
	while ((*rc = mbox_next(m, &message, &e)) > 0) {
		assert_true(message.start <= message.end && message.end <= n);
		filter(message.quoting, p + message.start, (size_t)(message.end - message.start), 7,
			&out);
		assert_int_equal(buf_append_str(&out, "|"), 0);
	}
	assert_int_equal(buf_append(&out, "", 1), 0);
	free(m);
	return out;
}

#define FROM "From a@b Thu Jul 21 19:29:35 2022\n"

static void assert_messages(const char *text, enum mbox_kind kind, const char *wanted)
{
	int rc;
	struct buf out = all_of(text, strlen(text), kind, &rc);

	assert_int_equal(rc, 0);
	assert_string_equal((char *)out.p, wanted);
	buf_free(&out);
}

static void test_quotes(void **state)
{
	static const char text[] = "From \n>From x\n>>>From\nFrom: \n>\n>>\nFromage\n From \nFrom";
	static const char quoted[] =
		">From \n>>From x\n>>>From\nFrom: \n>\n>>\nFromage\n From \nFrom";

	(void)state;
	for (size_t piece = 1; piece < sizeof text; piece++) {
		struct buf out = {0}, back = {0};
		filter(MBOX_QUOTE, text, sizeof text - 1, piece, &out);
		assert_int_equal(out.n, sizeof quoted - 1);
		assert_memory_equal(out.p, quoted, out.n);
		filter(MBOX_UNQUOTE, (char *)out.p, out.n, piece, &back);
		assert_int_equal(back.n, sizeof text - 1);
		assert_memory_equal(back.p, text, back.n);
		back.n = 0;
		filter(MBOX_UNQUOTE_ONE, ">From \n>>From \n", 15, piece, &back);
		assert_int_equal(back.n, 14);
		assert_memory_equal(back.p, "From \n>>From \n", back.n);
		buf_free(&out);
		buf_free(&back);
	}
}

static void test_framing(void **state)
{
	(void)state;
	assert_messages("", MBOX_ANY, "");
	assert_messages("\n\n", MBOX_ANY, "");
	assert_messages(
		FROM "A: b\n\nbody\n\n" FROM "C: d\n\n\n", MBOX_ANY, "A: b\n\nbody\n|C: d\n\n|");
	assert_messages(FROM "A: b\n\n" FROM "C: d\n\n" FROM, MBOX_ANY, "A: b\n\n|C: d\n\n||");
	/* an empty line that a writer forgot, and one more than there should be */
	assert_messages(
		FROM "A: b\n\nx\n" FROM "C: d\n\ny\n\n\n", MBOX_ANY, "A: b\n\nx\n|C: d\n\ny\n\n|");
	assert_messages(FROM "A: b\n\nno end", MBOX_ANY, "A: b\n\nno end|");
	/* text that begins so by chance */
	assert_messages(
		FROM "A: b\n\nx\n\nFrom here on\ny\n", MBOX_ANY, "A: b\n\nx\n\nFrom here on\ny\n|");
	assert_messages(FROM "A: b\n\nx\n\nFrom here\n\ny\n", MBOX_RD, "A: b\n\nx\n|\ny\n|");
	assert_messages(FROM "A: b\r\n\r\nx\r\n\r\n" FROM "C: d\r\n", MBOX_ANY,
		"A: b\r\n\r\nx\r\n|C: d\r\n|");
}

static void test_kinds(void **state)
{
	static const char cl2[] =
		FROM "Content-Length: 42\n\nx\n\n" FROM ">From\n\n" FROM "C: d\n\n";

	(void)state;
	assert_messages(FROM "A: b\n\n>From x\n>>From y\n", MBOX_RD, "A: b\n\nFrom x\n>From y\n|");
	assert_messages(FROM "A: b\n\n>From x\n>>From y\n", MBOX_O, "A: b\n\nFrom x\n>>From y\n|");
	/* a length that leads to the next message is followed, and nothing is unquoted where a
	 * From_ line is not */
	assert_messages(cl2, MBOX_ANY, "Content-Length: 42\n\nx\n\n" FROM ">From|C: d\n\n|");
	assert_messages(cl2, MBOX_RD, "Content-Length: 42\n\nx\n|>From\n\n|C: d\n\n|");
	assert_messages(FROM "Content-Length: 8\n\n>From x\n\n" FROM "C: d\n\n", MBOX_ANY,
		"Content-Length: 8\n\nFrom x\n|C: d\n\n|");
	assert_messages(FROM "Content-Length: 8\n\n>From x\n\n" FROM "C: d\n\n", MBOX_CL2,
		"Content-Length: 8\n\n>From x\n|C: d\n\n|");
	/* one that lies is not */
	assert_messages(FROM "Content-Length: 3\n\nabcdef\n\n" FROM "C: d\n\n", MBOX_ANY,
		"Content-Length: 3\n\nabcdef\n|C: d\n\n|");
	assert_messages(FROM "Content-Length: 9223372036854775807\n\nabc\n", MBOX_ANY,
		"Content-Length: 9223372036854775807\n\nabc\n|");
	assert_messages(
		FROM "Content-Length: -1\n\nabc\n", MBOX_ANY, "Content-Length: -1\n\nabc\n|");
}

static void test_refused(void **state)
{
	int rc;
	struct buf out = all_of("A: b\n\nbody\n", 11, MBOX_ANY, &rc), large = {0};

	(void)state;
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EX_DATAERR);
	buf_free(&out);
	assert_int_equal(buf_reserve(&large, MBOX_BLOCK + 100), 0);
	memset(large.p, 'x', MBOX_BLOCK + 100);
	memcpy(large.p, "From ", 5);
	out = all_of((char *)large.p, MBOX_BLOCK + 100, MBOX_ANY, &rc);
	assert_int_equal(rc, -1);
	buf_free(&out);
	buf_free(&large);
}

/* Lines of all lengths around the block's, with a From_ line behind each. */
static void test_blocks(void **state)
{
	(void)state;
	for (size_t n = MBOX_BLOCK - 50; n < MBOX_BLOCK + 10; n++) {
		struct buf file = {0};
		int rc, found = 0;
		assert_int_equal(buf_append_str(&file, FROM "A: b\n\n"), 0);
		assert_int_equal(buf_reserve(&file, n), 0);
		memset(file.p + file.n, 'x', n);
		file.n += n;
		assert_int_equal(buf_append_str(&file, "\n\n" FROM "C: d\n\ny\n"), 0);
		struct buf out = all_of((char *)file.p, file.n, MBOX_ANY, &rc);
		for (size_t i = 0; i < out.n; i++) {
			found += out.p[i] == '|' ? 1 : 0;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(found, 2);
		buf_free(&out);
		buf_free(&file);
	}
}

static void test_from_line(void **state)
{
	struct buf out = {0};
	struct text t;
	struct mbox *m = malloc(sizeof *m);
	struct mbox_message message;

	(void)state;
	assert_non_null(m);
	assert_int_equal(mbox_put_from(&out, "a@b", 1658431775768508), 0);
	assert_int_equal(out.n, strlen(FROM));
	assert_memory_equal(out.p, FROM, out.n);
	t = (struct text){.p = (char *)out.p, .n = out.n};
	mbox_open(m, MBOX_ANY, read_at, &t);
	assert_int_equal(mbox_next(m, &message, &e), 1);
	assert_int_equal(message.time_us, 1658431775000000);
	free(m);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("quotes go on and come off exactly, in whatever pieces", test_quotes),
		T("messages are told apart, and end where they ended", test_framing),
		T("each kind of mbox is read by its rules", test_kinds),
		T("what is no mbox is refused", test_refused),
		T("a block of the file may end anywhere", test_blocks),
		T("the From_ line has the time, and gives it back", test_from_line),
	};
	return RUN(tests);
}
