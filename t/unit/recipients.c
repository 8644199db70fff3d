/* Recipients: the names between semicolons. */
#include "unit.h"

#include "../../store/users.h"

static struct err e;

static void splits(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused as nobody's name */
	} rows[] = {
		{"a", "a "},
		{"a;b;c", "a b c "},
		{";;a;;b;;", "a b "},
		{" a ;\tb\t; c", "a b c "},
		{"b;a;b;a", "b a "},
		{"a;a", "a "},
		{"a; ;b", "a b "},
		{"a,b", NULL},
		{"a b", NULL},
		{"A", NULL},
		{"a;../x", NULL},
		{"a;b\n", NULL},
		{"a;\x1b[31m", NULL},
		{"a;\xff", NULL},
		{"abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz012345 "},
		{"abcdefghijklmnopqrstuvwxyz0123456", NULL},
	};
	struct users_list l;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[100] = "";
		int rc = users_split(&l, rows[i].text, strlen(rows[i].text), &e);
		if (rc != (rows[i].want == NULL ? -1 : 0)) {
			fail_msg("%s", rows[i].text);
		}
		if (rc != 0) {
			assert_int_equal(e.code, EX_NOUSER);
			assert_null(l.names);
			continue;
		}
		for (size_t k = 0; k < l.n; k++) {
			size_t n = strlen(out);
			(void)snprintf(out + n, sizeof out - n, "%s ", l.names[k]);
		}
		assert_string_equal(out, rows[i].want);
		users_list_free(&l);
	}
}

static void nobody(void **state)
{
	static const char *const rows[] = {"", ";", ";;;", " ", " ; \t;"};
	struct users_list l;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_refused(users_split(&l, rows[i], strlen(rows[i]), &e), e, EX_DATAERR);
		assert_null(l.names);
		assert_int_equal(l.n, 0);
	}
	assert_refused(users_split(&l, "a\0b", 3, &e), e, EX_NOUSER);
	assert_refused(users_split(&l, "a;\0", 3, &e), e, EX_NOUSER);
	assert_refused(users_split(&l, "\0", 1, &e), e, EX_NOUSER);
}

static void split_limits(void **state)
{
	struct buf text = {0};
	struct users_list l;
	char name[32];

	(void)state;
	for (int i = 0; i < USERS_LIST_MAX; i++) {
		(void)snprintf(name, sizeof name, "u%d;", i);
		assert_int_equal(buf_append_str(&text, name), 0);
	}
	for (int i = 0; i < 3 * USERS_LIST_MAX; i++) { /* repetitions do not count */
		assert_int_equal(buf_append_str(&text, "u7;;"), 0);
	}
	assert_int_equal(users_split(&l, text.p, text.n, &e), 0);
	assert_int_equal(l.n, USERS_LIST_MAX);
	assert_string_equal(l.names[USERS_LIST_MAX - 1], "u999");
	users_list_free(&l);
	assert_int_equal(buf_append_str(&text, "onemore"), 0);
	assert_refused(users_split(&l, text.p, text.n, &e), e, EX_DATAERR);
	assert_null(l.names);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("recipients: blanks, repeats and empty parts go, bad names are refused", splits),
		T("no recipient is bad data, a NUL nobody's name", nobody),
		T("1000 recipients are taken, 1001 refused, repeats not counted", split_limits),
	};
	return RUN(tests);
}
