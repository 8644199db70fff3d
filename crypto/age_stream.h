/* The payload of a sealed file: a nonce of 16 bytes, then chunks of 64 KiB, each sealed with
 * ChaCha20-Poly1305 under its number and whether it is the last (STREAM). The last chunk is empty
 * only where the whole payload is. */
#ifndef CRYPTO_AGE_STREAM_H
#define CRYPTO_AGE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "age_fault.h"
#include "chacha.h"
#include "worker.h"

enum {
	AGE_FILE_KEY = 16,
	AGE_NONCE = 16,
	AGE_CHUNK = 65536,
	AGE_SEALED = AGE_CHUNK + CHACHA_TAG,
	AGE_BATCH = 8
};

/* What a stream can be lent to work on several chunks at once, half of them in another thread: it
 * pays for who hands it AGE_BATCH chunks in a piece. 1 MiB. */
struct age_batch {
	struct worker worker;
	uint8_t sealed[AGE_BATCH][AGE_SEALED], plain[AGE_BATCH][AGE_CHUNK];
	uint8_t decoded[AGE_BATCH * AGE_SEALED]; /* of an armor */
};

void age_batch_begin(struct age_batch *b);
/* End the thread, and wipe. */
void age_batch_end(struct age_batch *b);

struct age_stream_writer {
	uint8_t key[CHACHA_KEY];
	struct age_batch *batch; /* the caller's, or NULL: set behind age_stream_begin */
	uint64_t number;         /* of the next chunk that is sealed */
	size_t whole;            /* chunks that wait, and are not the last */
	size_t n;                /* bytes in the one behind these */
	uint8_t chunk[AGE_SEALED];
};

/* Begin with a nonce that is used once. */
void age_stream_begin(struct age_stream_writer *s, const uint8_t file_key[static AGE_FILE_KEY],
	const uint8_t nonce[static AGE_NONCE]);
/* 0, or -1: the sink's error. The nonce is not handed out. */
int age_stream_write(struct age_stream_writer *s, const void *p, size_t n,
	const struct age_sink *to, struct err *e);
int age_stream_end(struct age_stream_writer *s, const struct age_sink *to, struct err *e);

struct age_stream_reader {
	uint8_t key[CHACHA_KEY]; /* the file key, until the nonce is there */
	struct age_sink out;     /* gets authentic bytes alone */
	struct age_batch *batch; /* the caller's, or NULL: set ahead of the first byte */
	uint64_t number;         /* of the next chunk that is opened */
	bool keyed, ended;       /* the nonce is there; the last chunk was opened */
	size_t whole;            /* chunks that wait, and are as long as any but the last */
	size_t n;                /* bytes in the one behind these */
	bool authentic[AGE_BATCH];
	uint8_t chunk[AGE_SEALED], plain[AGE_CHUNK];
};

/* Set the file key, ahead of the first byte. */
void age_stream_open(struct age_stream_reader *s, const uint8_t file_key[static AGE_FILE_KEY]);
/* 0, or -1: AGE_BAD_PAYLOAD, AGE_BAD_HEADER (the nonce is cut), or the sink's error and no
 * fault. */
int age_stream_read(
	struct age_stream_reader *s, const void *p, size_t n, enum age_fault *fault, struct err *e);
int age_stream_read_end(struct age_stream_reader *s, enum age_fault *fault, struct err *e);

#endif
