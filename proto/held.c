/* Bytes in memory or in a file without a name; see held.h. */
#include "held.h"

#include "../crypto/file.h"
#include "../crypto/random.h"

enum { BLOCK = 16 };

/* Encrypt what stands at this place of the file, or decrypt it. */
static void crypt_at(const struct held *h, uint64_t at, uint8_t *p, size_t n)
{
	static const uint8_t iv[GCM_NONCE];
	/* BearSSL takes the keys without const, but only reads them */
	const br_block_ctr_class **keys =
		(const br_block_ctr_class **)(uintptr_t)&h->key.keys.vtable;
	uint8_t block[BLOCK] = {0};
	size_t skip = at % BLOCK, k = BLOCK - skip < n ? BLOCK - skip : n;

	if (skip > 0) {
		(void)(*keys)->run(keys, iv, (uint32_t)(at / BLOCK), block, sizeof block);
		for (size_t i = 0; i < k; i++) {
			p[i] ^= block[skip + i];
		}
		at += k;
		p += k;
		n -= k;
	}
	if (n > 0) {
		(void)(*keys)->run(keys, iv, (uint32_t)(at / BLOCK), p, n);
	}
	wipe(block, sizeof block);
}

static int make_file(struct held *h, struct err *e)
{
	uint8_t key[GCM_KEY];

	h->fd = file_nameless(h->dir);
	if (h->fd < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot keep a message in a temporary file");
	}
	if (random_bytes(key, sizeof key, e) != 0) {
		return -1;
	}
	gcm_init(&h->key, key);
	wipe(key, sizeof key);
	return 0;
}

/* From memory to the file. */
static int spill(struct held *h, struct err *e)
{
	if (h->fd < 0 && make_file(h, e) != 0) {
		return -1;
	}
	crypt_at(h, h->bytes - h->memory.n, h->memory.p, h->memory.n);
	if (file_write_all(h->fd, h->memory.p, h->memory.n) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot keep a message in a temporary file");
	}
	h->memory.n = 0;
	return 0;
}

int held_put(struct held *h, const void *p, size_t n, struct err *e)
{
	if (h->memory.n + n > HELD_MEMORY && spill(h, e) != 0) {
		return -1;
	}
	h->bytes += n;
	return buf_append(&h->memory, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

int held_each(const struct held *h, transfer_put *put, void *arg, struct err *e)
{
	uint8_t piece[16384];
	uint64_t at = 0, filed = h->bytes - h->memory.n;
	size_t n;

	for (; at < filed; at += n) {
		n = filed - at < sizeof piece ? (size_t)(filed - at) : sizeof piece;
		if (file_read_at(h->fd, piece, n, at) != (ssize_t)n) {
			return err_set(e, EX_TEMPFAIL, "cannot read a temporary file");
		}
		crypt_at(h, at, piece, n);
		if (put(arg, piece, n, e) != 0) {
			return -1;
		}
	}
	return h->memory.n == 0 ? 0 : put(arg, h->memory.p, h->memory.n, e);
}

int held_read(void *arg, void *p, size_t cap, size_t *n, struct err *e)
{
	struct held_reader *r = arg;
	const struct held *h = r->held;
	uint64_t left = h->bytes - r->at, filed = h->bytes - h->memory.n;
	size_t of_file;

	*n = left < cap ? (size_t)left : cap;
	of_file = r->at >= filed ? 0 : filed - r->at < *n ? (size_t)(filed - r->at) : *n;
	if (of_file > 0 && file_read_at(h->fd, p, of_file, r->at) != (ssize_t)of_file) {
		return err_set(e, EX_TEMPFAIL, "cannot read a temporary file");
	}
	if (of_file > 0) {
		crypt_at(h, r->at, p, of_file);
	}
	if (*n > of_file) {
		memcpy((uint8_t *)p + of_file, h->memory.p + (r->at + of_file - filed),
			*n - of_file);
	}
	r->at += *n;
	return 0;
}

void held_clear(struct held *h)
{
	if (h->fd >= 0) {
		(void)close(h->fd);
	}
	h->fd = -1;
	wipe(&h->key, sizeof h->key);
	h->memory.n = 0;
	h->bytes = 0;
}

void held_free(struct held *h)
{
	held_clear(h);
	buf_free(&h->memory);
}
