/* Bringing a mailbox's index in line with its folder: after a restart, a crash, a change made by
 * hand, or when the index is missing or damaged. See box.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "files.h"

/* --- one file --- */

static int read_part(int fd, uint8_t *p, size_t cap, off_t offset, size_t *n)
{
	*n = 0;
	while (*n < cap) {
		ssize_t k = pread(fd, p + *n, cap - *n, offset + (off_t)*n);
		if (k < 0 && errno != EINTR) {
			return -1;
		}
		if (k == 0) {
			break;
		}
		*n += k > 0 ? (size_t)k : 0;
	}
	return 0;
}

/* Does the content have as many characters as its header says, and all of them valid? 1, 0, or -1
 * when it cannot be read. */
static int content_agrees(int fd, uint8_t *buf, size_t cap, size_t content_at, uint64_t chars)
{
	struct utf8_counter u = {0};
	off_t at = (off_t)content_at;
	size_t n;

	do {
		if (read_part(fd, buf, cap, at, &n) != 0) {
			return -1;
		}
		if (utf8_feed(&u, buf, n, chars) != n) {
			return 0;
		}
		at += (off_t)n;
	} while (n == cap);
	return u.count == chars && !u.invalid && u.part_n == 0 ? 1 : 0;
}

/* The id and the exact time that were stored with the message, or an id made of what identifies it
 * in this folder, and the time of its text (which says nothing of its zone). */
static void find_id(int fd, const char *name, struct mailbox_meta *meta)
{
	struct hash h;
	uint8_t digest[HASH_BYTES], stored[FILES_XATTR_BYTES];

	if (fd >= 0 && fgetxattr(fd, FILES_XATTR, stored, sizeof stored) == sizeof stored) {
		struct cursor c = cursor_over(stored + MAILBOX_ID_BYTES, 8);
		memcpy(meta->id, stored, sizeof meta->id);
		meta->time_us = (int64_t)get_u64le(&c);
		return;
	}
	hash_begin(&h);
	hash_add(&h, &meta->time_us, sizeof meta->time_us);
	hash_add(&h, name, strlen(name));
	hash_end(&h, digest);
	memcpy(meta->id, digest, sizeof meta->id);
}

static void describe_damaged(const char *name, const struct stat *st, struct mailbox_meta *meta)
{
	*meta = (struct mailbox_meta){.damaged = true,
		.time_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
		.source = "?"};
	(void)escape_text(meta->title, sizeof meta->title, name, strlen(name), false);
}

/* What an open file is. 0, or -1 when the disk would not tell. */
static int describe_open(const struct box_scan *scan, int fd, const char *name, uint8_t *buf,
	struct mailbox_meta *meta, const struct stat *st)
{
	size_t n, content_at;

	if (read_part(fd, buf, MAILBOX_HEAD_MAX, 0, &n) != 0) {
		return -1;
	}
	if (scan->describe(buf, n, meta, NULL, &content_at) != 0) {
		describe_damaged(name, st, meta);
		return 0;
	}
	int agrees = content_agrees(fd, buf, MAILBOX_HEAD_MAX, content_at, meta->chars);
	if (agrees == 0) {
		describe_damaged(name, st, meta);
	}
	return agrees < 0 ? -1 : 0;
}

/* What the file is, opened without following or waiting. buf: MAILBOX_HEAD_MAX bytes of scratch. 1,
 * 0 when it is gone or no regular file, or -1: a fault that may pass says nothing of the file. */
static int describe_file(const struct box *b, const struct box_scan *scan, const char *name,
	uint8_t *buf, struct mailbox_meta *meta, struct stat *st, struct err *e)
{
	int fd = openat(b->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int rc = 1;

	*meta = (struct mailbox_meta){0};
	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) {
		return 0;
	}
	if (fd < 0 && (errno == EACCES || errno == EPERM)) {
		describe_damaged(name, st, meta);
		find_id(fd, name, meta);
		return 1;
	}
	if (fd < 0 || fstat(fd, st) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot open a message");
	} else if (!S_ISREG(st->st_mode)) {
		rc = 0;
	} else if (describe_open(scan, fd, name, buf, meta, st) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read a message");
	} else {
		find_id(fd, name, meta);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

/* --- the folder against the index --- */

struct rescan {
	struct box *b;
	const struct box_scan *scan;
	struct buf old;             /* the index as it was */
	struct index_record *known; /* its records that are not DEAD, by name; point into old */
	size_t known_n, known_cap;
	struct buf fresh; /* the records to be, in the folder's order */
	struct buf order; /* a uint64_t for each: where it was listed before; UINT64_MAX: nowhere */
	bool must_sync;   /* what is about to be listed may not be on disk yet */
	uint8_t scratch[MAILBOX_HEAD_MAX];
};

static int by_name(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;
	size_t n = x->name_n < y->name_n ? x->name_n : y->name_n;
	int d = memcmp(x->name, y->name, n);

	return d != 0 ? d : (x->name_n > y->name_n) - (x->name_n < y->name_n);
}

static int load_known(struct rescan *rs, struct err *e)
{
	struct index_record r;
	size_t at = 0;

	if (index_load(&rs->b->ix, &rs->old, e) != 0) {
		return -1;
	}
	while (index_next(&rs->old, &at, &r) >
		0) { /* what stands behind damage is found in the folder */
		if (r.state == INDEX_DEAD) {
			continue;
		}
		if (rs->known_n == rs->known_cap) {
			size_t cap = rs->known_cap == 0 ? 64 : 2 * rs->known_cap;
			struct index_record *p = reallocarray(rs->known, cap, sizeof *p);
			if (p == NULL) {
				return err_set(e, EX_TEMPFAIL, "out of memory");
			}
			rs->known = p;
			rs->known_cap = cap;
		}
		rs->known[rs->known_n++] = r;
	}
	if (rs->known_n > 0) {
		qsort(rs->known, rs->known_n, sizeof *rs->known, by_name);
	}
	return 0;
}

/* A file that the index knows, and still the same one: keep its record. */
static bool keep_known(
	struct rescan *rs, const char *name, const struct stat *st, struct index_record *r)
{
	struct index_record key = {.name = name, .name_n = strlen(name)};
	struct index_record *found =
		rs->known_n == 0 ? NULL
				 : bsearch(&key, rs->known, rs->known_n, sizeof key, by_name);

	if (found == NULL || found->damaged || !box_same_file(&found->file, st)) {
		return false;
	}
	*r = *found;
	if (r->state == INDEX_PENDING && !box_is_delivering(rs->b, r)) {
		r->state = INDEX_LIVE;
		r->offset = UINT64_MAX; /* nobody has seen it yet */
		rs->must_sync = true;
	}
	return true;
}

static int take_file(struct rescan *rs, const char *name, struct err *e)
{
	struct mailbox_meta meta;
	struct index_record r;
	struct stat st;

	if (fstatat(rs->b->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
		return 0; /* gone meanwhile; or a symlink, FIFO, folder: skipped */
	}
	if (!keep_known(rs, name, &st, &r)) {
		int rc = describe_file(rs->b, rs->scan, name, rs->scratch, &meta, &st, e);
		if (rc <= 0) {
			return rc;
		}
		r = (struct index_record){.state = INDEX_LIVE,
			.damaged = meta.damaged,
			.time_us = meta.time_us,
			.chars = meta.chars,
			.file = box_file(&st),
			.source = meta.source,
			.source_n = strlen(meta.source),
			.title = meta.title,
			.title_n = strlen(meta.title),
			.name = name,
			.name_n = strlen(name),
			.offset = UINT64_MAX};
		memcpy(r.id, meta.id, sizeof r.id);
		rs->must_sync = true; /* who put it there may not have */
	}
	return index_encode(&rs->fresh, &r) == 0 &&
			       buf_append(&rs->order, &r.offset, sizeof r.offset) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int take_folder(struct rescan *rs, struct err *e)
{
	DIR *d = file_read_names(rs->b->dir);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the folder");
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.') {
			rc = take_file(rs, entry->d_name, e);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read the folder");
	}
	(void)closedir(d);
	return rc;
}

/* What was listed before keeps its place, so that nothing new is ahead of what somebody has seen;
 * the new ones follow by time. */
static int by_place(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;

	return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : box_by_time(a, b);
}

/* The records in their order, behind a header. */
static int sort_into(
	const struct buf *fresh, const struct buf *order, struct buf *image, struct err *e)
{
	struct index_record *all = NULL, r;
	uint8_t head[INDEX_HEAD] = {0};
	size_t n = 0, at = 0;
	int rc = -1;

	while (index_next(fresh, &at, &r) > 0) {
		n++;
	}
	all = calloc(n + 1, sizeof *all);
	if (all == NULL || buf_append(image, head, sizeof head) != 0) {
		goto out;
	}
	for (at = 0, n = 0; index_next(fresh, &at, &all[n]) > 0; n++) {
		memcpy(&all[n].offset, order->p + n * sizeof all[n].offset, sizeof all[n].offset);
	}
	qsort(all, n, sizeof *all, by_place);
	for (size_t i = 0; i < n; i++) {
		if (index_encode(image, &all[i]) != 0) {
			goto out;
		}
	}
	rc = 0;
out:
	free(all);
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* Write it in place: dirty first and clean last, so a crash between is noticed. What fails here is
 * a cache that stays dirty; the listing goes on with the image in memory. */
static void write_back(const struct box *b, struct index_head *head, const struct buf *image)
{
	if (b->ix.fd < 0 || !b->ix.writable) {
		return;
	}
	head->dirty = true;
	if (index_write_head(&b->ix, head, NULL) != 0 || ftruncate(b->ix.fd, INDEX_HEAD) != 0 ||
		lseek(b->ix.fd, INDEX_HEAD, SEEK_SET) != INDEX_HEAD ||
		file_write_all(b->ix.fd, image->p + INDEX_HEAD, image->n - INDEX_HEAD) != 0) {
		return;
	}
	head->dirty = false;
	(void)index_write_head(&b->ix, head, NULL);
}

int box_rescan(struct box *b, const struct box_scan *scan, struct buf *image, struct err *e)
{
	struct index_head head = {.epoch = scan->epoch};
	struct rescan *rs = calloc(1, sizeof *rs);
	int rc = -1;

	if (rs == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rs->b = b;
	rs->scan = scan;
	box_folder_time(b, &head); /* before the look: a later change is seen next time */
	if (load_known(rs, e) == 0 &&
		buf_append(&rs->fresh, (uint8_t[INDEX_HEAD]){0}, INDEX_HEAD) == 0 &&
		take_folder(rs, e) == 0 && (!rs->must_sync || file_sync(b->dir, b->user, e) == 0)) {
		rc = sort_into(&rs->fresh, &rs->order, image, e);
	}
	if (rc == 0) {
		write_back(b, &head, image);
	}
	free(rs->known);
	buf_free(&rs->old);
	buf_free(&rs->fresh);
	buf_free(&rs->order);
	free(rs);
	return rc;
}
