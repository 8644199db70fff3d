/* The published test kit of the age format: every case for X25519, whole and in small pieces, to
 * the class of failure and the hash of what was handed out. */
#include "age.h"

#include <dirent.h>

struct kit {
	char expect[32], payload[2 * HASH_BYTES + 1];
	struct x25519_pair identities[4];
	size_t identities_n;
	bool passphrase, hybrid, armored, compressed;
	struct buf body;
};

static struct age_batch batch;
static size_t ran, passphrases, hybrids, by_fault[AGE_OTHER + 1];

/* --- reading a case --- */

static bool starts(const char *text, const char *with, const char **rest)
{
	size_t n = strlen(with);

	*rest = text + n;
	return strncmp(text, with, n) == 0;
}

static void take_identity(struct kit *k, const char *text)
{
	struct err e;

	k->hybrid = k->hybrid || strncmp(text, "AGE-SECRET-KEY-PQ-", 18) == 0;
	if (!k->hybrid) {
		assert_true(k->identities_n < COUNT(k->identities));
		assert_int_equal(age_read_identity(
					 &k->identities[k->identities_n++], text, strlen(text), &e),
			0);
	}
}

static void take_field(struct kit *k, const char *line)
{
	const char *v;

	if (starts(line, "expect: ", &v)) {
		(void)snprintf(k->expect, sizeof k->expect, "%.31s", v);
	} else if (starts(line, "payload: ", &v)) {
		(void)snprintf(k->payload, sizeof k->payload, "%.64s", v);
	} else if (starts(line, "identity: ", &v)) {
		take_identity(k, v);
	} else if (starts(line, "passphrase: ", &v)) {
		k->passphrase = true;
	} else if (starts(line, "armored: ", &v)) {
		assert_string_equal(v, "yes");
		k->armored = true;
	} else if (starts(line, "compressed: ", &v)) {
		assert_string_equal(v, "zlib");
		k->compressed = true;
	} else {
		assert_true(starts(line, "comment: ", &v) || starts(line, "file key: ", &v));
	}
}

/* Python unpacks it, from its place behind the empty line. */
static void unpack(struct kit *k, const char *path)
{
	static const char program[] =
		"import sys, zlib; sys.stdout.buffer.write(zlib.decompress("
		"open(sys.argv[1], \\\"rb\\\").read().split(b\\\"\\n\\n\\\", 1)[1]))";
	char command[PATH_MAX + sizeof program + 320];
	FILE *f;
	size_t n;

	(void)snprintf(command, sizeof command, "/usr/bin/python3 -c \"%s\" '%s'", program, path);
	f = popen(command, "r");
	assert_non_null(f);
	k->body.n = 0;
	do {
		assert_int_equal(buf_reserve(&k->body, 65536), 0);
		n = fread(k->body.p + k->body.n, 1, 65536, f);
		k->body.n += n;
	} while (n > 0);
	assert_int_equal(pclose(f), 0);
}

static void load(struct kit *k, const char *path)
{
	struct buf text = {0};
	const uint8_t *line;
	struct cursor c;
	struct err e;
	char field[1024];
	size_t n;

	memset(k, 0, sizeof *k);
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &text, NULL, &e), 0);
	c = cursor_over(text.p, text.n);
	while (get_line(&c, &line, &n) && n > 0) {
		(void)snprintf(field, sizeof field, "%.*s", (int)n, (const char *)line);
		take_field(k, field);
	}
	assert_false(c.failed);
	n = cursor_left(&c);
	assert_int_equal(buf_append(&k->body, get_bytes(&c, n), n), 0);
	buf_free(&text);
	if (k->compressed) {
		unpack(k, path);
	}
}

/* --- judging it --- */

static enum age_fault wanted(const char *expect)
{
	static const char *const names[] = {[AGE_SOUND] = "success",
		[AGE_BAD_ARMOR] = "armor failure",
		[AGE_BAD_HEADER] = "header failure",
		[AGE_NO_MATCH] = "no match",
		[AGE_BAD_HMAC] = "HMAC failure",
		[AGE_BAD_PAYLOAD] = "payload failure"};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(expect, names[i]) == 0) {
			return (enum age_fault)i;
		}
	}
	fail_msg("the kit expects \"%s\"", expect);
	return AGE_OTHER;
}

static void judge(const struct kit *k, const char *name, size_t piece, enum age_form form)
{
	struct buf out = {0};
	uint8_t digest[HASH_BYTES];
	char hex[2 * HASH_BYTES + 1];
	enum age_fault fault = open_pieces(
		k->body.p, k->body.n, piece, k->identities, k->identities_n, form, &out);

	hash_of(out.p, out.n, digest);
	hex_encode(hex, digest, sizeof digest);
	if (fault != wanted(k->expect)) {
		fail_msg("%s in pieces of %zu: fault %d, not \"%s\"", name, piece, (int)fault,
			k->expect);
	}
	if (k->payload[0] == '\0') {
		assert_int_equal(out.n, 0);
	} else if (strcmp(hex, k->payload) != 0) {
		fail_msg("%s in pieces of %zu: %zu bytes of another hash", name, piece, out.n);
	}
	buf_free(&out);
}

static void run_case(const char *dir, const char *name)
{
	static const size_t pieces[] = {1, 7, 4096, 65552, SIZE_MAX / 2};
	char path[PATH_MAX + 257];
	struct kit k;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	load(&k, path);
	if (k.passphrase || k.hybrid) {
		passphrases += k.passphrase;
		hybrids += !k.passphrase;
		buf_free(&k.body);
		return;
	}
	for (size_t i = k.body.n > 1 << 20 ? 1 : 0; i < COUNT(pieces); i++) {
		judge(&k, name, pieces[i], k.armored ? AGE_ARMORED : AGE_BINARY);
	}
	lent = &batch;
	judge(&k, name, SIZE_MAX / 2, k.armored ? AGE_ARMORED : AGE_BINARY);
	lent = NULL;
	/* what is sound, or fails in its substance, does so too when its form is to be found out */
	if (wanted(k.expect) != AGE_BAD_ARMOR && wanted(k.expect) != AGE_BAD_HEADER) {
		judge(&k, name, 4096, AGE_EITHER);
	}
	ran++;
	by_fault[wanted(k.expect)]++;
	buf_free(&k.body);
}

static void testkit(void **state)
{
	const char *vectors_dir = getenv("VECTORS");
	char dir[PATH_MAX];
	struct dirent *entry;
	DIR *d;

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/age/testkit",
		vectors_dir == NULL ? "../shared/vectors" : vectors_dir);
	d = opendir(dir);
	if (d == NULL) {
		print_message("# SKIPPED: there is no %s\n", dir);
		skip();
	}
	age_batch_begin(&batch);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.') {
			run_case(dir, entry->d_name);
		}
	}
	(void)closedir(d);
	age_batch_end(&batch);
	print_message("# %zu cases: %zu success, %zu armor, %zu header, %zu no match, %zu HMAC, "
		      "%zu payload\n",
		ran, by_fault[AGE_SOUND], by_fault[AGE_BAD_ARMOR], by_fault[AGE_BAD_HEADER],
		by_fault[AGE_NO_MATCH], by_fault[AGE_BAD_HMAC], by_fault[AGE_BAD_PAYLOAD]);
	print_message("# SKIPPED: %zu cases with a passphrase, %zu of post-quantum identities\n",
		passphrases, hybrids);
	assert_int_equal(passphrases, 26);
	assert_int_equal(hybrids, 19);
	assert_int_equal(ran, 98);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("every X25519 case of the age test kit has its class and its payload", testkit),
	};
	return RUN(tests);
}
