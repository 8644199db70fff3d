/* The Noise Protocol Framework (revision 34) with one suite, 25519_AESGCM_SHA256. A pattern is
 * data: N X NN NK XK XX KK IK, each with psk modifiers, is a row of tokens in noise.c and nothing
 * else. No I/O: a caller moves the messages, each at most NOISE_MESSAGE_MAX bytes.
 *
 * A handshake that failed once, in whatever way, stays failed, and its keys are wiped at once.
 * wipe() each object whole after use. */
#ifndef CRYPTO_NOISE_H
#define CRYPTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gcm.h"
#include "hash.h"
#include "x25519.h"

enum {
	NOISE_MESSAGE_MAX = 65535, /* rev 34, 3 */
	NOISE_TAG = GCM_TAG,
	NOISE_PSK = 32,
	NOISE_PSKS_MAX = 2
};

/* --- transport: a key and a counter for one direction (rev 34, 5.1) --- */

struct noise_cipher {
	struct gcm gcm;
	uint64_t counter; /* of the next message */
	bool has_key;
};

/* Seal n bytes in place; data has room for n + NOISE_TAG, which is at most NOISE_MESSAGE_MAX.
 * 0, or -1 with data as it was: EX_PROTOCOL (the counter has reached 2^64 - 1, which is never used:
 * rev 34, 5.1), EX_SOFTWARE (too long, or no key: the direction that a one-way pattern lacks). */
int noise_seal(struct noise_cipher *c, uint8_t *data, size_t n, struct err *e);
/* Open n bytes in place, their tag included; n - NOISE_TAG bytes are left. The counter advances
 * only on 0. -1, and data is wiped: EX_PROTOCOL (too short or long, forged, or the counter is used
 * up), EX_SOFTWARE (no key). */
int noise_open(struct noise_cipher *c, uint8_t *data, size_t n, struct err *e);

/* --- handshake (rev 34, 5.2 and 5.3) --- */

struct noise_setup {
	const char *pattern; /* "XK", "NNpsk0", "XKpsk0+psk3": psks in rising order */
	bool initiator;
	const void *prologue; /* NULL when it is empty */
	size_t prologue_n;
	const struct x25519_pair *s;         /* NULL where the pattern needs none */
	const uint8_t *remote_static;        /* 32 bytes; NULL where it is not known beforehand */
	const uint8_t *psks[NOISE_PSKS_MAX]; /* as many as the pattern names, in its order */
	const struct x25519_pair *e;         /* NULL: a fresh one is made; tests give their own */
};

struct noise {
	struct noise_cipher cipher;
	uint8_t chaining_key[HASH_BYTES], hash[HASH_BYTES];
	struct x25519_pair s, e;
	uint8_t remote_s[X25519_BYTES], remote_e[X25519_BYTES];
	uint8_t psks[NOISE_PSKS_MAX][NOISE_PSK];
	const struct noise_pattern *pattern;
	size_t psk_at[NOISE_PSKS_MAX]; /* the numbers of the psk modifiers */
	size_t psk_n, psk_used;
	size_t message; /* of the pattern: which one comes next */
	bool initiator, given_e, has_remote_s, failed, was_split;
};

/* Start a handshake; what setup points to is copied. 0, or -1: EX_SOFTWARE (no such pattern, or it
 * and the keys do not match: one is missing, or one is given that it would not look at). */
int noise_begin(struct noise *n, const struct noise_setup *setup, struct err *e);

/* Both are false once it failed. */
bool noise_my_turn(const struct noise *n);
bool noise_finished(const struct noise *n);

/* Write the next message with this payload (NULL when it is empty; not within out). out holds cap
 * bytes; *out_n is what was written. 0, or -1: EX_SOFTWARE (not our turn, no room, too long),
 * EX_PROTOCOL (the peer's key is a low-order point), EX_TEMPFAIL (no seed). */
int noise_write(struct noise *n, const void *payload, size_t payload_n, uint8_t *out, size_t cap,
	size_t *out_n, struct err *e);
/* Read the peer's next message. payload holds at least in_n bytes and may be in itself; *payload_n
 * is what stands in it. 0, or -1, and payload is wiped: EX_PROTOCOL (cut, too long, forged, a
 * low-order point), EX_SOFTWARE (not the peer's turn). */
int noise_read(struct noise *n, const void *in, size_t in_n, uint8_t *payload, size_t *payload_n,
	struct err *e);

/* How many bytes the next message, ours or the peer's, has beyond its payload; 0 when none is to
 * come. */
size_t noise_overhead(const struct noise *n);
/* The peer's static key: given beforehand, or since noise_read took the message that brings it and
 * proves it; else, and once the handshake failed, NULL. One given beforehand is proven by the first
 * message that the peer's private key had a part in. */
const uint8_t *noise_remote_static(const struct noise *n);
/* The handshake hash (rev 34, 11.2); it is unique to the session once finished, and zero once
 * failed. */
const uint8_t *noise_hash(const struct noise *n);

/* After the last message, once: the two transport ciphers. In a one-way pattern only the
 * initiator's sending one has a key, and the responder's receiving one. The handshake's own keys
 * are wiped; the hash and the peer's static key stay. 0, or -1 (EX_SOFTWARE: not finished, or
 * already split), and both ciphers are without a key. */
int noise_split(
	struct noise *n, struct noise_cipher *send, struct noise_cipher *receive, struct err *e);

#endif
