/* Key files when calls fail: whatever allocation or system call it is, a pair is made whole, or one
 * of the states that keyfile.h names is left, and halves of two pairs never stand together. */
#include "faults.h"

#include "../../keys/keyfile.h"

static struct err e;
static uint8_t point[X25519_BYTES], first_point[X25519_BYTES];
static enum keyfile_made made;
static enum keyfile_state begun_as; /* what stands there before */

static bool is_there(const char *half)
{
	char file[64];
	struct stat st;

	(void)snprintf(file, sizeof file, "a_x25519_%s.pem", half);
	return fstatat(folder.fd, file, &st, 0) == 0;
}

static void remove_half(const char *half)
{
	char file[64];

	(void)snprintf(file, sizeof file, "a_x25519_%s.pem", half);
	(void)unlinkat(folder.fd, file, 0);
}

static void begin(void)
{
	remove_half("private");
	remove_half("public");
	if (begun_as == KEYFILE_NONE) {
		return;
	}
	assert_int_equal(keyfile_generate_x25519(folder.fd, "a", false, &made, first_point, &e), 0);
	if (begun_as != KEYFILE_WHOLE) {
		remove_half(begun_as == KEYFILE_PUBLIC_ALONE ? "private" : "public");
	}
}

static int generate(void)
{
	bool force = begun_as == KEYFILE_WHOLE || begun_as == KEYFILE_PUBLIC_ALONE;

	e = (struct err){0};
	return keyfile_generate_x25519(folder.fd, "a", force, &made, point, &e);
}

/* The halves that stand there, if both do, belong together. */
static void judge(int rc)
{
	uint8_t half[X25519_BYTES];
	struct x25519_pair pair;
	struct err why;

	if (rc != 0 && ((e.code != EX_TEMPFAIL && e.code != EX_IOERR) || e.text[0] == '\0')) {
		fail_msg("code %d, \"%s\"", e.code, e.text);
	}
	if (is_there("private") && is_there("public")) {
		assert_int_equal(keyfile_load_x25519_private(folder.fd, "a", &pair, &why), 0);
		assert_int_equal(keyfile_load_x25519_public(folder.fd, "a", half, &why), 0);
		assert_memory_equal(pair.public, half, sizeof half);
		assert_true(rc != 0 || memcmp(point, half, sizeof half) == 0);
	} else {
		assert_int_equal(rc, -1);
	}
	/* a private key that was there is there, or another one in its place */
	assert_true(begun_as == KEYFILE_NONE || begun_as == KEYFILE_PUBLIC_ALONE ||
		    is_there("private"));
	/* and what a next try finds can be made whole */
	assert_int_equal(keyfile_generate_x25519(folder.fd, "a", true, &made, point, &why), 0);
	assert_int_equal(count_names("."), 2);
}

static const struct attempt making = {
	.name = "making a pair", .begin = begin, .run = generate, .judge = judge};

static void calls_fail(void **state)
{
	(void)state;
	for (begun_as = KEYFILE_NONE; begun_as <= KEYFILE_WHOLE; begun_as++) {
		assert_true(fail_each_call(&making, NULL, EIO, false) > 12);
		assert_true(fail_each_call(&making, NULL, EIO, true) > 12);
	}
}

static void short_of_memory(void **state)
{
	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	for (begun_as = KEYFILE_NONE; begun_as <= KEYFILE_WHOLE; begun_as++) {
		begin();
		assert_int_equal(generate(), 0);
		assert_true(fail_each_allocation(&making, false) > 2);
	}
}

/* A file that goes away between the look and the removal was to be removed anyway. */
static void gone_meanwhile(void **state)
{
	(void)state;
	begun_as = KEYFILE_WHOLE;
	for (long k = 1; k <= 8; k++) {
		begin();
		faults.calls = 0;
		faults.only = "unlinkat";
		faults.error = ENOENT;
		faults.onwards = false;
		faults.at = k;
		(void)generate();
		faults.at = 0;
		assert_true(is_there("private"));
	}
}

static void fingerprints(void **state)
{
	char text[KEYFILE_FINGERPRINT_MAX];
	int rc;

	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	memory.calls = 0;
	memory.at = 1;
	rc = keyfile_x25519_fingerprint(point, text);
	memory.at = 0;
	assert_int_equal(rc, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("no system call that fails leaves halves of two pairs", calls_fail),
		T_FOLDER("no allocation that fails does", short_of_memory),
		T_FOLDER("a half that goes away by itself is no fault", gone_meanwhile),
		T_FOLDER("a fingerprint without memory is none", fingerprints),
	};
	return RUN(tests);
}
