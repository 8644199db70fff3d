/* The classic wire, decrypted (classic_input.h): it is taken as an e-mail, and what is left as
 * texts. */
#include "classic_input.h"

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
	static struct classic c;
	struct conn conn;
	uint64_t length = 0;
	struct classic_mail mail = {.head = on_head, .content = on_content, .arg = &length};
	struct buf wire = {0}, text = {0};
	struct err e;

	if (size < 1) {
		return 0;
	}
	begin_input(&c, &conn, &wire, data, size);
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
