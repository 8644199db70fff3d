/* The proof of a common beginning; see proof.h. */
#include "proof.h"

#include <errno.h>

#include "bytes.h"
#include "file.h"
#include "gcm.h"
#include "hash.h"

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void add_block(
	uint64_t number, const uint8_t *p, size_t n, const struct gcm *g, struct hash *h)
{
	/* SP 800-38D 8.2.1: 32 bits of zeros, and the number; and behind it, its tag */
	uint8_t nonce[GCM_NONCE] = {0}, numbered[8 + GCM_TAG];

	put_u64be(nonce + GCM_NONCE - 8, number);
	put_u64be(numbered, number);
	gcm_seal(g, nonce, p, n, NULL, 0, numbered + 8);
	hash_add(h, numbered, sizeof numbered);
}

/* The first block from this offset on that may hold anything; n: none does. */
static uint64_t skip_hole(int fd, uint64_t at, uint64_t n)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA);

	if (data < 0) { /* EINVAL: this file system cannot say */
		return errno == ENXIO ? n : at;
	}
	return (uint64_t)data - (uint64_t)data % PROOF_BLOCK;
}

/* Each block of the file, and of the last one what lies ahead of n. */
static int add_blocks(int fd, uint64_t n, const struct gcm *g, struct hash *h, struct err *e)
{
	uint8_t block[PROOF_BLOCK];
	int rc = 0;

	for (uint64_t at = skip_hole(fd, 0, n); at < n && rc == 0;) {
		size_t k = n - at < PROOF_BLOCK ? (size_t)(n - at) : PROOF_BLOCK;
		ssize_t got = file_read_at(fd, block, k, at);
		if (got < 0) {
			rc = err_sys(e, EX_IOERR, "cannot read the file");
		} else if ((size_t)got < k) {
			rc = err_set(e, EX_DATAERR, "the file has become shorter");
		} else if (is_zero(block, k)) {
			at = n - at > PROOF_BLOCK ? skip_hole(fd, at + PROOF_BLOCK, n) : n;
		} else {
			add_block(at / PROOF_BLOCK, block, k, g, h);
			at += k;
		}
	}
	wipe(block, sizeof block);
	return rc;
}

/* Has it n bytes? */
static int check_size(int fd, uint64_t n, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return err_sys(e, EX_IOERR, "cannot look at the file");
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(e, EX_IOERR, "cannot read the file: it is no regular file");
	}
	return n <= (uint64_t)st.st_size
		       ? 0
		       : err_set(e, EX_DATAERR, "the file has less than %llu bytes",
				 (unsigned long long)n);
}

int proof_of(int fd, uint64_t n, const uint8_t key[static PROOF_KEY],
	uint8_t out[static PROOF_BYTES], struct err *e)
{
	uint8_t length[8];
	struct gcm g;
	struct hash h;
	int rc;

	gcm_init(&g, key);
	hash_begin(&h);
	rc = check_size(fd, n, e) != 0 ? -1 : add_blocks(fd, n, &g, &h, e);
	if (rc == 0) {
		put_u64be(length, n);
		hash_add(&h, length, sizeof length);
		hash_end(&h, out);
	} else {
		wipe(out, PROOF_BYTES);
	}
	wipe(&g, sizeof g);
	wipe(&h, sizeof h);
	return rc;
}
