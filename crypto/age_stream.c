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

void age_batch_begin(struct age_batch *b)
{
	chacha_prepare(); /* two threads must not do it at once */
	worker_begin(&b->worker);
}

void age_batch_end(struct age_batch *b)
{
	worker_end(&b->worker);
	wipe(b, sizeof *b);
}

static size_t room(const struct age_batch *b)
{
	return b == NULL ? 1 : AGE_BATCH;
}

static struct worker *worker_of(struct age_batch *b)
{
	return b == NULL ? NULL : &b->worker;
}

/* --- writing --- */

void age_stream_begin(struct age_stream_writer *s, const uint8_t file_key[static AGE_FILE_KEY],
	const uint8_t nonce[static AGE_NONCE])
{
	derive(s->key, file_key, nonce);
	s->batch = NULL;
	s->number = 0;
	s->whole = 0;
	s->n = 0;
}

/* The chunk behind i others that wait. */
static uint8_t *writing(struct age_stream_writer *s, size_t i)
{
	return s->batch == NULL ? s->chunk : s->batch->sealed[i];
}

static void seal(struct age_stream_writer *s, size_t i, size_t n, bool last)
{
	uint8_t nonce[CHACHA_NONCE], *chunk = writing(s, i);

	nonce_of(nonce, s->number + i, last);
	chacha_seal(s->key, nonce, NULL, 0, chunk, n, chunk + n);
}

static void seal_one(void *arg, size_t i)
{
	seal(arg, i, AGE_CHUNK, false);
}

/* Those that wait. What there is of the one behind them is the first then. */
static int seal_whole(struct age_stream_writer *s, const struct age_sink *to, struct err *e)
{
	size_t n = s->whole;

	if (n == 0) {
		return 0;
	}
	worker_each(worker_of(s->batch), n, seal_one, s);
	s->number += n;
	s->whole = 0;
	if (age_sink_put(to, writing(s, 0), n * AGE_SEALED, e) != 0) {
		return -1;
	}
	if (s->n > 0) {
		memcpy(writing(s, 0), writing(s, n), s->n);
	}
	return 0;
}

int age_stream_write(struct age_stream_writer *s, const void *p, size_t n,
	const struct age_sink *to, struct err *e)
{
	const uint8_t *in = p;

	while (n > 0) {
		size_t k;
		if (s->n == AGE_CHUNK) { /* it is not the last, now that more is there */
			s->n = 0;
			s->whole++;
		}
		if (s->whole == room(s->batch) && seal_whole(s, to, e) != 0) {
			return -1;
		}
		k = AGE_CHUNK - s->n < n ? AGE_CHUNK - s->n : n;
		memcpy(writing(s, s->whole) + s->n, in, k);
		s->n += k;
		in += k;
		n -= k;
	}
	return seal_whole(s, to, e);
}

int age_stream_end(struct age_stream_writer *s, const struct age_sink *to, struct err *e)
{
	seal(s, 0, s->n, true);
	return age_sink_put(to, writing(s, 0), s->n + CHACHA_TAG, e);
}

/* --- reading --- */

static int bad(enum age_fault *fault, struct err *e, const char *why)
{
	return age_fault_set(fault, AGE_BAD_PAYLOAD, e, why);
}

void age_stream_open(struct age_stream_reader *s, const uint8_t file_key[static AGE_FILE_KEY])
{
	memcpy(s->key, file_key, AGE_FILE_KEY);
	s->keyed = s->ended = false;
	s->number = 0;
	s->whole = 0;
	s->n = 0;
}

/* The chunk behind i others that wait, and what is opened of it. */
static uint8_t *reading(struct age_stream_reader *s, size_t i)
{
	return s->batch == NULL ? s->chunk : s->batch->sealed[i];
}

static uint8_t *opened(struct age_stream_reader *s, size_t i)
{
	return s->batch == NULL ? s->plain : s->batch->plain[i];
}

/* n: with its tag. The chunk stays as it is. */
static bool open_chunk(const struct age_stream_reader *s, const uint8_t *chunk, size_t n,
	uint64_t number, bool last, uint8_t *plain)
{
	uint8_t nonce[CHACHA_NONCE];

	n -= CHACHA_TAG;
	nonce_of(nonce, number, last);
	memcpy(plain, chunk, n);
	return chacha_open(s->key, nonce, NULL, 0, plain, n, chunk + n) == 0;
}

static void open_one(void *arg, size_t i)
{
	struct age_stream_reader *s = arg;

	s->authentic[i] =
		open_chunk(s, reading(s, i), AGE_SEALED, s->number + i, false, opened(s, i));
}

static int open_last(struct age_stream_reader *s, const uint8_t *chunk, size_t n,
	enum age_fault *fault, struct err *e)
{
	if (!open_chunk(s, chunk, n, s->number, true, opened(s, 0))) {
		return bad(fault, e,
			n < AGE_SEALED ? "what is sealed was changed or cut"
				       : "what is sealed was changed");
	}
	if (n == CHACHA_TAG && s->number > 0) {
		return bad(fault, e, "the last chunk is empty");
	}
	s->number++;
	s->ended = true;
	return age_sink_put(&s->out, opened(s, 0), n - CHACHA_TAG, e);
}

/* Those that wait: any but the last are whole, and the last may be. What there is of the one behind
 * them is the first then. */
static int open_whole(struct age_stream_reader *s, enum age_fault *fault, struct err *e)
{
	size_t n = s->whole, good = 0;

	if (n == 0) {
		return 0;
	}
	worker_each(worker_of(s->batch), n, open_one, s);
	while (good < n && s->authentic[good]) {
		good++;
	}
	s->number += good;
	s->whole = 0;
	if (age_sink_put(&s->out, opened(s, 0), good * AGE_CHUNK, e) != 0) {
		return -1;
	}
	if (good < n && open_last(s, reading(s, good), AGE_SEALED, fault, e) != 0) {
		return -1;
	}
	if (s->n > 0) {
		memcpy(reading(s, 0), reading(s, n), s->n);
	}
	return good + 1 < n || (s->ended && s->n > 0)
		       ? bad(fault, e, "something stands behind the last chunk")
		       : 0;
}

/* Gather up to `want` bytes in the chunk; the bytes taken. */
static size_t gather(struct age_stream_reader *s, const uint8_t *p, size_t n, size_t want)
{
	size_t k = want - s->n < n ? want - s->n : n;

	memcpy(reading(s, s->whole) + s->n, p, k);
	s->n += k;
	return k;
}

static void take_nonce(struct age_stream_reader *s)
{
	uint8_t file_key[AGE_FILE_KEY];

	memcpy(file_key, s->key, sizeof file_key);
	derive(s->key, file_key, reading(s, 0));
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
		if (s->ended) {
			return bad(fault, e, "something stands behind the last chunk");
		}
		k = gather(s, in, n, want);
		in += k;
		n -= k;
		if (s->n == want && !s->keyed) {
			take_nonce(s);
		} else if (s->n == want) {
			s->n = 0;
			s->whole++;
		}
		if (s->whole == room(s->batch) && open_whole(s, fault, e) != 0) {
			return -1;
		}
	}
	return open_whole(s, fault, e);
}

int age_stream_read_end(struct age_stream_reader *s, enum age_fault *fault, struct err *e)
{
	if (!s->keyed) {
		return age_fault_set(
			fault, AGE_BAD_HEADER, e, "the file ends with its header: it was cut");
	}
	if (s->ended) {
		return 0;
	}
	return s->n < CHACHA_TAG ? bad(fault, e, "the last chunk is missing: the file was cut")
				 : open_last(s, reading(s, 0), s->n, fault, e);
}
