/* What was there before an account; see user_before.h. */
#include "user_before.h"

#include "../store/shelf.h"

struct user_before user_before_look(const struct at_rest *a, int dir, const char *name)
{
	return (struct user_before){
		.mailbox = at_rest_has_mailbox(a, dir, name), .files = shelf_files_has(dir, name)};
}

void user_before_tell(const struct user_before *b, const char *name)
{
	if (b->mailbox) {
		(void)fprintf(stderr, "the mailbox %s was here before: what is in it is %s's now\n",
			name, name);
	}
	if (b->files) {
		(void)fprintf(
			stderr, "files of %s were here before: they are %s's now\n", name, name);
	}
}
