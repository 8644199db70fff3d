/* Hash tables on disk; see table.h for the layout. */
#include "table.h"

#include <errno.h>

#include "../crypto/hash.h"
#include "../crypto/random.h"

enum {
	MAGIC = 8,
	BLOCKS_AT = MAGIC,
	KEY_AT = BLOCKS_AT + 4,
	CHECK_AT = KEY_AT + TABLE_KEY,
	COUNT_AT = CHECK_AT + 4,
	SUSPECT_AT = COUNT_AT + 4,
	HEAD = SUSPECT_AT + 4,
	IMAGE_MAX = 512 /* blocks */
};

/* --- bytes of the file --- */

/* What lies behind its end is 0. */
static int read_at(int fd, uint8_t *p, size_t n, off_t at)
{
	size_t have = 0;

	while (have < n) {
		ssize_t k = pread(fd, p + have, n - have, at + (off_t)have);
		if (k < 0 && errno != EINTR) {
			return -1;
		}
		if (k == 0) {
			break;
		}
		have += k > 0 ? (size_t)k : 0;
	}
	memset(p + have, 0, n - have);
	return 0;
}

static int write_at(int fd, const uint8_t *p, size_t n, off_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = pwrite(fd, p + done, n - done, at + (off_t)done);
		if (k < 0 && errno != EINTR) {
			return -1;
		}
		done += k > 0 ? (size_t)k : 0;
	}
	return 0;
}

static off_t block_at(uint32_t block)
{
	return ((off_t)block + 1) * TABLE_BLOCK;
}

/* The block number i of those that may hold an entry. */
static uint32_t probe(const struct table *t, const uint8_t *entry, uint32_t i)
{
	struct cursor c = cursor_over(entry, 4);
	uint32_t home = (uint32_t)((uint64_t)get_u32le(&c) * t->blocks >> 32);

	return (home + i) % t->blocks;
}

static uint32_t probes(const struct table *t)
{
	return t->blocks < TABLE_PROBES ? t->blocks : TABLE_PROBES;
}

static bool is_free(const struct table_kind *kind, const uint8_t *entry)
{
	static const uint8_t nothing[TABLE_ENTRY];

	return memcmp(entry, nothing, kind->tag_n) == 0;
}

/* --- head --- */

static int write_u32(const struct table *t, off_t at, uint32_t v)
{
	uint8_t raw[4];

	put_u32le(raw, v);
	return write_at(t->fd, raw, sizeof raw, at);
}

int table_open(struct table *t, const struct table_kind *kind, int fd)
{
	uint8_t raw[HEAD] = {0};
	struct cursor c = cursor_over(raw + BLOCKS_AT, HEAD - BLOCKS_AT);
	uint32_t check;

	*t = (struct table){.kind = kind, .fd = fd};
	if (read_at(fd, raw, sizeof raw, 0) != 0) {
		return -1;
	}
	t->blocks = get_u32le(&c);
	memcpy(t->key, get_bytes(&c, TABLE_KEY), TABLE_KEY);
	check = get_u32le(&c);
	t->count = get_u32le(&c);
	t->suspect = get_u32le(&c) != 0;
	if (t->count / TABLE_IN_BLOCK >= t->blocks) { /* damaged: it seems full, no more */
		t->count = t->blocks * TABLE_IN_BLOCK;
	}
	return memcmp(raw, kind->magic, MAGIC) == 0 && check == fnv1a(raw, CHECK_AT) &&
			       t->blocks > 0 && t->blocks <= TABLE_BLOCKS_MAX
		       ? 1
		       : 0;
}

static int write_head(const struct table *t)
{
	uint8_t raw[HEAD] = {0};

	memcpy(raw, t->kind->magic, MAGIC);
	put_u32le(raw + BLOCKS_AT, t->blocks);
	memcpy(raw + KEY_AT, t->key, TABLE_KEY);
	put_u32le(raw + CHECK_AT, fnv1a(raw, CHECK_AT));
	put_u32le(raw + COUNT_AT, t->count);
	return write_at(t->fd, raw, sizeof raw, 0);
}

int table_set_count(struct table *t, uint32_t count)
{
	t->count = count;
	return write_u32(t, COUNT_AT, count);
}

int table_set_suspect(struct table *t)
{
	t->suspect = true;
	return write_u32(t, SUSPECT_AT, 1);
}

/* --- entries --- */

void table_entry(const struct table *t, const uint8_t id[static MAILBOX_ID_BYTES],
	const uint8_t *value, uint8_t out[static TABLE_ENTRY])
{
	const size_t tag_n = t->kind->tag_n;
	uint8_t hash[HASH_BYTES];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, t->key, sizeof t->key);
	hash_add(&h, id, MAILBOX_ID_BYTES);
	hash_end(&h, hash);
	memset(out, 0, TABLE_ENTRY);
	memcpy(out, hash, tag_n);
	if (is_free(t->kind, out)) {
		out[tag_n - 1] = 1;
	}
	if (value != NULL) {
		memcpy(out + tag_n, value, TABLE_ENTRY - tag_n);
	}
}

/* Where an entry stands, or may: -1 for neither. */
struct place {
	off_t at, free_at;
	uint8_t found[TABLE_ENTRY];
};

/* 0, or -1 with errno. */
static int look_up(const struct table *t, const uint8_t *entry, struct place *place)
{
	uint8_t block[TABLE_BLOCK];

	place->at = place->free_at = -1;
	for (uint32_t i = 0; i < probes(t) && place->free_at < 0; i++) {
		const off_t from = block_at(probe(t, entry, i));
		if (read_at(t->fd, block, sizeof block, from) != 0) {
			return -1;
		}
		for (off_t k = 0; k < TABLE_BLOCK; k += TABLE_ENTRY) {
			if (memcmp(block + k, entry, t->kind->tag_n) == 0) {
				place->at = from + k;
				memcpy(place->found, block + k, TABLE_ENTRY);
				return 0;
			}
			if (place->free_at < 0 && is_free(t->kind, block + k)) {
				place->free_at = from + k;
			}
		}
	}
	return 0;
}

int table_find(const struct table *t, const uint8_t entry[static TABLE_ENTRY],
	uint8_t found[static TABLE_ENTRY])
{
	struct place place;

	if (look_up(t, entry, &place) != 0) {
		return -1;
	}
	if (place.at < 0) {
		return 0;
	}
	memcpy(found, place.found, TABLE_ENTRY);
	return 1;
}

int table_put(const struct table *t, const uint8_t entry[static TABLE_ENTRY])
{
	struct place place;

	if (look_up(t, entry, &place) != 0) {
		return -1;
	}
	if (place.at >= 0) {
		return memcmp(place.found, entry, TABLE_ENTRY) == 0 ||
				       write_at(t->fd, entry, TABLE_ENTRY, place.at) == 0
			       ? TABLE_PRESENT
			       : -1;
	}
	if (place.free_at < 0) {
		return TABLE_FULL;
	}
	return write_at(t->fd, entry, TABLE_ENTRY, place.free_at) == 0 ? TABLE_ADDED : -1;
}

/* --- a whole new one --- */

int table_begin(struct table_new *n, const struct table_kind *kind, int fd, uint32_t blocks,
	const uint8_t *key)
{
	*n = (struct table_new){.t = {.kind = kind, .fd = fd, .blocks = blocks}, .failed = true};
	if (blocks == 0 || blocks > TABLE_BLOCKS_MAX) {
		errno = EFBIG;
		return -1;
	}
	if (key != NULL) {
		memcpy(n->t.key, key, TABLE_KEY);
	} else if (random_bytes(n->t.key, TABLE_KEY, NULL) != 0) {
		errno = EAGAIN;
		return -1;
	}
	n->used = calloc(blocks, sizeof *n->used);
	n->image = blocks <= IMAGE_MAX ? calloc(blocks, TABLE_BLOCK) : NULL;
	if (n->used == NULL || (blocks <= IMAGE_MAX && n->image == NULL)) {
		return -1;
	}
	n->failed = ftruncate(fd, block_at(blocks)) != 0;
	return n->failed ? -1 : 0;
}

void table_add(struct table_new *n, const uint8_t entry[static TABLE_ENTRY])
{
	for (uint32_t i = 0; !n->failed && i < probes(&n->t); i++) {
		const uint32_t block = probe(&n->t, entry, i);
		const size_t at = (size_t)n->used[block] * TABLE_ENTRY;
		if (at == TABLE_BLOCK) {
			continue;
		}
		n->used[block]++;
		n->t.count++;
		if (n->image != NULL) {
			memcpy(n->image + (size_t)block * TABLE_BLOCK + at, entry, TABLE_ENTRY);
			return;
		}
		n->failed = write_at(n->t.fd, entry, TABLE_ENTRY, block_at(block) + (off_t)at) != 0;
		return;
	}
}

int table_add_all(struct table_new *n, const struct table *from)
{
	uint8_t block[TABLE_BLOCK];

	for (uint32_t i = 0; i < from->blocks; i++) {
		if (read_at(from->fd, block, sizeof block, block_at(i)) != 0) {
			return -1;
		}
		for (size_t k = 0; k < TABLE_BLOCK; k += TABLE_ENTRY) {
			if (!is_free(from->kind, block + k)) {
				table_add(n, block + k);
			}
		}
	}
	return 0;
}

/* Blocks without an entry stay holes. */
static int write_image(const struct table_new *n)
{
	for (uint32_t i = 0; i < n->t.blocks; i++) {
		if (n->used[i] > 0 && write_at(n->t.fd, n->image + (size_t)i * TABLE_BLOCK,
					      TABLE_BLOCK, block_at(i)) != 0) {
			return -1;
		}
	}
	return 0;
}

int table_finish(struct table_new *n)
{
	int saved;

	if (!n->failed && n->image != NULL) {
		n->failed = write_image(n) != 0;
	}
	n->failed = n->failed || write_head(&n->t) != 0;
	saved = errno;
	free(n->used);
	free(n->image);
	n->used = NULL;
	n->image = NULL;
	errno = saved;
	return n->failed ? -1 : 0;
}
