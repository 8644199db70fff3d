/* read: print one message. */
#include "account.h"
#include "choice.h"
#include "attachments.h"
#include "rows.h"

static const char help[] =
	"usage: smtp361 read INDEX | ID | --last\n"
	"\n"
	"Print the message with this INDEX of the list (`smtp361 inbox`), or with this ID\n"
	"(enhanced), as it is stored. On a terminal what could move the cursor is escaped; in\n"
	"a pipe every byte is as it was sent.\n"
	"\n"
	"      --last       the newest one\n"
	"      --content    its content alone, and nothing behind it\n"
	"      --json       an object\n"
	"      --save DIR   put what is attached into DIR, and print the names; nothing that\n"
	"                   is there is overwritten\n" ACCOUNT_HELP;

struct job {
	struct account account;
	const char *which, *save;
	bool last, content, json;
	struct attachments *attachments; /* with --save */
	json_t *object;                  /* with --json */
	struct buf text;                 /* of the content, for it */
	uint8_t end;                     /* the last byte printed */
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

static void head_json(json_t *o, const struct mail_received *m)
{
	if (m->id.n > 0) {
		cli_json_text(o, "id", m->id.p, m->id.n);
	}
	cli_json_text(o, "from", m->from.p, m->from.n);
	(void)json_object_set_new(o, "to", recipients_json(m->to));
	cli_json_text(o, "time", m->time.p, m->time.n);
	cli_json_text(o, "title", m->title.p, m->title.n);
	cli_json_number(o, "length", m->chars);
}

static int take_head(void *arg, const struct mail_received *m, struct err *e)
{
	struct job *j = arg;

	if (j->json) {
		head_json(j->object, m);
	}
	if (j->save != NULL) {
		j->attachments = attachments_open(j->save, e);
		return j->attachments == NULL ? -1 : 0;
	}
	return j->json || j->content ? 0 : rows_print_head(m, e);
}

static int take_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct job *j = arg;

	if (j->save != NULL) {
		return attachments_take(j->attachments, p, n, e);
	}
	if (j->json) {
		return buf_append(&j->text, p, n) == 0 ? 0
						       : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	cli_print(p, n);
	j->end = ((const uint8_t *)p)[n - 1];
	return ferror(stdout) == 0 ? 0 : err_set(e, EX_IOERR, "cannot write to standard output");
}

static int print_rest(struct job *j, struct err *e)
{
	if (j->save != NULL) {
		return attachments_end(j->attachments, e);
	}
	if (j->json) {
		cli_json_text(j->object, "content", j->text.p, j->text.n);
		return cli_print_json(j->object, e);
	}
	if (cli_is_terminal() && j->end != '\n' && j->end != 0) {
		(void)fputs("\n", stdout);
	}
	return 0;
}

static int read_mail(struct job *j, struct err *e)
{
	const struct mail_taker taker = {.head = take_head, .content = take_content, .arg = j};
	struct mail_choice choice;
	struct mail_client *c;
	int rc = choice_read(&choice, j->last ? NULL : j->which, e);

	if (rc != 0 || account_open(&j->account, &c, e) != 0) {
		return -1;
	}
	j->object = j->json ? json_object() : NULL;
	rc = c->ops->read(c, &choice, &taker, e);
	c->ops->quit(c);
	c->ops->end(c);
	rc = rc == 0 ? print_rest(j, e) : rc;
	attachments_close(j->attachments);
	buf_free(&j->text);
	return rc;
}

APPLET_MAIN(read)
{
	struct job j = {0};
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "last", CLI_FLAG, &j.last}, {0, "content", CLI_FLAG, &j.content},
		{0, "json", CLI_FLAG, &j.json}, {0, "save", CLI_TEXT, &j.save}};
	struct cli c = {.applet = "read",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct mail_choice choice;
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n != (j.last ? 0u : 1u)) {
		return cli_usage(&c, "one INDEX or ID, or --last");
	}
	if (!j.last && choice_read(&choice, c.args[0], &e) != 0) {
		return cli_usage(&c, "%s", e.text);
	}
	if ((j.save != NULL) + j.content + j.json > 1) {
		return cli_usage(&c, "--content, --json and --save do not go together");
	}
	j.which = j.last ? NULL : c.args[0];
	cli_protect();
	j.account.applet = c.applet;
	rc = read_mail(&j, &e) == 0 ? EX_OK : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
