/* delete: remove messages from your mailbox. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../crypto/file.h"
#include "../store/copies.h"
#include "account.h"
#include "choice.h"

static const char help[] =
	"usage: smtp361 delete INDEX... | ID... | --last\n"
	"\n"
	"Remove the messages with these indexes of the list (`smtp361 inbox`), or with these\n"
	"ids, from your mailbox; other recipients keep theirs. Indexes count in the list as it\n"
	"is when the command begins. It needs the enhanced protocol.\n"
	"\n"
	"      --last   the newest one\n" ACCOUNT_HELP;

struct found {
	const struct mail_choice *choices;
	size_t n;
	char (*ids)[MAIL_ID_TEXT + 1]; /* of each choice; empty until it was found */
	bool last;
};

static int visit(void *arg, const struct mail_row *row, struct err *e)
{
	struct found *f = arg;

	(void)e;
	for (size_t i = 0; i < f->n; i++) {
		if (f->last || (row->index == f->choices[i].index && row->id.n == MAIL_ID_TEXT)) {
			memcpy(f->ids[i], row->id.p, MAIL_ID_TEXT);
		}
	}
	return 0;
}

/* Ask for the rows that were named by index, and for no others: all in one request, so that they
 * are rows of one list. */
static int ask_rows(struct mail_client *c, struct found *f, struct err *e)
{
	struct mail_query q = {.limit = f->last ? 1 : 0};
	uint64_t *indexes = calloc(f->n, sizeof *indexes);
	int rc;

	if (indexes == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (size_t i = 0; !f->last && i < f->n; i++) {
		if (f->choices[i].id == NULL) {
			indexes[q.indexes_n++] = f->choices[i].index;
		}
	}
	q.indexes = indexes;
	rc = q.indexes_n > 0 || f->last ? c->ops->list(c, &q, visit, f, NULL, e) : 0;
	free(indexes);
	return rc;
}

static int find_ids(struct mail_client *c, struct found *f, struct err *e)
{
	if (ask_rows(c, f, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < f->n; i++) {
		if (f->choices[i].id != NULL) {
			memcpy(f->ids[i], f->choices[i].id, MAIL_ID_TEXT);
		} else if (f->ids[i][0] == '\0') {
			return err_set(e, EX_NOINPUT, "%s",
				f->last ? "the inbox is empty"
					: "there is no message with this index");
		}
	}
	return 0;
}

/* NAME_chat, which is not there where no sealed message was ever opened. 1, 0 when it is not, or
 * -1. */
static int open_counts(const struct account *a, int *dir, struct err *e)
{
	char folder[USER_NAME_MAX + 8];
	int keys = open(a->keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC), why;

	(void)snprintf(folder, sizeof folder, "%s_chat", a->user);
	*dir = keys < 0 ? -1
			: openat(keys, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	why = errno;
	if (keys >= 0) {
		(void)close(keys);
	}
	if (*dir >= 0) {
		return 1;
	}
	errno = why;
	return why == ENOENT ? 0
			     : err_sys(e, file_errno_code(EX_NOINPUT), "cannot open the folder %s",
				       folder);
}

/* The first n are gone: if one of them comes again, `read` tells (store/copies.h). 0 or -1. */
static int remember(const struct account *a, const struct found *f, size_t n, struct err *e)
{
	uint8_t(*ids)[COPIES_ID];
	int dir, rc = n == 0 ? 0 : open_counts(a, &dir, e);

	if (rc <= 0) {
		return rc;
	}
	ids = calloc(n, sizeof *ids);
	rc = ids == NULL ? err_set(e, EX_TEMPFAIL, "out of memory") : 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = hex_decode(ids[i], COPIES_ID, f->ids[i], MAIL_ID_TEXT);
	}
	rc = rc == 0 ? copies_deleted(dir, (const uint8_t(*)[COPIES_ID])ids, n, e) : rc;
	free(ids);
	(void)close(dir);
	return rc;
}

static int delete_all(struct account *a, struct found *f, struct err *e)
{
	struct mail_client *c;
	struct err why;
	size_t gone = 0;
	int rc = account_open(a, &c, e);

	if (rc != 0) {
		return -1;
	}
	if (c->ops->remove == NULL) {
		rc = err_set(
			e, EX_USAGE, "no dialect of the classic protocol can remove a message");
		err_hint(e, "--enhanced can");
	}
	rc = rc == 0 ? find_ids(c, f, e) : rc;
	for (; rc == 0 && gone < f->n; gone += rc == 0 ? 1 : 0) {
		rc = c->ops->remove(c, f->ids[gone], e);
	}
	c->ops->quit(c);
	c->ops->end(c);
	if (remember(a, f, gone, &why) != 0) { /* the first fault is the one that is told */
		*e = rc == 0 ? why : *e;
		rc = -1;
	}
	return rc;
}

static int run(const struct cli *c, struct account *a, bool last)
{
	struct found f = {.n = last ? 1 : c->args_n, .last = last};
	struct mail_choice *choices = calloc(f.n, sizeof *choices);
	struct err e;
	int rc = 0;

	f.ids = calloc(f.n, sizeof *f.ids);
	f.choices = choices;
	if (choices == NULL || f.ids == NULL) {
		rc = err_set(&e, EX_TEMPFAIL, "out of memory");
	}
	for (size_t i = 0; rc == 0 && !last && i < f.n; i++) {
		rc = choice_read(&choices[i], c->args[i], &e);
	}
	rc = rc == 0 ? delete_all(a, &f, &e) : rc;
	free(choices);
	free(f.ids);
	return rc == 0 ? EX_OK : cli_fail(c, &e);
}

APPLET_MAIN(delete)
{
	static struct account a;
	bool last = false;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&a), {0, "last", CLI_FLAG, &last}};
	struct cli c = {.applet = "delete",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);

	if (rc >= 0) {
		return rc;
	}
	if ((c.args_n > 0) == last) {
		return cli_usage(&c, "INDEX or ID, or --last");
	}
	cli_protect();
	a.applet = c.applet;
	rc = run(&c, &a, last);
	account_free(&a);
	return cli_finish(&c, rc);
}
