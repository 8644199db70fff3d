/* What waits for us with the server: fetched, received (chat_receive.h), shown, and only then done
 * with; then receipts for it. */
#ifndef CMD_CHAT_FETCH_H
#define CMD_CHAT_FETCH_H

#include "chat_news.h"

struct chat_fetched {
	size_t packets; /* that were done with */
	size_t left;    /* that stay with the server, as was told, because of: */
	bool changed;   /* a key that is another one now, */
	int locked;     /* or what could not be opened (the exit code), or cannot be judged yet */
};

/* All that waits, and ahead of it what other processes received. What could not be shown is fetched
 * again another time. 0, or -1. */
int chat_fetch(
	struct chat_room *r, chat_show *show, void *arg, struct chat_fetched *out, struct err *e);

#endif
