/* members: whose keys are known, and what is to be done about them. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "input.h"
#include "keygen_ssh.h"
#include "members_list.h"
#include "remote.h"

static const char help[] =
	"usage: smtp361 members [--directory] [--json]\n"
	"       smtp361 members accept|forget NAME...\n"
	"       smtp361 members export [--allowed-signers] [NAME...]\n"
	"       smtp361 members import [FILE]\n"
	"       smtp361 members publish\n"
	"\n"
	"Whose keys you know. The first keys that the server hands out for a member are pinned in\n"
	"the file known_members of your folder of keys; other ones are told loudly from then on,\n"
	"and nothing is sealed to them (77). `smtp361 verify NAME` makes sure.\n"
	"\n"
	"Without a word, list the members that you know: name, pinned or verified, fingerprints,\n"
	"and since when. With --directory, ask the server for all, and hold what it shows against\n"
	"them: new, no-key, changed (then it ends with 77), gone, and you. Nothing is pinned.\n"
	"\n"
	"  accept NAME      pin the keys that the server shows now, in place of others\n"
	"  forget NAME      forget them: the next ones are pinned\n"
	"  export [NAME]    write your own line and theirs, to give to another member\n"
	"  import [FILE]    pin the lines of such a file, or of stdin, which are new\n"
	"  publish          give the server your signing key, for all members to see\n"
	"\n"
	"      --directory         ask the server, too\n"
	"      --json              an array of objects\n"
	"      --allowed-signers   lines for `ssh-keygen -Y verify -f FILE`\n" ACCOUNT_HELP;

struct job {
	const struct cli *c;
	struct account account;
	struct trust own;
	bool directory, json, signers;
	char **names; /* behind the word */
	size_t names_n;
};

static int check_names(const struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->names_n; i++) {
		if (!user_name_valid(j->names[i])) {
			return err_set(e, EX_NOUSER, "\"%.80s\" is no member's name", j->names[i]);
		}
	}
	return 0;
}

/* --- with the server --- */

static int do_list(struct job *j, struct err *e)
{
	struct mail_client *c = NULL;
	int rc = j->directory ? remote_open(&j->account, &c, e) : 0;

	rc = rc == 0 ? members_list(&j->own, c, j->json, e) : rc;
	if (c != NULL) {
		remote_close(c);
	}
	return rc;
}

/* What is pinned and the same stays as it is, verified or not. */
static int accept_one(struct job *j, struct mail_client *c, const char *name, struct err *e)
{
	char text[TRUST_FINGERPRINTS];
	struct members_row row;
	enum known_how how;

	if (strcmp(name, j->own.name) == 0) {
		return err_set(e, EX_DATAERR, "%s is yourself", name);
	}
	if (enhanced_members_get(c, name, &row, e) != 0) {
		return -1;
	}
	if (!row.has_keys) {
		return err_set(e, EX_NOUSER, "the server has no key of %s", name);
	}
	if (known_see(j->own.keys, name, &row.keys, &how, NULL, e) != 0 ||
		(how == KNOWN_CHANGED &&
			known_accept(j->own.keys, name, &row.keys, false, e) != 0)) {
		return -1;
	}
	trust_fingerprints(text, &row.keys);
	(void)printf("%s: %s (%s)\n", name, text,
		how == KNOWN_CHANGED ? "accepted"
		: how == KNOWN_SAME  ? "as it was"
				     : "pinned");
	return 0;
}

static int do_accept(struct job *j, struct err *e)
{
	struct mail_client *c;
	int rc = remote_open(&j->account, &c, e);

	if (rc != 0) {
		return -1;
	}
	for (size_t i = 0; i < j->names_n && rc == 0; i++) {
		rc = accept_one(j, c, j->names[i], e);
	}
	remote_close(c);
	return rc;
}

static int do_publish(struct job *j, struct err *e)
{
	struct known_keys keys = trust_keys(&j->own);
	char text[TRUST_FINGERPRINTS];
	struct mail_client *c;
	int rc = remote_open(&j->account, &c, e);

	if (rc != 0) {
		return -1;
	}
	rc = enhanced_members_publish(c, j->own.name, keys.x25519, &j->own.p256, e);
	rc = rc == 0 ? trust_publish(&j->own, c, e) : rc; /* does it show it, too? */
	remote_close(c);
	if (rc == 0) {
		trust_fingerprints(text, &keys);
		(void)printf("%s: %s (published)\n", j->own.name, text);
	}
	return rc;
}

/* --- without it --- */

static int do_forget(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->names_n; i++) {
		if (known_forget(j->own.keys, j->names[i], e) != 0) {
			return -1;
		}
		(void)printf("%s: forgotten\n", j->names[i]);
	}
	return 0;
}

static int export_one(const struct job *j, const struct known_member *m, struct err *e)
{
	struct buf line = {0};

	if (j->signers) {
		if (m->keys.signs) {
			keygen_print_signer(m->name, m->keys.p256);
		}
		return 0;
	}
	if (known_write(&line, m) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	(void)fwrite(line.p, 1, line.n, stdout); /* cli_finish tells whether it got out */
	buf_free(&line);
	return 0;
}

static int export_named(const struct job *j, const struct known *known,
	const struct known_member *own, struct err *e)
{
	for (size_t i = 0; i < j->names_n; i++) {
		const struct known_member *m =
			strcmp(j->names[i], own->name) == 0 ? own : known_find(known, j->names[i]);
		if (m == NULL) {
			return err_set(e, EX_NOUSER, "%s is not known", j->names[i]);
		}
		if (export_one(j, m, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int do_export(struct job *j, struct err *e)
{
	struct known_member own = {.keys = trust_keys(&j->own), .since = (int64_t)time(NULL)};
	struct known known;
	int rc = known_load(&known, j->own.keys, e);

	(void)snprintf(own.name, sizeof own.name, "%s", j->own.name);
	if (rc == 0 && j->names_n > 0) {
		rc = export_named(j, &known, &own, e);
	} else if (rc == 0) {
		rc = export_one(j, &own, e);
		for (size_t i = 0; i < known.n && rc == 0; i++) {
			rc = export_one(j, &known.members[i], e);
		}
	}
	known_free(&known);
	return rc;
}

static int import_one(
	const struct job *j, const struct known_member *m, const char *file, struct err *e)
{
	struct known_keys ours = trust_keys(&j->own);
	struct known_member ignored;

	if (strcmp(m->name, j->own.name) != 0) {
		return trust_see(&j->own, m->name, &m->keys, file, &ignored, e);
	}
	if (ct_eq(m->keys.x25519, ours.x25519, sizeof ours.x25519) &&
		(!m->keys.signs || ct_eq(m->keys.p256, ours.p256, sizeof ours.p256))) {
		return 0;
	}
	err_set(e, EX_NOPERM, "%s has another key in your name", file);
	return err_hint(e, "tell who gave it to you: he writes to somebody else");
}

/* One that has changed does not keep the others from being pinned. */
static int do_import(struct job *j, struct err *e)
{
	bool from_stdin = j->names_n == 0 || strcmp(j->names[0], "-") == 0;
	const char *file = from_stdin ? "standard input" : j->names[0];
	struct known known = {.n = 0};
	struct buf text = {0};
	struct err why;
	int rc = from_stdin ? input_rest(&text, KNOWN_TEXT_MAX, e)
			    : file_read(AT_FDCWD, file, KNOWN_TEXT_MAX, &text, NULL, e);

	rc = rc == 0 ? known_read(&known, text.p, text.n, file, e) : rc;
	buf_free(&text);
	for (size_t i = 0; i < known.n && (rc == 0 || e->code == EX_NOPERM); i++) {
		if (import_one(j, &known.members[i], file, &why) != 0) {
			if (rc != 0) {
				(void)cli_fail(j->c, e);
			}
			*e = why;
			rc = -1;
		}
	}
	known_free(&known);
	return rc;
}

/* --- the applet --- */

static const struct verb {
	const char *name;
	int (*run)(struct job *j, struct err *e);
	size_t least, most; /* operands */
} verbs[] = {
	{"accept", do_accept, 1, SIZE_MAX},
	{"forget", do_forget, 1, SIZE_MAX},
	{"export", do_export, 0, SIZE_MAX},
	{"import", do_import, 0, 1},
	{"publish", do_publish, 0, 0},
};
static const struct verb list_verb = {"list", do_list, 0, 0};

static const struct verb *find_verb(const struct cli *c)
{
	if (c->args_n == 0) {
		return &list_verb;
	}
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(c->args[0], verbs[i].name) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

/* The exit code of misuse, or -1. */
static int judge(const struct job *j, const struct verb *v)
{
	if (j->names_n < v->least || j->names_n > v->most) {
		return cli_usage(j->c, "members %s takes %s", v->name,
			v->least > 0   ? "a NAME"
			: v->most == 1 ? "one FILE at most"
				       : "no NAME");
	}
	if ((j->directory || j->json) && v != &list_verb) {
		return cli_usage(j->c, "--directory and --json go with the list");
	}
	return j->signers && v->run != do_export
		       ? cli_usage(j->c, "--allowed-signers goes with export")
		       : -1;
}

static int run(struct job *j, const struct verb *v)
{
	struct err e;
	int rc = remote_check(&j->account, &e);

	rc = rc == 0 && v->run != do_import ? check_names(j, &e) : rc;
	if (rc == 0) {
		rc = trust_own(&j->account, &j->own, &e);
		rc = rc == 0 ? v->run(j, &e) : rc;
		trust_end(&j->own);
	}
	return rc == 0 ? EX_OK : cli_fail(j->c, &e);
}

APPLET_MAIN(members)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "directory", CLI_FLAG, &j.directory}, {0, "json", CLI_FLAG, &j.json},
		{0, "allowed-signers", CLI_FLAG, &j.signers}};
	struct cli c = {.applet = "members",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	const struct verb *v;

	if (rc >= 0) {
		return rc;
	}
	v = find_verb(&c);
	if (v == NULL) {
		return cli_usage(&c, "members knows no \"%s\"", c.args[0]);
	}
	j.c = &c;
	j.account.applet = c.applet;
	j.names = v == &list_verb ? NULL : c.args + 1;
	j.names_n = v == &list_verb ? 0 : c.args_n - 1;
	rc = judge(&j, v);
	if (rc >= 0) {
		return rc;
	}
	cli_protect();
	rc = run(&j, v);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
