/* Lines that `sha256sum -c` takes. */
#ifndef CMD_SUM_H
#define CMD_SUM_H

#include <stdio.h>

#include "../crypto/hash.h"

/* "HASH  NAME"; a name with a backslash or a line end is escaped as sha256sum does it. */
void sum_print(FILE *out, const uint8_t digest[static HASH_BYTES], const char *name);

#endif
