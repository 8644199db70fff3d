/* read: print one message. */
#include "account.h"

static const char help[] =
	"usage: smtp361 read INDEX | --last\n"
	"\n"
	"Print the message with this INDEX of the list (`smtp361 inbox`), as it is stored.\n"
	"On a terminal what could move the cursor is escaped; in a pipe every byte is as it\n"
	"was sent.\n"
	"\n"
	"      --last      the newest one\n"
	"      --content   its content alone, and nothing behind it\n"
	"      --json      an object\n" ACCOUNT_HELP;

struct job {
	struct account account;
	const char *index;
	bool last, content, json;
};

static json_t *recipients_json(struct message_part to)
{
	json_t *array = json_array();
	size_t start = 0;

	for (size_t i = 0; i <= to.n; i++) {
		if (i == to.n || to.p[i] == ';') {
			if (i > start) {
				(void)json_array_append_new(
					array, json_stringn((const char *)to.p + start, i - start));
			}
			start = i + 1;
		}
	}
	return array;
}

static int print_json(const struct message_head *h, struct message_part content, struct err *e)
{
	json_t *o = json_object();

	cli_json_text(o, "from", h->from.p, h->from.n);
	(void)json_object_set_new(o, "to", recipients_json(h->to));
	cli_json_text(o, "time", h->time.p, h->time.n);
	cli_json_text(o, "title", h->title.p, h->title.n);
	cli_json_number(o, "length", h->length);
	cli_json_text(o, "content", content.p, content.n);
	return cli_print_json(o, e);
}

static int print_mail(
	const struct job *j, const struct buf *text, const struct message_head *h, struct err *e)
{
	struct message_part content = {.p = text->p + h->bytes, .n = text->n - h->bytes};
	size_t skip = j->content ? h->bytes : 0;

	if (j->json) {
		return print_json(h, content, e);
	}
	cli_print(text->p + skip, text->n - skip);
	if (cli_is_terminal() && text->n > skip && text->p[text->n - 1] != '\n') {
		(void)fputs("\n", stdout);
	}
	return 0;
}

/* The index of the newest row. */
static int find_last(const struct buf *list, char out[static 24], struct err *e)
{
	struct classic_row row, last = {0};
	size_t at = 0;

	while (classic_row_next(list, &at, &row)) {
		last = row;
	}
	if (last.index.n == 0 || last.index.n >= 24) {
		return err_set(e, EX_NOINPUT, "the inbox is empty");
	}
	memcpy(out, last.index.p, last.index.n);
	out[last.index.n] = '\0';
	return 0;
}

static int read_mail(struct job *j, struct err *e)
{
	struct classic_client *c = malloc(sizeof *c);
	struct message_head h;
	struct buf list = {0}, text = {0};
	char last[24];
	bool connected;
	int rc;

	if (c == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = account_open(&j->account, c, e);
	connected = rc == 0;
	rc = rc == 0 ? classic_client_list(c, &list, e) : rc; /* an index counts in the last list */
	rc = rc == 0 ? classic_check_list(&list, e) : rc;
	if (rc == 0 && j->last) {
		j->index = last;
		rc = find_last(&list, last, e);
	}
	rc = rc == 0 ? classic_client_view(c, j->index, &text, &h, e) : rc;
	if (connected && (rc == 0 || e->code == EX_NOINPUT)) {
		classic_client_quit(c);
	}
	rc = rc == 0 ? print_mail(j, &text, &h, e) : rc;
	classic_client_end(c);
	free(c);
	buf_free(&list);
	buf_free(&text);
	return rc;
}

APPLET_MAIN(read)
{
	struct job j = {0};
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "last", CLI_FLAG, &j.last}, {0, "content", CLI_FLAG, &j.content},
		{0, "json", CLI_FLAG, &j.json}};
	struct cli c = {.applet = "read",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	uint64_t number;
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n != (j.last ? 0u : 1u)) {
		return cli_usage(&c, "one INDEX, or --last");
	}
	if (!j.last && (parse_decimal(c.args[0], strlen(c.args[0]), UINT32_MAX, &number) != 0 ||
			       number == 0)) {
		return cli_usage(&c, "\"%s\" is no index of the list", c.args[0]);
	}
	j.index = j.last ? NULL : c.args[0];
	cli_protect();
	rc = read_mail(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
