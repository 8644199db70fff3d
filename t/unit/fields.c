/* The fields of a peer's JSON object: there, absent, or of a type or value that they may not
 * have. */
#include "unit.h"

#include "../../proto/fields.h"

static struct err e;

static json_t *object(const char *text)
{
	json_t *o = fields_parse(text, strlen(text), &e);

	if (o == NULL) {
		fail_msg("%s: %s", text, e.text);
	}
	return o;
}

static void objects_alone(void **state)
{
	static const char *const good[] = {"{}", " {} ", "\t\r\n{\n}\n", "{\"type\":\"x\"}",
		"{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}", "{\"\":1}", "{\"a\":\"\\u00e9\"}"};
	static const char *const bad[] = {"", " ", "[]", "[{}]", "\"x\"", "1", "true", "null", "{",
		"}", "{}}", "{}{}", "{},", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}",
		"{\"a\":1 \"b\":2}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":1.}",
		"{\"a\":1,\"a\":1}", "{\"a\":{\"b\":1,\"b\":2}}", "{\"a\":\"\xc3\"}",
		"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u0000\"}",
		"{\"a\\u0000\":1}", "{\"a\":\"\n\"}", "{\"a\":9223372036854775808}",
		"{\"a\":1e400}", "\xef\xbb\xbf{}", "/**/{}"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		json_decref(object(good[i]));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		e.code = 0;
		if (fields_parse(bad[i], strlen(bad[i]), &e) != NULL) {
			fail_msg("taken: %s", bad[i]);
		}
		assert_int_equal(e.code, EX_PROTOCOL);
		assert_false(has_control(e.text, strlen(e.text)));
	}
	assert_null(fields_parse("{}\0", 3, &e));
	assert_null(fields_parse("{\"a\":1\0}", 8, &e));
	assert_null(fields_parse("\0{}", 3, &e));
	assert_null(fields_parse("{}x", 2 + 1, &e));
	json_decref(fields_parse("{}x", 2, &e)); /* n counts, not what stands behind it */
}

static void deep_ones(void **state)
{
	char text[50000];

	(void)state;
	memset(text, '[', sizeof text);
	memcpy(text, "{\"a\":", 5);
	assert_null(fields_parse(text, sizeof text, &e));
	for (size_t i = 0; i + 5 <= sizeof text; i += 5) {
		memcpy(text + i, "{\"a\":", 5);
	}
	assert_null(fields_parse(text, sizeof text, &e));
	assert_int_equal(e.code, EX_PROTOCOL);
}

static void texts(void **state)
{
	json_t *o = object("{\"t\":\"h\\u00e9llo\",\"empty\":\"\",\"n\":1,\"null\":null,\"b\":true,"
			   "\"a\":[],\"o\":{},\"control\":\"a\\nb\\u001b\"}");
	static const char *const wrong[] = {"n", "null", "b", "a", "o"};
	struct message_part part = {0};

	(void)state;
	assert_int_equal(fields_text(o, "t", &part, &e), 1);
	assert_int_equal(part.n, 6);
	assert_memory_equal(part.p, "h\xc3\xa9llo", 6);
	assert_int_equal(fields_text(o, "empty", &part, &e), 1);
	assert_int_equal(part.n, 0);
	assert_int_equal(fields_text(o, "control", &part, &e), 1);
	assert_int_equal(part.n, 4);
	assert_int_equal(fields_text(o, "absent", &part, &e), 0);
	assert_int_equal(fields_text(o, "T", &part, &e), 0);
	assert_int_equal(fields_text(o, "", &part, &e), 0);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_refused(fields_text(o, wrong[i], &part, &e), e, EX_DATAERR);
		assert_contains(e.text, wrong[i]);
	}
	assert_int_equal(fields_text(NULL, "t", &part, &e), 0);
	json_decref(o);
}

static void numbers(void **state)
{
	json_t *o = object("{\"zero\":0,\"minus\":-0,\"one\":1,\"max\":9223372036854775807,"
			   "\"neg\":-1,\"least\":-9223372036854775808,\"real\":1.0,\"exp\":1e2,"
			   "\"t\":\"1\",\"null\":null,\"b\":true,\"a\":[1]}");
	static const char *const wrong[] = {
		"neg", "least", "real", "exp", "t", "null", "b", "a", "one"};
	uint64_t n = 7;

	(void)state;
	assert_int_equal(fields_number(o, "absent", 10, &n, &e), 0);
	assert_int_equal(n, 7);
	assert_int_equal(fields_number(o, "zero", 0, &n, &e), 1);
	assert_int_equal(n, 0);
	assert_int_equal(fields_number(o, "minus", 0, &n, &e), 1);
	assert_int_equal(n, 0);
	assert_int_equal(fields_number(o, "one", 1, &n, &e), 1);
	assert_int_equal(n, 1);
	assert_int_equal(fields_number(o, "max", INT64_MAX, &n, &e), 1);
	assert_int_equal(n, INT64_MAX);
	assert_refused(fields_number(o, "max", INT64_MAX - 1, &n, &e), e, EX_DATAERR);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_refused(fields_number(o, wrong[i], 0, &n, &e), e, EX_DATAERR);
		assert_contains(e.text, wrong[i]);
	}
	assert_int_equal(n, INT64_MAX); /* what is refused is not stored */
	json_decref(o);
}

static void ids(void **state)
{
	static const char *const wrong[] = {"", "0", "000102030405060708090a0b0c0d0e0",
		"000102030405060708090a0b0c0d0e0f0", "000102030405060708090a0b0c0d0e0f00",
		"000102030405060708090A0b0c0d0e0f", "000102030405060708090a0b0c0d0e0F",
		"g00102030405060708090a0b0c0d0e0f", " 00102030405060708090a0b0c0d0e0f",
		"0x0102030405060708090a0b0c0d0e0f"};
	static const uint8_t wanted[FIELDS_ID] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t id[FIELDS_ID];
	char text[100];
	json_t *o = object("{\"id\":\"000102030405060708090a0b0c0d0e0f\",\"n\":5}");

	(void)state;
	assert_int_equal(fields_id(o, "id", id, &e), 1);
	assert_memory_equal(id, wanted, sizeof id);
	assert_int_equal(fields_id(o, "absent", id, &e), 0);
	assert_refused(fields_id(o, "n", id, &e), e, EX_DATAERR);
	json_decref(o);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		(void)snprintf(text, sizeof text, "{\"id\":\"%s\"}", wrong[i]);
		o = object(text);
		assert_refused(fields_id(o, "id", id, &e), e, EX_DATAERR);
		json_decref(o);
	}
}

static void truths(void **state)
{
	json_t *o = object("{\"yes\":true,\"no\":false,\"one\":1,\"t\":\"true\",\"null\":null}");
	static const char *const not_true[] = {"no", "one", "t", "null", "absent", ""};

	(void)state;
	assert_true(fields_true(o, "yes"));
	for (size_t i = 0; i < COUNT(not_true); i++) {
		assert_false(fields_true(o, not_true[i]));
	}
	assert_true(fields_is(o, "t", "true"));
	assert_false(fields_is(o, "t", "True"));
	assert_false(fields_is(o, "t", ""));
	assert_false(fields_is(o, "yes", "true"));
	assert_false(fields_is(o, "absent", ""));
	json_decref(o);
}

static void set_texts(void **state)
{
	json_t *o = object("{}");
	struct message_part part;

	(void)state;
	assert_int_equal(fields_set_text(o, "a", "h\xc3\xa9llo, and more", 6), 0);
	assert_int_equal(fields_text(o, "a", &part, &e), 1);
	assert_int_equal(part.n, 6);
	assert_int_equal(fields_set_text(o, "a", "", 0), 0); /* in its place */
	assert_int_equal(fields_text(o, "a", &part, &e), 1);
	assert_int_equal(part.n, 0);
	assert_int_equal(fields_set_text(o, "b", "\xff", 1), -1);
	assert_int_equal(fields_set_text(o, "b", "h\xc3\xa9", 2), -1); /* half a character */
	assert_int_equal(fields_text(o, "b", &part, &e), 0);
	assert_int_equal(fields_set_text(NULL, "b", "x", 1), -1);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("one object is taken, and whatever else it could be is refused", objects_alone),
		T("one that is too deep is refused", deep_ones),
		T("text is told from what is none, and from what is not there", texts),
		T("a number is whole, not negative, and within its limit", numbers),
		T("an id is 32 digits of lower-case hex", ids),
		T("true alone is true", truths),
		T("text is set in UTF-8 or not at all", set_texts),
	};
	return RUN(tests);
}
