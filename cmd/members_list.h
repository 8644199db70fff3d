/* The list of members: whom we know, and whom the server's directory shows. */
#ifndef CMD_MEMBERS_LIST_H
#define CMD_MEMBERS_LIST_H

#include "trust.h"

/* Print whom we know; with a connection (c not NULL) also what the directory shows, held against
 * it; nothing is pinned. 0, or -1: EX_NOPERM (the directory shows another key than a pinned one,
 * which the list marks), or another error. */
int members_list(const struct trust *own, struct mail_client *c, bool json, struct err *e);

#endif
