/* user_pass.json, and lists of recipients: what loads can be asked, and every change that is taken
 * leaves a file that loads, with the same accounts in it. */
#include "fuzz.h"

#include "../../store/users.h"
#include "folder.h"

struct seen {
	struct users *users;
	char first[USER_NAME_MAX + 1];
	size_t n;
	bool costly; /* to judge a password */
};

#define USERS_FILE "user_pass.json"

static int visit(void *arg, const struct users_row *row)
{
	static const uint8_t zeros[X25519_BYTES];
	struct seen *s = arg;
	struct scram_verifier v;
	enum users_mail mail = users_mail(s->users, row->name);
	struct cram_states states;
	struct err e;
	bool ok;

	assert(user_name_valid(row->name) && users_known(s->users, row->name));
	assert(users_is_plain(s->users, row->name) == (row->kind == USERS_PLAIN));
	assert((users_revoked_at(s->users, row->name) != 0) == (row->revoked != 0));
	assert(row->has_key || users_judge_key(s->users, row->name, zeros, NULL) == USERS_REFUSED);
	assert(!row->has_key ||
		users_judge_key(s->users, row->name, row->key, NULL) != USERS_REFUSED);
	/* an account that is said to have a mechanism logs in by it, unless it wants the key */
	assert(users_cram(s->users, row->name, &states) ==
		((row->mechanisms & USERS_CRAM_MD5) != 0 && mail != USERS_MAIL_NONE));
	assert(users_scram(s->users, row->name, zeros, &v) ==
		((row->mechanisms & USERS_SCRAM_SHA256) != 0 && mail != USERS_MAIL_NONE));
	assert((mail == USERS_MAIL_OWN) == row->smtp_password);
	assert(mail != USERS_MAIL_ACCOUNT || users_speaks_classic(s->users, row->name));
	assert(!users_cram(s->users, row->name, &states) ||
		(users_any_mechanism(s->users) & USERS_CRAM_MD5) != 0);
	(void)users_key_file_counts(s->users, row->name);
	(void)users_invited(s->users, row->name, zeros, 0);
	if (row->kind == USERS_PLAIN) {
		assert(users_check_password(s->users, row->name, "x", 1, NULL, &ok, &e) == 0);
	}
	s->costly = s->costly || row->kind == USERS_ARGON2ID || row->smtp_password;
	if (s->n++ == 0) {
		(void)snprintf(s->first, sizeof s->first, "%s", row->name);
	}
	return 0;
}

/* Ask everything of what loads. Its accounts, and the first one's name. */
static bool look(struct accounts_store *all, struct seen *s)
{
	struct err e;
	bool ok;

	*s = (struct seen){0};
	if (users_load(all, &s->users, &e) != 0) {
		assert(e.code == EX_CONFIG);
		return false;
	}
	assert(users_each(s->users, visit, s) == 0);
	if (!s->costly) {
		assert(users_login(s->users, s->first, "x", 1, NULL, &ok, &e) == 0);
		assert(users_login_mail(s->users, s->first, "x", 1, NULL, &ok, &e) == 0);
	}
	users_free(s->users);
	return true;
}

static int change(struct accounts_store *all, const char *name, int which)
{
	static const uint8_t secret[USERS_SECRET] = {1}, key[X25519_BYTES] = {9};
	struct err e;

	switch (which) {
	case 0:
		return users_set_mode(all, name, USERS_KEY, &e);
	case 1:
		return users_invite(all, name, secret, 4000000000, &e);
	case 2:
		return users_join(all, name, secret, 1, key, &e);
	case 3:
		return users_set_mode(all, name, USERS_BOTH, &e);
	case 4:
		return users_set_key(all, name, key, &e);
	case 5:
		return users_set_mechanisms(all, name, NULL, 0, 0, &e);
	case 6:
		return users_revoke(all, name, key, &e);
	case 7:
		return users_invite(all, "newcomer", secret, 4000000000, &e);
	default:
		return users_del(all, name, &e);
	}
}

static void changes(struct accounts_store *all, struct seen *s)
{
	char name[USER_NAME_MAX + 1];
	size_t before;

	for (int i = 0; i <= 8 && s->n > 0; i++) {
		bool new_one = i == 7 && strcmp(s->first, "newcomer") != 0;
		before = s->n;
		memcpy(name, s->first, sizeof name);
		if (change(all, name, i) == 0) {
			assert(look(all, s));
			assert(i == 8     ? s->n == before - 1
				: new_one ? s->n == before || s->n == before + 1
					  : s->n == before);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int dir = fuzz_make(), fd = openat(dir, USERS_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct accounts_store *all;
	struct users_list list;
	struct seen s;
	struct err e;

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
	assert(accounts_files_open(dir, &all, &e) == 0);
	if (look(all, &s)) {
		changes(all, &s);
	}
	all->ops->close(all);
	if (users_split(&list, data, size, &e) == 0) {
		assert(list.n > 0 && list.n <= USERS_LIST_MAX);
		users_list_free(&list);
	}
	fuzz_remove(dir);
	return 0;
}
