/* What a file in a mailbox says of itself; see box.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "box.h"
#include "spool.h"

/* Does the content have as many characters as its header says, and all of them valid? 1, 0, or -1
 * when it cannot be read. */
static int content_agrees(int fd, uint8_t *buf, size_t cap, size_t content_at, uint64_t chars)
{
	struct utf8_counter u = {0};
	uint64_t at = content_at;
	ssize_t n;

	do {
		n = file_read_at(fd, buf, cap, at);
		if (n < 0) {
			return -1;
		}
		if (utf8_feed(&u, buf, (size_t)n, chars) != (size_t)n) {
			return 0;
		}
		at += (uint64_t)n;
	} while ((size_t)n == cap);
	return u.count == chars && !u.invalid && u.part_n == 0 ? 1 : 0;
}

/* The id and the exact time that were stored with the message, or an id made of what identifies it
 * in this folder, and the time of its text (which says nothing of its zone). 0, or -1 when the disk
 * would not tell: it would be another message by another id. *has_id: was it stored? */
static int find_id(int fd, const char *name, struct mailbox_meta *meta, bool *has_id)
{
	struct hash h;
	uint8_t digest[HASH_BYTES], stored[SPOOL_XATTR_BYTES];
	ssize_t n = fd < 0 ? 0 : fgetxattr(fd, SPOOL_XATTR, stored, sizeof stored);

	*has_id = n == sizeof stored;
	if (n < 0 && file_errno_code(EX_OK) == EX_TEMPFAIL) {
		return -1;
	}
	if (*has_id) {
		struct cursor c = cursor_over(stored + MAILBOX_ID_BYTES, 8);
		memcpy(meta->id, stored, sizeof meta->id);
		meta->time_us = (int64_t)get_u64le(&c);
		return 0;
	}
	hash_begin(&h);
	hash_add(&h, &meta->time_us, sizeof meta->time_us);
	hash_add(&h, name, strlen(name));
	hash_end(&h, digest);
	memcpy(meta->id, digest, sizeof meta->id);
	return 0;
}

static void describe_damaged(const char *name, const struct stat *st, struct mailbox_meta *meta)
{
	*meta = (struct mailbox_meta){.damaged = true,
		.time_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
		.source = "?"};
	(void)escape_text(meta->title, MAILBOX_TITLE_BYTES + 1, name, strlen(name), false);
}

/* What an open file is. 0, or -1 when the disk would not tell. */
static int describe_open(const struct box_scan *scan, int fd, const char *name, uint8_t *buf,
	struct mailbox_meta *meta, const struct stat *st)
{
	size_t content_at;
	ssize_t n = file_read_at(fd, buf, MAILBOX_HEAD_MAX, 0);

	if (n < 0) {
		return -1;
	}
	if (scan->describe(buf, (size_t)n, meta, NULL, &content_at) != 0) {
		describe_damaged(name, st, meta);
		return 0;
	}
	int agrees = (meta->chars & MAILBOX_COUNTED) != 0
			     ? meta->bytes == (uint64_t)st->st_size
			     : content_agrees(fd, buf, MAILBOX_HEAD_MAX, content_at, meta->chars);
	if (agrees == 0) {
		describe_damaged(name, st, meta);
	}
	return agrees < 0 ? -1 : 0;
}

int box_describe(const struct box *b, const struct box_scan *scan, const char *name, uint8_t *buf,
	struct mailbox_meta *meta, bool *has_id, struct stat *st, struct err *e)
{
	int fd = openat(b->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int rc = 1;

	*meta = (struct mailbox_meta){0};
	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) {
		return 0;
	}
	if (fd < 0 && (errno == EACCES || errno == EPERM)) {
		describe_damaged(name, st, meta);
		(void)find_id(fd, name, meta, has_id);
		return 1;
	}
	if (fd < 0 || fstat(fd, st) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot open a message");
	} else if (!S_ISREG(st->st_mode)) {
		rc = 0;
	} else if (describe_open(scan, fd, name, buf, meta, st) != 0 ||
		   find_id(fd, name, meta, has_id) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read a message");
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}
