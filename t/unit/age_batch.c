/* Sealed files, several chunks at once, in two threads: the same files, and the same refusals, as
 * chunk by chunk. */
#include "age.h"

enum { CHUNKS = 2 * AGE_BATCH + 3, SIZE = CHUNKS * AGE_CHUNK, AT_ONCE = AGE_BATCH * AGE_CHUNK };

static uint8_t text[SIZE + 1];
static struct x25519_pair pair;
static struct age_recipient me;
static struct age_batch batch;

static int prepare(void **state)
{
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++) {
		text[i] = (uint8_t)(i * 2654435761u >> 11);
	}
	assert_int_equal(x25519_generate(&pair, &e), 0);
	memcpy(me.key, pair.public, sizeof me.key);
	age_batch_begin(&batch);
	return 0;
}

static int end(void **state)
{
	(void)state;
	age_batch_end(&batch);
	return 0;
}

static void seal_it(struct buf *out, size_t n, size_t piece, bool batched)
{
	out->n = 0;
	lent = batched ? &batch : NULL;
	seal_pieces(text, n, piece, &me, 1, false, out);
}

static enum age_fault open_it(const struct buf *sealed, size_t piece, bool batched, struct buf *out)
{
	lent = batched ? &batch : NULL;
	return open_pieces(sealed->p, sealed->n, piece, &pair, 1, AGE_BINARY, out);
}

/* --- tests --- */

static void both_ways(void **state)
{
	static const size_t sizes[] = {0, 1, AGE_CHUNK - 1, AGE_CHUNK, AGE_CHUNK + 1, AT_ONCE - 1,
		AT_ONCE, AT_ONCE + 1, AT_ONCE + AGE_CHUNK, SIZE, SIZE + 1};
	static const size_t pieces[] = {1000, AGE_CHUNK, AGE_CHUNK + 1, AGE_SEALED, 3 * AGE_CHUNK,
		AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, SIZE + 1};
	struct buf sealed = {0}, out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t j = 0; j < 2 * COUNT(pieces); j++) {
			size_t piece = pieces[j / 2];
			bool batched = j % 2 == 0; /* one side of it, or the other, or both */
			seal_it(&sealed, sizes[i], piece, batched);
			for (int k = batched ? 0 : 1; k <= 1; k++) {
				assert_int_equal(open_it(&sealed, piece, k == 1, &out), AGE_SOUND);
				assert_int_equal(out.n, sizes[i]);
				if (out.n > 0) { /* an empty one has no bytes to point to */
					assert_memory_equal(out.p, text, out.n);
				}
			}
		}
	}
	buf_free(&sealed);
	buf_free(&out);
}

/* Where the chunks begin in it. */
static uint8_t *payload(const struct buf *sealed)
{
	return sealed->p + sealed->n - CHUNKS * AGE_SEALED;
}

static void changed(void **state)
{
	struct buf sealed = {0}, out = {0};

	(void)state;
	seal_it(&sealed, SIZE, SIZE, true);
	for (size_t i = 0; i < CHUNKS; i++) {
		uint8_t *bit = payload(&sealed) + i * AGE_SEALED + (i * 7919) % AGE_SEALED;
		*bit ^= 16;
		assert_int_equal(open_it(&sealed, SIZE_MAX / 2, true, &out), AGE_BAD_PAYLOAD);
		assert_int_equal(
			out.n, i * AGE_CHUNK); /* all that stands ahead, and nothing more */
		if (out.n > 0) {
			assert_memory_equal(out.p, text, out.n);
		}
		*bit ^= 16;
	}
	assert_int_equal(open_it(&sealed, SIZE_MAX / 2, true, &out), AGE_SOUND);
	buf_free(&sealed);
	buf_free(&out);
}

static void moved(void **state)
{
	static uint8_t one[AGE_SEALED];
	struct buf sealed = {0}, out = {0};
	uint8_t *p;

	(void)state;
	seal_it(&sealed, SIZE, AT_ONCE, true);
	p = payload(&sealed);
	memcpy(one, p + 2 * AGE_SEALED, AGE_SEALED);
	memcpy(p + 2 * AGE_SEALED, p + 3 * AGE_SEALED, AGE_SEALED);
	memcpy(p + 3 * AGE_SEALED, one, AGE_SEALED);
	assert_int_equal(open_it(&sealed, AT_ONCE, true, &out), AGE_BAD_PAYLOAD);
	assert_int_equal(out.n, 2 * AGE_CHUNK);
	buf_free(&sealed);
	buf_free(&out);
}

static void cut_or_longer(void **state)
{
	struct buf sealed = {0}, out = {0};
	size_t whole;

	(void)state;
	seal_it(&sealed, SIZE, AT_ONCE, true);
	whole = sealed.n;
	for (size_t i = 1; i <= CHUNKS; i++) { /* at the end of a chunk, and one byte behind it */
		for (size_t more = 0; more <= 1; more++) {
			sealed.n = whole - i * AGE_SEALED + more;
			assert_int_equal(
				open_it(&sealed, SIZE_MAX / 2, true, &out), AGE_BAD_PAYLOAD);
			assert_int_equal(out.n, SIZE - i * AGE_CHUNK);
		}
	}
	sealed.n = whole;
	/* a byte behind the end, or a chunk, or several: with it, and in another piece */
	for (size_t more = 1; more <= 2 * AGE_SEALED + 1; more += AGE_SEALED) {
		static const uint8_t zeros[2 * AGE_SEALED + 1];
		sealed.n = whole;
		assert_int_equal(buf_append(&sealed, zeros, more), 0);
		assert_int_equal(open_it(&sealed, SIZE_MAX / 2, true, &out), AGE_BAD_PAYLOAD);
		assert_int_equal(out.n, SIZE);
		assert_int_equal(open_it(&sealed, whole, true, &out), AGE_BAD_PAYLOAD);
		assert_int_equal(out.n, SIZE);
	}
	buf_free(&sealed);
	buf_free(&out);
}

/* --- armored --- */

static enum age_fault open_armored(
	const struct buf *sealed, size_t piece, bool batched, struct buf *out)
{
	lent = batched ? &batch : NULL;
	return open_pieces(sealed->p, sealed->n, piece, &pair, 1, AGE_EITHER, out);
}

static void armored(void **state)
{
	static const size_t sizes[] = {0, 1, AGE_CHUNK, AT_ONCE, SIZE + 1};
	static const size_t pieces[] = {63, 65, 4096, AT_ONCE, SIZE_MAX / 2};
	struct buf sealed = {0}, out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		sealed.n = 0;
		lent = i % 2 == 0 ? &batch : NULL;
		seal_pieces(text, sizes[i], AT_ONCE, &me, 1, true, &sealed);
		for (size_t j = 0; j < 2 * COUNT(pieces); j++) {
			assert_int_equal(
				open_armored(&sealed, pieces[j / 2], j % 2 == 0, &out), AGE_SOUND);
			assert_int_equal(out.n, sizes[i]);
			if (out.n > 0) {
				assert_memory_equal(out.p, text, out.n);
			}
		}
	}
	buf_free(&sealed);
	buf_free(&out);
}

/* A line that is none, anywhere: all that stands ahead of it comes out, a fault there is told ahead
 * of that of the line, and the batch changes neither. */
static void armored_changed(void **state)
{
	static const size_t pieces[] = {65, AT_ONCE, SIZE_MAX / 2};
	struct buf sealed = {0}, out = {0};

	(void)state;
	lent = NULL;
	seal_pieces(text, SIZE, SIZE, &me, 1, true, &sealed);
	for (size_t i = 0; i < CHUNKS; i++) {
		size_t at = sealed.n * (2 * i + 1) / (2 * CHUNKS); /* within chunk i */
		uint8_t was = sealed.p[at], *early = sealed.p + at / 2;
		uint8_t early_was = *early;
		for (size_t j = 0; j < 2 * COUNT(pieces); j++) {
			sealed.p[at] = '*';
			assert_int_equal(open_armored(&sealed, pieces[j / 2], j % 2 == 0, &out),
				AGE_BAD_ARMOR);
			assert_int_equal(out.n, i * AGE_CHUNK);
			if (i > 2 && early_was != '\n') { /* it is in another chunk, and base64 */
				*early = early_was == 'A' ? 'B' : 'A';
				assert_int_equal(
					open_armored(&sealed, pieces[j / 2], j % 2 == 0, &out),
					AGE_BAD_PAYLOAD);
				*early = early_was;
			}
			sealed.p[at] = was;
		}
	}
	buf_free(&sealed);
	buf_free(&out);
}

/* --- pipes, and what is left --- */

/* Who reads from a pipe gets each chunk once it is there. */
static void nothing_waits(void **state)
{
	static struct age_open o;
	struct buf sealed = {0}, out = {0};
	const struct age_sink sink = {keep, &out};
	struct err e;

	(void)state;
	seal_it(&sealed, SIZE, SIZE, false);
	age_open_begin(&o, &pair, 1, AGE_BINARY, sink);
	o.stream.batch = &batch;
	assert_int_equal(age_open_write(&o, sealed.p, sealed.n - CHUNKS * AGE_SEALED, &e), 0);
	for (size_t i = 0; i < CHUNKS; i++) {
		assert_int_equal(
			age_open_write(&o, payload(&sealed) + i * AGE_SEALED, AGE_SEALED, &e), 0);
		assert_int_equal(out.n, (i + 1) * AGE_CHUNK);
	}
	assert_int_equal(age_open_end(&o, &e), 0);
	age_open_wipe(&o);
	buf_free(&sealed);
	buf_free(&out);
}

static void wiped(void **state)
{
	static struct age_batch b;
	static const uint8_t zeros[sizeof b];
	struct buf sealed = {0}, out = {0};

	(void)state;
	age_batch_begin(&b);
	lent = &b;
	seal_pieces(text, SIZE, SIZE, &me, 1, false, &sealed);
	assert_int_equal(open_pieces(sealed.p, sealed.n, SIZE_MAX / 2, &pair, 1, AGE_BINARY, &out),
		AGE_SOUND);
	/* or else there is nothing to wipe at the end */
	assert_memory_not_equal(b.sealed[AGE_BATCH - 1], zeros, AGE_SEALED);
	assert_memory_not_equal(b.plain[AGE_BATCH - 1], zeros, AGE_CHUNK);
	age_batch_end(&b);
	assert_memory_equal(&b, zeros, sizeof b);
	buf_free(&sealed);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("what is sealed so is opened chunk by chunk, and the other way round", both_ways),
		T("a bit turned in any chunk: what stands ahead comes out, and no more", changed),
		T("chunks exchanged: refused", moved),
		T("cut at or behind any chunk, or longer: refused", cut_or_longer),
		T("armored: the same in any pieces", armored),
		T("... and of a bad line what stands ahead, and its fault first", armored_changed),
		T("a chunk that comes alone is opened at once", nothing_waits),
		T("nothing of it is left in memory", wiped),
	};
	return cmocka_run_group_tests(tests, prepare, end);
}
