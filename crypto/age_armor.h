/* The armor of a sealed file: strict PEM (RFC 7468 3, figure 3), its label "AGE ENCRYPTED FILE".
 * Lines of 64 characters, canonical base64 with padding; LF or CRLF when it is read; white space
 * may stand ahead of it and behind it, and nothing else. */
#ifndef CRYPTO_AGE_ARMOR_H
#define CRYPTO_AGE_ARMOR_H

#include <stdint.h>

#include "age_fault.h"

enum {
	AGE_ARMOR_LINE = 64,
	AGE_ARMOR_BYTES = AGE_ARMOR_LINE / 4 * 3, /* in a whole line */
	AGE_ARMOR_TEXT = 512 * (AGE_ARMOR_LINE + 1),
	AGE_ARMOR_OWN = 64 * AGE_ARMOR_BYTES
};

struct age_armor_writer {
	size_t part_n, text_n;
	uint8_t part[AGE_ARMOR_BYTES]; /* of the next line */
	char text[AGE_ARMOR_TEXT];     /* lines that were not handed out yet */
};

void age_armor_begin(struct age_armor_writer *a);
/* 0, or -1: the sink's error. */
int age_armor_write(struct age_armor_writer *a, const void *p, size_t n, const struct age_sink *to,
	struct err *e);
int age_armor_end(struct age_armor_writer *a, const struct age_sink *to, struct err *e);

struct age_armor_reader {
	enum { AGE_ARMOR_AHEAD, AGE_ARMOR_BODY, AGE_ARMOR_LAST, AGE_ARMOR_BEHIND } stage;
	size_t n;
	char line[AGE_ARMOR_LINE + 1]; /* and a CR */
	uint8_t *lent;          /* the caller's, or NULL: what is decoded, until it goes on */
	size_t lent_n, decoded; /* bytes of it; and how many are there */
	uint8_t own[AGE_ARMOR_OWN];
};

/* Begun by zeroing. All that is whole at the end of a call is handed on, and what stands ahead of a
 * fault before that is told. 0, or -1: AGE_BAD_ARMOR (EX_DATAERR), or the sink's error and no
 * fault. */
int age_armor_read(struct age_armor_reader *a, const void *p, size_t n, const struct age_sink *to,
	enum age_fault *fault, struct err *e);
/* At the end: was it all? */
int age_armor_read_end(struct age_armor_reader *a, const struct age_sink *to, enum age_fault *fault,
	struct err *e);

#endif
