/* One file of the journal: what was written comes back, and nothing else is ever taken for it. */
#include "unit.h"

#include "../../crypto/file.h"
#include "../../crypto/random.h"
#include "../../store/segment.h"

static struct err e;
static struct segment s;

static void begin(uint64_t number, const char *spare)
{
	uint64_t ready = 0;

	s = (struct segment){.fd = -1, .number = number, .clock_us = 77};
	s.cuts[2] = (struct segment_cut){.number = 5, .limit = 640};
	assert_int_equal(segment_create(&s, folder.fd, spare, &ready, &e), 0);
	assert_true(ready >= SEGMENT_HEAD);
}

static uint8_t room[SEGMENT_RECORD + SEGMENT_PAYLOAD_MAX];

static uint64_t put(uint64_t at, size_t n, uint32_t seed)
{
	struct segment_payload payload = {.p = room, .n = n};

	fill_pattern(room + SEGMENT_RECORD, n, seed);
	hash_of(room + SEGMENT_RECORD, n, payload.digest);
	assert_int_equal(segment_write(&s, at, &payload, &e), 0);
	return at + segment_span(n);
}

static int get(uint64_t at, size_t *n, uint32_t seed)
{
	static uint8_t wanted[SEGMENT_PAYLOAD_MAX];
	struct buf payload = {0};
	uint64_t next = 0;
	int rc = segment_read(&s, at, &payload, &next, &e);

	*n = payload.n;
	if (rc == 1) {
		fill_pattern(wanted, payload.n, seed);
		assert_memory_equal(payload.p, wanted, payload.n);
		assert_int_equal(next, at + segment_span(payload.n));
	}
	buf_free(&payload);
	return rc;
}

static int reopen(void)
{
	uint64_t number = s.number;

	segment_close(&s);
	s = (struct segment){.fd = -1, .number = number};
	return segment_open(&s, folder.fd, &e);
}

static void come_back(void **state)
{
	static const size_t sizes[] = {1, 2, 39, 40, 41, 63, 64, 65, 104, 105, 4096, 65536,
		SEGMENT_PAYLOAD_MAX - 1, SEGMENT_PAYLOAD_MAX};
	uint64_t at = SEGMENT_HEAD;
	size_t n;

	(void)state;
	begin(9, "none");
	for (uint32_t i = 0; i < COUNT(sizes); i++) {
		at = put(at, sizes[i], i);
		assert_int_equal(at % SEGMENT_ALIGN, 0);
	}
	for (int again = 0; again < 2; again++) {
		at = SEGMENT_HEAD;
		for (uint32_t i = 0; i < COUNT(sizes); i++) {
			assert_int_equal(get(at, &n, i), 1);
			assert_int_equal(n, sizes[i]);
			at += segment_span(n);
		}
		assert_int_equal(get(at, &n, 0), 0);
		assert_int_equal(get(SEGMENT_BYTES, &n, 0), 0);
		assert_int_equal(get(SEGMENT_HEAD + 8, &n, 0), 0); /* inside a record */
		assert_int_equal(reopen(), 0);
		assert_int_equal(s.clock_us, 77);
		assert_int_equal(s.cuts[2].number, 5);
		assert_int_equal(s.cuts[2].limit, 640);
		assert_int_equal(s.cuts[0].number, 0);
	}
	segment_close(&s);
}

static void flip(off_t at, uint8_t mask)
{
	uint8_t byte;

	assert_int_equal(pread(s.fd, &byte, 1, at), 1);
	byte ^= mask;
	assert_int_equal(pwrite(s.fd, &byte, 1, at), 1);
}

/* Every bit of a header and of a record counts, but for a record's spare bytes. */
static void flipped_bits(void **state)
{
	enum { N = 50, SPARE = SEGMENT_HEAD + 20 };
	uint64_t end;
	size_t n;

	(void)state;
	begin(3, "none");
	end = put(SEGMENT_HEAD, N, 1);
	(void)put(end, N, 2);
	for (off_t at = 0; at < SEGMENT_HEAD + SEGMENT_RECORD + N; at++) {
		for (int bit = 0; bit < 8; bit++) {
			flip(at, (uint8_t)(1u << bit));
			if (at < SEGMENT_HEAD) {
				assert_int_equal(reopen(), 1);
				s.fd = openat(folder.fd, "0000000000000003", O_RDWR);
				assert_true(s.fd >= 0);
			} else if (at < SPARE || at >= SPARE + 4) {
				assert_int_equal(get(SEGMENT_HEAD, &n, 1), 0);
			}
			flip(at, (uint8_t)(1u << bit));
		}
	}
	assert_int_equal(reopen(), 0);
	assert_int_equal(get(SEGMENT_HEAD, &n, 1), 1);
	assert_int_equal(get(end, &n, 2), 1);
	segment_close(&s);
}

static void cut_anywhere(void **state)
{
	enum { N = 200 };
	uint64_t end = SEGMENT_HEAD + SEGMENT_RECORD + N;
	size_t n;

	(void)state;
	begin(3, "none");
	(void)put(SEGMENT_HEAD, N, 1);
	for (; end-- > 0;) {
		assert_int_equal(ftruncate(s.fd, (off_t)end), 0);
		assert_int_equal(reopen(), end < SEGMENT_HEAD ? 1 : 0);
		if (end < SEGMENT_HEAD) {
			s.fd = openat(folder.fd, "0000000000000003", O_RDWR);
		} else {
			assert_int_equal(get(SEGMENT_HEAD, &n, 1), 0);
		}
	}
	segment_close(&s);
}

/* A file that is used again: records of its former life stand exactly where new ones end. */
static void former_lives(void **state)
{
	uint64_t at;
	size_t n;

	(void)state;
	for (uint64_t life = 1; life <= 5; life++) {
		begin(life % 2 == 0 ? life : 7, life == 1 ? "none" : "spare");
		at = SEGMENT_HEAD;
		for (uint32_t i = 0; i < 10; i++) {
			assert_int_equal(get(at, &n, 0), 0); /* same number, same place */
			at = put(at, 100, i);
		}
		for (uint32_t i = 0; life % 2 == 0 && i < 10; i++) {
			assert_int_equal(get(SEGMENT_HEAD + i * segment_span(100), &n, i), 1);
		}
		if (life == 3) { /* some never had a header made void */
			assert_int_equal(segment_void(&s, &e), 0);
			assert_int_equal(reopen(), 1);
		}
		segment_close(&s);
		char name[SEGMENT_NAME + 1];
		segment_name(name, s.number);
		assert_int_equal(renameat(folder.fd, name, folder.fd, "spare"), 0);
	}
}

/* A record is itself only at its place, in its segment. */
static void moved_records(void **state)
{
	uint8_t raw[SEGMENT_ALIGN * 3];
	uint64_t end;
	size_t n;

	(void)state;
	begin(3, "none");
	end = put(SEGMENT_HEAD, sizeof raw - SEGMENT_RECORD, 1);
	assert_int_equal(end - SEGMENT_HEAD, sizeof raw);
	assert_int_equal(pread(s.fd, raw, sizeof raw, SEGMENT_HEAD), sizeof raw);
	assert_int_equal(file_write_at(s.fd, raw, sizeof raw, end), 0);
	assert_int_equal(get(end, &n, 1), 0);
	segment_close(&s);
	begin(4, "none");
	assert_int_equal(file_write_at(s.fd, raw, sizeof raw, SEGMENT_HEAD), 0);
	assert_int_equal(get(SEGMENT_HEAD, &n, 1), 0);
	segment_close(&s);
	assert_int_equal(
		linkat(folder.fd, "0000000000000003", folder.fd, "0000000000000005", 0), 0);
	s = (struct segment){.fd = -1, .number = 5};
	assert_int_equal(segment_open(&s, folder.fd, &e), 1); /* its header says 3 */
}

/* A sound record is none behind the bytes that a segment may have: nothing else reaches there. */
static void behind_its_end(void **state)
{
	uint64_t last = SEGMENT_BYTES - segment_span(100);
	size_t n;

	(void)state;
	begin(3, "none");
	(void)put(last, 100, 1);
	(void)put(last + SEGMENT_ALIGN, 100, 2);
	assert_int_equal(get(last + SEGMENT_ALIGN, &n, 2), 0);
	(void)put(last, 100, 1);
	assert_int_equal(get(last, &n, 1), 1);
	for (uint64_t at = SEGMENT_BYTES; at < (uint64_t)SEGMENT_BYTES + 1000; at += 64) {
		(void)put(at, 20, 3);
		assert_int_equal(get(at, &n, 3), 0);
	}
	assert_int_equal(get(UINT64_MAX - 63, &n, 3), 0);
	segment_close(&s);
}

static void names(void **state)
{
	static const char *const none[] = {"", "spare", "family", ".", "..", "1",
		"000000000000000g", "00000000000000001", "000000000000001", "0000000000000000",
		"0x00000000000001", " 000000000000001"};
	char name[SEGMENT_NAME + 1];

	(void)state;
	for (uint64_t n = 1; n != 0; n <<= 1) {
		segment_name(name, n);
		assert_int_equal(strlen(name), SEGMENT_NAME);
		assert_int_equal(segment_number(name), n >> 63 == 0 ? n : 0);
	}
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_int_equal(segment_number(none[i]), 0);
	}
}

static void no_segments(void **state)
{
	struct segment it = {.fd = -1, .number = 1};

	(void)state;
	begin(2, "none");
	segment_close(&s);
	assert_int_equal(segment_open(&it, folder.fd, &e), 1);
	assert_int_equal(symlinkat("0000000000000002", folder.fd, "0000000000000001"), 0);
	assert_int_equal(segment_open(&it, folder.fd, &e), 1);
	assert_int_equal(unlinkat(folder.fd, "0000000000000001", 0), 0);
	assert_int_equal(mkfifoat(folder.fd, "0000000000000001", 0600), 0);
	assert_int_equal(segment_open(&it, folder.fd, &e), 1);
	assert_int_equal(unlinkat(folder.fd, "0000000000000001", 0), 0);
	assert_int_equal(mkdirat(folder.fd, "0000000000000001", 0700), 0);
	assert_int_equal(segment_open(&it, folder.fd, &e), 1);
	assert_int_equal(unlinkat(folder.fd, "0000000000000001", AT_REMOVEDIR), 0);
	spew("0000000000000001", "", 0);
	assert_int_equal(segment_open(&it, folder.fd, &e), 1);
	assert_int_equal(it.fd, -1);
}

/* What a crash leaves of one that was begun or retired holds nothing; anything else may. */
static void is_void(void **state)
{
	const char *const name = "0000000000000002";

	(void)state;
	begin(2, "none");
	assert_false(segment_is_void(folder.fd, name));
	assert_int_equal(segment_void(&s, &e), 0);
	assert_true(segment_is_void(folder.fd, name));
	change_byte(s.fd, SEGMENT_HEAD - 1);
	assert_false(segment_is_void(folder.fd, name));
	segment_close(&s);
	assert_false(segment_is_void(folder.fd, "0000000000000001"));
	spew("0000000000000001", "", 0);
	assert_true(segment_is_void(folder.fd, "0000000000000001"));
	spew("0000000000000001", "\0\0\0", 3);
	assert_true(segment_is_void(folder.fd, "0000000000000001"));
	spew("0000000000000001", "\0\0S", 3);
	assert_false(segment_is_void(folder.fd, "0000000000000001"));
	assert_int_equal(symlinkat("/dev/null", folder.fd, "0000000000000003"), 0);
	assert_false(segment_is_void(folder.fd, "0000000000000003"));
}

/* Nor is one begun where something else stands. */
static void in_the_way(void **state)
{
	uint64_t ready;

	(void)state;
	spew_text("victim", "untouched");
	s = (struct segment){.fd = -1, .number = 1};
	assert_int_equal(symlinkat("victim", folder.fd, "0000000000000001"), 0);
	assert_refused(segment_create(&s, folder.fd, "none", &ready, &e), e, EX_TEMPFAIL);
	assert_int_equal(s.fd, -1);
	assert_int_equal(symlinkat("victim", folder.fd, "spare"), 0); /* nor by the spare one */
	assert_refused(segment_create(&s, folder.fd, "spare", &ready, &e), e, EX_TEMPFAIL);
	assert_int_equal(unlinkat(folder.fd, "0000000000000001", 0), 0);
	assert_int_equal(mkfifoat(folder.fd, "0000000000000001", 0600), 0);
	assert_refused(segment_create(&s, folder.fd, "none", &ready, &e), e, EX_TEMPFAIL);
	struct buf b = {0};
	slurp("victim", &b);
	assert_string_equal((char *)b.p, "untouched");
	buf_free(&b);
}

static void huge_and_sparse(void **state)
{
	size_t n;

	(void)state;
	begin(3, "none");
	(void)put(SEGMENT_HEAD, 100, 1);
	assert_int_equal(ftruncate(s.fd, (off_t)1 << 40), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(get(SEGMENT_HEAD, &n, 1), 1);
	assert_int_equal(get(SEGMENT_HEAD + segment_span(100), &n, 1), 0);
	segment_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("records of every size come back", come_back),
		T_FOLDER("a flipped bit anywhere is noticed", flipped_bits),
		T_FOLDER("a file cut anywhere has no half records", cut_anywhere),
		T_FOLDER("records of a former life of the file are none", former_lives),
		T_FOLDER("a record elsewhere is none", moved_records),
		T_FOLDER("nothing behind the size of a segment is a record", behind_its_end),
		T_FOLDER("names are sixteen digits", names),
		T_FOLDER("symlinks, FIFOs, folders and empty files are no segments", no_segments),
		T_FOLDER("one that a crash left void is told from a damaged one", is_void),
		T_FOLDER("nothing is written through what stands in the way", in_the_way),
		T_FOLDER("a huge sparse file is read as far as it goes", huge_and_sparse),
	};
	return RUN(tests);
}
