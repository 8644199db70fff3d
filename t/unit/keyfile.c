/* Key files: names, modes, states. */
#include "unit.h"

#include "../../keys/keyfile.h"
#include "../../crypto/pem.h"

static struct rsa_public public;
static uint8_t point[X25519_BYTES];
static enum keyfile_made made;
static struct err e;

static int generate(const char *name, bool force)
{
	return keyfile_generate(folder.fd, name, 2048, force, &made, &public, &e);
}

static int generate_x25519(const char *name, bool force)
{
	return keyfile_generate_x25519(folder.fd, name, force, &made, point, &e);
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
	static struct rsa_private secret;
	struct rsa_public half;

	if (keyfile_load_public(folder.fd, name, &half, &e) != 0 ||
		keyfile_load_private(folder.fd, name, &secret, &e) != 0) {
		fail_msg("%s", e.text);
	}
	assert_memory_equal(half.n, public.n, public.n_len);
	assert_memory_equal(secret.public.n, public.n, public.n_len);
}

/* The same of its X25519 pair and `point`. */
static void assert_x25519_pair(const char *name)
{
	struct x25519_pair secret;
	uint8_t half[X25519_BYTES];

	if (keyfile_load_x25519_public(folder.fd, name, half, &e) != 0 ||
		keyfile_load_x25519_private(folder.fd, name, &secret, &e) != 0) {
		fail_msg("%s", e.text);
	}
	assert_memory_equal(half, point, sizeof half);
	assert_memory_equal(secret.public, point, sizeof point);
}

static void pair_made(void **state)
{
	struct buf text = {0};

	(void)state;
	assert_int_equal(generate("client1", false), 0);
	assert_int_equal(made, KEYFILE_GENERATED);
	assert_pair("client1");
	assert_int_equal(mode_of("client1_private.pem"), 0600);
	assert_int_equal(mode_of("client1_public.pem"), 0644);
	assert_int_equal(count_names("."), 2);
	slurp("client1_private.pem", &text);
	assert_memory_equal(text.p, "-----BEGIN RSA PRIVATE KEY-----\n", 32);
	slurp("client1_public.pem", &text);
	assert_memory_equal(text.p, "-----BEGIN PUBLIC KEY-----\n", 27);
	buf_free(&text);
}

static void never_overwritten(void **state)
{
	struct buf before = {0}, after = {0};

	(void)state;
	assert_int_equal(generate("a", false), 0);
	slurp("a_private.pem", &before);
	assert_refused(generate("a", false), e, EX_CANTCREAT);
	assert_contains(e.text, "a_private.pem");
	assert_contains(e.text, "hint: --force");
	slurp("a_private.pem", &after);
	assert_int_equal(before.n, after.n);
	assert_memory_equal(before.p, after.p, before.n);
	assert_int_equal(unlinkat(folder.fd, "a_private.pem", 0), 0);
	assert_refused(
		generate("a", false), e, EX_CANTCREAT); /* the public half alone is somebody's */
	assert_contains(e.text, "a_public.pem");
	assert_int_equal(count_names("."), 1);
	buf_free(&before);
	buf_free(&after);
}

static void force_replaces(void **state)
{
	struct rsa_public old;

	(void)state;
	assert_int_equal(generate("a", true), 0);
	assert_int_equal(made, KEYFILE_GENERATED);
	old = public;
	assert_int_equal(generate("a", true), 0);
	assert_int_equal(made, KEYFILE_REPLACED);
	assert_memory_not_equal(old.n, public.n, public.n_len);
	assert_pair("a");
	assert_int_equal(mode_of("a_private.pem"), 0600);
	assert_int_equal(count_names("."), 2);
}

static void half_completed(void **state)
{
	struct rsa_public old;

	(void)state;
	assert_int_equal(generate("a", false), 0);
	old = public;
	assert_int_equal(
		unlinkat(folder.fd, "a_public.pem", 0), 0); /* a crash between the halves */
	memset(&public, 0, sizeof public);
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(made, KEYFILE_COMPLETED);
	assert_memory_equal(old.n, public.n, public.n_len);
	assert_pair("a");
	spew_text("b_private.pem", "damaged");
	assert_refused(generate("b", false), e, EX_CONFIG);
	assert_contains(e.text, "b_private.pem");
	assert_int_equal(count_names("."), 3); /* no public half of nothing */
}

static void names_checked(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "../a", "A", "a b", "_a",
		"abcdefghijklmnopqrstuvwxyz0123456"};
	struct rsa_public half;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(generate(bad[i], true), e, EX_USAGE);
		assert_refused(keyfile_load_public(folder.fd, bad[i], &half, &e), e, EX_USAGE);
	}
	assert_int_equal(generate("abcdefghijklmnopqrstuvwxyz012345", false), 0);
	assert_int_equal(count_names("."), 2);
	assert_refused(
		keyfile_generate(folder.fd, "c", 1024, false, &made, &public, &e), e, EX_USAGE);
	assert_int_equal(count_names("."), 2);
}

static void open_private(void **state)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0610, 0601, 0644, 0660, 0777};
	static struct rsa_private secret;

	(void)state;
	assert_int_equal(generate("a", false), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(fchmodat(folder.fd, "a_private.pem", bad[i], 0), 0);
		assert_refused(keyfile_load_private(folder.fd, "a", &secret, &e), e, EX_CONFIG);
		assert_contains(e.text, "a_private.pem");
		assert_contains(e.text, "hint: chmod 600 a_private.pem");
	}
	assert_int_equal(fchmodat(folder.fd, "a_private.pem", 0400, 0), 0);
	assert_int_equal(keyfile_load_private(folder.fd, "a", &secret, &e), 0);
}

static void no_key(void **state)
{
	static struct rsa_private secret;
	struct rsa_public half;
	char large[PEM_TEXT_MAX + 2];

	(void)state;
	assert_refused(keyfile_load_public(folder.fd, "a", &half, &e), e, EX_NOINPUT);
	assert_contains(e.text, "a_public.pem");
	assert_refused(keyfile_load_private(folder.fd, "a", &secret, &e), e, EX_NOINPUT);
	assert_int_equal(mkfifoat(folder.fd, "a_private.pem", 0600), 0);
	assert_refused(keyfile_load_private(folder.fd, "a", &secret, &e), e, EX_NOINPUT);
	assert_int_equal(mkdirat(folder.fd, "a_public.pem", 0700), 0);
	assert_refused(keyfile_load_public(folder.fd, "a", &half, &e), e, EX_NOINPUT);
	spew("b_public.pem", "", 0);
	assert_refused(keyfile_load_public(folder.fd, "b", &half, &e), e, EX_CONFIG);
	assert_contains(e.text, "b_public.pem");
	memset(large, '\n', sizeof large);
	spew("c_public.pem", large, PEM_TEXT_MAX + 1);
	assert_refused(keyfile_load_public(folder.fd, "c", &half, &e), e, EX_CONFIG);
	assert_contains(e.text, "c_public.pem");
}

static void wrong_half(void **state)
{
	static struct rsa_private secret;
	struct rsa_public half;

	(void)state;
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(renameat(folder.fd, "a_private.pem", folder.fd, "b_public.pem"), 0);
	assert_int_equal(renameat(folder.fd, "a_public.pem", folder.fd, "b_private.pem"), 0);
	assert_int_equal(fchmodat(folder.fd, "b_private.pem", 0600, 0), 0);
	assert_refused(keyfile_load_public(folder.fd, "b", &half, &e), e, EX_CONFIG);
	assert_refused(keyfile_load_private(folder.fd, "b", &secret, &e), e, EX_CONFIG);
	assert_contains(e.text, "b_private.pem");
}

static void margins_limit(void **state)
{
	struct buf text = {0};
	struct rsa_public half;
	char *blank = malloc(PEM_TEXT_MAX);

	(void)state;
	assert_int_equal(generate("a", false), 0);
	slurp("a_public.pem", &text);
	memset(blank, '\n', PEM_TEXT_MAX);
	assert_int_equal(buf_append(&text, blank, PEM_TEXT_MAX - text.n), 0);
	spew("a_public.pem", text.p, PEM_TEXT_MAX); /* exactly at the limit */
	assert_int_equal(keyfile_load_public(folder.fd, "a", &half, &e), 0);
	free(blank);
	buf_free(&text);
}

static void fingerprints(void **state)
{
	char one[KEYFILE_FINGERPRINT_MAX], two[KEYFILE_FINGERPRINT_MAX];

	(void)state;
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(keyfile_fingerprint(&public, one), 0);
	assert_int_equal(keyfile_fingerprint(&public, two), 0);
	assert_string_equal(one, two);
	assert_int_equal(strlen(one), 7 + 43);
	assert_int_equal(strncmp(one, "SHA256:", 7), 0);
	public.n[100] ^= 1;
	assert_int_equal(keyfile_fingerprint(&public, two), 0);
	assert_string_not_equal(one, two);
}

static void x25519_made(void **state)
{
	struct buf text = {0};
	uint8_t old[X25519_BYTES];

	(void)state;
	assert_int_equal(generate_x25519("client1", false), 0);
	assert_int_equal(made, KEYFILE_GENERATED);
	assert_x25519_pair("client1");
	assert_int_equal(mode_of("client1_x25519_private.pem"), 0600);
	assert_int_equal(mode_of("client1_x25519_public.pem"), 0644);
	assert_int_equal(count_names("."), 2);
	slurp("client1_x25519_private.pem", &text);
	assert_memory_equal(text.p, "-----BEGIN PRIVATE KEY-----\n", 28);
	slurp("client1_x25519_public.pem", &text);
	assert_memory_equal(text.p, "-----BEGIN PUBLIC KEY-----\n", 27);
	buf_free(&text);

	memcpy(old, point, sizeof old);
	assert_refused(generate_x25519("client1", false), e, EX_CANTCREAT);
	assert_contains(e.text, "client1_x25519_private.pem");
	assert_contains(e.text, "hint: --force");
	assert_x25519_pair("client1");
	assert_int_equal(generate_x25519("client1", true), 0);
	assert_int_equal(made, KEYFILE_REPLACED);
	assert_memory_not_equal(old, point, sizeof old);
	assert_x25519_pair("client1");
	assert_int_equal(count_names("."), 2);
}

static void x25519_halves(void **state)
{
	uint8_t old[X25519_BYTES];

	(void)state;
	assert_int_equal(generate_x25519("a", false), 0);
	memcpy(old, point, sizeof old);
	assert_int_equal(unlinkat(folder.fd, "a_x25519_public.pem", 0), 0);
	memset(point, 0, sizeof point);
	assert_int_equal(generate_x25519("a", false), 0);
	assert_int_equal(made, KEYFILE_COMPLETED);
	assert_memory_equal(old, point, sizeof old);
	assert_x25519_pair("a");
	assert_int_equal(unlinkat(folder.fd, "a_x25519_private.pem", 0), 0);
	assert_refused(generate_x25519("a", false), e, EX_CANTCREAT);
	assert_contains(e.text, "a_x25519_public.pem");
	assert_int_equal(count_names("."), 1);
	spew_text("b_x25519_private.pem", "damaged");
	assert_refused(generate_x25519("b", false), e, EX_CONFIG);
	assert_contains(e.text, "b_x25519_private.pem");
	assert_int_equal(count_names("."), 2);
}

static void x25519_imported(void **state)
{
	struct x25519_pair pairs[2], found;

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		assert_int_equal(x25519_generate(&pairs[i], &e), 0);
	}
	assert_int_equal(keyfile_import_x25519(folder.fd, "ada", &pairs[0], false, &made, &e), 0);
	assert_int_equal(made, KEYFILE_GENERATED);
	memcpy(point, pairs[0].public, sizeof point);
	assert_x25519_pair("ada");
	assert_refused(keyfile_import_x25519(folder.fd, "ada", &pairs[1], false, &made, &e), e,
		EX_CANTCREAT);
	assert_int_equal(unlinkat(folder.fd, "ada_x25519_public.pem", 0), 0);
	/* it would not be the private half's */
	assert_refused(keyfile_import_x25519(folder.fd, "ada", &pairs[1], false, &made, &e), e,
		EX_CANTCREAT);
	assert_int_equal(keyfile_load_x25519_private(folder.fd, "ada", &found, &e), 0);
	assert_memory_equal(&found, &pairs[0], sizeof found);
	assert_int_equal(keyfile_import_x25519(folder.fd, "ada", &pairs[1], true, &made, &e), 0);
	assert_int_equal(made, KEYFILE_REPLACED);
	memcpy(point, pairs[1].public, sizeof point);
	assert_x25519_pair("ada");
	assert_int_equal(keyfile_load_x25519_private(folder.fd, "ada", &found, &e), 0);
	assert_memory_equal(&found, &pairs[1], sizeof found);
}

/* The two kinds of a name know nothing of each other, but where a name could feign a kind. */
static void kinds_apart(void **state)
{
	static struct rsa_private secret;
	enum keyfile_state found;
	struct x25519_pair pair;
	struct rsa_public half;

	(void)state;
	assert_int_equal(generate("a", false), 0);
	assert_int_equal(keyfile_look(folder.fd, "a", KEYFILE_RSA, &found, &e), 0);
	assert_int_equal(found, KEYFILE_WHOLE);
	assert_int_equal(keyfile_look(folder.fd, "a", KEYFILE_X25519, &found, &e), 0);
	assert_int_equal(found, KEYFILE_NONE);
	assert_int_equal(generate_x25519("a", false), 0);
	assert_pair("a");
	assert_x25519_pair("a");
	assert_int_equal(count_names("."), 4);

	assert_true(keyfile_name_valid("a") && keyfile_name_valid("x25519"));
	assert_true(keyfile_name_valid("a_x25519_") && keyfile_name_valid("ax25519"));
	assert_false(keyfile_name_valid("a_x25519") || keyfile_name_valid("_x25519"));
	assert_false(keyfile_name_valid("") || keyfile_name_valid("a/b"));
	assert_refused(generate("a_x25519", true), e, EX_USAGE);
	assert_refused(generate_x25519("a_x25519", true), e, EX_USAGE);
	assert_x25519_pair("a");
	/* read as RSA they are refused for what they are */
	assert_refused(keyfile_load_public(folder.fd, "a_x25519", &half, &e), e, EX_CONFIG);
	assert_contains(e.text, "a_x25519_public.pem: it is no RSA key: it is X25519");
	assert_refused(keyfile_load_private(folder.fd, "a_x25519", &secret, &e), e, EX_CONFIG);
	assert_contains(e.text, "a_x25519_private.pem: it is no RSA key: it is X25519");
	assert_int_equal(
		renameat(folder.fd, "a_private.pem", folder.fd, "a_x25519_private.pem"), 0);
	assert_refused(keyfile_load_x25519_private(folder.fd, "a", &pair, &e), e, EX_CONFIG);
	assert_contains(e.text, "a_x25519_private.pem: it is no X25519 key: it is RSA");
	assert_int_equal(renameat(folder.fd, "a_public.pem", folder.fd, "a_x25519_public.pem"), 0);
	assert_refused(keyfile_load_x25519_public(folder.fd, "a", point, &e), e, EX_CONFIG);
	assert_contains(e.text, "a_x25519_public.pem: it is no X25519 key: it is RSA");
}

static void states_looked_at(void **state)
{
	static const struct {
		const char *private, *public;
	} files[KEYFILE_KINDS] = {[KEYFILE_RSA] = {"a_private.pem", "a_public.pem"},
		[KEYFILE_X25519] = {"a_x25519_private.pem", "a_x25519_public.pem"},
		[KEYFILE_P256] = {"a_p256_private.pem", "a_p256_public.pem"}};
	enum keyfile_state found;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		enum keyfile_kind k = (enum keyfile_kind)i;
		char stale[64];
		assert_int_equal(keyfile_look(folder.fd, "a", k, &found, &e), 0);
		assert_int_equal(found, KEYFILE_NONE);
		spew_text(files[i].private, "");
		assert_int_equal(keyfile_look(folder.fd, "a", k, &found, &e), 0);
		assert_int_equal(found, KEYFILE_PRIVATE_ALONE);
		spew_text(files[i].public, "");
		(void)snprintf(stale, sizeof stale, ".%s.new", files[i].private);
		spew_text(stale, "half of a key");
		assert_int_equal(keyfile_look(folder.fd, "a", k, &found, &e), 0);
		assert_int_equal(found, KEYFILE_WHOLE);
		assert_int_equal(count_names("."), 2); /* what a killed writer left is gone */
		assert_int_equal(unlinkat(folder.fd, files[i].private, 0), 0);
		assert_int_equal(keyfile_look(folder.fd, "a", k, &found, &e), 0);
		assert_int_equal(found, KEYFILE_PUBLIC_ALONE);
		assert_int_equal(unlinkat(folder.fd, files[i].public, 0), 0);
	}
	assert_refused(keyfile_look(folder.fd, "../a", KEYFILE_RSA, &found, &e), e, EX_USAGE);
}

static void x25519_refused(void **state)
{
	struct x25519_pair secret;

	(void)state;
	assert_refused(keyfile_load_x25519_public(folder.fd, "../a", point, &e), e, EX_USAGE);
	assert_refused(keyfile_load_x25519_public(folder.fd, "a", point, &e), e, EX_NOINPUT);
	assert_contains(e.text, "a_x25519_public.pem");
	assert_refused(keyfile_load_x25519_private(folder.fd, "a", &secret, &e), e, EX_NOINPUT);
	assert_int_equal(mkfifoat(folder.fd, "f_x25519_private.pem", 0600), 0);
	assert_refused(keyfile_load_x25519_private(folder.fd, "f", &secret, &e), e, EX_NOINPUT);
	assert_int_equal(mkdirat(folder.fd, "f_x25519_public.pem", 0700), 0);
	assert_refused(keyfile_load_x25519_public(folder.fd, "f", point, &e), e, EX_NOINPUT);

	assert_int_equal(generate_x25519("a", false), 0);
	assert_int_equal(fchmodat(folder.fd, "a_x25519_private.pem", 0644, 0), 0);
	assert_refused(keyfile_load_x25519_private(folder.fd, "a", &secret, &e), e, EX_CONFIG);
	assert_contains(e.text, "others can read it (mode 0644)");
	assert_contains(e.text, "hint: chmod 600 a_x25519_private.pem");
}

static void x25519_fingerprints(void **state)
{
	/* RFC 7748 6.1, Alice; openssl pkey -pubin -outform DER | openssl dgst -sha256 */
	static const char alice[] =
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
	char text[KEYFILE_FINGERPRINT_MAX];

	(void)state;
	assert_int_equal(hex_decode(point, sizeof point, alice, strlen(alice)), 0);
	assert_int_equal(keyfile_x25519_fingerprint(point, text), 0);
	assert_string_equal(text, "SHA256:KRxSk+AwRSpZmFGnxymPPxbD/xvfr8tZiSfyYx+fpkE");
}

/* A public key by any path; and somebody else's, kept under a name. */
static void others_halves(void **state)
{
	char path[PATH_MAX + 64];
	uint8_t half[X25519_BYTES], kept[X25519_BYTES];

	(void)state;
	assert_int_equal(generate_x25519("a", false), 0);
	(void)snprintf(path, sizeof path, "%s/a_x25519_public.pem", folder.path);
	assert_int_equal(keyfile_read_x25519_public(path, half, &e), 0);
	assert_memory_equal(half, point, sizeof half);
	(void)snprintf(path, sizeof path, "%s/a_x25519_private.pem", folder.path);
	assert_refused(keyfile_read_x25519_public(path, half, &e), e, EX_CONFIG);
	assert_contains(e.text, path);
	assert_refused(keyfile_read_x25519_public("/nowhere/x.pem", half, &e), e, EX_NOINPUT);
	assert_refused(keyfile_save_x25519_public(folder.fd, "../b", point, &e), e, EX_USAGE);
	assert_int_equal(keyfile_save_x25519_public(folder.fd, "b", point, &e), 0);
	assert_int_equal(keyfile_load_x25519_public(folder.fd, "b", kept, &e), 0);
	assert_memory_equal(kept, point, sizeof kept);
	assert_int_equal(mode_of("b_x25519_public.pem"), 0644);
	assert_int_equal(count_names("."), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("others' public halves are read from anywhere, and kept", others_halves),
		T_FOLDER("a pair is made under its founding names, 0600 and 0644", pair_made),
		T_FOLDER("no key is overwritten, and the hint says how it could be",
			never_overwritten),
		T_FOLDER("force replaces both halves", force_replaces),
		T_FOLDER("a private half alone is completed, not replaced", half_completed),
		T_FOLDER("names that would leave the folder, and odd sizes, are refused",
			names_checked),
		T_FOLDER("a private key that others can read is refused, with the cure",
			open_private),
		T_FOLDER("nothing, a FIFO, a folder, an empty or huge file: refused by name",
			no_key),
		T_FOLDER("a half in the other's place is refused", wrong_half),
		T_FOLDER("a file of 65536 bytes is still read", margins_limit),
		T_FOLDER("a fingerprint is that of the key alone", fingerprints),
		T_FOLDER("an X25519 pair is made, never overwritten, and replaced by force",
			x25519_made),
		T_FOLDER("an X25519 private half alone is completed, a public one left alone",
			x25519_halves),
		T_FOLDER("an X25519 pair made elsewhere is taken, and replaces none by itself",
			x25519_imported),
		T_FOLDER("the kinds of a name do not meet, and no name feigns a kind", kinds_apart),
		T_FOLDER("each state on disk is told, and what a killed writer left removed",
			states_looked_at),
		T_FOLDER("no X25519 key, a FIFO, a folder, one open to others: refused by name",
			x25519_refused),
		T_FOLDER("an X25519 fingerprint is that of its SPKI", x25519_fingerprints),
	};
	return RUN(tests);
}
