/* .index: an append-only cache of what a mailbox folder holds, one record per message, so that
 * listing reads this one file. Losing it loses nothing.
 *
 * It counts as current when its header says so: `epoch` is that of the running server (chosen at
 * random at each start, so after a power cut or a restart the folder is looked at once), `dirty` is
 * clear (it is set while a folder and its index are being changed, so a killed writer is noticed),
 * and the folder's modification time is the one recorded (so a file that an administrator drops in
 * is noticed).
 *
 * Layout, little-endian. Header, 40 bytes: magic "S361IDX3", epoch u64, folder mtime seconds u64
 * and nanoseconds u32, dirty u32, 8 spare. Record: length u32, checksum u32 (FNV-1a of what follows
 * the state), state u8, damaged u8, source length u8, spare u8, title length u16, name length u16,
 * spare u32, id 16, time u64, chars u64; of the file: bytes u64, inode u64, modification time in ns
 * u64; source, title, name. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "mailbox.h"

enum {
	INDEX_HEAD = 40,
	INDEX_FIXED = 76,
	INDEX_FILE_MAX = 1 << 30, /* bytes: millions of messages */
	INDEX_RECORD_MAX = INDEX_FIXED + 32 + 400 + 255
};

enum index_state {
	INDEX_PENDING = 'P', /* linked, but its folder is not synced yet: not listed */
	INDEX_LIVE = 'L',
	INDEX_DEAD = 'D' /* removed, or a delivery taken back */
};

struct index {
	int fd; /* -1: there is none that can be used */
	bool writable;
};

struct index_head {
	uint64_t epoch;
	uint64_t mtime_s;
	uint32_t mtime_ns;
	bool dirty;
};

/* What tells a file from another one that stands under its name later. */
struct index_file {
	uint64_t bytes, inode;
	int64_t mtime_ns;
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
	size_t source_n, title_n, name_n;
	uint64_t offset; /* of the record in the file */
	uint64_t rank;   /* by (time, id), from 1; set by a listing */
};

/* Open, creating it where the folder can be written. What is no regular file is left alone (fd -1).
 * 0, or -1 (EX_TEMPFAIL: out of descriptors). */
int index_open(struct index *ix, int dir, struct err *e);
void index_close(struct index *ix);
/* Take the lock, waiting; closing releases it. 0 or -1. */
int index_lock(const struct index *ix, bool exclusive, struct err *e);
void index_unlock(const struct index *ix);

/* 0, or -1 when there is no sound header: then *h is zero, which is never current. */
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

/* The record of this message in an image that was read. false when there is none. */
bool index_search(
	const struct buf *image, const uint8_t id[static MAILBOX_ID_BYTES], struct index_record *r);
/* The record of this message in the file: at its hint, or wherever it is. Its text points into
 * scratch (empty before). 1, 0 when there is none, or -1. */
int index_find(const struct index *ix, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r, struct err *e);
int index_set_state(const struct index *ix, uint64_t offset, enum index_state state, struct err *e);

#endif
