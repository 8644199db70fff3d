/* Key files of the kind that signs: beside the others, and never mistaken for them. */
#include "unit.h"

#include "../../keys/keyfile.h"

static uint8_t public[P256_PUBLIC];
static enum keyfile_made made;
static struct err e;

static int generate(const char *name, bool force)
{
	return keyfile_generate_p256(folder.fd, name, force, &made, public, &e);
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(folder.fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (unsigned)st.st_mode & 07777;
}

/* The pair in the folder is whole, and the one that `public` tells. */
static void assert_pair(const char *name)
{
	struct p256_pair secret;
	uint8_t half[P256_PUBLIC];

	if (keyfile_load_p256_public(folder.fd, name, half, &e) != 0 ||
		keyfile_load_p256_private(folder.fd, name, &secret, &e) != 0) {
		fail_msg("%s", e.text);
	}
	assert_memory_equal(half, public, sizeof half);
	assert_memory_equal(secret.public, public, sizeof public);
}

static void pair_made(void **state)
{
	(void)state;
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(made, KEYFILE_GENERATED);
	assert_pair("a");
	assert_int_equal(mode_of("a_p256_private.pem"), 0600);
	assert_int_equal(mode_of("a_p256_public.pem"), 0644);
	assert_int_equal(count_names("."), 2);
}

static void kept_and_replaced(void **state)
{
	uint8_t old[P256_PUBLIC];

	(void)state;
	assert_int_equal(generate("a", false), 0);
	memcpy(old, public, sizeof old);
	assert_refused(generate("a", false), e, EX_CANTCREAT);
	assert_int_equal(unlinkat(folder.fd, "a_p256_public.pem", 0), 0);
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(made, KEYFILE_COMPLETED);
	assert_memory_equal(public, old, sizeof old);
	assert_int_equal(generate("a", true), 0);
	assert_int_equal(made, KEYFILE_REPLACED);
	assert_memory_not_equal(public, old, sizeof old);
	assert_pair("a");
	assert_int_equal(count_names("."), 2);
}

static void anothers_saved(void **state)
{
	uint8_t old[P256_PUBLIC], got[P256_PUBLIC];

	(void)state;
	assert_int_equal(generate("a", false), 0);
	memcpy(old, public, sizeof old);
	assert_int_equal(keyfile_save_p256_public(folder.fd, "b", public, &e), 0);
	assert_int_equal(generate("a", true), 0);
	assert_int_equal(keyfile_load_p256_public(folder.fd, "b", got, &e), 0);
	assert_memory_equal(got, old, sizeof got);
	assert_int_equal(keyfile_save_p256_public(folder.fd, "b", public, &e), 0);
	assert_int_equal(keyfile_load_p256_public(folder.fd, "b", got, &e), 0);
	assert_memory_equal(got, public, sizeof got);
	assert_int_equal(mode_of("b_p256_public.pem"), 0644);
	assert_refused(keyfile_save_p256_public(folder.fd, "../b", public, &e), e, EX_USAGE);
}

static void kinds_apart(void **state)
{
	struct p256_pair pair;
	struct x25519_pair other;
	uint8_t point[X25519_BYTES];

	(void)state;
	assert_false(keyfile_name_valid("a_p256") || keyfile_name_valid("_p256"));
	assert_true(keyfile_name_valid("p256") && keyfile_name_valid("a_p2567"));
	assert_refused(generate("a_p256", false), e, EX_USAGE);
	assert_contains(e.text, "it ends in \"_p256\"");
	assert_refused(generate("a_x25519", false), e, EX_USAGE);
	assert_contains(e.text, "it ends in \"_x25519\"");
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(keyfile_generate_x25519(folder.fd, "b", false, &made, point, &e), 0);
	assert_int_equal(
		renameat(folder.fd, "a_p256_private.pem", folder.fd, "a_x25519_private.pem"), 0);
	assert_refused(keyfile_load_x25519_private(folder.fd, "a", &other, &e), e, EX_CONFIG);
	assert_contains(e.text, "a_x25519_private.pem: it is no X25519 key: it is EC P-256");
	assert_int_equal(
		renameat(folder.fd, "b_x25519_private.pem", folder.fd, "b_p256_private.pem"), 0);
	assert_refused(keyfile_load_p256_private(folder.fd, "b", &pair, &e), e, EX_CONFIG);
	assert_contains(e.text, "b_p256_private.pem: it is no EC P-256 key: it is X25519");
}

static void unusable(void **state)
{
	struct p256_pair pair;
	uint8_t point[P256_PUBLIC];

	(void)state;
	assert_refused(keyfile_load_p256_private(folder.fd, "a", &pair, &e), e, EX_NOINPUT);
	assert_contains(e.text, "a_p256_private.pem");
	assert_refused(keyfile_load_p256_public(folder.fd, "../a", point, &e), e, EX_USAGE);
	assert_int_equal(mkfifoat(folder.fd, "f_p256_private.pem", 0600), 0);
	assert_refused(keyfile_load_p256_private(folder.fd, "f", &pair, &e), e, EX_NOINPUT);
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(fchmodat(folder.fd, "a_p256_private.pem", 0640, 0), 0);
	assert_refused(keyfile_load_p256_private(folder.fd, "a", &pair, &e), e, EX_CONFIG);
	assert_contains(e.text, "others can read it (mode 0640)");
	spew_text("a_p256_public.pem",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
	assert_refused(keyfile_load_p256_public(folder.fd, "a", point, &e), e, EX_CONFIG);
	assert_contains(e.text, "a_p256_public.pem");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a pair has two files, the private one 0600", pair_made),
		T_FOLDER("a pair is kept, completed, or replaced by force", kept_and_replaced),
		T_FOLDER("another's public half is kept, and replaced", anothers_saved),
		T_FOLDER("names and kinds are told apart", kinds_apart),
		T_FOLDER("what cannot be used is refused, and named", unusable),
	};

	return RUN(tests);
}
