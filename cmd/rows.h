/* Rows of the inbox as the founding list has them, and the head of a message as it is stored. */
#ifndef CMD_ROWS_H
#define CMD_ROWS_H

#include "../proto/mail_client.h"

#define ROWS_HEAD "Index  From      DateTime                      Title"
/* with a mark ahead of each title */
#define ROWS_HEAD_MARKED "Index  From      DateTime                      Mail     Title"

/* One row and its line end, on stdout, escaped for a terminal. mark: what it is, in a column of its
 * own; NULL: none. word: what is wrong with it, besides damage; NULL: nothing. */
void rows_print(const struct mail_row *row, const char *mark, const char *word);
/* A title on one line, and ahead of it what is wrong: the classic server escapes it, the enhanced
 * one tells it as it is. */
void rows_print_title(const struct mail_row *row, const char *word);

/* The lines ahead of a message's content. 0, or -1 (EX_PROTOCOL: its time is none; EX_TEMPFAIL). */
int rows_print_head(const struct mail_received *m, struct err *e);

#endif
