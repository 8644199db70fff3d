/* Sealed mail: what was signed and sealed is opened by whom it is for, and by nobody else. */
#include "sealed.h"

static void assert_content(const struct buf *got, const struct text *t)
{
	struct text again = {.bytes = t->bytes, .seed = t->seed};
	uint8_t *want = malloc(t->bytes + 1);
	size_t n;

	assert_non_null(want);
	assert_int_equal(read_text(&again, want, t->bytes, &n, &e), 0);
	assert_int_equal(got->n, n);
	assert_true(n == 0 || memcmp(got->p, want, n) == 0);
	free(want);
}

static void assert_letter(
	const struct held *sealed, const struct x25519_pair *who, const struct text *t)
{
	struct sealed_head h;
	struct buf got = {0};
	uint8_t digest[HASH_BYTES], key[P256_PUBLIC];

	assert_int_equal(sealed_open(&h, sealed, who, 1, &e), 0);
	assert_true(h.is_signed);
	assert_memory_equal(h.key, alice.public, P256_PUBLIC);
	assert_part(h.from, "alice");
	assert_part(h.to, "bob;carol");
	assert_part(h.title, "Grüße");
	assert_int_equal(h.time_us, 1795341600123456);
	assert_int_equal(h.id[0], 0xab);
	assert_int_equal(h.numbers_n, 2);
	assert_memory_equal(h.numbers[0].stream, numbers[0].stream, 8);
	assert_memory_equal(h.numbers[1].stream, numbers[1].stream, 8);
	assert_int_equal(h.numbers[0].number, 7);
	assert_int_equal(h.numbers[1].number, INT64_MAX);
	assert_int_equal(h.content_bytes, t->bytes);
	assert_int_equal(sealed_each(&h, sealed, who, 1, false, keep_some, &got, &e), 0);
	assert_content(&got, t);
	/* and what was signed, for others to check */
	got.n = 0;
	assert_int_equal(sealed_each(&h, sealed, who, 1, true, keep_some, &got, &e), 0);
	assert_memory_equal(got.p, "smtp361 sealed message 1\nFrom: alice\n", 37);
	hash_of(got.p, got.n, digest);
	assert_memory_equal(digest, h.digest, sizeof digest);
	assert_int_equal(
		sshsig_check(key, h.signature.p, h.signature.n, "mail@smtp361", digest, &e), 0);
	assert_memory_equal(key, alice.public, P256_PUBLIC);
	buf_free(&got);
	sealed_free(&h);
}

static void assert_sealed(uint64_t bytes)
{
	struct text t = {.bytes = bytes, .seed = (uint32_t)bytes};
	struct sealed_letter l = letter(&t);
	struct held sealed = HELD_EMPTY;
	struct sealed_head h;
	struct buf stored = {0};

	assert_int_equal(sealed_write(&sealed, &l, &alice, all, 3, &e), 0);
	for (int i = 0; i < MALLORY; i++) {
		assert_letter(&sealed, &keys[i], &t);
	}
	assert_refused(sealed_open(&h, &sealed, &keys[MALLORY], 1, &e), e, EX_NOPERM);
	sealed_free(&h);
	assert_letter(&sealed, keys, &t);
	assert_int_equal(held_each(&sealed, keep_some, &stored, &e), 0);
	assert_true(sealed_is(stored.p, SEALED_LOOK));
	assert_int_equal(buf_append(&stored, "", 1), 0);
	assert_null(strstr((const char *)stored.p, "smtp361"));
	buf_free(&stored);
	held_free(&sealed);
}

static void there_and_back(void **state)
{
	static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, 300000, 3 * HELD_MEMORY};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_sealed(sizes[i]);
	}
}

static void times(void **state)
{
	static const int64_t us[] = {0, 1, -1, -62135596800000000 + 86400000000LL * 366 * 1000,
		2147483648000000, 253402300799999999};

	(void)state;
	for (size_t i = 0; i < COUNT(us); i++) {
		struct text t = {.bytes = 10};
		struct sealed_letter l = letter(&t);
		struct held sealed = HELD_EMPTY;
		struct sealed_head h;
		l.time_us = us[i];
		assert_int_equal(sealed_write(&sealed, &l, &alice, all, 3, &e), 0);
		assert_int_equal(sealed_open(&h, &sealed, keys, 1, &e), 0);
		assert_int_equal(h.time_us, us[i]);
		sealed_free(&h);
		held_free(&sealed);
	}
}

static void many(void **state)
{
	static struct age_recipient to[1000];
	static struct sealed_number each[1000];
	struct text t = {.bytes = 100};
	struct sealed_letter l = letter(&t);
	struct held sealed = HELD_EMPTY;
	struct buf names = {0};
	struct sealed_head h;
	char name[40];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "%suser-with-a-name-of-32-bytes-%03zu",
			i == 0 ? "" : ";", i);
		assert_int_equal(buf_append_str(&names, name), 0);
		to[i] = all[i % 3];
		each[i].number = UINT64_C(1000000000000000) + i;
	}
	assert_int_equal(buf_append(&names, "", 1), 0);
	l.to = (const char *)names.p;
	l.numbers = each;
	l.numbers_n = 1000;
	assert_int_equal(sealed_write(&sealed, &l, &alice, to, 1000, &e), 0);
	assert_int_equal(sealed_open(&h, &sealed, &keys[CAROL], 1, &e), 0);
	assert_int_equal(h.numbers_n, 1000);
	assert_int_equal(h.numbers[999].number, UINT64_C(1000000000000999));
	sealed_free(&h);
	held_free(&sealed);
	buf_free(&names);
}

/* --- what is not sealed --- */

static void assert_not_sealed(struct text t, struct sealed_letter l, int code)
{
	struct held sealed = HELD_EMPTY;

	l.arg = &t;
	assert_refused(sealed_write(&sealed, &l, &alice, all, 3, &e), e, code);
	held_free(&sealed);
}

static void bad_letters(void **state)
{
	static const char *const names[] = {"", ";", "bob;", ";bob", "bob;;carol", "bob; carol",
		"Bob;carol", "bob;carol;dan", "bob\n;carol", "bob",
		"bob;a-name-that-is-longer-than-32-bytes"};
	struct text t = {.bytes = 100};
	struct sealed_letter l = letter(&t);
	struct sealed_number zero[2] = {{{1}, 1}, {{1}, 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		l.to = names[i];
		assert_not_sealed(t, l, EX_DATAERR);
	}
	l = letter(&t);
	l.from = "alice\n";
	assert_not_sealed(t, l, EX_DATAERR);
	l = letter(&t);
	l.title = "two\nlines";
	assert_not_sealed(t, l, EX_DATAERR);
	l = letter(&t);
	l.numbers = zero;
	assert_not_sealed(t, l, EX_DATAERR);
	l = letter(&t);
	l.time_us = 253402300800000000; /* the year 10000 */
	assert_not_sealed(t, l, EX_DATAERR);
}

static void changing_content(void **state)
{
	struct text t = {.bytes = 200000};
	struct sealed_letter l = letter(&t);

	(void)state;
	assert_not_sealed((struct text){.bytes = 200000, .changes = true}, l, EX_DATAERR);
	assert_not_sealed((struct text){.bytes = 200000, .shrinks = true}, l, EX_DATAERR);
	assert_not_sealed((struct text){.bytes = 200000, .grows = true}, l, EX_DATAERR);
	assert_not_sealed((struct text){.bytes = 199999}, l, EX_DATAERR);
	assert_not_sealed((struct text){.bytes = 200001}, l, EX_DATAERR);
	assert_not_sealed((struct text){.bytes = 200000, .fails = true}, l, EX_NOINPUT);
}

static void looks(void **state)
{
	static const char armor[] = "-----BEGIN AGE ENCRYPTED FILE-----\n";

	(void)state;
	assert_true(sealed_is(armor, sizeof armor - 1));
	assert_true(sealed_is(" \n\r\n\t-----BEGIN AGE ENCRYPTED FILE-----", 39));
	assert_false(sealed_is(armor, 33));
	assert_false(sealed_is("", 0));
	assert_false(sealed_is("x-----BEGIN AGE ENCRYPTED FILE-----", 35));
	assert_false(sealed_is("-----BEGIN SSH SIGNATURE-----\nabcdefg", 36));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a sealed letter is opened by its recipients and its sender, and by nobody else",
			there_and_back),
		T("its time is told to the microsecond, in any year", times),
		T("a letter to 1000 people", many),
		T("letters without sound names, numbers, title or time are not sealed",
			bad_letters),
		T("content that changes between two readings is not sealed", changing_content),
		T("sealed content is known by its beginning", looks),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
