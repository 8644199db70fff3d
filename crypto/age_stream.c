/* The payload of a sealed file; see age_stream.h. */
#include "age_stream.h"

#include "bytes.h"
#include "hkdf.h"

static void derive(uint8_t out[static CHACHA_KEY], const uint8_t file_key[static AGE_FILE_KEY],
	const uint8_t nonce[static AGE_NONCE])
{
	(void)hkdf_sha256(out, CHACHA_KEY, nonce, AGE_NONCE, file_key, AGE_FILE_KEY, "payload", 7);
}

/* The chunk's number in 11 bytes, big-endian, and whether it is the last. */
static void nonce_of(uint8_t out[static CHACHA_NONCE], uint64_t number, bool last)
{
	memset(out, 0, CHACHA_NONCE);
	for (int i = CHACHA_NONCE - 2; number > 0; i--) {
		out[i] = (uint8_t)number;
		number >>= 8;
	}
	out[CHACHA_NONCE - 1] = last ? 1 : 0;
}

/* --- writing --- */

void age_stream_begin(struct age_stream_writer *s, const uint8_t file_key[static AGE_FILE_KEY],
	const uint8_t nonce[static AGE_NONCE])
{
	derive(s->key, file_key, nonce);
	s->number = 0;
	s->n = 0;
}

static int seal_chunk(
	struct age_stream_writer *s, bool last, const struct age_sink *to, struct err *e)
{
	uint8_t nonce[CHACHA_NONCE];
	size_t n = s->n;

	nonce_of(nonce, s->number++, last);
	chacha_seal(s->key, nonce, NULL, 0, s->chunk, n, s->chunk + n);
	s->n = 0;
	return age_sink_put(to, s->chunk, n + CHACHA_TAG, e);
}

int age_stream_write(struct age_stream_writer *s, const void *p, size_t n,
	const struct age_sink *to, struct err *e)
{
	const uint8_t *in = p;

	while (n > 0) {
		size_t k = AGE_CHUNK - s->n;
		k = k < n ? k : n;
		/* a whole one is not the last, now that more is there */
		if (k == 0 && seal_chunk(s, false, to, e) != 0) {
			return -1;
		}
		memcpy(s->chunk + s->n, in, k);
		s->n += k;
		in += k;
		n -= k;
	}
	return 0;
}

int age_stream_end(struct age_stream_writer *s, const struct age_sink *to, struct err *e)
{
	return seal_chunk(s, true, to, e);
}

/* --- reading --- */

static int bad(enum age_fault *fault, struct err *e, const char *why)
{
	return age_fault_set(fault, AGE_BAD_PAYLOAD, e, why);
}

void age_stream_open(struct age_stream_reader *s, const uint8_t file_key[static AGE_FILE_KEY])
{
	memcpy(s->key, file_key, AGE_FILE_KEY);
	s->keyed = s->whole = false;
	s->number = 0;
	s->n = 0;
}

/* The n bytes of s->chunk, which are a chunk of this kind, or not: they stay as they are. */
static bool try_chunk(struct age_stream_reader *s, bool last)
{
	uint8_t nonce[CHACHA_NONCE];
	size_t n = s->n - CHACHA_TAG;

	nonce_of(nonce, s->number, last);
	memcpy(s->plain, s->chunk, s->n);
	return chacha_open(s->key, nonce, NULL, 0, s->plain, n, s->plain + n) == 0;
}

/* A chunk is there: any but the last is whole, and the last may be. */
static int open_chunk(
	struct age_stream_reader *s, bool at_end, enum age_fault *fault, struct err *e)
{
	size_t n = s->n - CHACHA_TAG;

	if (s->n < AGE_SEALED || !try_chunk(s, false)) {
		s->whole = try_chunk(s, true);
		if (!s->whole) {
			return bad(fault, e,
				at_end ? "what is sealed was changed or cut"
				       : "what is sealed was changed");
		}
		if (n == 0 && s->number > 0) {
			return bad(fault, e, "the last chunk is empty");
		}
	}
	s->number++;
	s->n = 0;
	return age_sink_put(&s->out, s->plain, n, e);
}

/* Gather up to `want` bytes in the chunk; the bytes taken. */
static size_t gather(struct age_stream_reader *s, const uint8_t *p, size_t n, size_t want)
{
	size_t k = want - s->n < n ? want - s->n : n;

	memcpy(s->chunk + s->n, p, k);
	s->n += k;
	return k;
}

static void take_nonce(struct age_stream_reader *s)
{
	uint8_t file_key[AGE_FILE_KEY];

	memcpy(file_key, s->key, sizeof file_key);
	derive(s->key, file_key, s->chunk);
	wipe(file_key, sizeof file_key);
	s->keyed = true;
	s->n = 0;
}

int age_stream_read(
	struct age_stream_reader *s, const void *p, size_t n, enum age_fault *fault, struct err *e)
{
	const uint8_t *in = p;

	while (n > 0) {
		size_t want = s->keyed ? AGE_SEALED : AGE_NONCE, k;
		if (s->whole) {
			return bad(fault, e, "something stands behind the last chunk");
		}
		k = gather(s, in, n, want);
		in += k;
		n -= k;
		if (s->n < want) {
			return 0;
		}
		if (!s->keyed) {
			take_nonce(s);
		} else if (open_chunk(s, false, fault, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int age_stream_read_end(struct age_stream_reader *s, enum age_fault *fault, struct err *e)
{
	if (!s->keyed) {
		return age_fault_set(
			fault, AGE_BAD_HEADER, e, "the file ends with its header: it was cut");
	}
	if (s->whole) {
		return 0;
	}
	return s->n < CHACHA_TAG ? bad(fault, e, "the last chunk is missing: the file was cut")
				 : open_chunk(s, true, fault, e);
}
