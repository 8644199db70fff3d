/* What the harnesses of the classic wire share: the input is the plaintext that a peer's blocks
 * decrypt to, cut into pieces by its first byte. */
#ifndef T_FUZZ_CLASSIC_INPUT_H
#define T_FUZZ_CLASSIC_INPUT_H

#include "../../proto/classic.h"
#include "fuzz.h"

static const uint8_t *input;
static size_t left, piece;

static ssize_t give(int fd, void *p, size_t n, int flags)
{
	size_t k = n < piece ? n : piece;

	(void)fd;
	(void)flags;
	k = k < left ? k : left;
	if (k > 0) {
		memcpy(p, input, k);
		input += k;
		left -= k;
	}
	return (ssize_t)k; /* 0: the end */
}

/* A session that receives the input. wire keeps it: the caller frees it. size: at least 1. */
static void begin_input(
	struct classic *c, struct conn *conn, struct buf *wire, const uint8_t *data, size_t size)
{
	static const uint8_t key[CLASSIC_KEY];

	*conn = (struct conn){.fd = -1, .stop_fd = -1, .recv = give};
	classic_init(c, conn, key);
	assert(buf_append(wire, data + 1, size - 1) == 0);
	aes_ecb_encrypt(&c->aes, wire->p, wire->n - wire->n % AES_BLOCK);
	input = wire->p;
	left = wire->n;
	piece = (size_t)data[0] + 1;
}

#endif
