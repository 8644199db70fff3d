/* keygen: key pairs for the server and its users, in the founding names. */
#include "../keys/keyfile.h"
#include "../crypto/file.h"
#include "cli.h"

static const char help[] =
	"usage: smtp361 keygen [-d DIR] [--bits N] [--force] NAME... | --all\n"
	"\n"
	"Make an RSA key pair for each NAME: NAME_private.pem (readable by you alone) and\n"
	"NAME_public.pem. The server's name is \"server\".\n"
	"\n"
	"  -d, --dir DIR   where the files go (.)\n"
	"      --bits N    2048 (as founded), 3072 or 4096\n"
	"      --force     replace a pair that exists; the old key is gone for good\n"
	"      --all       server, client1, client2, client3, client4, client5\n";

static const char *const founding_names[] = {
	"server", "client1", "client2", "client3", "client4", "client5"};

enum { FOUNDING_N = sizeof founding_names / sizeof founding_names[0] };

struct job {
	int dir;
	unsigned bits;
	bool force;
};

static int generate_one(const struct cli *c, const struct job *job, const char *name)
{
	static const char *const words[] = {[KEYFILE_GENERATED] = "made",
		[KEYFILE_COMPLETED] = "public half made from its private half",
		[KEYFILE_REPLACED] = "replaced"};
	char fingerprint[KEYFILE_FINGERPRINT_MAX];
	enum keyfile_made made;
	struct rsa_public public;
	struct err e;

	if (keyfile_generate(job->dir, name, job->bits, job->force, &made, &public, &e) != 0) {
		return cli_fail(c, &e);
	}
	if (keyfile_fingerprint(&public, fingerprint) != 0) {
		err_set(&e, EX_TEMPFAIL, "out of memory");
		return cli_fail(c, &e);
	}
	(void)printf("%s: RSA %zu %s (%s)\n", name, 8 * public.n_len, fingerprint, words[made]);
	return EX_OK;
}

/* What the other side needs next. */
static void tell_next(const struct cli *c, const char *name)
{
	if (strcmp(name, "server") == 0) {
		cli_note(c,
			"next: give server_public.pem to every user; then smtp361 user add NAME");
	} else {
		cli_note(c,
			"next: the server needs %s_public.pem in its folder, "
			"%s needs %s_private.pem and server_public.pem",
			name, name, name);
	}
}

static int generate_all(const struct cli *c, struct job *job, const char *dir_name,
	const char *const *names, size_t n)
{
	struct err e;
	int rc = EX_OK;

	job->dir = file_open_dir(dir_name, &e);
	if (job->dir < 0) {
		return cli_fail(c, &e);
	}
	if (file_lock(job->dir, &e) != 0) {
		rc = cli_fail(c, &e);
	}
	for (size_t i = 0; i < n && rc == EX_OK; i++) {
		rc = generate_one(c, job, names[i]);
	}
	(void)close(job->dir);
	if (rc == EX_OK && n == 1) {
		tell_next(c, names[0]);
	}
	return cli_finish(c, rc);
}

APPLET_MAIN(keygen)
{
	const char *dir = NULL;
	struct job job = {.dir = -1};
	bool all = false;
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &dir},
		{0, "bits", CLI_NUMBER, &job.bits}, {0, "force", CLI_FLAG, &job.force},
		{0, "all", CLI_FLAG, &all}};
	struct cli c = {.applet = "keygen",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);

	if (rc >= 0) {
		return rc;
	}
	if (all == (c.args_n > 0)) {
		return cli_usage(
			&c, all ? "--all and names do not go together" : "no name is given");
	}
	job.bits = job.bits == 0 ? 2048 : job.bits;
	if (job.bits != 2048 && job.bits != 3072 && job.bits != 4096) {
		return cli_usage(&c, "--bits takes 2048, 3072 or 4096, not %u", job.bits);
	}
	for (size_t i = 0; i < c.args_n; i++) {
		if (!user_name_valid(c.args[i])) {
			return cli_usage(
				&c, "\"%s\" is no valid name: 1 to 32 of a-z 0-9 _ -", c.args[i]);
		}
	}
	cli_protect();
	return generate_all(&c, &job, dir == NULL ? "." : dir,
		all ? founding_names : (const char *const *)c.args, all ? FOUNDING_N : c.args_n);
}
