/* client: the founding menu, for a person. It works in a pipe too: answers are read line by line.
 */
#include "account.h"
#include "content.h"

static const char help[] =
	"usage: smtp361 client [-s HOST[:PORT]] [-u USER] [-k DIR]\n"
	"\n"
	"Log in and work by menu: send, list, view, quit. What no option or environment\n"
	"variable tells is asked for.\n"
	"\n" ACCOUNT_HELP;

struct dialogue {
	struct account account;
	struct classic_client *client;
	struct buf line; /* the last answer without its line end; a NUL follows it */
	bool ended;      /* no more answers will come */
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
	struct buf to, title, content;
	uint64_t chars;
};

static int ask_content(struct dialogue *d, struct letter *l, struct err *e)
{
	if (ask(d, "Would you like to load contents from a file?(Y/N) ", e) != 0) {
		return -1;
	}
	if (answer(d)[0] == 'Y' || answer(d)[0] == 'y') {
		return ask(d, "Enter filename: ", e) != 0
			       ? -1
			       : content_from_file(answer(d), &l->content, &l->chars, e);
	}
	if (ask(d, "Enter message contents: ", e) != 0) {
		return -1;
	}
	if (buf_append(&l->content, d->line.p, d->line.n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return message_check_content(l->content.p, l->content.n, &l->chars, e);
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

/* What the person typed is judged before the server hears of it: a slip costs nothing but the menu.
 */
static int do_send(struct dialogue *d, struct err *e)
{
	struct letter l = {0};
	int rc = ask_letter(d, &l, e);

	if (rc != 0 && !d->ended && e->code != EX_TEMPFAIL) {
		print_line(e->text);
		rc = 0;
	} else if (rc == 0) {
		rc = classic_client_send(d->client, d->account.user, (const char *)l.to.p,
			(const char *)l.title.p, l.content.p, l.content.n, l.chars, e);
		if (rc == 0) {
			(void)puts("The message is sent to the server.");
		} else if (d->client->menu.n > 0) {
			rc = 0; /* rejected: the menu itself says so */
		}
	}
	buf_free(&l.to);
	buf_free(&l.title);
	buf_free(&l.content);
	return rc;
}

/* --- 2 and 3 --- */

static int do_list(struct dialogue *d, struct err *e)
{
	struct buf list = {0};
	int rc = classic_client_list(d->client, &list, e);

	if (rc == 0) {
		cli_print(list.p, list.n);
		(void)puts("");
	}
	buf_free(&list);
	return rc;
}

static int do_view(struct dialogue *d, struct err *e)
{
	struct buf text = {0};
	struct message_head h;
	int rc;

	if (ask(d, "Enter the email index you wish to view: ", e) != 0) {
		if (d->ended || e->code != EX_DATAERR) {
			return -1;
		}
		print_line(e->text);
		return 0;
	}
	/* what is far too long to be an index is none: the server need not see all of it */
	rc = classic_client_view(d->client, d->line.n > 200 ? "?" : answer(d), &text, &h, e);
	if (rc == 0) {
		cli_print(text.p, text.n);
		(void)puts("");
	} else if (e->code == EX_NOINPUT) {
		print_line(e->text);
		rc = 0;
	}
	buf_free(&text);
	return rc;
}

/* --- the menu --- */

/* true with rc when it is time to leave. */
static bool choose(struct dialogue *d, int *rc, struct err *e)
{
	static const struct {
		const char *choice;
		int (*run)(struct dialogue *d, struct err *e);
	} choices[] = {{"1", do_send}, {"2", do_list}, {"3", do_view}};

	cli_print(d->client->menu.p, d->client->menu.n);
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
	classic_client_quit(d->client);
	(void)puts("The connection is terminated with the server.");
	return rc; /* the input that ends inside a letter sent nothing */
}

/* --- login --- */

static int ask_account(struct dialogue *d, uint8_t *password, size_t *n, struct err *e)
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
	return d->account.password_file != NULL
		       ? account_password_file(d->account.password_file, password, n, e)
		       : account_password_ask("Enter your password: ", password, n, e);
}

static int talk(struct dialogue *d, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = ask_account(d, password, &n, e);

	rc = rc == 0 ? account_login(&d->account, d->client, password, n, e) : rc;
	wipe(password, sizeof password);
	if (rc != 0) {
		if (e->code == EX_NOPERM) {
			(void)puts(CLASSIC_INVALID ".\nTerminating.");
		}
		return rc;
	}
	return run_menu(d, e);
}

APPLET_MAIN(client)
{
	static struct dialogue d;
	static struct classic_client client; /* its buffers are too large for the stack */
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&d.account)};
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
	/* the password is read past stdio: nothing of it may wait in a buffer */
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	client.conn.fd = -1;
	d.client = &client;
	rc = talk(&d, &e);
	if (rc != 0) {
		(void)fflush(stdout);
		rc = e.code == EX_NOPERM ? EX_NOPERM : cli_fail(&c, &e);
	}
	classic_client_end(&client);
	account_free(&d.account);
	buf_free(&d.line);
	return cli_finish(&c, rc);
}
