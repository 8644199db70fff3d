/* E-mail headers: what parses must lie inside the input, and each shorter input must parse or ask
 * for more. */
#include "fuzz.h"

#include "../../proto/mail_server.h"

static void inside(const uint8_t *data, size_t size, struct message_part part)
{
	assert(part.n == 0 || (part.p >= data && part.p + part.n <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int stored = 0; stored <= 1; stored++) {
		struct message_head h = {0};
		const char *why = NULL;
		int rc = message_parse(data, size, stored == 1, &h, &why);
		assert(rc >= -1 && rc <= 1 && (rc > 0 || why != NULL));
		if (rc == 1) {
			assert(h.bytes <= size &&
				message_parse(data, h.bytes, stored == 1, &h, &why) == 1);
			inside(data, size, h.from);
			inside(data, size, h.to);
			inside(data, size, h.title);
		}
	}
	struct mailbox_meta meta = {0};
	struct users_list to = {0};
	size_t content_at;
	if (mail_describe(data, size, &meta, &to, &content_at) == 0) {
		assert(content_at <= size && to.n > 0 && user_name_valid(meta.source));
	}
	users_list_free(&to);
	return 0;
}
