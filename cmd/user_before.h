/* What an account that is new finds there: who had its name before was removed, and what is his
 * stays on disk until somebody removes it. */
#ifndef CMD_USER_BEFORE_H
#define CMD_USER_BEFORE_H

#include "at_rest.h"

struct user_before {
	bool mailbox, files;
};

/* Look, ahead of making the account. dir: the server's folder. */
struct user_before user_before_look(const struct at_rest *a, int dir, const char *name);
/* Say on stderr whose they are now. */
void user_before_tell(const struct user_before *b, const char *name);

#endif
