/* The classic wire in the python dialect, decrypted: the input is the plaintext that a peer's
 * blocks decrypt to, cut into pieces by its first byte. It is taken as a size, the e-mail of this
 * size, and texts. */
#include "fuzz.h"

#include "../../proto/classic.h"

enum { MAX = 4096 };

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
	(void)e;
	assert(h->from.p >= bytes && h->title.p + h->title.n <= bytes + h->bytes);
	*(uint64_t *)arg = h->length;
	return 0;
}

static int on_content(void *arg, const void *p, size_t n, struct err *e)
{
	uint64_t chars;

	(void)e;
	assert(utf8_count(p, n, &chars) == 0 && chars == *(uint64_t *)arg);
	return 0;
}

static void take(struct classic *c)
{
	uint64_t length = 0;
	const struct classic_mail mail = {.head = on_head, .content = on_content, .arg = &length};
	struct buf told = {0}, text = {0};
	enum classic_got got = CLASSIC_BROKEN;
	struct err e;

	if (classic_recv(c, &told, CLASSIC_TEXT_MAX, 0, &e) == 0) {
		got = classic_recv_sized(c, &told, &text, MAX, &e);
		assert(text.n <= MAX + AES_BLOCK && text.cap <= 4 * MAX);
	}
	if (got == CLASSIC_WHOLE) {
		assert(text.n <= MAX);
		(void)classic_take_mail(&text, &mail, &e);
	}
	while (got != CLASSIC_BROKEN && classic_recv(c, &told, CLASSIC_TEXT_MAX, 0, &e) == 0) {
		told.n = 0;
	}
	buf_free(&told);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[CLASSIC_KEY];
	static struct classic c;
	struct conn conn = {.fd = -1, .stop_fd = -1, .recv = give};
	struct buf wire = {0};

	if (size < 1) {
		return 0;
	}
	classic_init(&c, &conn, key);
	assert(buf_append(&wire, data + 1, size - 1) == 0);
	aes_ecb_encrypt(&c.aes, wire.p, wire.n - wire.n % AES_BLOCK);
	input = wire.p;
	left = wire.n;
	piece = (size_t)data[0] + 1;
	take(&c);
	buf_free(&wire);
	return 0;
}
