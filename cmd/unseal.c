/* unseal: decrypt an age file. */
#include "age_keys.h"
#include "filter.h"

static const char help[] =
	"usage: smtp361 unseal [-i FILE]... [-u USER] [-k DIR] [-o FILE] [FILE]\n"
	"\n"
	"Open FILE, or stdin, which `smtp361 seal` or age has encrypted to you. To stdout it\n"
	"comes in pieces, each of them authentic: only the exit code 0 tells that it was all.\n"
	"With -o the file appears when it is whole.\n"
	"\n"
	"  -i, --identity FILE  AGE-SECRET-KEY-1... lines, as age-keygen writes them\n"
	"  -u, --user USER      whose USER_x25519_private.pem is in the folder of keys; without\n"
	"                       -i it is who you are ($SMTP361_USER, or the configuration's)\n"
	"  -k, --keys DIR       that folder (the configuration's; or this one)\n"
	"  -o, --output FILE    where to, instead of stdout; - also shows control characters\n"
	"      --force          replace a file of that name\n"
	"-i can be repeated. Exit codes: 65 it was changed or cut, or is no such file; 77 none of\n"
	"the identities opens it.\n";

struct job {
	struct cli *c;
	struct cli_list files;
	struct account account;
	struct filter filter;
	struct age_keys_identities own;
	struct age_open open;
};

/* The files of -i; the user's key where they are none, or -u names it. */
static int find_identities(struct job *j, struct err *e)
{
	bool user = j->files.n == 0 || j->account.user != NULL;

	for (size_t i = 0; i < j->files.n; i++) {
		if (age_keys_identify(&j->own, j->files.items[i], e) != 0) {
			return -1;
		}
	}
	if (!user) {
		return 0;
	}
	if (account_resolve(&j->account, e) != 0) {
		return -1;
	}
	if (j->account.user == NULL) {
		err_set(e, EX_USAGE, "no identity is given");
		return err_hint(e, "-i FILE, or -u USER; or smtp361 join");
	}
	return age_keys_identify_user(&j->own, j->account.keys, j->account.user, e);
}

static int put(void *arg, const void *p, size_t n, struct err *e)
{
	return age_open_write(arg, p, n, e);
}

static int unseal(struct job *j, struct err *e)
{
	const struct age_sink opening = {put, &j->open};
	int rc;

	age_open_begin(&j->open, j->own.keys, j->own.n, AGE_EITHER, filter_out(&j->filter));
	j->open.stream.batch = &j->filter.batch;
	rc = filter_run(&j->filter, &opening, e);
	rc = rc == 0 ? age_open_end(&j->open, e) : rc;
	if (rc != 0 && j->open.fault != AGE_SOUND && j->open.fault != AGE_OTHER) {
		err_prefix(e, "cannot unseal %s", filter_input(&j->filter));
		if (j->open.stream.number > 0 && j->filter.to.stream) {
			err_hint(e, "what was written of it is authentic, but not all of it");
		}
	}
	return rc;
}

static int run(struct job *j)
{
	struct err e;
	bool whole;

	cli_protect();
	if (x25519_self_check(&e) != 0 || find_identities(j, &e) != 0 ||
		filter_open(&j->filter, &e) != 0) {
		return cli_fail(j->c, &e);
	}
	whole = unseal(j, &e) == 0;
	age_open_wipe(&j->open);
	return filter_close(&j->filter, whole, &e) == 0 && whole ? EX_OK : cli_fail(j->c, &e);
}

static int start(struct job *j)
{
	struct cli *c = j->c;
	int rc;

	if (c->args_n > 1) {
		return cli_usage(c, "unseal takes one FILE");
	}
	j->filter.input = c->args_n == 1 ? c->args[0] : NULL;
	if (j->filter.force && j->filter.output == NULL) {
		return cli_usage(c, "--force takes --output");
	}
	rc = run(j);
	wipe(&j->own, sizeof j->own);
	return rc;
}

APPLET_MAIN(unseal)
{
	static struct job j;
	const struct cli_option options[] = {{'i', "identity", CLI_LIST, &j.files},
		{'u', "user", CLI_TEXT, &j.account.user}, {'k', "keys", CLI_TEXT, &j.account.keys},
		{'o', "output", CLI_TEXT, &j.filter.output},
		{0, "force", CLI_FLAG, &j.filter.force}};
	struct cli c = {.applet = "unseal",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);

	if (rc >= 0) {
		return rc;
	}
	j.c = &c;
	rc = start(&j);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
