/* inbox: the list of messages, as a table, as lines for scripts, or as JSON. */
#include "account.h"
#include "choice.h"
#include "rows.h"

static const char help[] =
	"usage: smtp361 inbox [--json] [--ids] [--after ID] [--wait [--timeout SECONDS]]\n"
	"\n"
	"List your messages, oldest first: a table on a terminal; elsewhere a line each,\n"
	"its parts separated by tabs: index, from, time, title.\n"
	"\n"
	"      --json              an array of objects\n"
	"      --ids               the id ahead of each line (enhanced)\n"
	"      --after ID          only what came after this message (enhanced)\n"
	"      --wait              wait until a message comes that was not there, and list\n"
	"                          that; with --after, until something came after ID; an\n"
	"                          ID of 0 lets every message count\n"
	"      --timeout SECONDS   wait no longer than this; then exit 75\n" ACCOUNT_HELP;

struct job {
	struct account account;
	bool json, wait, ids;
	unsigned timeout;
	const char *after;
	json_t *array;
	bool begun; /* the heading is printed */
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

static int list_inbox(struct job *j, struct err *e)
{
	static const char zeros[] = "00000000000000000000000000000000";
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
	if (j->after != NULL && strcmp(j->after, "0") == 0) {
		j->after = zeros;
	}
	j->array = j->json ? json_array() : NULL;
	rc = j->wait ? c->ops->wait(c, j->after, j->timeout, visit, j, e)
		     : c->ops->list(c, j->after, visit, j, e);
	if (rc == 0) {
		print_heading(j);
	}
	c->ops->quit(c);
	c->ops->end(c);
	if (j->json && rc == 0) {
		return cli_print_json(j->array, e);
	}
	json_decref(j->array);
	return rc;
}

APPLET_MAIN(inbox)
{
	struct job j = {0};
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "json", CLI_FLAG, &j.json}, {0, "ids", CLI_FLAG, &j.ids},
		{0, "after", CLI_TEXT, &j.after}, {0, "wait", CLI_FLAG, &j.wait},
		{0, "timeout", CLI_NUMBER, &j.timeout}};
	struct cli c = {.applet = "inbox",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct mail_choice choice;
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n > 0) {
		return cli_usage(&c, "inbox takes no \"%s\"", c.args[0]);
	}
	if (j.after != NULL && strcmp(j.after, "0") != 0 &&
		(choice_read(&choice, j.after, &e) != 0 || choice.id == NULL)) {
		return cli_usage(&c, "--after takes an id, or 0, not \"%s\"", j.after);
	}
	if (j.timeout != 0 && !j.wait) {
		return cli_usage(&c, "--timeout goes with --wait");
	}
	cli_protect();
	j.account.applet = c.applet;
	rc = list_inbox(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
