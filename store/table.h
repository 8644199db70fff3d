/* A hash table on disk that tells of message ids: what sent.c and hints.c keep. Looking up and
 * putting touch at most TABLE_PROBES blocks, however many ids there are.
 *
 * Layout, little-endian. Head, the first block: magic 8, blocks u32, key 16, checksum u32 (FNV-1a
 * of what is ahead of it), count u32, suspect u32. Then blocks of 256 entries of 16 bytes: a tag,
 * and in what it leaves of the 16 a value. The tag is SHA-256(key, id), cut: so ids that somebody
 * chose spread like any others, what is damaged matches no id, and none is the 0 of a free entry.
 * An id stands in its home block (the tag's first 32 bits, scaled), or in one of the next, where
 * all ahead of it were full. What a file lacks at its end reads as 0. Who writes holds a lock of
 * the caller's; who reads needs none. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "mailbox.h"

enum {
	TABLE_BLOCK = 4096,
	TABLE_ENTRY = 16,
	TABLE_IN_BLOCK = TABLE_BLOCK / TABLE_ENTRY,
	TABLE_PROBES = 4,
	TABLE_KEY = 16,
	TABLE_BLOCKS_MAX = 1 << 18 /* a file of 1 GiB */
};

struct table_kind {
	char magic[9];
	size_t tag_n; /* bytes, 4..TABLE_ENTRY */
};

struct table {
	const struct table_kind *kind;
	int fd; /* the caller's */
	uint8_t key[TABLE_KEY];
	uint32_t blocks;
	uint32_t count; /* of entries; after a crash less than there are */
	bool suspect;   /* it could not be synced once: no later sync tells anything */
};

/* Read the head. 1; 0 when there is none that is sound; -1 with errno. */
int table_open(struct table *t, const struct table_kind *kind, int fd);
/* What stands for this id. value: TABLE_ENTRY - tag_n bytes, NULL when it is looked for. */
void table_entry(const struct table *t, const uint8_t id[static MAILBOX_ID_BYTES],
	const uint8_t *value, uint8_t out[static TABLE_ENTRY]);
/* 1 with the whole entry, 0 when there is none, -1 with errno. */
int table_find(const struct table *t, const uint8_t entry[static TABLE_ENTRY],
	uint8_t found[static TABLE_ENTRY]);
enum table_put { TABLE_PRESENT, TABLE_ADDED, TABLE_FULL };
/* Put an entry, in place of the one with its tag. One of the above, or -1 with errno. It does not
 * count it. */
int table_put(const struct table *t, const uint8_t entry[static TABLE_ENTRY]);
/* Change the head. 0, or -1 with errno. */
int table_set_count(struct table *t, uint32_t count);
int table_set_suspect(struct table *t);

/* --- a whole new one, in an empty file --- */

struct table_new {
	struct table t;
	uint16_t *used; /* entries in each block */
	uint8_t *image; /* of the blocks, while they fit in 2 MiB; or NULL, and each is written */
	bool failed;
};

/* key: of a table whose entries are copied; NULL: a new one. 0, or -1 with errno; end it with
 * table_finish in every case. */
int table_begin(struct table_new *n, const struct table_kind *kind, int fd, uint32_t blocks,
	const uint8_t *key);
/* Each tag once; what finds no room is left out. */
void table_add(struct table_new *n, const uint8_t entry[static TABLE_ENTRY]);
/* Add all that another one with the same key holds. 0, or -1 with errno. */
int table_add_all(struct table_new *n, const struct table *from);
/* Write what is left to be written, and free. 0, or -1 with errno. The file is not synced. */
int table_finish(struct table_new *n);

#endif
