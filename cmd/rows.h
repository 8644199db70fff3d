/* Rows of the inbox as the founding list has them. */
#ifndef CMD_ROWS_H
#define CMD_ROWS_H

#include "../proto/mail_client.h"

#define ROWS_HEAD "Index  From      DateTime                      Title"

/* One row and its line end, on stdout, escaped for a terminal. */
void rows_print(const struct mail_row *row);
/* A title on one line: the classic server escapes it, the enhanced one tells it as it is. */
void rows_print_title(const struct mail_row *row);

#endif
