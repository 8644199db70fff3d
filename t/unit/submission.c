/* Messages that programs hand over, put into form. */
#include "unit.h"

#include "../../cmd/submission.h"

static struct err e;

static const struct submission_rules plain = {.host = "host.example", .max_bytes = 100000};

static int gather(void *arg, const void *p, size_t n, struct err *why)
{
	(void)why;
	return buf_append(arg, p, n);
}

/* Read text in pieces of so many bytes. */
static int read_in(struct submission *s, const struct submission_rules *rules, const void *text,
	size_t n, size_t piece)
{
	struct submission_reader *r = submission_begin(s, rules, &e);
	const uint8_t *p = text;
	int rc = 0;

	assert_non_null(r);
	for (size_t at = 0; rc == 0 && at < n; at += piece) {
		rc = submission_take(r, p + at, n - at < piece ? n - at : piece, &e);
	}
	rc = rc < 0 ? rc : submission_end(r, &e);
	submission_reader_free(r);
	return rc;
}

/* What comes out, but for the fields that are added. */
static void assert_becomes(
	const struct submission_rules *rules, const char *text, const char *head, const char *body)
{
	for (size_t piece = 1; piece < 20; piece += 3) {
		struct submission s = SUBMISSION_EMPTY;
		struct buf all = {0};
		char *wanted_end;
		assert_int_equal(read_in(&s, rules, text, strlen(text), piece), 0);
		assert_int_equal(submission_each(&s, gather, &all, &e), 0);
		assert_int_equal(all.n, submission_bytes(&s));
		assert_int_equal(buf_append(&all, "", 1), 0);
		assert_memory_equal(all.p, head, strlen(head));
		wanted_end = strstr((char *)all.p, "\n\n");
		assert_non_null(wanted_end);
		assert_string_equal(wanted_end + 2, body);
		buf_free(&all);
		submission_free(&s);
	}
}

static void test_lines(void **state)
{
	const struct submission_rules dots = {.dot_ends = true, .host = "h", .max_bytes = 100000};

	(void)state;
	assert_becomes(&plain, "A: b\n\nx\n", "A: b\n", "x\n");
	assert_becomes(&plain, "A: b\r\n\r\nx\r\n", "A: b\n", "x\n");
	assert_becomes(&plain, "A: b\r\r\n\r\nx\r\r\n", "A: b\n", "x\n");
	assert_becomes(&plain, "A: b\rC: d\n\nx\ry\r\rz\n", "A: b C: d\n", "x\ny\nz\n");
	assert_becomes(&plain, "A: b\n\nx\r", "A: b\n", "x\n");
	assert_becomes(&plain, "A: b\n c\n\nx", "A: b\n c\n", "x\n");
	assert_becomes(&plain, "A: b\n\n.\n..\n", "A: b\n", ".\n..\n");
	assert_becomes(&dots, "A: b\n\n.x\n..\n.\nbehind\n", "A: b\n", ".x\n..\n");
	assert_becomes(&dots, "A: b\n\n.\r\nbehind\n", "A: b\n", "");
	assert_becomes(&dots, "A: b\n\nx\n.", "A: b\n", "x\n");
	assert_becomes(&dots, "A: b\n.\nbehind\n", "A: b\n", "");
	assert_becomes(&dots, "A: b\n\nx\r.\r\n", "A: b\n", "x\n");
}

static void test_head(void **state)
{
	(void)state;
	assert_becomes(&plain, "", "From: MAILER-DAEMON@host.example\n", "");
	assert_becomes(&plain, "\n", "From: ", "");
	assert_becomes(&plain, "text\nmore\n", "From: ", "text\nmore\n");
	assert_becomes(&plain, "\ntext: x\n", "From: ", "text: x\n");
	assert_becomes(&plain, " text\n", "From: ", " text\n");
	assert_becomes(&plain, "From a Mon Jan 1\nA: b\n\nx\n", "A: b\n", "x\n");
	assert_becomes(&plain, "A: b\nno field\n\nx\n", "A: b\n", "no field\n\nx\n");
	assert_becomes(&plain, "Bcc: a,\n b\nA: b\nRESENT-BCC: c\n\nx\n", "A: b\nFrom: ", "x\n");
	assert_becomes(&plain, "A: b", "A: b\n", "");
	assert_becomes(&plain, "From: x\nDate: y\nMessage-ID: z\n\n",
		"From: x\nDate: y\nMessage-ID: z\n\n", "");
}

static void assert_recipients(const char *head, const char *wanted)
{
	struct submission_rules rules = plain;
	struct submission s = SUBMISSION_EMPTY;
	struct buf all = {0};

	rules.recipients_in_head = true;
	assert_int_equal(read_in(&s, &rules, head, strlen(head), 7), 0);
	for (size_t i = 0; i < s.to_n; i++) {
		assert_int_equal(rfc5322_address_put(&all, &s.to[i]), 0);
		/* who is not to be seen */
		assert_int_equal(
			buf_append_str(&all, submission_names(&s, &s.to[i]) ? " " : "* "), 0);
	}
	assert_int_equal(buf_append(&all, "", 1), 0);
	assert_string_equal((char *)all.p, wanted);
	buf_free(&all);
	submission_free(&s);
}

static void test_recipients(void **state)
{
	(void)state;
	assert_recipients("To: a, b@c\nCc: A <a>\nBcc: d\n\n", "a b@c d* ");
	assert_recipients("to: a\nTO: b\n\n", "a b ");
	assert_recipients(
		"To: b@C.example, b@c.EXAMPLE, B@c.example\n\n", "b@C.example B@c.example ");
	assert_recipients("To: undisclosed-recipients:;\nBcc: a\n\n", "a* ");
	assert_recipients("To: a\nResent-To: b\nResent-Bcc: c\n\n", "b c* ");
	assert_recipients("To: \n\n", "");
	assert_recipients("X-To: a\n\nTo: b\n", "");
}

static void test_refused(void **state)
{
	struct submission_rules rules = plain;
	struct submission s = SUBMISSION_EMPTY;
	struct rfc5322_mailbox one = {.local = "a"};

	(void)state;
	assert_refused(read_in(&s, &plain, "A: b\0\n", 6, 99), e, EX_DATAERR);
	submission_free(&s);
	rules.recipients_in_head = true;
	assert_refused(read_in(&s, &rules, "To: a b\n\n", 9, 99), e, EX_DATAERR);
	submission_free(&s);
	for (rules.max_bytes = 5; rules.max_bytes <= 7; rules.max_bytes++) {
		int rc = read_in(&s, &rules, "A: b\n\n", 6, 1);
		assert_int_equal(rc, rules.max_bytes < 6 ? -1 : 0);
		submission_free(&s);
	}
	for (int i = 0; i <= SUBMISSION_RECIPIENTS; i++) {
		(void)snprintf(one.local, sizeof one.local, "u%d", i);
		assert_int_equal(submission_add(&s, &one, &e), i < SUBMISSION_RECIPIENTS ? 0 : -1);
	}
	assert_int_equal(e.code, EX_DATAERR);
	assert_int_equal(s.to_n, SUBMISSION_RECIPIENTS);
	(void)snprintf(one.local, sizeof one.local, "u5");
	assert_int_equal(submission_add(&s, &one, &e), 0); /* he is there */
	submission_free(&s);
}

/* A header of RFC5322_HEAD_MAX bytes is one, and no byte more. */
static void test_limits(void **state)
{
	struct submission_rules rules = {.host = "h", .max_bytes = 2 * RFC5322_HEAD_MAX};
	struct buf text = {0};

	(void)state;
	assert_int_equal(buf_reserve(&text, RFC5322_HEAD_MAX + 2), 0);
	for (size_t n = RFC5322_HEAD_MAX - 1; n <= RFC5322_HEAD_MAX; n++) {
		struct submission s = SUBMISSION_EMPTY;
		memset(text.p, 'x', n);
		memcpy(text.p, "A:", 2);
		text.p[n - 1] = '\n';
		text.p[n] = '\n';
		assert_int_equal(
			read_in(&s, &rules, text.p, n + 1, 65536), n < RFC5322_HEAD_MAX ? 0 : -1);
		submission_free(&s);
	}
	buf_free(&text);
}

static void test_bytes(void **state)
{
	static const struct {
		const char *text;
		bool eight_bit, utf8_head;
	} rows[] = {{"A: b\n\nx\n", false, false}, {"A: b\n\n\xc3\xa4\n", true, false},
		{"A: \xc3\xa4\n\nx\n", true, true}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct submission s = SUBMISSION_EMPTY;
		assert_int_equal(read_in(&s, &plain, rows[i].text, strlen(rows[i].text), 1), 0);
		assert_int_equal(s.eight_bit, rows[i].eight_bit);
		assert_int_equal(s.utf8_head, rows[i].utf8_head);
		submission_free(&s);
	}
}

static void test_id(void **state)
{
	static const char *const texts[] = {"Message-ID: <a>\n\nx\n", "Message-ID: <a>\n\nx\n",
		"Message-ID: <b>\n\nx\n", "Message-ID: <a>\n\ny\n", "Message-ID:\n\nx\n",
		"Message-ID:\n\nx\n"};
	struct submission s[COUNT(texts)];
	const struct rfc5322_mailbox to = {.local = "a"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		s[i] = SUBMISSION_EMPTY;
		assert_int_equal(submission_add(&s[i], &to, &e), 0);
		assert_int_equal(read_in(&s[i], &plain, texts[i], strlen(texts[i]), 99), 0);
	}
	assert_memory_equal(s[0].id, s[1].id, SUBMISSION_ID); /* it is the same message */
	for (size_t i = 2; i < COUNT(texts); i++) {
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(s[i].id, s[k].id, SUBMISSION_ID);
		}
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		submission_free(&s[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("lines of any end become lines, however they come", test_lines),
		T("a header is kept, completed, or made", test_head),
		T("recipients are found in the header, and who is hidden", test_recipients),
		T("what is no message is refused", test_refused),
		T("a header has its limit", test_limits),
		T("bytes above 0x7f are noticed", test_bytes),
		T("a message that names itself has an id of its own", test_id),
	};
	return RUN(tests);
}
