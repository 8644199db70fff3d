/* What other processes of this user's received meanwhile: a terminal and a --wait, or two of them,
 * share what waits with the server, and each message comes to one of them. From the history, which
 * they share too, each shows what another one took. */
#ifndef CMD_CHAT_NEWS_H
#define CMD_CHAT_NEWS_H

#include "chat_room.h"

/* Show one; from: by the server's word, where came->verdict is that it is forged. Non-zero with e
 * when it could not be shown. */
typedef int chat_show(
	void *arg, const struct chat_node *from, const struct chat_came *came, struct err *e);

/* From now on what others receive is news: of this contact, or (NULL) of everybody. A history that
 * opens by a passphrase alone, which was not given, is left out. 0 or -1. */
int chat_news_begin(struct chat_room *r, const char *user, struct err *e);

/* Show what came of this contact, ahead of the record `before`, that this run has not shown. 0, or
 * -1. */
int chat_news_of(struct chat_node *n, uint64_t before, chat_show *show, void *arg, struct err *e);
/* The same of everybody, whole. 0, or -1. */
int chat_news_all(struct chat_room *r, chat_show *show, void *arg, struct err *e);

#endif
