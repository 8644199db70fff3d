/* Offers: the first message of an exchange, made beforehand, numbered and signed; see chat.h. */
#include "chat_parts.h"

static const char exchange_name[] = "smtp361 chat 1", offer_name[] = "smtp361 chat offer 1";

size_t chat_prologue(uint8_t out[static CHAT_PROLOGUE_MAX], const char *owner, const char *answerer,
	uint64_t number)
{
	const char *const parts[] = {exchange_name, owner, answerer};
	size_t n = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		size_t k = strlen(parts[i]) + 1; /* each with its NUL: no two triples are alike */
		memcpy(out + n, parts[i], k);
		n += k;
	}
	put_u64be(out + n, number);
	return n + 8;
}

int chat_exchange(struct noise *noise, bool owner, const struct chat_self *self,
	const struct chat_peer *peer, uint64_t number, const struct x25519_pair *e_pair,
	struct err *e)
{
	uint8_t prologue[CHAT_PROLOGUE_MAX];
	struct noise_setup setup = {.pattern = CHAT_PATTERN,
		.initiator = owner,
		.prologue = prologue,
		.s = self->x25519,
		.remote_static = peer->keys->x25519,
		.e = e_pair};

	if (!user_name_valid(self->name) || !user_name_valid(peer->name) || number == 0 ||
		number > INT64_MAX) {
		return err_set(e, EX_PROTOCOL, "no offer has this number, or these names");
	}
	setup.prologue_n = owner ? chat_prologue(prologue, self->name, peer->name, number)
				 : chat_prologue(prologue, peer->name, self->name, number);
	return noise_begin(noise, &setup, e);
}

/* What an offer's signature is of. */
static void offer_digest(uint8_t out[static HASH_BYTES], const struct chat_offer *offer,
	const char *owner, const char *answerer, const uint8_t key[static X25519_BYTES])
{
	uint8_t prologue[CHAT_PROLOGUE_MAX];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, offer_name, sizeof offer_name);
	hash_add(&h, prologue, chat_prologue(prologue, owner, answerer, offer->number));
	hash_add(&h, key, X25519_BYTES);
	hash_add(&h, offer->first, sizeof offer->first);
	hash_end(&h, out);
}

int chat_offer_make(struct chat_offer *out, const struct chat_self *self,
	const struct chat_peer *peer, uint64_t number, const struct x25519_pair *e_pair,
	struct err *e)
{
	uint8_t digest[HASH_BYTES];
	struct noise noise;
	size_t n;
	int rc = chat_exchange(&noise, true, self, peer, number, e_pair, e);

	if (rc == 0) {
		rc = noise_write(&noise, NULL, 0, out->first, sizeof out->first, &n, e);
	}
	wipe(&noise, sizeof noise);
	if (rc != 0) {
		return -1;
	}
	out->number = number;
	offer_digest(digest, out, self->name, peer->name, self->x25519->public);
	p256_sign(out->signature, self->p256->private, digest);
	return 0;
}

int chat_signed(const struct chat_peer *peer, const uint8_t signature[static P256_SIGNATURE],
	const uint8_t digest[static HASH_BYTES], const char *what, struct err *e)
{
	if (!peer->keys->signs) {
		return err_set(e, EX_PROTOCOL, "cannot check the %s: no signing key of %s is known",
			what, peer->name);
	}
	return p256_verify(signature, peer->keys->p256, digest)
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the %s is not signed by %s for us", what,
				 peer->name);
}

int chat_offer_check(const struct chat_offer *offer, const struct chat_self *self,
	const struct chat_peer *peer, struct err *e)
{
	uint8_t digest[HASH_BYTES];

	if (!user_name_valid(self->name) || !user_name_valid(peer->name) || offer->number == 0 ||
		offer->number > INT64_MAX) {
		return err_set(e, EX_PROTOCOL, "no offer has this number, or these names");
	}
	offer_digest(digest, offer, peer->name, self->name, peer->keys->x25519);
	return chat_signed(peer, offer->signature, digest, "offer", e);
}
