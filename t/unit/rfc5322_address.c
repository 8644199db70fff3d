/* Every address of an address list. */
#include "unit.h"

#include "../../proto/rfc5322_address.h"

/* All addresses of a value, as RFC 5321 writes them, with blanks between; "!" where one is none. */
static void assert_list(const char *value, const char *wanted)
{
	struct cursor c = cursor_over(value, strlen(value));
	struct rfc5322_mailbox m;
	struct buf out = {0};
	int rc;

	while ((rc = rfc5322_address_next(&c, &m)) > 0) {
		assert_true(out.n == 0 || buf_append_str(&out, " ") == 0);
		assert_int_equal(rfc5322_address_put(&out, &m), 0);
	}
	assert_true(rc == 0 || buf_append_str(&out, "!") == 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal((char *)out.p, wanted);
	buf_free(&out);
}

static void test_forms(void **state)
{
	(void)state;
	assert_list("", "");
	assert_list(" (nobody) ", "");
	assert_list("alice", "alice");
	assert_list("alice@example.org, bob@example.org", "alice@example.org bob@example.org");
	assert_list("Alice A. <alice@example.org>,<bob>", "alice@example.org bob");
	assert_list("\"A, B <x@y>\" <a@b>", "a@b");
	assert_list("\"A \\\" <x@y>\" <a@b>", "a@b");
	assert_list("A (b, c@d <e@f>) <a@b> (the (inner) one\\))", "a@b");
	assert_list("alice@example.org (Alice, of course)", "alice@example.org");
	assert_list("a . b (x) @ (y) c . d", "a.b@c.d");
	assert_list("one\r\n <a@b>,\r\n\ttwo <c@d>", "a@b c@d");
	assert_list(",, a@b ,, c@d ,", "a@b c@d");
	assert_list("a@[192.0.2.1], b@[IPv6:2001:db8::1]", "a@[192.0.2.1] b@[IPv6:2001:db8::1]");
	assert_list("j\xc3\xb6rg@b\xc3\xbc"
		    "cher.example",
		"j\xc3\xb6rg@b\xc3\xbc"
		"cher.example");
}

static void test_groups(void **state)
{
	(void)state;
	assert_list("undisclosed-recipients:;", "");
	assert_list("Team: a@b, C <c@d>; , e@f", "a@b c@d e@f");
	assert_list("\"T: x\": a@b;", "a@b");
	assert_list("One: a@b; Two:; Three: c;", "a@b c");
}

static void test_names(void **state)
{
	(void)state;
	assert_list(
		"=?utf-8?Q?J=C3=B6rg?= <a@b>, =?utf-8?B?QQ==?= =?utf-8?B?Qg==?= <c@d>", "a@b c@d");
	/* a comma or a bracket that should have been encoded is still inside the word */
	assert_list("=?utf-8?Q?Smith,_<J>?= <a@b>", "a@b");
	/* what only looks like a word is none */
	assert_list("=?utf-8?Q?x <a@b>, =?= <c@d>", "a@b c@d");
	assert_list("<@relay.example,@two.example:a@b>", "a@b");
	assert_list("<@[192.0.2.1]:a@b>", "a@b");
}

static void test_quotes(void **state)
{
	(void)state;
	assert_list("\"a b\"@c", "\"a b\"@c");
	assert_list("\"a\\\"\\\\b\"@c", "\"a\\\"\\\\b\"@c");
	assert_list("\"ab\"@c", "ab@c"); /* it needs none */
	assert_list("\".a\"@c, \"a..b\"@c", "\".a\"@c \"a..b\"@c");
	assert_list("\"\"@c", "!"); /* in an envelope it would be the null path */
	assert_list("x@[a>b]", "!");
	assert_list("\"a\".b@c", "a.b@c");
	assert_list("\"a\tb\"@c", "\"a b\"@c");
	assert_list("\"a\r\n b\"@c", "\"a b\"@c");
	assert_list("\"|cmd\"@c, |cmd@c", "|cmd@c |cmd@c");
	assert_list("\"a\\\nb\"@c", "!");
}

static void test_none(void **state)
{
	static const char *const values[] = {"@", "@b", "a@", "a@b@c", "a b", "a b@c", "<", "<>",
		"<a", "<a@b", "a@b>", "<a@b> c", "<a@b><c@d>", "a@b c@d", "(", "a (", "\"a",
		"\"a\"\"b\"@c", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c", "a@\"b\"",
		"a@[b", "a@[b]c", "a@[b[c]", "a@[b\\]", "a\\b@c", "a[b]@c", "<<a@b>>", "a@b, <",
		")", "a)b@c", "a\001b@c", "\"a\001b\"@c", "a@b\001c", "a@[\001]", "<@a@b>", "<@a:>",
		":", "a@b\r\nBcc: c", "a\x7f@b", "Team: a b;"};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct cursor c = cursor_over(values[i], strlen(values[i])), before;
		struct rfc5322_mailbox m;
		int rc;
		do {
			before = c;
			rc = rfc5322_address_next(&c, &m);
		} while (rc > 0);
		if (rc == 0 && strcmp(values[i], ":") != 0) {
			fail_msg("\"%s\" is taken for addresses", values[i]);
		}
		assert_true(c.n <= before.n);
	}
}

static void test_limits(void **state)
{
	char text[512], half[300];
	struct rfc5322_mailbox m;
	struct message_part v;

	(void)state;
	memset(half, 'x', sizeof half);
	for (int local = RFC5322_LOCAL_MAX; local <= RFC5322_LOCAL_MAX + 1; local++) {
		(void)snprintf(text, sizeof text, "%.*s@b", local, half);
		v = message_text(text);
		assert_int_equal(rfc5322_address_parse(v, &m), local > RFC5322_LOCAL_MAX ? -1 : 0);
	}
	for (int domain = RFC5322_DOMAIN_MAX; domain <= RFC5322_DOMAIN_MAX + 1; domain++) {
		(void)snprintf(text, sizeof text, "a@%.*s", domain, half);
		v = message_text(text);
		assert_int_equal(
			rfc5322_address_parse(v, &m), domain > RFC5322_DOMAIN_MAX ? -1 : 0);
		(void)snprintf(text, sizeof text, "a@[%.*s]", domain - 2, half);
		v = message_text(text);
		assert_int_equal(
			rfc5322_address_parse(v, &m), domain > RFC5322_DOMAIN_MAX ? -1 : 0);
	}
	/* every byte of the longest local part may need a backslash */
	struct buf out = {0};
	memset(m.local, '"', RFC5322_LOCAL_MAX);
	m.local[RFC5322_LOCAL_MAX] = m.domain[0] = '\0';
	assert_int_equal(rfc5322_address_put(&out, &m), 0);
	assert_int_equal(out.n, 2 * RFC5322_LOCAL_MAX + 2);
	buf_free(&out);
}

static void test_alone(void **state)
{
	struct rfc5322_mailbox m;

	(void)state;
	assert_int_equal(rfc5322_address_parse(message_text("A <a@b>"), &m), 0);
	assert_string_equal(m.local, "a");
	assert_string_equal(m.domain, "b");
	assert_int_equal(rfc5322_address_parse(message_text("a@b, c@d"), &m), -1);
	assert_int_equal(rfc5322_address_parse(message_text("a@b, <"), &m), -1);
	assert_int_equal(rfc5322_address_parse(message_text(""), &m), -1);
	/* NUL is no end */
	assert_int_equal(
		rfc5322_address_parse((struct message_part){(const uint8_t *)"a\0b", 3}, &m), -1);
}

/* A run of openings is read in a time that grows with its length alone. */
static void test_depth(void **state)
{
	enum { MANY = 1 << 20 };
	static const char openings[] = "(<\"[:,;";
	struct buf text = {0};
	struct rfc5322_mailbox m;

	(void)state;
	assert_int_equal(buf_reserve(&text, MANY), 0);
	for (size_t i = 0; i < sizeof openings - 1; i++) {
		memset(text.p, openings[i], MANY);
		struct cursor c = cursor_over(text.p, MANY);
		int rc = rfc5322_address_next(&c, &m);
		assert_int_equal(rc, strchr(":,;", openings[i]) != NULL ? 0 : -1);
	}
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("addresses are found in all their forms", test_forms),
		T("groups are their members", test_groups),
		T("display names and routes are passed over", test_names),
		T("quoted local parts come back as they need to be", test_quotes),
		T("what is no address is refused", test_none),
		T("each half has its limit", test_limits),
		T("an argument is one address", test_alone),
		T("openings without end are no depth", test_depth),
	};
	return RUN(tests);
}
