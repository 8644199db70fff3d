/* What the tests of accounts share: a text of accounts, written behind the store's back and read by
 * it, over either engine; and keys that are easy to tell apart. */
#ifndef T_ACCOUNTS_H
#define T_ACCOUNTS_H

#include "accounts_memory.h"
#include "unit.h"

#include "../../store/rest.h"
#include "../../store/users.h"

#define USERS_FILE "user_pass.json" /* of the files engine */

static struct err e;
static struct accounts_store *accounts;
static bool in_memory, at_rest;
static struct rest_key rest_key;

/* Rows of the table: over the files engine, over the one in memory, over both, and the one of mail
 * at rest. Each has a new folder, too. */
#define T_FILES(title, function)                                                 \
	{                                                                        \
		title ": files", function, accounts_in_files, accounts_end, NULL \
	}
#define T_MEMORY(title, function)                                                  \
	{                                                                          \
		title ": memory", function, accounts_in_memory, accounts_end, NULL \
	}
#define T_SEALED(title, function)                                                 \
	{                                                                         \
		title ": at rest", function, accounts_at_rest, accounts_end, NULL \
	}
#define T_BOTH(title, function) \
	T_FILES(title, function), T_MEMORY(title, function), T_SEALED(title, function)

static inline int accounts_in_files(void **state)
{
	in_memory = at_rest = false;
	return folder_make(state) != 0 ? -1 : accounts_files_open(folder.fd, &accounts, &e);
}

static inline int accounts_in_memory(void **state)
{
	in_memory = true;
	at_rest = false;
	accounts = memory_open();
	return folder_make(state);
}

static inline int accounts_at_rest(void **state)
{
	struct accounts_store *files;
	struct rest_note note;
	int rc = accounts_in_files(state);

	at_rest = true;
	files = accounts;
	rc = rc == 0 ? rest_key_new(&rest_key, &note, REST_PASSPHRASE, "a passphrase", 12, &e) : rc;
	return rc == 0 ? accounts_rest_open(files, &rest_key, &accounts, &e) : rc;
}

static inline int accounts_end(void **state)
{
	accounts->ops->close(accounts);
	return folder_remove(state);
}

/* What an editor would write. */
static inline void put(const void *p, size_t n)
{
	if (in_memory) {
		memory_set(memory_of(accounts), p, n);
	} else if (at_rest) {
		struct buf sealed = {0};
		assert_int_equal(rest_accounts_seal(&rest_key, p, n, &sealed, &e), 0);
		spew(USERS_FILE, sealed.p, sealed.n);
		buf_free(&sealed);
	} else {
		spew(USERS_FILE, p, n);
	}
}

static inline void put_text(const char *text)
{
	put(text, strlen(text));
}

static inline void put_nothing(void)
{
	if (in_memory) {
		memory_of(accounts)->shared->version = 0;
	} else {
		assert_int_equal(unlinkat(folder.fd, USERS_FILE, 0), 0);
	}
}

/* The text as it is. out is empty before; the caller frees it. */
static inline void get(struct buf *out)
{
	if (in_memory) {
		const struct memory *m = memory_of(accounts);
		assert_int_equal(buf_append(out, m->shared->text, m->shared->n), 0);
		assert_int_equal(buf_append(out, "", 1), 0);
		out->n--;
	} else if (at_rest) {
		struct buf sealed = {0};
		slurp(USERS_FILE, &sealed);
		assert_int_equal(rest_accounts_open(&rest_key, &sealed, out, &e), 0);
		assert_int_equal(buf_append(out, "", 1), 0);
		out->n--;
		buf_free(&sealed);
	} else {
		slurp(USERS_FILE, out);
	}
}

static inline void assert_text(const char *wanted)
{
	struct buf b = {0};

	get(&b);
	assert_string_equal((char *)b.p, wanted);
	buf_free(&b);
}

/* In the folder is the file of accounts and nothing else. */
static inline void assert_tidy(void)
{
	struct stat st;

	assert_int_equal(count_names("."), in_memory ? 0 : 1);
	if (!in_memory) {
		assert_int_equal(fstatat(folder.fd, USERS_FILE, &st, 0), 0);
	}
}

static inline void assert_private(void)
{
	struct stat st;

	if (!in_memory) {
		assert_int_equal(fstatat(folder.fd, USERS_FILE, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

/* The password is "secret". */
#define PHC                                                  \
	"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" \
	"+c6q23sQwLpOH1shdbgrn6Ho39DyRbsdY34ab5ZO+fs"

/* 32 bytes of one value, and their base64. */
#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"
static const uint8_t key_1[X25519_BYTES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const uint8_t key_2[X25519_BYTES] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};

static const uint8_t secret_1[USERS_SECRET] = "0123456789abcdef";
static const uint8_t secret_2[USERS_SECRET] = "0123456789abcdeF";

static inline struct users *reload(void)
{
	struct users *u = NULL;

	if (users_load(accounts, &u, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return u;
}

static inline struct users *load(const char *text)
{
	put_text(text);
	return reload();
}

static inline bool text_holds(const char *text)
{
	struct buf b = {0};
	bool found;

	get(&b);
	found = strstr((char *)b.p, text) != NULL;
	buf_free(&b);
	return found;
}

/* One account's row. */
struct row_of {
	const char *name;
	struct users_row row;
	bool found;
};

static inline int look_for_row(void *arg, const struct users_row *row)
{
	struct row_of *r = arg;

	if (strcmp(row->name, r->name) == 0) {
		r->row = *row;
		r->row.name = r->name;
		r->found = true;
	}
	return 0;
}

static inline struct users_row row_of(const char *name)
{
	struct row_of r = {.name = name};
	struct users *u = reload();

	assert_int_equal(users_each(u, look_for_row, &r), 0);
	users_free(u);
	if (!r.found) {
		fail_msg("there is no %s", name);
	}
	return r.row;
}

static inline enum users_needs judge(const char *name, const uint8_t *key, const uint8_t *file_key)
{
	struct users *u = reload();
	enum users_needs needs = users_judge_key(u, name, key, file_key);

	users_free(u);
	return needs;
}

static inline bool invited(const char *name, const uint8_t *secret, int64_t now)
{
	struct users *u = reload();
	bool is = users_invited(u, name, secret, now);

	users_free(u);
	return is;
}

#endif
