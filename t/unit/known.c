/* Whom a client knows: pinned once, never replaced unasked, and a file that people may edit. */
#include "unit.h"

#include "../../crypto/age.h"
#include "../../crypto/sshsig.h"
#include "../../keys/known.h"

static struct known_keys alice, bob, mallory;
static struct known known;
static enum known_how how;
static struct known_member was;
static struct err e;

static struct known_keys make_keys(void)
{
	struct x25519_pair x;
	struct p256_pair p;
	struct known_keys k = {.signs = true};

	assert_int_equal(x25519_generate(&x, &e), 0);
	assert_int_equal(p256_generate(&p, &e), 0);
	memcpy(k.x25519, x.public, sizeof k.x25519);
	memcpy(k.p256, p.public, sizeof k.p256);
	return k;
}

static int begin(void **state)
{
	alice = make_keys();
	bob = make_keys();
	mallory = make_keys();
	memset(&was, 0, sizeof was);
	return folder_make(state);
}

static int see(const char *name, const struct known_keys *keys)
{
	return known_see(folder.fd, name, keys, &how, &was, &e);
}

/* The file's member of this name, or NULL. */
static const struct known_member *look(const char *name)
{
	known_free(&known);
	if (known_load(&known, folder.fd, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return known_find(&known, name);
}

static void assert_known(const char *name, const struct known_keys *keys, bool verified)
{
	const struct known_member *m = look(name);

	assert_non_null(m);
	assert_memory_equal(m->keys.x25519, keys->x25519, X25519_BYTES);
	assert_int_equal(m->keys.signs, keys->signs);
	assert_true(!keys->signs || memcmp(m->keys.p256, keys->p256, P256_PUBLIC) == 0);
	assert_int_equal(m->verified, verified);
	assert_true(m->since > 1700000000);
	known_free(&known);
}

static void first_pinned(void **state)
{
	struct stat st;

	(void)state;
	assert_null(look("bob"));
	assert_int_equal(see("bob", &bob), 0);
	assert_int_equal(how, KNOWN_PINNED);
	assert_known("bob", &bob, false);
	assert_int_equal(fstatat(folder.fd, KNOWN_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(see("bob", &bob), 0);
	assert_int_equal(how, KNOWN_SAME);
	assert_memory_equal(&was.keys, &bob, sizeof bob);
	assert_int_equal(count_names("."), 1);
}

/* Another key of either kind changes nothing on disk. */
static void changes_told(void **state)
{
	struct known_keys half = bob;
	struct buf before = {0}, after = {0};

	(void)state;
	assert_int_equal(see("bob", &bob), 0);
	slurp(KNOWN_FILE, &before);
	assert_int_equal(see("bob", &mallory), 0);
	assert_int_equal(how, KNOWN_CHANGED);
	assert_memory_equal(&was.keys, &bob, sizeof bob);
	memcpy(half.p256, mallory.p256, sizeof half.p256);
	assert_int_equal(see("bob", &half), 0);
	assert_int_equal(how, KNOWN_CHANGED);
	half = bob;
	memcpy(half.x25519, mallory.x25519, sizeof half.x25519);
	assert_int_equal(see("bob", &half), 0);
	assert_int_equal(how, KNOWN_CHANGED);
	half.signs = false;
	assert_int_equal(see("bob", &half), 0);
	assert_int_equal(how, KNOWN_CHANGED);
	slurp(KNOWN_FILE, &after);
	assert_int_equal(after.n, before.n);
	assert_memory_equal(after.p, before.p, before.n);
	buf_free(&before);
	buf_free(&after);
}

/* A signing key comes later, and is pinned then; withheld, it stays pinned. */
static void signing_later(void **state)
{
	struct known_keys without = bob;

	(void)state;
	without.signs = false;
	assert_int_equal(see("bob", &without), 0);
	assert_int_equal(how, KNOWN_PINNED);
	assert_known("bob", &without, false);
	assert_int_equal(known_accept(folder.fd, "bob", &without, true, &e), 0);
	assert_int_equal(see("bob", &bob), 0);
	assert_int_equal(how, KNOWN_SIGNING);
	assert_true(!was.keys.signs && was.verified);
	assert_known("bob", &bob, false);
	assert_int_equal(see("bob", &without), 0);
	assert_int_equal(how, KNOWN_SAME);
	assert_true(was.keys.signs);
	assert_known("bob", &bob, false);
}

/* A signing key that comes later is not as old as what was pinned before it. */
static void signs_since(void **state)
{
	struct known_member m = {.name = "bob", .keys = bob, .since = 86400};
	struct buf line = {0};

	(void)state;
	m.keys.signs = false;
	assert_int_equal(known_write(&line, &m), 0);
	spew(KNOWN_FILE, line.p, line.n);
	buf_free(&line);
	assert_int_equal(look("bob")->since, 86400);
	assert_int_equal(see("bob", &bob), 0);
	assert_int_equal(how, KNOWN_SIGNING);
	assert_true(look("bob")->since > 86400);
	known_free(&known);
}

static void accepted_and_forgotten(void **state)
{
	(void)state;
	assert_int_equal(see("alice", &alice), 0);
	assert_int_equal(see("bob", &bob), 0);
	assert_int_equal(known_accept(folder.fd, "alice", &mallory, false, &e), 0);
	assert_known("alice", &mallory, false);
	assert_int_equal(known_accept(folder.fd, "bob", &bob, true, &e), 0);
	assert_known("bob", &bob, true);
	assert_int_equal(known_accept(folder.fd, "carol", &alice, true, &e), 0);
	assert_known("carol", &alice, true);
	assert_int_equal(known_forget(folder.fd, "alice", &e), 0);
	assert_null(look("alice"));
	assert_refused(known_forget(folder.fd, "alice", &e), e, EX_NOUSER);
	assert_int_equal(known.n, 2);
	known_free(&known);
	assert_known("bob", &bob, true);
	assert_refused(see("../bob", &bob), e, EX_USAGE);
	assert_refused(known_accept(folder.fd, "", &bob, true, &e), e, EX_USAGE);
	assert_refused(known_forget(folder.fd, "B", &e), e, EX_USAGE);
}

/* A line as the header shows it. */
static void line_of(
	char out[static 512], const char *name, const struct known_keys *k, const char *behind)
{
	char recipient[AGE_RECIPIENT_TEXT + 1], signing[SSHSIG_LINE_MAX];

	age_write_recipient(recipient, k->x25519);
	sshsig_write_public(signing, k->p256);
	(void)snprintf(out, 512, "%s %s %s %s", name, recipient, k->signs ? signing : "-", behind);
}

/* Comments, order, CR LF and a last line without an end are people's to have. */
static void edited_by_hand(void **state)
{
	char a[512], b[512], c[512], text[2048];
	struct buf got = {0};

	(void)state;
	line_of(a, "alice", &alice, "2026-11-22T10:00:00Z pinned");
	line_of(b, "bob", &bob, "2026-11-22T10:00:00Z verified\r");
	line_of(c, "carol", &mallory, "2024-02-29T23:59:59Z pinned");
	(void)snprintf(text, sizeof text, "# mine\n%s\n\n%s\n# bob bob\n%s", a, b, c);
	spew_text(KNOWN_FILE, text);
	assert_known("alice", &alice, false);
	assert_known("bob", &bob, true);
	assert_known("carol", &mallory, false);
	assert_int_equal(look("carol")->since, 1709251199);
	known_free(&known);
	assert_int_equal(known_forget(folder.fd, "bob", &e), 0);
	assert_int_equal(see("dave", &bob), 0);
	assert_int_equal(known_forget(folder.fd, "dave", &e), 0);
	slurp(KNOWN_FILE, &got);
	(void)snprintf(text, sizeof text, "# mine\n%s\n\n# bob bob\n%s\n", a, c);
	assert_int_equal(got.n, strlen(text));
	assert_memory_equal(got.p, text, got.n);
	buf_free(&got);
	assert_int_equal(known_accept(folder.fd, "alice", &alice, true, &e), 0);
	assert_int_equal(
		look("alice")->since, 1795341600); /* the key is the same: so is its time */
	known_free(&known);
}

static void damaged_refused(void **state)
{
	static const char *const bad[] = {"bob", "bob ", "Bob age1", " ", "../bob", "bob x y z"};
	static const char *const bad_ends[] = {"", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z ",
		"2026-11-22T10:00:00Z pinned ", "2026-11-22T10:00:00Z pinned x",
		"2026-11-22T10:00:00Z Pinned", "2026-02-30T10:00:00Z pinned",
		"2026-11-22T10:00:00 pinned", "2026-11-22T10:00:60Z pinned",
		"2026-11-22T10:00:00Z  pinned", "+026-11-22T10:00:00Z pinned",
		"2026-11- 2T10:00:00Z pinned", " 2026-11-22T10:00:00Z pinned"};
	char line[512], text[1100];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		(void)snprintf(text, sizeof text, "#\n%s\n", bad[i]);
		spew_text(KNOWN_FILE, text);
		assert_refused(known_load(&known, folder.fd, &e), e, EX_CONFIG);
		assert_contains(e.text, "known_members: line 2: ");
		known_free(&known);
		assert_refused(see("bob", &bob), e, EX_CONFIG);
	}
	for (size_t i = 0; i < COUNT(bad_ends); i++) {
		line_of(line, "bob", &bob, bad_ends[i]);
		assert_refused(known_read(&known, line, strlen(line), "it", &e), e, EX_DATAERR);
		assert_contains(e.text, "cannot use it: line 1: ");
		known_free(&known);
	}
	line_of(line, "bob", &bob, "2026-11-22T10:00:00Z pinned");
	for (size_t n = 1; n < strlen(line); n++) {
		assert_refused(known_read(&known, line, n, "it", &e), e, EX_DATAERR);
		known_free(&known);
	}
	(void)snprintf(text, sizeof text, "%s\n%s\n", line, line);
	assert_refused(known_read(&known, text, strlen(text), "it", &e), e, EX_DATAERR);
	assert_contains(e.text, "bob stands there twice");
	known_free(&known);
	line[4] = 'A'; /* of age1... */
	assert_refused(known_read(&known, line, strlen(line), "it", &e), e, EX_DATAERR);
	known_free(&known);
}

/* A server must not be able to spoil the file by what it hands out. */
static void useless_refused(void **state)
{
	struct known_keys bad = bob;

	(void)state;
	memset(bad.x25519, 0, sizeof bad.x25519);
	assert_refused(see("bob", &bad), e, EX_DATAERR);
	assert_refused(known_accept(folder.fd, "bob", &bad, true, &e), e, EX_DATAERR);
	bad = bob;
	bad.p256[64] ^= 1;
	assert_refused(see("bob", &bad), e, EX_DATAERR);
	assert_null(look("bob"));
	assert_int_equal(count_names("."), 0);
}

static void limit_kept(void **state)
{
	struct known_member m = {.keys = bob, .since = 1};
	struct buf text = {0};

	(void)state;
	m.keys.signs = false; /* checking 10,000 points takes over a second each time */
	for (int i = 0; i < KNOWN_MEMBERS_MAX; i++) {
		(void)snprintf(m.name, sizeof m.name, "m%d", i);
		assert_int_equal(known_write(&text, &m), 0);
	}
	spew(KNOWN_FILE, text.p, text.n);
	assert_non_null(look("m9999"));
	assert_int_equal(known.n, KNOWN_MEMBERS_MAX);
	known_free(&known);
	assert_refused(see("bob", &bob), e, EX_CONFIG);
	assert_contains(e.text, "10000 members already");
	assert_int_equal(known_accept(folder.fd, "m5", &alice, false, &e), 0);
	assert_int_equal(
		known_write(&text, &(struct known_member){.name = "x", .keys = m.keys}), 0);
	assert_refused(known_read(&known, text.p, text.n, "it", &e), e, EX_DATAERR);
	assert_contains(e.text, "more than 10000 members");
	known_free(&known);
	buf_free(&text);
}

static void codes(void **state)
{
	char ab[KNOWN_CODE_TEXT], ba[KNOWN_CODE_TEXT], other[KNOWN_CODE_TEXT];
	struct known_keys half = bob;

	(void)state;
	assert_int_equal(known_code(ab, "alice", &alice, "bob", &bob, &e), 0);
	assert_int_equal(known_code(ba, "bob", &bob, "alice", &alice, &e), 0);
	assert_string_equal(ab, ba);
	assert_int_equal(strlen(ab), KNOWN_CODE_TEXT - 1);
	for (size_t i = 0; i < KNOWN_CODE_TEXT - 1; i++) {
		assert_true(i % 6 == 5 ? ab[i] == ' ' : ab[i] >= '0' && ab[i] <= '9');
	}
	assert_int_equal(known_code(other, "alice", &alice, "bob", &mallory, &e), 0);
	assert_string_not_equal(ab, other);
	memcpy(half.p256, mallory.p256, sizeof half.p256);
	assert_int_equal(known_code(other, "alice", &alice, "bob", &half, &e), 0);
	assert_string_not_equal(ab, other);
	assert_int_equal(known_code(other, "alice", &bob, "bob", &alice, &e), 0);
	assert_string_not_equal(ab, other); /* whose key is whose counts */
	assert_int_equal(known_code(other, "alice", &alice, "bobb", &bob, &e), 0);
	assert_string_not_equal(ab, other);
	half.signs = false;
	assert_refused(known_code(other, "alice", &alice, "bob", &half, &e), e, EX_DATAERR);
	assert_contains(e.text, "bob has no signing key");
}

/* Computed by a script that calls libargon2 with what known.h tells: if it ever came out
 * differently, two versions could not compare. */
static void code_stays(void **state)
{
	struct known_keys a = {.signs = true}, b = {.signs = true};
	char code[KNOWN_CODE_TEXT];

	(void)state;
	memset(a.x25519, 1, sizeof a.x25519);
	memset(a.p256, 2, sizeof a.p256);
	memset(b.x25519, 3, sizeof b.x25519);
	memset(b.p256, 4, sizeof b.p256);
	assert_int_equal(known_code(code, "bob", &b, "alice", &a, &e), 0);
	assert_string_equal(code, "49002 54907 22744 67252 94622 41239");
}

#define T_KNOWN(title, function)                            \
	{                                                   \
		title, function, begin, folder_remove, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_KNOWN("who is seen first is pinned, in a file of 0600", first_pinned),
		T_KNOWN("another key is told, and changes nothing", changes_told),
		T_KNOWN("a signing key that comes later is pinned, and stays", signing_later),
		T_KNOWN("... from the day on which it came", signs_since),
		T_KNOWN("accepting replaces, forgetting removes", accepted_and_forgotten),
		T_KNOWN("what people wrote into the file stays", edited_by_hand),
		T_KNOWN("a damaged file is refused, and the line named", damaged_refused),
		T_KNOWN("keys of no use are not pinned", useless_refused),
		T_KNOWN("10,000 members, and none more", limit_kept),
		T_KNOWN("the code is the same on both sides, and for these keys alone", codes),
		T_KNOWN("the code of fixed keys is what it always was", code_stays),
	};

	return RUN(tests);
}
