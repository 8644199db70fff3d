/* rm: remove files that one has on the server. */
#include "remote.h"

static const char help[] =
	"usage: smtp361 rm NAME|USER/NAME...\n"
	"\n"
	"Remove files of yours from the server, or with USER/NAME what USER has handed to you,\n"
	"as `smtp361 ls` names them; what broke off of such a name goes, too. Others to whom\n"
	"you have handed a file keep it. It needs the enhanced protocol.\n"
	"\n" ACCOUNT_HELP;

/* Each by itself: what is not there keeps no other one here. The first code that was not 0. */
static int remove_all(
	const struct cli *c, struct mail_client *client, const struct remote_name *names)
{
	int code = EX_OK;
	struct err e;

	for (size_t i = 0; i < c->args_n && (i == 0 || client->alive); i++) {
		if (enhanced_files_remove(client, remote_from(&names[i]), names[i].name, &e) != 0) {
			int failed = cli_fail(c, &e);
			code = code == EX_OK ? failed : code;
		}
	}
	return code;
}

static int run(const struct cli *c, struct account *a, struct remote_name *names)
{
	struct mail_client *client;
	struct err e;
	int rc;

	for (size_t i = 0; i < c->args_n; i++) {
		if (remote_read_name(c->args[i], &names[i], &e) != 0) {
			return cli_fail(c, &e);
		}
	}
	if (remote_open(a, &client, &e) != 0) {
		return cli_fail(c, &e);
	}
	rc = remove_all(c, client, names);
	remote_close(client);
	return rc;
}

APPLET_MAIN(rm)
{
	static struct account a;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&a)};
	struct cli c = {.applet = "rm",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct remote_name *names;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n == 0) {
		return cli_usage(&c, "NAME, or USER/NAME");
	}
	cli_protect();
	a.applet = c.applet;
	names = calloc(c.args_n, sizeof *names);
	if (names == NULL) {
		struct err e;
		err_set(&e, EX_TEMPFAIL, "out of memory");
		rc = cli_fail(&c, &e);
	} else {
		rc = run(&c, &a, names);
	}
	free(names);
	account_free(&a);
	return cli_finish(&c, rc);
}
