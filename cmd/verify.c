/* verify: two people compare a short code, and know then that the server gave each the other's
 * keys. */
#include "remote.h"
#include "trust.h"

static const char help[] =
	"usage: smtp361 verify [--code CODE | --offline] NAME\n"
	"\n"
	"Make sure that NAME's keys are NAME's. Both of you run it, each with the other's name,\n"
	"and compare the 30 digits aloud, face to face or in any way but over this server. If\n"
	"they are the same, nobody stands between you: NAME is marked verified. On a terminal\n"
	"you are asked; elsewhere the digits are printed. Where NAME has other keys than the\n"
	"ones that are pinned, the digits are those of the new ones: to confirm them is to accept\n"
	"them.\n"
	"\n"
	"      --code CODE   NAME's digits: marked verified if they are the same, or else 65\n"
	"      --offline     ask no server: use the keys that are pinned\n" ACCOUNT_HELP;

enum { CODE_DIGITS = 30 };

struct job {
	const struct cli *c;
	struct account account;
	struct trust own;
	const char *name, *given;
	bool offline;
	struct known_keys keys; /* NAME's */
	bool verified;          /* so far */
	bool changed;           /* they are other ones than those that are pinned, */
	bool confirmed;         /* and were confirmed now */
	char code[KNOWN_CODE_TEXT];
};

/* The digits of a code, however it is grouped. 0, or -1. */
static int read_digits(char out[static CODE_DIGITS], const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text >= '0' && *text <= '9') {
			if (n == CODE_DIGITS) {
				return -1;
			}
			out[n++] = *text;
		} else if (*text != ' ' && *text != '-') {
			return -1;
		}
	}
	return n == CODE_DIGITS ? 0 : -1;
}

/* What the server shows; what we show, it must have, too, or the other one has no code. */
static int ask_server(struct job *j, struct err *e)
{
	struct known_member m = {.verified = false};
	struct members_row row;
	struct mail_client *c;
	int rc;

	if (remote_open(&j->account, &c, e) != 0) {
		return -1;
	}
	rc = trust_publish(&j->own, c, e);
	rc = rc == 0 ? enhanced_members_get(c, j->name, &row, e) : rc;
	remote_close(c);
	if (rc == 0 && !row.has_keys) {
		rc = err_set(e, EX_NOUSER, "the server has no key of %s", j->name);
	}
	if (rc != 0) {
		return -1;
	}
	j->keys = row.keys;
	rc = trust_see(&j->own, j->name, &row.keys, "the server", &m, e);
	j->changed = rc != 0 && e->code == EX_NOPERM;
	if (rc == 0) {
		j->keys = m.keys;
		j->verified = m.verified;
	}
	return rc == 0 || j->changed ? 0 : -1;
}

static int find_keys(struct job *j, struct err *e)
{
	struct known_member m;

	if (!j->offline && j->account.server != NULL) {
		return ask_server(j, e);
	}
	if (trust_member(&j->own, NULL, j->name, &m, e) != 0) {
		return -1;
	}
	j->keys = m.keys;
	j->verified = m.verified;
	return 0;
}

static int differ(const struct job *j, struct err *e)
{
	err_set(e, EX_DATAERR, "the codes differ: %s does not have these keys, or not yours",
		j->name);
	return err_hint(e,
		"do not trust what is sealed to %s or comes from %s; run verify on both sides "
		"again, and ask the operator",
		j->name, j->name);
}

static int confirm(struct job *j, struct err *e)
{
	if (known_accept(j->own.keys, j->name, &j->keys, true, e) != 0) {
		return -1;
	}
	j->confirmed = true;
	(void)printf("%s: verified\n", j->name);
	return 0;
}

/* -1 is also: not confirmed. */
static int ask(struct job *j, struct err *e)
{
	char answer[16] = "";

	(void)printf("Your code with %s is\n\n    %s\n\n%sIs it the same as %s's? [yes/no] ",
		j->name, j->code, j->verified ? "You have verified it before. " : "", j->name);
	(void)fflush(stdout);
	if (fgets(answer, sizeof answer, stdin) == NULL) {
		(void)puts("");
		return err_set(e, EX_NOINPUT, "nothing was answered: nothing was changed");
	}
	if (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0) {
		return confirm(j, e);
	}
	return strcmp(answer, "no\n") == 0 || strcmp(answer, "n\n") == 0
		       ? differ(j, e)
		       : err_set(e, EX_DATAERR, "neither yes nor no: nothing was changed");
}

static int compare(struct job *j, struct err *e)
{
	struct known_keys ours = trust_keys(&j->own);
	char given[CODE_DIGITS], own[CODE_DIGITS];
	bool terminal = isatty(STDIN_FILENO) == 1 && cli_is_terminal();

	if (!j->keys.signs) {
		err_set(e, EX_UNAVAILABLE, "%s has no signing key yet", j->name);
		return err_hint(e, "%s runs: smtp361 verify %s", j->name, j->own.name);
	}
	if (known_code(j->code, j->own.name, &ours, j->name, &j->keys, e) != 0) {
		return -1;
	}
	if (j->given != NULL) {
		(void)read_digits(given, j->given);
		(void)read_digits(own, j->code);
		return ct_eq(given, own, sizeof own) ? confirm(j, e) : differ(j, e);
	}
	if (terminal) {
		return ask(j, e);
	}
	(void)printf("%s\n", j->code);
	return 0;
}

static int run(struct job *j)
{
	struct err e = {0}, why;
	int rc = remote_check(&j->account, &e);

	if (rc == 0) {
		rc = trust_own(&j->account, &j->own, &e);
		if (rc == 0 && strcmp(j->name, j->own.name) == 0) {
			rc = err_set(&e, EX_DATAERR, "%s is yourself", j->name);
		}
		rc = rc == 0 ? find_keys(j, &e) : rc;
		why = e;
		rc = rc == 0 ? compare(j, &e) : rc;
		if ((rc == 0 || !j->keys.signs) && j->changed && !j->confirmed) {
			e = why; /* whether or not there are digits, the warning stands */
			rc = -1;
		}
		trust_end(&j->own);
	}
	return rc == 0 ? EX_OK : cli_fail(j->c, &e);
}

APPLET_MAIN(verify)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "code", CLI_TEXT, &j.given}, {0, "offline", CLI_FLAG, &j.offline}};
	struct cli c = {.applet = "verify",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	char digits[CODE_DIGITS];

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n != 1) {
		return cli_usage(&c, "one NAME is needed");
	}
	if (j.given != NULL && read_digits(digits, j.given) != 0) {
		return cli_usage(&c, "--code takes %d digits", CODE_DIGITS);
	}
	cli_protect();
	j.c = &c;
	j.account.applet = c.applet;
	j.name = c.args[0];
	rc = run(&j);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
