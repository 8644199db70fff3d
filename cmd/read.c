/* read: print one message. */
#include "../proto/original.h"
#include "../proto/readable.h"
#include "account.h"
#include "choice.h"
#include "attachments.h"
#include "reading.h"
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
	"      --raw        the Internet message that came by SMTP or sendmail, byte for byte;\n"
	"                   of any other message its content\n"
	"      --text       what a person reads of such a message: its text, decoded, and a\n"
	"                   line for each thing attached\n"
	"      --json       an object\n"
	"      --save DIR   put what is attached into DIR, and print the names; nothing that\n"
	"                   is there is overwritten\n"
	"\n"
	"A sealed message is opened: all of this is of what is inside, and who signed it is\n"
	"told on stderr. Exit codes: 77 it is not sealed to you; 65 it was altered, and nothing\n"
	"is printed; 65 also when its sender, recipients, id or number inside are not those\n"
	"that the server says, or the key is not the pinned one: neither title nor content is\n"
	"printed, but with --anyway; 65 also when nobody signed it, or nobody vouches for the\n"
	"key: it is printed.\n"
	"      --require-sealed\n"
	"                   65, and neither title nor content is printed, also of a message\n"
	"                   that is not sealed, or that no pinned key signed;\n"
	"                   \"require-sealed\": true in the configuration says the same.\n"
	"                   With --json the rest of its header is told, as the server has it\n"
	"      --anyway     print it, whatever is wrong with it but alteration\n"
	"      --sealed     print what is sealed as it is stored (`age -d` opens that)\n"
	"      --signed     print exactly what was signed, instead of the content\n"
	"      --signature  print the signature of that, for ssh-keygen -Y verify\n" ACCOUNT_HELP;

struct job {
	struct account account;
	const char *which, *save;
	bool last, content, json, raw, readable;
	bool anyway, sealed, whole, signature;
	bool opened;                     /* what comes is the inside of a sealed one */
	struct attachments *attachments; /* with --save */
	json_t *object;                  /* with --json */
	struct buf text;                 /* of the content, for it, and for --text */
	struct cli_pieces pieces;        /* of what is printed */
	uint8_t end;                     /* the last byte of it */
	struct original original;        /* with --raw and --text */
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

/* with_title: it is content, too, by whoever wrote it. */
static void head_json(json_t *o, const struct mail_received *m, bool with_title)
{
	if (m->id.n > 0) {
		cli_json_text(o, "id", m->id.p, m->id.n);
	}
	cli_json_text(o, "from", m->from.p, m->from.n);
	(void)json_object_set_new(o, "to", recipients_json(m->to));
	cli_json_text(o, "time", m->time.p, m->time.n);
	if (with_title) {
		cli_json_text(o, "title", m->title.p, m->title.n);
	}
	cli_json_number(o, "length", m->chars);
}

static int put_head(void *arg, const struct mail_received *m, struct err *e)
{
	struct job *j = arg;

	if ((j->whole || j->signature) && !j->opened) {
		return err_set(e, EX_DATAERR, "the message is not sealed");
	}
	if (j->json) {
		head_json(j->object, m, true);
	}
	if (j->save != NULL) {
		j->attachments = attachments_open(j->save, e);
		return j->attachments == NULL ? -1 : 0;
	}
	return j->json || j->content || j->raw || j->sealed || j->whole ? 0 : rows_print_head(m, e);
}

static int print_text(void *arg, const void *p, size_t n, struct err *e)
{
	struct job *j = arg;

	cli_print_piece(&j->pieces, p, n);
	j->end = ((const uint8_t *)p)[n - 1];
	return ferror(stdout) == 0 ? 0 : err_set(e, EX_IOERR, "cannot write to standard output");
}

static int keep_text(void *arg, const void *p, size_t n, struct err *e)
{
	struct job *j = arg;

	return buf_append(&j->text, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int put_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct job *j = arg;

	if (j->raw || j->readable) {
		return original_decode(&j->original, p, n, e);
	}
	if (j->save != NULL) {
		return attachments_take(j->attachments, p, n, e);
	}
	return j->json ? keep_text(j, p, n, e) : print_text(j, p, n, e);
}

static int print_readable(struct job *j, struct err *e)
{
	struct buf text = {0};
	int rc = 0;

	if (!readable_is_message(j->text.p, j->text.n)) {
		rc = j->text.n == 0 ? 0 : print_text(j, j->text.p, j->text.n, e);
	} else if (readable_put(&text, j->text.p, j->text.n, e) != 0) {
		rc = -1;
	} else if (text.n > 0) {
		rc = print_text(j, text.p, text.n, e);
	}
	buf_free(&text);
	return rc;
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
	if ((j->raw || j->readable) && original_decode_end(&j->original, e) != 0) {
		return -1;
	}
	if (j->readable && print_readable(j, e) != 0) {
		return -1;
	}
	cli_print_end(&j->pieces);
	if (cli_is_terminal() && j->end != '\n' && j->end != 0) {
		(void)fputs("\n", stdout);
	}
	return 0;
}

/* --- what is sealed --- */

static int print_signature(struct job *j, const struct reading *r, struct err *e)
{
	const struct buf *text = &r->opened.head.signature;

	return print_text(j, text->p, text->n, e);
}

/* What is to be shown of it though it may not be shown: nothing but that, and why; and as JSON by
 * what it is found on the server. -1. */
static int hold_back(struct job *j, const struct reading *r, const char *why, struct err *e)
{
	if (j->json) {
		head_json(j->object, &r->head, false);
		if (cli_print_json(j->object, e) != 0) {
			return -1;
		}
	}
	err_set(e, EX_DATAERR, "the message is not %s: it is not shown", why);
	return err_hint(e, "--anyway shows it");
}

/* 0, or -1: with an empty text all was said. */
static int show_sealed(struct job *j, struct reading *r, struct err *e)
{
	const struct opened *d = &r->opened;
	int rc;

	j->opened = true;
	reading_tell(r);
	if (j->json) {
		opening_json(j->object, d);
	}
	if (d->false_word && !j->anyway) {
		return hold_back(j, r,
			r->required && d->standing < OPENING_PINNED ? "signed by a pinned key"
								    : "what the server says",
			e);
	}
	if ((j->whole || j->signature) && !d->head.is_signed) {
		return err_set(e, EX_DATAERR, "nothing was signed");
	}
	rc = j->signature ? print_signature(j, r, e) : reading_hand_out(r, e);
	rc = rc == 0 ? print_rest(j, e) : rc;
	if (rc == 0 && d->faults_n > 0) {
		*e = (struct err){.code = EX_DATAERR};
		return -1;
	}
	return rc;
}

/* Who could have sealed it did not, or the server put it in place of what was sealed. */
static int show_plain(struct job *j, const struct reading *r, struct err *e)
{
	int could = print_rest(j, e) == 0 ? reading_unsealed(r, e) : -1;

	if (could > 0) {
		cli_note(r->opener.cli, "not sealed: the server alone vouches for all of it");
	}
	return could < 0 ? -1 : 0;
}

static int show(struct job *j, struct reading *r, struct err *e)
{
	if (r->withheld) {
		if (j->json) {
			(void)json_object_set_new(j->object, "sealed", json_false());
		}
		return hold_back(j, r, "sealed", e);
	}
	return r->is_sealed ? show_sealed(j, r, e) : show_plain(j, r, e);
}

/* --- the applet --- */

static int read_mail(struct job *j, const struct cli *cli, struct err *e)
{
	const struct mail_taker taker = {.head = put_head, .content = put_content, .arg = j};
	struct mail_choice choice;
	struct mail_client *c;
	struct reading r;
	int rc = choice_read(&choice, j->last ? NULL : j->which, e);

	if (rc != 0 || account_open(&j->account, &c, e) != 0) {
		return -1;
	}
	j->object = j->json ? json_object() : NULL;
	original_begin(&j->original, j->readable ? keep_text : print_text, j);
	reading_begin(&r, &j->account, cli, &taker);
	r.as_stored = j->sealed;
	r.whole = j->whole;
	r.required = j->account.require_sealed && !j->anyway;
	rc = reading_get(&r, c, &choice, e);
	c->ops->quit(c);
	c->ops->end(c);
	rc = rc == 0 ? show(j, &r, e) : rc;
	cli_print_end(&j->pieces); /* where it broke off */
	reading_end(&r);
	attachments_close(j->attachments);
	buf_free(&j->text);
	return rc;
}

APPLET_MAIN(read)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "last", CLI_FLAG, &j.last}, {0, "content", CLI_FLAG, &j.content},
		{0, "raw", CLI_FLAG, &j.raw}, {0, "text", CLI_FLAG, &j.readable},
		{0, "json", CLI_FLAG, &j.json}, {0, "save", CLI_TEXT, &j.save},
		{0, "require-sealed", CLI_FLAG, &j.account.require_sealed},
		{0, "anyway", CLI_FLAG, &j.anyway}, {0, "sealed", CLI_FLAG, &j.sealed},
		{0, "signed", CLI_FLAG, &j.whole}, {0, "signature", CLI_FLAG, &j.signature}};
	struct cli c = {.applet = "read",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct mail_choice choice;
	struct err e = {0};

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n != (j.last ? 0u : 1u)) {
		return cli_usage(&c, "one INDEX or ID, or --last");
	}
	if (!j.last && choice_read(&choice, c.args[0], &e) != 0) {
		return cli_usage(&c, "%s", e.text);
	}
	if ((j.save != NULL) + j.content + j.raw + j.readable + j.json + j.sealed + j.whole +
			j.signature >
		1) {
		return cli_usage(&c, "--content, --raw, --text, --json, --save, --sealed, --signed "
				     "and --signature do not go together");
	}
	j.which = j.last ? NULL : c.args[0];
	cli_protect();
	j.account.applet = c.applet;
	rc = read_mail(&j, &c, &e) == 0 ? EX_OK : e.text[0] == '\0' ? e.code : cli_fail(&c, &e);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
