/* The proof of a common beginning: what it is over, and that every bit of it counts. */
#include "unit.h"

#include "../../crypto/gcm.h"
#include "../../crypto/hash.h"
#include "../../crypto/proof.h"

enum { LARGE = 3 * PROOF_BLOCK + 100 };

static struct err e;
static uint8_t text[LARGE], key[PROOF_KEY];

static int open_text(void)
{
	fill_pattern(text, sizeof text, 1);
	fill_pattern(key, sizeof key, 2);
	spew("f", text, sizeof text);
	return openat(folder.fd, "f", O_RDWR | O_CLOEXEC);
}

/* SHA-256 over the number and the GMAC of each block that is not zeros, and n, as the header says.
 */
static void by_hand(uint64_t n, uint8_t out[static PROOF_BYTES])
{
	static const uint8_t zeros[PROOF_BLOCK];
	uint8_t nonce[GCM_NONCE] = {0}, tag[GCM_TAG], number[8] = {0};
	struct gcm g;
	struct hash h;

	gcm_init(&g, key);
	hash_begin(&h);
	for (uint8_t i = 0; (uint64_t)i * PROOF_BLOCK < n; i++) {
		uint64_t left = n - (uint64_t)i * PROOF_BLOCK;
		size_t k = left < PROOF_BLOCK ? (size_t)left : PROOF_BLOCK;
		if (memcmp(text + (size_t)i * PROOF_BLOCK, zeros, k) == 0) {
			continue;
		}
		nonce[GCM_NONCE - 1] = number[7] = i;
		gcm_seal(&g, nonce, text + (size_t)i * PROOF_BLOCK, k, NULL, 0, tag);
		hash_add(&h, number, sizeof number);
		hash_add(&h, tag, sizeof tag);
	}
	for (size_t i = 0; i < 8; i++) {
		number[7 - i] = (uint8_t)(n >> 8 * i);
	}
	hash_add(&h, number, sizeof number);
	hash_end(&h, out);
}

static const size_t sizes[] = {
	0, 1, PROOF_BLOCK - 1, PROOF_BLOCK, PROOF_BLOCK + 1, 3 * PROOF_BLOCK, LARGE};

static void as_written(void **state)
{
	uint8_t out[PROOF_BYTES], wanted[PROOF_BYTES];
	int fd = open_text();

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(proof_of(fd, sizes[i], key, out, &e), 0);
		by_hand(sizes[i], wanted);
		assert_memory_equal(out, wanted, sizeof out);
	}
	(void)close(fd);
}

static void every_bit_counts(void **state)
{
	static const off_t places[] = {
		0, 1, PROOF_BLOCK - 1, PROOF_BLOCK, 2 * PROOF_BLOCK + 5, LARGE - 1};
	uint8_t out[PROOF_BYTES], other[PROOF_BYTES], byte;
	int fd = open_text();

	(void)state;
	assert_int_equal(proof_of(fd, LARGE, key, out, &e), 0);
	for (size_t i = 0; i < COUNT(places); i++) {
		byte = text[places[i]] ^ 1;
		assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
		assert_int_equal(proof_of(fd, LARGE, key, other, &e), 0);
		assert_memory_not_equal(out, other, sizeof out);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
	}
	/* what lies behind does not; two blocks in each other's place do, and so does the key */
	assert_int_equal(proof_of(fd, LARGE - 1, key, out, &e), 0);
	byte = text[LARGE - 1] ^ 1;
	assert_int_equal(pwrite(fd, &byte, 1, LARGE - 1), 1);
	assert_int_equal(proof_of(fd, LARGE - 1, key, other, &e), 0);
	assert_memory_equal(out, other, sizeof out);
	key[0] ^= 1;
	assert_int_equal(proof_of(fd, LARGE - 1, key, other, &e), 0);
	assert_memory_not_equal(out, other, sizeof out);
	key[0] ^= 1;
	assert_int_equal(pwrite(fd, text + PROOF_BLOCK, PROOF_BLOCK, 0), PROOF_BLOCK);
	assert_int_equal(pwrite(fd, text, PROOF_BLOCK, PROOF_BLOCK), PROOF_BLOCK);
	assert_int_equal(proof_of(fd, LARGE - 1, key, other, &e), 0);
	assert_memory_not_equal(out, other, sizeof out);
	(void)close(fd);
}

/* Files of zeros alone, one block longer than the other, and of different lengths in a block. */
static void lengths_count(void **state)
{
	uint8_t seen[COUNT(sizes)][PROOF_BYTES];
	int fd = open_text();

	(void)state;
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, LARGE), 0);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(proof_of(fd, sizes[i], key, seen[i], &e), 0);
		for (size_t k = 0; k < i; k++) {
			assert_memory_not_equal(seen[i], seen[k], PROOF_BYTES);
		}
	}
	(void)close(fd);
}

/* A part that is proven ends where it was broken off: in a block whose beginning is zeros. */
static void zeros_at_the_end(void **state)
{
	static const uint64_t ends[] = {1, 50, PROOF_BLOCK - 1, PROOF_BLOCK, PROOF_BLOCK + 1,
		2 * PROOF_BLOCK - 1, 2 * PROOF_BLOCK, 2 * PROOF_BLOCK + 1, LARGE - 1};
	uint8_t out[PROOF_BYTES], whole[PROOF_BYTES], byte = 1;
	int fd = open_text();

	(void)state;
	memset(text, 0, sizeof text);
	(void)alarm(60); /* where it does not end */
	for (size_t i = 0; i < COUNT(ends); i++) {
		spew("f", text, ends[i]);
		assert_int_equal(proof_of(fd, ends[i], key, whole, &e), 0);
		spew("f", text, sizeof text);
		assert_int_equal(proof_of(fd, ends[i], key, out, &e), 0);
		assert_memory_equal(out, whole, sizeof out);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)ends[i]), 1);
		assert_int_equal(proof_of(fd, ends[i], key, out, &e), 0);
		assert_memory_equal(out, whole, sizeof out);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)ends[i] - 1), 1);
		assert_int_equal(proof_of(fd, ends[i], key, out, &e), 0);
		assert_memory_not_equal(out, whole, sizeof out);
	}
	(void)alarm(0);
	(void)close(fd);
}

static void refuses(void **state)
{
	static const uint8_t none[PROOF_BYTES];
	uint8_t out[PROOF_BYTES];
	int fd = open_text();

	(void)state;
	assert_int_equal(proof_of(fd, LARGE, key, out, &e), 0);
	assert_refused(proof_of(fd, LARGE + 1, key, out, &e), e, EX_DATAERR);
	assert_memory_equal(out, none, sizeof out);
	assert_refused(proof_of(fd, UINT64_MAX, key, out, &e), e, EX_DATAERR);
	assert_refused(proof_of(folder.fd, 1, key, out, &e), e, EX_IOERR);
	(void)close(fd);
}

/* Zeros count the same, whether the file stores them or not, and cost nothing where it does not. */
static void holes_are_zeros(void **state)
{
	uint8_t stored[PROOF_BYTES], hole[PROOF_BYTES], wanted[PROOF_BYTES];
	int fd = open_text();

	(void)state;
	memset(text + PROOF_BLOCK, 0, (size_t)PROOF_BLOCK + 50);
	spew("f", text, sizeof text);
	(void)close(fd);
	fd = openat(folder.fd, "f", O_RDWR | O_CLOEXEC);
	assert_int_equal(proof_of(fd, LARGE, key, stored, &e), 0);
	by_hand(LARGE, wanted);
	assert_memory_equal(stored, wanted, sizeof wanted);
	assert_int_equal(ftruncate(fd, PROOF_BLOCK), 0);
	assert_int_equal(ftruncate(fd, LARGE), 0);
	assert_int_equal(
		pwrite(fd, text + 2 * PROOF_BLOCK, LARGE - 2 * PROOF_BLOCK, (off_t)2 * PROOF_BLOCK),
		LARGE - 2 * PROOF_BLOCK);
	assert_int_equal(proof_of(fd, LARGE, key, hole, &e), 0);
	assert_memory_equal(stored, hole, sizeof hole);
	if (ftruncate(fd, (off_t)1 << 42) == 0) { /* 4 TiB, where the file system has them */
		assert_int_equal(proof_of(fd, (uint64_t)1 << 42, key, hole, &e), 0);
	}
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("it is SHA-256 over the GMAC of each block", as_written),
		T_FOLDER("holes are zeros, and cost nothing", holes_are_zeros),
		T_FOLDER("every bit, each block's place and the key count", every_bit_counts),
		T_FOLDER("beginnings of zeros differ by their lengths", lengths_count),
		T_FOLDER("and are proven to any end, whatever lies behind it", zeros_at_the_end),
		T_FOLDER("a file that is shorter or unreadable is refused", refuses),
	};
	return RUN(tests);
}
