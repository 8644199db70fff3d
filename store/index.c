/* The mailbox index: encoding, appending, reading; see index.h for the layout. Policy (when it is
 * current, what a rebuild does) is in box.c. */
#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "filename.h"

static const char magic[8] = {'S', '3', '6', '1', 'I', 'D', 'X', '4'};

enum { STATE_AT = 8, SUMMED_FROM = 9 };

static int open_regular(int dir, int how, int *fd)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	struct stat st;

	*fd = openat(dir, ".index", how | flags, 0600);
	if (*fd >= 0) {
		int why = fstat(*fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : ELOOP;
		if (why != 0) {
			(void)close(*fd);
			*fd = -1;
			errno = why;
		}
	}
	return *fd >= 0 ? 0 : -1;
}

/* What is no regular file is moved aside, once: a cache must not stand in the mail's way. */
int index_open(struct index *ix, int dir, struct err *e)
{
	int rc = open_regular(dir, O_RDWR | O_CREAT, &ix->fd);

	if (rc != 0 && (errno == ELOOP || errno == ENXIO || errno == EISDIR) &&
		renameat(dir, ".index", dir, ".index.bad") == 0) {
		rc = open_regular(dir, O_RDWR | O_CREAT, &ix->fd);
	}
	if (rc != 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		return err_sys(e, EX_TEMPFAIL, "cannot open .index");
	}
	ix->writable = rc == 0;
	ix->why = rc == 0 ? 0 : errno;
	if (rc != 0) {
		(void)open_regular(dir, O_RDONLY, &ix->fd);
	}
	return 0;
}

int index_look(struct index *ix, int dir, struct err *e)
{
	ix->writable = false;
	if (open_regular(dir, O_RDONLY, &ix->fd) != 0 &&
		(errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		return err_sys(e, EX_TEMPFAIL, "cannot open .index");
	}
	return 0;
}

void index_close(struct index *ix)
{
	if (ix->fd >= 0) {
		(void)close(ix->fd); /* a cache: what did not reach the disk is rebuilt */
	}
	ix->fd = -1;
	ix->writable = false;
}

int index_lock(const struct index *ix, bool exclusive, struct err *e)
{
	int rc;

	if (ix->fd < 0) {
		return 0;
	}
	do {
		rc = flock(ix->fd, exclusive ? LOCK_EX : LOCK_SH);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : err_sys(e, EX_TEMPFAIL, "cannot lock .index");
}

/* A lock that cannot be given back would have everybody wait for good, this process too: it goes
 * with the file. */
void index_unlock(struct index *ix)
{
	if (ix->fd >= 0 && flock(ix->fd, LOCK_UN) != 0) {
		int why = errno;
		index_close(ix);
		ix->why = why;
	}
}

enum { FLAGS_AT = 28 };

/* A damaged header would let messages of the journal be overlooked: its sum, but for the last bit.
 */
static uint32_t head_flags(uint8_t raw[static INDEX_HEAD], bool dirty)
{
	put_u32le(raw + FLAGS_AT, 0);
	return (fnv1a(raw, INDEX_HEAD) & ~1u) | (dirty ? 1 : 0);
}

int index_read_head(const struct index *ix, struct index_head *h)
{
	uint8_t raw[INDEX_HEAD];
	uint32_t flags;
	ssize_t n;

	*h = (struct index_head){0};
	n = ix->fd < 0 ? 0 : file_read_at(ix->fd, raw, sizeof raw, 0);
	if (n != (ssize_t)sizeof raw || memcmp(raw, magic, sizeof magic) != 0) {
		return n < 0 ? -1 : 1;
	}
	struct cursor c = cursor_over(raw + sizeof magic, sizeof raw - sizeof magic);
	h->epoch = get_u64le(&c);
	h->mtime_s = get_u64le(&c);
	h->mtime_ns = get_u32le(&c);
	flags = get_u32le(&c);
	h->dirty = (flags & 1) != 0;
	h->unsettled_from = get_u64le(&c);
	h->counted_to = get_u64le(&c);
	h->usage.messages = get_u64le(&c);
	h->usage.bytes = get_u64le(&c);
	h->suspicion = get_u32le(&c);
	if (flags != head_flags(raw, h->dirty)) {
		*h = (struct index_head){0};
		return 1;
	}
	return 0;
}

static int write_at(const struct index *ix, const void *p, size_t n, uint64_t offset, struct err *e)
{
	return file_write_at(ix->fd, p, n, offset) == 0
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot write .index");
}

int index_write_head(const struct index *ix, const struct index_head *h, struct err *e)
{
	uint8_t raw[INDEX_HEAD] = {0};

	memcpy(raw, magic, sizeof magic);
	put_u64le(raw + 8, h->epoch);
	put_u64le(raw + 16, h->mtime_s);
	put_u32le(raw + 24, h->mtime_ns);
	put_u64le(raw + 32, h->unsettled_from);
	put_u64le(raw + 40, h->counted_to);
	put_u64le(raw + 48, h->usage.messages);
	put_u64le(raw + 56, h->usage.bytes);
	put_u32le(raw + 64, h->suspicion);
	put_u32le(raw + FLAGS_AT, head_flags(raw, h->dirty));
	return write_at(ix, raw, sizeof raw, 0, e);
}

int index_encode(struct buf *out, const struct index_record *r)
{
	uint8_t f[INDEX_FIXED] = {0};
	size_t n = sizeof f + r->source_n + r->title_n + r->name_n, at = out->n;

	put_u32le(f, (uint32_t)n);
	f[STATE_AT] = (uint8_t)r->state;
	f[9] = r->damaged ? 1 : 0;
	f[10] = (uint8_t)r->source_n;
	put_u16le(f + 12, (uint16_t)r->title_n);
	put_u16le(f + 14, (uint16_t)r->name_n);
	put_u32le(f + 16, r->copy);
	memcpy(f + 20, r->id, MAILBOX_ID_BYTES);
	put_u64le(f + 36, (uint64_t)r->time_us);
	put_u64le(f + 44, r->chars);
	put_u64le(f + 52, r->file.bytes);
	put_u64le(f + 60, r->file.inode);
	put_u64le(f + 68, (uint64_t)r->file.mtime_ns);
	if (buf_reserve(out, n) != 0) {
		return -1;
	}
	(void)buf_append(out, f, sizeof f);
	(void)buf_append(out, r->source, r->source_n);
	(void)buf_append(out, r->title, r->title_n);
	(void)buf_append(out, r->name, r->name_n);
	put_u32le(out->p + at + 4, fnv1a(out->p + at + SUMMED_FROM, n - SUMMED_FROM));
	return 0;
}

/* One record from the start of c; its offset is the caller's to know. 1, or -1. */
static int decode(struct cursor *c, struct index_record *r)
{
	const uint8_t *start = c->p, *id;
	uint32_t n = get_u32le(c), sum = get_u32le(c);

	if (n < INDEX_FIXED || n > INDEX_RECORD_MAX || n - STATE_AT > cursor_left(c) ||
		sum != fnv1a(start + SUMMED_FROM, n - SUMMED_FROM)) {
		return -1;
	}
	r->state = (enum index_state)get_u8(c);
	r->damaged = get_u8(c) != 0;
	r->source_n = get_u8(c);
	(void)get_u8(c);
	r->title_n = get_u16le(c);
	r->name_n = get_u16le(c);
	r->copy = get_u32le(c);
	id = get_bytes(c, MAILBOX_ID_BYTES);
	r->time_us = (int64_t)get_u64le(c);
	r->chars = get_u64le(c);
	r->file.bytes = get_u64le(c);
	r->file.inode = get_u64le(c);
	r->file.mtime_ns = (int64_t)get_u64le(c);
	r->source = (const char *)get_bytes(c, r->source_n);
	r->title = (const char *)get_bytes(c, r->title_n);
	r->name = (const char *)get_bytes(c, r->name_n);
	if (c->failed || (size_t)(c->p - start) != n || r->source_n > USER_NAME_MAX ||
		r->title_n > MAILBOX_TITLE_ROOM || r->name_n > 255 ||
		(r->state != INDEX_LIVE && r->state != INDEX_JOURNAL && r->state != INDEX_DEAD)) {
		return -1;
	}
	memcpy(r->id, id, MAILBOX_ID_BYTES);
	return 1;
}

int index_append(
	const struct index *ix, const struct index_record *r, uint64_t *offset, struct err *e)
{
	struct buf record = {0};
	off_t end = lseek(ix->fd, 0, SEEK_END);
	int rc = -1;

	if (end < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot append to .index");
	}
	end = end < INDEX_HEAD ? INDEX_HEAD : end;
	if (index_encode(&record, r) != 0) {
		err_set(e, EX_TEMPFAIL, "cannot append to .index: out of memory");
	} else if (write_at(ix, record.p, record.n, (uint64_t)end, e) != 0) {
		(void)!ftruncate(ix->fd, end);
	} else {
		*offset = (uint64_t)end;
		rc = 0;
	}
	buf_free(&record);
	return rc;
}

int index_load_from(const struct index *ix, uint64_t offset, struct buf *image, struct err *e)
{
	struct stat st;
	ssize_t n;

	image->n = 0;
	if (ix->fd < 0) {
		return 0;
	}
	if (fstat(ix->fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot read .index");
	}
	if (st.st_size > INDEX_FILE_MAX || (uint64_t)st.st_size <= offset) {
		return 0;
	}
	if (buf_reserve(image, (size_t)st.st_size - offset) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot read .index: out of memory");
	}
	n = file_read_at(ix->fd, image->p, (size_t)st.st_size - offset, offset);
	if (n < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot read .index");
	}
	image->n = (size_t)n;
	return 0;
}

int index_load(const struct index *ix, struct buf *image, struct err *e)
{
	return index_load_from(ix, 0, image, e);
}

int index_next(const struct buf *image, size_t *at, struct index_record *r)
{
	if (*at >= image->n) {
		return 0;
	}
	struct cursor c = cursor_over(image->p + *at, image->n - *at);
	if (decode(&c, r) < 0) {
		return -1;
	}
	r->offset = *at;
	*at = image->n - c.n;
	return 1;
}

bool index_find_at(const struct index *ix, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r)
{
	ssize_t k;

	if (ref->where < INDEX_HEAD || buf_reserve(scratch, INDEX_RECORD_MAX) != 0) {
		return false;
	}
	k = file_read_at(ix->fd, scratch->p, INDEX_RECORD_MAX, ref->where);
	struct cursor c = cursor_over(scratch->p, k < 0 ? 0 : (size_t)k);
	if (decode(&c, r) < 0 || memcmp(r->id, ref->id, sizeof r->id) != 0) {
		return false;
	}
	r->offset = ref->where;
	return true;
}

bool index_search(const struct buf *image, size_t from, const uint8_t id[static MAILBOX_ID_BYTES],
	struct index_record *r)
{
	while (index_next(image, &from, r) > 0) {
		if (r->state != INDEX_DEAD && memcmp(r->id, id, sizeof r->id) == 0) {
			return true;
		}
	}
	return false;
}

int index_find(const struct index *ix, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r, struct err *e)
{
	if (ix->fd < 0) {
		return 0;
	}
	if (index_find_at(ix, ref, scratch, r)) {
		return 1;
	}
	if (index_load(ix, scratch, e) != 0) {
		return -1;
	}
	return index_search(scratch, INDEX_HEAD, ref->id, r) ? 1 : 0;
}

int index_set_state(const struct index *ix, uint64_t offset, enum index_state state, struct err *e)
{
	uint8_t byte = (uint8_t)state;

	return write_at(ix, &byte, 1, offset + STATE_AT, e);
}

int index_replace(const struct index *ix, const struct index_record *r, struct err *e)
{
	struct buf record = {0};
	int rc = index_encode(&record, r);

	rc = rc == 0 ? write_at(ix, record.p, record.n, r->offset, e)
		     : err_set(e, EX_TEMPFAIL, "cannot write .index: out of memory");
	buf_free(&record);
	return rc;
}

void index_name(const struct index_record *r, char out[static NAME_MAX + 1])
{
	char source[USER_NAME_MAX + 1], title[MAILBOX_TITLE_ROOM + 1];

	if (r->name_n > 0) {
		memcpy(out, r->name, r->name_n);
		out[r->name_n] = '\0';
		return;
	}
	memcpy(source, r->source, r->source_n);
	source[r->source_n] = '\0';
	memcpy(title, r->title, r->title_n);
	title[r->title_n] = '\0';
	filename_make(out, source, title, r->copy);
}
