/* The Noise handshake and transport: the published vectors, every pattern, the limits, and calls
 * that a program of ours gets wrong. What a peer gets wrong is in noise_hostile.c. */
#include "noise.h"

/* --- published vectors --- */

/* One side of a vector: its setup, and what the setup points to. */
struct side {
	struct noise_setup setup;
	struct x25519_pair s, e;
	struct buf prologue, remote, psks[NOISE_PSKS_MAX];
	struct noise noise;
	struct noise_cipher send, receive;
};

static const char *key_of(const char *role, const char *what)
{
	static char key[64];

	(void)snprintf(key, sizeof key, "%s_%s", role, what);
	return key;
}

static const struct x25519_pair *load_pair(
	const json_t *row, const char *key, struct x25519_pair *out)
{
	struct buf private = {0};

	if (json_object_get(row, key) == NULL) {
		return NULL;
	}
	hex_of(row, key, &private);
	assert_int_equal(private.n, X25519_BYTES);
	memcpy(out->private, private.p, X25519_BYTES);
	x25519_public(out->public, out->private);
	buf_free(&private);
	return out;
}

static void load_psks(const json_t *psks, struct side *side)
{
	json_t *psk;
	size_t i;

	json_array_foreach(psks, i, psk)
	{
		const char *hex = json_string_value(psk);
		assert_true(i < NOISE_PSKS_MAX && strlen(hex) == 64);
		assert_int_equal(buf_reserve(&side->psks[i], NOISE_PSK), 0);
		assert_int_equal(hex_decode(side->psks[i].p, NOISE_PSK, hex, 64), 0);
		side->setup.psks[i] = side->psks[i].p;
	}
}

/* pattern: what stands between "Noise_" and the suite. */
static void load_side(const json_t *row, const char *role, const char *pattern, struct side *side)
{

	memset(side, 0, sizeof *side);
	hex_of(row, key_of(role, "prologue"), &side->prologue);
	side->setup = (struct noise_setup){.pattern = pattern,
		.initiator = strcmp(role, "init") == 0,
		.prologue = side->prologue.p,
		.prologue_n = side->prologue.n,
		.s = load_pair(row, key_of(role, "static"), &side->s),
		.e = load_pair(row, key_of(role, "ephemeral"), &side->e)};
	if (json_object_get(row, key_of(role, "remote_static")) != NULL) {
		hex_of(row, key_of(role, "remote_static"), &side->remote);
		side->setup.remote_static = side->remote.p;
	}
	load_psks(json_object_get(row, key_of(role, "psks")), side);
	if (noise_begin(&side->noise, &side->setup, &e) != 0) {
		fail_msg("%s", e.text);
	}
}

static void free_side(struct side *side)
{
	buf_free(&side->prologue);
	buf_free(&side->remote);
	for (size_t i = 0; i < NOISE_PSKS_MAX; i++) {
		buf_free(&side->psks[i]);
	}
}

static void check_handshake_message(struct side *from, struct side *to, const json_t *message)
{
	struct buf payload = {0}, wire = {0};
	uint8_t out[256], in[256];
	size_t out_n, in_n, overhead = noise_overhead(&from->noise);

	hex_of(message, "payload", &payload);
	hex_of(message, "ciphertext", &wire);
	assert_true(noise_my_turn(&from->noise) && !noise_my_turn(&to->noise));
	assert_int_equal(noise_overhead(&to->noise), overhead);
	assert_int_equal(wire.n, payload.n + overhead);
	assert_int_equal(
		noise_write(&from->noise, payload.p, payload.n, out, wire.n, &out_n, &e), 0);
	assert_int_equal(out_n, wire.n);
	assert_memory_equal(out, wire.p, wire.n);
	memcpy(in, wire.p, wire.n); /* read where it lies */
	assert_int_equal(noise_read(&to->noise, in, wire.n, in, &in_n, &e), 0);
	assert_int_equal(in_n, payload.n);
	assert_memory_equal(in, payload.p, payload.n);
	buf_free(&payload);
	buf_free(&wire);
}

static void check_record(struct side *from, struct side *to, const json_t *message)
{
	struct buf payload = {0}, wire = {0};
	uint8_t data[256];

	hex_of(message, "payload", &payload);
	hex_of(message, "ciphertext", &wire);
	assert_int_equal(wire.n, payload.n + NOISE_TAG);
	memcpy(data, payload.p, payload.n);
	assert_int_equal(noise_seal(&from->send, data, payload.n, &e), 0);
	assert_memory_equal(data, wire.p, wire.n);
	assert_int_equal(noise_open(&to->receive, data, wire.n, &e), 0);
	assert_memory_equal(data, payload.p, payload.n);
	buf_free(&payload);
	buf_free(&wire);
}

static void check_finished(const json_t *row, struct side *side, const struct side *other)
{
	struct buf hash = {0};

	assert_true(noise_finished(&side->noise) && !noise_my_turn(&side->noise));
	assert_int_equal(noise_overhead(&side->noise), 0);
	assert_int_equal(noise_split(&side->noise, &side->send, &side->receive, &e), 0);
	if (json_object_get(row, "handshake_hash") != NULL) {
		hex_of(row, "handshake_hash", &hash);
		assert_memory_equal(noise_hash(&side->noise), hash.p, HASH_BYTES);
	}
	assert_memory_equal(noise_hash(&side->noise), noise_hash(&other->noise), HASH_BYTES);
	if (other->setup.s == NULL) {
		assert_null(noise_remote_static(&side->noise));
	} else if (noise_remote_static(&side->noise) != NULL) {
		assert_memory_equal(
			noise_remote_static(&side->noise), other->s.public, X25519_BYTES);
	}
	buf_free(&hash);
}

/* Handshake and transport; how many of the messages were transport. */
static size_t check_vector(const json_t *row)
{
	const char *name = text_of(row, "protocol_name") + strlen("Noise_");
	char pattern[32];
	struct side init, resp, *sides[2] = {&init, &resp};
	json_t *message;
	size_t i, records = 0;
	bool one_way;

	(void)snprintf(pattern, sizeof pattern, "%.*s", (int)strcspn(name, "_"), name);
	one_way = pattern[1] == '\0' || pattern[1] == 'p'; /* N X Xpsk1 */
	load_side(row, "init", pattern, &init);
	load_side(row, "resp", pattern, &resp);
	json_array_foreach(json_object_get(row, "messages"), i, message)
	{
		size_t from = one_way ? 0 : i % 2;
		if (noise_finished(&init.noise)) {
			check_record(sides[from], sides[1 - from], message);
			records++;
			continue;
		}
		check_handshake_message(sides[from], sides[1 - from], message);
		if (noise_finished(&init.noise)) {
			check_finished(row, &init, &resp);
			check_finished(row, &resp, &init);
		}
	}
	assert_true(noise_finished(&init.noise) && noise_finished(&resp.noise));
	free_side(&init);
	free_side(&resp);
	return records;
}

static void published(void **state)
{
	json_t *root = vectors("noise/noise_25519_aesgcm_sha256.json"), *row;
	size_t i, records = 0, hashes = 0;

	(void)state;
	json_array_foreach(json_object_get(root, "vectors"), i, row)
	{
		records += check_vector(row);
		hashes += json_object_get(row, "handshake_hash") != NULL;
	}
	assert_int_equal(i, 28);
	assert_int_equal(hashes, 20);
	assert_int_equal(records, 94);
}

/* --- every pattern --- */

/* One record each way, or the one way there is. */
static void check_transport(struct party *init, struct party *resp, bool one_way)
{
	uint8_t data[64], text[64];

	fill_pattern(text, sizeof text, 8);
	for (int i = 0; i < 3; i++) {
		memcpy(data, text, sizeof data);
		assert_int_equal(noise_seal(&init->send, data, 40, &e), 0);
		assert_memory_not_equal(data, text, 40);
		assert_int_equal(noise_open(&resp->receive, data, 40 + NOISE_TAG, &e), 0);
		assert_memory_equal(data, text, 40);
		if (!one_way) {
			assert_int_equal(noise_seal(&resp->send, data, 40, &e), 0);
			assert_int_equal(noise_open(&init->receive, data, 40 + NOISE_TAG, &e), 0);
			assert_memory_equal(data, text, 40);
		}
	}
	assert_int_equal(init->send.counter, 3);
	assert_int_equal(resp->receive.counter, 3);
}

/* Run it with fresh ephemeral keys; hash: what it ended with. */
static void check_pattern(const char *pattern, size_t messages, uint8_t hash[static HASH_BYTES])
{
	bool one_way = messages == 1;
	struct party init, resp;

	begin_both(pattern, false, &init, &resp);
	lead_to(messages, &init, &resp);
	assert_true(noise_finished(&init.noise) && noise_finished(&resp.noise));
	assert_memory_equal(noise_hash(&init.noise), noise_hash(&resp.noise), HASH_BYTES);
	memcpy(hash, noise_hash(&init.noise), HASH_BYTES);
	assert_int_equal(noise_split(&init.noise, &init.send, &init.receive, &e), 0);
	assert_int_equal(noise_split(&resp.noise, &resp.send, &resp.receive, &e), 0);
	assert_memory_equal(noise_hash(&init.noise), hash, HASH_BYTES);
	if (pattern[0] == 'N') {
		assert_null(noise_remote_static(&resp.noise));
	} else {
		assert_memory_equal(noise_remote_static(&resp.noise), init.s.public, X25519_BYTES);
	}
	if (pattern[1] == 'N') {
		assert_null(noise_remote_static(&init.noise));
	} else {
		assert_memory_equal(noise_remote_static(&init.noise), resp.s.public, X25519_BYTES);
	}
	assert_true(init.send.has_key && resp.receive.has_key);
	assert_true(init.receive.has_key == !one_way && resp.send.has_key == !one_way);
	check_transport(&init, &resp, one_way);
}

static const struct {
	const char *name;
	size_t messages;
} patterns[] = {
	{"N", 1}, {"X", 1}, {"NN", 2}, {"NK", 2}, {"XK", 3}, {"XX", 3}, {"KK", 2}, {"IK", 2}};

/* Alone, with each psk, and with each two of them: no two runs share a hash. */
static void every_pattern(void **state)
{
	uint8_t seen[80][HASH_BYTES];
	char name[32];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		check_pattern(patterns[i].name, patterns[i].messages, seen[n++]);
		check_pattern(patterns[i].name, patterns[i].messages, seen[n++]);
		for (size_t at = 0; at <= patterns[i].messages; at++) {
			(void)snprintf(name, sizeof name, "%spsk%zu", patterns[i].name, at);
			check_pattern(name, patterns[i].messages, seen[n++]);
			for (size_t two = at + 1; two <= patterns[i].messages; two++) {
				(void)snprintf(name, sizeof name, "%spsk%zu+psk%zu",
					patterns[i].name, at, two);
				check_pattern(name, patterns[i].messages, seen[n++]);
			}
		}
	}
	assert_int_equal(n, 8 * 2 + 2 * (2 + 1) + 4 * (3 + 3) + 2 * (4 + 6));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++) {
			assert_memory_not_equal(seen[i], seen[k], HASH_BYTES);
		}
	}
}

/* --- our own mistakes --- */

static void no_such_pattern(void **state)
{
	static const char *const names[] = {"", "K", "xk", "XK1", "XKK", " XK", "XK ", "psk0",
		"XKpsk", "XKpsk4", "NNpsk3", "Npsk2", "XKpsk10", "XKpsk-1", "XK+psk0", "XKpsk0+",
		"XKpsk0psk3", "XKpsk0-psk3", "XKpsk0 psk3", "XKpsk3+psk0", "XKpsk0+psk0",
		"XKpsk0+psk1+psk2", "XKfallback", "XKpsk0_25519"};
	struct party us, peer;
	struct noise_setup setup;

	(void)state;
	make_pair(&us.s, 1);
	make_pair(&peer.s, 3);
	for (size_t i = 0; i < COUNT(names); i++) {
		setup = setup_for("XK", true, &us, &peer);
		setup.pattern = names[i];
		assert_refused(noise_begin(&us.noise, &setup, &e), e, EX_SOFTWARE);
		assert_contains(e.text, "no such pattern");
		assert_failed(&us.noise);
	}
}

static void refuse_setup(const struct noise_setup *setup, const char *what)
{
	struct noise n;

	memset(&n, 0xee, sizeof n);
	assert_refused(noise_begin(&n, setup, &e), e, EX_SOFTWARE);
	assert_contains(e.text, what);
	assert_failed(&n);
}

/* Each key of each setup taken away, or given where it has none. */
static void wrong_keys(void **state)
{
	static const uint8_t psk[NOISE_PSK] = {1};
	static const char *const names[] = {
		"N", "X", "NN", "NK", "XK", "XX", "KK", "IK", "NNpsk0", "XKpsk3", "XKpsk0+psk3"};
	struct party us, peer;
	struct noise_setup setup, wrong;

	(void)state;
	make_pair(&us.s, 1);
	make_pair(&peer.s, 3);
	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		setup = setup_for(names[i / 2], i % 2 == 0, &us, &peer);
		assert_int_equal(noise_begin(&us.noise, &setup, &e), 0);
		wrong = setup;
		wrong.s = setup.s == NULL ? &us.s : NULL;
		refuse_setup(&wrong, "a static key is missing");
		wrong = setup;
		wrong.remote_static = setup.remote_static == NULL ? peer.s.public : NULL;
		refuse_setup(&wrong, "static key of the peer");
		for (size_t k = 0; k < NOISE_PSKS_MAX; k++) {
			wrong = setup;
			wrong.psks[k] = setup.psks[k] == NULL ? psk : NULL;
			refuse_setup(&wrong, "pre-shared key");
		}
	}
}

/* Each call that is not this side's, on a copy of it. */
static void try_wrong_calls(const struct party *party)
{
	bool turn = noise_my_turn(&party->noise), finished = noise_finished(&party->noise);
	uint8_t wire[SMALL];
	struct party copy = *party;
	size_t n = 1;

	if (!turn) {
		assert_refused(
			noise_write(&copy.noise, NULL, 0, wire, SMALL, &n, &e), e, EX_SOFTWARE);
		assert_int_equal(n, 0);
		assert_failed(&copy.noise);
	}
	if (turn || finished) {
		copy = *party;
		memset(wire, 1, sizeof wire);
		assert_refused(noise_read(&copy.noise, wire, 99, wire, &n, &e), e, EX_SOFTWARE);
		assert_true(n == 0 && all_zero(wire, 99) && wire[99] == 1);
		assert_failed(&copy.noise);
	}
	if (!finished) {
		copy = *party;
		memset(&copy.send, 0xee, sizeof copy.send);
		assert_refused(
			noise_split(&copy.noise, &copy.send, &copy.receive, &e), e, EX_SOFTWARE);
		assert_true(all_zero(&copy.send, sizeof copy.send) && !copy.receive.has_key);
		assert_failed(&copy.noise);
	}
}

static void out_of_turn(void **state)
{
	struct party init, resp;

	(void)state;
	for (size_t m = 0; m <= 3; m++) {
		begin_both("XK", true, &init, &resp);
		lead_to(m, &init, &resp);
		assert_true(noise_my_turn(&init.noise) == (m == 0 || m == 2));
		assert_true(noise_my_turn(&resp.noise) == (m == 1));
		try_wrong_calls(&init);
		try_wrong_calls(&resp);
	}
}

static void split_once(void **state)
{
	struct party init, resp;
	uint8_t data[SMALL] = {0};

	(void)state;
	establish(&init, &resp);
	assert_true(noise_finished(&init.noise));
	assert_true(all_zero(&init.noise.cipher, sizeof init.noise.cipher) &&
		    all_zero(init.noise.chaining_key, sizeof init.noise.chaining_key) &&
		    all_zero(&init.noise.s, sizeof init.noise.s) &&
		    all_zero(&init.noise.e, sizeof init.noise.e));
	/* the same keys at counter 0 would be the end of them: the first ciphers go, too */
	assert_refused(noise_split(&init.noise, &init.send, &init.receive, &e), e, EX_SOFTWARE);
	assert_refused(noise_seal(&init.send, data, 5, &e), e, EX_SOFTWARE);
	assert_true(all_zero(data, sizeof data));
	memset(data, 1, sizeof data);
	assert_refused(noise_open(&init.receive, data, 40, &e), e, EX_SOFTWARE);
	assert_true(all_zero(data, 40) && data[40] == 1);
	assert_failed(&init.noise);
}

static void one_way(void **state)
{
	static const char *const names[] = {"N", "X", "Npsk0", "Xpsk1"};
	struct party init, resp;
	uint8_t data[64], was[64];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		begin_both(names[i], true, &init, &resp);
		assert_true(noise_my_turn(&init.noise) && !noise_my_turn(&resp.noise));
		lead_to(1, &init, &resp);
		assert_true(!noise_my_turn(&init.noise) && !noise_my_turn(&resp.noise));
		assert_int_equal(noise_split(&init.noise, &init.send, &init.receive, &e), 0);
		assert_int_equal(noise_split(&resp.noise, &resp.send, &resp.receive, &e), 0);
		fill_pattern(data, sizeof data, 1);
		memcpy(was, data, sizeof was);
		assert_refused(noise_seal(&resp.send, data, 40, &e), e, EX_SOFTWARE);
		assert_memory_equal(data, was, sizeof data); /* never as it was, but "sealed" */
		assert_refused(noise_open(&init.receive, data, 56, &e), e, EX_SOFTWARE);
		assert_true(all_zero(data, 56));
		check_transport(&init, &resp, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("all 28 published sessions, written and read, byte for byte", published),
		T("every pattern, alone and with each psk and each two, with fresh keys",
			every_pattern),
		T("what is no pattern is refused", no_such_pattern),
		T("a key that is missing, or has no use, is refused", wrong_keys),
		T("a call out of turn fails, and the handshake with it", out_of_turn),
		T("a handshake is split once, and its own keys are wiped", split_once),
		T("in a one-way pattern the responder seals nothing", one_way),
	};
	return RUN(tests);
}
