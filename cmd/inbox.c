/* inbox: the list of messages, as a table, as lines for scripts, or as JSON. */
#include "account.h"
#include "choice.h"
#include "inbox_open.h"
#include "rows.h"

static const char help[] =
	"usage: smtp361 inbox [--open [--forgive]] [--require-sealed] [--json] [--ids]\n"
	"                     [--since ID | --after ID] [--limit N] [--from USER]\n"
	"                     [--wait [--timeout SECONDS]]\n"
	"\n"
	"List your messages, oldest first: a table on a terminal; elsewhere a line each,\n"
	"its parts separated by tabs: index, from, time, title.\n"
	"\n"
	"      --open              read all of them, and open the sealed ones: their titles are\n"
	"                          those from inside, what is wrong with one stands ahead of it,\n"
	"                          and ahead of that, in a column of its own, sealed, unsigned,\n"
	"                          closed (it could not be opened) or plain, for which nobody\n"
	"                          but the server vouches. Of the whole list\n"
	"                          (or --from alone) it also tells which of somebody's sealed\n"
	"                          messages are missing, by their numbers. Exit 65 when\n"
	"                          something is wrong or missing\n"
	"      --forgive           with --open: what is missing is told once more, and not again,\n"
	"                          as after you deleted messages unread\n"
	"      --require-sealed    the same as --open, and a message that is not sealed, or that\n"
	"                          no pinned key signed, is wrong, too: it is marked, and the\n"
	"                          exit code is 65; \"require-sealed\": true in the\n"
	"                          configuration says the same\n"
	"      --anyway            the list as it is without that word of the configuration\n"
	"      --json              an array of objects\n"
	"      --ids               the id ahead of each line (enhanced)\n"
	"      --from USER         only what this user sent\n"
	"      --limit N           the newest N of them; with --since, --after or --wait, the\n"
	"                          first N\n"
	"      --since ID          from this message on, itself included (enhanced); an ID of\n"
	"                          0: from the first one\n"
	"      --after ID          only what came after this message, in that order (enhanced)\n"
	"      --wait              wait until a message comes that was not there, and list\n"
	"                          that; with --after, until something came after ID; an\n"
	"                          ID of 0 lets every message count; with --from, until one\n"
	"                          of this user's does\n"
	"      --timeout SECONDS   wait no longer than this; then exit 75\n" ACCOUNT_HELP;

#define FORGIVE_GOES_WITH "--forgive goes with --open of a whole list"

enum { MISSING_MAX = 100 }; /* of the numbers that are missing, these are told */

struct job {
	struct account account;
	bool json, wait, ids, open, forgive, anyway;
	unsigned timeout, limit;
	struct mail_query query;
	json_t *array;
	char last[MAIL_ID_TEXT + 1]; /* the id of the last row; empty: none, or the wire has none */
	bool begun;                  /* the heading is printed */
	struct inbox_open opened;    /* with --open */
};

static void print_part(struct message_part part, const char *end)
{
	cli_print(part.p, part.n);
	(void)fputs(end, stdout);
}

static int add_json(struct job *j, const struct mail_row *row, const struct opened *d,
	const char *mark, const char *word)
{
	json_t *o = json_object();

	cli_json_number(o, "index", row->index);
	if (row->id.n > 0) {
		cli_json_text(o, "id", row->id.p, row->id.n);
	}
	cli_json_text(o, "from", row->from.p, row->from.n);
	cli_json_text(o, "time", row->time.p, row->time.n);
	if (row->us > 0) {
		cli_json_number(o, "us", (uint64_t)row->us);
		cli_json_number(o, "length", row->chars);
	}
	cli_json_text(o, "title", row->title.p, row->title.n);
	if (row->damaged) {
		(void)json_object_set_new(o, "damaged", json_true());
	}
	if (d != NULL) {
		opening_json(o, d);
	}
	if (mark != NULL) {
		cli_json_text(o, "mail", mark, strlen(mark));
	}
	if (word != NULL) {
		cli_json_text(o, "fault", word, strlen(word));
	}
	return json_array_append_new(j->array, o);
}

static void print_heading(struct job *j)
{
	if (!j->begun && !j->json && cli_is_terminal()) {
		(void)printf("%s%s\n", j->ids ? "Id                                " : "",
			j->open ? ROWS_HEAD_MARKED : ROWS_HEAD);
	}
	j->begun = true;
}

/* What is wrong with it stands ahead of its title. */
static void print_row(struct job *j, const struct mail_row *row, const char *mark, const char *word)
{
	print_heading(j);
	if (j->ids) {
		print_part(row->id, cli_is_terminal() ? "  " : "\t");
	}
	if (cli_is_terminal()) {
		rows_print(row, mark, word);
	} else {
		(void)printf("%llu\t", (unsigned long long)row->index);
		print_part(row->from, "\t");
		print_part(row->time, "\t");
		if (mark != NULL) {
			(void)printf("%s\t", mark);
		}
		rows_print_title(row, word);
		(void)puts("");
	}
}

static int visit(void *arg, const struct mail_row *row, struct err *e)
{
	struct job *j = arg;

	(void)snprintf(j->last, sizeof j->last, "%.*s", (int)row->id.n, (const char *)row->id.p);
	if (j->open) {
		return inbox_open_keep(&j->opened, row, e);
	}
	if (j->json) {
		return add_json(j, row, NULL, NULL, NULL) == 0
			       ? 0
			       : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	print_row(j, row, NULL, NULL);
	return 0;
}

/* --- with --open --- */

/* What is false shows nothing of what is inside. */
static int show_row(void *arg, const struct mail_row *listed, const struct opened *d,
	const char *mark, const char *word, struct err *e)
{
	struct job *j = arg;
	struct mail_row row = *listed;
	char title[8 * MESSAGE_TITLE_CHARS + 1];

	if (d != NULL && d->head.is_signed && !d->false_word) {
		row.title = d->head.title;
	}
	if (j->json) {
		return add_json(j, &row, d, mark, word) == 0
			       ? 0
			       : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (row.id.n == 0 && row.title.p != listed->title.p) { /* as a classic server escapes it */
		(void)escape_text(title, sizeof title, row.title.p, row.title.n, false);
		row.title = message_text(title);
	}
	print_row(j, &row, mark, word);
	return 0;
}

static int show_missing(void *arg, const char *from, const uint64_t *numbers, size_t n,
	uint64_t highest, bool newest)
{
	struct job *j = arg;
	size_t told = n < MISSING_MAX ? n : MISSING_MAX;
	char text[256] = "";
	json_t *o, *array;

	for (size_t i = 0, at = 0; i < told && at < 200; i++) {
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu", i == 0 ? "" : ", ",
			(unsigned long long)numbers[i]);
		if (at >= 200) {
			(void)snprintf(text + at, sizeof text - at, " and more");
		}
	}
	cli_note(j->opened.cli,
		"%s's sealed message%s %s of %llu%s %s missing: withheld or deleted unread", from,
		n == 1 ? "" : "s", text, (unsigned long long)highest,
		newest ? "" : " (before it was counted anew)", n == 1 ? "is" : "are");
	if (j->json) {
		o = json_object();
		array = json_array();
		cli_json_text(o, "from", from, strlen(from));
		for (size_t i = 0; i < told; i++) {
			(void)json_array_append_new(array, json_integer((json_int_t)numbers[i]));
		}
		(void)json_object_set_new(o, "missing", array);
		cli_json_number(o, "highest", highest);
		(void)json_object_set_new(o, "newest", json_boolean(newest));
		(void)json_array_append_new(j->array, o);
	}
	return 0;
}

/* 0, or -1: with an empty text all was said. */
static int open_rows(struct job *j, struct mail_client *c, struct err *e)
{
	const struct mail_query *q = &j->query;
	bool whole = !j->wait && q->after == NULL && q->since == NULL && q->limit == 0;

	if (inbox_open_all(&j->opened, c, show_row, j, e) != 0) {
		return -1;
	}
	return whole ? inbox_open_gaps(&j->opened, q->from, show_missing, j, e) : 0;
}

/* A person sees where a list was cut, and how it goes on. */
static void tell_rest(const struct cli *c, const struct job *j, const struct mail_rest *rest)
{
	if (rest->more && cli_is_terminal()) {
		cli_note(c, "there is more: %s %s", j->query.after == NULL ? "--since" : "--after",
			j->query.after == NULL ? rest->since : j->last);
	}
}

static int list_inbox(const struct cli *cli, struct job *j, struct err *e)
{
	struct mail_rest rest = {0};
	struct mail_client *c;
	int rc;

	inbox_open_begin(&j->opened, &j->account, cli);
	j->opened.forgives = j->forgive;
	if (account_resolve(&j->account, e) != 0) {
		return -1;
	}
	/* whether it is sealed its content tells: the title outside is the server's */
	j->opened.reading.required = j->account.require_sealed && !j->anyway;
	j->open = j->open || j->opened.reading.required;
	if (j->forgive && !j->open) {
		return err_set(e, EX_USAGE, FORGIVE_GOES_WITH);
	}
	if (account_open(&j->account, &c, e) != 0) {
		return -1;
	}
	if (j->ids && !j->account.enhanced) {
		c->ops->quit(c);
		c->ops->end(c);
		return err_set(
			e, EX_USAGE, "--ids needs the enhanced protocol: the classic one has none");
	}
	j->array = j->json ? json_array() : NULL;
	rc = j->wait ? c->ops->wait(c, &j->query, j->timeout, visit, j, e)
		     : c->ops->list(c, &j->query, visit, j, &rest, e);
	rc = rc == 0 && j->open ? open_rows(j, c, e) : rc;
	if (rc == 0) {
		print_heading(j);
	}
	c->ops->quit(c);
	c->ops->end(c);
	if (j->json && rc == 0) {
		rc = cli_print_json(j->array, e);
		j->array = NULL;
	}
	json_decref(j->array);
	if (rc == 0) {
		tell_rest(cli, j, &rest);
	}
	if (rc == 0 && j->opened.faults > 0) {
		*e = (struct err){.code = EX_DATAERR};
		return -1;
	}
	return rc;
}

/* An id; 0 stands for the beginning, which has zeros on the wire. */
static bool check_id(const char **id)
{
	static const char zeros[] = "00000000000000000000000000000000";
	struct mail_choice choice;
	struct err e;

	if (*id != NULL && strcmp(*id, "0") == 0) {
		*id = zeros;
	}
	return *id == NULL || (choice_read(&choice, *id, &e) == 0 && choice.id != NULL);
}

/* -1 when the options go together, or the exit code. With what the configuration says, too:
 * list_inbox. */
static int check_options(const struct cli *c, struct job *j)
{
	struct mail_query *q = &j->query;
	const char *after = q->after, *since = q->since;

	if (!check_id(&q->after)) {
		return cli_usage(c, "--after takes an id, or 0, not \"%s\"", after);
	}
	if (!check_id(&q->since)) {
		return cli_usage(c, "--since takes an id, or 0, not \"%s\"", since);
	}
	if (q->from != NULL && !user_name_valid(q->from)) {
		return cli_usage(c, "--from takes a user's name, not \"%s\"", q->from);
	}
	if (since != NULL && (after != NULL || j->wait)) {
		return cli_usage(c, "--since does not go with --after or --wait");
	}
	if (j->forgive && (j->wait || after != NULL || since != NULL || j->limit != 0)) {
		return cli_usage(c, FORGIVE_GOES_WITH);
	}
	if (j->anyway && j->account.require_sealed) {
		return cli_usage(c, "--anyway and --require-sealed do not go together");
	}
	if (j->timeout != 0 && !j->wait) {
		return cli_usage(c, "--timeout goes with --wait");
	}
	q->limit = j->limit;
	return -1;
}

APPLET_MAIN(inbox)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "json", CLI_FLAG, &j.json}, {0, "ids", CLI_FLAG, &j.ids},
		{0, "from", CLI_TEXT, &j.query.from}, {0, "limit", CLI_NUMBER, &j.limit},
		{0, "since", CLI_TEXT, &j.query.since}, {0, "after", CLI_TEXT, &j.query.after},
		{0, "wait", CLI_FLAG, &j.wait}, {0, "timeout", CLI_NUMBER, &j.timeout},
		{0, "open", CLI_FLAG, &j.open}, {0, "forgive", CLI_FLAG, &j.forgive},
		{0, "require-sealed", CLI_FLAG, &j.account.require_sealed},
		{0, "anyway", CLI_FLAG, &j.anyway}};
	struct cli c = {.applet = "inbox",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e = {0};

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n > 0) {
		return cli_usage(&c, "inbox takes no \"%s\"", c.args[0]);
	}
	rc = check_options(&c, &j);
	if (rc >= 0) {
		return rc;
	}
	cli_protect();
	j.account.applet = c.applet;
	rc = list_inbox(&c, &j, &e) == 0 ? EX_OK : e.text[0] == '\0' ? e.code : cli_fail(&c, &e);
	inbox_open_end(&j.opened);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
