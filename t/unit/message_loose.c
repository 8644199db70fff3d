/* The e-mail of the python dialect, whose header is looser. */
#include "unit.h"

#include "../../proto/message.h"

static const char *why;

static bool part_is(struct message_part part, const char *want)
{
	return part.p != NULL && part.n == strlen(want) && memcmp(part.p, want, part.n) == 0;
}

static void taken(void **state)
{
	static const struct {
		const char *text, *time, *title, *content;
	} rows[] = {
		{"From: a\nTo: b;c\nTitle: x\nContent Length: 80\nContent: hello", "", "x",
			"hello"},
		{"From: a\nTo: b;c\nTime and Date: \nTitle: x\nContent Length: 5\nContent: hello",
			"", "x", "hello"},
		{"From: a\nTo: b;c\nTime and Date: now\nTitle: x\nContent Length: 5\nContent:\nh",
			"now", "x", "h"},
		{"From: a\nTo: b;c\n\nTitle: x\nContent Length: 5\nContent: ", "", "x", ""},
		{"From: a\nTo: b;c\nany line\nTitle: \nContent Length: \nContent: a\nb\n", "", "",
			"a\nb\n"},
		{"From: a\nTo: b;c\nTitle: x\nContent Length: -1\nContent: \n", "", "x", "\n"},
		{"From: a\nTo: b;c\nTitle: x\nContent Length: 1\nContent:\n", "", "x", ""},
		{"From: a\nTo: b;c\nTitle: x\nContent Length: 1\nContent:  two", "", "x", " two"},
		{"From: a\nTo: b;c\nTitle: Title: \nContent Length: 1\nContent: Title: ", "",
			"Title: ", "Title: "},
	};
	struct message_head h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = strlen(rows[i].text);
		why = "";
		if (message_parse_loose(rows[i].text, n, &h, &why) != 0) {
			fail_msg("%s: %s", rows[i].text, why);
		}
		if (!part_is(h.from, "a") || !part_is(h.to, "b;c") ||
			!part_is(h.time, rows[i].time) || !part_is(h.title, rows[i].title) ||
			n - h.bytes != strlen(rows[i].content) ||
			strcmp(rows[i].text + h.bytes, rows[i].content) != 0) {
			fail_msg("misread: %s", rows[i].text);
		}
	}
}

static void refused(void **state)
{
	static const char *const rows[] = {
		"",
		"\n",
		"From: a",
		"From: a\n",
		"From: a\nTo: b",
		"To: b\nFrom: a\nTitle: x\nContent Length: 5\nContent: hello",
		"from: a\nTo: b\nTitle: x\nContent Length: 5\nContent: hello",
		"From: a\nTitle: x\nContent Length: 5\nContent: hello",
		"From: a\nTo: b\none\ntwo\nTitle: x\nContent Length: 5\nContent: hello",
		"From: a\nTo: b\nTitle: x\nTitle: y\nContent Length: 5\nContent: hello",
		"From: a\nTo: b\nContent Length: 5\nContent: hello",
		"From: a\nTo: b\nTitle: x\nContent: hello",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\nContent:",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\nContent:hello",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\n\nContent: hello",
	};
	struct message_head h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		why = NULL;
		if (message_parse_loose(rows[i], strlen(rows[i]), &h, &why) != -1) {
			fail_msg("taken: %s", rows[i]);
		}
		assert_non_null(why);
	}
}

static void cut(void **state)
{
	static const char text[] =
		"From: a\nTo: b\nThird\nTitle: x\nContent Length: 1\nContent: hello";
	const size_t head = strlen(text) - strlen("hello");
	struct message_head h;

	(void)state;
	for (size_t n = 0; n <= strlen(text); n++) {
		uint8_t *copy = malloc(n + 1); /* of n bytes, for who looks behind them */
		assert_non_null(copy);
		memcpy(copy, text, n);
		int rc = message_parse_loose(n == 0 ? NULL : copy, n, &h, &why);
		if (rc != (n < head ? -1 : 0)) {
			fail_msg("of %zu bytes: %d", n, rc);
		}
		free(copy);
	}
}

static void formatted(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(message_format_loose(&out, message_text("client1"),
				 message_text("client2;client4"), message_text("Test"), 26),
		0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal(out.p,
		"From: client1\nTo: client2;client4\nTime and Date: \nTitle: Test\n"
		"Content Length: 26\nContent: ");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a third line, any Content Length, content on Content's line: all are taken",
			taken),
		T("what is no header is refused, with a reason", refused),
		T("an e-mail cut anywhere ahead of its content is refused", cut),
		T("as it is sent, every line stands where the Python server looks for it",
			formatted),
	};
	return RUN(tests);
}
