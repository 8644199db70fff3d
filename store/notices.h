/* Has somebody else changed a folder while we did? Its modification time cannot tell: what we make
 * there changes it, too. The kernel names each change (inotify(7)), so that ours can be counted. */
#ifndef STORE_NOTICES_H
#define STORE_NOTICES_H

#include <stdbool.h>

struct notices {
	int fd; /* -1: there is no inotify */
	int wd; /* the folder that is watched, or -1 */
};

/* Closing takes some milliseconds of the kernel's, so one serves many folders in turn. */
void notices_open(struct notices *n);
void notices_close(struct notices *n);

void notices_begin(struct notices *n, int dir);
/* How many names came to the folder, or went, since then; hidden ones are not counted. false: it
 * cannot be told. */
bool notices_end(struct notices *n, unsigned *names);

#endif
