/* ft: read a file from a file server, or write one to it, by a shared key. */
#include <fcntl.h>

#include "../crypto/x25519.h"
#include "cli.h"
#include "key_source.h"
#include "progress.h"
#include "sum.h"

static const char help[] =
	"usage: smtp361 ft read|write NAME HOST[:PORT] [none|aes128|aes256|noise] [KEYSOURCE]\n"
	"\n"
	"Read the file NAME from an `ftserve` to stdout, or write it there from stdin. Both\n"
	"know one key. noise, the default, proves that to both, hides and protects every byte,\n"
	"and goes on with what was broken off; the others are the founding protocol, kept to\n"
	"be studied: whoever sits between the two can read or change what they carry.\n"
	"\n"
	"  -o, --output FILE           read into FILE, which appears only when it is whole\n"
	"  -i, --input FILE            write from FILE\n"
	"      --force                 replace what has that name already\n"
	"      --resume                go on with what an earlier try left, if it is the\n"
	"                              beginning of this file (with noise)\n"
	"      --sum                   print the SHA-256, as `sha256sum -c` takes it\n"
	"      --insecure-key-argument KEYSOURCE is the key itself\n"
	"  -q, --quiet                 say nothing of a success\n"
	"  -v, --verbose               tell what is verified, and what an onlooker sees\n"
	"\n" KEY_SOURCE_HELP ", or a prompt.\n"
	"A folder goes through a pipe, and back:\n"
	"  tar c FOLDER | smtp361 ft write FOLDER.tar HOST\n"
	"  smtp361 ft read FOLDER.tar HOST | tar x\n";

struct job {
	struct cli *c;
	const char *output, *input; /* NULL: stdout, stdin */
	bool resume, force, sum, bare, quiet, verbose;
	const char *key;
	struct ft_login login;
	struct ft_secret secret;
	struct ft_job ft;
	struct source from;
	struct landing to;
	struct progress progress;
	char host[CONN_HOST_MAX], port[8];
};

/* What stands in it may be a peer's. */
static void trace(void *arg, const char *line)
{
	char shown[2048];

	(void)arg;
	(void)escape_text(shown, sizeof shown, line, strlen(line), false);
	(void)fprintf(stderr, "%s\n", shown);
}

static void tell(void *arg, uint64_t done, uint64_t total)
{
	struct job *j = arg;

	if (j->progress.total != total || (j->progress.before == 0 && j->ft.begun_at > 0)) {
		j->progress.total = total;
		j->progress.before = j->ft.begun_at;
	}
	progress_tell(&j->progress, done);
}

/* A founding line. What stands in it may be a peer's. */
static void say(const char *format, const char *text)
{
	char shown[1024];

	(void)escape_text(shown, sizeof shown, text, strlen(text), false);
	(void)fputs("!! ", stderr);
	(void)fprintf(stderr, format, shown);
	(void)fputc('\n', stderr);
}

static void say_arguments(const struct job *j)
{
	(void)fputs("!! Client starting. Arguments:\n", stderr);
	say("\thost: %s", j->host);
	say("\tport: %s", j->port);
	say("\tcommand: %s", j->ft.sends ? "write" : "read");
	say("\tfilename: %s", j->ft.name);
	say("\tcipher: %s", ft_cipher_name(j->login.cipher));
	say("\tkey: %s", j->login.secret == NULL ? "none" : "not shown");
}

/* --- options --- */

static const char *pipe_as_null(const char *file)
{
	return file != NULL && strcmp(file, "-") == 0 ? NULL : file;
}

static int misused(struct job *j)
{
	const struct cli *c = j->c;
	bool founding = j->login.cipher != FT_NOISE;

	if (j->ft.sends && j->output != NULL) {
		return cli_usage(c, "--output is for read");
	}
	if (!j->ft.sends && j->input != NULL) {
		return cli_usage(c, "--input is for write");
	}
	j->output = pipe_as_null(j->output);
	j->input = pipe_as_null(j->input);
	if (j->resume && founding) {
		return cli_usage(c, "--resume takes noise: %s proves nothing of what there is",
			ft_cipher_name(j->login.cipher));
	}
	if (j->resume && !j->ft.sends && j->output == NULL) {
		return cli_usage(c, "--resume takes --output: a pipe keeps nothing");
	}
	if (j->force && founding) {
		return cli_usage(c, "--force takes noise: the founding protocol has no such word");
	}
	if (j->force && !j->ft.sends && j->output == NULL) {
		return cli_usage(c, "--force is for write, or takes --output");
	}
	if (j->ft.sends && j->input == NULL && isatty(STDIN_FILENO) == 1) {
		return cli_usage(c, "write reads the file from stdin, or takes --input");
	}
	return EX_OK;
}

/* read|write NAME HOST[:PORT] [CIPHER] [KEYSOURCE]. EX_OK or the exit code. */
static int take_operands(struct job *j)
{
	struct cli *c = j->c;
	size_t at = 3;
	struct err e;

	if (c->args_n < 3 || c->args_n > 5) {
		return cli_usage(c, "ft takes read or write, NAME, and HOST[:PORT]");
	}
	j->ft.sends = strcmp(c->args[0], "write") == 0;
	if (!j->ft.sends && strcmp(c->args[0], "read") != 0) {
		return cli_usage(c, "\"%.32s\" is neither read nor write", c->args[0]);
	}
	j->ft.name = c->args[1];
	if (landing_check_name(j->ft.name, strlen(j->ft.name), &e) != 0 ||
		conn_split_port(c->args[2], FT_DEFAULT_PORT, j->host, j->port, &e) != 0) {
		return cli_fail(c, &e);
	}
	j->login.cipher = FT_NOISE;
	if (c->args_n > at && ft_cipher_find(c->args[at], &j->login.cipher)) {
		at++;
	} else if (c->args_n == 5) {
		/* it may be the key, in the wrong place: it is not repeated here */
		return cli_usage(c, "a CIPHER is none, aes128, aes256 or noise, and KEYSOURCE "
				    "stands behind it");
	}
	j->key = c->args_n > at ? c->args[at++] : NULL;
	if (c->args_n > at) {
		return cli_usage(c, "that is too much");
	}
	return misused(j);
}

static int load_key(struct job *j, struct err *e)
{
	int rc;

	if (j->login.cipher == FT_NONE) {
		return 0;
	}
	rc = key_source_read(j->key, j->bare, !j->ft.sends || j->input != NULL, &j->secret, e);
	if (rc > 0) {
		err_set(e, EX_USAGE, "there is no key");
		return err_hint(e, "file:FILE, fd:NUMBER, env:NAME or prompt as the last argument, "
				   "or $SMTP361_FT_KEY");
	}
	j->login.secret = &j->secret;
	return rc;
}

/* --- the files --- */

static int open_files(struct job *j, struct err *e)
{
	int rc, fd;

	if (j->ft.sends) {
		j->ft.from = &j->from;
		if (j->input == NULL) {
			return source_over(&j->from, STDIN_FILENO, e);
		}
		fd = open(j->input, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0) {
			return err_sys(e, EX_NOINPUT, "cannot open %s", j->input);
		}
		rc = source_over(&j->from, fd, e);
		j->from.owned = rc == 0;
		return rc;
	}
	j->ft.to = &j->to;
	if (j->output == NULL) {
		landing_stream(&j->to, STDOUT_FILENO);
		return 0;
	}
	return landing_open_path(
		&j->to, j->output, j->force ? FILE_REPLACE : FILE_NEW, j->resume, e);
}

/* Is what came kept, to go on with? Only with noise is every byte of it proven to be the file's. */
static bool close_files(struct job *j, bool failed)
{
	if (j->ft.sends) {
		source_close(&j->from);
		return false;
	}
	return landing_end(&j->to, failed && j->login.cipher == FT_NOISE);
}

/* --- the transfer --- */

static void report(const struct job *j)
{
	char hex[FT_CHECKSUM];

	if (j->ft.refused_part) {
		cli_note(j->c, "what an earlier try left was not the beginning of this file: "
			       "all of it was moved");
	}
	if (!j->quiet) {
		ft_checksum(&j->ft, j->login.cipher == FT_NOISE, hex);
		say(j->ft.sends ? "File sent, checksum: %s" : "File confirmed, checksum: %s", hex);
	}
	if (!j->quiet && j->ft.sends) {
		say("Finished writing %s to server", j->ft.name);
	}
	if (j->sum) {
		bool piped = !j->ft.sends && j->to.stream;
		const char *name = j->ft.sends ? j->input : !j->to.stream ? j->output : NULL;
		sum_print(piped ? stderr : stdout, j->ft.digest, name == NULL ? j->ft.name : name);
	}
}

static int transfer(struct job *j, struct err *e)
{
	struct conn c;
	int rc = conn_dial(&c, j->host, j->port, e);

	if (rc != 0) {
		return -1;
	}
	conn_be_patient(&c);
	if (j->verbose) {
		say_arguments(j);
	}
	if (!j->quiet) {
		say(j->ft.sends ? "Sending file..." : "Receiving file...", "");
	}
	rc = j->login.cipher == FT_NOISE ? ft_noise_run(&c, &j->login, &j->ft, e)
					 : ft_founding_run(&c, &j->login, &j->ft, e);
	conn_close(&c);
	return rc;
}

static int run(struct job *j)
{
	struct err e;

	if (load_key(j, &e) != 0 || open_files(j, &e) != 0) {
		return cli_fail(j->c, &e);
	}
	if (j->resume && j->ft.sends && !j->from.regular) {
		source_close(&j->from);
		return cli_usage(
			j->c, "--resume takes a file: a pipe cannot be begun in its midst");
	}
	j->ft.force = j->force;
	j->ft.resume = j->resume;
	j->ft.sum = j->sum;
	j->ft.progress = tell;
	j->ft.progress_arg = j;
	progress_begin(&j->progress, j->ft.name, NULL, 0);
	if (transfer(j, &e) != 0) {
		progress_clear(&j->progress);
		if (close_files(j, true)) {
			err_hint(&e, "what came is kept: --resume goes on behind it");
		}
		return cli_fail(j->c, &e);
	}
	progress_clear(&j->progress);
	report(j);
	(void)close_files(j, false);
	return EX_OK;
}

APPLET_MAIN(ft)
{
	static struct job j;
	const struct cli_option options[] = {{'o', "output", CLI_TEXT, &j.output},
		{'i', "input", CLI_TEXT, &j.input}, {0, "force", CLI_FLAG, &j.force},
		{0, "resume", CLI_FLAG, &j.resume}, {0, "sum", CLI_FLAG, &j.sum},
		{0, "insecure-key-argument", CLI_FLAG, &j.bare}, {'q', "quiet", CLI_FLAG, &j.quiet},
		{'v', "verbose", CLI_FLAG, &j.verbose}};
	struct cli c = {.applet = "ft",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	j.c = &c;
	rc = take_operands(&j);
	if (rc != EX_OK) {
		return rc;
	}
	cli_protect();
	if (x25519_self_check(&e) != 0) {
		return cli_fail(&c, &e);
	}
	j.login.trace = j.verbose ? trace : NULL;
	rc = run(&j);
	wipe(&j.secret, sizeof j.secret);
	return cli_finish(&c, rc);
}
