/* What the tests of sealed mail share: people with keys, and a letter of alice's to two. */
#ifndef T_UNIT_SEALED_H
#define T_UNIT_SEALED_H

#include "age.h"

#include "../../proto/sealed.h"

static struct err e;

/* alice writes; bob and carol get it; mallory does not */
enum { ALICE, BOB, CAROL, MALLORY, PEOPLE };
static struct x25519_pair keys[PEOPLE];
static struct p256_pair alice, other;
static struct age_recipient all[3];

static inline int begin(void **state)
{
	(void)state;
	for (int i = 0; i < PEOPLE; i++) {
		if (x25519_generate(&keys[i], &e) != 0) {
			return -1;
		}
	}
	for (int i = 0; i < 3; i++) {
		memcpy(all[i].key, keys[i].public, X25519_BYTES);
	}
	return p256_generate(&alice, &e) == 0 && p256_generate(&other, &e) == 0 ? 0 : -1;
}

/* --- letters --- */

/* Content that is made as it is read. */
struct text {
	uint64_t bytes, at;
	uint32_t seed;
	int rewound;
	bool changes, shrinks, grows; /* the second time */
	bool fails;
};

static inline int read_text(void *arg, void *p, size_t cap, size_t *n, struct err *err)
{
	struct text *t = arg;
	bool second = t->rewound > 0;
	uint64_t bytes = t->bytes + (second && t->grows ? 1 : 0) - (second && t->shrinks ? 1 : 0);

	if (t->fails && second) {
		return err_set(err, EX_NOINPUT, "it is gone");
	}
	*n = bytes - t->at < cap ? (size_t)(bytes - t->at) : cap;
	for (size_t i = 0; i < *n; i++) {
		uint64_t k = t->at + i;
		((uint8_t *)p)[i] = (uint8_t)((k * 31 + k / 253 + t->seed) % 251);
	}
	if (second && t->changes && *n > 0 && t->at == 0) {
		((uint8_t *)p)[*n / 2] ^= 1;
	}
	t->at += *n;
	return 0;
}

static inline int rewind_text(void *arg, struct err *err)
{
	struct text *t = arg;

	(void)err;
	t->at = 0;
	t->rewound++;
	return 0;
}

static const struct sealed_number numbers[] = {
	{{1, 2, 3, 4, 5, 6, 7, 8}, 7}, {{0xff, 0, 0, 0, 0, 0, 0, 1}, INT64_MAX}};

static inline struct sealed_letter letter(struct text *t)
{
	return (struct sealed_letter){.from = "alice",
		.to = "bob;carol",
		.title = "Grüße",
		.time_us = 1795341600123456,
		.id = {0xab, 1, 2, 3},
		.numbers = numbers,
		.numbers_n = 2,
		.bytes = t->bytes,
		.source = read_text,
		.arg = t,
		.rewind = rewind_text};
}

static inline void assert_part(struct message_part got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

static inline int keep_some(void *arg, const void *p, size_t n, struct err *err)
{
	(void)err;
	return n == 0 ? 0 : buf_append(arg, p, n);
}

#endif
