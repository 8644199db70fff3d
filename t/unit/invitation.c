/* The line that invites a user: written and read back; and every way in which a person can lose a
 * part of it. */
#include "unit.h"

#include "../../cmd/invitation.h"

static struct err e;

static struct invitation sample(void)
{
	struct invitation i = {
		.user = "alice", .server = "mail.example.org:13000", .expires = 1795252056};

	fill_pattern(i.key, sizeof i.key, 1);
	fill_pattern(i.secret, sizeof i.secret, 2);
	return i;
}

static bool same(const struct invitation *a, const struct invitation *b)
{
	return strcmp(a->user, b->user) == 0 && strcmp(a->server, b->server) == 0 &&
	       memcmp(a->key, b->key, sizeof a->key) == 0 &&
	       memcmp(a->secret, b->secret, sizeof a->secret) == 0 && a->expires == b->expires;
}

static int read_text(const char *text, struct invitation *out)
{
	return invitation_read(out, text, strlen(text), &e);
}

static void assert_round(const struct invitation *i)
{
	char text[INVITATION_MAX];
	struct invitation back;

	memset(text, 'x', sizeof text);
	invitation_write(i, text);
	assert_non_null(memchr(text, '\0', sizeof text));
	if (read_text(text, &back) != 0) {
		fail_msg("%s: %s", text, e.text);
	}
	assert_true(same(i, &back));
}

static void as_specified(void **state)
{
	struct invitation i = {.user = "a", .server = "h:1", .expires = 7};
	char text[INVITATION_MAX];

	(void)state;
	memset(i.key, 0xff, sizeof i.key);
	memset(i.secret, 0xfb, sizeof i.secret);
	invitation_write(&i, text);
	assert_string_equal(text, "smtp361://a@h:1/__________________________________________8/"
				  "-_v7-_v7-_v7-_v7-_v7-w/7");
}

static void round_trips(void **state)
{
	static const char *const servers[] = {"h:1", "localhost:13000", "192.0.2.1:65535",
		"[::1]:13000", "[2001:db8::1]:25", "[fe80::1%eth0]:13000", "::1", "host", "h:0"};
	static const char *const users[] = {"a", "0", "a_b-c", "abcdefghijklmnopqrstuvwxyz012345"};
	static const int64_t expiries[] = {0, 1, 1795252056, INT64_MAX};
	struct invitation i = sample();

	(void)state;
	assert_round(&i);
	for (size_t k = 0; k < COUNT(servers); k++) {
		(void)snprintf(i.server, sizeof i.server, "%s", servers[k]);
		assert_round(&i);
	}
	for (size_t k = 0; k < COUNT(users); k++) {
		(void)snprintf(i.user, sizeof i.user, "%s", users[k]);
		assert_round(&i);
	}
	for (size_t k = 0; k < COUNT(expiries); k++) {
		i.expires = expiries[k];
		assert_round(&i);
	}
	for (uint32_t seed = 0; seed < 300; seed++) { /* every sextet at every place */
		fill_pattern(i.key, sizeof i.key, seed);
		fill_pattern(i.secret, sizeof i.secret, seed + 1000);
		assert_round(&i);
	}
	memset(i.server, 'h', CONN_HOST_MAX - 1); /* the longest of all */
	(void)snprintf(i.server + CONN_HOST_MAX - 1, 7, ":65535");
	assert_round(&i);
}

static void blanks_around(void **state)
{
	static const char *const around[] = {"", "\n", "\r\n", " ", "\t", "\n\n  \t\r\n"};
	char text[INVITATION_MAX], whole[INVITATION_MAX + 40];
	struct invitation i = sample(), back;

	(void)state;
	invitation_write(&i, text);
	for (size_t a = 0; a < COUNT(around); a++) {
		for (size_t b = 0; b < COUNT(around); b++) {
			(void)snprintf(whole, sizeof whole, "%s%s%s", around[a], text, around[b]);
			assert_int_equal(read_text(whole, &back), 0);
			assert_true(same(&i, &back));
		}
	}
	/* n counts: what stands behind it is not looked at */
	(void)snprintf(whole, sizeof whole, "%s0", text);
	assert_int_equal(invitation_read(&back, whole, strlen(text), &e), 0);
	assert_true(same(&i, &back));
}

static void assert_damaged(const char *text, size_t n)
{
	struct invitation back;

	e.code = 0;
	if (invitation_read(&back, text, n, &e) == 0) {
		fail_msg("taken: %.*s", (int)n, text);
	}
	assert_int_equal(e.code, EX_DATAERR);
	assert_contains(e.text, "hint: ");
	/* the secret is not told */
	assert_null(strstr(e.text, "AAAAAAAAAAAAAAAAAAAAAA"));
}

static void cut_anywhere(void **state)
{
	char text[INVITATION_MAX];
	struct invitation i = sample(), back;
	size_t n, digits = 10;

	(void)state;
	invitation_write(&i, text);
	n = strlen(text);
	for (size_t k = 0; k < n; k++) {
		if (k + digits <= n) { /* at the front or the end: all but the last number */
			assert_damaged(text, k);
		}
		if (k > 0) {
			assert_damaged(text + k, n - k);
		}
	}
	/* a number that is cut is another one: the server will say so */
	assert_int_equal(invitation_read(&back, text, n - 1, &e), 0);
	assert_false(same(&i, &back));
}

/* One character more, less or another, anywhere: never the same invitation. */
static void altered_anywhere(void **state)
{
	static const char others[] = "A/@: .=+\n\x7f\xc3";
	char text[INVITATION_MAX], changed[INVITATION_MAX];
	struct invitation i = sample(), back;
	size_t n;

	(void)state;
	invitation_write(&i, text);
	n = strlen(text);
	for (size_t k = 0; k < n; k++) {
		memcpy(changed, text, k);
		memcpy(changed + k, text + k + 1, n - k);
		/* of two that are the same, either may go */
		if (read_text(changed, &back) == 0) {
			assert_false(same(&i, &back));
		}
		for (size_t o = 0; o < sizeof others; o++) { /* the NUL, too */
			memcpy(changed, text, n + 1);
			changed[k] = others[o];
			if (changed[k] != text[k] && invitation_read(&back, changed, n, &e) == 0) {
				assert_false(same(&i, &back));
			}
			if (k > 0) { /* in between */
				memcpy(changed, text, k);
				changed[k] = others[o];
				memcpy(changed + k + 1, text + k, n - k + 1);
				if (invitation_read(&back, changed, n + 1, &e) == 0) {
					assert_false(same(&i, &back));
				}
			}
		}
	}
}

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SECRET "AAAAAAAAAAAAAAAAAAAAAA"

static void bad_parts(void **state)
{
	static const char nul_behind[] = "smtp361://a@h:1/" KEY "/" SECRET "/7\0";
	static const char nul_inside[] = "smtp361://a\0@h:1/" KEY "/" SECRET "/7";
	static const char *const bad[] = {
		"",
		" \n",
		"smtp361://",
		"SMTP361://a@h:1/" KEY "/" SECRET "/7",
		"smtp361:/a@h:1/" KEY "/" SECRET "/7",
		"smtp://a@h:1/" KEY "/" SECRET "/7",
		"x smtp361://a@h:1/" KEY "/" SECRET "/7",
		"smtp361://a@h:1/" KEY "/" SECRET "/7 x",
		"smtp361://a@h:1/" KEY "/" SECRET "/7\nsmtp361://b@h:1/" KEY "/" SECRET "/7",
		"smtp361://a@h:1/" KEY "/" SECRET,
		"smtp361://a@h:1/" KEY "/" SECRET "/",
		"smtp361://a@h:1/" KEY "/" SECRET "/7/",
		"smtp361://a@h:1/" KEY "/" SECRET "/7/8",
		/* the name */
		"smtp361://@h:1/" KEY "/" SECRET "/7",
		"smtp361://h:1/" KEY "/" SECRET "/7",
		"smtp361://A@h:1/" KEY "/" SECRET "/7",
		"smtp361://a b@h:1/" KEY "/" SECRET "/7",
		"smtp361://../a@h:1/" KEY "/" SECRET "/7",
		"smtp361:///a@h:1/" KEY "/" SECRET "/7",
		"smtp361://a\x1b@h:1/" KEY "/" SECRET "/7",
		"smtp361://abcdefghijklmnopqrstuvwxyz0123456@h:1/" KEY "/" SECRET "/7",
		/* the address */
		"smtp361://a@/" KEY "/" SECRET "/7",
		"smtp361://a@:1/" KEY "/" SECRET "/7",
		"smtp361://a@h:/" KEY "/" SECRET "/7",
		"smtp361://a@h:65536/" KEY "/" SECRET "/7",
		"smtp361://a@h:x/" KEY "/" SECRET "/7",
		"smtp361://a@[::1/" KEY "/" SECRET "/7",
		"smtp361://a@[]:1/" KEY "/" SECRET "/7",
		"smtp361://a@h\n:1/" KEY "/" SECRET "/7",
		"smtp361://a@h\x1b[31m:1/" KEY "/" SECRET "/7",
		/* the key */
		"smtp361://a@h:1//" SECRET "/7",
		"smtp361://a@h:1/" KEY "A/" SECRET "/7",
		"smtp361://a@h:1/" KEY "=/" SECRET "/7",
		"smtp361://a@h:1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/" SECRET "/7",
		"smtp361://a@h:1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB/" SECRET "/7",
		"smtp361://a@h:1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+/" SECRET "/7",
		"smtp361://a@h:1/" KEY KEY KEY "/" SECRET "/7",
		/* the secret */
		"smtp361://a@h:1/" KEY "//7",
		"smtp361://a@h:1/" KEY "/" SECRET "A/7",
		"smtp361://a@h:1/" KEY "/" SECRET "==/7",
		"smtp361://a@h:1/" KEY "/AAAAAAAAAAAAAAAAAAAAA/7",
		"smtp361://a@h:1/" KEY "/AAAAAAAAAAAAAAAAAAAAAB/7",
		"smtp361://a@h:1/" KEY "/" KEY "/7",
		"smtp361://a@h:1/" KEY "/" KEY KEY "/7",
		/* the expiry */
		"smtp361://a@h:1/" KEY "/" SECRET "/x",
		"smtp361://a@h:1/" KEY "/" SECRET "/-1",
		"smtp361://a@h:1/" KEY "/" SECRET "/+1",
		"smtp361://a@h:1/" KEY "/" SECRET "/01",
		"smtp361://a@h:1/" KEY "/" SECRET "/1.0",
		"smtp361://a@h:1/" KEY "/" SECRET "/1e3",
		"smtp361://a@h:1/" KEY "/" SECRET "/9223372036854775808",
		"smtp361://a@h:1/" KEY "/" SECRET "/99999999999999999999",
		"smtp361://a@h:1/" KEY "/" SECRET
		"/0000000000000000000000000000000000000000000000000000000000000000007",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_damaged(bad[i], strlen(bad[i]));
	}
	assert_damaged(nul_behind, sizeof nul_behind - 1);
	assert_damaged(nul_inside, sizeof nul_inside - 1);
}

static void long_ones(void **state)
{
	enum { LONG = 100000 };
	char *text = malloc(LONG + 200);
	struct invitation back;

	(void)state;
	memset(text, 'h', LONG + 200);
	memcpy(text, "smtp361://", 10);
	assert_damaged(text, LONG);
	memcpy(text, "smtp361://a@", 12);
	assert_damaged(text, LONG);
	memcpy(text + LONG, ":1/" KEY "/" SECRET "/7", sizeof ":1/" KEY "/" SECRET "/7");
	assert_damaged(text, strlen(text));
	memcpy(text + 12 + CONN_HOST_MAX - 1, ":1/" KEY "/" SECRET "/7",
		sizeof ":1/" KEY "/" SECRET "/7"); /* the longest that there may be */
	assert_int_equal(read_text(text, &back), 0);
	memset(text, 'h', LONG);
	memcpy(text, "smtp361://a@", 12);
	memcpy(text + 12 + CONN_HOST_MAX, ":1/" KEY "/" SECRET "/7",
		sizeof ":1/" KEY "/" SECRET "/7");
	assert_damaged(text, strlen(text));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("it is written as PROTOCOL.md has it", as_specified),
		T("what is written is read back", round_trips),
		T("blanks and line ends around it do not count", blanks_around),
		T("cut at either end it is none", cut_anywhere),
		T("altered anywhere it is none, or another", altered_anywhere),
		T("each part that is wrong is refused", bad_parts),
		T("each part that is too long is refused", long_ones),
	};
	return RUN(tests);
}
