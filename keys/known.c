/* The file of known members; see known.h. It is changed as text, line by line, so that comments and
 * order stay as they were. */
#include "known.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/age.h"
#include "../crypto/file.h"
#include "../crypto/password.h"
#include "../crypto/sshsig.h"

enum {
	TIME_TEXT = 20, /* 2026-11-22T10:00:00Z */
	LINE_MAX = USER_NAME_MAX + AGE_RECIPIENT_TEXT + SSHSIG_LINE_MAX + TIME_TEXT + 16,
	CODE_GROUPS = 6
};

static const char verified_word[] = "verified", pinned_word[] = "pinned", no_key[] = "-";

/* --- a line --- */

/* The next word of a line, up to a blank or the end. */
static struct cursor get_word(struct cursor *line)
{
	const uint8_t *end = line->n == 0 ? NULL : memchr(line->p, ' ', line->n);
	size_t n = end == NULL ? line->n : (size_t)(end - line->p);
	struct cursor word = cursor_over(get_bytes(line, n), n);

	if (end != NULL) {
		(void)get_u8(line);
	}
	return word;
}

static bool word_is(const struct cursor *word, const char *text)
{
	return word->n == strlen(text) && memcmp(word->p, text, word->n) == 0;
}

/* "2026-11-22T10:00:00Z", as it is written and in no other way. */
static int read_time(const struct cursor *word, int64_t *seconds)
{
	char text[TIME_TEXT + 1] = "", again[TIME_TEXT + 1];
	struct tm tm = {0};
	const char *end;
	time_t when;

	if (word->n != TIME_TEXT) {
		return -1;
	}
	memcpy(text, word->p, TIME_TEXT);
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	when = timegm(&tm);
	*seconds = when;
	return end == text + TIME_TEXT && strftime(again, sizeof again, "%FT%TZ", &tm) != 0 &&
			       strcmp(again, text) == 0
		       ? 0
		       : -1;
}

/* Two words, or "-". */
static int read_signing(struct known_keys *out, struct cursor *line)
{
	struct cursor word = get_word(line), second;
	const char *text = (const char *)word.p;

	out->signs = !word_is(&word, no_key);
	if (!out->signs) {
		return 0;
	}
	second = get_word(line);
	return second.p == NULL ? -1
				: sshsig_read_public(out->p256, text,
					  (size_t)((const char *)second.p - text) + second.n, NULL);
}

/* What is wrong with it, or NULL. */
static const char *read_line(struct known_member *m, struct cursor line)
{
	struct cursor name = get_word(&line), recipient = get_word(&line), since, how;

	*m = (struct known_member){.verified = false};
	memcpy(m->name, name.p, name.n <= USER_NAME_MAX ? name.n : 0);
	if (strlen(m->name) != name.n || !user_name_valid(m->name)) {
		return "it does not begin with a name";
	}
	if (age_read_recipient(m->keys.x25519, (const char *)recipient.p, recipient.n, NULL) != 0) {
		return "behind the name stands no key age1...";
	}
	if (read_signing(&m->keys, &line) != 0) {
		return "its signing key is damaged";
	}
	since = get_word(&line);
	if (read_time(&since, &m->since) != 0) {
		return "behind the keys stands no time";
	}
	how = get_word(&line);
	m->verified = word_is(&how, verified_word);
	return (m->verified || word_is(&how, pinned_word)) && line.p == how.p + how.n
		       ? NULL
		       : "it ends neither in \"pinned\" nor in \"verified\"";
}

int known_write(struct buf *out, const struct known_member *m)
{
	char recipient[AGE_RECIPIENT_TEXT + 1], signing[SSHSIG_LINE_MAX] = "-";
	char since[TIME_TEXT + 1] = "", line[LINE_MAX];
	time_t when = (time_t)m->since;
	struct tm tm;
	int n;

	age_write_recipient(recipient, m->keys.x25519);
	if (m->keys.signs) {
		sshsig_write_public(signing, m->keys.p256);
	}
	if (gmtime_r(&when, &tm) == NULL || strftime(since, sizeof since, "%FT%TZ", &tm) == 0) {
		(void)snprintf(since, sizeof since, "1970-01-01T00:00:00Z");
	}
	n = snprintf(line, sizeof line, "%s %s %s %s %s\n", m->name, recipient, signing, since,
		m->verified ? verified_word : pinned_word);
	return buf_append(out, line, (size_t)n);
}

/* --- reading --- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int refuse_twice(const struct known *k, const char *what, struct err *e)
{
	const char **names = k->n == 0 ? NULL : malloc(k->n * sizeof *names);
	int rc = 0;

	if (names == NULL) {
		return k->n == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (size_t i = 0; i < k->n; i++) {
		names[i] = k->members[i].name;
	}
	qsort(names, k->n, sizeof *names, compare_names);
	for (size_t i = 1; i < k->n && rc == 0; i++) {
		if (strcmp(names[i], names[i - 1]) == 0) {
			rc = err_set(e, EX_DATAERR, "cannot use %s: %s stands there twice", what,
				names[i]);
		}
	}
	free(names);
	return rc;
}

static int add(struct known *k, const struct known_member *m, const char *what, struct err *e)
{
	struct known_member *more;

	if (k->n == KNOWN_MEMBERS_MAX) {
		return err_set(e, EX_DATAERR, "cannot use %s: it has more than %d members", what,
			KNOWN_MEMBERS_MAX);
	}
	if ((k->n & (k->n - 1)) == 0) { /* room for twice as many */
		more = realloc(k->members, (k->n == 0 ? 1 : 2 * k->n) * sizeof *more);
		if (more == NULL) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
		k->members = more;
	}
	k->members[k->n++] = *m;
	return 0;
}

/* The next line, which LF, CR LF or the end of the text ends. */
static bool next_line(struct cursor *text, struct cursor *line)
{
	const uint8_t *end = text->n == 0 ? NULL : memchr(text->p, '\n', text->n);
	size_t n = end == NULL ? text->n : (size_t)(end - text->p);

	if (text->n == 0) {
		return false;
	}
	*line = cursor_over(get_bytes(text, n), n);
	if (end != NULL) {
		(void)get_u8(text);
	}
	if (n > 0 && line->p[n - 1] == '\r') {
		line->n--;
	}
	return true;
}

static bool is_comment(const struct cursor *line)
{
	return line->n == 0 || line->p[0] == '#';
}

int known_read(struct known *k, const void *text, size_t n, const char *what, struct err *e)
{
	struct cursor all = cursor_over(text, n), line;
	struct known_member m;

	*k = (struct known){.n = 0};
	for (size_t number = 1; next_line(&all, &line); number++) {
		const char *why = is_comment(&line) ? NULL : read_line(&m, line);
		if (why != NULL) {
			return err_set(
				e, EX_DATAERR, "cannot use %s: line %zu: %s", what, number, why);
		}
		if (!is_comment(&line) && add(k, &m, what, e) != 0) {
			return -1;
		}
	}
	return refuse_twice(k, what, e);
}

/* The file's text; none is empty. */
static int read_file(struct buf *text, int dir, struct err *e)
{
	if (faccessat(dir, KNOWN_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return 0;
	}
	return file_read(dir, KNOWN_FILE, KNOWN_TEXT_MAX, text, NULL, e);
}

/* Read it, and keep its text, for changing it. */
static int load(struct known *k, struct buf *text, int dir, struct err *e)
{
	int rc = read_file(text, dir, e);

	*k = (struct known){.n = 0};
	rc = rc == 0 ? known_read(k, text->p, text->n, KNOWN_FILE, e) : rc;
	if (rc != 0 && e != NULL && e->code == EX_DATAERR) {
		e->code = EX_CONFIG;
	}
	return rc;
}

int known_load(struct known *k, int dir, struct err *e)
{
	struct buf text = {0};
	int rc = load(k, &text, dir, e);

	buf_free(&text);
	return rc;
}

void known_free(struct known *k)
{
	free(k->members);
	*k = (struct known){.n = 0};
}

const struct known_member *known_find(const struct known *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(k->members[i].name, name) == 0) {
			return &k->members[i];
		}
	}
	return NULL;
}

/* --- changing --- */

/* The file, open for a change under the folder's lock. */
struct edit {
	int dir; /* a descriptor of our own: the lock ends with it */
	struct known known;
	struct buf text;
};

static void edit_end(struct edit *ed)
{
	known_free(&ed->known);
	buf_free(&ed->text);
	(void)close(ed->dir);
}

static int edit_begin(struct edit *ed, int dir, struct err *e)
{
	*ed = (struct edit){.dir = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (ed->dir < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open the folder of keys");
	}
	if (file_lock(ed->dir, e) == 0 && load(&ed->known, &ed->text, ed->dir, e) == 0) {
		return 0;
	}
	edit_end(ed);
	return -1;
}

/* Where the member's own line stands in the text, and its length with its end; 0: behind all. */
static size_t find_line(const struct edit *ed, const char *name, size_t *n)
{
	struct cursor all = cursor_over(ed->text.p, ed->text.n), line;
	size_t start = 0;

	while (next_line(&all, &line)) {
		struct cursor rest = line, word = get_word(&rest);
		*n = ed->text.n - all.n - start;
		if (!is_comment(&line) && word_is(&word, name)) {
			return start;
		}
		start += *n;
	}
	*n = 0;
	return start;
}

/* Write the file with this line in place of the member's, or behind all; m NULL: without it. */
static int edit_write(
	struct edit *ed, const char *name, const struct known_member *m, struct err *e)
{
	size_t n, at = find_line(ed, name, &n), behind = ed->text.n - at - n;
	struct buf out = {0};
	int rc = buf_append(&out, ed->text.p, at);

	if (at > 0 && ed->text.p[at - 1] != '\n') {
		rc = rc == 0 ? buf_append_str(&out, "\n") : rc;
	}
	rc = rc == 0 && m != NULL ? known_write(&out, m) : rc;
	rc = rc == 0 && behind > 0 ? buf_append(&out, ed->text.p + at + n, behind) : rc;
	if (rc != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", KNOWN_FILE);
	} else {
		rc = file_write(ed->dir, KNOWN_FILE, out.p, out.n, 0600, FILE_REPLACE, e);
	}
	buf_free(&out);
	return rc;
}

/* What is written must be read again: no secret can be shared with some keys, and no signature
 * checked with others. */
static int check(const char *name, const struct known_keys *keys, struct err *e)
{
	char recipient[AGE_RECIPIENT_TEXT + 1];
	uint8_t again[X25519_BYTES];

	if (!user_name_valid(name)) {
		return err_set(e, EX_USAGE, "\"%.80s\" is no member's name", name);
	}
	if (keys == NULL) {
		return 0;
	}
	age_write_recipient(recipient, keys->x25519);
	return age_read_recipient(again, recipient, AGE_RECIPIENT_TEXT, NULL) == 0 &&
			       (!keys->signs || p256_is_point(keys->p256))
		       ? 0
		       : err_set(e, EX_DATAERR, "the key handed out for %s is of no use", name);
}

static int pin(struct edit *ed, const struct known_member *m, struct err *e)
{
	return ed->known.n == KNOWN_MEMBERS_MAX && known_find(&ed->known, m->name) == NULL
		       ? err_set(e, EX_CONFIG, "cannot pin %s: %s has %d members already", m->name,
				 KNOWN_FILE, KNOWN_MEMBERS_MAX)
		       : edit_write(ed, m->name, m, e);
}

static struct known_member member_now(const char *name, const struct known_keys *keys)
{
	struct known_member m = {.keys = *keys, .since = (int64_t)time(NULL)};

	(void)snprintf(m.name, sizeof m.name, "%s", name);
	if (!keys->signs) {
		memset(m.keys.p256, 0, sizeof m.keys.p256);
	}
	return m;
}

static enum known_how compare(const struct known_member *pinned, const struct known_keys *keys)
{
	if (pinned == NULL) {
		return KNOWN_PINNED;
	}
	if (!ct_eq(pinned->keys.x25519, keys->x25519, X25519_BYTES) ||
		(pinned->keys.signs && keys->signs &&
			!ct_eq(pinned->keys.p256, keys->p256, P256_PUBLIC))) {
		return KNOWN_CHANGED;
	}
	return keys->signs && !pinned->keys.signs ? KNOWN_SIGNING : KNOWN_SAME;
}

int known_see(int dir, const char *name, const struct known_keys *keys, enum known_how *how,
	struct known_member *was, struct err *e)
{
	const struct known_member *pinned;
	struct known_member m;
	struct edit ed;
	int rc = 0;

	if (check(name, keys, e) != 0 || edit_begin(&ed, dir, e) != 0) {
		return -1;
	}
	pinned = known_find(&ed.known, name);
	*how = compare(pinned, keys);
	if (was != NULL && pinned != NULL) {
		*was = *pinned;
	}
	m = member_now(name, keys);
	if (*how == KNOWN_PINNED || *how == KNOWN_SIGNING) {
		rc = pin(&ed, &m, e);
	}
	edit_end(&ed);
	return rc;
}

int known_accept(
	int dir, const char *name, const struct known_keys *keys, bool verified, struct err *e)
{
	const struct known_member *pinned;
	struct known_member m;
	struct edit ed;
	int rc;

	if (check(name, keys, e) != 0 || edit_begin(&ed, dir, e) != 0) {
		return -1;
	}
	pinned = known_find(&ed.known, name);
	m = member_now(name, keys);
	m.verified = verified;
	if (pinned != NULL && compare(pinned, keys) == KNOWN_SAME) {
		m.since = pinned->since;
	}
	rc = pin(&ed, &m, e);
	edit_end(&ed);
	return rc;
}

int known_forget(int dir, const char *name, struct err *e)
{
	struct edit ed;
	int rc;

	if (check(name, NULL, e) != 0 || edit_begin(&ed, dir, e) != 0) {
		return -1;
	}
	rc = known_find(&ed.known, name) == NULL ? err_set(e, EX_NOUSER, "%s is not known", name)
						 : edit_write(&ed, name, NULL, e);
	edit_end(&ed);
	return rc;
}

/* --- the code --- */

/* What one side is, in a fixed number of bytes. */
struct side {
	char name[USER_NAME_MAX + 1]; /* NULs behind it */
	uint8_t x25519[X25519_BYTES], p256[P256_PUBLIC];
};

static struct side side_of(const char *name, const struct known_keys *keys)
{
	struct side s = {.name = ""};

	(void)snprintf(s.name, sizeof s.name, "%s", name);
	memcpy(s.x25519, keys->x25519, sizeof s.x25519);
	memcpy(s.p256, keys->p256, sizeof s.p256);
	return s;
}

int known_code(char out[static KNOWN_CODE_TEXT], const char *a, const struct known_keys *a_keys,
	const char *b, const struct known_keys *b_keys, struct err *e)
{
	static const uint8_t salt[PASSWORD_SALT + 1] = "smtp361 verify 1";
	struct side sides[2] = {side_of(a, a_keys), side_of(b, b_keys)}, first;
	uint8_t key[PASSWORD_KEY];

	if (!a_keys->signs || !b_keys->signs) {
		return err_set(e, EX_DATAERR, "%s has no signing key yet", a_keys->signs ? b : a);
	}
	if (memcmp(&sides[0], &sides[1], sizeof sides[0]) > 0) { /* the same on both sides */
		first = sides[1];
		sides[1] = sides[0];
		sides[0] = first;
	}
	if (password_key(key, sides, sizeof sides, salt, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < CODE_GROUPS; i++) {
		uint64_t v = 0;
		for (size_t k = 0; k < 5; k++) {
			v = v << 8 | key[5 * i + k];
		}
		(void)snprintf(out + 6 * i, KNOWN_CODE_TEXT - 6 * i, "%05u%s",
			(unsigned)(v % 100000), i + 1 < CODE_GROUPS ? " " : "");
	}
	return 0;
}
