/* Where keygen finds a key that it prints: -d DIR, or else the current folder, or else the
 * configuration's folder of keys, where `join` put them. What it makes goes to one of the first two
 * alone. */
#ifndef CMD_KEYGEN_FOLDER_H
#define CMD_KEYGEN_FOLDER_H

#include "account.h"

/* Open the folder that has this file; where none has it, the first of them. given: -d DIR, or NULL.
 * A descriptor, or -1 (EX_NOINPUT; account_resolve). */
int keygen_folder_open(const char *given, const char *file, struct err *e);
/* rc, with a hint where the key is in none of them. */
int keygen_folder_told(const char *given, int rc, struct err *e);

#endif
