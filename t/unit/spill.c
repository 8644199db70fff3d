/* Bytes in a file that nobody finds and nobody can read. */
#include "unit.h"

#include "../../cmd/spill.h"

static struct err e;
static struct spill *s;
static struct buf whole;

static char tmpdir[PATH_MAX]; /* as it was */

static int begin(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(tmpdir, sizeof tmpdir, "%s", tmp == NULL ? "/tmp" : tmp);
	whole.n = 0;
	if (folder_make(state) != 0 || setenv("TMPDIR", folder.path, 1) != 0) {
		return -1;
	}
	s = spill_new(&e);
	return s == NULL ? -1 : 0;
}

static int end(void **state)
{
	spill_free(s);
	buf_free(&whole);
	return setenv("TMPDIR", tmpdir, 1) == 0 ? folder_remove(state) : -1;
}

#define T_SPILL(title, function)                  \
	{                                         \
		title, function, begin, end, NULL \
	}

static void put(size_t n)
{
	assert_int_equal(buf_reserve(&whole, n + 1), 0);
	fill_pattern(whole.p + whole.n, n, (uint32_t)n);
	assert_int_equal(spill_put(s, whole.p + whole.n, n, &e), 0);
	whole.n += n;
	assert_int_equal(s->bytes, whole.n);
}

static void assert_reads(size_t n, size_t offset)
{
	size_t left = offset < whole.n ? whole.n - offset : 0, got;
	uint8_t *room = malloc(n + 1);

	assert_non_null(room);
	assert_int_equal(spill_read(s, room, n, offset, &got, &e), 0);
	assert_int_equal(got, n < left ? n : left);
	assert_true(got == 0 || memcmp(room, whole.p + offset, got) == 0);
	free(room);
}

static void comes_back(void **state)
{
	static const size_t at[] = {0, 1, SPILL_CHUNK - 1, SPILL_CHUNK, SPILL_CHUNK + 1, 300000};
	static const size_t lengths[] = {0, 1, 1000, SPILL_CHUNK, 200000, 1000000};

	(void)state;
	put(1);
	put(SPILL_CHUNK);
	put(0);
	put(3 * SPILL_CHUNK + 5);
	put(700);
	for (size_t i = 0; i < COUNT(at); i++) {
		for (size_t k = 0; k < COUNT(lengths); k++) {
			assert_reads(lengths[k], at[i]);
			assert_reads(lengths[k], whole.n - at[i] % whole.n);
		}
	}
}

static void whole_chunks(void **state)
{
	(void)state;
	assert_reads(10, 0);
	spill_free(s);
	s = spill_new(&e);
	assert_non_null(s);
	put(2 * SPILL_CHUNK);
	assert_reads(3 * SPILL_CHUNK, 0);
	assert_reads(1, 2 * SPILL_CHUNK);
}

/* Neither the folder nor the file tells anything. */
static void is_secret(void **state)
{
	static uint8_t file[SPILL_CHUNK + CHACHA_TAG];
	char line[64];

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		int n = snprintf(line, sizeof line, "a known line of text, number %04zu\n", i);
		assert_int_equal(spill_put(s, line, (size_t)n, &e), 0);
	}
	assert_int_equal(count_names("."), 0);
	assert_int_equal(pread(s->fd, file, sizeof file, 0), sizeof file);
	assert_null(memmem(file, sizeof file, "known", 5));
}

static void changed(void **state)
{
	uint8_t room[10];
	size_t got;

	(void)state;
	put(3 * SPILL_CHUNK);
	assert_reads(10, 0);
	change_byte(s->fd, SPILL_CHUNK + 100);
	assert_refused(spill_read(s, room, 10, SPILL_CHUNK, &got, &e), e, EX_TEMPFAIL);
	assert_refused(spill_read(s, room, 10, SPILL_CHUNK, &got, &e), e, EX_TEMPFAIL);
	assert_reads(10, 5);
	assert_int_equal(ftruncate(s->fd, 2 * SPILL_CHUNK), 0);
	assert_refused(spill_read(s, room, 10, 2 * SPILL_CHUNK, &got, &e), e, EX_TEMPFAIL);
}

static void no_folder(void **state)
{
	(void)state;
	assert_int_equal(setenv("TMPDIR", "/proc/none", 1), 0);
	e = (struct err){0};
	assert_null(spill_new(&e));
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_contains(e.text, "temporary file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_SPILL("what was put is read from any place, in any pieces", comes_back),
		T_SPILL("so are whole chunks, and nothing", whole_chunks),
		T_SPILL("nobody finds it, and nobody can read it", is_secret),
		T_SPILL("what was changed or cut is not read", changed),
		T_SPILL("without a folder it fails, and says so", no_folder),
	};
	return RUN(tests);
}
