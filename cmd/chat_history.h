/* What was said, as the history has it: shown, and files taken out of it; and deleted. */
#ifndef CMD_CHAT_HISTORY_H
#define CMD_CHAT_HISTORY_H

#include "chat_print.h"
#include "chat_send.h"

/* The last messages of a history (0: all), oldest first, as lines. The node's history is open.
 * damaged: how many records could not be read. 0, or -1 (the visitor's, the disk's). */
typedef int chat_history_visit(void *arg, const struct chat_line *line, struct err *e);
int chat_history_each(const struct chat_room *r, struct chat_node *n, unsigned last,
	chat_history_visit *visit, void *arg, size_t *damaged, struct err *e);

/* Sentences, each ended by LF, on messages that never came; and how many those are. 0 or -1. */
int chat_history_missing(const struct chat_room *r, const struct chat_node *n, struct buf *out,
	size_t *missing, struct err *e);

/* Write the file of a record to path; "-" is stdout; NULL: its own name, in this folder. out (may
 * be NULL) tells where it is. 0, or -1 (EX_CANTCREAT: it exists; EX_DATAERR: no such file). */
int chat_history_save(
	struct chat_node *n, const char *record, const char *path, struct buf *out, struct err *e);

/* Destroy the key of the history, the history, and what waits to be sent. 0 or -1. */
int chat_history_delete(struct chat_room *r, struct chat_node *n, struct err *e);

/* Read a file that is to be sent, and tell its type by how it begins, or by its name. 0, or -1. */
int chat_history_read_file(struct chat_text *out, const char *path, struct err *e);

#endif
