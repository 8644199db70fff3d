/* Noticing that a file was replaced: by inotify where there is one, else by looking once a
 * second. */
#ifndef PROTO_WATCH_H
#define PROTO_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { WATCH_POLL_MS = 1000 };

struct watch {
	int fd;           /* to poll for reading; -1: there is none, look every WATCH_POLL_MS */
	int dir;          /* the caller's */
	const char *name; /* the caller's: a file in dir */
	struct stat last;
};

void watch_open(struct watch *w, int dir, const char *name);
void watch_close(struct watch *w);
/* Is it another file than when last asked? Never waits. */
bool watch_changed(struct watch *w);

#endif
