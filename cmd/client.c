/* client: the founding menu, for a person, over either protocol. It works in a pipe too: answers
 * are read line by line. */
#include "../crypto/random.h"
#include "../proto/classic.h"
#include "account.h"
#include "choice.h"
#include "content.h"
#include "inbox_open.h"
#include "rows.h"
#include "sealing.h"

static const char help[] =
	"usage: smtp361 client [-s HOST[:PORT]] [-u USER] [-k DIR] [--require-sealed]\n"
	"\n"
	"Log in and work by menu: send, list, view, quit. What no option or environment\n"
	"variable tells is asked for. Sealed messages are opened; where the configuration\n"
	"says \"seal\", what is sent is sealed.\n"
	"\n"
	"      --require-sealed       what is not sealed, or signed by no pinned key, is marked\n"
	"                             in the list and not shown; \"require-sealed\": true in\n"
	"                             the configuration says the same\n" ACCOUNT_HELP;

struct dialogue {
	struct account account;
	const struct cli *cli;
	struct mail_client *client;
	struct sealing sealing;
	struct reading reading;
	struct cli_pieces pieces; /* of what is shown */
	struct buf line;          /* the last answer without its line end; a NUL follows it */
	bool ended;               /* no more answers will come */
};

/* --- asking --- */

/* 0, or -1: EX_NOINPUT (the input ended), EX_DATAERR (the line is too long, or holds a NUL; it is
 * read to its end all the same). */
static int ask(struct dialogue *d, const char *prompt, struct err *e)
{
	bool too_long = false, has_nul = false;
	int c;

	(void)fputs(prompt, stdout);
	(void)fflush(stdout);
	d->line.n = 0;
	while ((c = getchar()) != EOF && c != '\n') {
		uint8_t byte = (uint8_t)c;
		has_nul = has_nul || byte == 0;
		too_long = too_long || d->line.n > MESSAGE_CONTENT_BYTES;
		if (!too_long && buf_append(&d->line, &byte, 1) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	if (c == EOF && d->line.n == 0) {
		d->ended = true;
		return err_set(e, EX_NOINPUT, "the input ended");
	}
	if (too_long || has_nul) {
		return err_set(
			e, EX_DATAERR, "the line %s", too_long ? "is too long" : "holds a NUL");
	}
	if (buf_append(&d->line, "", 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	d->line.n--;
	return 0;
}

static const char *answer(const struct dialogue *d)
{
	return (const char *)d->line.p;
}

/* An answer to keep. */
static int ask_copy(struct dialogue *d, const char *prompt, struct buf *out, struct err *e)
{
	if (ask(d, prompt, e) != 0) {
		return -1;
	}
	if (buf_append(out, d->line.p, d->line.n + 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return 0;
}

static void print_line(const char *text)
{
	cli_print(text, strlen(text));
	(void)puts("");
}

/* --- 1: send --- */

struct letter {
	struct buf to, title;
	struct content content;
	struct held sealed;
};

static uint64_t most_chars(const struct dialogue *d)
{
	uint64_t max = d->client->ops->max_chars;

	return max == 0 ? UINT64_MAX : max;
}

static int ask_content(struct dialogue *d, struct letter *l, struct err *e)
{
	struct buf text = {0};

	if (ask(d, "Would you like to load contents from a file?(Y/N) ", e) != 0) {
		return -1;
	}
	if (answer(d)[0] == 'Y' || answer(d)[0] == 'y') {
		return ask(d, "Enter filename: ", e) != 0
			       ? -1
			       : content_open(&l->content, answer(d), most_chars(d), e);
	}
	if (ask(d, "Enter message contents: ", e) != 0) {
		return -1;
	}
	if (buf_append(&text, d->line.p, d->line.n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return content_take(&l->content, &text, most_chars(d), e);
}

static int ask_letter(struct dialogue *d, struct letter *l, struct err *e)
{
	if (ask_copy(d, "Enter destinations (separated by ;): ", &l->to, e) != 0 ||
		ask_copy(d, "Enter title: ", &l->title, e) != 0 ||
		message_check_title(l->title.p, l->title.n - 1, e) != 0) {
		return -1;
	}
	return ask_content(d, l, e);
}

/* 0, or -1 and nothing was sent. */
static int seal_letter(struct dialogue *d, struct letter *l, struct mail_letter *letter,
	struct held_reader *reader, struct err *e)
{
	const char *to;
	struct sealing_letter inside = {
		.title = letter->title, .content = &l->content, .id = letter->id};
	struct buf names = {0};

	if (sealing_names(&names, letter->to, e) != 0) {
		buf_free(&names);
		return -1;
	}
	buf_free(&l->to);
	l->to = names;
	letter->to = inside.to = to = (const char *)l->to.p;
	if ((!sealing_knows(&d->sealing, to) &&
		    sealing_learn(&d->sealing, d->client, to, e) != 0) ||
		sealing_seal(&d->sealing, &l->sealed, &inside, e) != 0) {
		return -1;
	}
	*reader = (struct held_reader){.held = &l->sealed};
	letter->title = SEALED_TITLE;
	letter->bytes = letter->chars = l->sealed.bytes; /* it is ASCII */
	letter->source = held_read;
	letter->arg = reader;
	return 0;
}

static int send_letter(struct dialogue *d, struct letter *l, struct err *e)
{
	bool seals = d->account.seal != ACCOUNT_CLEAR;
	struct held_reader reader;
	struct mail_letter letter = {.to = (const char *)l->to.p,
		.title = (const char *)l->title.p,
		.bytes = l->content.bytes,
		.chars = l->content.chars,
		.source = content_read,
		.arg = &l->content};
	struct mail_stored stored;

	int rc;

	if (random_bytes(letter.id, sizeof letter.id, e) != 0 ||
		(seals && seal_letter(d, l, &letter, &reader, e) != 0)) {
		return -1;
	}
	rc = d->client->ops->post(d->client, &letter, e);
	rc = rc == 0 ? d->client->ops->acknowledge(d->client, &stored, e) : rc;
	if (rc != 0 && seals && d->client->alive) {
		struct err why; /* the one that counts is e */
		(void)sealing_refused(&d->sealing, letter.id, &why);
	}
	return rc;
}

/* What the person typed is judged before the server hears of it: a slip costs nothing but the menu.
 */
static int do_send(struct dialogue *d, struct err *e)
{
	struct letter l = {.sealed = HELD_EMPTY};
	int rc = ask_letter(d, &l, e);

	if (rc == 0) {
		rc = send_letter(d, &l, e);
		if (rc == 0) {
			(void)puts("The message is sent to the server.");
		}
	}
	if (rc != 0 && !d->ended && d->client->alive) {
		print_line(e->text); /* not this one: the menu again */
		rc = 0;
	}
	buf_free(&l.to);
	buf_free(&l.title);
	content_close(&l.content);
	held_free(&l.sealed);
	return rc;
}

/* --- 2 and 3 --- */

static int print_row(void *arg, const struct mail_row *row, struct err *e)
{
	(void)arg;
	(void)e;
	rows_print(row, NULL, NULL);
	return 0;
}

/* A refusal that leaves the connection as it was is told, and the menu comes again. */
static int go_on(const struct dialogue *d, int rc, const struct err *e)
{
	if (rc != 0 && d->client->alive) {
		print_line(e->text);
		return 0;
	}
	return rc;
}

static int keep_row(void *arg, const struct mail_row *row, struct err *e)
{
	return inbox_open_keep(arg, row, e);
}

static int print_opened(void *arg, const struct mail_row *listed, const struct opened *o,
	const char *mark, const char *word, struct err *e)
{
	struct mail_row row = *listed;
	char title[8 * MESSAGE_TITLE_CHARS + 1];

	(void)arg;
	(void)e;
	if (o != NULL && !o->false_word) {
		(void)escape_text(title, sizeof title, o->head.title.p, o->head.title.n, false);
		row.title = message_text(title);
		row.id.n = 0; /* a title that is escaped */
	}
	rows_print(&row, mark, word);
	return 0;
}

/* Where mail must be sealed: what each of them is stands ahead of its title. */
static int list_opened(struct dialogue *d, const struct mail_query *all, struct err *e)
{
	struct inbox_open rows;
	int rc;

	inbox_open_begin(&rows, &d->account, d->cli);
	rows.reading.required = true;
	(void)puts(ROWS_HEAD_MARKED);
	rc = d->client->ops->list(d->client, all, keep_row, &rows, NULL, e);
	rc = rc == 0 ? inbox_open_all(&rows, d->client, print_opened, d, e) : rc;
	inbox_open_end(&rows);
	return go_on(d, rc, e);
}

static int do_list(struct dialogue *d, struct err *e)
{
	const struct mail_query all = {0};

	if (d->account.require_sealed) {
		return list_opened(d, &all, e);
	}
	(void)puts(ROWS_HEAD);
	return go_on(d, d->client->ops->list(d->client, &all, print_row, NULL, NULL, e), e);
}

static int put_head(void *arg, const struct mail_received *m, struct err *e)
{
	(void)arg;
	return rows_print_head(m, e);
}

static int put_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct dialogue *d = arg;

	(void)e;
	cli_print_piece(&d->pieces, p, n);
	return 0;
}

/* Who signed it, and what is wrong, is told above it. */
static int show_sealed(struct dialogue *d, struct err *e)
{
	const struct opened *o = &d->reading.opened;
	char text[OPENING_TEXT_MAX];

	opening_describe(o, text);
	print_line(text);
	for (size_t i = 0; i < o->faults_n; i++) {
		print_line(o->faults[i]);
	}
	return o->false_word ? err_set(e, EX_DATAERR, "The message is not shown")
			     : reading_hand_out(&d->reading, e);
}

static int do_view(struct dialogue *d, struct err *e)
{
	struct mail_choice choice;
	int rc;

	if (ask(d, "Enter the email index you wish to view: ", e) != 0) {
		if (d->ended || e->code != EX_DATAERR) {
			return -1;
		}
		print_line(e->text);
		return 0;
	}
	if (choice_read(&choice, answer(d), e) != 0) {
		print_line("There is no email with this index in the last list");
		return 0;
	}
	choice.as_listed = true;
	d->reading.required = d->account.require_sealed;
	rc = reading_get(&d->reading, d->client, &choice, e);
	if (rc == 0 && d->reading.withheld) {
		rc = err_set(e, EX_DATAERR, "The message is not sealed, and is not shown");
	}
	if (rc == 0 && d->reading.is_sealed) {
		rc = show_sealed(d, e);
	}
	cli_print_end(&d->pieces);
	if (rc == 0) {
		(void)puts("");
	}
	return go_on(d, rc, e);
}

/* --- the menu --- */

/* true with rc when it is time to leave. */
static bool choose(struct dialogue *d, int *rc, struct err *e)
{
	static const struct {
		const char *choice;
		int (*run)(struct dialogue *d, struct err *e);
	} choices[] = {{"1", do_send}, {"2", do_list}, {"3", do_view}};

	(void)fputs(CLASSIC_MENU, stdout);
	if (ask(d, "", e) != 0) {
		(void)puts(""); /* the end of input is the wish to leave, and so is nonsense */
		return true;
	}
	for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
		if (strcmp(answer(d), choices[i].choice) == 0) {
			*rc = choices[i].run(d, e);
			return *rc != 0;
		}
	}
	return true;
}

static int run_menu(struct dialogue *d, struct err *e)
{
	int rc = 0;

	while (!choose(d, &rc, e)) {
	}
	if (rc != 0 && !d->ended) {
		return rc;
	}
	d->client->ops->quit(d->client);
	(void)puts("The connection is terminated with the server.");
	return rc; /* the input that ends inside a letter sent nothing */
}

/* --- login --- */

static int ask_account(struct dialogue *d, struct err *e)
{
	static struct buf server, user;

	if (account_resolve(&d->account, e) != 0) {
		return -1;
	}
	if (d->account.server == NULL) {
		if (ask_copy(d, "Enter the server IP or name: ", &server, e) != 0) {
			return -1;
		}
		d->account.server = (const char *)server.p;
	}
	if (d->account.user == NULL) {
		if (ask_copy(d, "Enter your username: ", &user, e) != 0) {
			return -1;
		}
		d->account.user = (const char *)user.p;
	}
	return 0;
}

static int talk(struct dialogue *d, struct err *e)
{
	if (ask_account(d, e) != 0) {
		return -1;
	}
	if (account_login(&d->account, true, &d->client, e) != 0) {
		if (e->code == EX_NOPERM) {
			(void)puts(CLASSIC_INVALID ".\nTerminating.");
		}
		return -1;
	}
	return run_menu(d, e);
}

APPLET_MAIN(client)
{
	static struct dialogue d;
	const struct mail_taker taker = {.head = put_head, .content = put_content, .arg = &d};
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&d.account),
		{0, "require-sealed", CLI_FLAG, &d.account.require_sealed}};
	struct cli c = {.applet = "client",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n > 0) {
		return cli_usage(&c, "client takes no \"%s\"", c.args[0]);
	}
	cli_protect();
	d.account.applet = c.applet;
	d.cli = &c;
	sealing_begin(&d.sealing, &d.account);
	reading_begin(&d.reading, &d.account, &c, &taker);
	/* the password is read past stdio: nothing of it may wait in a buffer */
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	rc = talk(&d, &e);
	if (rc != 0) {
		(void)fflush(stdout);
		/* of a refused login the founding line is on the screen */
		rc = e.code == EX_NOPERM && d.client == NULL ? EX_NOPERM : cli_fail(&c, &e);
	}
	if (d.client != NULL) {
		d.client->ops->end(d.client);
	}
	sealing_end(&d.sealing);
	reading_end(&d.reading);
	account_free(&d.account);
	buf_free(&d.line);
	return cli_finish(&c, rc);
}
