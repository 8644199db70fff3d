/* Where in a mailbox's .index the record of a message stands: the file .ids beside it, a hash table
 * (table.h) from id to offset. It is a hint and nothing else: whoever asks checks what stands
 * there. Without the file, or with one that is stale, damaged or foreign, nothing is found, or what
 * is found is wrong. Nothing is synced. Who puts or begins holds the mailbox's lock; who finds need
 * not. Making a new table changes the folder's modification time. */
#ifndef STORE_HINTS_H
#define STORE_HINTS_H

#include "table.h"

#define HINTS_FILE ".ids"

struct hints {
	struct table t;
	bool usable, writable;
};

/* dir: the mailbox's folder. Where there is no sound file, nothing is found in it. End it with
 * close in every case. */
void hints_open(struct hints *h, int dir);
void hints_close(struct hints *h);
bool hints_find(const struct hints *h, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t *where);
/* Note it, or change what was noted. 0; 1: a whole new table is wanted, since there is none, or
 * this one is too full; -1: the disk refused, and a new one will hardly do better. */
int hints_put(const struct hints *h, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t where);

/* A whole new table, beside the one that is open. It takes twice as many entries as `count` before
 * it is too full, and at least 256. */
struct hints_new {
	int dir, fd;
	struct table_new n;
};

/* 0, or -1: it cannot be, add nothing. End it with hints_finish in every case. */
int hints_begin(struct hints_new *n, int dir, uint64_t count);
/* Each id once. */
void hints_add(struct hints_new *n, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t where);
/* Put it in place of the one before (keep: false: leave that as it is). 0, or -1: the one before is
 * still there. */
int hints_finish(struct hints_new *n, bool keep);

#endif
