/* One file of the journal: a header, and records that are appended to it. A file is used again for
 * later segments, so that appending overwrites blocks that the file has already: bytes of former
 * lives stand behind the last record. The salt keeps them from being taken for records: it is
 * random, new in each life, and part of what every record's sum is over; who sends mail cannot know
 * it.
 *
 * Layout, little-endian. Header, SEGMENT_HEAD bytes: magic "S361JRN1", number u64, salt 16, clock
 * u64 (microseconds; no message before it is younger), SEGMENT_CUTS times a cut (number u64, limit
 * u64: what that earlier segment holds from the limit on was never acknowledged, and does not
 * count), and the first 16 bytes of SHA-256 over all of that. Record, at a multiple of
 * SEGMENT_ALIGN: sum 16, length u32, spare u32, the payload, zeros. The sum is the first 16 bytes
 * of SHA-256 over salt, number u64, offset u64, length u32 and the payload's SHA-256. */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"
#include "../crypto/hash.h"

enum {
	SEGMENT_BYTES = 8 << 20,
	SEGMENT_HEAD = 128,
	SEGMENT_ALIGN = 64,
	SEGMENT_RECORD = 24, /* ahead of a payload */
	SEGMENT_PAYLOAD_MAX = (1 << 17) + 1024,
	SEGMENT_SALT = 16,
	SEGMENT_CUTS = 4,
	SEGMENT_NAME = 16 /* hex digits of the number */
};

struct segment_cut {
	uint64_t number, limit; /* number 0: none */
};

struct segment {
	int fd; /* -1: not open */
	uint64_t number;
	uint8_t salt[SEGMENT_SALT];
	int64_t clock_us;
	struct segment_cut cuts[SEGMENT_CUTS];
};

/* A payload that is to be written: SEGMENT_RECORD bytes of room stand ahead of it in p. */
struct segment_payload {
	uint8_t *p;                 /* the room, then n bytes */
	size_t n;                   /* 1 to SEGMENT_PAYLOAD_MAX */
	uint8_t digest[HASH_BYTES]; /* SHA-256 of the payload, which needs no lock */
};

void segment_name(char out[static SEGMENT_NAME + 1], uint64_t number);
/* The number that a file's name stands for, 1 to INT64_MAX, or 0. */
uint64_t segment_number(const char *name);

/* Begin s->number in this folder, with the clock and the cuts that are set, by using the file
 * `spare` again (taking its name) or a new one. The header is written, nothing is synced.
 * *ready: bytes that the file has already. 0 or -1. */
int segment_create(struct segment *s, int dir, const char *spare, uint64_t *ready, struct err *e);
/* Open s->number; writable unless the disk is not. 0, 1 when it is no segment (or its own header
 * says so), or -1. Never follows a symlink, nor waits. */
int segment_open(struct segment *s, int dir, struct err *e);
void segment_close(struct segment *s);

/* The bytes that a payload takes, all in all. */
uint64_t segment_span(size_t payload_n);
/* Write a record at this offset. 0 or -1. */
int segment_write(
	const struct segment *s, uint64_t at, struct segment_payload *payload, struct err *e);
/* Read the record at this offset into payload (whose bytes are replaced). 1 with *next behind it, 0
 * when there is no sound one, or -1. */
int segment_read(
	const struct segment *s, uint64_t at, struct buf *payload, uint64_t *next, struct err *e);
/* Make the record at this offset none, and so what is behind it, and sync that. 0 or -1. */
int segment_erase(const struct segment *s, uint64_t at, struct err *e);
/* Make the header void, and sync that. 0 or -1. */
int segment_void(const struct segment *s, struct err *e);
/* Is the file of this name one whose header is void, or was never on disk: a crash left it, and
 * what it holds, if anything, does not count? */
bool segment_is_void(int dir, const char *name);

#endif
