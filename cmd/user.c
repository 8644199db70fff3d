/* user: the accounts in user_pass.json. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../proto/mail_server.h"
#include "account.h"

static const char help[] =
	"usage: smtp361 user [-d DIR] add|passwd|del NAME | list | harden\n"
	"\n"
	"Accounts of the server, in DIR/user_pass.json. Passwords are stored as Argon2id strings.\n"
	"\n"
	"  add NAME      a new account and its mailbox\n"
	"  passwd NAME   another password\n"
	"  del NAME      remove the account; its mailbox stays on disk\n"
	"  list          the accounts, and how each password is stored\n"
	"  harden        turn every plain password into an Argon2id string\n"
	"\n"
	"  -d, --dir DIR             the server's folder (.)\n"
	"      --password-file FILE  the password is FILE's first line; - is stdin\n"
	"      --json                list as JSON\n";

struct job {
	const char *dir_name, *password_file;
	bool json;
	int dir;
};

/* From the file, or twice from the terminal. */
static int new_password(const struct job *j, uint8_t *password, size_t *n, struct err *e)
{
	uint8_t again[PASSWORD_MAX];
	size_t again_n;
	int rc;

	if (j->password_file != NULL) {
		return account_password_file(j->password_file, password, n, e);
	}
	if (isatty(STDIN_FILENO) != 1) {
		return err_set(
			e, EX_USAGE, "no password is given: --password-file FILE, or - for stdin");
	}
	if (account_password_ask("New password: ", password, n, e) != 0) {
		return -1;
	}
	rc = account_password_ask("The same again: ", again, &again_n, e);
	if (rc == 0 && (again_n != *n || !ct_eq(password, again, again_n))) {
		rc = err_set(e, EX_DATAERR, "the two passwords differ; nothing was changed");
	}
	wipe(again, sizeof again);
	return rc;
}

static int make_mailbox(const struct job *j, const char *name, struct err *e)
{
	struct mailbox *m;
	int rc;

	if (mailbox_files_open(j->dir, mail_describe, &m, e) != 0) {
		return -1;
	}
	rc = m->ops->prepare(m, name, e);
	m->ops->close(m);
	return rc;
}

static int do_add(const struct job *j, const char *name, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = new_password(j, password, &n, e);
	bool had_mailbox = faccessat(j->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	char key[USER_NAME_MAX + 16];

	rc = rc == 0 ? users_add(j->dir, name, password, n, e) : rc;
	wipe(password, sizeof password);
	rc = rc == 0 ? make_mailbox(j, name, e) : rc;
	if (rc != 0) {
		return -1;
	}
	(void)snprintf(key, sizeof key, "%s_public.pem", name);
	if (faccessat(j->dir, key, F_OK, 0) != 0) {
		(void)fprintf(stderr, "%s can log in once %s is in this folder\n", name, key);
	}
	if (had_mailbox) {
		(void)fprintf(stderr, "the mailbox %s was here before: what is in it is %s's now\n",
			name, name);
	}
	return 0;
}

static int do_passwd(const struct job *j, const char *name, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = new_password(j, password, &n, e);

	rc = rc == 0 ? users_passwd(j->dir, name, password, n, e) : rc;
	wipe(password, sizeof password);
	return rc;
}

static int do_del(const struct job *j, const char *name, struct err *e)
{
	return users_del(j->dir, name, e);
}

static const char *const kinds[] = {
	[USERS_PLAIN] = "plain", [USERS_ARGON2ID] = "argon2id", [USERS_NO_PASSWORD] = "none"};

static int print_user(void *arg, const char *name, enum users_kind kind)
{
	(void)arg;
	(void)printf(cli_is_terminal() ? "%-33s%s\n" : "%s\t%s\n", name, kinds[kind]);
	return 0;
}

static int add_json(void *arg, const char *name, enum users_kind kind)
{
	json_t *o = json_object();

	cli_json_text(o, "user", name, strlen(name));
	cli_json_text(o, "password", kinds[kind], strlen(kinds[kind]));
	return json_array_append_new(arg, o);
}

static int do_list(const struct job *j, const char *name, struct err *e)
{
	struct users *users;
	json_t *array;
	int rc = 0;

	(void)name;
	if (users_load(j->dir, &users, NULL, e) != 0) {
		return -1;
	}
	if (j->json) {
		array = json_array();
		(void)users_each(users, add_json, array);
		rc = cli_print_json(array, e);
	} else {
		(void)users_each(users, print_user, NULL);
	}
	users_free(users);
	return rc;
}

static int do_harden(const struct job *j, const char *name, struct err *e)
{
	size_t changed;

	(void)name;
	if (users_harden(j->dir, &changed, e) != 0) {
		return -1;
	}
	(void)fprintf(stderr, "%zu plain password%s turned into Argon2id\n", changed,
		changed == 1 ? "" : "s");
	return 0;
}

static const struct verb {
	const char *name;
	bool takes_name;
	int (*run)(const struct job *j, const char *name, struct err *e);
} verbs[] = {
	{"add", true, do_add},
	{"passwd", true, do_passwd},
	{"del", true, do_del},
	{"list", false, do_list},
	{"harden", false, do_harden},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

APPLET_MAIN(user)
{
	struct job j = {.dir = -1};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &j.dir_name},
		{0, "password-file", CLI_TEXT, &j.password_file}, {0, "json", CLI_FLAG, &j.json}};
	struct cli c = {.applet = "user",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	const struct verb *v;
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	v = c.args_n > 0 ? find_verb(c.args[0]) : NULL;
	if (v == NULL) {
		return cli_usage(&c,
			c.args_n > 0 ? "there is no verb \"%s\"" : "no verb is given%s",
			c.args_n > 0 ? c.args[0] : "");
	}
	if (c.args_n != (v->takes_name ? 2u : 1u)) {
		return cli_usage(
			&c, "%s takes %s", v->name, v->takes_name ? "one name" : "no name");
	}
	cli_protect();
	j.dir = file_open_dir(j.dir_name == NULL ? "." : j.dir_name, &e);
	rc = j.dir < 0 ? -1 : v->run(&j, v->takes_name ? c.args[1] : NULL, &e);
	if (j.dir >= 0) {
		(void)close(j.dir);
	}
	return cli_finish(&c, rc == 0 ? EX_OK : cli_fail(&c, &e));
}
