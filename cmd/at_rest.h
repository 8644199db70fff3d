/* The key of a server's mail at rest, where it comes from, and the folder's stores opened with it:
 * what every applet does that works on the folder itself. */
#ifndef CMD_AT_REST_H
#define CMD_AT_REST_H

#include "../crypto/password.h"
#include "../store/rest.h"
#include "../store/users.h"

struct at_rest {
	/* as given: a file, "-" to be asked on the terminal, or NULL */
	const char *key_file, *passphrase_file;
	bool on; /* the mail is encrypted, and this is its key: */
	struct rest_key key;
	struct rest_note note;
};

#define AT_REST_OPTIONS(a)                                                    \
	{0, "at-rest", CLI_TEXT, &(a)->key_file},                             \
	{                                                                     \
		0, "at-rest-passphrase-file", CLI_TEXT, &(a)->passphrase_file \
	}

/* The part of a help text that tells them; for applets beside serve. */
#define AT_REST_HELP                                                                            \
	"      --at-rest FILE      mail at rest: the key that the server has; - asks for its\n" \
	"                          passphrase\n"                                                \
	"      --at-rest-passphrase-file FILE\n"                                                \
	"                          the passphrase is FILE's first line; - is stdin\n"

/* What a person gives to have a key made. wipe() it. */
struct at_rest_secret {
	enum rest_kind kind;
	uint8_t bytes[PASSWORD_MAX];
	size_t n;
};

/* Read what the options name. twice: it is a new one, and is asked for twice. 0; 1: they name
 * nothing; or -1: EX_USAGE (both, no terminal), EX_NOINPUT, EX_DATAERR, EX_NOPERM (others can read
 * it), 130. */
int at_rest_read(const struct at_rest *a, bool twice, struct at_rest_secret *out, struct err *e);

/* Look at the folder, and have its key if it needs one. dir_name is for hints. 0, or -1: EX_CONFIG
 * where what was given and what is there disagree, or a migration is to be ended; EX_NOPERM for
 * another key; as above. at_rest_end() in any case. */
int at_rest_open(struct at_rest *a, int dir, const char *dir_name, struct err *e);
void at_rest_end(struct at_rest *a);

/* The stores of a folder that was opened so. 0 or -1: for mailboxes EX_TEMPFAIL, too, where a
 * migration came meanwhile. */
int at_rest_mailboxes(const struct at_rest *a, int dir, enum mailbox_role role,
	struct mailbox **out, struct err *e);
int at_rest_accounts(const struct at_rest *a, int dir, struct accounts_store **out, struct err *e);
int at_rest_users(const struct at_rest *a, int dir, struct users **out, struct err *e);
/* Is there a mailbox of this name? */
bool at_rest_has_mailbox(const struct at_rest *a, int dir, const char *user);
/* What a user's mailbox is called in the folder. */
void at_rest_folder(const struct at_rest *a, const char *user, char out[static USER_NAME_MAX + 1]);
/* The reverse. 0, 1 when it is nobody's, or -1. */
int at_rest_owner(const struct at_rest *a, int dir, const char *folder,
	char out[static USER_NAME_MAX + 1], struct err *e);

#endif
