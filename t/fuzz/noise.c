/* A Noise XK responder whose keys never change. The input: the length of message 1 (2 bytes, little
 * endian), message 1, and message 3. Nobody gets further without the initiator's keys; the kept
 * corpus has them. */
#include "fuzz.h"

#include "../../crypto/bytes.h"
#include "../../crypto/noise.h"

static struct noise responder(void)
{
	static struct x25519_pair s = {.private = {3}}, e = {.private = {4}};
	const struct noise_setup setup = {
		.pattern = "XK", .prologue = "SMTP361\x02", .prologue_n = 8, .s = &s, .e = &e};
	static struct noise begun;

	if (begun.pattern == NULL) { /* once */
		x25519_public(s.public, s.private);
		x25519_public(e.public, e.private);
		assert(noise_begin(&begun, &setup, NULL) == 0);
	}
	return begun;
}

/* Read one message from a buffer of exactly its size. */
static bool take(struct noise *n, const uint8_t *in, size_t in_n)
{
	uint8_t *payload = malloc(in_n + 1);
	size_t overhead = noise_overhead(n), k = 1;
	struct err e;
	bool ok;

	assert(payload != NULL && !noise_my_turn(n));
	payload[in_n] = 0x5a;
	ok = noise_read(n, in, in_n, payload, &k, &e) == 0;
	assert(payload[in_n] == 0x5a);
	if (ok) {
		assert(in_n >= overhead && k == in_n - overhead);
	} else {
		assert(k == 0 && n->failed && e.code == EX_PROTOCOL);
		assert(noise_remote_static(n) == NULL && noise_overhead(n) == 0);
		for (size_t i = 0; i < in_n; i++) {
			assert(payload[i] == 0);
		}
	}
	free(payload);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	size_t first_n = get_u16le(&in), n;
	struct noise responder_now = responder();
	struct noise_cipher send, receive;
	const uint8_t *first;
	uint8_t reply[64];

	first_n = first_n < cursor_left(&in) ? first_n : cursor_left(&in);
	first = get_bytes(&in, first_n);
	if (first == NULL || !take(&responder_now, first, first_n)) {
		return 0;
	}
	assert(noise_write(&responder_now, NULL, 0, reply, sizeof reply, &n, NULL) == 0 && n == 48);
	if (take(&responder_now, in.p, cursor_left(&in))) {
		assert(noise_finished(&responder_now));
		assert(noise_remote_static(&responder_now) != NULL);
		assert(noise_split(&responder_now, &send, &receive, NULL) == 0);
	}
	return 0;
}
