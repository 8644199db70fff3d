/* Bytes that are too many for memory, in a file without a name, and encrypted: the key is in memory
 * alone, so that nothing of what is to be sealed can be read from the disk, whatever happens. */
#ifndef CMD_SPILL_H
#define CMD_SPILL_H

#include <stdbool.h>

#include "../crypto/bytes.h"
#include "../crypto/chacha.h"
#include "../crypto/err.h"

enum { SPILL_CHUNK = 65536 };

/* Secret. */
struct spill {
	int fd;
	uint8_t key[CHACHA_KEY];
	uint64_t bytes;
	uint64_t number; /* of the chunk that is in `chunk`, once reading has begun */
	bool reading;
	size_t n; /* bytes in it */
	uint8_t chunk[SPILL_CHUNK + CHACHA_TAG];
};

/* NULL with e (EX_TEMPFAIL). */
struct spill *spill_new(struct err *e);
void spill_free(struct spill *s); /* NULL is fine */

/* Put n bytes behind the others; no more once reading has begun. 0, or -1 (EX_TEMPFAIL). */
int spill_put(struct spill *s, const void *p, size_t n, struct err *e);
/* Read up to n bytes at an offset: *got, fewer only at the end. 0, or -1 (EX_TEMPFAIL). */
int spill_read(struct spill *s, void *p, size_t n, uint64_t offset, size_t *got, struct err *e);

#endif
