/* send: one message or many, for scripts and people. */
#include "../crypto/random.h"
#include "account.h"
#include "outbox.h"

static const char help[] =
	"usage: smtp361 send --to USER[;USER...] [--title TITLE] [FILE...]\n"
	"       smtp361 send --batch\n"
	"\n"
	"Send each FILE (or stdin, or on a terminal what you write in $EDITOR) as a message.\n"
	"Exit 0 means that all are on stable storage in every mailbox named; 65 that one was\n"
	"rejected, and 67 that a recipient is no user (65 over the classic protocol); 75 that\n"
	"one was not stored now, and that trying again may help. With --enhanced a message\n"
	"that is sent again with the same --id is stored once. The classic protocol has no\n"
	"ids: when its connection broke at the very end, a retry may double the message.\n"
	"\n"
	"  -t, --to USER[;USER...]    whom to; repeatable\n"
	"      --title TITLE          at most 100 characters; without it, FILE's name\n"
	"      --seal                 encrypt it to the recipients, and to you, and sign it: the\n"
	"                             server sees who writes to whom, and not what, nor the\n"
	"                             title. Exit 77 when somebody's key is not the pinned one\n"
	"      --no-seal              do not, whatever the configuration's \"seal\" says\n"
	"      --attach FILE          put FILE into the message, too; repeatable\n"
	"      --id ID                32 digits of hex: your own number for the message\n"
	"      --batch                messages from stdin, a line of JSON each: to, title,\n"
	"                             content or file, and, as you like, attach and id\n"
	"      --json                 print what was sent as JSON; with --batch or several\n"
	"                             FILEs a line each\n" ACCOUNT_HELP;

struct job {
	struct account account;
	struct cli_list to, attach;
	const char *title, *id;
	bool batch, json, seal, no_seal;
	char kept[FILE_PATH_MAX]; /* the file that an editor wrote; empty: there is none */
};

/* --- from options --- */

static int join_recipients(struct buf *out, const struct cli_list *to, struct err *e)
{
	for (size_t i = 0; i < to->n; i++) {
		if (has_control(to->items[i], strlen(to->items[i]))) {
			return err_set(e, EX_USAGE, "a recipient's name holds a control character");
		}
		if ((i > 0 && buf_append(out, ";", 1) != 0) ||
			buf_append_str(out, to->items[i]) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return buf_append(out, "", 1) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* The letter of one FILE; NULL: of stdin, or of an editor. */
static int make_letter(
	struct job *j, struct outbox *o, const char *file, struct outgoing *l, struct err *e)
{
	const char *title = j->title != NULL                         ? j->title
			    : file == NULL || strcmp(file, "-") == 0 ? ""
								     : base_name(file);
	bool editor = file == NULL && isatty(STDIN_FILENO) == 1;
	int rc;

	if (message_check_title(title, strlen(title), e) != 0 ||
		join_recipients(&l->to, &j->to, e) != 0) {
		return -1;
	}
	if (buf_append(&l->title, title, strlen(title) + 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = editor ? content_from_editor(&l->content, o->max_chars, j->kept, e)
		    : content_open(&l->content, file == NULL ? "-" : file, o->max_chars, e);
	if (rc == 0 && j->attach.n > 0) {
		rc = content_attach(&l->content, j->attach.items, j->attach.n, o->max_chars, e);
	}
	if (rc != 0) {
		return -1;
	}
	return j->id != NULL ? outbox_read_id(j->id, strlen(j->id), l->id, e)
			     : random_bytes(l->id, sizeof l->id, e);
}

static int send_files(struct job *j, struct outbox *o, char **files, size_t n, struct err *e)
{
	for (size_t i = 0; i < (n == 0 ? 1 : n); i++) {
		struct outgoing *l = outbox_letter(o, e);
		if (l == NULL) {
			return -1;
		}
		if (make_letter(j, o, n == 0 ? NULL : files[i], l, e) != 0) {
			if (n <= 1) {
				return -1;
			}
			outbox_fault(o, l, e);
			continue;
		}
		if (outbox_post(o, l, e) != 0) {
			return -1;
		}
	}
	return outbox_finish(o, e);
}

/* --- the applet --- */

static int check_usage(const struct cli *c, const struct job *j)
{
	if (j->batch && (j->to.n > 0 || j->title != NULL || j->attach.n > 0 || j->id != NULL ||
				c->args_n > 0)) {
		return cli_usage(c, "--batch reads everything from stdin");
	}
	if (!j->batch && j->to.n == 0) {
		return cli_usage(c, "--to is missing");
	}
	if (j->seal && j->no_seal) {
		return cli_usage(c, "--seal and --no-seal do not go together");
	}
	if (c->args_n > 1 && (j->attach.n > 0 || j->id != NULL)) {
		return cli_usage(c, "--attach and --id go with one FILE");
	}
	return -1;
}

static int run(struct job *j, const struct cli *c, struct err *e)
{
	bool many = j->batch || c->args_n > 1;
	struct outbox *o = outbox_new(&j->account, c, many, j->json, e);
	int rc;

	if (o == NULL) {
		return -1;
	}
	o->seals = j->seal || (j->account.seal != ACCOUNT_CLEAR && !j->no_seal);
	if (j->id != NULL && !j->account.enhanced) {
		outbox_free(o);
		return err_set(e, EX_USAGE,
			"--id needs the enhanced protocol: the classic one has no ids");
	}
	rc = j->batch ? outbox_batch(o, e) : send_files(j, o, c->args, c->args_n, e);
	outbox_free(o);
	return rc;
}

APPLET_MAIN(send)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{'t', "to", CLI_LIST, &j.to}, {0, "title", CLI_TEXT, &j.title},
		{0, "attach", CLI_LIST, &j.attach}, {0, "id", CLI_TEXT, &j.id},
		{0, "batch", CLI_FLAG, &j.batch}, {0, "json", CLI_FLAG, &j.json},
		{0, "seal", CLI_FLAG, &j.seal}, {0, "no-seal", CLI_FLAG, &j.no_seal}};
	struct cli c = {.applet = "send",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e = {0};

	if (rc < 0) {
		rc = check_usage(&c, &j);
	}
	if (rc >= 0) {
		return rc;
	}
	cli_protect();
	j.account.applet = c.applet;
	/* what was said of each letter by itself is not said again */
	rc = run(&j, &c, &e) == 0 ? EX_OK : e.text[0] == '\0' ? e.code : cli_fail(&c, &e);
	if (rc == EX_OK && j.kept[0] != '\0') {
		(void)unlink(j.kept);
	} else if (j.kept[0] != '\0') {
		cli_note(&c, "the text is kept in %s", j.kept);
	}
	account_free(&j.account);
	return cli_finish(&c, rc);
}
