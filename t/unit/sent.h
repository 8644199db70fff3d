/* What the tests of the ids that were sent share: claiming, noting, and whole files of ids. */
#ifndef T_SENT_H
#define T_SENT_H

#include "unit.h"

#include "../../store/sent.h"
#include "../../store/table.h"

#define NEWER SENT_FOLDER "/client1"
#define OLDER SENT_FOLDER "/client1.old"

enum { FORMER_RECORD = 17, TABLE_HEAD = 28 }; /* bytes, ahead of its checksum */

static struct err e;
static bool known;
static const char *user = "client1";

static inline void make_id(uint8_t id[static MAILBOX_ID_BYTES], uint32_t seed)
{
	fill_pattern(id, MAILBOX_ID_BYTES, seed);
}

/* Claim and release; send: it was sent in between. */
static inline int claim(uint32_t seed, bool send)
{
	uint8_t id[MAILBOX_ID_BYTES];
	struct sent s;
	int rc;

	make_id(id, seed);
	rc = sent_claim(&s, folder.fd, user, id, &known, &e);
	if (rc == 0 && send && !known) {
		rc = sent_add(&s, id, &e);
	}
	sent_release(&s);
	return rc;
}

static inline int note(uint32_t seed)
{
	uint8_t id[MAILBOX_ID_BYTES];

	make_id(id, seed);
	return sent_note(folder.fd, user, id, &e);
}

static inline void send_it(uint32_t seed)
{
	if (claim(seed, true) != 0) {
		fail_msg("%s", e.text);
	}
	assert_false(known);
}

static inline void assert_known(uint32_t seed, bool wanted)
{
	if (claim(seed, false) != 0) {
		fail_msg("%s", e.text);
	}
	if (known != wanted) {
		fail_msg("%u is %sknown", seed, known ? "" : "not ");
	}
}

static inline struct stat stat_of(const char *path)
{
	struct stat st;

	if (fstatat(folder.fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		fail_msg("%s: %s", path, strerror(errno));
	}
	return st;
}

static inline void make_folder(void)
{
	assert_int_equal(mkdirat(folder.fd, SENT_FOLDER, 0700), 0);
}

/* A file of so many blocks, with the ids first..first + n - 1. */
static inline void fill_file(const char *path, uint32_t first, uint32_t n, uint32_t blocks)
{
	static const struct table_kind kind = {.magic = "S361SNT2", .tag_n = TABLE_ENTRY};
	int fd = openat(folder.fd, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint8_t id[MAILBOX_ID_BYTES], entry[TABLE_ENTRY];
	struct table_new new;

	assert_int_equal(table_begin(&new, &kind, fd, blocks, NULL), 0);
	for (uint32_t i = 0; i < n; i++) {
		make_id(id, first + i);
		table_entry(&new.t, id, NULL, entry);
		table_add(&new, entry);
	}
	assert_int_equal(table_finish(&new), 0);
	assert_int_equal(new.t.count, n);
	(void)close(fd);
}

/* The former layout: all sent but each seventh, which was only begun, and `more` bytes of another
 * record. */
static inline void fill_former(const char *path, uint32_t first, uint32_t n, size_t more)
{
	uint8_t *p = malloc((size_t)n * FORMER_RECORD + more + 1);

	for (uint32_t i = 0; i < n; i++) {
		make_id(p + (size_t)i * FORMER_RECORD, first + i);
		p[(size_t)i * FORMER_RECORD + MAILBOX_ID_BYTES] = i % 7 == 6 ? 'B' : 'D';
	}
	memset(p + (size_t)n * FORMER_RECORD, 'D', more);
	spew(path, p, (size_t)n * FORMER_RECORD + more);
	free(p);
}

/* The blocks and the count that the head tells. */
static inline void assert_head(const char *path, uint32_t blocks, uint32_t count)
{
	uint8_t raw[36] = {0};
	struct cursor c = cursor_over(raw + 8, 4), k = cursor_over(raw + 32, 4);
	int fd = openat(folder.fd, path, O_RDONLY);

	assert_int_equal(pread(fd, raw, sizeof raw, 0), sizeof raw);
	(void)close(fd);
	assert_memory_equal(raw, "S361SNT2", 8);
	assert_int_equal(get_u32le(&c), blocks);
	assert_int_equal(get_u32le(&k), count);
	assert_int_equal(stat_of(path).st_size, ((off_t)blocks + 1) * TABLE_BLOCK);
}

#endif
