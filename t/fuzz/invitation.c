/* The line that invites a user, and a message as a person names it: what is taken is written as it
 * was read. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../cmd/choice.h"
#include "../../cmd/invitation.h"

/* What was read, written and read once more, is the same. */
static void check_round(const struct invitation *i)
{
	char text[INVITATION_MAX], host[CONN_HOST_MAX], port[8];
	struct invitation again;

	assert(user_name_valid(i->user) && i->expires >= 0);
	assert(conn_split(i->server, host, port, NULL) == 0);
	invitation_write(i, text);
	assert(invitation_read(&again, text, strlen(text), NULL) == 0);
	assert(strcmp(again.user, i->user) == 0 && strcmp(again.server, i->server) == 0);
	assert(memcmp(again.key, i->key, sizeof i->key) == 0);
	assert(memcmp(again.secret, i->secret, sizeof i->secret) == 0);
	assert(again.expires == i->expires);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* of its size: what reads beyond is seen */
	struct invitation i;
	struct mail_choice choice;
	struct err e;

	assert(text != NULL);
	if (size > 0) {
		memcpy(text, data, size);
	}
	if (invitation_read(&i, text, size, &e) == 0) {
		check_round(&i);
	} else {
		assert(e.code == EX_DATAERR);
	}
	text[size] = '\0';
	if (choice_read(&choice, text, &e) == 0) {
		assert((choice.id == text) != (choice.index > 0));
	} else {
		assert(e.code == EX_USAGE);
	}
	free(text);
	return 0;
}
