/* Address lists: what comes out is bounded and without control characters, and written again it is
 * the same address. */
#include "fuzz.h"

#include "../../proto/rfc5322_address.h"

static void again(const struct rfc5322_mailbox *m)
{
	struct rfc5322_mailbox back;
	struct buf text = {0};
	int rc = rfc5322_address_put(&text, m);

	assert(rc == 0);
	rc = rfc5322_address_parse((struct message_part){text.p, text.n}, &back);
	assert(rc == 0 && strcmp(back.local, m->local) == 0 && strcmp(back.domain, m->domain) == 0);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(data, size);
	struct rfc5322_mailbox m;

	for (size_t before = size + 1; rfc5322_address_next(&c, &m) > 0; before = c.n) {
		assert(c.n < before && c.p + c.n == data + size);
		assert(!has_control(m.local, strlen(m.local)) &&
			!has_control(m.domain, strlen(m.domain)));
		again(&m);
	}
	return 0;
}
