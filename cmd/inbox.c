/* inbox: the list of messages, as a table, as lines for scripts, or as JSON. */
#include "account.h"
#include "choice.h"
#include "rows.h"

static const char help[] =
	"usage: smtp361 inbox [--json] [--ids] [--since ID | --after ID] [--limit N]\n"
	"                     [--from USER] [--wait [--timeout SECONDS]]\n"
	"\n"
	"List your messages, oldest first: a table on a terminal; elsewhere a line each,\n"
	"its parts separated by tabs: index, from, time, title.\n"
	"\n"
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

struct job {
	struct account account;
	bool json, wait, ids;
	unsigned timeout, limit;
	struct mail_query query;
	json_t *array;
	char last[MAIL_ID_TEXT + 1]; /* the id of the last row; empty: none, or the wire has none */
	bool begun;                  /* the heading is printed */
};

static void print_part(struct message_part part, const char *end)
{
	cli_print(part.p, part.n);
	(void)fputs(end, stdout);
}

static int add_json(struct job *j, const struct mail_row *row)
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
	return json_array_append_new(j->array, o);
}

static void print_heading(struct job *j)
{
	if (!j->begun && !j->json && cli_is_terminal()) {
		(void)printf(
			"%s%s\n", j->ids ? "Id                                " : "", ROWS_HEAD);
	}
	j->begun = true;
}

static int visit(void *arg, const struct mail_row *row, struct err *e)
{
	struct job *j = arg;

	(void)snprintf(j->last, sizeof j->last, "%.*s", (int)row->id.n, (const char *)row->id.p);
	if (j->json) {
		return add_json(j, row) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	print_heading(j);
	if (j->ids) {
		print_part(row->id, cli_is_terminal() ? "  " : "\t");
	}
	if (cli_is_terminal()) {
		rows_print(row);
	} else {
		(void)printf("%llu\t", (unsigned long long)row->index);
		print_part(row->from, "\t");
		print_part(row->time, row->damaged ? "\t(damaged) " : "\t");
		rows_print_title(row);
		(void)puts("");
	}
	return 0;
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
	int rc = account_open(&j->account, &c, e);

	if (rc != 0) {
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

/* -1 when the options go together, or the exit code. */
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
	if (j->timeout != 0 && !j->wait) {
		return cli_usage(c, "--timeout goes with --wait");
	}
	q->limit = j->limit;
	return -1;
}

APPLET_MAIN(inbox)
{
	struct job j = {0};
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "json", CLI_FLAG, &j.json}, {0, "ids", CLI_FLAG, &j.ids},
		{0, "from", CLI_TEXT, &j.query.from}, {0, "limit", CLI_NUMBER, &j.limit},
		{0, "since", CLI_TEXT, &j.query.since}, {0, "after", CLI_TEXT, &j.query.after},
		{0, "wait", CLI_FLAG, &j.wait}, {0, "timeout", CLI_NUMBER, &j.timeout}};
	struct cli c = {.applet = "inbox",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

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
	rc = list_inbox(&c, &j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
