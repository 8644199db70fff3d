/* The inside of chat_screen: a chat line by line, at a terminal. */
#ifndef CMD_CHAT_SCREEN_H
#define CMD_CHAT_SCREEN_H

#include "chat.h"
#include "chat_tty.h"

struct chat_screen {
	struct chat_job *job;
	struct chat_node *node;
	struct chat_tty tty;
	bool waiting; /* a chat-wait stands */
	int64_t next; /* when to try again, by seconds_now(): connecting, or fetching */
	bool here, presence_known;
	struct chat_note receipt; /* the newest that was told of, or was there at first */
	unsigned used;            /* one-time keys of ours, by the messages that came */
	bool not_kept;            /* what was typed last: it is still to be sent */
	bool ended;
};

/* Print above the line that is being typed: lines of ours, without the last line end. */
void chat_screen_say(struct chat_screen *s, enum chat_tty_look look, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void chat_screen_error(struct chat_screen *s, const struct err *e);
/* A message; arg is the screen. 0 or -1. */
int chat_screen_line(void *arg, const struct chat_line *line, struct err *e);
void chat_screen_history(struct chat_screen *s, unsigned last);
/* The connection is of no use any more: there will be another, in a while. */
void chat_screen_lose(struct chat_screen *s, const struct err *e);

/* What became of messages that were sent. */
void chat_screen_sent(struct chat_screen *s, const struct chat_sent *sent);

/* Do what a line says: send it, or obey it. */
void chat_screen_typed(struct chat_screen *s, const char *line);

#endif
