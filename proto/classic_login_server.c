/* The classic protocol's server: the login, steps 1 and 2 of PROTOCOL.md; see
 * classic_session_server.h. */
#include <poll.h>

#include "../crypto/bytes.h"
#include "../crypto/hash.h"
#include "../crypto/random.h"
#include "../keys/keyfile.h"
#include "classic_session_server.h"
#include "log.h"

struct login {
	const char *user;
	const uint8_t *password;
	size_t password_n;
	bool wrong_hash;
};

/* The third line that a dialect may have: is it the hash of the lines before? */
static bool hash_is_wrong(const uint8_t *lines, size_t n, const uint8_t *hash, size_t hash_n)
{
	uint8_t right[HASH_SHA1_BYTES];
	char hex[2 * HASH_SHA1_BYTES + 1];
	bool wrong;

	hash_sha1(lines, n, right);
	hex_encode(hex, right, sizeof right);
	wrong = hash_n != 2 * HASH_SHA1_BYTES || !ct_eq(hex, hash, 2 * HASH_SHA1_BYTES);
	wipe(right, sizeof right);
	wipe(hex, sizeof hex);
	return wrong;
}

/* USERNAME LF PASSWORD, and a third line only where the dialect has one. The block is changed: the
 * name gets its NUL. On false the name may still be one to show. */
static bool split_login(uint8_t *text, size_t n, bool hashed, struct login *l)
{
	uint8_t *lf = memchr(text, '\n', n), *second;

	if (lf == NULL || memchr(text, '\0', n) != NULL) {
		return false;
	}
	l->user = (const char *)text;
	l->password = lf + 1;
	l->password_n = n - (size_t)(lf + 1 - text);
	second = hashed ? memchr(l->password, '\n', l->password_n) : NULL;
	if (second != NULL) {
		const uint8_t *hash = second + 1;
		l->password_n = (size_t)(second - l->password);
		l->wrong_hash = hash_is_wrong(
			text, (size_t)(second - text), hash, n - (size_t)(hash - text));
	}
	*lf = '\0';
	return memchr(l->password, '\n', l->password_n) == NULL && user_name_valid(l->user);
}

/* Is the login right, and is there a key to answer it with? -1: it could not be judged. A wrong
 * hash is a wrong password, in what it costs, too. */
static int judge(struct classic_session *s, const struct login *l, struct rsa_public *client,
	bool *ok, struct err *e)
{
	const struct users_turn turn = host_turn(s->host);
	bool key_found, password_ok;

	if (accounts_refresh(&s->accounts, NULL, e) != 0) {
		return -1;
	}
	s->who.revoked_at = users_revoked_at(s->accounts.now, l->user);
	if (users_login(s->accounts.now, l->user, l->password, l->password_n, &turn, &password_ok,
		    e) != 0) {
		return -1;
	}
	password_ok = password_ok && !l->wrong_hash;
	key_found = keyfile_load_public(s->host->dir, l->user, client, e) == 0;
	if (password_ok && !key_found) {
		return err_prefix(e, "user %s cannot log in", l->user);
	}
	*ok = password_ok && key_found;
	return 0;
}

/* One answer for every kind of bad login, and no sooner than HOST_REFUSAL_MS after it came. */
static int refuse(struct classic_session *s, int64_t since_ms, const char *name, struct err *e)
{
	char shown[8 * USER_NAME_MAX];
	int64_t left = since_ms + HOST_REFUSAL_MS - conn_now_ms();

	if (left > 0) {
		(void)poll(NULL, 0, (int)left);
	}
	(void)escape_text(shown, sizeof shown, name, strlen(name), false);
	log_say("The received client information: %s is invalid (Connection Terminated).", shown);
	(void)conn_write(s->conn, CLASSIC_INVALID, strlen(CLASSIC_INVALID), e);
	conn_finish(s->conn);
	return err_set(e, EX_NOPERM, "login refused for %s", shown);
}

/* 2a: a fresh key, under the client's public key. */
static int answer_login(struct classic_session *s, const struct rsa_public *client, struct err *e)
{
	uint8_t key[CLASSIC_KEY], block[RSA_BYTES_MAX];
	int rc = -1;

	if (random_bytes(key, sizeof key, e) == 0 &&
		rsa_oaep_encrypt(client, key, sizeof key, block, e) == 0) {
		classic_init(&s->wire, s->conn, key);
		s->wire.gap_ms = s->dialect->gap_ms;
		s->wire.spoke = true; /* the key is a text, too */
		rc = conn_write(s->conn, block, client->n_len, e);
	}
	wipe(key, sizeof key);
	return rc;
}

int classic_session_login(struct classic_session *s, struct err *e)
{
	uint8_t block[RSA_BYTES_MAX];
	struct rsa_public client;
	const struct login nobody = {.user = "nobody", .password = block};
	struct login l = {0};
	size_t n = s->host->rsa->public.n_len, got;
	bool ok = false, readable;
	int rc = -1, text_n;

	enum conn_got how = conn_read_exact(s->conn, block, n, &got, e);
	int64_t since_ms = conn_now_ms();
	if (how == CONN_FAILED || (how == CONN_EOF && got == 0)) {
		return how == CONN_FAILED ? -1 : err_set(e, EX_PROTOCOL, "no login came");
	}
	/* A block cut short is decrypted too, and what cannot be read is judged like what can:
	 * neither the answer nor the time it takes tells one from the other (a padding oracle,
	 * hostile.md T8). */
	memset(block + got, 0, n - got);
	text_n = rsa_oaep_decrypt(s->host->rsa, block);
	readable = text_n >= 0 && split_login(block, (size_t)text_n, s->dialect->hashed_login, &l);
	if (judge(s, readable ? &l : &nobody, &client, &ok, e) != 0) {
		log_err("login-error", e);
	} else if (!readable || !ok) {
		rc = refuse(s, since_ms, l.user == NULL ? "(unreadable)" : l.user, e);
	} else {
		memcpy(s->report->user, l.user, strlen(l.user) + 1);
		memcpy(s->who.user, l.user, strlen(l.user) + 1);
		conn_set_proven(s->conn, &s->who);
		classic_session_say(s,
			"login: the password was right; nothing in it is fresh, so it works again");
		host_upgrade(s->host, s->accounts.now, l.user, l.password, l.password_n);
		rc = answer_login(s, &client, e);
	}
	wipe(block, sizeof block);
	return rc;
}
