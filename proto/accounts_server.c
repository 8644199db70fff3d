/* Accounts, read once for many; see accounts_server.h. */
#include "accounts_server.h"

#include "../keys/keyfile.h"

struct accounts accounts_inherit(const struct accounts *server)
{
	struct accounts a = *server;

	a.own = NULL; /* the server's: it stays in the memory that the fork shares */
	return a;
}

void accounts_close(struct accounts *a)
{
	users_free(a->own);
	a->own = NULL;
	a->now = NULL;
}

int accounts_refresh(struct accounts *a, bool *changed, struct err *e)
{
	struct users *u;
	bool differs = true;

	if (a->now != NULL && users_look(a->now, a->store, &differs, e) != 0) {
		return -1;
	}
	if (changed != NULL) {
		*changed = differs;
	}
	if (!differs) {
		return 0;
	}
	accounts_close(a);
	if (users_load(a->store, &u, e) != 0) {
		return -1;
	}
	a->now = a->own = u;
	return 0;
}

int accounts_judge_key(const struct accounts *a, const char *user,
	const uint8_t key[static X25519_BYTES], enum users_needs *needs, struct err *e)
{
	uint8_t file_key[X25519_BYTES];
	bool counts = user_name_valid(user) && users_key_file_counts(a->now, user);
	bool found = counts && keyfile_load_x25519_public(a->dir, user, file_key, e) == 0;

	*needs = USERS_REFUSED;
	if (counts && !found && (e->code == EX_TEMPFAIL || e->code == EX_IOERR)) {
		return -1; /* the system failed: the key may be there, and fit */
	}
	*needs = users_judge_key(a->now, user, key, found ? file_key : NULL);
	return 0;
}

bool accounts_allow(const struct accounts *a, const struct presence_who *who)
{
	enum users_needs needs;
	struct err ignored;

	if (who->enhanced) {
		return accounts_judge_key(a, who->user, who->key, &needs, &ignored) == 0 &&
		       needs != USERS_REFUSED;
	}
	return users_revoked_at(a->now, who->user) == who->revoked_at &&
	       (who->mail == USERS_MAIL_NONE ? users_speaks_classic(a->now, who->user)
					     : users_mail(a->now, who->user) == who->mail);
}
