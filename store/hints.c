/* Hints of where a message's record stands; see hints.h. */
#include "hints.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define NEW_FILE HINTS_FILE ".new"

/* 8 bytes of tag are enough for a hint, and leave 8 for the offset. */
static const struct table_kind kind = {.magic = "S361IDS1", .tag_n = 8};

/* Entries to a block when a table holds all that it was made for: far enough from 256 that no four
 * blocks in a row are full then. */
enum { FILLED = 176 };

void hints_open(struct hints *h, int dir)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	struct stat st;
	int fd = openat(dir, HINTS_FILE, O_RDWR | flags);

	*h = (struct hints){.t = {.fd = -1}, .writable = fd >= 0};
	if (fd < 0) {
		fd = openat(dir, HINTS_FILE, O_RDONLY | flags);
	}
	if (fd < 0) {
		return;
	}
	h->usable = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && table_open(&h->t, &kind, fd) > 0;
	h->t.fd = fd;
}

void hints_close(struct hints *h)
{
	if (h->t.fd >= 0) {
		(void)close(h->t.fd);
	}
	*h = (struct hints){.t = {.fd = -1}};
}

bool hints_find(const struct hints *h, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t *where)
{
	uint8_t entry[TABLE_ENTRY], found[TABLE_ENTRY] = {0};
	struct cursor c = cursor_over(found + kind.tag_n, sizeof found - kind.tag_n);

	if (!h->usable) {
		return false;
	}
	table_entry(&h->t, id, NULL, entry);
	if (table_find(&h->t, entry, found) <= 0) {
		return false;
	}
	*where = get_u64le(&c);
	return true;
}

static void make_entry(const struct table *t, const uint8_t *id, uint64_t where, uint8_t *out)
{
	uint8_t value[8];

	put_u64le(value, where);
	table_entry(t, id, value, out);
}

int hints_put(const struct hints *h, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t where)
{
	uint8_t entry[TABLE_ENTRY];
	int rc;

	if (!h->usable) {
		return 1;
	}
	if (!h->writable) {
		return -1;
	}
	make_entry(&h->t, id, where, entry);
	rc = table_put(&h->t, entry);
	return rc < 0 ? -1 : rc == TABLE_FULL ? 1 : 0;
}

int hints_begin(struct hints_new *n, int dir, uint64_t count)
{
	const uint64_t blocks = count / (FILLED / 2) + 1;
	struct stat st;

	*n = (struct hints_new){.dir = dir, .fd = -1, .n = {.failed = true}};
	if (blocks > TABLE_BLOCKS_MAX || (unlinkat(dir, NEW_FILE, 0) != 0 && errno != ENOENT)) {
		return -1;
	}
	/* better now than when all has been added */
	if (fstatat(dir, HINTS_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
		return -1;
	}
	n->fd = openat(dir, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return n->fd < 0 ? -1 : table_begin(&n->n, &kind, n->fd, (uint32_t)blocks, NULL);
}

void hints_add(struct hints_new *n, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t where)
{
	uint8_t entry[TABLE_ENTRY];

	if (!n->n.failed) {
		make_entry(&n->n.t, id, where, entry);
		table_add(&n->n, entry);
	}
}

int hints_finish(struct hints_new *n, bool keep)
{
	int rc = -1;

	if (n->fd < 0) {
		return -1;
	}
	rc = table_finish(&n->n);
	rc = close(n->fd) != 0 ? -1 : rc;
	n->fd = -1;
	if (rc == 0 && keep) {
		rc = renameat(n->dir, NEW_FILE, n->dir, HINTS_FILE);
	}
	if (rc != 0 || !keep) {
		(void)unlinkat(n->dir, NEW_FILE, 0);
	}
	return rc;
}
