/* File transfer: what both wires and both sides share. */
#include "unit.h"

#include <fcntl.h>

#include "../../crypto/bytes.h"
#include "../../proto/ft.h"

static void ciphers_have_names(void **state)
{
	enum ft_cipher found;

	(void)state;
	for (unsigned i = 0; i < FT_CIPHERS; i++) {
		assert_true(ft_cipher_find(ft_cipher_name((enum ft_cipher)i), &found));
		assert_int_equal(found, i);
	}
	assert_false(ft_cipher_find("aes", &found));
	assert_false(ft_cipher_find("", &found));
	assert_false(ft_cipher_find("NOISE", &found));
}

/* The psk is what Argon2id makes of the secret with the parameters of password.h: the verifier,
 * which published vectors judge, accepts it. */
static void the_psk_is_argon2id(void **state)
{
	struct ft_secret secret = {.text = "horse", .n = 5};
	const uint8_t salt[FT_SALT] = "sixteen bytes !!";
	char phc[PASSWORD_PHC_MAX], salt_text[32], hash_text[64];
	struct password_phc parsed;
	uint8_t psk[FT_PSK];
	struct err e;
	bool ok = false;

	(void)state;
	assert_int_equal(ft_psk(&secret, salt, psk, &e), 0);
	(void)base64_encode(salt_text, salt, sizeof salt);
	(void)base64_encode(hash_text, psk, sizeof psk);
	(void)snprintf(
		phc, sizeof phc, "$argon2id$v=19$m=19456,t=2,p=1$%s$%s", salt_text, hash_text);
	assert_int_equal(password_parse(&parsed, phc, strlen(phc), &e), 0);
	assert_int_equal(password_verify(&parsed, "horse", 5, &ok, &e), 0);
	assert_true(ok);
	assert_int_equal(password_verify(&parsed, "horsf", 5, &ok, &e), 0);
	assert_false(ok);
}

static void a_fingerprint_names_a_psk(void **state)
{
	char a[FT_FINGERPRINT], b[FT_FINGERPRINT];
	uint8_t psk[FT_PSK] = {1};

	(void)state;
	ft_fingerprint(psk, a);
	ft_fingerprint(psk, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), FT_FINGERPRINT - 1);
	assert_memory_equal(a, "FT:", 3);
	psk[31] ^= 1;
	ft_fingerprint(psk, b);
	assert_string_not_equal(a, b);
}

/* A file of 100,000 bytes whose first so many stand in it already. */
static int file_of(const uint8_t *p, size_t n)
{
	int fd = file_nameless(-1);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, p, n), 0);
	return fd;
}

static void the_hash_is_of_the_whole_file(void **state)
{
	static uint8_t whole[100000];
	const size_t begins[] = {0, 1, 32768, 40001};
	uint8_t want[HASH_BYTES];
	struct err e;

	(void)state;
	for (size_t i = 0; i < 60000; i++) {
		whole[i] = (uint8_t)(i * 7); /* the rest are zeros: a hole */
	}
	hash_of(whole, sizeof whole, want);
	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
		int fd = file_of(whole, begins[i]);
		struct landing l = {.fd = fd};
		struct ft_job job = {.to = &l, .sum = true};
		assert_int_equal(ft_begin_at(&job, begins[i], &e), 0);
		ft_moved(&job, whole + begins[i], 60000 - begins[i]);
		ft_moved(&job, NULL, 40000);
		ft_end(&job);
		assert_memory_equal(job.digest, want, sizeof want);
		assert_int_equal(job.done, sizeof whole);
		assert_int_equal(job.begun_at, begins[i]);
		(void)close(fd);
	}
}

static void a_file_that_became_shorter_is_told(void **state)
{
	int fd = file_of((const uint8_t *)"short", 5);
	struct source s = {.fd = fd};
	struct ft_job job = {.sends = true, .from = &s, .sum = true};
	struct err e;

	(void)state;
	assert_int_equal(ft_begin_at(&job, 6, &e), -1);
	assert_int_equal(e.code, EX_TEMPFAIL);
	(void)close(fd);
}

struct told {
	uint64_t done, total;
	unsigned times;
};

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct told *t = arg;

	t->done = done;
	t->total = total;
	t->times++;
}

static void progress_is_told_from_where_it_begins(void **state)
{
	struct told t = {0};
	struct ft_job job = {.progress = on_progress, .progress_arg = &t, .total = 100};
	struct err e;

	(void)state;
	assert_int_equal(ft_begin_at(&job, 40, &e), 0);
	ft_moved(&job, "0123456789", 10);
	assert_int_equal(t.done, 50);
	ft_moved(&job, NULL, 50);
	assert_int_equal(t.done, 100);
	assert_int_equal(t.total, 100);
	assert_int_equal(t.times, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("ciphers have their names", ciphers_have_names),
		T("the pre-shared key is Argon2id of the secret", the_psk_is_argon2id),
		T("a fingerprint names a key", a_fingerprint_names_a_psk),
		T("the hash is of the whole file, wherever it began",
			the_hash_is_of_the_whole_file),
		T("a file that became shorter is told", a_file_that_became_shorter_is_told),
		T("progress counts what was there before", progress_is_told_from_where_it_begins),
	};
	return RUN(tests);
}
