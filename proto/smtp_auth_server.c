/* The SMTP door: AUTH (RFC 4954) by SCRAM-SHA-256 (RFC 7677), CRAM-MD5 (RFC 2195), and inside TLS
 * PLAIN (RFC 4616) and LOGIN; see smtp_session_server.h. Whether a name is a user's is told by no
 * reply, and not by the time it takes. */
#include <poll.h>
#include <strings.h>

#include "../crypto/cram.h"
#include "../crypto/random.h"
#include "../crypto/scram.h"
#include "log.h"
#include "smtp_session_server.h"

enum { RESPONSE_MAX = 9216 /* bytes of SMTP_AUTH_MAX characters */ };

struct exchange {
	struct smtp_session *s;
	const uint8_t *initial; /* base64, with the command; NULL: none came */
	size_t initial_n;
	char user[USER_NAME_MAX + 1]; /* who wants to log in; empty: no user's name */
	uint8_t response[RESPONSE_MAX + 1];
	size_t n;
	int64_t since_ms; /* the last response came: from then on a refusal's wait counts */
};

/* What an exchange comes to. ANSWERED: the reply was sent, and no more is to be said. */
enum outcome { BROKEN = -1, WRONG, RIGHT, ANSWERED };

/* --- talking --- */

static enum outcome fault(struct exchange *x, const char *code_and_status, const char *text)
{
	smtp_refuse(x->s, code_and_status, "%s", text);
	return x->s->over ? BROKEN : ANSWERED;
}

/* The client's response to this prompt. RIGHT, or ANSWERED or BROKEN. */
static enum outcome ask(struct exchange *x, const void *prompt, size_t n, struct err *e)
{
	struct buf text = {0};
	const uint8_t *line = x->initial;
	size_t line_n = x->initial_n;
	int k;

	if (line == NULL) {
		if (buf_reserve(&text, 1) != 0 || smtp_encode64(&text, prompt, n) != 0) {
			buf_free(&text);
			err_set(e, EX_TEMPFAIL, "out of memory");
			return BROKEN;
		}
		smtp_reply(x->s, "334", "%.*s", (int)text.n, (const char *)text.p);
		buf_free(&text);
		switch (smtp_next(x->s, SMTP_AUTH_MAX, &line, &line_n, e)) {
		case SMTP_LINE:
			break;
		case SMTP_TOO_LONG:
			return fault(x, "500 5.5.6", "the response is too long");
		default:
			return BROKEN;
		}
		smtp_log(x->s, "C:", "***", 3);
		if (line_n == 1 && line[0] == '*') {
			return fault(x, "501 5.7.0", "the login is cancelled");
		}
	} else if (line_n == 1 && line[0] == '=') {
		line_n = 0; /* RFC 4954 4: an initial response that is empty */
	}
	x->initial = NULL;
	k = smtp_decode64(x->response, RESPONSE_MAX, line, line_n);
	if (k < 0) {
		return fault(x, "501 5.5.2", "this is no base64");
	}
	x->n = (size_t)k;
	x->response[x->n] = '\0';
	x->since_ms = conn_now_ms();
	return RIGHT;
}

/* Behind the last response, ahead of the judgement: who hangs up, or lets many responses come at
 * once, gains nothing. */
static void wait_turn(const struct exchange *x)
{
	int64_t wait = guard_before(x->s->host->guard, x->s->conn->peer);

	if (wait > 0) {
		(void)poll(NULL, 0, (int)wait);
	}
}

/* Mail programs have "name" or "name@domain". */
static void set_user(struct exchange *x, const void *name, size_t n)
{
	struct smtp_path path = {0};
	const char *s = name, *at = memchr(name, '@', n);
	size_t local_n = at == NULL ? n : (size_t)(at - s),
	       domain_n = at == NULL ? 0 : n - local_n - 1;

	x->user[0] = '\0';
	if (local_n <= SMTP_LOCAL_MAX && domain_n <= SMTP_DOMAIN_MAX && !has_control(name, n)) {
		memcpy(path.local, s, local_n);
		memcpy(path.domain, s + n - domain_n, domain_n);
		(void)smtp_user_of(x->s, &path, x->user);
	}
}

/* --- mechanisms --- */

static int look(struct exchange *x, struct err *e)
{
	return accounts_refresh(&x->s->accounts, NULL, e);
}

static enum outcome check_password(
	struct exchange *x, const void *password, size_t n, struct err *e)
{
	const struct users_turn turn = host_turn(x->s->host);
	bool ok = false;

	wait_turn(x);
	if (look(x, e) != 0 ||
		users_login_mail(x->s->accounts.now, x->user, password, n, &turn, &ok, e) != 0) {
		return BROKEN;
	}
	if (ok) {
		host_upgrade(x->s->host, x->s->accounts.now, x->user, password, n);
	}
	return ok ? RIGHT : WRONG;
}

/* [authzid] NUL authcid NUL password */
static enum outcome plain(struct exchange *x, struct err *e)
{
	enum outcome got = ask(x, "", 0, e);
	const uint8_t *p = x->response, *first, *second;

	if (got != RIGHT) {
		return got;
	}
	first = memchr(p, '\0', x->n);
	second = first == NULL ? NULL : memchr(first + 1, '\0', x->n - (size_t)(first + 1 - p));
	if (second == NULL) {
		return fault(x, "501 5.5.2", "PLAIN is a name and a password");
	}
	size_t name_n = (size_t)(second - first - 1);
	bool for_another =
		first > p && ((size_t)(first - p) != name_n || memcmp(p, first + 1, name_n) != 0);
	set_user(x, first + 1, for_another ? 0 : name_n);
	return check_password(x, second + 1, x->n - (size_t)(second + 1 - p), e);
}

static enum outcome login(struct exchange *x, struct err *e)
{
	enum outcome got = ask(x, "Username:", 9, e);

	if (got == RIGHT) {
		set_user(x, x->response, x->n);
		got = ask(x, "Password:", 9, e);
	}
	return got == RIGHT ? check_password(x, x->response, x->n, e) : got;
}

static enum outcome cram_md5(struct exchange *x, struct err *e)
{
	uint8_t nonce[16], digest[16];
	char hex[2 * sizeof nonce + 1], want[2 * sizeof digest + 1],
		challenge[SMTP_DOMAIN_MAX + 80];
	struct cram_states states;
	enum outcome got;
	bool ok;

	if (x->initial != NULL) {
		return fault(x, "501 5.7.0", "CRAM-MD5 begins with the server's challenge");
	}
	if (random_bytes(nonce, sizeof nonce, e) != 0) {
		return BROKEN;
	}
	hex_encode(hex, nonce, sizeof nonce);
	(void)snprintf(challenge, sizeof challenge, "<%s.%lld@%.*s>", hex,
		(long long)(message_now() / 1000000), SMTP_DOMAIN_MAX, x->s->door->name);
	got = ask(x, challenge, strlen(challenge), e);
	if (got != RIGHT) {
		return got;
	}
	const uint8_t *blank = memrchr(x->response, ' ', x->n);
	if (blank == NULL) {
		return fault(x, "501 5.5.2", "CRAM-MD5 is a name and a digest");
	}
	set_user(x, x->response, (size_t)(blank - x->response));
	size_t digest_n = x->n - (size_t)(blank + 1 - x->response);
	wait_turn(x);
	if (look(x, e) != 0) {
		return BROKEN;
	}
	bool known = users_cram(x->s->accounts.now, x->user, &states);
	cram_answer(&states, challenge, strlen(challenge), digest);
	hex_encode(want, digest, sizeof digest);
	ok = known && digest_n == 2 * sizeof digest && ct_eq(want, blank + 1, 2 * sizeof digest);
	wipe(&states, sizeof states);
	wipe(digest, sizeof digest);
	wipe(want, sizeof want);
	return ok ? RIGHT : WRONG;
}

static bool same_verifier(const struct scram_verifier *a, const struct scram_verifier *b)
{
	return ct_eq(a->stored_key, b->stored_key, sizeof a->stored_key) &&
	       ct_eq(a->server_key, b->server_key, sizeof a->server_key);
}

/* Behind the client's first message. */
static enum outcome scram_rest(struct exchange *x, struct scram_server *c, struct err *e)
{
	char text[SCRAM_MESSAGE_MAX];
	struct scram_verifier v, now;
	struct err why;
	bool known, ok = false;
	int rc;

	if (look(x, e) != 0) {
		return BROKEN;
	}
	set_user(x, c->name, strlen(c->name));
	known = users_scram(x->s->accounts.now, x->user, x->s->door->decoy_key, &v);
	rc = scram_server_challenge(c, &v, text, e);
	enum outcome got = rc != 0 ? BROKEN : ask(x, text, strlen(text), e);
	if (got == RIGHT) {
		wait_turn(x);
		got = look(x, e) != 0 ? BROKEN : RIGHT;
	}
	if (got == RIGHT) { /* the account may have another by now */
		known = users_scram(x->s->accounts.now, x->user, x->s->door->decoy_key, &now) &&
			known && same_verifier(&v, &now);
		wipe(&now, sizeof now);
	}
	wipe(&v, sizeof v);
	if (got != RIGHT) {
		return got;
	}
	if (scram_server_final(c, x->response, x->n, text, &ok, &why) != 0) {
		return fault(x, "501 5.5.2", "this is no message of SCRAM-SHA-256");
	}
	if (!ok || !known) {
		return WRONG;
	}
	/* RFC 4954 4: what the server proves comes as a challenge, with an empty response */
	got = ask(x, text, strlen(text), e);
	return got != RIGHT || x->n == 0 ? got : fault(x, "501 5.5.2", "nothing was due");
}

static enum outcome scram_sha_256(struct exchange *x, struct err *e)
{
	struct scram_server c = {0};
	struct err why;
	enum outcome got = ask(x, "", 0, e);

	if (got == RIGHT && scram_server_first(&c, x->response, x->n, &why) != 0) {
		got = fault(x, "501 5.5.2", "this is no message of SCRAM-SHA-256");
	}
	got = got == RIGHT ? scram_rest(x, &c, e) : got;
	scram_server_end(&c);
	return got;
}

static const struct mechanism {
	const char *name;
	bool tls;           /* inside it alone: the password itself travels */
	unsigned mechanism; /* offered when an account has opted in to it; 0: always */
	enum outcome (*run)(struct exchange *x, struct err *e);
} mechanisms[] = {{"SCRAM-SHA-256", false, USERS_SCRAM_SHA256, scram_sha_256},
	{"CRAM-MD5", false, USERS_CRAM_MD5, cram_md5}, {"PLAIN", true, 0, plain},
	{"LOGIN", true, 0, login}};

enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0] };

static bool is_allowed(const struct smtp_session *s, const struct mechanism *m)
{
	return s->tls || (!m->tls && !s->door->tls_only);
}

/* Mail programs try the first that they know, and no other one: what nobody here can log in by
 * would be in the way. */
void smtp_auth_offer(const struct smtp_session *s, char out[static 64])
{
	unsigned has = s->accounts.now == NULL ? 0 : users_any_mechanism(s->accounts.now);
	int n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < MECHANISMS; i++) {
		const struct mechanism *m = &mechanisms[i];
		if (is_allowed(s, m) && (m->mechanism & ~has) == 0) {
			n += snprintf(out + n, 64 - (size_t)n, " %s", m->name);
		}
	}
}

/* --- the outcome --- */

static void welcome(struct exchange *x)
{
	struct smtp_session *s = x->s;

	memcpy(s->report->user, x->user, sizeof s->report->user);
	s->who = (struct presence_who){.mail = users_mail(s->accounts.now, x->user),
		.revoked_at = users_revoked_at(s->accounts.now, x->user)};
	memcpy(s->who.user, x->user, sizeof s->who.user);
	s->logged_in = true;
	guard_right(s->host->guard, x->user);
	conn_set_proven(s->conn, &s->who);
	smtp_reply(s, "235 2.7.0", "welcome");
}

static int turn_away(struct exchange *x, struct err *e)
{
	struct smtp_session *s = x->s;
	const char *user = x->user[0] == '\0' ? "-" : x->user;
	int64_t wait = HOST_REFUSAL_MS + guard_wrong(s->host->guard, user, s->conn->peer);
	int64_t left = x->since_ms + wait - conn_now_ms();

	if (left > 0) {
		(void)poll(NULL, 0, (int)left);
	}
	log_event("login-refused", "peer=%s user=%s", s->conn->peer, user);
	conn_deadline(s->conn, s->host->login_ms);
	smtp_reply(s, "535 5.7.8", "the name or the password is wrong");
	s->refusals++;
	if (s->refusals >= SMTP_REFUSALS) {
		smtp_reply(s, "421 4.7.0", "too many logins were refused");
		s->told = true;
		return err_set(e, EX_NOPERM, "login refused for %s", user);
	}
	return 0;
}

static int exchange(struct smtp_session *s, const struct mechanism *m, const uint8_t *initial,
	size_t n, struct err *e)
{
	static struct exchange x;
	uint8_t first[SMTP_COMMAND_MAX];
	int rc = 0;

	x = (struct exchange){.s = s};
	if (initial != NULL) {
		memcpy(first, initial, n); /* lines that follow take its place */
		x.initial = first;
		x.initial_n = n;
	}
	switch (m->run(&x, e)) {
	case RIGHT:
		welcome(&x);
		break;
	case WRONG:
		rc = turn_away(&x, e);
		break;
	case ANSWERED:
		break;
	case BROKEN:
		if (!s->over && e->code == EX_TEMPFAIL) {
			log_err("login-error", e);
		}
		rc = -1;
		break;
	}
	wipe(&x, sizeof x);
	wipe(first, sizeof first);
	return rc;
}

/* Which mechanism is it? MECHANISMS: none. */
static size_t find_mechanism(const uint8_t *name, size_t n)
{
	size_t i = 0;

	while (i < MECHANISMS &&
		(n != strlen(mechanisms[i].name) ||
			strncasecmp((const char *)name, mechanisms[i].name, n) != 0)) {
		i++;
	}
	return i;
}

/* What follows the mechanism is a secret, and so may be what is none. */
static void log_auth(const struct smtp_session *s, size_t i)
{
	char text[32];
	int n = snprintf(text, sizeof text, "AUTH %s", i < MECHANISMS ? mechanisms[i].name : "***");

	smtp_log(s, "C:", text, (size_t)n);
}

int smtp_auth(struct smtp_session *s, const uint8_t *args, size_t n, struct err *e)
{
	const uint8_t *blank = memchr(args, ' ', n), *initial = NULL;
	size_t name_n = blank == NULL ? n : (size_t)(blank - args), initial_n = 0;
	size_t i = find_mechanism(args, name_n);

	log_auth(s, i);
	if (!s->extended || s->mail.begun || s->logged_in) {
		smtp_refuse(s, "503 5.5.1", "%s",
			s->logged_in  ? "somebody is logged in already"
			: s->extended ? "a message is begun already: RSET forgets it"
				      : "EHLO comes first");
		return 0;
	}
	if (i == MECHANISMS) {
		smtp_refuse(s, "504 5.5.4", "this mechanism is not offered");
		return 0;
	}
	if (!is_allowed(s, &mechanisms[i])) {
		smtp_refuse(s, "538 5.7.11", "this needs TLS: STARTTLS comes first");
		return 0;
	}
	for (; blank != NULL && blank < args + n && *blank == ' '; blank++) {
		initial = blank + 1;
		initial_n = n - (size_t)(initial - args);
	}
	if (initial_n > SMTP_COMMAND_MAX) {
		smtp_refuse(s, "500 5.5.6", "the response is too long");
		return 0;
	}
	return exchange(s, &mechanisms[i], initial, initial_n, e);
}
