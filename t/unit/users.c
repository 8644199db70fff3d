/* The credential store, read: what it takes, what it refuses and where. */
#include "accounts.h"

static int load_text(const void *text, size_t n)
{
	struct users *u = NULL;
	int rc;

	put(text, n);
	e.code = 0;
	rc = users_load(accounts, &u, &e);
	users_free(u);
	return rc;
}

static void refused_with_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} rows[] = {
		{"", 1}, {"{", 1}, {"[]", 1}, {"\"x\"", 1}, {"null", 1}, {"{\"a\": 1}", 1},
		{"{\n\"a\": \"x\",\n\"b\": true}", 3}, {"{\n\"a\": \"x\",\n\"b\": null}", 3},
		{"{\n\"a\": \"x\",\n\n\"b\": [\"x\"]}", 4}, {"{\n\"a\": {\"password\": 5}}", 2},
		{"{\n\"a\": {\"password\": \"plain\"}}", 2},
		{"{\n\"a\": {\"password\": \"" PHC "=\"}}", 2},
		{"{\n\"a\": \"1\",\n\"a\": \"2\"}", 3}, {"{\n\"a\": {\"x\": 1,\n\"x\": 2}}", 3},
		{"{\"a\": \"1\"}\n{}", 2}, {"{\"a\": \"1\"}\n\nx", 3}, {"{\"a\": \"1\",}", 1},
		{"{\n\"A\": \"1\"}", 2}, {"{\n\n\"../x\": \"1\"}", 3}, {"{\n\"\": \"1\"}", 2},
		{"{\n\"server\": \"1\"}", 2},
		{"{\n\"abcdefghijklmnopqrstuvwxyz0123456\": \"1\"}", 2},
		{"{\n\"a\": \"x\\u0000y\"}", 2}, {"{\n\"a\": \"\\ud800\"}", 2},
		{"{\n\"a\": \"\xff\"}", 2}, {"\xef\xbb\xbf{\"a\": \"1\"}", 1},
		{"{\"a\": \"unended", 1}, {"{'a': 1}", 1},
		{"{\n\"ab\": \"x\",\n\"a\" \t\r\n: 7}", 3}, {"{\n\"ab\": \"a\",\n\"a\": 7}", 3},
		{"{\n\"\\u0061aaaaaaaaaa\": 7}", 1}, /* written so it is not found again */
	};
	char where[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (load_text(rows[i].text, strlen(rows[i].text)) != -1) {
			fail_msg("taken: %s", rows[i].text);
		}
		(void)snprintf(where, sizeof where, "%s:%u: ", accounts->name, rows[i].line);
		if (e.code != EX_CONFIG || strncmp(e.text, where, strlen(where)) != 0) {
			fail_msg("code %d, \"%s\", not %s for %s", e.code, e.text, where,
				rows[i].text);
		}
		assert_false(has_control(e.text, strlen(e.text)));
	}
}

static void line_of_the_key(void **state)
{
	static const char text[] =
		"{\n\"a\": \"bob\",\n\"bob\": 7}"; /* a password that is a name */

	(void)state;
	assert_int_equal(load_text(text, strlen(text)), -1);
	assert_contains(e.text, in_memory ? "memory:3: " : USERS_FILE ":3: ");
}

static void nul_in_file(void **state)
{
	(void)state;
	assert_int_equal(load_text("{\"a\": \"1\"}\0", 11), -1);
	assert_int_equal(e.code, EX_CONFIG);
	assert_int_equal(load_text("{\"a\": \"1\0\"}", 11), -1);
	assert_int_equal(e.code, EX_CONFIG);
	assert_int_equal(load_text("\0", 1), -1);
}

static void decode_row(const json_t *row, struct buf *text)
{
	struct buf one = {0};
	json_int_t repeat = json_integer_value(json_object_get(row, "repeat"));

	hex_of(row, "hex", &one);
	for (json_int_t i = 0; i < (repeat == 0 ? 1 : repeat); i++) {
		assert_int_equal(buf_append(text, one.p, one.n), 0);
	}
	if (text_of(row, "tail")[0] != '\0') {
		hex_of(row, "tail", text);
	}
	buf_free(&one);
}

static void check_refusal(const char *file)
{
	size_t n = strlen(accounts->name);

	if (e.code != EX_CONFIG || strncmp(e.text, accounts->name, n) != 0 || e.text[n] != ':' ||
		strchr("123456789", e.text[n + 1]) == NULL) {
		fail_msg("%s: code %d, \"%s\"", file, e.code, e.text);
	}
}

static void json_suite(void **state)
{
	json_t *root = vectors("json/jsontestsuite.json"), *row;
	size_t i, refused = 0;

	(void)state;
	json_array_foreach(root, i, row)
	{
		struct buf text = {0};
		decode_row(row, &text);
		int rc = load_text(text.p, text.n);
		if (strcmp(text_of(row, "expect"), "reject") == 0) {
			assert_int_equal(rc, -1);
			refused++;
		}
		if (rc != 0) {
			check_refusal(text_of(row, "file"));
		}
		buf_free(&text);
	}
	assert_int_equal(refused, 188);
}

/* The same texts as a field that this program does not know: here what is good must pass, too. */
static void json_suite_inside(void **state)
{
	json_t *root = vectors("json/jsontestsuite.json"), *row;
	size_t i, taken = 0;

	(void)state;
	json_array_foreach(root, i, row)
	{
		struct buf text = {0};
		const char *expect = text_of(row, "expect"), *file = text_of(row, "file");
		assert_int_equal(buf_append_str(&text, "{\"a\": {\"field\":\n"), 0);
		decode_row(row, &text);
		assert_int_equal(buf_append_str(&text, "\n}}"), 0);
		int rc = load_text(text.p, text.n);
		/* duplicate keys are not ours to choose between, and NUL ends a C string */
		bool stricter = strstr(file, "duplicate") != NULL ||
				strstr(file, "null_escape") != NULL ||
				strstr(file, "escaped_null") != NULL || strstr(file, "nul") != NULL;
		if (strcmp(expect, "reject") == 0 && rc == 0) {
			fail_msg("%s was taken", file);
		}
		if (strcmp(expect, "accept") == 0 && rc != 0 && !stricter) {
			fail_msg("%s was refused: %s", file, e.text);
		}
		if (rc != 0) {
			check_refusal(file);
		}
		taken += rc == 0 ? 1 : 0;
		buf_free(&text);
	}
	assert_true(taken > 80);
}

static void no_file(void **state)
{
	struct users *u;

	(void)state;
	assert_refused(users_load(accounts, &u, &e), e, EX_NOINPUT);
	assert_contains(e.text, accounts->name);
	if (in_memory) {
		return;
	}
	assert_int_equal(mkfifoat(folder.fd, USERS_FILE, 0600), 0);
	assert_refused(users_load(accounts, &u, &e), e, EX_NOINPUT);
	assert_refused(users_add(accounts, "a", "x", 1, &e), e, EX_NOINPUT); /* and is left alone */
	assert_tidy();
}

static void modes_told(void **state)
{
	struct users *u;
	(void)state;
	put_text("{}");
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_false(users_others_can_read(u));
	users_free(u);
	assert_int_equal(fchmodat(folder.fd, USERS_FILE, 0640, 0), 0);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_true(users_others_can_read(u));
	users_free(u);
	users_free(NULL);
}

static int too_many_bytes(size_t n)
{
	char *text = malloc(n);
	int rc;

	memset(text, ' ', n);
	memcpy(text, "{}", 2);
	rc = load_text(text, n);
	free(text);
	return rc;
}

static void size_limit(void **state)
{
	(void)state;
	assert_int_equal(too_many_bytes(ACCOUNTS_TEXT_MAX), 0);
	assert_int_equal(too_many_bytes(ACCOUNTS_TEXT_MAX + 1), -1);
	assert_int_equal(e.code, EX_CONFIG);
	assert_contains(e.text, accounts->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("wrong types, duplicates, trailing text: refused with file and line",
			refused_with_line),
		T_BOTH("the line told is the key's, though a password before it reads the same",
			line_of_the_key),
		T_BOTH("a NUL in the file is refused", nul_in_file),
		T_BOTH("JSONTestSuite: every bad text is refused with file and line", json_suite),
		T_BOTH("JSONTestSuite inside an unknown field: good passes, bad is refused",
			json_suite_inside),
		T_BOTH("no accounts are no input; a FIFO in its place is neither read nor replaced",
			no_file),
		T_FILES("a file that others can read is told", modes_told),
		T_FILES("a text of 16 MiB is read, one byte more refused", size_limit),
		T_MEMORY("a text of 16 MiB is read, one byte more refused", size_limit),
	};
	return RUN(tests);
}
