/* inbox: the list of messages, as a table, as lines for scripts, or as JSON. */
#include <poll.h>

#include "account.h"

static const char help[] =
	"usage: smtp361 inbox [--json] [--wait [--timeout SECONDS]]\n"
	"\n"
	"List your messages, oldest first: a table on a terminal; elsewhere a line each,\n"
	"its parts separated by tabs: index, from, time, title.\n"
	"\n"
	"      --json              an array of objects\n"
	"      --wait              wait until a message comes that was not there, and list that\n"
	"      --timeout SECONDS   wait no longer than this; then exit 75\n" ACCOUNT_HELP;

enum { POLL_MS = 1000 }; /* the classic protocol cannot push */

static size_t count_rows(const struct buf *list)
{
	struct classic_row row;
	size_t at = 0, n = 0;

	while (classic_row_next(list, &at, &row)) {
		n++;
	}
	return n;
}

static void print_part(struct message_part part, const char *end)
{
	cli_print(part.p, part.n);
	(void)fputs(end, stdout);
}

/* The rows behind the first `skip`, one a line. */
static void print_rows(const struct buf *list, size_t skip)
{
	struct classic_row row;
	size_t at = 0;

	for (size_t i = 0; classic_row_next(list, &at, &row); i++) {
		if (i >= skip) {
			print_part(row.index, "\t");
			print_part(row.from, "\t");
			print_part(row.time, "\t");
			print_part(row.title, "\n");
		}
	}
}

static void print_table(const struct buf *list, size_t skip)
{
	struct classic_row row;
	size_t at = 0, before = 0;

	(void)fputs(CLASSIC_LIST_HEAD "\n", stdout);
	for (size_t i = 0; before = at, classic_row_next(list, &at, &row); i++) {
		if (i >= skip) {
			size_t start = before == 0 ? (size_t)(row.index.p - list->p) : before;
			cli_print(list->p + start,
				(size_t)(row.title.p + row.title.n - list->p) - start);
			(void)fputs("\n", stdout);
		}
	}
}

static int print_json(const struct buf *list, size_t skip, struct err *e)
{
	json_t *array = json_array();
	struct classic_row row;
	size_t at = 0;

	for (size_t i = 0; classic_row_next(list, &at, &row); i++) {
		if (i >= skip) {
			json_t *o = json_object();
			cli_json_number(o, "index", i + 1);
			cli_json_text(o, "from", row.from.p, row.from.n);
			cli_json_text(o, "time", row.time.p, row.time.n);
			cli_json_text(o, "title", row.title.p, row.title.n);
			(void)json_array_append_new(array, o);
		}
	}
	return cli_print_json(array, e);
}

/* List until there are more rows than at first. 0 with the list and how many of it are old, or -1.
 */
static int wait_for_more(
	struct classic_client *c, unsigned timeout, struct buf *list, size_t *old, struct err *e)
{
	int64_t until = timeout == 0 ? INT64_MAX : conn_now_ms() + 1000 * (int64_t)timeout;

	*old = count_rows(list);
	while (count_rows(list) <= *old) {
		if (conn_now_ms() >= until) {
			return err_set(e, EX_TEMPFAIL, "no message came in %u seconds", timeout);
		}
		(void)poll(NULL, 0, POLL_MS);
		list->n = 0;
		if (classic_client_list(c, list, e) != 0 || classic_check_list(list, e) != 0) {
			return -1;
		}
		size_t now = count_rows(list);
		*old = now < *old ? now : *old;
	}
	return 0;
}

struct job {
	struct account account;
	bool json, wait;
	unsigned timeout;
};

static int list_inbox(struct job *j, struct err *e)
{
	struct classic_client *c = malloc(sizeof *c);
	struct buf list = {0};
	size_t old = 0;
	int rc;

	if (c == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = account_open(&j->account, c, e);
	rc = rc == 0 ? classic_client_list(c, &list, e) : rc;
	rc = rc == 0 ? classic_check_list(&list, e) : rc;
	if (rc == 0 && j->wait) {
		rc = wait_for_more(c, j->timeout, &list, &old, e);
	}
	if (rc == 0) {
		classic_client_quit(c);
		if (j->json) {
			rc = print_json(&list, old, e);
		} else {
			(cli_is_terminal() ? print_table : print_rows)(&list, old);
		}
	}
	classic_client_end(c);
	free(c);
	buf_free(&list);
	return rc;
}

APPLET_MAIN(inbox)
{
	struct job j = {0};
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "json", CLI_FLAG, &j.json}, {0, "wait", CLI_FLAG, &j.wait},
		{0, "timeout", CLI_NUMBER, &j.timeout}};
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
	if (j.timeout != 0 && !j.wait) {
		return cli_usage(&c, "--timeout goes with --wait");
	}
	cli_protect();
	rc = list_inbox(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
