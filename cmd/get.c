/* get: a file from the server, one's own or one that was handed over. */
#include "remote.h"
#include "sum.h"

static const char help[] =
	"usage: smtp361 get NAME|USER/NAME [-o FILE] [--force] [--resume]\n"
	"\n"
	"Get a file of yours from the server, or with USER/NAME one that USER has handed to\n"
	"you, as `smtp361 ls` names it. It is there under its name when it is whole, and not\n"
	"before. It needs the enhanced protocol.\n"
	"\n"
	"  -o, --output FILE          where to (NAME in this folder); - is stdout\n"
	"      --force                replace a file of that name here\n"
	"      --resume               go on with what an earlier try left, if it is the\n"
	"                             beginning of this file\n"
	"      --sum                  print the SHA-256, as `sha256sum -c` takes it\n" ACCOUNT_HELP;

struct job {
	const struct cli *c;
	struct account account;
	const char *output;
	bool force, resume, sum, piped;
	struct remote_name name;
	struct landing to;
	struct ft_job ft;
	struct remote_progress progress;
};

static int get(struct job *j, struct err *e)
{
	struct mail_client *client;
	int rc = remote_open(&j->account, &client, e);

	if (rc == 0) {
		remote_progress_begin(&j->progress, &j->ft);
		rc = enhanced_files_get(client, &j->ft, remote_from(&j->name), e);
		progress_clear(&j->progress.line);
		remote_close(client);
	}
	return rc;
}

static int run(struct job *j, struct err *e)
{
	int rc = 0;

	if (j->piped) {
		landing_stream(&j->to, STDOUT_FILENO);
	} else {
		rc = landing_open_path(
			&j->to, j->output, j->force ? FILE_REPLACE : FILE_NEW, j->resume, e);
	}
	if (rc == 0) {
		rc = get(j, e);
		if (landing_end(&j->to, rc != 0)) {
			err_hint(e, "what came is kept: --resume goes on behind it");
		}
	}
	return rc;
}

static int start(struct job *j)
{
	const struct cli *c = j->c;
	struct err e;

	if (c->args_n != 1) {
		return cli_usage(c, "get takes one NAME");
	}
	j->piped = j->output != NULL && strcmp(j->output, "-") == 0;
	if (j->piped && (j->resume || j->force)) {
		return cli_usage(c, "%s takes a file: a pipe keeps nothing",
			j->resume ? "--resume" : "--force");
	}
	if (remote_check(&j->account, &e) != 0 || remote_read_name(c->args[0], &j->name, &e) != 0) {
		return cli_fail(c, &e);
	}
	j->output = j->output == NULL ? j->name.name : j->output;
	j->ft = (struct ft_job){
		.to = &j->to, .name = j->name.name, .resume = j->resume, .sum = j->sum};
	cli_protect();
	j->account.applet = c->applet;
	if (run(j, &e) != 0) {
		return cli_fail(c, &e);
	}
	if (j->ft.refused_part) {
		cli_note(c, "what an earlier try left was not the beginning of this file: all of "
			    "it came");
	}
	if (j->sum) {
		sum_print(j->piped ? stderr : stdout, j->ft.digest,
			j->piped ? j->ft.name : j->output);
	}
	return EX_OK;
}

APPLET_MAIN(get)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{'o', "output", CLI_TEXT, &j.output}, {0, "force", CLI_FLAG, &j.force},
		{0, "resume", CLI_FLAG, &j.resume}, {0, "sum", CLI_FLAG, &j.sum}};
	struct cli c = {.applet = "get",
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
