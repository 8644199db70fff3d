/* When the work that the store has put off is done (mailbox.h: unsettled, settle): not while more
 * of it comes, but never long after it came; later and later while it fails. It is judged here, and
 * done by helper_server.c in a process of its own, so that no session and no new connection waits
 * for a disk. While there is none, nobody wakes up. */
#ifndef PROTO_SETTLE_SERVER_H
#define PROTO_SETTLE_SERVER_H

#include "../store/mailbox.h"

enum {
	SETTLE_LOOK_MS = 100,   /* between two looks while more comes, and between two helpers */
	SETTLE_BUSY_MS = 2000,  /* the longest that coming work puts it off */
	SETTLE_RETRY_MS = 1000, /* after a failure; doubled by each further one, up to: */
	SETTLE_RETRY_MAX_MS = 60000
};

/* All zero at the start. */
struct settle {
	int64_t since_ms; /* work was seen first; 0: there was none */
	int64_t not_before_ms;
	int64_t retry_ms; /* the last wait after a failure; 0: none failed */
};

/* Is it time to begin? now_ms: of a clock that never goes back, above 0. Else *look_ms says in how
 * many milliseconds to ask again; -1: not before somebody tells of new work. */
bool settle_is_due(struct settle *s, struct mailbox *m, int64_t now_ms, int *look_ms);

/* settle() has ended, or could not even begin. */
void settle_ended(struct settle *s, bool done, int64_t now_ms);

#endif
