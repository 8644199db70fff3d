/* HMAC-MD5 by its two states, over BearSSL; see cram.h. */
#include "cram.h"

#include <bearssl.h>

#include "bytes.h"

enum { BLOCK = 64 }; /* of MD5 */

/* MD5's state after the one block that the key and this padding make. */
static void state_of(const uint8_t key[static BLOCK], uint8_t pad, uint8_t out[static CRAM_BYTES])
{
	uint8_t block[BLOCK];
	br_md5_context md5;

	for (size_t i = 0; i < BLOCK; i++) {
		block[i] = key[i] ^ pad;
	}
	br_md5_init(&md5);
	br_md5_update(&md5, block, sizeof block);
	(void)br_md5_state(&md5, out);
	wipe(&md5, sizeof md5);
	wipe(block, sizeof block);
}

void cram_states_of(const void *password, size_t n, struct cram_states *out)
{
	uint8_t key[BLOCK] = {0};
	br_md5_context md5;

	if (n > BLOCK) {
		br_md5_init(&md5);
		br_md5_update(&md5, password, n);
		br_md5_out(&md5, key);
		wipe(&md5, sizeof md5);
	} else if (n > 0) {
		memcpy(key, password, n);
	}
	state_of(key, 0x36, out->inner);
	state_of(key, 0x5c, out->outer);
	wipe(key, sizeof key);
}

/* Go on from a state behind one block, and end. */
static void finish(const uint8_t state[static CRAM_BYTES], const void *p, size_t n,
	uint8_t out[static CRAM_BYTES])
{
	br_md5_context md5;

	br_md5_init(&md5);
	br_md5_set_state(&md5, state, BLOCK);
	br_md5_update(&md5, n > 0 ? p : "", n);
	br_md5_out(&md5, out);
	wipe(&md5, sizeof md5);
}

void cram_answer(const struct cram_states *s, const void *challenge, size_t n,
	uint8_t out[static CRAM_BYTES])
{
	uint8_t digest[CRAM_BYTES];

	finish(s->inner, challenge, n, digest);
	finish(s->outer, digest, sizeof digest, out);
	wipe(digest, sizeof digest);
}
