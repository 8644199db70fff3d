/* Forward secrecy of chat: who takes everything later, all long-term keys of both and all that went
 * over the wire, reads nothing. With a one-time key he would. */
#include "chat.h"

#include "../../crypto/hkdf.h"

/* Noise KK as an attacker computes it, who was told all long-term private keys of both, has what
 * went over the wire, and takes `ee` to be this. Does message 2 open? Written from the Noise
 * specification, and not with crypto/noise.c, which would not let him do so. */
struct attacker {
	uint8_t h[HASH_BYTES], ck[HASH_BYTES], k[HASH_BYTES];
};

static void mix_hash(struct attacker *a, const void *p, size_t n)
{
	struct hash h;

	hash_begin(&h);
	hash_add(&h, a->h, sizeof a->h);
	hash_add(&h, p, n);
	hash_end(&h, a->h);
}

static void mix_key(struct attacker *a, const uint8_t *ikm)
{
	uint8_t both[2 * HASH_BYTES];

	assert_int_equal(hkdf_sha256(both, sizeof both, a->ck, HASH_BYTES, ikm, 32, NULL, 0), 0);
	memcpy(a->ck, both, HASH_BYTES);
	memcpy(a->k, both + HASH_BYTES, HASH_BYTES);
}

static void mix_dh(struct attacker *a, const uint8_t *private, const uint8_t *public)
{
	uint8_t shared[X25519_BYTES];

	(void)x25519_shared(shared, private, public);
	mix_key(a, shared);
}

static bool opens(const struct attacker *a, uint8_t *p, size_t n)
{
	static const uint8_t nonce[GCM_NONCE];
	struct gcm g;

	gcm_init(&g, a->k);
	return gcm_open(&g, nonce, a->h, sizeof a->h, p, n, p + n) == 0;
}

static bool attack(const struct chat_offer *offer, const uint8_t *ee)
{
	struct attacker a = {.h = "Noise_KK_25519_AESGCM_SHA256"};
	uint8_t prologue[CHAT_PROLOGUE_MAX], message[512];
	size_t n = (size_t)(packet.p[9] << 8 | packet.p[10]);

	memcpy(a.ck, a.h, sizeof a.ck);
	mix_hash(&a, prologue, chat_prologue(prologue, "bob", "alice", 7));
	mix_hash(&a, bob.x25519.public, X25519_BYTES);
	mix_hash(&a, alice.x25519.public, X25519_BYTES);
	mix_hash(&a, offer->first, X25519_BYTES);            /* e */
	mix_dh(&a, alice.x25519.private, offer->first);      /* es, by Alice's static key */
	mix_dh(&a, alice.x25519.private, bob.x25519.public); /* ss */
	memcpy(message, offer->first + X25519_BYTES, NOISE_TAG);
	assert_true(opens(&a, message, 0)); /* message 1: so far he is right */
	mix_hash(&a, offer->first + X25519_BYTES, NOISE_TAG);
	memcpy(message, packet.p + 11, n);
	mix_hash(&a, message, X25519_BYTES);     /* e */
	mix_key(&a, ee);                         /* ee: the one he cannot know */
	mix_dh(&a, bob.x25519.private, message); /* se, by Bob's static key */
	return opens(&a, message + X25519_BYTES, n - X25519_BYTES - NOISE_TAG);
}

static void forward_secrecy(void **state)
{
	struct chat_offer offer = bobs_offer(7);
	const uint8_t *points[] = {
		bob.x25519.public, alice.x25519.public, offer.first, packet.p + 11};
	const struct x25519_pair *keys[] = {&bob.x25519, &alice.x25519, &mallory.x25519};
	uint8_t ee[X25519_BYTES];
	struct chat_message m;

	(void)state;
	/* every secret that his keys make with every point that he has seen */
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct x25519_pair wrong = *keys[i];
		for (size_t k = 0; k < COUNT(points); k++) {
			assert_int_equal(x25519_shared(ee, keys[i]->private, points[k]), 0);
			assert_false(attack(&offer, ee));
		}
		/* nor does the program itself open it with any of them as the one-time key */
		assert_refused(
			chat_read(&m, &bob.self, &alice.peer, &wrong, packet.p, packet.n, &e), e,
			EX_PROTOCOL);
		memcpy(wrong.public, offer.first, sizeof wrong.public);
		assert_refused(
			chat_read(&m, &bob.self, &alice.peer, &wrong, packet.p, packet.n, &e), e,
			EX_PROTOCOL);
	}
	memset(ee, 0, sizeof ee);
	assert_false(attack(&offer, ee));
	/* with either one-time key he does: this is what the test would see */
	assert_int_equal(x25519_shared(ee, bob.e.private, packet.p + 11), 0);
	assert_true(attack(&offer, ee));
	assert_int_equal(x25519_shared(ee, alice.e.private, offer.first), 0);
	assert_true(attack(&offer, ee));
	/* a sealed one is not forward secret, as it says: Bob's long-term key opens it */
	assert_int_equal(chat_read_sealed(&m, &bob.self, &alice.peer, sealed.p, sealed.n, &e), 0);
	buf_free(&m.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PACKETS("all long-term keys and a capture open nothing", forward_secrecy),
	};
	return RUN(tests);
}
