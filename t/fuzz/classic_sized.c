/* The classic wire in the python dialect, decrypted (classic_input.h): it is taken as a size, the
 * e-mail of this size, and texts. */
#include "classic_input.h"

enum { MAX = 4096 };

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
	static struct classic c;
	struct conn conn;
	struct buf wire = {0};

	if (size < 1) {
		return 0;
	}
	begin_input(&c, &conn, &wire, data, size);
	take(&c);
	buf_free(&wire);
	return 0;
}
