/* ls: the files that one has on the server. */
#include "remote.h"

static const char help[] =
	"usage: smtp361 ls [--json]\n"
	"\n"
	"List your files on the server: your own, and what others have handed to you: a table\n"
	"on a terminal; elsewhere a line each, its parts separated by tabs: whose it was, bytes,\n"
	"time, and the name that `smtp361 get` takes. What broke off, or is arriving, is marked\n"
	"\"(unfinished)\": `put --resume` goes on with it. It needs the enhanced protocol.\n"
	"\n"
	"      --json   an array of objects\n" ACCOUNT_HELP;

struct job {
	struct account account;
	bool json, begun;
	json_t *array;
};

static int add_json(struct job *j, const struct files_row *row, const char *name)
{
	json_t *o = json_object();

	cli_json_text(o, "from", row->from.p, row->from.n);
	cli_json_text(o, "name", row->name.p, row->name.n);
	cli_json_text(o, "get", name, strlen(name));
	cli_json_number(o, "size", row->size);
	cli_json_text(o, "time", row->time.p, row->time.n);
	cli_json_number(o, "us", (uint64_t)row->us);
	if (row->part) {
		(void)json_object_set_new(o, "unfinished", json_true());
	}
	return json_array_append_new(j->array, o);
}

static void print_row(struct job *j, const struct files_row *row, const char *name)
{
	const char *mark = row->part ? "(unfinished) " : "";
	char size[PROGRESS_BYTES];

	if (!cli_is_terminal()) {
		(void)printf("%.*s\t%llu\t%.*s\t%s%s\n", (int)row->from.n,
			(const char *)row->from.p, (unsigned long long)row->size, (int)row->time.n,
			(const char *)row->time.p, mark, name);
		return;
	}
	if (!j->begun) {
		(void)puts("From           Size  DateTime                    Name");
	}
	j->begun = true;
	progress_bytes(row->size, size);
	(void)printf("%-10.*s %8s  %.*s  %s", (int)row->from.n, (const char *)row->from.p, size,
		(int)row->time.n, (const char *)row->time.p, mark);
	cli_print(name, strlen(name));
	(void)puts("");
}

static int visit(void *arg, const struct files_row *row, struct err *e)
{
	struct job *j = arg;
	char name[USER_NAME_MAX + LANDING_NAME_MAX + 2];
	bool own = strcmp((const char *)row->from.p, j->account.user) == 0;

	(void)snprintf(name, sizeof name, "%.*s%s%.*s", own ? 0 : (int)row->from.n,
		(const char *)row->from.p, own ? "" : "/", (int)row->name.n,
		(const char *)row->name.p);
	if (j->json) {
		return add_json(j, row, name) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	print_row(j, row, name);
	return 0;
}

static int list(struct job *j, struct err *e)
{
	struct mail_client *c;
	int rc = remote_open(&j->account, &c, e);

	if (rc != 0) {
		return -1;
	}
	j->array = j->json ? json_array() : NULL;
	rc = enhanced_files_list(c, visit, j, e);
	remote_close(c);
	if (j->json && rc == 0) {
		return cli_print_json(j->array, e);
	}
	json_decref(j->array);
	return rc;
}

APPLET_MAIN(ls)
{
	struct job j = {0};
	const struct cli_option options[] = {
		ACCOUNT_OPTIONS(&j.account), {0, "json", CLI_FLAG, &j.json}};
	struct cli c = {.applet = "ls",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n > 0) {
		return cli_usage(&c, "ls takes no \"%s\"", c.args[0]);
	}
	cli_protect();
	j.account.applet = c.applet;
	rc = list(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
