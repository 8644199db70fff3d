/* What a reader remembers of sealed letters, so that no server can deliver one a second time: the
 * ids of those that were deleted, and of letters that have no id inside (they came where the wire
 * has none) the id under which each was first read.
 *
 * One file, DIR/.copies, replaced durably (crypto/file.h) under the folder's lock, which is taken
 * here; the last COPIES_MAX, a line each: "deleted" or "read   ", id, digest (zeros where it was
 * deleted). */
#ifndef STORE_COPIES_H
#define STORE_COPIES_H

#include <stdbool.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

#define COPIES_FILE ".copies"

enum { COPIES_ID = 16, COPIES_MAX = 10000 };

enum copies_verdict {
	COPIES_NONE,    /* nothing is wrong with it */
	COPIES_DELETED, /* it was deleted */
	COPIES_MOVED    /* it was read under another id */
};

/* Each returns 0, or -1: EX_CONFIG (the file is damaged: it is named), EX_TEMPFAIL and other faults
 * of the disk. */

/* These were deleted. */
int copies_deleted(int dir, const uint8_t (*ids)[COPIES_ID], size_t n, struct err *e);
/* A letter is read under this id. digest: of one that has no id inside, which is remembered with it
 * from now on; NULL: it has one. */
int copies_judge(int dir, const uint8_t id[static COPIES_ID], const uint8_t *digest,
	enum copies_verdict *out, struct err *e);

#endif
