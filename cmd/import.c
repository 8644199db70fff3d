/* import: messages from mbox files and Maildirs into mailboxes. */
#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/file.h>

#include "../crypto/file.h"
#include "../proto/enhanced.h"
#include "archive.h"
#include "at_rest.h"
#include "cli.h"
#include "ids.h"
#include "import_from.h"
#include "progress.h"

static const char help[] =
	"usage: smtp361 import [-d DIR] [--to USER] [--json] FILE|MAILDIR|FOLDER|- ...\n"
	"\n"
	"Put messages into mailboxes: mbox files, Maildirs, single messages, and folders of\n"
	"these. It works beside a running server. What is in the mailbox already is not put there\n"
	"again, so that it can be run twice. A message that cannot be stored is named on\n"
	"stderr, the others are imported, and the exit code is 65.\n"
	"\n"
	"What `smtp361 export` wrote goes back to the mailbox that it came from, as it was. Any\n"
	"other message needs --to: all of it, header and body, becomes the content, its subject\n"
	"the title, its date the time; who sent it is \"imported\", unless --domain or --from\n"
	"says more.\n"
	"\n"
	"      --to USER           the mailbox, for exports of ours, too\n"
	"      --domain DOMAIN     of foreign mail: NAME@DOMAIN is the user NAME here, if there\n"
	"                          is one; can be repeated\n"
	"      --from USER         of foreign mail: who sent what nobody here did (imported)\n"
	"      --foreign           take nothing for an export of ours\n"
	"      --format FORMAT     mboxrd, mboxo, mboxcl or mboxcl2; else it is found out\n"
	"      --max-chars N       refuse larger messages (64000000)\n"
	"      --json              print the result as JSON\n"
	"  -d, --dir DIR           the server's folder (.)\n" AT_REST_HELP;

/* Two imports at once could both find that a message is not there. */
#define LOCK_FILE ".import"

struct job {
	struct cli *cli;
	const char *dir_name, *to, *from, *format;
	struct cli_list domains;
	bool foreign, json;
	unsigned max_chars;
	enum mbox_kind kind;
	struct at_rest at_rest;
	struct mailbox *box;
	struct users *users;
	struct progress progress;
	/* the mailbox in hand */
	char mailbox[USER_NAME_MAX + 1];
	struct ids there;
	/* the message in hand */
	char what[4200];
	int64_t time_us;
	struct archive_reader *reader;
	struct archive_read read;
	uint64_t imported, already, skipped;
	json_t *array;
};

static void skip(void *arg, const char *what, const char *why)
{
	struct job *j = arg;
	json_t *o;

	progress_clear(&j->progress);
	cli_note(j->cli, "%s is not imported: %s", what, why);
	j->skipped++;
	if (j->json) {
		o = json_object();
		cli_json_text(o, "what", what, strlen(what));
		cli_json_text(o, "why", why, strlen(why));
		(void)json_array_append_new(j->array, o);
	}
}

static void tell(void *arg, uint64_t done, uint64_t total)
{
	struct job *j = arg;

	j->progress.total = total;
	progress_tell(&j->progress, done);
}

/* --- into the store --- */

static int take_id(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	(void)ref;
	return ids_add(arg, meta->id) < 0 ? 1 : 0;
}

/* The mailbox that the next message is for, and what it holds. */
static int turn_to(struct job *j, const char *user, struct err *e)
{
	int rc;

	if (strcmp(j->mailbox, user) == 0) {
		return 0;
	}
	j->mailbox[0] = '\0';
	ids_free(&j->there);
	if (j->box->ops->prepare(j->box, user, e) != 0) {
		return -1;
	}
	rc = j->box->ops->list(j->box, user, NULL, take_id, &j->there, e);
	if (rc == 0) {
		(void)snprintf(j->mailbox, sizeof j->mailbox, "%s", user);
	}
	return rc > 0 ? err_set(e, EX_TEMPFAIL, "out of memory") : rc;
}

struct delivering {
	struct mailbox *box;
	struct mailbox_draft *draft;
};

static int append(void *arg, const void *p, size_t n, struct err *e)
{
	const struct delivering *d = arg;

	return archive_interrupted() ? err_set(e, EX_TEMPFAIL, "interrupted")
				     : d->box->ops->append(d->draft, p, n, e);
}

/* Into the mailbox in hand alone: what the message says of its recipients is what was. */
static int deliver(
	struct job *j, const struct archive_letter *l, const struct message_part to, struct err *e)
{
	struct delivering d = {.box = j->box};
	struct users_list list = {0};
	struct mailbox_delivery delivery = {.meta = &l->meta, .to = &list};
	struct buf head = {0};
	bool again;
	int rc = users_split(&list, j->mailbox, strlen(j->mailbox), e);

	if (rc == 0 && message_format(&head, message_text(l->meta.source), to, l->meta.time_us,
			       message_text(l->meta.title), l->meta.chars) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = rc == 0 ? j->box->ops->begin(j->box, head.n, &d.draft, e) : rc;
	rc = rc == 0 ? held_each(&j->read.content, append, &d, e) : rc;
	delivery.head = head.p;
	rc = rc == 0 ? j->box->ops->deliver(d.draft, &delivery, &again, e) : rc;
	j->box->ops->discard(d.draft);
	users_list_free(&list);
	buf_free(&head);
	return rc;
}

/* Who sent foreign mail: a user, where the operator says that addresses of this domain are ours. */
static const char *sender(const struct job *j)
{
	const char *local = j->read.local;

	for (size_t i = 0; i < j->domains.n; i++) {
		if (strcasecmp(j->domains.items[i], j->read.domain) == 0 &&
			user_name_valid(local) && users_known(j->users, local)) {
			return local;
		}
	}
	return j->from != NULL ? j->from : ARCHIVE_IMPORTED;
}

/* 0; 1: it cannot be stored, e says why; or -1: nothing can. */
static int store(struct job *j, struct err *e)
{
	struct archive_letter *l = &j->read.letter;
	const char *user = j->to != NULL ? j->to : l->mailbox;
	struct message_part to = {.p = l->to.p, .n = l->to.n};

	if (!j->read.ours && j->to == NULL) {
		err_set(e, EX_DATAERR, "it is no export of ours, and --to is not given");
		return 1;
	}
	if (j->to == NULL && !users_known(j->users, user)) {
		err_set(e, EX_DATAERR, "its mailbox %s is no user's here, and --to is not given",
			user);
		return 1;
	}
	if (turn_to(j, user, e) != 0) {
		return -1;
	}
	if (ids_has(&j->there, l->meta.id)) {
		j->already++;
		return 0;
	}
	if (!j->read.ours) {
		(void)snprintf(
			l->meta.source, sizeof l->meta.source, "%.*s", USER_NAME_MAX, sender(j));
		l->meta.time_us = j->read.date >= 0 ? j->read.date
				  : j->time_us >= 0 ? j->time_us
						    : j->box->ops->now(j->box);
		to = message_text(user);
	}
	if (deliver(j, l, to, e) != 0) {
		return -1;
	}
	j->imported++;
	return ids_add(&j->there, l->meta.id) < 0 ? err_set(e, EX_TEMPFAIL, "out of memory") : 0;
}

/* --- out of the containers --- */

static int begin(void *arg, const char *what, int64_t time_us, struct err *e)
{
	struct job *j = arg;

	(void)snprintf(j->what, sizeof j->what, "%s", what);
	j->time_us = time_us;
	j->reader = archive_read_begin(&j->read, j->foreign, j->max_chars, e);
	return j->reader == NULL ? -1 : 0;
}

static int put(void *arg, const void *p, size_t n, struct err *e)
{
	return archive_read_take(((struct job *)arg)->reader, p, n, e);
}

/* A message is to blame for what it is; the disk, the memory and a signal end the work. */
static int end(void *arg, const struct err *why, struct err *e)
{
	struct job *j = arg;
	struct err own = {0};
	int rc = 1;

	if (why != NULL) {
		own = *why;
	} else if (archive_read_end(j->reader, &own) == 0) {
		rc = store(j, &own);
	}
	if (rc > 0 && own.code != EX_DATAERR) {
		rc = -1;
	}
	if (rc > 0) {
		skip(j, j->what, own.text);
		rc = 0;
	} else if (rc < 0) {
		*e = own;
		err_prefix(e, "%.200s", j->what);
	}
	archive_read_free(j->reader, &j->read);
	j->reader = NULL;
	return rc;
}

static void tell_result(struct job *j, bool whole)
{
	json_t *o;
	struct err e;

	progress_clear(&j->progress);
	if (j->json) {
		o = json_object();
		cli_json_number(o, "imported", j->imported);
		cli_json_number(o, "already", j->already);
		cli_json_number(o, "skipped", j->skipped);
		(void)json_object_set_new(o, "whole", json_boolean(whole));
		(void)json_object_set_new(o, "not_imported", j->array);
		(void)cli_print_json(o, &e);
	} else if (cli_is_terminal()) {
		(void)printf("%llu imported, %llu there already, %llu skipped%s\n",
			(unsigned long long)j->imported, (unsigned long long)j->already,
			(unsigned long long)j->skipped, whole ? "" : "; not to the end");
	} else {
		(void)printf("%llu\t%llu\t%llu\n", (unsigned long long)j->imported,
			(unsigned long long)j->already, (unsigned long long)j->skipped);
	}
}

static int import_all(struct job *j, struct err *e)
{
	const struct import_sink sink = {begin, put, end, skip, tell, j};
	int rc = 0;

	j->array = j->json ? json_array() : NULL;
	for (size_t i = 0; rc == 0 && i < j->cli->args_n; i++) {
		progress_begin(&j->progress, j->cli->args[i], "bytes", 0);
		rc = import_from(j->cli->args[i], j->kind, &sink, e);
		progress_clear(&j->progress);
		if (rc != 0 && e->code == EX_DATAERR) { /* the rest of this one is not to be read */
			skip(j, j->cli->args[i], e->text);
			rc = 0;
		}
	}
	if (j->reader != NULL) { /* stopped inside a message */
		archive_read_free(j->reader, &j->read);
		j->reader = NULL;
	}
	tell_result(j, rc == 0);
	ids_free(&j->there);
	return rc;
}

/* --- the server's folder --- */

/* Held until the process ends. The descriptor, or -1. */
static int lock(int dir, struct err *e)
{
	int fd = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot create %s", LOCK_FILE);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		return errno == EWOULDBLOCK
			       ? err_set(e, EX_TEMPFAIL, "another import is at work here")
			       : err_sys(e, EX_TEMPFAIL, "cannot lock %s", LOCK_FILE);
	}
	return fd;
}

static int open_and_import(struct job *j, int dir, struct err *e)
{
	int rc;

	if (at_rest_users(&j->at_rest, dir, &j->users, e) != 0) {
		return -1;
	}
	if (j->to != NULL && !users_known(j->users, j->to)) {
		rc = err_set(e, EX_NOUSER, "no such user: %.64s", j->to);
	} else {
		rc = at_rest_mailboxes(&j->at_rest, dir, MAILBOX_BESIDE, &j->box, e);
	}
	if (rc == 0) {
		/* without a server this is the keeper */
		rc = j->box->ops->recover(j->box, e);
		rc = rc == 0 ? import_all(j, e) : rc;
		j->box->ops->close(j->box);
	}
	users_free(j->users);
	return rc;
}

static int run(struct job *j, struct err *e)
{
	int dir = file_open_dir(j->dir_name == NULL ? "." : j->dir_name, e), held, rc = -1;

	if (dir < 0) {
		return -1;
	}
	held = lock(dir, e);
	if (held >= 0) {
		rc = at_rest_open(&j->at_rest, dir, j->dir_name, e);
		rc = rc == 0 ? open_and_import(j, dir, e) : rc;
		at_rest_end(&j->at_rest);
		(void)close(held);
	}
	(void)close(dir);
	return rc;
}

/* -1 to go on, or the exit code. */
static int check_options(struct job *j, const struct cli *c)
{
	if (c->args_n == 0) {
		return cli_usage(c, "import takes at least one file, Maildir or folder");
	}
	if (j->format != NULL && !mbox_find_kind(j->format, &j->kind)) {
		return cli_usage(c, "--format takes mboxrd, mboxo, mboxcl or mboxcl2, not \"%s\"",
			j->format);
	}
	if (j->from != NULL && !user_name_valid(j->from)) {
		return cli_usage(c, "--from takes a name as users have it, not \"%s\"", j->from);
	}
	j->max_chars = j->max_chars == 0 ? ENHANCED_CHARS : j->max_chars;
	return -1;
}

APPLET_MAIN(import)
{
	static struct job j; /* its lists are large */
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &j.dir_name},
		{0, "to", CLI_TEXT, &j.to}, {0, "domain", CLI_LIST, &j.domains},
		{0, "from", CLI_TEXT, &j.from}, {0, "foreign", CLI_FLAG, &j.foreign},
		{0, "format", CLI_TEXT, &j.format}, {0, "max-chars", CLI_NUMBER, &j.max_chars},
		{0, "json", CLI_FLAG, &j.json}, AT_REST_OPTIONS(&j.at_rest)};
	struct cli c = {.applet = "import",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0 || (rc = check_options(&j, &c)) >= 0) {
		return rc;
	}
	j.cli = &c;
	cli_protect();
	archive_catch_signals();
	rc = run(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	(void)fflush(stdout);
	archive_die();
	rc = rc == EX_OK && j.skipped > 0 ? EX_DATAERR : rc;
	return cli_finish(&c, rc);
}
