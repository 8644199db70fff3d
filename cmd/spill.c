/* Bytes in an encrypted file without a name; see spill.h. Each chunk has the nonce of its number,
 * and is written once. */
#include "spill.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../crypto/file.h"
#include "../crypto/random.h"

struct spill *spill_new(struct err *e)
{
	struct spill *s = calloc(1, sizeof *s);

	if (s == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	s->fd = file_nameless(-1);
	if (s->fd < 0) {
		err_sys(e, EX_TEMPFAIL, "cannot make a temporary file");
	} else if (random_bytes(s->key, sizeof s->key, e) == 0) {
		return s;
	}
	spill_free(s);
	return NULL;
}

void spill_free(struct spill *s)
{
	if (s == NULL) {
		return;
	}
	if (s->fd >= 0) {
		(void)close(s->fd);
	}
	wipe(s, sizeof *s);
	free(s);
}

static void make_nonce(uint64_t number, uint8_t nonce[static CHACHA_NONCE])
{
	memset(nonce, 0, CHACHA_NONCE);
	put_u64be(nonce + CHACHA_NONCE - 8, number);
}

static int write_chunk(struct spill *s, struct err *e)
{
	uint8_t nonce[CHACHA_NONCE];

	make_nonce(s->number, nonce);
	chacha_seal(s->key, nonce, NULL, 0, s->chunk, s->n, s->chunk + s->n);
	if (file_write_all(s->fd, s->chunk, s->n + CHACHA_TAG) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot keep the content in a temporary file");
	}
	s->number++;
	s->n = 0;
	return 0;
}

int spill_put(struct spill *s, const void *p, size_t n, struct err *e)
{
	const uint8_t *from = p;
	size_t k;

	for (; n > 0; n -= k, from += k) {
		k = SPILL_CHUNK - s->n < n ? SPILL_CHUNK - s->n : n;
		memcpy(s->chunk + s->n, from, k);
		s->n += k;
		s->bytes += k;
		if (s->n == SPILL_CHUNK && write_chunk(s, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int read_chunk(struct spill *s, uint64_t number, struct err *e)
{
	uint64_t left = s->bytes - number * SPILL_CHUNK;
	uint8_t nonce[CHACHA_NONCE];
	size_t n = left < SPILL_CHUNK ? (size_t)left : SPILL_CHUNK;

	make_nonce(number, nonce);
	s->n = 0;
	if (file_read_at(s->fd, s->chunk, n + CHACHA_TAG, number * sizeof s->chunk) !=
			(ssize_t)(n + CHACHA_TAG) ||
		chacha_open(s->key, nonce, NULL, 0, s->chunk, n, s->chunk + n) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot read a temporary file");
	}
	s->number = number;
	s->n = n;
	return 0;
}

int spill_read(struct spill *s, void *p, size_t n, uint64_t offset, size_t *got, struct err *e)
{
	uint8_t *to = p;
	size_t skip, k;

	if (!s->reading && s->n > 0 && write_chunk(s, e) != 0) {
		return -1;
	}
	if (!s->reading) {
		s->number = UINT64_MAX;
		s->reading = true;
	}
	for (*got = 0; *got < n && offset < s->bytes; *got += k, offset += k) {
		uint64_t number = offset / SPILL_CHUNK;
		if (number != s->number && read_chunk(s, number, e) != 0) {
			s->number = UINT64_MAX;
			return -1;
		}
		skip = (size_t)(offset % SPILL_CHUNK);
		k = s->n - skip < n - *got ? s->n - skip : n - *got;
		memcpy(to + *got, s->chunk + skip, k);
	}
	return 0;
}
