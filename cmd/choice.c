/* Naming a message; see choice.h. */
#include "choice.h"

int choice_read(struct mail_choice *out, const char *text, struct err *e)
{
	uint8_t id[MAIL_ID];

	*out = (struct mail_choice){0};
	if (text == NULL) {
		return 0;
	}
	if (parse_decimal(text, strlen(text), UINT32_MAX, &out->index) == 0 && out->index > 0) {
		return 0;
	}
	out->index = 0;
	if (strpbrk(text, "ABCDEF") == NULL && hex_decode(id, sizeof id, text, strlen(text)) == 0) {
		out->id = text;
		return 0;
	}
	return err_set(e, EX_USAGE, "\"%.64s\" is no index of the list, and no id", text);
}
