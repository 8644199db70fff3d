/* What `user list` prints: a row for each account. */
#ifndef CMD_USER_LIST_H
#define CMD_USER_LIST_H

#include "../store/users.h"

/* The names of the modes, by enum users_mode. */
extern const char *const user_list_modes[];

/* The key that counts for a user: the account's own, or the one of the key file in this folder.
 * false: none. */
bool user_list_key(int dir, const struct users_row *row, uint8_t key[static X25519_BYTES]);

/* Print the accounts, with their keys in this folder: a table on a terminal, tabs elsewhere, or
 * JSON. 0 or -1. */
int user_list(struct accounts_store *accounts, int dir, bool json, struct err *e);

#endif
