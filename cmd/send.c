/* send: one message, for scripts and people. */
#include "account.h"
#include "content.h"

static const char help[] =
	"usage: smtp361 send --to USER[;USER...] --title TITLE [FILE]\n"
	"\n"
	"Send FILE (or stdin, or on a terminal what you write in $EDITOR) as one message.\n"
	"Exit 0 means that it is on stable storage in every mailbox named; 65 that it was\n"
	"rejected; 75 that it was not stored now, and that trying again may help. Only when\n"
	"the connection broke at the very end can it have been stored all the same: the\n"
	"classic protocol cannot tell, and a retry may double it.\n"
	"\n"
	"  -t, --to USER[;USER...]    whom to; repeatable\n"
	"      --title TITLE          at most 100 characters\n"
	"      --json                 print what was sent as JSON\n" ACCOUNT_HELP;

struct letter {
	struct buf to; /* "a;b", NUL-terminated */
	const char *title;
	struct buf content;
	uint64_t chars;
	bool json;
	char kept[CONTENT_PATH_MAX]; /* the file that an editor wrote; empty: there is none */
};

static int join_recipients(struct letter *l, const struct cli_list *to, struct err *e)
{
	for (size_t i = 0; i < to->n; i++) {
		if (has_control(to->items[i], strlen(to->items[i]))) {
			return err_set(e, EX_USAGE, "a recipient's name holds a control character");
		}
		if ((i > 0 && buf_append(&l->to, ";", 1) != 0) ||
			buf_append_str(&l->to, to->items[i]) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return buf_append(&l->to, "", 1) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int read_content(struct letter *l, const char *file, struct err *e)
{
	if (file == NULL && isatty(STDIN_FILENO) == 1) {
		return content_from_editor(&l->content, &l->chars, l->kept, e);
	}
	return content_from_file(file == NULL ? "-" : file, &l->content, &l->chars, e);
}

static int print_json(const struct letter *l, const char *from, struct err *e)
{
	json_t *o = json_object();

	cli_json_text(o, "from", from, strlen(from));
	cli_json_text(o, "to", l->to.p, strlen((const char *)l->to.p));
	cli_json_text(o, "title", l->title, strlen(l->title));
	cli_json_number(o, "length", l->chars);
	(void)json_object_set_new(o, "stored", json_true());
	return cli_print_json(o, e);
}

static int send_letter(struct account *a, const struct letter *l, struct err *e)
{
	struct classic_client *client = malloc(sizeof *client);
	int rc;

	if (client == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = account_open(a, client, e);
	if (rc == 0) {
		rc = classic_client_send(client, a->user, (const char *)l->to.p, l->title,
			l->content.p, l->content.n, l->chars, e);
		if (rc == 0 || e->code == EX_DATAERR) {
			classic_client_quit(client);
		}
	}
	classic_client_end(client);
	free(client);
	return rc == 0 && l->json ? print_json(l, a->user, e) : rc;
}

APPLET_MAIN(send)
{
	struct account a = {0};
	static struct letter l;
	static struct cli_list to;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&a), {'t', "to", CLI_LIST, &to},
		{0, "title", CLI_TEXT, &l.title}, {0, "json", CLI_FLAG, &l.json}};
	struct cli c = {.applet = "send",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (to.n == 0 || l.title == NULL) {
		return cli_usage(&c, "%s is missing", to.n == 0 ? "--to" : "--title");
	}
	if (c.args_n > 1) {
		return cli_usage(&c, "one FILE at most");
	}
	cli_protect();
	rc = message_check_title(l.title, strlen(l.title), &e);
	rc = rc == 0 ? join_recipients(&l, &to, &e) : rc;
	rc = rc == 0 ? read_content(&l, c.args_n == 1 ? c.args[0] : NULL, &e) : rc;
	rc = rc == 0 ? send_letter(&a, &l, &e) : rc;
	rc = rc == 0 ? EX_OK : cli_fail(&c, &e);
	if (rc == EX_OK && l.kept[0] != '\0') {
		(void)unlink(l.kept);
	} else if (l.kept[0] != '\0') {
		cli_note(&c, "the text is kept in %s", l.kept);
	}
	buf_free(&l.to);
	buf_free(&l.content);
	account_free(&a);
	return cli_finish(&c, rc);
}
