/* .index: an append-only cache of what a mailbox folder holds, one record per message, so that
 * listing reads this one file. Losing it loses nothing.
 *
 * It counts as current when its header says so: `epoch` is that of the running server (chosen at
 * random at each start, so after a power cut or a restart the folder is looked at once), `dirty` is
 * clear (it is set while a folder and its index are being changed, so a killed writer is noticed),
 * and the folder's modification time is the one recorded (so a file that an administrator drops in
 * is noticed), and nobody has suspected it since (box.h).
 *
 * A message stands in it from its delivery on: at first as one that is in the journal (J), then,
 * without moving, as one that is a file (L).
 *
 * Layout, little-endian. Header, 72 bytes: magic "S361IDX4", epoch u64, folder mtime seconds u64
 * and nanoseconds u32, dirty u32 (its last bit; the others are of FNV-1a over the header with this
 * field 0), where the first J may stand u64, what the records up to an offset u64 amount to:
 * messages u64, bytes u64; and suspicion u32, 4 spare. Record: length u32, checksum u32
 * (FNV-1a of what
 * follows the state), state u8, damaged u8, source length u8, spare u8, title length u16, name
 * length u16, copy u32, id 16, time u64, chars u64, bytes u64; of a file its inode u64 and
 * modification time in ns u64, or of a record in the journal its segment u64 and offset u64;
 * source, title, name. Without a name it is filename_make(source, title, copy). */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <limits.h>

#include "mailbox.h"

enum {
	INDEX_HEAD = 72,
	INDEX_FIXED = 76,
	INDEX_FILE_MAX = 1 << 30, /* bytes: millions of messages */
	INDEX_RECORD_MAX = INDEX_FIXED + USER_NAME_MAX + MAILBOX_TITLE_ROOM + 255
};

enum index_state {
	INDEX_JOURNAL = 'J',
	INDEX_LIVE = 'L', /* a file */
	INDEX_DEAD = 'D'  /* removed */
};

struct index {
	int fd; /* -1: there is none that can be used */
	bool writable;
	int why; /* the errno of its opening, or of its being written anew, if that failed */
};

struct index_head {
	uint64_t epoch;
	uint64_t mtime_s;
	uint32_t mtime_ns;
	bool dirty;
	uint32_t suspicion;      /* which one the index was brought in line after */
	uint64_t unsettled_from; /* no J stands ahead of it */
	uint64_t counted_to;     /* of what stands ahead of it, there are: */
	struct mailbox_usage usage;
};

/* What tells a file from another one that stands under its name later. */
struct index_file {
	uint64_t bytes;
	uint64_t inode;   /* INDEX_JOURNAL: the segment, */
	int64_t mtime_ns; /* and the offset in it */
};

/* Text is (pointer, length) into the image that it was read from. */
struct index_record {
	enum index_state state;
	bool damaged;
	uint8_t id[MAILBOX_ID_BYTES];
	int64_t time_us;
	uint64_t chars;
	struct index_file file;
	const char *source, *title, *name;
	size_t source_n, title_n, name_n; /* name_n 0: the name is made of the others */
	uint32_t copy;
	uint64_t offset; /* of the record in the file */
	uint64_t rank;   /* by (time, id), from 1; set by a listing */
};

/* Open, creating it where the folder can be written. What is no regular file is left alone (fd -1).
 * 0, or -1 (EX_TEMPFAIL: out of descriptors). */
int index_open(struct index *ix, int dir, struct err *e);
/* As it is, for reading alone: nothing is made or moved. As index_open. */
int index_look(struct index *ix, int dir, struct err *e);
void index_close(struct index *ix);
/* Take the lock, waiting; closing releases it. 0 or -1. */
int index_lock(const struct index *ix, bool exclusive, struct err *e);
void index_unlock(struct index *ix); /* where that fails the index is closed */

/* 0; 1 when there is no sound header; -1 (errno) when it cannot be read. But for 0, *h is zero,
 * which is never current. */
int index_read_head(const struct index *ix, struct index_head *h);
int index_write_head(const struct index *ix, const struct index_head *h, struct err *e);

/* Append one record; *offset tells where. On failure the file is as long as before. 0 or -1. */
int index_append(
	const struct index *ix, const struct index_record *r, uint64_t *offset, struct err *e);
/* Encode a record behind what out holds. 0, or -1 (no memory). */
int index_encode(struct buf *out, const struct index_record *r);

/* Read the whole file; one beyond INDEX_FILE_MAX reads as empty, and is rebuilt. 0, or -1. */
int index_load(const struct index *ix, struct buf *image, struct err *e);
/* The record at *at, moving *at behind it. 1, 0 at the end, -1 where the image is damaged. */
int index_next(const struct buf *image, size_t *at, struct index_record *r);

/* The record of this message in an image that was read, from here on. false when there is none. */
bool index_search(const struct buf *image, size_t from, const uint8_t id[static MAILBOX_ID_BYTES],
	struct index_record *r);
/* Is the record at ref->where this message's? Its text points into scratch. */
bool index_find_at(const struct index *ix, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r);
/* The record of this message in the file: at its hint, or wherever it is. Its text points into
 * scratch (empty before). 1, 0 when there is none, or -1. */
int index_find(const struct index *ix, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r, struct err *e);
/* Put another record in the place of the one at r->offset, which is as long. 0 or -1. */
int index_replace(const struct index *ix, const struct index_record *r, struct err *e);
/* Read the records from this offset to the end; index_next's offsets then count from there. 0 or
 * -1. */
int index_load_from(const struct index *ix, uint64_t offset, struct buf *image, struct err *e);
/* The name of a record's file. */
void index_name(const struct index_record *r, char out[static NAME_MAX + 1]);
int index_set_state(const struct index *ix, uint64_t offset, enum index_state state, struct err *e);

#endif
