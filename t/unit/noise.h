/* What the tests of Noise share: two parties whose keys are the same in every run, handshakes led
 * to a given message, and what a failed one looks like. */
#ifndef T_NOISE_H
#define T_NOISE_H

#include "unit.h"

#include "../../crypto/noise.h"

static const char noise_payload[] = "what a message brings";
enum {
	PAYLOAD = sizeof noise_payload, /* of each message of lead_to */
	TEXT = 40,                      /* of a record */
	SMALL = 512                     /* each of those fits */
};

static struct err e;

struct party {
	struct x25519_pair s, e;
	struct noise noise;
	struct noise_cipher send, receive;
};

/* Keys that only look random; seed is the party's. */
static inline void make_pair(struct x25519_pair *pair, uint32_t seed)
{
	fill_pattern(pair->private, sizeof pair->private, seed);
	x25519_public(pair->public, pair->private);
}

/* The setup that this side needs for this pattern, with all its keys but no e. */
static inline struct noise_setup setup_for(
	const char *pattern, bool initiator, const struct party *us, const struct party *peer)
{
	static uint8_t psks[NOISE_PSKS_MAX][NOISE_PSK];
	bool one_way = pattern[1] == '\0' || pattern[1] == 'p';
	char ours = one_way ? (initiator ? pattern[0] : 'K') : pattern[initiator ? 0 : 1];
	char theirs = one_way ? (initiator ? 'K' : 'N') : pattern[initiator ? 1 : 0];
	struct noise_setup setup = {.pattern = pattern,
		.initiator = initiator,
		.prologue = "SMTP361\x02",
		.prologue_n = 8,
		.s = ours == 'N' ? NULL : &us->s,
		.remote_static = theirs == 'K' ? peer->s.public : NULL};
	const char *p = pattern;

	for (size_t i = 0; i < NOISE_PSKS_MAX && (p = strstr(p, "psk")) != NULL; i++, p++) {
		fill_pattern(psks[i], NOISE_PSK, 100 + (uint32_t)i);
		setup.psks[i] = psks[i];
	}
	return setup;
}

/* Both parties at the first message; with fixed_e it is the same in every run. */
static inline void begin_both(
	const char *pattern, bool fixed_e, struct party *init, struct party *resp)
{
	struct noise_setup setup;

	make_pair(&init->s, 1);
	make_pair(&init->e, 2);
	make_pair(&resp->s, 3);
	make_pair(&resp->e, 4);
	setup = setup_for(pattern, true, init, resp);
	setup.e = fixed_e ? &init->e : NULL;
	if (noise_begin(&init->noise, &setup, &e) != 0) {
		fail_msg("%s", e.text);
	}
	setup = setup_for(pattern, false, resp, init);
	setup.e = fixed_e ? &resp->e : NULL;
	if (noise_begin(&resp->noise, &setup, &e) != 0) {
		fail_msg("%s", e.text);
	}
}

/* The next message, with a payload of its own, not read yet; its length. */
static inline size_t write_next(struct noise *from, uint8_t wire[static SMALL])
{
	size_t n;

	if (noise_write(from, noise_payload, PAYLOAD, wire, SMALL, &n, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return n;
}

/* Write and read messages until number `message` is the next. */
static inline void lead_to(size_t message, struct party *init, struct party *resp)
{
	uint8_t wire[SMALL];
	size_t n;

	for (size_t m = 0; m < message; m++) {
		n = write_next(m % 2 == 0 ? &init->noise : &resp->noise, wire);
		if (noise_read(m % 2 == 0 ? &resp->noise : &init->noise, wire, n, wire, &n, &e) !=
			0) {
			fail_msg("message %zu: %s", m + 1, e.text);
		}
	}
}

/* A whole XK session, split. */
static inline void establish(struct party *init, struct party *resp)
{
	begin_both("XK", true, init, resp);
	lead_to(3, init, resp);
	assert_int_equal(noise_split(&init->noise, &init->send, &init->receive, &e), 0);
	assert_int_equal(noise_split(&resp->noise, &resp->send, &resp->receive, &e), 0);
}

static inline bool all_zero(const void *p, size_t n)
{
	const uint8_t *byte = p;

	for (size_t i = 0; i < n; i++) {
		if (byte[i] != 0) {
			return false;
		}
	}
	return true;
}

/* It failed: nothing of it is left, and nothing works any more. */
static inline void assert_failed(struct noise *n)
{
	struct noise_cipher a, b;
	uint8_t wire[SMALL];
	struct noise copy;
	size_t k = 1;

	memcpy(&copy, n, sizeof copy); /* with its padding */
	assert_true(copy.failed);
	copy.failed = false;
	assert_true(all_zero(&copy, sizeof copy));
	assert_false(noise_my_turn(n));
	assert_false(noise_finished(n));
	assert_int_equal(noise_overhead(n), 0);
	assert_null(noise_remote_static(n));
	assert_true(all_zero(noise_hash(n), HASH_BYTES));
	assert_refused(noise_write(n, NULL, 0, wire, sizeof wire, &k, &e), e, EX_SOFTWARE);
	assert_int_equal(k, 0);
	memset(wire, 1, sizeof wire);
	assert_refused(noise_read(n, wire, sizeof wire, wire, &k, &e), e, EX_SOFTWARE);
	assert_true(k == 0 && all_zero(wire, sizeof wire));
	assert_refused(noise_split(n, &a, &b, &e), e, EX_SOFTWARE);
	assert_true(n->failed && !a.has_key && !b.has_key);
}

/* noise_read must refuse this message, and wipe what it was to write. */
static inline void assert_unread(struct noise *n, const uint8_t *wire, size_t wire_n)
{
	uint8_t payload[SMALL];
	size_t k = 1;

	assert_true(wire_n <= sizeof payload);
	memset(payload, 0xee, sizeof payload);
	assert_refused(noise_read(n, wire, wire_n, payload, &k, &e), e, EX_PROTOCOL);
	assert_int_equal(k, 0);
	assert_true(all_zero(payload, wire_n));
	assert_true(wire_n == sizeof payload || payload[wire_n] == 0xee);
	assert_failed(n);
}

#endif
