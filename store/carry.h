/* Carrying over: what one mailbox cannot take now (its folder cannot be written) must not keep a
 * segment of the journal, and so in the end everybody's mail, from being settled. It is appended
 * once more, for that mailbox alone. */
#ifndef STORE_CARRY_H
#define STORE_CARRY_H

#include "files.h"

/* Append again what a segment says of these users, and commit it. 0, or -1. */
int carry_over(struct files *f, uint64_t segment, const struct users_list *users, struct err *e);

#endif
