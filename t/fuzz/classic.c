/* The classic wire, decrypted: the input is the plaintext that a peer's blocks decrypt to, cut into
 * pieces by its first byte. It is taken as an e-mail, and what is left as texts. */
#include "fuzz.h"

#include "../../proto/classic.h"

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

static int on_head(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *e)
{
	(void)bytes;
	(void)e;
	*(uint64_t *)arg = h->length;
	return h->length > MESSAGE_CONTENT_CHARS ? 1 : 0;
}

static int on_content(void *arg, const void *p, size_t n, struct err *e)
{
	(void)arg;
	(void)p;
	(void)n;
	(void)e;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[CLASSIC_KEY];
	static struct classic c;
	struct conn conn = {.fd = -1, .stop_fd = -1, .recv = give};
	uint64_t length = 0;
	struct classic_mail mail = {.head = on_head, .content = on_content, .arg = &length};
	struct buf wire = {0}, text = {0};
	struct err e;

	if (size < 1) {
		return 0;
	}
	classic_init(&c, &conn, key);
	assert(buf_append(&wire, data + 1, size - 1) == 0);
	aes_ecb_encrypt(&c.aes, wire.p, wire.n - wire.n % AES_BLOCK);
	input = wire.p;
	left = wire.n;
	piece = (size_t)data[0] + 1;
	if (classic_recv_mail(&c, &mail, &e) != CLASSIC_BROKEN) {
		while (classic_recv(&c, &text, CLASSIC_TEXT_MAX, 0, &e) == 0) {
			assert(text.n <= size);
			text.n = 0;
		}
	}
	buf_free(&wire);
	buf_free(&text);
	return 0;
}
