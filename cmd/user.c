/* user: the accounts in user_pass.json. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/random.h"
#include "../keys/keyfile.h"
#include "../proto/mail_server.h"
#include "../store/talk.h"
#include "account.h"
#include "at_rest.h"
#include "invitation.h"
#include "user_before.h"
#include "user_list.h"
#include "user_password.h"
#include "user_smtp.h"

static const char help[] =
	"usage: smtp361 user [-d DIR] add|passwd|del|revoke|invite NAME | list | harden\n"
	"       smtp361 user [-d DIR] key NAME [FILE] | mode NAME both|enhanced|key\n"
	"       smtp361 user [-d DIR] quota NAME | smtp NAME\n"
	"\n"
	"Accounts of the server, in DIR/user_pass.json. Passwords are stored as Argon2id strings.\n"
	"A server that runs sees every change at once.\n"
	"\n"
	"  invite NAME        let NAME enrol, and print the line that `smtp361 join` takes\n"
	"  key NAME [FILE]    show NAME's key of the enhanced protocol, or make it the one in\n"
	"                     FILE (a public key, as NAME_x25519_public.pem)\n"
	"  mode NAME MODE     both: either protocol (the enhanced one wants the key, and the\n"
	"                     password if there is one); enhanced: that one alone; key: that\n"
	"                     one, by key alone\n"
	"  revoke NAME        shut NAME out, sessions included: password, keys, invitation\n"
	"  add NAME           a new account with a password, and its mailbox\n"
	"  passwd NAME        another password\n"
	"  del NAME           remove the account, and what waits of its chats;\n"
	"                     its mailbox, files and key files stay on disk, and are those of\n"
	"                     whoever gets an account of that name later\n"
	"  quota NAME         show what NAME's mailbox may hold at most, or set it\n"
	"  smtp NAME          show by which mechanisms that need no TLS NAME may log in over\n"
	"                     SMTP, or set them; user_pass.json then holds what they need, which\n"
	"                     is weaker than an Argon2id string: so nobody has them unasked.\n"
	"                     Where NAME has no password it sets one for mail programs alone:\n"
	"                     the enhanced protocol does not ask for it\n"
	"  list               the accounts, how each logs in, its quota and mechanisms\n"
	"  harden             turn every plain password into an Argon2id string\n"
	"\n"
	"  -d, --dir DIR              the server's folder (.)\n"
	"      --password-file FILE   the password is FILE's first line; - is stdin\n"
	"      --cram-md5             for smtp, add and passwd: CRAM-MD5 lets NAME in, too\n"
	"      --scram                the same for SCRAM-SHA-256\n"
	"      --own                  for smtp: a password for mail programs alone, in place of\n"
	"                             NAME's own, which lets no mail program in any more\n"
	"  -s, --server HOST[:PORT]   for invite: where the server is reached\n"
	"                             ($SMTP361_SERVER, or this machine's name)\n"
	"      --hours N              for invite: how long it holds (72)\n"
	"      --messages N           for quota: messages; 0: no limit of its own\n"
	"      --bytes N              for quota: bytes, as 500000, 500K, 10M or 1G; 0: no limit\n"
	"                             of its own\n"
	"      --none                 for quota: neither limit; for smtp: neither mechanism,\n"
	"                             and no password for mail programs alone\n"
	"      --json                 list as JSON\n"
	"      --at-rest FILE         mail at rest: the key that the server has; - asks for its\n"
	"                             passphrase\n"
	"      --at-rest-passphrase-file FILE\n"
	"                             the passphrase is FILE's first line; - is stdin\n";

struct job {
	const struct cli *cli;
	const char *dir_name, *password_file, *server, *value; /* value: what follows the name */
	const char *messages, *bytes;                          /* for quota */
	bool json, none, cram_md5, scram, own;
	unsigned hours;
	int dir;
	struct at_rest at_rest;
	struct accounts_store *accounts;
};

static int make_mailbox(const struct job *j, const char *name, struct err *e)
{
	struct mailbox *m;
	int rc;

	if (at_rest_mailboxes(&j->at_rest, j->dir, MAILBOX_BESIDE, &m, e) != 0) {
		return -1;
	}
	rc = m->ops->prepare(m, name, e);
	m->ops->close(m);
	return rc;
}

static unsigned mechanisms(const struct job *j)
{
	return (j->cram_md5 ? (unsigned)USERS_CRAM_MD5 : 0) |
	       (j->scram ? (unsigned)USERS_SCRAM_SHA256 : 0);
}

static int do_add(const struct job *j, const char *name, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = user_password_new("New password: ", j->password_file, password, &n, e);
	const struct user_before before = user_before_look(&j->at_rest, j->dir, name);
	char key[USER_NAME_MAX + 16];

	rc = rc == 0 ? users_add_with(j->accounts, name, password, n, mechanisms(j), e) : rc;
	wipe(password, sizeof password);
	rc = rc == 0 ? make_mailbox(j, name, e) : rc;
	if (rc != 0) {
		return -1;
	}
	(void)snprintf(key, sizeof key, "%s_public.pem", name);
	if (faccessat(j->dir, key, F_OK, 0) != 0) {
		(void)fprintf(stderr, "%s can log in once %s is in this folder\n", name, key);
	}
	user_before_tell(&before, name);
	user_smtp_tell(j->cli, name, mechanisms(j));
	return 0;
}

static int do_passwd(const struct job *j, const char *name, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = user_password_new("New password: ", j->password_file, password, &n, e);

	rc = rc == 0 ? users_passwd_with(j->accounts, name, password, n, mechanisms(j), e) : rc;
	wipe(password, sizeof password);
	if (rc == 0) {
		user_smtp_tell(j->cli, name, mechanisms(j));
	}
	return rc;
}

static int do_smtp(const struct job *j, const char *name, struct err *e)
{
	const struct user_smtp wish = {.none = j->none, .own = j->own, .mechanisms = mechanisms(j)};

	if (j->none && (j->own || wish.mechanisms != 0)) {
		return err_set(
			e, EX_USAGE, "--none goes with none of --cram-md5, --scram and --own");
	}
	return j->none || j->own || wish.mechanisms != 0 || j->password_file != NULL
		       ? user_smtp_set(j->cli, j->accounts, name, &wish, j->password_file, e)
		       : user_smtp_show(j->cli, j->accounts, name, e);
}

static int do_del(const struct job *j, const char *name, struct err *e)
{
	struct talk *talk;
	int rc = users_del(j->accounts, name, e);

	if (rc == 0 && (rc = talk_open(j->dir, &talk, e)) == 0) {
		rc = talk_forget(talk, name, e); /* who has the name next is somebody else */
		talk_close(talk);
	}
	return rc;
}

static int do_list(const struct job *j, const char *name, struct err *e)
{
	(void)name;
	return user_list(j->accounts, j->dir, j->json, e);
}

/* --- passwords --- */

static int do_harden(const struct job *j, const char *name, struct err *e)
{
	size_t changed;

	(void)name;
	if (users_harden(j->accounts, &changed, e) != 0) {
		return -1;
	}
	(void)fprintf(stderr, "%zu plain password%s turned into Argon2id\n", changed,
		changed == 1 ? "" : "s");
	return 0;
}

/* --- keys --- */

struct wanted {
	const struct job *j;
	const char *name;
	uint8_t key[X25519_BYTES];
	bool found, has_key;
};

static int find_user(void *arg, const struct users_row *row)
{
	struct wanted *w = arg;

	if (strcmp(row->name, w->name) != 0) {
		return 0;
	}
	w->found = true;
	w->has_key = user_list_key(w->j->dir, row, w->key);
	return 1;
}

static int show_key(const struct job *j, const char *name, struct err *e)
{
	struct wanted w = {.j = j, .name = name};
	char fingerprint[KEYFILE_FINGERPRINT_MAX];
	struct users *users;

	if (users_load(j->accounts, &users, e) != 0) {
		return -1;
	}
	(void)users_each(users, find_user, &w);
	users_free(users);
	if (!w.found) {
		return err_set(e, EX_NOUSER, "no such user: %.64s", name);
	}
	if (!w.has_key) {
		return err_set(e, EX_NOINPUT, "%s has no key of the enhanced protocol", name);
	}
	if (keyfile_x25519_fingerprint(w.key, fingerprint) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	(void)printf("%s: X25519 %s\n", name, fingerprint);
	return 0;
}

static int do_key(const struct job *j, const char *name, struct err *e)
{
	uint8_t key[X25519_BYTES];

	if (j->value == NULL) {
		return show_key(j, name, e);
	}
	if (keyfile_read_x25519_public(j->value, key, e) != 0 ||
		users_set_key(j->accounts, name, key, e) != 0) {
		return -1;
	}
	return show_key(j, name, e);
}

static int do_mode(const struct job *j, const char *name, struct err *e)
{
	for (size_t i = 0; j->value != NULL && i <= USERS_KEY; i++) {
		if (strcmp(j->value, user_list_modes[i]) == 0) {
			return users_set_mode(j->accounts, name, (enum users_mode)i, e);
		}
	}
	return err_set(e, EX_USAGE, "a mode is both, enhanced or key");
}

static int do_revoke(const struct job *j, const char *name, struct err *e)
{
	uint8_t file_key[X25519_BYTES];
	struct err ignored;
	bool found = user_name_valid(name) &&
		     keyfile_load_x25519_public(j->dir, name, file_key, &ignored) == 0;

	if (users_revoke(j->accounts, name, found ? file_key : NULL, e) != 0) {
		return -1;
	}
	(void)fprintf(stderr,
		"%s is shut out; smtp361 user invite %s, or key, or passwd, lets %s in again\n",
		name, name, name);
	return 0;
}

/* --- quotas --- */

/* A whole number, with K, M or G behind it where units is set. text NULL: *limit is left. 0 or -1.
 */
static int parse_limit(const char *text, bool units, uint64_t *limit, struct err *e)
{
	static const char letters[] = "KMG";
	size_t n = text == NULL ? 0 : strlen(text);
	const char *unit = units && n > 0 ? strchr(letters, text[n - 1]) : NULL;
	unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - letters + 1);

	if (text == NULL) {
		return 0;
	}
	if (parse_decimal(text, unit == NULL ? n : n - 1, INT64_MAX >> shift, limit) != 0) {
		return err_set(e, EX_USAGE, "a limit is a whole number%s, not \"%.64s\"",
			units ? ", as 500000, 500K, 10M or 1G" : "", text);
	}
	*limit <<= shift;
	return 0;
}

static int show_quota(const struct job *j, const char *name, struct err *e)
{
	struct users *users;
	uint64_t messages, bytes;

	if (users_load(j->accounts, &users, e) != 0) {
		return -1;
	}
	if (!users_known(users, name)) {
		users_free(users);
		return err_set(e, EX_NOUSER, "no such user: %.64s", name);
	}
	users_limits(users, name, &messages, &bytes);
	users_free(users);
	(void)printf("%s:", name);
	(void)printf(messages == 0 ? " any number of messages," : " at most %llu messages,",
		(unsigned long long)messages);
	(void)printf(bytes == 0 ? " any number of bytes\n" : " at most %llu bytes\n",
		(unsigned long long)bytes);
	return 0;
}

static int do_quota(const struct job *j, const char *name, struct err *e)
{
	bool sets = j->messages != NULL || j->bytes != NULL;
	uint64_t messages = 0, bytes = 0;

	if (j->none && sets) {
		return err_set(e, EX_USAGE, "--none goes with neither --messages nor --bytes");
	}
	if (parse_limit(j->messages, false, &messages, e) != 0 ||
		parse_limit(j->bytes, true, &bytes, e) != 0) {
		return -1;
	}
	if ((j->none || sets) && users_set_limits(j->accounts, name,
					 j->none || j->messages != NULL ? &messages : NULL,
					 j->none || j->bytes != NULL ? &bytes : NULL, e) != 0) {
		return -1;
	}
	return show_quota(j, name, e);
}

/* --- invitations --- */

enum { HOURS = 72, HOURS_MAX = 24 * 366 };

/* Where users reach the server: as it was said, or else this machine's name. */
static int find_address(const struct job *j, struct invitation *i, struct err *e)
{
	char host[CONN_HOST_MAX], port[8];
	const char *said = j->server != NULL ? j->server : getenv("SMTP361_SERVER");

	if (said == NULL || said[0] == '\0') {
		if (gethostname(host, sizeof host) != 0) {
			return err_sys(e, EX_OSERR, "cannot tell this machine's name");
		}
		host[sizeof host - 1] = '\0';
		cli_note(j->cli, "the address is this machine's name; --server HOST[:PORT] says "
				 "another");
		said = host;
	}
	if (conn_split(said, host, port, e) != 0) {
		return -1;
	}
	(void)snprintf(i->server, sizeof i->server, strchr(host, ':') == NULL ? "%s:%s" : "[%s]:%s",
		host, port);
	return 0;
}

static bool is_known(const struct job *j, const char *name)
{
	struct users *users;
	struct err ignored;
	bool known;

	if (users_load(j->accounts, &users, &ignored) != 0) {
		return false;
	}
	known = users_known(users, name);
	users_free(users);
	return known;
}

static int do_invite(const struct job *j, const char *name, struct err *e)
{
	struct invitation i = {.expires = message_now() / 1000000 +
					  3600 * (int64_t)(j->hours == 0 ? HOURS : j->hours)};
	char line[INVITATION_MAX], fingerprint[KEYFILE_FINGERPRINT_MAX] = "";
	struct user_before before;
	bool known;
	int rc = -1;

	if (!user_name_valid(name)) {
		return err_set(e, EX_USAGE, "\"%.64s\" can be no user's name", name);
	}
	(void)snprintf(i.user, sizeof i.user, "%s", name);
	before = user_before_look(&j->at_rest, j->dir, name);
	known = is_known(j, name);
	if (keyfile_load_x25519_public(j->dir, "server", i.key, e) != 0) {
		return e->code == EX_NOINPUT ? err_hint(e, "smtp361 keygen -d %s server",
						       j->dir_name == NULL ? "." : j->dir_name)
					     : -1;
	}
	if (find_address(j, &i, e) == 0 && random_bytes(i.secret, sizeof i.secret, e) == 0 &&
		users_invite(j->accounts, name, i.secret, i.expires, e) == 0 &&
		make_mailbox(j, name, e) == 0) {
		invitation_write(&i, line);
		(void)puts(line);
		(void)keyfile_x25519_fingerprint(i.key, fingerprint);
		(void)fprintf(stderr,
			"the server's key is %s\n"
			"next: %s runs `smtp361 join` and pastes this line; it works once, for %u "
			"hours\n",
			fingerprint, name, j->hours == 0 ? HOURS : j->hours);
		if (!known) {
			user_before_tell(&before, name);
		}
		rc = 0;
	}
	wipe(&i, sizeof i);
	wipe(line, sizeof line);
	return rc;
}

static const struct verb {
	const char *name;
	size_t least, most; /* operands */
	int (*run)(const struct job *j, const char *name, struct err *e);
} verbs[] = {
	{"add", 1, 1, do_add},
	{"passwd", 1, 1, do_passwd},
	{"del", 1, 1, do_del},
	{"list", 0, 0, do_list},
	{"harden", 0, 0, do_harden},
	{"key", 1, 2, do_key},
	{"mode", 2, 2, do_mode},
	{"quota", 1, 1, do_quota},
	{"smtp", 1, 1, do_smtp},
	{"revoke", 1, 1, do_revoke},
	{"invite", 1, 1, do_invite},
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

static int run_verb(const struct verb *v, struct job *j, const char *name, struct err *e)
{
	int rc = -1;

	j->dir = file_open_dir(j->dir_name == NULL ? "." : j->dir_name, e);
	if (j->dir < 0) {
		return -1;
	}
	if (at_rest_open(&j->at_rest, j->dir, j->dir_name, e) == 0 &&
		at_rest_accounts(&j->at_rest, j->dir, &j->accounts, e) == 0) {
		rc = v->run(j, name, e);
		j->accounts->ops->close(j->accounts);
	}
	at_rest_end(&j->at_rest);
	(void)close(j->dir);
	return rc;
}

APPLET_MAIN(user)
{
	struct job j = {.dir = -1};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &j.dir_name},
		{0, "password-file", CLI_TEXT, &j.password_file},
		{'s', "server", CLI_TEXT, &j.server}, {0, "hours", CLI_NUMBER, &j.hours},
		{0, "messages", CLI_TEXT, &j.messages}, {0, "bytes", CLI_TEXT, &j.bytes},
		{0, "none", CLI_FLAG, &j.none}, {0, "json", CLI_FLAG, &j.json},
		{0, "cram-md5", CLI_FLAG, &j.cram_md5}, {0, "scram", CLI_FLAG, &j.scram},
		{0, "own", CLI_FLAG, &j.own}, AT_REST_OPTIONS(&j.at_rest)};
	struct cli c = {.applet = "user",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	static const char *const operands[] = {"no name", "no name", "one name",
		"a name, and perhaps a file", "a name and a mode"};
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
	if (c.args_n - 1 < v->least || c.args_n - 1 > v->most) {
		return cli_usage(&c, "%s takes %s", v->name, operands[v->least + v->most]);
	}
	if (j.hours > HOURS_MAX) {
		return cli_usage(&c, "--hours takes at most %d", HOURS_MAX);
	}
	cli_protect();
	j.cli = &c;
	j.value = c.args_n > 2 ? c.args[2] : NULL;
	rc = run_verb(v, &j, c.args_n > 1 ? c.args[1] : NULL, &e);
	return cli_finish(&c, rc == 0 ? EX_OK : cli_fail(&c, &e));
}
