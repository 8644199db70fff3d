/* Noise against a peer, or a network, that sends anything but the right message at the right time:
 * each is refused, and leaves nothing behind. And the limits of lengths and counters. */
#include "noise.h"

/* --- XK's three messages, changed on their way --- */

typedef size_t attack(const struct noise *reader, uint8_t *wire, size_t n);

/* Run the attack on each message and its reader; how many forms of them it tried. */
static size_t on_each_message(attack *run)
{
	struct party init, resp;
	uint8_t wire[SMALL];
	size_t tried = 0;

	for (size_t m = 0; m < 3; m++) {
		bool from_init = m % 2 == 0;
		begin_both("XK", true, &init, &resp);
		lead_to(m, &init, &resp);
		size_t n = write_next(from_init ? &init.noise : &resp.noise, wire);
		tried += run(from_init ? &resp.noise : &init.noise, wire, n);
	}
	return tried;
}

static size_t try_flips(const struct noise *reader, uint8_t *wire, size_t n)
{
	struct noise copy;
	uint8_t payload[SMALL];
	size_t k;

	for (size_t bit = 0; bit < 8 * n; bit++) {
		copy = *reader;
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_unread(&copy, wire, n);
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	copy = *reader; /* the unchanged one is read */
	assert_int_equal(noise_read(&copy, wire, n, payload, &k, &e), 0);
	assert_int_equal(k, PAYLOAD);
	assert_memory_equal(payload, noise_payload, PAYLOAD);
	return 8 * n;
}

static void flips(void **state)
{
	(void)state;
	assert_int_equal(on_each_message(try_flips), 8 * (48 + 48 + 64 + 3 * PAYLOAD));
}

static size_t try_lengths(const struct noise *reader, uint8_t *wire, size_t n)
{
	struct noise copy;

	for (size_t k = 0; k < n; k++) {
		copy = *reader;
		assert_unread(&copy, wire, k);
	}
	for (int last = 0; last < 256; last += 5) {
		copy = *reader;
		wire[n] = (uint8_t)last;
		assert_unread(&copy, wire, n + 1);
	}
	return n;
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(on_each_message(try_lengths), 48 + 48 + 64 + 3 * PAYLOAD);
}

/* A writer's own message given back to it, where it waits for the answer. */
static void reflections(void **state)
{
	static const char *const names[] = {"NN", "NK", "XK", "XX", "KK", "IK", "NNpsk0", "KKpsk2"};
	struct party init, resp;
	uint8_t wire[SMALL];
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		begin_both(names[i], true, &init, &resp);
		n = write_next(&init.noise, wire);
		assert_unread(&init.noise, wire, n);
	}
	for (size_t i = 2; i < 4; i++) { /* the two with a third message */
		begin_both(names[i], true, &init, &resp);
		lead_to(1, &init, &resp);
		n = write_next(&resp.noise, wire);
		assert_unread(&resp.noise, wire, n);
	}
}

/* Both sides must have begun with the same prologue, keys and psks. */
static void other_beginnings(void **state)
{
	static const uint8_t other_psk[NOISE_PSK] = {9};
	struct party init, resp, mallory;
	struct noise_setup setups[4];
	uint8_t wire[SMALL];
	size_t n;

	(void)state;
	begin_both("XKpsk0", true, &init, &resp);
	make_pair(&mallory.s, 66);
	for (size_t i = 0; i < COUNT(setups); i++) {
		setups[i] = setup_for("XKpsk0", true, &init, &resp);
	}
	setups[0].prologue_n--;
	setups[1].remote_static = mallory.s.public;
	setups[2].psks[0] = other_psk;
	for (size_t i = 0; i < COUNT(setups); i++) {
		struct noise copy = resp.noise;
		assert_int_equal(noise_begin(&mallory.noise, &setups[i], &e), 0);
		n = write_next(&mallory.noise, wire);
		if (i < 3) {
			assert_unread(&copy, wire, n);
		} else { /* the true one */
			assert_int_equal(noise_read(&copy, wire, n, wire, &n, &e), 0);
		}
	}
}

/* --- low-order points --- */

typedef void point_test(const uint8_t point[static X25519_BYTES]);

/* Call it with each public key of Wycheproof's that leads to a zero secret. */
static void on_each_point(point_test *run)
{
	json_t *root = vectors("wycheproof/x25519_test.json");
	json_t *group = json_array_get(json_object_get(root, "testGroups"), 0), *test;
	size_t i, n = 0;

	json_array_foreach(json_object_get(group, "tests"), i, test)
	{
		struct buf shared = {0}, public = {0};
		hex_of(test, "shared", &shared);
		hex_of(test, "public", &public);
		if (all_zero(shared.p, shared.n)) {
			run(public.p);
			n++;
		}
		buf_free(&shared);
		buf_free(&public);
	}
	assert_int_equal(n, 31);
}

static void refuse_low(struct noise *n, const uint8_t *wire, size_t wire_n)
{
	uint8_t payload[SMALL];
	size_t k;

	assert_refused(noise_read(n, wire, wire_n, payload, &k, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "low-order");
	assert_failed(n);
}

static void check_low_e(const uint8_t point[static X25519_BYTES])
{
	struct party init, resp;
	uint8_t wire[48] = {0}, out[SMALL];
	size_t n;

	memcpy(wire, point, X25519_BYTES);
	begin_both("XK", true, &init, &resp);
	(void)write_next(&init.noise, out);
	refuse_low(&resp.noise, wire, sizeof wire); /* es of message 1 */
	refuse_low(&init.noise, wire, sizeof wire); /* ee of message 2 */
	begin_both("NN", true, &init, &resp);       /* no DH in message 1: the answer fails */
	assert_int_equal(noise_read(&resp.noise, wire, X25519_BYTES, wire, &n, &e), 0);
	n = 1;
	assert_refused(noise_write(&resp.noise, NULL, 0, out, SMALL, &n, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "low-order");
	assert_int_equal(n, 0);
	assert_failed(&resp.noise);
}

static void low_e(void **state)
{
	(void)state;
	on_each_point(check_low_e);
}

static void check_low_s(const uint8_t point[static X25519_BYTES])
{
	struct party init, resp;
	struct noise_setup setup;
	uint8_t wire[SMALL];
	size_t n;

	begin_both("XK", true, &init, &resp);
	setup = setup_for("XK", true, &init, &resp);
	setup.remote_static = point; /* a bad pin */
	assert_int_equal(noise_begin(&init.noise, &setup, &e), 0);
	assert_refused(noise_write(&init.noise, NULL, 0, wire, SMALL, &n, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "low-order");
	assert_failed(&init.noise);

	begin_both("XK", true, &init, &resp);
	memcpy(init.noise.s.public, point, X25519_BYTES); /* sealed well, in message 3 */
	lead_to(2, &init, &resp);
	n = write_next(&init.noise, wire);
	refuse_low(&resp.noise, wire, n);
}

static void low_s(void **state)
{
	(void)state;
	on_each_point(check_low_s);
}

/* --- records --- */

static void forged_records(void **state)
{
	struct party init, resp;
	uint8_t sealed[TEXT + NOISE_TAG], data[TEXT + NOISE_TAG] = {0}, text[TEXT];

	(void)state;
	establish(&init, &resp);
	fill_pattern(text, TEXT, 1);
	memcpy(data, text, TEXT);
	assert_int_equal(noise_seal(&init.send, data, TEXT, &e), 0);
	memcpy(sealed, data, sizeof sealed);
	for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
		memcpy(data, sealed, sizeof data);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_refused(noise_open(&resp.receive, data, sizeof data, &e), e, EX_PROTOCOL);
		assert_true(all_zero(data, sizeof data));
	}
	for (size_t n = 0; n < sizeof sealed; n++) {
		memcpy(data, sealed, sizeof data);
		assert_refused(noise_open(&resp.receive, data, n, &e), e, EX_PROTOCOL);
		assert_true(all_zero(data, n));
		assert_memory_equal(data + n, sealed + n, sizeof data - n);
	}
	memcpy(data, sealed, sizeof data); /* our own record is not the peer's */
	assert_refused(noise_open(&init.receive, data, sizeof data, &e), e, EX_PROTOCOL);
	assert_int_equal(init.receive.counter, 0);
	/* nothing of this has moved the counter: the true record is still the next */
	assert_int_equal(resp.receive.counter, 0);
	memcpy(data, sealed, sizeof data);
	assert_int_equal(noise_open(&resp.receive, data, sizeof data, &e), 0);
	assert_memory_equal(data, text, TEXT);
	memcpy(data, sealed, sizeof data); /* and it is read once */
	assert_refused(noise_open(&resp.receive, data, sizeof data, &e), e, EX_PROTOCOL);
	assert_int_equal(resp.receive.counter, 1);
}

static void lost_record(void **state)
{
	struct party init, resp;
	uint8_t first[NOISE_TAG], second[NOISE_TAG];

	(void)state;
	establish(&init, &resp);
	assert_int_equal(noise_seal(&init.send, first, 0, &e), 0);
	assert_int_equal(noise_seal(&init.send, second, 0, &e), 0);
	assert_refused(noise_open(&resp.receive, second, NOISE_TAG, &e), e, EX_PROTOCOL);
	assert_int_equal(noise_open(&resp.receive, first, NOISE_TAG, &e), 0);
}

static void nonce_order(void **state)
{
	static const uint8_t nonce[GCM_NONCE] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	struct party init, resp;
	uint8_t data[TEXT + NOISE_TAG] = {0}, ref[TEXT + NOISE_TAG] = {0};

	(void)state;
	establish(&init, &resp);
	init.send.counter = 0x0102030405060708;
	gcm_seal(&init.send.gcm, nonce, NULL, 0, ref, TEXT, ref + TEXT);
	assert_int_equal(noise_seal(&init.send, data, TEXT, &e), 0);
	assert_memory_equal(data, ref, sizeof ref);
}

static void last_counter(void **state)
{
	struct party init, resp;
	uint8_t data[TEXT + NOISE_TAG], text[TEXT];

	(void)state;
	establish(&init, &resp);
	fill_pattern(text, TEXT, 1);
	init.send.counter = resp.receive.counter = UINT64_MAX - 1;
	memcpy(data, text, TEXT);
	assert_int_equal(noise_seal(&init.send, data, TEXT, &e), 0);
	data[0] ^= 1;
	assert_refused(noise_open(&resp.receive, data, sizeof data, &e), e, EX_PROTOCOL);
	assert_true(resp.receive.counter == UINT64_MAX - 1);
	init.send.counter--;
	memcpy(data, text, TEXT);
	assert_int_equal(noise_seal(&init.send, data, TEXT, &e), 0);
	assert_int_equal(noise_open(&resp.receive, data, sizeof data, &e), 0);
	assert_memory_equal(data, text, TEXT);
	for (int i = 0; i < 3; i++) { /* both are at 2^64 - 1 now, for ever */
		assert_true(init.send.counter == UINT64_MAX && resp.receive.counter == UINT64_MAX);
		assert_refused(noise_seal(&init.send, data, TEXT, &e), e, EX_PROTOCOL);
		assert_contains(e.text, "used up");
		assert_memory_equal(data, text, TEXT);
		memcpy(data, text, TEXT);
		assert_refused(noise_open(&resp.receive, data, sizeof data, &e), e, EX_PROTOCOL);
		assert_contains(e.text, "used up");
		assert_true(all_zero(data, sizeof data));
		memcpy(data, text, TEXT);
	}
}

/* --- the limits of a length --- */

static uint8_t large[NOISE_MESSAGE_MAX + 1], other[NOISE_MESSAGE_MAX + 1];

static void record_limits(void **state)
{
	enum { MOST = NOISE_MESSAGE_MAX - NOISE_TAG };
	static const uint8_t second[GCM_NONCE] = {[11] = 1};
	struct party init, resp;

	(void)state;
	establish(&init, &resp);
	fill_pattern(large, sizeof large, 2);
	memcpy(other, large, sizeof other);
	assert_refused(noise_seal(&init.send, large, MOST + 1, &e), e, EX_SOFTWARE);
	assert_refused(noise_seal(&init.send, large, SIZE_MAX, &e), e, EX_SOFTWARE);
	assert_memory_equal(large, other, sizeof large);
	assert_int_equal(noise_seal(&init.send, large, MOST, &e), 0);
	assert_int_equal(large[sizeof large - 1], other[sizeof other - 1]);
	assert_int_equal(noise_open(&resp.receive, large, NOISE_MESSAGE_MAX, &e), 0);
	assert_memory_equal(large, other, MOST);
	/* one byte longer, and yet sealed well */
	gcm_seal(&resp.receive.gcm, second, NULL, 0, large, MOST + 1, large + MOST + 1);
	assert_refused(noise_open(&resp.receive, large, NOISE_MESSAGE_MAX + 1, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "65536");
	assert_true(all_zero(large, sizeof large));
}

static void message_limits(void **state)
{
	struct party init, resp, copy;
	size_t n, most;

	(void)state;
	begin_both("XK", true, &init, &resp);
	most = NOISE_MESSAGE_MAX - noise_overhead(&init.noise);
	fill_pattern(large, sizeof large, 3);
	copy = init;
	assert_refused(noise_write(&copy.noise, large, most + 1, other, sizeof other, &n, &e), e,
		EX_SOFTWARE);
	assert_failed(&copy.noise);
	for (size_t cap = 0; cap < 60; cap++) { /* 48 and 12 are 60 */
		copy = init;
		other[cap] = 0x5a;
		assert_refused(
			noise_write(&copy.noise, large, 12, other, cap, &n, &e), e, EX_SOFTWARE);
		assert_int_equal(other[cap], 0x5a);
	}
	copy = init;
	assert_int_equal(noise_write(&copy.noise, large, 12, other, 60, &n, &e), 0);
	copy = init;
	assert_int_equal(noise_write(&copy.noise, large, most, other, sizeof other, &n, &e), 0);
	assert_int_equal(n, NOISE_MESSAGE_MAX);
	copy = resp;
	assert_int_equal(noise_read(&copy.noise, other, n, other, &n, &e), 0);
	assert_true(n == most && memcmp(large, other, most) == 0);
	assert_refused(noise_read(&resp.noise, large, sizeof large, large, &n, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "65536");
	assert_true(all_zero(large, sizeof large));
	assert_failed(&resp.noise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("each bit of XK's messages turned, one at a time: refused", flips),
		T("XK's messages cut at each length, or one byte longer: refused", lengths),
		T("a message given back to its writer is refused", reflections),
		T("another prologue, server key or psk is refused", other_beginnings),
		T("a low-order ephemeral key is refused, read or answered", low_e),
		T("a low-order static key is refused, known or sent", low_s),
		T("a record changed, cut, repeated or given back is refused, and the next is read",
			forged_records),
		T("behind a lost record nothing is read", lost_record),
		T("the counter stands in the nonce big-endian, behind 4 zeros", nonce_order),
		T("2^64 - 2 is the last counter, for seal and open", last_counter),
		T("a record has at most 65535 bytes", record_limits),
		T("a message has at most 65535 bytes, and stays within its room", message_limits),
	};
	return RUN(tests);
}
