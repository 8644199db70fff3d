/* HandshakeState of the Noise Protocol Framework, revision 34: section numbers in the comments are
 * its. The patterns are a table, and its tokens act on the state of noise_state.c; see noise.h. */
#include "noise.h"

#include "bytes.h"
#include "hkdf.h"
#include "noise_state.h"

/* --- the patterns (7.4 and 7.5) --- */

enum token { END, E, S, EE, ES, SE, SS };
enum { MESSAGES_MAX = 3, TOKENS_MAX = 5, NAME_MAX_LEN = 64 };
/* whose static key the other side knows beforehand (7.1: the pre-messages) */
enum { NONE = 0, INITIATOR = 1, RESPONDER = 2, BOTH = INITIATOR | RESPONDER };

struct noise_pattern {
	const char *name;
	unsigned known;
	size_t messages;
	enum token tokens[MESSAGES_MAX][TOKENS_MAX]; /* the initiator's, the responder's, ... */
};

static const struct noise_pattern patterns[] = {
	{"N", RESPONDER, 1, {{E, ES}}},
	{"X", RESPONDER, 1, {{E, ES, S, SS}}},
	{"NN", NONE, 2, {{E}, {E, EE}}},
	{"NK", RESPONDER, 2, {{E, ES}, {E, EE}}},
	{"XK", RESPONDER, 3, {{E, ES}, {E, EE}, {S, SE}}},
	{"XX", NONE, 3, {{E}, {E, EE, S, ES}, {S, SE}}},
	{"KK", BOTH, 2, {{E, ES, SS}, {E, EE, SE}}},
	{"IK", RESPONDER, 2, {{E, ES, S, SS}, {E, EE, SE}}},
};

/* "+psk0+psk3", without its first '+': the numbers rise, as names are sorted (8). 0 or -1. */
static int parse_psks(struct noise *n, const char *p)
{
	while (*p != '\0') {
		if (n->psk_n == NOISE_PSKS_MAX || (n->psk_n > 0 && *p++ != '+') ||
			strncmp(p, "psk", 3) != 0 || p[3] < '0' || p[3] > '9') {
			return -1;
		}
		size_t at = (size_t)(p[3] - '0');
		if (at > n->pattern->messages || (n->psk_n > 0 && at <= n->psk_at[n->psk_n - 1])) {
			return -1;
		}
		n->psk_at[n->psk_n++] = at;
		p += 4;
	}
	return 0;
}

static int find_pattern(struct noise *n, const char *name)
{
	size_t k = strcspn(name, "p"); /* the modifiers begin there */

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		if (strlen(patterns[i].name) == k && memcmp(patterns[i].name, name, k) == 0) {
			n->pattern = &patterns[i];
			return parse_psks(n, name + k);
		}
	}
	return -1;
}

/* Does this side send its static key in a message? */
static bool sends_static(const struct noise_pattern *p, bool initiator)
{
	for (size_t m = initiator ? 0 : 1; m < p->messages; m += 2) {
		for (const enum token *t = p->tokens[m]; *t != END; t++) {
			if (*t == S) {
				return true;
			}
		}
	}
	return false;
}

/* --- HandshakeState (5.3): the tokens --- */

static int mix_dh(struct noise *n, enum token t, struct err *e)
{
	/* es is the initiator's ephemeral and the responder's static key, se the reverse */
	bool our_e = t == EE || t == (n->initiator ? ES : SE);
	bool their_e = t == EE || t == (n->initiator ? SE : ES);
	uint8_t shared[X25519_BYTES];
	int rc = x25519_shared(
		shared, our_e ? n->e.private : n->s.private, their_e ? n->remote_e : n->remote_s);

	if (rc == 0) {
		noise_mix_key(n, shared);
	} else {
		err_set(e, EX_PROTOCOL,
			"cannot agree on a Noise key: the peer's public key is a low-order point");
	}
	wipe(shared, sizeof shared);
	return rc;
}

/* Mix in the psk of psk modifier number `at`, where the pattern has it (9.4). */
static void mix_psk_at(struct noise *n, size_t at)
{
	if (n->psk_used < n->psk_n && n->psk_at[n->psk_used] == at) {
		noise_mix_psk(n, n->psks[n->psk_used++]);
	}
}

/* With psks each e is also mixed into the key, so that it differs in every run (9.2). */
static void mix_e(struct noise *n, const uint8_t public[static X25519_BYTES])
{
	noise_mix_hash(n, public, X25519_BYTES);
	if (n->psk_n > 0) {
		noise_mix_key(n, public);
	}
}

/* The bytes that a token puts on the wire; *keyed: is there a key by now? */
static size_t token_bytes(const struct noise *n, enum token t, bool *keyed)
{
	switch (t) {
	case E:
		*keyed = *keyed || n->psk_n > 0;
		return X25519_BYTES;
	case S:
		return X25519_BYTES + (*keyed ? NOISE_TAG : 0);
	default:
		*keyed = true;
		return 0;
	}
}

size_t noise_overhead(const struct noise *n)
{
	bool keyed = n->cipher.has_key;
	size_t sum = 0;

	if (n->failed || noise_finished(n)) {
		return 0;
	}
	for (const enum token *t = n->pattern->tokens[n->message]; *t != END; t++) {
		sum += token_bytes(n, *t, &keyed);
	}
	return sum + (keyed ? NOISE_TAG : 0);
}

static int write_token(struct noise *n, enum token t, uint8_t *out, size_t *k, struct err *e)
{
	*k = 0;
	switch (t) {
	case E:
		if (!n->given_e && x25519_generate(&n->e, e) != 0) {
			return -1;
		}
		*k = X25519_BYTES;
		memcpy(out, n->e.public, X25519_BYTES);
		mix_e(n, n->e.public);
		return 0;
	case S:
		*k = X25519_BYTES;
		memcpy(out, n->s.public, X25519_BYTES);
		return noise_encrypt_and_hash(n, out, k, e);
	default:
		return mix_dh(n, t, e);
	}
}

/* noise_read has seen to it that the message holds what its tokens need. */
static int read_token(struct noise *n, enum token t, struct cursor *in, struct err *e)
{
	uint8_t sealed[X25519_BYTES + NOISE_TAG];
	size_t k = X25519_BYTES + (n->cipher.has_key ? NOISE_TAG : 0);
	int rc;

	switch (t) {
	case E:
		memcpy(n->remote_e, get_bytes(in, X25519_BYTES), X25519_BYTES);
		mix_e(n, n->remote_e);
		return 0;
	case S:
		memcpy(sealed, get_bytes(in, k), k);
		rc = noise_decrypt_and_hash(n, sealed, &k, e);
		memcpy(n->remote_s, sealed, X25519_BYTES);
		wipe(sealed, sizeof sealed);
		n->has_remote_s = true;
		return rc;
	default:
		return mix_dh(n, t, e);
	}
}

/* --- HandshakeState: the messages --- */

/* Nothing works after this. Always -1. */
static int fail(struct noise *n)
{
	wipe(n, sizeof *n);
	n->failed = true;
	return -1;
}

/* A psk, a key or the peer's key that the pattern wants, or does not want but was given: who passes
 * a key expects of it what it could not do. */
static int check_keys(const struct noise *n, const struct noise_setup *setup, struct err *e)
{
	unsigned us = setup->initiator ? INITIATOR : RESPONDER;
	bool wants_s = (n->pattern->known & us) != 0 || sends_static(n->pattern, setup->initiator);
	bool wants_remote = (n->pattern->known & ~us) != 0;
	const char *wrong = NULL;

	if ((setup->s != NULL) != wants_s) {
		wrong = "static key";
	} else if ((setup->remote_static != NULL) != wants_remote) {
		wrong = "static key of the peer";
	}
	for (size_t i = 0; i < NOISE_PSKS_MAX; i++) {
		if ((setup->psks[i] != NULL) != (i < n->psk_n)) {
			wrong = "pre-shared key";
		}
	}
	if (wrong != NULL) {
		return err_set(e, EX_SOFTWARE,
			"cannot begin Noise %s: a %s is missing, or one is given that has no use",
			setup->pattern, wrong);
	}
	return 0;
}

static void copy_keys(struct noise *n, const struct noise_setup *setup)
{
	n->initiator = setup->initiator;
	if (setup->s != NULL) {
		n->s = *setup->s;
	}
	if (setup->e != NULL) {
		n->e = *setup->e;
		n->given_e = true;
	}
	if (setup->remote_static != NULL) {
		memcpy(n->remote_s, setup->remote_static, X25519_BYTES);
		n->has_remote_s = true;
	}
	for (size_t i = 0; i < n->psk_n; i++) {
		memcpy(n->psks[i], setup->psks[i], NOISE_PSK);
	}
}

/* Initialize(): the name (5.2, 8), the prologue, and the pre-messages, the initiator's first. */
static void begin_hash(struct noise *n, const struct noise_setup *setup)
{
	char name[NAME_MAX_LEN];
	int k = snprintf(name, sizeof name, "Noise_%s_25519_AESGCM_SHA256", setup->pattern);

	if (k <= HASH_BYTES) {
		memcpy(n->hash, name, (size_t)k); /* zeros fill it up */
	} else {
		hash_of(name, (size_t)k, n->hash);
	}
	memcpy(n->chaining_key, n->hash, HASH_BYTES);
	noise_mix_hash(n, setup->prologue, setup->prologue_n);
	if ((n->pattern->known & INITIATOR) != 0) {
		noise_mix_hash(n, n->initiator ? n->s.public : n->remote_s, X25519_BYTES);
	}
	if ((n->pattern->known & RESPONDER) != 0) {
		noise_mix_hash(n, n->initiator ? n->remote_s : n->s.public, X25519_BYTES);
	}
}

int noise_begin(struct noise *n, const struct noise_setup *setup, struct err *e)
{
	memset(n, 0, sizeof *n);
	if (find_pattern(n, setup->pattern) != 0) {
		err_set(e, EX_SOFTWARE, "cannot begin Noise %s: there is no such pattern",
			setup->pattern);
		return fail(n);
	}
	if (check_keys(n, setup, e) != 0) {
		return fail(n);
	}
	copy_keys(n, setup);
	begin_hash(n, setup);
	return 0;
}

bool noise_finished(const struct noise *n)
{
	return !n->failed && n->message == n->pattern->messages;
}

bool noise_my_turn(const struct noise *n)
{
	return !n->failed && !noise_finished(n) && (n->message % 2 == 0) == n->initiator;
}

/* 0 when a message may be written (or read) now. */
static int check_turn(const struct noise *n, bool writing, struct err *e)
{
	const char *verb = writing ? "write" : "read", *why = NULL;

	if (n->failed) {
		why = "the handshake has failed before";
	} else if (noise_finished(n)) {
		why = "the handshake is over";
	} else if (noise_my_turn(n) != writing) {
		why = writing ? "it is the peer's turn" : "it is our turn";
	}
	return why == NULL ? 0
			   : err_set(e, EX_SOFTWARE, "cannot %s a Noise message: %s", verb, why);
}

int noise_write(struct noise *n, const void *payload, size_t payload_n, uint8_t *out, size_t cap,
	size_t *out_n, struct err *e)
{
	size_t most = cap < NOISE_MESSAGE_MAX ? cap : NOISE_MESSAGE_MAX, at = 0, k = payload_n;

	*out_n = 0;
	if (check_turn(n, true, e) != 0) {
		return fail(n);
	}
	if (noise_overhead(n) > most || payload_n > most - noise_overhead(n)) {
		err_set(e, EX_SOFTWARE,
			"cannot write a Noise message: %zu bytes have no room in %zu", payload_n,
			most);
		return fail(n);
	}
	mix_psk_at(n, n->message); /* only psk0 is left to do here */
	for (const enum token *t = n->pattern->tokens[n->message]; *t != END; t++) {
		size_t token_n;
		if (write_token(n, *t, out + at, &token_n, e) != 0) {
			return fail(n);
		}
		at += token_n;
	}
	mix_psk_at(n, n->message + 1);
	if (k > 0) {
		memcpy(out + at, payload, k);
	}
	if (noise_encrypt_and_hash(n, out + at, &k, e) != 0) {
		return fail(n);
	}
	n->message++;
	*out_n = at + k;
	return 0;
}

/* The tokens of the message, and its payload, which replaces them in `payload`. */
static int read_message(
	struct noise *n, struct cursor in, uint8_t *payload, size_t *payload_n, struct err *e)
{
	size_t k;

	if (in.n < noise_overhead(n) || in.n > NOISE_MESSAGE_MAX) {
		return err_set(e, EX_PROTOCOL,
			"cannot read a Noise message of %zu bytes: it has from %zu to %d", in.n,
			noise_overhead(n), NOISE_MESSAGE_MAX);
	}
	mix_psk_at(n, n->message);
	for (const enum token *t = n->pattern->tokens[n->message]; *t != END; t++) {
		if (read_token(n, *t, &in, e) != 0) {
			return -1;
		}
	}
	mix_psk_at(n, n->message + 1);
	k = cursor_left(&in);
	if (k > 0) {
		memmove(payload, in.p, k);
	}
	if (noise_decrypt_and_hash(n, payload, &k, e) != 0) {
		return -1;
	}
	n->message++;
	*payload_n = k;
	return 0;
}

int noise_read(struct noise *n, const void *in, size_t in_n, uint8_t *payload, size_t *payload_n,
	struct err *e)
{
	*payload_n = 0;
	if (check_turn(n, false, e) != 0 ||
		read_message(n, cursor_over(in, in_n), payload, payload_n, e) != 0) {
		wipe(payload, in_n);
		return fail(n);
	}
	return 0;
}

/* --- what it led to --- */

const uint8_t *noise_remote_static(const struct noise *n)
{
	return n->has_remote_s ? n->remote_s : NULL;
}

const uint8_t *noise_hash(const struct noise *n)
{
	return n->hash;
}

static void wipe_keys(struct noise *n)
{
	wipe(&n->cipher, sizeof n->cipher);
	wipe(n->chaining_key, sizeof n->chaining_key);
	wipe(&n->s, sizeof n->s);
	wipe(&n->e, sizeof n->e);
	wipe(n->psks, sizeof n->psks);
}

int noise_split(
	struct noise *n, struct noise_cipher *send, struct noise_cipher *receive, struct err *e)
{
	uint8_t keys[2][HASH_BYTES];

	wipe(send, sizeof *send);
	wipe(receive, sizeof *receive);
	if (!noise_finished(n) || n->was_split) {
		err_set(e, EX_SOFTWARE,
			"cannot split a Noise handshake: not finished, or split before");
		return fail(n);
	}
	(void)hkdf_sha256(keys, sizeof keys, n->chaining_key, HASH_BYTES, NULL, 0, NULL, 0);
	/* the first key is the initiator's sending one (5.2), and the only one of a one-way
	 * pattern (7.4) */
	noise_set_key(n->initiator ? send : receive, keys[0]);
	if (n->pattern->messages > 1) {
		noise_set_key(n->initiator ? receive : send, keys[1]);
	}
	wipe(keys, sizeof keys);
	wipe_keys(n);
	n->was_split = true;
	return 0;
}
