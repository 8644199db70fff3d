/* The name of a message's file: "[source]_[title].txt", made safe. It never leaves its folder,
 * never hides, and never has more than 255 bytes. */
#ifndef STORE_FILENAME_H
#define STORE_FILENAME_H

#include <stddef.h>

enum { FILENAME_MAX_BYTES = 255 }; /* NAME_MAX of every file system in use */

/* Write the copy'th name (1, 2, 3 ...) into out: "client1_Test.txt", then "client1_Test~2.txt".
 * '/', NUL, control bytes, a leading dot, '%' and bytes that are no UTF-8 become %HH; a name that
 * would be too long is cut and closed with a hash of the whole, so that long names stay apart. */
void filename_make(char out[static FILENAME_MAX_BYTES + 1], const char *source, const char *title,
	unsigned long copy);

#endif
