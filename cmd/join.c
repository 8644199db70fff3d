/* join: a new user's first minute. Takes an invitation, makes keys, enrols, writes the
 * configuration.
 *
 * Each step is on disk before the next, so that it can be run again with the same invitation after
 * whatever went wrong: the keys are made first, and the server lets a key that it has registered in
 * without the secret. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/secret.h"
#include "../keys/keyfile.h"
#include "../proto/enhanced_members.h"
#include "account.h"
#include "invitation.h"

static const char help[] =
	"usage: smtp361 join [-k DIR] [FILE]\n"
	"\n"
	"Accept an invitation (the line that `smtp361 user invite` printed), from FILE, stdin,\n"
	"or as you paste it: make a key pair, enrol it with the server, and write the\n"
	"configuration, so that `smtp361 send --to NAME` and all others need no options; and a\n"
	"pair that signs, whose public half is shown to all members. Pairs that are there\n"
	"already are used.\n"
	"\n"
	"  -k, --keys DIR    where the keys go ($XDG_CONFIG_HOME/smtp361)\n"
	"      --force       replace a configuration, and a server's key, that is there\n"
	"      --new-key     make a new pair if the server refuses the one that is there: a\n"
	"                    key that was revoked is not let in again\n"
	"  -v, --verbose     tell what is verified, and what an onlooker sees\n";

struct job {
	struct account account; /* for -v */
	const char *keys;
	bool force, new_key;
	bool old_key;             /* the pair was there before */
	struct p256_pair signing; /* secret */
	struct invitation invitation;
	char config[ACCOUNT_PATH_MAX];
	char folder[ACCOUNT_PATH_MAX]; /* of the keys, from the root */
};

/* --- the invitation --- */

/* A line, which is as secret as a password. 0 or -1. */
static int read_line(const char *file, uint8_t line[static PASSWORD_MAX], size_t *n, struct err *e)
{
	bool is_stdin = file == NULL || strcmp(file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open %s", file);
	}
	rc = file == NULL && isatty(fd) == 1
		     ? account_password_ask("Paste the invitation: ", line, n, e)
		     : account_password_fd(fd, "the invitation", line, n, e);
	if (!is_stdin) {
		(void)close(fd);
	}
	return rc != 0 && e->code == EX_NOINPUT
		       ? err_set(e, EX_NOINPUT, "no invitation came: the input ended")
		       : rc;
}

static int read_invitation(struct job *j, const char *file, struct err *e)
{
	uint8_t line[PASSWORD_MAX];
	size_t n;
	int rc = read_line(file, line, &n, e);

	rc = rc == 0 ? invitation_read(&j->invitation, (const char *)line, n, e) : rc;
	wipe(line, sizeof line);
	if (rc == 0 && j->invitation.expires <= message_now() / 1000000) {
		err_set(e, EX_NOPERM, "the invitation has expired");
		rc = err_hint(e, "ask for another one: smtp361 user invite %s", j->invitation.user);
	}
	return rc;
}

/* --- folders --- */

/* Make a folder, and the ones above it, for this user alone. */
static int make_folders(char *path, struct err *e)
{
	for (char *s = path + 1;; s++) {
		if (*s == '/' || *s == '\0') {
			char kept = *s;
			*s = '\0';
			int rc = mkdir(path, 0700);
			if (rc != 0 && access(path, F_OK) != 0) {
				return err_sys(
					e, EX_CANTCREAT, "cannot create the folder %s", path);
			}
			*s = kept;
			if (kept == '\0') {
				return 0;
			}
		}
	}
}

static int find_places(struct job *j, struct err *e)
{
	char cwd[ACCOUNT_PATH_MAX] = "", *slash;
	int rc = account_config_path(j->config, e);

	if (rc <= 0) {
		return rc < 0 ? -1
			      : err_set(e, EX_CONFIG,
					"neither $XDG_CONFIG_HOME nor $HOME tells where the "
					"configuration belongs");
	}
	if (j->keys == NULL) {
		(void)snprintf(j->folder, sizeof j->folder, "%s", j->config);
		slash = strrchr(j->folder, '/');
		*slash = '\0';
		return make_folders(j->folder, e);
	}
	if (j->keys[0] != '/' && getcwd(cwd, sizeof cwd - 1) == NULL) {
		return err_sys(e, EX_OSERR, "cannot tell the current folder");
	}
	if (snprintf(j->folder, sizeof j->folder, "%s%s%s", cwd, cwd[0] == '\0' ? "" : "/",
		    j->keys) >= (int)sizeof j->folder) {
		return err_set(e, EX_USAGE, "the path of the keys is too long");
	}
	return make_folders(j->folder, e);
}

/* --- keys --- */

/* The server's key as the invitation tells it; another one under that name is not replaced. */
static int pin_server(struct job *j, int dir, struct err *e)
{
	uint8_t there[X25519_BYTES];

	if (faccessat(dir, "server_x25519_public.pem", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		!j->force) {
		if (keyfile_load_x25519_public(dir, "server", there, e) != 0) {
			return -1;
		}
		if (ct_eq(there, j->invitation.key, sizeof there)) {
			return 0;
		}
		err_set(e, EX_CANTCREAT, "%s/server_x25519_public.pem is another server's key",
			j->folder);
		return err_hint(e, "-k DIR puts this one elsewhere; --force replaces it");
	}
	return keyfile_save_x25519_public(dir, "server", j->invitation.key, e);
}

/* This user's pair that signs: as it is there, or made. */
static int make_signing(struct job *j, int dir, struct err *e)
{
	uint8_t public[P256_PUBLIC];
	enum keyfile_made made;
	enum keyfile_state state;
	int rc = keyfile_look(dir, j->invitation.user, KEYFILE_P256, &state, e);

	if (rc == 0 && state != KEYFILE_WHOLE) {
		rc = keyfile_generate_p256(dir, j->invitation.user, false, &made, public, e);
	}
	return rc == 0 ? keyfile_load_p256_private(dir, j->invitation.user, &j->signing, e) : rc;
}

/* This user's pairs: as an earlier try left them, or made; replace: another one for logging in, in
 * any case. */
static int make_keys(struct job *j, bool replace, struct x25519_pair *pair, struct err *e)
{
	enum keyfile_made made;
	enum keyfile_state state;
	uint8_t public[X25519_BYTES];
	int dir = file_open_dir(j->folder, e), rc;

	if (dir < 0) {
		return -1;
	}
	rc = file_lock(dir, e);
	rc = rc == 0 ? pin_server(j, dir, e) : rc;
	rc = rc == 0 ? keyfile_look(dir, j->invitation.user, KEYFILE_X25519, &state, e) : rc;
	j->old_key = rc == 0 && state == KEYFILE_WHOLE && !replace;
	if (rc == 0 && !j->old_key) {
		rc = keyfile_generate_x25519(dir, j->invitation.user, replace, &made, public, e);
	}
	rc = rc == 0 ? keyfile_load_x25519_private(dir, j->invitation.user, pair, e) : rc;
	rc = rc == 0 ? make_signing(j, dir, e) : rc;
	(void)close(dir);
	return rc;
}

/* --- enrolling --- */

/* Others check by it what we sign. An older server has no place for it, and we are enrolled all the
 * same: whatever is signed first publishes it, too. */
static void publish(struct job *j, struct mail_client *c, const struct x25519_pair *pair)
{
	const struct cli me = {.applet = j->account.applet};
	struct err why;

	if (enhanced_members_publish(c, j->invitation.user, pair->public, &j->signing, &why) != 0) {
		cli_note(&me, "the server did not take your signing key yet: %s", why.text);
	}
}

static int try_to_enrol(struct job *j, const struct x25519_pair *pair, struct err *e)
{
	char host[CONN_HOST_MAX], port[8];
	struct enhanced_login l = {.host = host,
		.port = port,
		.user = j->invitation.user,
		.key = pair,
		.server_key = j->invitation.key,
		.secret = j->invitation.secret,
		.trace = j->account.verbose ? account_trace : NULL,
		.trace_arg = &j->account};
	struct mail_client *c;
	bool asks = false;
	int rc = conn_split(j->invitation.server, host, port, e);

	rc = rc == 0 ? enhanced_client_open(&c, &l, e) : rc;
	if (rc != 0) {
		return -1;
	}
	rc = enhanced_client_welcome(c, &asks, e);
	if (rc == 0) {
		publish(j, c, pair);
		c->ops->quit(c);
	} else if (asks) {
		rc = 0; /* only who holds the registered key is asked: it was enrolled before */
		(void)fprintf(stderr, "smtp361 join: the account asks for a password, too: "
				      "--password-file FILE\n");
	} else if (e->code == EX_NOPERM) {
		err_set(e, EX_NOPERM, "the server does not accept the invitation");
		err_hint(e,
			"it was used, or has expired, or another one took its place%s; ask for "
			"another: smtp361 user invite %s",
			j->old_key ? ", or the key pair that was here is revoked (--new-key)" : "",
			j->invitation.user);
	}
	c->ops->end(c);
	return rc;
}

/* With --new-key a pair that was there gives way only when the server refuses it: one that was
 * enrolled by an earlier try is not lost. */
static int enrol(struct job *j, struct x25519_pair *pair, struct err *e)
{
	int rc = try_to_enrol(j, pair, e);

	if (rc != 0 && e->code == EX_NOPERM && j->old_key && j->new_key) {
		rc = make_keys(j, true, pair, e) != 0 ? -1 : try_to_enrol(j, pair, e);
	}
	return rc;
}

/* --- the configuration --- */

/* Does the configuration that is there say the same already? */
static bool same_config(const struct job *j)
{
	struct account there = {0};
	struct err ignored;
	bool same =
		account_resolve(&there, &ignored) == 0 && there.enhanced && there.server != NULL &&
		there.user != NULL && strcmp(there.server, j->invitation.server) == 0 &&
		strcmp(there.user, j->invitation.user) == 0 && strcmp(there.keys, j->folder) == 0;

	account_free(&there);
	return same;
}

static int check_config(const struct job *j, struct err *e)
{
	if (j->force || access(j->config, F_OK) != 0 || same_config(j)) {
		return 0;
	}
	err_set(e, EX_CANTCREAT, "cannot write %s: it exists", j->config);
	return err_hint(e, "--force replaces it; another $XDG_CONFIG_HOME keeps both");
}

static int write_config(struct job *j, struct err *e)
{
	char *name = strrchr(j->config, '/') + 1, *text;
	json_t *o = json_object();
	int dir, rc = -1;

	cli_json_text(o, "server", j->invitation.server, strlen(j->invitation.server));
	cli_json_text(o, "user", j->invitation.user, strlen(j->invitation.user));
	cli_json_text(o, "keys", j->folder, strlen(j->folder));
	(void)json_object_set_new(o, "enhanced", json_true());
	text = json_dumps(o, JSON_INDENT(4));
	json_decref(o);
	name[-1] = '\0';
	if (text == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
	} else if (make_folders(j->config, e) == 0 && (dir = file_open_dir(j->config, e)) >= 0) {
		struct buf out = {0};
		rc = buf_append_str(&out, text) == 0 && buf_append(&out, "\n", 1) == 0
			     ? file_write(dir, name, out.p, out.n, 0600, FILE_REPLACE, e)
			     : err_set(e, EX_TEMPFAIL, "out of memory");
		buf_free(&out);
		(void)close(dir);
	}
	name[-1] = '/';
	secret_free(text);
	return rc;
}

/* --- the applet --- */

static int tell(const struct job *j, const struct x25519_pair *pair, struct err *e)
{
	char own[KEYFILE_FINGERPRINT_MAX], server[KEYFILE_FINGERPRINT_MAX];

	if (keyfile_x25519_fingerprint(pair->public, own) != 0 ||
		keyfile_x25519_fingerprint(j->invitation.key, server) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	(void)printf("You are %s at %s.\n  your key      %s\n  the server's  %s\n",
		j->invitation.user, j->invitation.server, own, server);
	(void)fprintf(stderr, "smtp361 join: next: smtp361 send --to NAME, smtp361 inbox\n");
	return 0;
}

static int run(struct job *j, const char *file, struct err *e)
{
	struct x25519_pair pair;
	int rc = -1;

	if (x25519_self_check(e) == 0 && read_invitation(j, file, e) == 0 &&
		find_places(j, e) == 0 && check_config(j, e) == 0 &&
		make_keys(j, false, &pair, e) == 0 && enrol(j, &pair, e) == 0 &&
		write_config(j, e) == 0) {
		rc = tell(j, &pair, e);
	}
	wipe(&pair, sizeof pair);
	wipe(&j->signing, sizeof j->signing);
	wipe(&j->invitation, sizeof j->invitation);
	return rc;
}

APPLET_MAIN(join)
{
	static struct job j;
	const struct cli_option options[] = {{'k', "keys", CLI_TEXT, &j.keys},
		{0, "force", CLI_FLAG, &j.force}, {0, "new-key", CLI_FLAG, &j.new_key},
		{'v', "verbose", CLI_FLAG, &j.account.verbose}};
	struct cli c = {.applet = "join",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n > 1) {
		return cli_usage(&c, "one FILE at most");
	}
	cli_protect();
	j.account.applet = c.applet;
	rc = run(&j, c.args_n == 1 ? c.args[0] : NULL, &e);
	return cli_finish(&c, rc == 0 ? EX_OK : cli_fail(&c, &e));
}
