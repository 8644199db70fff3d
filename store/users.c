/* user_pass.json over jansson; see users.h. */
#include "users.h"

#include <fcntl.h>
#include <jansson.h>

#include "../crypto/file.h"
#include "../crypto/password.h"

struct users {
	json_t *root;
};

/* --- memory: jansson's strings are passwords, so what it frees is wiped --- */

struct block {
	_Alignas(max_align_t) size_t n;
};

static void *secret_malloc(size_t n)
{
	struct block *b = malloc(sizeof *b + n);

	if (b == NULL) {
		return NULL;
	}
	b->n = n;
	return b + 1;
}

static void secret_free(void *p)
{
	if (p != NULL) {
		struct block *b = (struct block *)p - 1;
		wipe(p, b->n);
		free(b);
	}
}

/* --- reading and checking --- */

/* Does "name" stand at i, as the name of a field? */
static bool is_field(const struct buf *text, size_t i, const char *name, size_t n)
{
	if (text->p[i] != '"' || i + n + 2 > text->n || memcmp(text->p + i + 1, name, n) != 0 ||
		text->p[i + n + 1] != '"') {
		return false;
	}
	for (i += n + 2; i < text->n && strchr(" \t\r\n", text->p[i]) != NULL; i++) {
	}
	return i < text->n && text->p[i] == ':';
}

/* The line on which a user's field stands: jansson keeps no positions. */
static unsigned line_of(const struct buf *text, const char *name)
{
	size_t n = strlen(name);
	unsigned line = 1;

	for (size_t i = 0; i < text->n; i++) {
		if (is_field(text, i, name, n)) {
			return line;
		}
		line += text->p[i] == '\n' ? 1 : 0;
	}
	return 1;
}

/* The account's Argon2id string, NULL when it is plain or has none. */
static const char *argon2_text(const json_t *account)
{
	return json_is_object(account) ? json_string_value(json_object_get(account, "password"))
				       : NULL;
}

static const char *account_fault(const char *name, const json_t *account, struct password_phc *phc)
{
	const json_t *password = json_object_get(account, "password");
	struct err why;

	if (!user_name_valid(name)) {
		return "this is no valid user name (1 to 32 of a-z 0-9 _ -)";
	}
	if (strcmp(name, "server") == 0) {
		return "\"server\" is the server's own name";
	}
	if (json_is_string(account)) {
		return json_string_length(account) <= PASSWORD_MAX ? NULL
								   : "the password is too long";
	}
	if (!json_is_object(account)) {
		return "the value is neither a password nor an object";
	}
	if (password == NULL) {
		return NULL;
	}
	if (!json_is_string(password)) {
		return "\"password\" is not a string";
	}
	return password_parse(
		       phc, json_string_value(password), json_string_length(password), &why) == 0
		       ? NULL
		       : "\"password\" is no Argon2id string that can be used";
}

static int check(const json_t *root, const struct buf *text, struct err *e)
{
	struct password_phc phc;
	const char *name, *fault;
	json_t *account;

	if (!json_is_object(root)) {
		return err_set(e, EX_CONFIG, "%s:1: it is no JSON object of users", USERS_FILE);
	}
	json_object_foreach((json_t *)(uintptr_t)root, name, account)
	{
		fault = account_fault(name, account, &phc);
		if (fault != NULL) {
			return err_set(e, EX_CONFIG, "%s:%u: user \"%.64s\": %s", USERS_FILE,
				line_of(text, name), name, fault);
		}
	}
	wipe(&phc, sizeof phc);
	return 0;
}

static json_t *parse(const struct buf *text, struct err *e)
{
	json_error_t why;
	json_t *root;
	const uint8_t *nul = text->n == 0 ? NULL : memchr(text->p, '\0', text->n);

	if (nul != NULL) { /* which jansson would pass over behind a number */
		unsigned line = 1;
		for (const uint8_t *p = text->p; p < nul; p++) {
			line += *p == '\n' ? 1 : 0;
		}
		err_set(e, EX_CONFIG, "%s:%u: a NUL byte", USERS_FILE, line);
		return NULL;
	}
	root = json_loadb((const char *)text->p, text->n, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL) {
		err_set(e,
			json_error_code(&why) == json_error_out_of_memory ? EX_TEMPFAIL : EX_CONFIG,
			"%s:%d: %s", USERS_FILE, why.line < 1 ? 1 : why.line, why.text);
		return NULL;
	}
	if (check(root, text, e) != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static int load(int dir, json_t **root, struct stat *st, struct err *e)
{
	struct buf text = {0};

	*root = NULL;
	if (file_read(dir, USERS_FILE, USERS_FILE_MAX, &text, st, e) == 0) {
		*root = parse(&text, e);
	} else if (e->code == EX_DATAERR) {
		e->code = EX_CONFIG;
	}
	buf_free(&text);
	return *root == NULL ? -1 : 0;
}

int users_load(int dir, struct users **out, bool *others_can_read, struct err *e)
{
	struct users *u = calloc(1, sizeof *u);
	struct stat st;

	json_set_alloc_funcs(secret_malloc, secret_free);
	if (u == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", USERS_FILE);
	}
	if (load(dir, &u->root, &st, e) != 0) {
		free(u);
		return -1;
	}
	if (others_can_read != NULL) {
		*others_can_read = (st.st_mode & 077) != 0;
	}
	*out = u;
	return 0;
}

void users_free(struct users *u)
{
	if (u != NULL) {
		json_decref(u->root);
		free(u);
	}
}

bool users_known(const struct users *u, const char *name)
{
	return json_object_get(u->root, name) != NULL;
}

/* --- login --- */

/* Equal passwords, in a time that tells neither's content. */
static bool plain_equal(const char *stored, size_t stored_n, const void *given, size_t n)
{
	uint8_t a[PASSWORD_MAX + 1] = {0}, b[PASSWORD_MAX + 1] = {0};
	bool same_length = stored_n == n && n <= PASSWORD_MAX, same;

	memcpy(a, stored, stored_n);
	memcpy(b, given, n <= PASSWORD_MAX ? n : PASSWORD_MAX);
	same = ct_eq(a, b, sizeof a);
	wipe(a, sizeof a);
	wipe(b, sizeof b);
	return same && same_length;
}

/* The string that a refusal computes when the account has none of its own: the file's first. */
static const char *any_argon2(const struct users *u)
{
	const char *name, *phc;
	json_t *account;

	json_object_foreach(u->root, name, account)
	{
		phc = argon2_text(account);
		if (phc != NULL) {
			return phc;
		}
	}
	return NULL;
}

int users_login(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e)
{
	const json_t *account = json_object_get(u->root, name);
	const char *phc_text = argon2_text(account);
	struct password_phc phc;
	bool plain_ok, phc_ok = false;
	int rc = 0;

	*ok = false;
	plain_ok = plain_equal(json_is_string(account) ? json_string_value(account) : "",
		json_is_string(account) ? json_string_length(account) : 0, password, n);
	plain_ok =
		plain_ok && json_is_string(account) && n > 0; /* an empty password opens nothing */
	if (plain_ok) {
		*ok = true;
		return 0;
	}
	bool own = phc_text != NULL;
	phc_text = own ? phc_text : any_argon2(u);
	if (phc_text == NULL) {
		return 0;
	}
	rc = password_parse(&phc, phc_text, strlen(phc_text), e);
	if (rc == 0) {
		if (turn != NULL) {
			turn->take(turn->arg);
		}
		rc = password_verify(&phc, password, n <= PASSWORD_MAX ? n : 0, &phc_ok, e);
		if (turn != NULL) {
			turn->give(turn->arg);
		}
	}
	*ok = own && phc_ok && n > 0 && n <= PASSWORD_MAX;
	wipe(&phc, sizeof phc);
	return rc;
}

int users_each(const struct users *u,
	int (*visit)(void *arg, const char *name, enum users_kind kind), void *arg)
{
	const char *name;
	json_t *account;
	int rc = 0;

	json_object_foreach(u->root, name, account)
	{
		rc = visit(arg, name,
			json_is_string(account)        ? USERS_PLAIN
			: argon2_text(account) != NULL ? USERS_ARGON2ID
						       : USERS_NO_PASSWORD);
		if (rc != 0) {
			break;
		}
	}
	return rc;
}

/* --- changing the file --- */

struct change {
	const char *name;
	const void *password;
	size_t n;
	size_t count; /* accounts changed */
};

typedef int apply_change(json_t *root, struct change *c, struct err *e);

static int store_root(int dir, const json_t *root, struct err *e)
{
	char *text = json_dumps(root, JSON_INDENT(4));
	size_t n = text == NULL ? 0 : strlen(text);
	struct buf out = {0};
	int rc;

	if (text == NULL || buf_append(&out, text, n) != 0 || buf_append_str(&out, "\n") != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", USERS_FILE);
	} else {
		rc = file_write(dir, USERS_FILE, out.p, out.n, 0600, FILE_REPLACE, e);
	}
	secret_free(text);
	buf_free(&out);
	return rc;
}

/* Lock, read (or begin anew where that is allowed), change, write. */
static int edit(int dir, bool may_create, apply_change *apply, struct change *c, struct err *e)
{
	int lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;
	json_t *root = NULL;

	json_set_alloc_funcs(secret_malloc, secret_free);
	if (lock < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder of %s", USERS_FILE);
	}
	if (file_lock(lock, e) != 0) {
		goto out;
	}
	if (load(dir, &root, NULL, e) != 0) {
		if (!may_create || faccessat(dir, USERS_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			goto out;
		}
		root = json_object();
	}
	if (root != NULL && apply(root, c, e) == 0) {
		rc = c->count > 0 ? store_root(dir, root, e) : 0;
	}
out:
	json_decref(root);
	(void)close(lock);
	return rc;
}

/* Give the account a fresh Argon2id string; fields beside it stay. */
static int set_hash(json_t *root, const char *name, const void *password, size_t n, struct err *e)
{
	char phc[PASSWORD_PHC_MAX];
	json_t *account = json_object_get(root, name);
	int rc = -1;

	if (password_hash(phc, password, n, e) != 0) {
		return -1;
	}
	if (!json_is_object(account)) {
		json_t *fresh = json_object();
		if (json_object_set_new(root, name, fresh) == 0) {
			account = fresh;
		}
	}
	if (json_object_set_new(account, "password", json_string(phc)) == 0) {
		rc = 0;
	} else {
		err_set(e, EX_TEMPFAIL, "cannot change user %s: out of memory", name);
	}
	wipe(phc, sizeof phc);
	return rc;
}

static int apply_add(json_t *root, struct change *c, struct err *e)
{
	if (json_object_get(root, c->name) != NULL) {
		err_set(e, EX_CANTCREAT, "cannot add user %s: it exists", c->name);
		return err_hint(e, "smtp361 user passwd %s changes its password", c->name);
	}
	c->count = 1;
	return set_hash(root, c->name, c->password, c->n, e);
}

static int no_such_user(const char *name, struct err *e)
{
	return err_set(e, EX_NOUSER, "no such user: %.64s", name);
}

static int apply_passwd(json_t *root, struct change *c, struct err *e)
{
	if (json_object_get(root, c->name) == NULL) {
		return no_such_user(c->name, e);
	}
	c->count = 1;
	return set_hash(root, c->name, c->password, c->n, e);
}

static int apply_del(json_t *root, struct change *c, struct err *e)
{
	c->count = 1;
	return json_object_del(root, c->name) == 0 ? 0 : no_such_user(c->name, e);
}

static int apply_harden(json_t *root, struct change *c, struct err *e)
{
	const char *name;
	json_t *account;
	void *next;

	json_object_foreach_safe(root, next, name, account)
	{
		if (json_is_string(account)) {
			if (set_hash(root, name, json_string_value(account),
				    json_string_length(account), e) != 0) {
				return -1;
			}
			c->count++;
		}
	}
	return 0;
}

static int check_new(const char *name, size_t n, struct err *e)
{
	if (!user_name_valid(name) || strcmp(name, "server") == 0) {
		return err_set(e, EX_USAGE,
			"\"%.64s\" can be no user's name: 1 to 32 of a-z 0-9 _ -, not \"server\"",
			name);
	}
	if (n == 0 || n > PASSWORD_MAX) {
		return err_set(e, EX_DATAERR, "a password has 1 to %d bytes", PASSWORD_MAX);
	}
	return 0;
}

int users_add(int dir, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return check_new(name, n, e) != 0 ? -1 : edit(dir, true, apply_add, &c, e);
}

int users_passwd(int dir, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return check_new(name, n, e) != 0 ? -1 : edit(dir, false, apply_passwd, &c, e);
}

int users_del(int dir, const char *name, struct err *e)
{
	struct change c = {.name = name};

	return edit(dir, false, apply_del, &c, e);
}

int users_harden(int dir, size_t *changed, struct err *e)
{
	struct change c = {0};
	int rc = edit(dir, false, apply_harden, &c, e);

	*changed = rc == 0 ? c.count : 0;
	return rc;
}
