/* The index: what is written comes back, and what is damaged is noticed. */
#include "unit.h"

#include <sys/file.h>

#include "../../store/index.h"

enum { N = 3 };

static struct index_record records[N];
static char long_title[MAILBOX_TITLE_ROOM + 1], long_name[256];

static void make_records(void)
{
	memset(long_title, 't', MAILBOX_TITLE_ROOM);
	memset(long_name, 'n', 255);
	static const struct {
		const char *source, *title, *name;
	} texts[N] = {
		{"client1", "Test", "client1_Test.txt"},
		{"abcdefghijklmnopqrstuvwxyz012345", long_title, long_name},
		{"", "", ""},
	};
	for (unsigned i = 0; i < N; i++) {
		records[i] = (struct index_record){.state = i == 1 ? INDEX_JOURNAL : INDEX_LIVE,
			.damaged = i == 2,
			.time_us = i == 2 ? INT64_MIN : INT64_MAX - i,
			.chars = UINT64_MAX - i,
			.file = {.bytes = 1234567890123 + i,
				.inode = UINT64_MAX,
				.mtime_ns = INT64_MIN},
			.source = texts[i].source,
			.source_n = strlen(texts[i].source),
			.title = texts[i].title,
			.title_n = strlen(texts[i].title),
			.name = texts[i].name,
			.name_n = strlen(texts[i].name)};
		fill_pattern(records[i].id, sizeof records[i].id, i);
	}
}

static void make_image(struct buf *image)
{
	uint8_t head[INDEX_HEAD] = {0};

	make_records();
	assert_int_equal(buf_append(image, head, sizeof head), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(index_encode(image, &records[i]), 0);
	}
}

static bool same_text(const char *a, size_t a_n, const char *b, size_t b_n)
{
	return a_n == b_n && memcmp(a, b, a_n) == 0;
}

/* Equal in everything but the state, which is changed in place and has no checksum. */
static bool same(const struct index_record *a, const struct index_record *b)
{
	return a->damaged == b->damaged && a->time_us == b->time_us && a->chars == b->chars &&
	       a->file.bytes == b->file.bytes && a->file.inode == b->file.inode &&
	       a->file.mtime_ns == b->file.mtime_ns && memcmp(a->id, b->id, sizeof a->id) == 0 &&
	       same_text(a->source, a->source_n, b->source, b->source_n) &&
	       same_text(a->title, a->title_n, b->title, b->title_n) &&
	       same_text(a->name, a->name_n, b->name, b->name_n);
}

/* Every record that can be read of it is one that was written, in order. How many; *whole: no
 * damage. */
static int readable(const struct buf *image, bool *whole)
{
	struct index_record r;
	size_t at = INDEX_HEAD;
	int n = 0, rc;

	while ((rc = index_next(image, &at, &r)) > 0) {
		if (n == N || !same(&r, &records[n])) {
			fail_msg("a record that was never written, behind %d good ones", n);
		}
		n++;
	}
	*whole = rc == 0;
	return n;
}

/* A copy of exactly its size, so that the sanitizer guards its end. */
static struct buf exact(const struct buf *image, size_t n)
{
	struct buf b = {.p = malloc(n == 0 ? 1 : n), .n = n, .cap = n};

	assert_non_null(b.p);
	memcpy(b.p, image->p, n);
	return b;
}

static void round_trip(void **state)
{
	struct buf image = {0};
	struct index_record r;
	size_t at = INDEX_HEAD, offset = INDEX_HEAD;
	bool whole;

	(void)state;
	make_image(&image);
	assert_int_equal(readable(&image, &whole), N);
	assert_true(whole);
	for (int i = 0; i < N; i++) {
		assert_int_equal(index_next(&image, &at, &r), 1);
		assert_int_equal(r.state, records[i].state);
		assert_int_equal(r.offset, offset);
		offset += INDEX_FIXED + r.source_n + r.title_n + r.name_n;
		assert_int_equal(at, offset);
	}
	assert_int_equal(index_next(&image, &at, &r), 0);
	assert_int_equal(index_next(&image, &at, &r), 0);
	buf_free(&image);
}

static void truncations(void **state)
{
	struct buf image = {0};
	size_t ends[N + 1] = {INDEX_HEAD};
	bool whole;

	(void)state;
	make_image(&image);
	for (int i = 0; i < N; i++) {
		ends[i + 1] = ends[i] + INDEX_FIXED + records[i].source_n + records[i].title_n +
			      records[i].name_n;
	}
	for (size_t n = 0; n <= image.n; n++) {
		struct buf cut = exact(&image, n);
		int have = readable(&cut, &whole), want = 0;
		while (want < N && ends[want + 1] <= n) {
			want++;
		}
		assert_int_equal(have, want);
		assert_int_equal(whole, n <= INDEX_HEAD || n == ends[want]);
		buf_free(&cut);
	}
	buf_free(&image);
}

static void corruptions(void **state)
{
	struct buf image = {0}, copy;
	struct index_record r;
	bool whole;

	(void)state;
	make_image(&image);
	copy = exact(&image, image.n);
	for (size_t i = INDEX_HEAD; i < copy.n; i++) {
		for (unsigned x = 1; x < 256; x++) {
			copy.p[i] ^= (uint8_t)x;
			int have = readable(&copy, &whole);
			size_t at = INDEX_HEAD, start = 0;
			while (index_next(&copy, &at, &r) > 0) {
				start = at;
			}
			/* all there: then it was a state that became another state */
			if (have == N || whole) {
				size_t k = INDEX_HEAD;
				for (int n = 0; n < N && k + 8 != i; n++) {
					k += INDEX_FIXED + records[n].source_n +
					     records[n].title_n + records[n].name_n;
				}
				assert_int_equal(k + 8, i);
				assert_non_null(strchr("JLD", copy.p[i]));
			} else {
				assert_true(start <= i);
			}
			copy.p[i] ^= (uint8_t)x;
		}
	}
	buf_free(&image);
	buf_free(&copy);
}

/* Lengths that lie, with a checksum that agrees: an attacker can compute it. */
static void lying_lengths(void **state)
{
	static const struct {
		size_t source_n, title_n, name_n;
	} rows[] = {
		{USER_NAME_MAX + 1, 0, 0},
		{0, MAILBOX_TITLE_ROOM + 1, 0},
		{0, 0, 256},
		{USER_NAME_MAX + 1, MAILBOX_TITLE_ROOM, 254},
	};
	static const char text[MAILBOX_TITLE_ROOM + 1];

	(void)state;
	make_records();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf image = {0};
		struct index_record r = records[0];
		uint8_t head[INDEX_HEAD] = {0};
		size_t at = INDEX_HEAD;
		r.source = r.title = r.name = text;
		r.source_n = rows[i].source_n;
		r.title_n = rows[i].title_n;
		r.name_n = rows[i].name_n;
		assert_int_equal(buf_append(&image, head, sizeof head), 0);
		assert_int_equal(index_encode(&image, &r), 0);
		assert_int_equal(index_next(&image, &at, &r), -1);
		assert_int_equal(at, INDEX_HEAD);
		buf_free(&image);
	}
}

static void noise(void **state)
{
	uint8_t bytes[INDEX_HEAD + 900];
	bool whole;

	(void)state;
	make_records();
	for (uint32_t seed = 0; seed < 3000; seed++) {
		size_t n = INDEX_HEAD + seed % 900;
		struct buf image = {.p = bytes, .n = n, .cap = n};
		fill_pattern(bytes, n, seed);
		put_u32le(bytes + INDEX_HEAD, seed % 760); /* a length that may pass */
		assert_int_equal(readable(&image, &whole), 0);
	}
}

/* --- the file --- */

static struct err e;

static void file_round(void **state)
{
	struct index ix;
	struct index_record r;
	uint64_t offsets[N];
	struct stat st;

	(void)state;
	make_records();
	assert_int_equal(index_open(&ix, folder.fd, &e), 0);
	assert_true(ix.fd >= 0 && ix.writable);
	for (int i = 0; i < N; i++) {
		assert_int_equal(index_append(&ix, &records[i], &offsets[i], &e), 0);
	}
	assert_int_equal(offsets[0], INDEX_HEAD);
	for (int i = 0; i < N; i++) {
		/* by a good hint, by a bad one, by none */
		const uint64_t hints[] = {
			offsets[i], offsets[(i + 1) % N], 0, 41, UINT64_MAX, INT64_MAX};
		for (size_t k = 0; k < COUNT(hints); k++) {
			struct mailbox_ref ref = {.where = hints[k]};
			struct buf scratch = {0};
			memcpy(ref.id, records[i].id, sizeof ref.id);
			assert_int_equal(index_find(&ix, &ref, &scratch, &r, &e), 1);
			assert_true(same(&r, &records[i]));
			assert_int_equal(r.offset, offsets[i]);
			buf_free(&scratch);
		}
	}
	struct mailbox_ref nobody = {.where = offsets[0]};
	struct buf scratch = {0};
	assert_int_equal(index_find(&ix, &nobody, &scratch, &r, &e), 0);
	buf_free(&scratch);
	index_close(&ix);
	assert_int_equal(fstatat(folder.fd, ".index", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void states_change(void **state)
{
	struct index ix;
	struct index_record r;
	struct buf image = {0};
	uint64_t offset[2];
	size_t at = INDEX_HEAD;

	(void)state;
	make_records();
	assert_int_equal(index_open(&ix, folder.fd, &e), 0);
	assert_int_equal(index_append(&ix, &records[0], &offset[0], &e), 0);
	assert_int_equal(index_append(&ix, &records[1], &offset[1], &e), 0);
	assert_int_equal(index_set_state(&ix, offset[0], INDEX_DEAD, &e), 0);
	assert_int_equal(index_set_state(&ix, offset[1], INDEX_LIVE, &e), 0);
	assert_int_equal(index_load(&ix, &image, &e), 0);
	assert_int_equal(index_next(&image, &at, &r), 1);
	assert_int_equal(r.state, INDEX_DEAD);
	assert_int_equal(index_next(&image, &at, &r), 1);
	assert_int_equal(r.state, INDEX_LIVE);
	assert_int_equal(index_next(&image, &at, &r), 0);
	buf_free(&image);
	index_close(&ix);
}

static void heads(void **state)
{
	struct index_head in = {.epoch = UINT64_MAX - 1,
				  .mtime_s = 1700000000,
				  .mtime_ns = 999999999},
			  h;
	struct index ix;

	(void)state;
	assert_int_equal(index_open(&ix, folder.fd, &e), 0);
	assert_int_equal(index_read_head(&ix, &h), 1); /* an empty file has none */
	assert_int_equal(h.epoch, 0);
	for (int dirty = 0; dirty < 2; dirty++) {
		in.dirty = dirty != 0;
		assert_int_equal(index_write_head(&ix, &in, &e), 0);
		assert_int_equal(index_read_head(&ix, &h), 0);
		assert_true(h.epoch == in.epoch && h.mtime_s == in.mtime_s &&
			    h.mtime_ns == in.mtime_ns && h.dirty == in.dirty);
	}
	for (off_t n = 0; n < INDEX_HEAD; n++) {
		assert_int_equal(ftruncate(ix.fd, n), 0);
		assert_int_equal(index_read_head(&ix, &h), 1);
		assert_true(h.epoch == 0 && h.mtime_s == 0 && h.mtime_ns == 0);
		assert_int_equal(index_write_head(&ix, &in, &e), 0);
	}
	for (off_t i = 0; i < 8; i++) {
		assert_int_equal(pwrite(ix.fd, "?", 1, i), 1);
		assert_int_equal(index_read_head(&ix, &h), 1);
		assert_int_equal(index_write_head(&ix, &in, &e), 0);
	}
	index_close(&ix);
}

static void not_a_file(void **state)
{
	struct index ix;
	struct index_head h;
	struct index_record r;
	struct mailbox_ref ref = {.where = INDEX_HEAD};
	struct buf scratch = {0};

	(void)state;
	spew_text("other", "untouched");
	for (int kind = 0; kind < 3; kind++) {
		int rc = kind == 0   ? mkfifoat(folder.fd, ".index", 0600)
			 : kind == 1 ? mkdirat(folder.fd, ".index", 0700)
				     : symlinkat("other", folder.fd, ".index");
		assert_int_equal(rc, 0);
		assert_int_equal(index_open(&ix, folder.fd, &e), 0);
		assert_true(ix.fd >= 0 && ix.writable); /* another one, and this is put aside */
		assert_int_equal(faccessat(folder.fd, ".index.bad", F_OK, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(index_lock(&ix, true, &e), 0);
		index_unlock(&ix);
		assert_int_equal(index_read_head(&ix, &h), 1);
		assert_int_equal(index_load(&ix, &scratch, &e), 0);
		assert_int_equal(index_find(&ix, &ref, &scratch, &r, &e), 0);
		index_close(&ix);
		assert_int_equal(unlinkat(folder.fd, ".index", 0), 0);
		assert_int_equal(
			unlinkat(folder.fd, ".index.bad", kind == 1 ? AT_REMOVEDIR : 0), 0);
	}
	assert_int_equal(count_names("."), 1);
	buf_free(&scratch);
}

static int try_lock(int i)
{
	int fd = openat(folder.fd, ".index", O_RDWR);

	return flock(fd, (i == 0 ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 ? 0 : 1;
}

static void locks(void **state)
{
	struct index ix;

	(void)state;
	assert_int_equal(index_open(&ix, folder.fd, &e), 0);
	assert_int_equal(index_lock(&ix, true, &e), 0);
	assert_int_equal(end_child(start_child(try_lock, 1)), 1);
	index_unlock(&ix);
	assert_int_equal(index_lock(&ix, false, &e), 0);
	assert_int_equal(end_child(start_child(try_lock, 1)), 0);
	assert_int_equal(end_child(start_child(try_lock, 0)), 1);
	index_close(&ix); /* releases it */
	assert_int_equal(end_child(start_child(try_lock, 0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("records come back as they were encoded, empty and at every limit", round_trip),
		T("an image cut anywhere gives the whole records before the cut", truncations),
		T("any byte changed to any other is noticed, or a state that became another",
			corruptions),
		T("texts longer than their limits are refused though the checksum agrees",
			lying_lengths),
		T("noise is no record", noise),
		T_FOLDER("a record is found by its hint, a wrong hint, or none", file_round),
		T_FOLDER("a state is changed in place", states_change),
		T_FOLDER("a header cut or changed is none", heads),
		T_FOLDER(
			"a FIFO, folder or symlink in the index's place is left alone", not_a_file),
		T_FOLDER("the lock excludes other processes until it is closed", locks),
	};
	return RUN(tests);
}
