/* Keys in age's form; see age_keys.h. */
#include "age_keys.h"

#include <fcntl.h>

#include "../crypto/file.h"
#include "../keys/keyfile.h"
#include "../keys/known.h"

/* --- files with one key a line --- */

typedef int add_line(void *to, const char *text, size_t n, struct err *e);

/* Lines end in LF or CRLF, the last one perhaps in neither. */
static int add_lines(
	const struct buf *text, const char *path, add_line *add, void *to, struct err *e)
{
	const char *s = (const char *)text->p, *end = s + text->n;
	unsigned number = 0, found = 0;

	while (s < end) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((lf == NULL ? end : lf) - s);
		const char *line = s;
		s += n + (lf == NULL ? 0 : 1);
		number++;
		n -= n > 0 && line[n - 1] == '\r' ? 1 : 0;
		if (n == 0 || line[0] == '#') {
			continue;
		}
		found++;
		if (add(to, line, n, e) != 0) {
			return err_prefix(e, "%s:%u", path, number);
		}
	}
	return found > 0 ? 0 : err_set(e, EX_DATAERR, "cannot use %s: no key is in it", path);
}

static int add_file(const char *path, bool secret, add_line *add, void *to, struct err *e)
{
	struct buf text = {0};
	struct stat st;
	int rc = file_read(AT_FDCWD, path, AGE_KEYS_FILE_MAX, &text, &st, e);

	if (rc == 0 && secret && (st.st_mode & 077) != 0) {
		err_set(e, EX_CONFIG, "cannot use %s: others can read it (mode %04o)", path,
			(unsigned)(st.st_mode & 07777));
		rc = err_hint(e, "chmod 600 %s", path);
	}
	rc = rc == 0 ? add_lines(&text, path, add, to, e) : rc;
	buf_free(&text);
	return rc;
}

static int too_many(int most, struct err *e)
{
	return err_set(e, EX_DATAERR, "more than %d keys are given", most);
}

/* A folder of keys, of which `load` reads one. cure: what helps where there is none, or "". */
static int from_folder(const char *folder, const char *user, void *out,
	int (*load)(int dir, const char *user, void *out, struct err *e), const char *cure,
	struct err *e)
{
	int dir = file_open_dir(folder, e), rc;

	if (dir < 0) {
		return -1;
	}
	rc = load(dir, user, out, e);
	(void)close(dir);
	if (rc != 0 && e->code == EX_NOINPUT) {
		err_hint(e, "the keys are looked for in %s; -k DIR names another folder%s", folder,
			cure);
	}
	return rc;
}

/* --- recipients --- */

/* As `members export` writes it: a name, the recipient, and more. */
static bool is_member(const char *text, size_t n)
{
	static const char recipient[] = " age1";
	const char *blank = memchr(text, ' ', n);

	return blank != NULL && (size_t)(text + n - blank) >= sizeof recipient - 1 &&
	       memcmp(blank, recipient, sizeof recipient - 1) == 0;
}

static int read_member(uint8_t out[static X25519_BYTES], const char *text, size_t n, struct err *e)
{
	struct known line;
	int rc = known_read(&line, text, n, "it", e);

	if (rc == 0) {
		memcpy(out, line.members[0].keys.x25519, X25519_BYTES);
	} else if (e->code == EX_DATAERR) {
		err_set(e, EX_DATAERR,
			"it is neither a recipient nor a whole line of members export");
	}
	known_free(&line);
	return rc;
}

static int add_recipient(void *to, const char *text, size_t n, struct err *e)
{
	struct age_keys_recipients *r = to;

	if (r->n == AGE_RECIPIENTS_MAX) {
		return too_many(AGE_RECIPIENTS_MAX, e);
	}
	if (age_read_recipient(r->keys[r->n].key, text, n, e) != 0) {
		return -1;
	}
	r->n++;
	return 0;
}

static int add_recipient_or_member(void *to, const char *text, size_t n, struct err *e)
{
	struct age_keys_recipients *r = to;

	if (!is_member(text, n)) {
		return add_recipient(to, text, n, e);
	}
	if (r->n == AGE_RECIPIENTS_MAX) {
		return too_many(AGE_RECIPIENTS_MAX, e);
	}
	if (read_member(r->keys[r->n].key, text, n, e) != 0) {
		return -1;
	}
	r->n++;
	return 0;
}

int age_keys_add(struct age_keys_recipients *r, const char *text, struct err *e)
{
	return add_recipient(r, text, strlen(text), e) == 0 ? 0 : err_prefix(e, "%.80s", text);
}

int age_keys_add_file(struct age_keys_recipients *r, const char *path, struct err *e)
{
	return add_file(path, false, add_recipient_or_member, r, e);
}

static int differ(const char *user, struct err *e)
{
	err_set(e, EX_NOPERM, "%s_x25519_public.pem is another key than the one pinned for %s",
		user, user);
	return err_hint(e,
		"ask %s, compare `smtp361 verify %s`, then remove the file, or: smtp361 members "
		"accept %s",
		user, user, user);
}

/* A person put the key file there; what is pinned came from the server, or from another member.
 * Where they differ the user alone can tell which is right. */
static int load_public(int dir, const char *user, void *out, struct err *e)
{
	const struct known_member *pinned = NULL;
	struct known known;
	int rc = known_load(&known, dir, e);

	if (rc == 0) {
		pinned = known_find(&known, user);
		rc = keyfile_load_x25519_public(dir, user, out, e);
	}
	if (pinned != NULL && rc == 0 && !ct_eq(out, pinned->keys.x25519, X25519_BYTES)) {
		rc = differ(user, e);
	} else if (pinned != NULL && rc != 0 && e->code == EX_NOINPUT) {
		memcpy(out, pinned->keys.x25519, X25519_BYTES);
		rc = 0;
	}
	known_free(&known);
	return rc;
}

int age_keys_add_user(
	struct age_keys_recipients *r, const char *folder, const char *user, struct err *e)
{
	if (r->n == AGE_RECIPIENTS_MAX) {
		return too_many(AGE_RECIPIENTS_MAX, e);
	}
	if (from_folder(folder, user, r->keys[r->n].key, load_public,
		    "; smtp361 members accept USER pins a member's key", e) != 0) {
		return -1;
	}
	r->n++;
	return 0;
}

/* --- identities --- */

static int add_identity(void *to, const char *text, size_t n, struct err *e)
{
	struct age_keys_identities *i = to;

	if (i->n == AGE_KEYS_IDENTITIES_MAX) {
		return too_many(AGE_KEYS_IDENTITIES_MAX, e);
	}
	if (age_read_identity(&i->keys[i->n], text, n, e) != 0) {
		return -1;
	}
	i->n++;
	return 0;
}

int age_keys_identify(struct age_keys_identities *i, const char *path, struct err *e)
{
	return add_file(path, true, add_identity, i, e);
}

static int load_private(int dir, const char *user, void *out, struct err *e)
{
	return keyfile_load_x25519_private(dir, user, out, e);
}

int age_keys_identify_user(
	struct age_keys_identities *i, const char *folder, const char *user, struct err *e)
{
	if (i->n == AGE_KEYS_IDENTITIES_MAX) {
		return too_many(AGE_KEYS_IDENTITIES_MAX, e);
	}
	if (from_folder(folder, user, &i->keys[i->n], load_private, "", e) != 0) {
		return -1;
	}
	i->n++;
	return 0;
}
