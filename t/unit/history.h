/* What the tests of a history share: one in the test's folder, and what a reader sees of it. */
#ifndef T_HISTORY_H
#define T_HISTORY_H

#include "unit.h"

#include "../../store/history.h"

#define SECRET_PHRASE "open sesame"

static struct err e;
static const struct history_secret by_phrase = {
	.passphrase = SECRET_PHRASE, .passphrase_n = sizeof SECRET_PHRASE - 1};
static struct x25519_pair identity;
static struct history_secret by_identity = {.identity = &identity};

enum { SEEN_MAX = 2000 };
static struct {
	size_t n;
	struct {
		uint64_t number;
		bool damaged;
		char note[64], body[64]; /* as far as there is room */
		size_t note_n, body_n;
	} rows[SEEN_MAX];
} seen;

static inline void give_identity(void)
{
	fill_pattern(identity.private, sizeof identity.private, 11);
	x25519_public(identity.public, identity.private);
}

static inline struct history *open_history(const struct history_secret *secret)
{
	struct history *h = NULL;

	if (history_open(&h, folder.fd, "bob", secret, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return h;
}

static inline uint64_t add(struct history *h, const char *note, const char *body)
{
	uint64_t number = 0;

	if (history_add(h, note, strlen(note), body, strlen(body), &number, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return number;
}

static inline void keep_text(char out[static 64], const uint8_t *p, size_t n)
{
	n = n < 63 ? n : 63;
	memcpy(out, p == NULL ? (const uint8_t *)"" : p, p == NULL ? 0 : n);
	out[p == NULL ? 0 : n] = '\0';
}

static inline int see(void *arg, const struct history_record *r, struct err *why)
{
	(void)arg;
	(void)why;
	if (seen.n < SEEN_MAX) {
		seen.rows[seen.n].number = r->number;
		seen.rows[seen.n].damaged = r->damaged;
		keep_text(seen.rows[seen.n].note, r->note, r->note_n);
		keep_text(seen.rows[seen.n].body, r->body, r->body_n);
		seen.rows[seen.n].note_n = r->note_n;
		seen.rows[seen.n].body_n = r->body_n;
		seen.n++;
	}
	return 0;
}

static inline size_t look_through(struct history *h)
{
	seen.n = 0;
	if (history_each(h, 1, true, see, NULL, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return seen.n;
}

static inline void assert_row(size_t i, uint64_t number, const char *note, const char *body)
{
	assert_true(i < seen.n);
	assert_int_equal(seen.rows[i].number, number);
	assert_false(seen.rows[i].damaged);
	assert_string_equal(seen.rows[i].note, note);
	assert_string_equal(seen.rows[i].body, body);
}

static inline void assert_damaged(size_t i, uint64_t number)
{
	assert_true(i < seen.n);
	assert_int_equal(seen.rows[i].number, number);
	assert_true(seen.rows[i].damaged);
	assert_int_equal(seen.rows[i].note_n, 0);
	assert_int_equal(seen.rows[i].body_n, 0);
}

/* Three records, "one" to "three", and where they end in the file. */
static inline struct history *three(size_t ends[static 4], struct buf *file)
{
	static const char *const notes[] = {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"};
	static const char *const bodies[] = {"one", "two", "three"};
	struct history *h = open_history(&by_identity);

	slurp("bob.history", file);
	ends[0] = file->n;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(add(h, notes[i], bodies[i]), i + 1);
		slurp("bob.history", file);
		ends[i + 1] = file->n;
	}
	return h;
}

static inline void assert_three(size_t n)
{
	if (n > 0) {
		assert_row(0, 1, "{\"n\":1}", "one");
	}
	if (n > 1) {
		assert_row(1, 2, "{\"n\":2}", "two");
	}
	if (n > 2) {
		assert_row(2, 3, "{\"n\":3}", "three");
	}
}

#endif
