/* check: is everything in the server's folder whole? */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "../proto/mail_server.h"
#include "../store/talk.h"
#include "at_rest.h"
#include "check_keys.h"
#include "cli.h"
#include "ids.h"
#include "progress.h"

static const char help[] =
	"usage: smtp361 check [-d DIR] [--json] [USER...]\n"
	"\n"
	"Look through the server's folder: the accounts, the keys, every message of every mailbox\n"
	"and what waits of chats (of these USERs alone, if they are named), and what lies beside\n"
	"them. Nothing is changed, but for a mailbox's .index, which rebuilds itself, and what a\n"
	"killed server left in its journal, which goes into the mailboxes. It works beside a\n"
	"running server.\n"
	"\n"
	"Each finding is a line: \"damaged\" or \"note\", whose it is (- for no user's), and what\n"
	"it is. Damaged is what is lost, cannot be read, or keeps the server from its work; a\n"
	"note is what repairs itself, or better were otherwise. The exit code is 65 if anything\n"
	"is damaged, and 0 if nothing is.\n"
	"\n"
	"      --json              print an object, with a list of the findings\n"
	"  -d, --dir DIR           the server's folder (.)\n" AT_REST_HELP;

struct job {
	struct cli *cli;
	const char *dir_name;
	bool json;
	int dir;
	struct at_rest at_rest;
	struct mailbox *box;
	struct talk *talk;
	struct users *users; /* NULL: they cannot be read */
	struct progress progress;
	uint64_t mailboxes, messages, bytes, damaged, notes;
	json_t *findings;
	/* of the mailbox in hand */
	const char *user;
	struct ids ids;
	uint64_t seen;
	struct err e;
};

static void tell(struct job *j, const char *user, bool harmless, const char *what)
{
	const char *kind = harmless ? "note" : "damaged";
	char shown[4096];
	json_t *o;

	progress_clear(&j->progress);
	*(harmless ? &j->notes : &j->damaged) += 1;
	if (j->json) {
		o = json_object();
		cli_json_text(o, "kind", kind, strlen(kind));
		if (user != NULL) {
			cli_json_text(o, "user", user, strlen(user));
		}
		/* names of files may be anything */
		(void)escape_text(shown, sizeof shown, what, strlen(what), false);
		cli_json_text(o, "what", shown, strlen(shown));
		(void)json_array_append_new(j->findings, o);
		return;
	}
	(void)escape_text(shown, sizeof shown, what, strlen(what), false);
	(void)printf(cli_is_terminal() ? "%-8s %-16s %s\n" : "%s\t%s\t%s\n", kind,
		user == NULL ? "-" : user, shown);
}

static void found(void *arg, const char *user, bool harmless, const char *what)
{
	tell(arg, user, harmless, what);
}

/* --- accounts --- */

static int visit_account(void *arg, const struct users_row *row)
{
	if (row->kind == USERS_PLAIN) {
		tell(arg, row->name, true,
			"its password is plain text in user_pass.json: smtp361 user harden");
	}
	return 0;
}

static int check_accounts(struct job *j, struct err *e)
{
	struct err why;

	if (at_rest_users(&j->at_rest, j->dir, &j->users, &why) != 0) {
		j->users = NULL;
		if (why.code == EX_TEMPFAIL) {
			*e = why;
			return -1;
		}
		tell(j, NULL, false, why.text);
		return 0;
	}
	if (users_others_can_read(j->users)) {
		tell(j, NULL, true, "user_pass.json is open to others: chmod 600 user_pass.json");
	}
	(void)users_each(j->users, visit_account, j);
	return 0;
}

/* --- the folder itself --- */

/* What a writer that died has left: ".NAME.new". */
static bool is_leftover(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '.' && n > 5 && strcmp(name + n - 4, ".new") == 0;
}

/* An encrypted mailbox, in a folder that does not say that its mail is encrypted? */
static bool is_sealed_one(const struct job *j, const char *name)
{
	char path[NAME_MAX + 16];

	(void)snprintf(path, sizeof path, "%.*s/" REST_OWNER, NAME_MAX, name);
	return !j->at_rest.on && name[0] != '.' &&
	       faccessat(j->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int check_folder(struct job *j, struct err *e)
{
	DIR *d = file_read_names(j->dir);
	const struct dirent *entry;
	bool sealed = false;
	char text[ERR_TEXT_MAX];

	if (d == NULL) {
		return err_sys(e, EX_NOINPUT, "cannot read the folder");
	}
	while ((entry = readdir(d)) != NULL) {
		check_key(j->dir, entry->d_name, found, j);
		sealed = sealed || is_sealed_one(j, entry->d_name);
		if (is_leftover(entry->d_name)) {
			(void)snprintf(text, sizeof text, "%s was left by a program that died",
				entry->d_name);
			tell(j, NULL, true, text);
		}
	}
	(void)closedir(d);
	if (sealed) {
		tell(j, NULL, false,
			"there is encrypted mail here, but " REST_NOTE
			" is missing, without which no key opens it");
	}
	return 0;
}

/* --- mailboxes --- */

static void tell_message(struct job *j, const struct mailbox_meta *meta, const char *what)
{
	char text[ERR_TEXT_MAX + MAILBOX_TITLE_BYTES + 64], id[2 * MAILBOX_ID_BYTES + 1];

	hex_encode(id, meta->id, sizeof meta->id);
	(void)snprintf(text, sizeof text, "message %s (%s): %s", id, meta->title, what);
	tell(j, j->user, false, text);
}

struct reading {
	struct job *j;
	const struct mailbox_meta *meta;
};

static bool is_text(struct message_part part, const char *text)
{
	return part.n == strlen(text) && memcmp(part.p, text, part.n) == 0;
}

static int take_head(void *arg, const struct message_head *h, const uint8_t *text,
	uint64_t content_bytes, struct err *e)
{
	const struct reading *r = arg;
	struct users_list list;
	struct err why;

	(void)text;
	(void)content_bytes;
	(void)e;
	if (users_split(&list, h->to.p, h->to.n, &why) != 0) {
		tell_message(r->j, r->meta, why.text);
	} else {
		users_list_free(&list);
	}
	if (message_check_title(h->title.p, h->title.n, &why) != 0) {
		tell_message(r->j, r->meta, why.text);
	} else if (!is_text(h->title, r->meta->title) || !is_text(h->from, r->meta->source) ||
		   h->length != r->meta->chars) {
		tell_message(r->j, r->meta, "its sender, title or length is another in the index");
	}
	return 0;
}

static int take_content(void *arg, const void *p, size_t n, struct err *e)
{
	(void)arg;
	(void)p;
	(void)n;
	(void)e;
	return 0;
}

static int visit(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct job *j = arg;
	struct reading r = {.j = j, .meta = meta};
	const struct mail_sink sink = {.head = take_head, .content = take_content, .arg = &r};
	struct err why;
	int fresh = ids_add(&j->ids, meta->id);

	progress_tell(&j->progress, j->seen++);
	j->messages++;
	j->bytes += meta->bytes;
	if (fresh < 0) {
		return err_set(&j->e, EX_TEMPFAIL, "out of memory");
	}
	if (fresh == 0) {
		tell_message(j, meta, "another message has the same id");
	}
	if (meta->damaged) {
		tell_message(j, meta, "it is damaged, and cannot be read");
	} else if (mail_read(j->box, j->user, ref, &sink, &why) != 0) {
		if (why.code == EX_TEMPFAIL) {
			tell_message(j, meta, why.text);
			return 0;
		}
		if (why.code != EX_NOINPUT) { /* else its owner has removed it meanwhile */
			tell_message(j, meta, why.text);
		}
	}
	return 0;
}

static bool has_mailbox(const struct job *j, const char *user)
{
	char folder[USER_NAME_MAX + 1];
	struct stat st;

	at_rest_folder(&j->at_rest, user, folder);
	return fstatat(j->dir, folder, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Another folder may have a name that a user could have. */
static bool has_index(const struct job *j, const char *name)
{
	char path[USER_NAME_MAX + 16];

	(void)snprintf(path, sizeof path, "%.*s/.index", USER_NAME_MAX, name);
	return faccessat(j->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void found_in_talk(void *arg, bool harmless, const char *what)
{
	struct job *j = arg;

	tell(j, j->user, harmless, what);
}

static int check_mailbox(struct job *j, const char *user, struct err *e)
{
	struct mailbox_usage usage;
	int rc;

	j->user = user;
	j->seen = 0;
	if (talk_check(j->talk, user, found_in_talk, j, e) != 0) {
		tell(j, user, false, e->text);
	}
	/* the engine first: a listing mends what it would find */
	if (j->box->ops->check(j->box, user, found, j, e) != 0) {
		tell(j, user, false, e->text);
		return 0;
	}
	if (!has_mailbox(j, user)) {
		return 0;
	}
	j->mailboxes++;
	if (j->box->ops->usage(j->box, user, &usage, e) != 0) {
		tell(j, user, false, e->text);
		return 0;
	}
	progress_begin(&j->progress, user, "messages", usage.messages);
	rc = j->box->ops->list(j->box, user, NULL, visit, j, e);
	progress_clear(&j->progress);
	ids_free(&j->ids);
	if (rc == -1 && j->e.code != 0) {
		*e = j->e;
		return -1;
	}
	if (rc != 0) {
		tell(j, user, false, e->text);
	}
	return 0;
}

struct all {
	struct job *j;
	struct err *e;
};

static int visit_user(void *arg, const struct users_row *row)
{
	const struct all *a = arg;

	return check_mailbox(a->j, row->name, a->e);
}

static int check_stray(struct job *j, const char *folder, struct err *e)
{
	char user[USER_NAME_MAX + 1];
	int rc = at_rest_owner(&j->at_rest, j->dir, folder, user, e);

	if (rc > 0) {
		tell(j, NULL, true, "a mailbox does not say whose it is");
	}
	if (rc != 0) {
		return rc < 0 ? -1 : 0;
	}
	if (j->users != NULL && users_known(j->users, user)) {
		return 0;
	}
	if (j->users != NULL) {
		tell(j, user, true, "it has a mailbox, and no account");
	}
	return check_mailbox(j, user, e);
}

/* The mailboxes that no account leads to, or all of them when there are no accounts to be read. */
static int check_strays(struct job *j, struct err *e)
{
	DIR *d = file_read_names(j->dir);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_NOINPUT, "cannot read the folder");
	}
	while (rc == 0 && (entry = readdir(d)) != NULL) {
		if (!user_name_valid(entry->d_name) || !has_index(j, entry->d_name)) {
			continue;
		}
		rc = check_stray(j, entry->d_name, e);
	}
	(void)closedir(d);
	return rc;
}

static int check_mailboxes(struct job *j, struct err *e)
{
	struct all a = {.j = j, .e = e};
	int rc = 0;

	for (size_t i = 0; i < j->cli->args_n; i++) {
		const char *user = j->cli->args[i];
		if (!user_name_valid(user) ||
			(!has_mailbox(j, user) &&
				(j->users == NULL || !users_known(j->users, user)))) {
			return err_set(e, EX_NOUSER, "no such user or mailbox: %.64s", user);
		}
	}
	for (size_t i = 0; rc == 0 && i < j->cli->args_n; i++) {
		rc = check_mailbox(j, j->cli->args[i], e);
	}
	if (j->cli->args_n == 0) {
		rc = j->users == NULL ? 0 : users_each(j->users, visit_user, &a);
		rc = rc == 0 ? check_strays(j, e) : rc;
	}
	return rc;
}

/* --- all of it --- */

static int tell_summary(struct job *j, struct err *e)
{
	json_t *o;

	if (!j->json) {
		(void)fflush(stdout);
		(void)fprintf(stderr,
			"%llu mailbox%s, %llu message%s, %llu bytes: %llu damaged, %llu note%s\n",
			(unsigned long long)j->mailboxes, j->mailboxes == 1 ? "" : "es",
			(unsigned long long)j->messages, j->messages == 1 ? "" : "s",
			(unsigned long long)j->bytes, (unsigned long long)j->damaged,
			(unsigned long long)j->notes, j->notes == 1 ? "" : "s");
		return 0;
	}
	o = json_object();
	cli_json_number(o, "mailboxes", j->mailboxes);
	cli_json_number(o, "messages", j->messages);
	cli_json_number(o, "bytes", j->bytes);
	cli_json_number(o, "damaged", j->damaged);
	cli_json_number(o, "notes", j->notes);
	(void)json_object_set(o, "findings", j->findings);
	return cli_print_json(o, e);
}

static int check_all(struct job *j, struct err *e)
{
	if (check_accounts(j, e) != 0) {
		return -1;
	}
	if (j->cli->args_n == 0 && check_folder(j, e) != 0) {
		return -1;
	}
	if (talk_open(j->dir, &j->talk, e) != 0) {
		return -1;
	}
	if (at_rest_mailboxes(&j->at_rest, j->dir, MAILBOX_LOOK, &j->box, e) != 0) {
		talk_close(j->talk);
		return -1;
	}
	int rc = 0;
	if (j->cli->args_n == 0) {
		rc = j->box->ops->check(j->box, NULL, found, j, e);
	}
	rc = rc == 0 ? check_mailboxes(j, e) : rc;
	j->box->ops->close(j->box);
	talk_close(j->talk);
	return rc;
}

static int run(struct job *j, struct err *e)
{
	int rc;

	j->dir = file_open_dir(j->dir_name == NULL ? "." : j->dir_name, e);
	if (j->dir < 0) {
		return -1;
	}
	j->findings = j->json ? json_array() : NULL;
	rc = at_rest_open(&j->at_rest, j->dir, j->dir_name, e);
	rc = rc == 0 ? check_all(j, e) : rc;
	at_rest_end(&j->at_rest);
	users_free(j->users);
	(void)close(j->dir);
	rc = rc == 0 ? tell_summary(j, e) : rc;
	json_decref(j->findings);
	return rc;
}

APPLET_MAIN(check)
{
	struct job j = {.dir = -1};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &j.dir_name},
		{0, "json", CLI_FLAG, &j.json}, AT_REST_OPTIONS(&j.at_rest)};
	struct cli c = {.applet = "check",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	cli_protect();
	j.cli = &c;
	rc = run(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	rc = rc == EX_OK && j.damaged > 0 ? EX_DATAERR : rc;
	return cli_finish(&c, rc);
}
