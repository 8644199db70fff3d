/* Members and their keys, out of the accounts; see members.h. */
#include "members.h"

#include "users_change.h"

/* "SIGNING X25519", both in base64. false: it is not there, or is none. */
static bool read_signing(const json_t *value, struct member *out)
{
	const char *text = json_string_value(value);

	return text != NULL && json_string_length(value) == USERS_SIGNING_TEXT &&
	       text[USERS_SIGNING_CHARS] == ' ' &&
	       base64_decode(out->signing, P256_PUBLIC, text, USERS_SIGNING_CHARS) == P256_PUBLIC &&
	       base64_decode(out->beside, X25519_BYTES, text + USERS_SIGNING_CHARS + 1,
		       USERS_KEY_CHARS) == X25519_BYTES;
}

const char *users_signing_fault(const json_t *value)
{
	struct member m;

	return value == NULL || read_signing(value, &m) ? NULL
							: "\"" USERS_SIGNING "\" is no signing key";
}

static struct member member_of(const char *name, const json_t *account)
{
	const char *key = json_string_value(json_object_get(account, USERS_KEY_FIELD));
	struct member m = {.name = name,
		.enters = json_is_string(account) || users_argon2(account) != NULL ||
			  users_smtp_argon2(account) != NULL,
		.has_key = key != NULL,
		.file_counts = key == NULL && json_object_get(account, USERS_REVOKED) == NULL};

	if (key != NULL) { /* it was checked when the text was read */
		(void)base64_decode(m.key, sizeof m.key, key, strlen(key));
	}
	m.has_signing = read_signing(json_object_get(account, USERS_SIGNING), &m);
	return m;
}

bool members_find(const struct users *u, const char *name, struct member *out)
{
	const json_t *account = json_object_get(u->root, name);

	if (account == NULL) {
		return false;
	}
	*out = member_of(name, account);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int members_each(const struct users *u, const char *after,
	int (*visit)(void *arg, const struct member *m, struct err *e), void *arg, struct err *e)
{
	size_t n = json_object_size(u->root), i = 0;
	const char **names = calloc(n + 1, sizeof *names), *name;
	json_t *account;
	int rc = 0;

	if (names == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot list members: out of memory");
	}
	json_object_foreach(u->root, name, account)
	{
		names[i++] = name;
	}
	qsort(names, n, sizeof *names, by_name);
	for (i = 0; rc == 0 && i < n; i++) {
		if (after == NULL || strcmp(names[i], after) > 0) {
			struct member m = member_of(names[i], json_object_get(u->root, names[i]));
			rc = visit(arg, &m, e);
		}
	}
	free(names);
	return rc;
}

/* --- publishing --- */

static int apply_signing(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	char text[USERS_SIGNING_TEXT + 1];
	json_t *account;

	*changed = true;
	if (users_open_account(root, c, &account, e) != 0) {
		return -1;
	}
	(void)base64_encode(text, c->signing, P256_PUBLIC);
	text[USERS_SIGNING_CHARS] = ' ';
	(void)base64_encode(text + USERS_SIGNING_CHARS + 1, c->key, X25519_BYTES);
	return json_object_set_new(account, USERS_SIGNING, json_string(text)) == 0
		       ? 0
		       : users_no_memory(c->name, e);
}

int members_set_signing(struct accounts_store *s, const char *name,
	const uint8_t key[static X25519_BYTES], const uint8_t signing[static P256_PUBLIC],
	struct err *e)
{
	struct change c = {.name = name, .key = key, .signing = signing};

	return users_edit(s, false, apply_signing, &c, e);
}
