/* Is a key file sound? For check. */
#ifndef CMD_CHECK_KEYS_H
#define CMD_CHECK_KEYS_H

#include "../store/mailbox.h"

/* A file of the server's folder, by its name: if it is a key, tell what is wrong with it. */
void check_key(int dir, const char *name, mailbox_finding *found, void *arg);

#endif
