/* A message as a person names it: by its index in the list, or its id. */
#ifndef CMD_CHOICE_H
#define CMD_CHOICE_H

#include "../proto/mail_client.h"

/* text: digits, or 32 digits of hex; NULL is the last message. The choice points into it. 0, or -1
 * (EX_USAGE). */
int choice_read(struct mail_choice *out, const char *text, struct err *e);

#endif
