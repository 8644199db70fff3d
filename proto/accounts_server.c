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

enum users_needs accounts_judge_key(
	const struct accounts *a, const char *user, const uint8_t key[static X25519_BYTES])
{
	uint8_t file_key[X25519_BYTES];
	struct err ignored;
	bool found = user_name_valid(user) && users_key_file_counts(a->now, user) &&
		     keyfile_load_x25519_public(a->dir, user, file_key, &ignored) == 0;

	return users_judge_key(a->now, user, key, found ? file_key : NULL);
}

bool accounts_allow(const struct accounts *a, const struct presence_who *who)
{
	if (who->enhanced) {
		return accounts_judge_key(a, who->user, who->key) != USERS_REFUSED;
	}
	return users_speaks_classic(a->now, who->user) &&
	       users_revoked_at(a->now, who->user) == who->revoked_at;
}
