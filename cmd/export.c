/* export: mailboxes as mbox files or Maildirs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "archive.h"
#include "at_rest.h"
#include "cli.h"
#include "export_out.h"
#include "progress.h"

static const char help[] =
	"usage: smtp361 export [-d DIR] [--maildir] [--json] USER... OUT | --all OUT\n"
	"\n"
	"Write mailboxes as Internet messages, for mail programs and for `smtp361 import`, which\n"
	"gives every message back as it was: id, time, sender, recipients, title and each byte.\n"
	"It works beside a running server, and changes nothing there; without one, it first\n"
	"completes what a crash left, as the server does when it starts.\n"
	"\n"
	"One USER: OUT is the mbox (- is stdout) or the Maildir itself. Several, or --all: OUT is\n"
	"a folder for USER.mbox, or a Maildir USER, each; or - for all of them in one mbox.\n"
	"An mbox has its name once it is whole. A Maildir gets what is not in it yet.\n"
	"\n"
	"      --all               every mailbox of the accounts in user_pass.json\n"
	"      --mbox              mboxrd files; what is done without --maildir\n"
	"      --maildir           Maildirs\n"
	"      --force             replace an mbox that exists\n"
	"      --domain DOMAIN     what stands behind the @ of users (smtp361.invalid)\n"
	"      --json              print the result as JSON\n"
	"  -d, --dir DIR           the server's folder (.)\n" AT_REST_HELP;

struct job {
	struct cli *cli;
	const char *dir_name, *domain;
	bool all, mbox, maildir, force, json;
	const char *out;
	bool to_stdout, several;
	struct at_rest at_rest;
	struct mailbox *box;
	struct export_out *to; /* of the user in hand */
	const char *user;
	struct progress progress;
	uint64_t seen;
	uint64_t exported, already, failed; /* of the user in hand */
	bool output_failed;
	bool any_failed;
	json_t *array;
	struct err e; /* why a listing was ended */
};

/* --- one message --- */

/* What the store says of a message that cannot be read, and what the disk says of a file that
 * cannot be written, differ in what follows: the first is told, and the next one is tried. */
static int put(void *arg, const void *p, size_t n, struct err *e)
{
	struct job *j = arg;

	if (archive_interrupted()) {
		j->output_failed = true;
		return err_set(e, EX_TEMPFAIL, "interrupted");
	}
	if (j->to->ops->put(j->to, p, n, e) != 0) {
		j->output_failed = true;
		return -1;
	}
	return 0;
}

static void tell_failed(struct job *j, const struct mailbox_meta *meta, const struct err *why)
{
	char id[2 * MAILBOX_ID_BYTES + 1];

	hex_encode(id, meta->id, MAILBOX_ID_BYTES);
	progress_clear(&j->progress);
	cli_note(j->cli, "%s: message %s (%.80s) is not exported: %s", j->user, id, meta->title,
		why->text);
	j->failed++;
}

static int export_one(struct job *j, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	char sender[USER_NAME_MAX + RFC5322_ADDRESS_MAX + 2];
	struct err why = {0};
	int rc;

	(void)snprintf(sender, sizeof sender, "%s@%s", meta->source, j->domain);
	if (j->to->ops->begin(j->to, meta, sender, &j->e) != 0) {
		return 1;
	}
	rc = archive_write(j->box, j->user, meta, ref, j->domain, put, j, &why);
	if (rc == 0 && j->to->ops->end(j->to, &j->e) != 0) {
		return 1;
	}
	if (rc == 0) {
		j->exported++;
		return 0;
	}
	j->e = why;
	if (j->to->ops->undo(j->to, &j->e) != 0 || j->output_failed) {
		return 1;
	}
	if (why.code == EX_NOINPUT) {
		return 0; /* its owner has removed it meanwhile */
	}
	tell_failed(j, meta, &why);
	return 0;
}

static int visit(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct job *j = arg;
	const struct err damaged = {.code = EX_DATAERR, .text = "it is damaged"};

	if (archive_interrupted()) {
		err_set(&j->e, EX_TEMPFAIL, "interrupted");
		return 1;
	}
	progress_tell(&j->progress, j->seen++);
	if (meta->damaged) {
		tell_failed(j, meta, &damaged);
		return 0;
	}
	if (j->to->ops->has(j->to, meta)) {
		j->already++;
		return 0;
	}
	return export_one(j, meta, ref);
}

/* --- one mailbox --- */

static int open_out(struct job *j, char path[static PATH_MAX], struct err *e)
{
	if (j->to_stdout || !j->several) {
		(void)snprintf(path, PATH_MAX, "%s", j->out);
	} else if (snprintf(path, PATH_MAX, "%s/%s%s", j->out, j->user,
			   j->maildir ? "" : ".mbox") >= PATH_MAX) {
		return err_set(e, EX_CANTCREAT, "the path of OUT is too long");
	}
	j->to = j->maildir ? export_maildir_open(path, e) : export_mbox_open(path, j->force, e);
	return j->to == NULL ? -1 : 0;
}

static void tell_user(struct job *j, const char *path)
{
	FILE *to = j->to_stdout ? stderr : stdout;
	json_t *o;

	progress_clear(&j->progress);
	if (j->json) {
		o = json_object();
		cli_json_text(o, "user", j->user, strlen(j->user));
		cli_json_text(o, "path", path, strlen(path));
		cli_json_number(o, "exported", j->exported);
		cli_json_number(o, "already", j->already);
		cli_json_number(o, "failed", j->failed);
		(void)json_array_append_new(j->array, o);
	} else if (!j->to_stdout && !cli_is_terminal()) {
		(void)fprintf(to, "%s\t%llu\t%llu\t%llu\t%s\n", j->user,
			(unsigned long long)j->exported, (unsigned long long)j->already,
			(unsigned long long)j->failed, path);
	} else {
		(void)fprintf(to, "%s: %llu exported", j->user, (unsigned long long)j->exported);
		if (j->already > 0) {
			(void)fprintf(to, ", %llu there already", (unsigned long long)j->already);
		}
		if (j->failed > 0) {
			(void)fprintf(to, ", %llu NOT exported", (unsigned long long)j->failed);
		}
		(void)fprintf(to, "%s%s\n", j->to_stdout ? "" : "  ", j->to_stdout ? "" : path);
	}
}

static int export_user(struct job *j, const char *user, struct err *e)
{
	struct mailbox_usage usage = {0};
	char path[PATH_MAX];
	int rc;

	j->user = user;
	j->exported = j->already = j->failed = j->seen = 0;
	if (j->box->ops->usage(j->box, user, &usage, e) != 0 || open_out(j, path, e) != 0) {
		return -1;
	}
	progress_begin(&j->progress, user, "messages", usage.messages);
	rc = j->box->ops->list(j->box, user, NULL, visit, j, e);
	if (rc > 0) {
		*e = j->e;
		rc = -1;
	}
	rc = rc == 0 ? j->to->ops->finish(j->to, e) : rc;
	j->to->ops->close(j->to);
	progress_clear(&j->progress);
	if (rc == 0) {
		tell_user(j, path);
		j->any_failed = j->any_failed || j->failed > 0;
	}
	return rc;
}

/* --- which ones --- */

struct all {
	struct job *j;
	int dir;
	struct err *e;
};

static int visit_user(void *arg, const struct users_row *row)
{
	const struct all *a = arg;

	/* an account may have no mailbox yet: the server makes it */
	return at_rest_has_mailbox(&a->j->at_rest, a->dir, row->name)
		       ? export_user(a->j, row->name, a->e)
		       : 0;
}

static int export_users(struct job *j, int dir, char *const *names, size_t n, struct err *e)
{
	struct all a = {.j = j, .dir = dir, .e = e};
	struct users *users;
	int rc = 0;

	if (j->all) {
		if (at_rest_users(&j->at_rest, dir, &users, e) != 0) {
			return -1;
		}
		rc = users_each(users, visit_user, &a);
		users_free(users);
		return rc;
	}
	for (size_t i = 0; i < n; i++) {
		if (!at_rest_has_mailbox(&j->at_rest, dir, names[i])) {
			return err_set(e, EX_NOUSER, "no such mailbox: %.64s", names[i]);
		}
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = export_user(j, names[i], e);
	}
	return rc;
}

static int run(struct job *j, struct err *e)
{
	size_t n = j->cli->args_n - 1;
	int dir = file_open_dir(j->dir_name == NULL ? "." : j->dir_name, e), rc;
	struct err why;

	if (dir < 0) {
		return -1;
	}
	j->several = j->all || n > 1;
	j->to_stdout = strcmp(j->out, "-") == 0;
	if (j->several && !j->to_stdout && mkdir(j->out, 0700) != 0 && errno != EEXIST) {
		rc = err_sys(e, EX_CANTCREAT, "cannot create %s", j->out);
		(void)close(dir);
		return rc;
	}
	rc = at_rest_open(&j->at_rest, dir, j->dir_name, e);
	rc = rc == 0 ? at_rest_mailboxes(&j->at_rest, dir, MAILBOX_BESIDE, &j->box, e) : rc;
	if (rc == 0) {
		/* without a server this is the keeper; what cannot be completed is still listed */
		if (j->box->ops->recover(j->box, &why) != 0) {
			cli_note(j->cli, "%s", why.text);
		}
		j->array = j->json ? json_array() : NULL;
		rc = export_users(j, dir, j->cli->args, n, e);
		j->box->ops->close(j->box);
		if (j->json && rc == 0) {
			rc = cli_print_json(j->array, e);
		} else {
			json_decref(j->array);
		}
	}
	at_rest_end(&j->at_rest);
	(void)close(dir);
	return rc;
}

APPLET_MAIN(export)
{
	struct job j = {0};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &j.dir_name},
		{0, "all", CLI_FLAG, &j.all}, {0, "mbox", CLI_FLAG, &j.mbox},
		{0, "maildir", CLI_FLAG, &j.maildir}, {0, "force", CLI_FLAG, &j.force},
		{0, "domain", CLI_TEXT, &j.domain}, {0, "json", CLI_FLAG, &j.json},
		AT_REST_OPTIONS(&j.at_rest)};
	struct cli c = {.applet = "export",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n < (j.all ? 1u : 2u) || (j.all && c.args_n > 1)) {
		return cli_usage(
			&c, j.all ? "--all takes OUT alone" : "export takes USER... and OUT");
	}
	j.out = c.args[c.args_n - 1];
	if (j.mbox && j.maildir) {
		return cli_usage(&c, "--mbox and --maildir are two things");
	}
	if (strcmp(j.out, "-") == 0 && (j.maildir || j.json)) {
		return cli_usage(&c, "stdout can only be an mbox");
	}
	if (j.domain != NULL && (j.domain[0] == '\0' || strlen(j.domain) > 250 ||
					strpbrk(j.domain, "<>()[],;:\\\"@ \t\r\n") != NULL)) {
		return cli_usage(&c, "--domain takes a domain, not \"%s\"", j.domain);
	}
	j.domain = j.domain == NULL ? ARCHIVE_DOMAIN : j.domain;
	j.cli = &c;
	cli_protect();
	archive_catch_signals();
	rc = run(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	archive_die();
	rc = rc == EX_OK && j.any_failed ? EX_DATAERR : rc;
	return cli_finish(&c, rc);
}
