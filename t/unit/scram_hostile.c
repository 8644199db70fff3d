/* SCRAM-SHA-256 against a peer that says anything but what is due, and called out of turn. */
#include "scram.h"

/* --- hostile clients --- */

static void first_messages(void **state)
{
	static const struct {
		const char *text;
		int code; /* 0: taken */
	} rows[] = {
		{"n,,n=user,r=abc", 0},
		{"y,,n=user,r=abc", 0},
		{"n,a=user,n=user,r=abc", 0},
		{"n,a=u=2Cser,n=u=2Cser,r=abc", 0},
		{"n,,n=user,r=abc,x=later", 0},
		{"n,,n=user,r=abc,x=a,Y=b=c", 0},
		{"n,a=root,n=user,r=abc", EX_NOPERM},
		{"n,a=use,n=user,r=abc", EX_NOPERM},
		{"n,a=user2,n=user,r=abc", EX_NOPERM},
		{"n,a=us=er,n=user,r=abc", EX_NOPERM},
		{"p=tls-unique,,n=user,r=abc", EX_PROTOCOL},
		{"p", EX_PROTOCOL},
		{"", EX_PROTOCOL},
		{"n", EX_PROTOCOL},
		{"n,", EX_PROTOCOL},
		{"n,,", EX_PROTOCOL},
		{"N,,n=user,r=abc", EX_PROTOCOL},
		{"n,a=,n=user,r=abc", EX_PROTOCOL},
		{"n,a=user", EX_PROTOCOL},
		{"n,b=user,n=user,r=abc", EX_PROTOCOL},
		{"n,n=user,r=abc", EX_PROTOCOL},
		{"n=user,r=abc", EX_PROTOCOL},
		{"n,,n=,r=abc", EX_PROTOCOL},
		{"n,,n=user", EX_PROTOCOL},
		{"n,,n=user,", EX_PROTOCOL},
		{"n,,n=user,r=", EX_PROTOCOL},
		{"n,,n=user,r=a b", EX_PROTOCOL},
		{"n,,n=user,r=\xc3\xa4", EX_PROTOCOL},
		{"n,,r=abc,n=user", EX_PROTOCOL},
		{"n,,m=now,n=user,r=abc", EX_PROTOCOL},
		{"n,,n=user,r=abc,m=now", EX_PROTOCOL},
		{"n,,n=user,r=abc,", EX_PROTOCOL},
		{"n,,n=user,r=abc,x", EX_PROTOCOL},
		{"n,,n=user,r=abc,x=", EX_PROTOCOL},
		{"n,,n=user,r=abc,1=x", EX_PROTOCOL},
		{"n,,n=us=er,r=abc", EX_PROTOCOL},
		{"n,,n=user=,r=abc", EX_PROTOCOL},
		{"n,,n=user=2,r=abc", EX_PROTOCOL},
		{"n,,n=user=2c,r=abc", EX_PROTOCOL},
		{"n,,n=us\ner,r=abc", EX_PROTOCOL},
		{"n,,n=us\x7f"
		 "er,r=abc",
			EX_PROTOCOL},
		{"n,,n=us\xff"
		 "er,r=abc",
			EX_PROTOCOL},
		{" n,,n=user,r=abc", EX_PROTOCOL},
	};
	struct scram_server s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		e.code = 0;
		int rc = scram_server_first(&s, rows[i].text, strlen(rows[i].text), &e);
		if ((rc == 0) != (rows[i].code == 0) || (rc != 0 && e.code != rows[i].code)) {
			fail_msg("%s: %d, code %d", rows[i].text, rc, e.code);
		}
	}
	assert_refused(scram_server_first(&s, "n,,n=us\0er,r=abc", 16, &e), e, EX_PROTOCOL);
}

/* At each limit, and one beyond. */
static void long_messages(void **state)
{
	char text[2 * SCRAM_MESSAGE_MAX], fill[SCRAM_MESSAGE_MAX + 1];
	const struct scram_verifier v = verifier_of(VERIFIER);
	struct scram_server s;
	int n;

	(void)state;
	memset(fill, 'x', SCRAM_MESSAGE_MAX);
	for (int extra = 0; extra <= 1; extra++) {
		n = snprintf(text, sizeof text, "n,,n=%.*s,r=a", SCRAM_NAME_MAX + extra, fill);
		assert_int_equal(scram_server_first(&s, text, (size_t)n, &e), -extra);
		n = snprintf(text, sizeof text, "n,,n=u,r=%.*s", SCRAM_NONCE_MAX / 2 + extra, fill);
		assert_int_equal(scram_server_first(&s, text, (size_t)n, &e), -extra);
		n = snprintf(text, sizeof text, "n,,n=u,r=a,x=%.*s", SCRAM_MESSAGE_MAX - 14 + extra,
			fill);
		assert_int_equal(n, SCRAM_MESSAGE_MAX - 1 + extra);
		assert_int_equal(scram_server_first(&s, text, (size_t)n, &e), -extra);
	}
	n = snprintf(text, sizeof text, "n,,n=u,r=%.*s", SCRAM_NONCE_MAX / 2, fill);
	assert_int_equal(scram_server_first(&s, text, (size_t)n, &e), 0);
	assert_int_equal(scram_server_challenge(&s, &v, text, &e), 0);
	assert_int_equal(strcspn(text, ","), 2 + SCRAM_NONCE_MAX / 2 + SCRAM_NONCE);
}

/* Up to the challenge of the published exchange, with this header for "n,,". */
static void lead_server(struct scram_server *s, const char *gs2)
{
	const struct scram_verifier v = verifier_of(VERIFIER);
	char text[SCRAM_MESSAGE_MAX];
	int n = snprintf(text, sizeof text, "%sn=user,r=" CLIENT_NONCE, gs2);

	assert_int_equal(scram_server_first(s, text, (size_t)n, &e), 0);
	assert_int_equal(scram_server_challenge_with(s, &v, SERVER_NONCE, text, &e), 0);
}

static int judge(const char *gs2, const char *text, size_t n, bool *ok)
{
	struct scram_server s;
	char out[SCRAM_MESSAGE_MAX];
	int rc;

	lead_server(&s, gs2);
	rc = scram_server_final(&s, text, n, out, ok, &e);
	assert_true(*ok == (out[0] != '\0'));
	assert_true(rc == 0 || !*ok);
	return rc;
}

static void last_messages(void **state)
{
	static const char *const bad[] = {"", "c=biws", "c=biws,r=" NONCE,
		"c=biws,r=" NONCE ",p=", "c=biws,r=" NONCE "," PROOF, "c=eSws,r=" NONCE ",p=" PROOF,
		"c=bizz,r=" NONCE ",p=" PROOF, "c=biw,r=" NONCE ",p=" PROOF,
		"c=biws,r=" CLIENT_NONCE ",p=" PROOF, "c=biws,r=" NONCE "x,p=" PROOF,
		"c=biws,r=" SERVER_NONCE CLIENT_NONCE ",p=" PROOF, "r=" NONCE ",c=biws,p=" PROOF,
		"c=biws,r=" NONCE ",p=" PROOF ",x=y", "c=biws,r=" NONCE ",p=" PROOF ",",
		"c=biws,r=" NONCE ",m=x,p=" PROOF, "c=biws,r=" NONCE ",p=AAAA",
		"c=biws,r=" NONCE ",p=" PROOF "=", "C=biws,r=" NONCE ",p=" PROOF};
	bool ok;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(judge("n,,", bad[i], strlen(bad[i]), &ok), e, EX_PROTOCOL);
	}
	/* said in order, but not by who knows the password */
	assert_int_equal(judge("n,,", "c=biws,r=" NONCE ",x=y,p=" PROOF,
				 strlen("c=biws,r=" NONCE ",x=y,p=" PROOF), &ok),
		0);
	assert_false(ok);
	/* the header was changed on its way: the client had said "n,," */
	assert_refused(judge("y,,", CLIENT_FINAL, strlen(CLIENT_FINAL), &ok), e, EX_PROTOCOL);
}

static void flips(void **state)
{
	char text[] = CLIENT_FINAL;
	size_t n = strlen(text), right = 0;
	bool ok;

	(void)state;
	for (size_t bit = 0; bit < 8 * n; bit++) {
		text[bit / 8] ^= (char)(1u << bit % 8);
		(void)judge("n,,", text, n, &ok);
		assert_false(ok);
		text[bit / 8] ^= (char)(1u << bit % 8);
	}
	for (size_t k = 0; k <= n; k++) {
		(void)judge("n,,", text, k, &ok);
		right += ok;
	}
	assert_int_equal(right, 1); /* the whole one */
}

/* What a thief of the verifier has is not enough; nor is zero, which a decoy may be. */
static void stolen_keys(void **state)
{
	struct scram_verifier v = verifier_of(VERIFIER);
	struct login l = {.name = "user", .password = "pencil"};

	(void)state;
	l.v = v;
	memset(l.v.stored_key, 0, SCRAM_KEY);
	log_in(&l);
	assert_false(l.ok);
	l.v = v;
	memcpy(l.v.stored_key, v.server_key, SCRAM_KEY);
	log_in(&l);
	assert_false(l.ok);
}

/* --- hostile servers --- */

static void lead_client(struct scram_client *c)
{
	char out[SCRAM_MESSAGE_MAX];

	assert_int_equal(scram_client_first_with(c, "user", CLIENT_NONCE, out, &e), 0);
}

static void challenges(void **state)
{
	static const char *const bad[] = {"", "r=" NONCE,
		"r=" NONCE ",s=eA==", "r=" CLIENT_NONCE ",s=eA==,i=4096",
		"r=" SERVER_NONCE ",s=eA==,i=4096", "r=x" NONCE ",s=eA==,i=4096",
		"r=" CLIENT_NONCE " x,s=eA==,i=4096", "r=" NONCE ",s=,i=4096",
		"r=" NONCE ",s=eA,i=4096", "r=" NONCE ",s=eA==,i=", "r=" NONCE ",s=eA==,i=4095",
		"r=" NONCE ",s=eA==,i=0", "r=" NONCE ",s=eA==,i=1", "r=" NONCE ",s=eA==,i=10000001",
		"r=" NONCE ",s=eA==,i=4294971392", "r=" NONCE ",s=eA==,i=18446744073709555712",
		"r=" NONCE ",s=eA==,i=04096", "r=" NONCE ",s=eA==,i=-4096",
		"r=" NONCE ",s=eA==,i=4096x", "r=" NONCE ",s=eA==,i=4096,m=x",
		"r=" NONCE ",s=eA==,i=4096,", "m=x,r=" NONCE ",s=eA==,i=4096",
		"s=eA==,r=" NONCE ",i=4096", "e=other-error"};
	struct scram_client c;
	char out[SCRAM_MESSAGE_MAX], text[2 * SCRAM_MESSAGE_MAX], fill[SCRAM_MESSAGE_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		lead_client(&c);
		assert_refused(scram_client_final(&c, bad[i], strlen(bad[i]), "pencil", 6, out, &e),
			e, EX_PROTOCOL);
	}
	memset(fill, 'x', sizeof fill);
	for (int extra = 0; extra <= 1; extra++) {
		int n = snprintf(text, sizeof text, "r=" CLIENT_NONCE "%.*s,s=eA==,i=4096,x=y",
			SCRAM_NONCE_MAX - (int)strlen(CLIENT_NONCE) + extra, fill);
		lead_client(&c);
		assert_int_equal(
			scram_client_final(&c, text, (size_t)n, "pencil", 6, out, &e), -extra);
	}
	assert_true(strlen(out) < SCRAM_MESSAGE_MAX);
}

static int verify(const char *text, size_t n)
{
	struct scram_client c;
	char out[SCRAM_MESSAGE_MAX];

	lead_client(&c);
	assert_int_equal(
		scram_client_final(&c, SERVER_FIRST, strlen(SERVER_FIRST), "pencil", 6, out, &e),
		0);
	return scram_client_verify(&c, text, n, &e);
}

static void signatures(void **state)
{
	static const char *const bad[] = {"", "v", "v=", "v=AAAA", "x=" SIGNATURE,
		SERVER_FINAL ",m=x", SERVER_FINAL ",", SERVER_FINAL "=", " " SERVER_FINAL,
		"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "v=" PROOF, "e=", "e"};
	char text[] = SERVER_FINAL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(verify(bad[i], strlen(bad[i])), e, EX_PROTOCOL);
	}
	for (size_t i = 2; i < 2 + 43; i++) { /* each character of the signature */
		char kept = text[i];
		text[i] = kept == 'A' ? 'B' : 'A';
		assert_refused(verify(text, strlen(text)), e, EX_PROTOCOL);
		text[i] = kept;
	}
	assert_int_equal(verify(SERVER_FINAL ",x=y", strlen(SERVER_FINAL ",x=y")), 0);
	assert_refused(verify("e=invalid-proof", 15), e, EX_NOPERM);
	assert_contains(e.text, "invalid-proof");
}

/* --- the order of calls --- */

static void turns(void **state)
{
	const struct scram_verifier v = verifier_of(VERIFIER);
	struct scram_server s = {0};
	struct scram_client c = {0};
	char out[SCRAM_MESSAGE_MAX];
	bool ok = true;

	(void)state;
	assert_refused(scram_server_challenge(&s, &v, out, &e), e, EX_SOFTWARE);
	assert_refused(scram_server_final(&s, CLIENT_FINAL, strlen(CLIENT_FINAL), out, &ok, &e), e,
		EX_SOFTWARE);
	assert_false(ok);
	lead_server(&s, "n,,");
	assert_refused(scram_server_challenge(&s, &v, out, &e), e, EX_SOFTWARE);
	lead_server(&s, "n,,");
	assert_int_equal(
		scram_server_final(&s, CLIENT_FINAL, strlen(CLIENT_FINAL), out, &ok, &e), 0);
	assert_true(ok);
	assert_refused(/* once */
		scram_server_final(&s, CLIENT_FINAL, strlen(CLIENT_FINAL), out, &ok, &e), e,
		EX_SOFTWARE);
	assert_false(ok);
	assert_refused(
		scram_client_verify(&c, SERVER_FINAL, strlen(SERVER_FINAL), &e), e, EX_SOFTWARE);
	assert_refused(scram_client_final(&c, SERVER_FIRST, strlen(SERVER_FIRST), "x", 1, out, &e),
		e, EX_SOFTWARE);
	lead_client(&c);
	assert_refused(
		scram_client_verify(&c, SERVER_FINAL, strlen(SERVER_FINAL), &e), e, EX_SOFTWARE);
}

static void client_names(void **state)
{
	char name[SCRAM_NAME_MAX + 2], out[SCRAM_MESSAGE_MAX];
	struct scram_client c;

	(void)state;
	memset(name, 'x', SCRAM_NAME_MAX + 1);
	name[SCRAM_NAME_MAX + 1] = '\0';
	assert_refused(scram_client_first(&c, name, out, &e), e, EX_DATAERR);
	name[SCRAM_NAME_MAX] = '\0';
	assert_int_equal(scram_client_first(&c, name, out, &e), 0);
	assert_refused(scram_client_first(&c, "", out, &e), e, EX_DATAERR);
	assert_refused(scram_client_first(&c, "a\r\nb", out, &e), e, EX_DATAERR);
	assert_refused(scram_client_first(&c, "\xff", out, &e), e, EX_DATAERR);
}

static bool is_wiped(const void *p, size_t n)
{
	const uint8_t *bytes = p;
	size_t set = 0;

	for (size_t i = 0; i < n; i++) {
		set += bytes[i] != 0;
	}
	return set <= 1; /* the step */
}

static void wiped(void **state)
{
	struct scram_server s;
	struct scram_client c;
	char out[SCRAM_MESSAGE_MAX];
	bool ok;

	(void)state;
	lead_server(&s, "n,,");
	assert_false(is_wiped(&s, sizeof s));
	(void)scram_server_final(&s, CLIENT_FINAL, strlen(CLIENT_FINAL), out, &ok, &e);
	assert_true(is_wiped(&s, sizeof s));
	lead_server(&s, "n,,");
	(void)scram_server_final(&s, "x", 1, out, &ok, &e);
	assert_true(is_wiped(&s, sizeof s));
	lead_server(&s, "n,,");
	scram_server_end(&s);
	assert_true(is_wiped(&s, sizeof s));
	lead_client(&c);
	(void)scram_client_final(&c, "x", 1, "pencil", 6, out, &e);
	assert_true(is_wiped(&c, sizeof c));
	lead_client(&c);
	(void)scram_client_verify(&c, "x", 1, &e);
	assert_true(is_wiped(&c, sizeof c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("first messages: the GS2 header, names, nonces and extensions", first_messages),
		T("the longest name, nonce and message are taken, and one byte more is not",
			long_messages),
		T("a last message that is not this exchange's is refused", last_messages),
		T("each bit of the last message counts, and all of it", flips),
		T("a stored key of zeros, or the server's, lets nobody in", stolen_keys),
		T("a server's challenge that is weak, costly or of another login is refused",
			challenges),
		T("a server without the account's verifier is found out", signatures),
		T("each step is taken once, in its turn", turns),
		T("the client sends no name that is no text", client_names),
		T("an exchange that ended has nothing left of it", wiped),
	};
	return RUN(tests);
}
