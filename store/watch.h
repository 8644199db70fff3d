/* Noticing that a file was replaced: by inotify where there is one, else by looking from time to
 * time. */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct watch {
	int fd;           /* to poll for reading; -1: there is none, look from time to time */
	int dir;          /* the caller's */
	const char *name; /* the caller's: a file in dir */
	struct stat last;
};

void watch_open(struct watch *w, int dir, const char *name);
void watch_close(struct watch *w);
/* Is it another file than when last asked? Never waits. */
bool watch_changed(struct watch *w);

#endif
