/* AES-256-ECB of the classic protocol, in the pieces that it travels in, against BearSSL's CTR
 * mode, which is the fastest that the library has. MB are 10^6 bytes. */
#include "../../crypto/random.h"
#include "bench.h"

enum { ROUNDS = 9 };

static const double round_s = 0.08;
static uint8_t data[CLASSIC_BUF];

typedef void cipher(const void *keys, uint8_t *p, size_t n);

static void encrypt(const void *keys, uint8_t *p, size_t n)
{
	aes_ecb_encrypt(keys, p, n);
}

static void decrypt(const void *keys, uint8_t *p, size_t n)
{
	aes_ecb_decrypt(keys, p, n);
}

static void ctr(const void *keys, uint8_t *p, size_t n)
{
	static const uint8_t iv[12];
	const br_aes_gen_ctr_keys *k = keys;

	(void)k->vtable->run(&k->vtable, iv, 0, p, n);
}

static double speed(cipher *run, const void *keys)
{
	double start = now(), spent;
	size_t n = 0;

	do {
		run(keys, data, sizeof data);
		n += sizeof data;
		spent = now() - start;
	} while (spent < round_s);
	return (double)n / 1e6 / spent;
}

int main(void)
{
	const br_block_ctr_class *ni = br_aes_x86ni_ctr_get_vtable();
	struct rounds enc = {0}, dec = {0}, yard = {0};
	br_aes_gen_ctr_keys ctr_keys;
	uint8_t key[CLASSIC_KEY];
	struct aes aes;
	struct err e;

	if (random_bytes(key, sizeof key, &e) != 0 || aes_init(&aes, key, sizeof key) != 0) {
		die("no key: %s", e.text);
	}
	(ni == NULL ? &br_aes_ct64_ctr_vtable : ni)->init(&ctr_keys.vtable, key, sizeof key);
	for (int i = 0; i < ROUNDS; i++) {
		rounds_add(&enc, speed(encrypt, &aes));
		rounds_add(&dec, speed(decrypt, &aes));
		rounds_add(&yard, speed(ctr, &ctr_keys));
	}
	section(ni == NULL ? "AES-256-ECB, without AES-NI: no goals. Yardstick: BearSSL's CTR mode"
			   : "AES-256-ECB. Yardstick: BearSSL's CTR mode");
	print_row(&(struct row){"encrypt", "MB/s", median(&enc), median(&yard),
		ni == NULL ? GOAL_NONE : AT_LEAST, 400});
	print_row(&(struct row){"decrypt", "MB/s", median(&dec), median(&yard),
		ni == NULL ? GOAL_NONE : AT_LEAST, 1000});
	return 0;
}
