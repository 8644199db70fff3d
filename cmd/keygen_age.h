/* keygen --age: the X25519 pair of a user in age's form, out and in. */
#ifndef CMD_KEYGEN_AGE_H
#define CMD_KEYGEN_AGE_H

#include "cli.h"

struct keygen_age {
	bool secret;        /* print the private half */
	const char *import; /* take the pair from this identity file; NULL: print */
	bool force;         /* ... in place of one that exists */
};

/* Of the one name that is given, in the folder (-d), or NULL: the current one, and for printing
 * keygen_folder.h's. The exit code. */
int keygen_age(const struct cli *c, const char *folder, const struct keygen_age *wanted);

#endif
