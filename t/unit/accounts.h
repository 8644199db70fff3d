/* What the tests of accounts' keys and invitations share: a file of accounts, written and read, and
 * keys that are easy to tell apart. */
#ifndef T_ACCOUNTS_H
#define T_ACCOUNTS_H

#include "unit.h"

#include "../../store/users.h"

static struct err e;

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

	if (users_load(folder.fd, &u, NULL, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return u;
}

static inline struct users *load(const char *text)
{
	spew_text(USERS_FILE, text);
	return reload();
}

static inline bool file_holds(const char *text)
{
	struct buf b = {0};
	bool found;

	slurp(USERS_FILE, &b);
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
