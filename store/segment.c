/* One file of the journal; see segment.h for its layout. */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "../crypto/random.h"

static const char magic[8] = {'S', '3', '6', '1', 'J', 'R', 'N', '1'};

enum { SUM = 16, SUM_AT = SEGMENT_HEAD - SUM };

/* --- names --- */

void segment_name(char out[static SEGMENT_NAME + 1], uint64_t number)
{
	(void)snprintf(out, SEGMENT_NAME + 1, "%016llx", (unsigned long long)number);
}

uint64_t segment_number(const char *name)
{
	uint8_t raw[8];
	uint64_t n = 0;

	if (strlen(name) != SEGMENT_NAME || hex_decode(raw, sizeof raw, name, SEGMENT_NAME) != 0) {
		return 0;
	}
	for (size_t i = 0; i < sizeof raw; i++) {
		n = n << 8 | raw[i];
	}
	return n <= INT64_MAX ? n : 0; /* there is always a next one */
}

static int fail(const struct segment *s, const char *what, struct err *e)
{
	return err_sys(e, EX_TEMPFAIL, "cannot %s the journal (segment %llu)", what,
		(unsigned long long)s->number);
}

/* --- the header --- */

static void encode_head(const struct segment *s, uint8_t raw[static SEGMENT_HEAD])
{
	uint8_t digest[HASH_BYTES];
	uint8_t *p = raw + 40;

	memset(raw, 0, SEGMENT_HEAD);
	memcpy(raw, magic, sizeof magic);
	put_u64le(raw + 8, s->number);
	memcpy(raw + 16, s->salt, SEGMENT_SALT);
	put_u64le(raw + 32, (uint64_t)s->clock_us);
	for (size_t i = 0; i < SEGMENT_CUTS; i++, p += 16) {
		put_u64le(p, s->cuts[i].number);
		put_u64le(p + 8, s->cuts[i].limit);
	}
	hash_of(raw, SUM_AT, digest);
	memcpy(raw + SUM_AT, digest, SUM);
}

static bool decode_head(struct segment *s, const uint8_t raw[static SEGMENT_HEAD])
{
	struct cursor c = cursor_over(raw + sizeof magic, SEGMENT_HEAD - sizeof magic);
	uint8_t digest[HASH_BYTES];

	hash_of(raw, SUM_AT, digest);
	if (memcmp(raw, magic, sizeof magic) != 0 || memcmp(raw + SUM_AT, digest, SUM) != 0 ||
		get_u64le(&c) != s->number) {
		return false;
	}
	memcpy(s->salt, get_bytes(&c, SEGMENT_SALT), SEGMENT_SALT);
	s->clock_us = (int64_t)get_u64le(&c);
	for (size_t i = 0; i < SEGMENT_CUTS; i++) {
		s->cuts[i].number = get_u64le(&c);
		s->cuts[i].limit = get_u64le(&c);
	}
	return true;
}

int segment_create(struct segment *s, int dir, const char *spare, uint64_t *ready, struct err *e)
{
	char name[SEGMENT_NAME + 1];
	uint8_t raw[SEGMENT_HEAD];
	struct stat st;

	segment_name(name, s->number);
	s->fd = -1;
	if (random_bytes(s->salt, sizeof s->salt, e) != 0) {
		return -1;
	}
	(void)renameat(dir, spare, dir, name); /* or there is none */
	s->fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		return fail(s, "create", e);
	}
	encode_head(s, raw);
	if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
		file_write_at(s->fd, raw, sizeof raw, 0) != 0) {
		(void)fail(s, "write", e);
		segment_close(s);
		return -1;
	}
	*ready = st.st_size > SEGMENT_HEAD ? (uint64_t)st.st_size : SEGMENT_HEAD;
	return 0;
}

int segment_open(struct segment *s, int dir, struct err *e)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	char name[SEGMENT_NAME + 1];
	uint8_t raw[SEGMENT_HEAD];
	struct stat st;
	ssize_t n;

	segment_name(name, s->number);
	s->fd = openat(dir, name, O_RDWR | flags);
	if (s->fd < 0 && (errno == EROFS || errno == EACCES)) {
		s->fd = openat(dir, name, O_RDONLY | flags);
	}
	if (s->fd < 0) {
		bool gone = errno == ENOENT || errno == ELOOP || errno == ENXIO || errno == EISDIR;
		return gone ? 1 : fail(s, "open", e);
	}
	n = fstat(s->fd, &st) != 0 ? -1
	    : !S_ISREG(st.st_mode) ? 0
				   : file_read_at(s->fd, raw, sizeof raw, 0);
	if (n < 0) {
		(void)fail(s, "read", e);
		segment_close(s);
		return -1;
	}
	if (n != sizeof raw || !decode_head(s, raw)) {
		segment_close(s);
		return 1;
	}
	return 0;
}

void segment_close(struct segment *s)
{
	if (s->fd >= 0) {
		(void)close(s->fd); /* what counts was synced */
	}
	s->fd = -1;
}

static int write_zeros(const struct segment *s, uint64_t at, size_t n, struct err *e)
{
	static const uint8_t zeros[SEGMENT_HEAD];

	if (file_write_at(s->fd, zeros, n, at) != 0) {
		return fail(s, "write", e);
	}
	return fdatasync(s->fd) == 0 ? 0 : fail(s, "sync", e);
}

int segment_erase(const struct segment *s, uint64_t at, struct err *e)
{
	return write_zeros(s, at, SEGMENT_RECORD, e);
}

int segment_void(const struct segment *s, struct err *e)
{
	return write_zeros(s, 0, SEGMENT_HEAD, e);
}

bool segment_is_void(int dir, const char *name)
{
	static const uint8_t zeros[SEGMENT_HEAD];
	uint8_t raw[SEGMENT_HEAD];
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	ssize_t n = -1;

	if (fd >= 0) {
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
			n = file_read_at(fd, raw, sizeof raw, 0);
		}
		(void)close(fd);
	}
	return n >= 0 && memcmp(raw, zeros, (size_t)n) == 0;
}

/* --- records --- */

uint64_t segment_span(size_t payload_n)
{
	return (SEGMENT_RECORD + payload_n + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
}

static void sum_of(const struct segment *s, uint64_t at, size_t n,
	const uint8_t digest[static HASH_BYTES], uint8_t out[static HASH_BYTES])
{
	uint8_t place[SEGMENT_SALT + 8 + 8 + 4 + HASH_BYTES];

	memcpy(place, s->salt, SEGMENT_SALT);
	put_u64le(place + 16, s->number);
	put_u64le(place + 24, at);
	put_u32le(place + 32, (uint32_t)n);
	memcpy(place + 36, digest, HASH_BYTES);
	hash_of(place, sizeof place, out);
}

int segment_write(
	const struct segment *s, uint64_t at, struct segment_payload *payload, struct err *e)
{
	uint8_t sum[HASH_BYTES];

	sum_of(s, at, payload->n, payload->digest, sum);
	memset(payload->p, 0, SEGMENT_RECORD);
	memcpy(payload->p, sum, SUM);
	put_u32le(payload->p + SUM, (uint32_t)payload->n);
	return file_write_at(s->fd, payload->p, SEGMENT_RECORD + payload->n, at) == 0
		       ? 0
		       : fail(s, "write", e);
}

int segment_read(
	const struct segment *s, uint64_t at, struct buf *payload, uint64_t *next, struct err *e)
{
	uint8_t head[SEGMENT_RECORD] = {0}, digest[HASH_BYTES], sum[HASH_BYTES];
	ssize_t n = at < SEGMENT_BYTES ? file_read_at(s->fd, head, sizeof head, at) : 0;
	struct cursor c = cursor_over(head + SUM, sizeof head - SUM);
	uint32_t length = get_u32le(&c);

	if (n < 0) {
		return fail(s, "read", e);
	}
	payload->n = 0;
	if (n != sizeof head || length == 0 || length > SEGMENT_PAYLOAD_MAX ||
		segment_span(length) > SEGMENT_BYTES - at) {
		return 0;
	}
	if (buf_reserve(payload, length) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot read the journal: out of memory");
	}
	n = file_read_at(s->fd, payload->p, length, at + SEGMENT_RECORD);
	if (n < 0) {
		return fail(s, "read", e);
	}
	if ((size_t)n != length) {
		return 0;
	}
	hash_of(payload->p, length, digest);
	sum_of(s, at, length, digest, sum);
	if (memcmp(head, sum, SUM) != 0) {
		return 0;
	}
	payload->n = length;
	*next = at + segment_span(length);
	return 1;
}
