/* The list of accounts; see user_list.h. */
#include "user_list.h"

#include "../keys/keyfile.h"
#include "../proto/message.h"
#include "cli.h"
#include "user_smtp.h"

static const char *const kinds[] = {
	[USERS_PLAIN] = "plain", [USERS_ARGON2ID] = "argon2id", [USERS_NO_PASSWORD] = "none"};
const char *const user_list_modes[] = {
	[USERS_BOTH] = "both", [USERS_ENHANCED] = "enhanced", [USERS_KEY] = "key"};

bool user_list_key(int dir, const struct users_row *row, uint8_t key[static X25519_BYTES])
{
	struct err ignored;

	if (row->has_key) {
		memcpy(key, row->key, X25519_BYTES);
		return true;
	}
	return !row->revoked && keyfile_load_x25519_public(dir, row->name, key, &ignored) == 0;
}

struct listing {
	int dir; /* of key files */
	json_t *array;
};

static void describe(int dir, const struct users_row *row, char key[static KEYFILE_FINGERPRINT_MAX],
	const char **state)
{
	uint8_t bytes[X25519_BYTES];

	(void)snprintf(key, KEYFILE_FINGERPRINT_MAX, "-");
	if (user_list_key(dir, row, bytes)) {
		(void)keyfile_x25519_fingerprint(bytes, key);
	}
	*state = row->invited_to > message_now() / 1000000                         ? "invited"
		 : row->revoked && !row->has_key && row->kind == USERS_NO_PASSWORD ? "revoked"
										   : "-";
}

/* A limit as a column: 0 is none. */
static const char *column(uint64_t limit, char text[static 24])
{
	(void)snprintf(text, 24, "%llu", (unsigned long long)limit);
	return limit == 0 ? "-" : text;
}

static int print_user(void *arg, const struct users_row *row)
{
	const struct listing *l = arg;
	char key[KEYFILE_FINGERPRINT_MAX], messages[24], bytes[24];
	const char *state;

	describe(l->dir, row, key, &state);
	(void)printf(cli_is_terminal() ? "%-20s %-9s %-9s %-9s %-50s %-9s %-9s %s\n"
				       : "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
		row->name, kinds[row->kind], user_list_modes[row->mode], state, key,
		column(row->max_messages, messages), column(row->max_bytes, bytes),
		user_smtp_column(row));
	return 0;
}

static int add_json(void *arg, const struct users_row *row)
{
	const struct listing *l = arg;
	char key[KEYFILE_FINGERPRINT_MAX];
	const char *state;
	json_t *o = json_object();

	describe(l->dir, row, key, &state);
	cli_json_text(o, "user", row->name, strlen(row->name));
	cli_json_text(o, "password", kinds[row->kind], strlen(kinds[row->kind]));
	cli_json_text(o, "mode", user_list_modes[row->mode], strlen(user_list_modes[row->mode]));
	if (key[0] != '-') {
		cli_json_text(o, "key", key, strlen(key));
	}
	if (state[0] != '-') {
		cli_json_text(o, "state", state, strlen(state));
	}
	if (row->max_messages != 0) {
		cli_json_number(o, "max_messages", row->max_messages);
	}
	if (row->max_bytes != 0) {
		cli_json_number(o, "max_bytes", row->max_bytes);
	}
	if (row->mechanisms != 0 || row->smtp_password) {
		cli_json_text(o, "smtp", user_smtp_column(row), strlen(user_smtp_column(row)));
	}
	return json_array_append_new(l->array, o);
}

int user_list(struct accounts_store *accounts, int dir, bool json, struct err *e)
{
	struct listing l = {.dir = dir};
	struct users *users;
	int rc = 0;

	if (users_load(accounts, &users, e) != 0) {
		return -1;
	}
	if (json) {
		l.array = json_array();
		(void)users_each(users, add_json, &l);
		rc = cli_print_json(l.array, e);
	} else {
		if (cli_is_terminal()) {
			(void)printf("%-20s %-9s %-9s %-9s %-50s %-9s %-9s %s\n", "user",
				"password", "mode", "state", "key", "messages", "bytes", "smtp");
		}
		(void)users_each(users, print_user, &l);
	}
	users_free(users);
	return rc;
}
