/* keygen: key pairs for the server and its users, in the founding names. */
#include "../keys/keyfile.h"
#include "../crypto/file.h"
#include "cli.h"

static const char help[] =
	"usage: smtp361 keygen [-d DIR] [--only KIND] [--bits N] [--force] NAME... | --all\n"
	"\n"
	"Make two key pairs for each NAME. RSA, for the classic protocol: NAME_private.pem\n"
	"(readable by you alone) and NAME_public.pem. X25519, for the enhanced protocol:\n"
	"NAME_x25519_private.pem and NAME_x25519_public.pem. A pair that is there is kept, and\n"
	"the other made. The server's name is \"server\".\n"
	"\n"
	"  -d, --dir DIR     where the files go (.)\n"
	"      --only KIND   make one kind of pair: rsa or x25519\n"
	"      --bits N      of RSA: 2048 (as founded), 3072 or 4096\n"
	"      --force       replace pairs that exist; the old keys are gone for good\n"
	"      --all         server, client1, client2, client3, client4, client5\n";

static const char *const founding_names[] = {
	"server", "client1", "client2", "client3", "client4", "client5"};

enum { FOUNDING_N = sizeof founding_names / sizeof founding_names[0] };

struct job {
	int dir;
	unsigned bits;
	bool force;
	bool want[KEYFILE_KINDS];
};

static const char *const made_words[] = {[KEYFILE_GENERATED] = "made",
	[KEYFILE_COMPLETED] = "public half made from its private half",
	[KEYFILE_REPLACED] = "replaced"};

/* Make the pair, or only look at one that is kept, and print its line. */
static int do_rsa(const struct job *job, const char *name, bool keep, struct err *e)
{
	char fingerprint[KEYFILE_FINGERPRINT_MAX];
	enum keyfile_made made = KEYFILE_GENERATED;
	struct rsa_public public;
	int rc = keep ? keyfile_load_public(job->dir, name, &public, e)
		      : keyfile_generate(job->dir, name, job->bits, job->force, &made, &public, e);

	if (rc == 0 && keyfile_fingerprint(&public, fingerprint) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (rc == 0) {
		(void)printf("%s: RSA %zu %s (%s)\n", name, 8 * public.n_len, fingerprint,
			keep ? "kept" : made_words[made]);
	}
	return rc;
}

static int do_x25519(const struct job *job, const char *name, bool keep, struct err *e)
{
	char fingerprint[KEYFILE_FINGERPRINT_MAX];
	enum keyfile_made made = KEYFILE_GENERATED;
	uint8_t public[X25519_BYTES];
	int rc = keep ? keyfile_load_x25519_public(job->dir, name, public, e)
		      : keyfile_generate_x25519(job->dir, name, job->force, &made, public, e);

	if (rc == 0 && keyfile_x25519_fingerprint(public, fingerprint) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (rc == 0) {
		(void)printf("%s: X25519 %s (%s)\n", name, fingerprint,
			keep ? "kept" : made_words[made]);
	}
	return rc;
}

static int (*const do_kind[KEYFILE_KINDS])(const struct job *job, const char *name, bool keep,
	struct err *e) = {[KEYFILE_RSA] = do_rsa, [KEYFILE_X25519] = do_x25519};

/* A whole pair is kept, unless it is to be replaced. */
static bool keeps(const struct job *job, enum keyfile_state state)
{
	return state == KEYFILE_WHOLE && !job->force;
}

/* Look at what stands there of the pairs wanted. If all are whole, nothing is to be made: the first
 * is refused. */
static int look(const struct job *job, const char *name, enum keyfile_state *state, struct err *e)
{
	size_t wanted = 0, kept = 0, first = 0;

	for (size_t k = 0; k < KEYFILE_KINDS; k++) {
		if (!job->want[k]) {
			continue;
		}
		if (keyfile_look(job->dir, name, (enum keyfile_kind)k, &state[k], e) != 0) {
			return -1;
		}
		first = wanted++ == 0 ? k : first;
		kept += keeps(job, state[k]) ? 1 : 0;
	}
	return kept == wanted ? do_kind[first](job, name, false, e) : 0;
}

/* What stands there comes first: if it cannot be used, or is a public half alone and so somebody
 * else's, nothing new is made beside it. */
static int generate_one(const struct cli *c, const struct job *job, const char *name)
{
	enum keyfile_state state[KEYFILE_KINDS];
	struct err e;

	if (look(job, name, state, &e) != 0) {
		return cli_fail(c, &e);
	}
	for (int missing = 0; missing <= 1; missing++) {
		for (size_t k = 0; k < KEYFILE_KINDS; k++) {
			if (job->want[k] && (state[k] == KEYFILE_NONE) == missing &&
				do_kind[k](job, name, keeps(job, state[k]), &e) != 0) {
				return cli_fail(c, &e);
			}
		}
	}
	return EX_OK;
}

/* What the other side needs next. */
static void tell_next(const struct cli *c, const struct job *job, const char *name)
{
	bool rsa = job->want[KEYFILE_RSA], x25519 = job->want[KEYFILE_X25519];

	if (strcmp(name, "server") == 0) {
		if (x25519) {
			cli_note(c,
				"next: give server_x25519_public.pem%s to every user, or simply: "
				"smtp361 user invite NAME",
				rsa ? " (and server_public.pem for the classic protocol)" : "");
		} else {
			cli_note(c, "next: give server_public.pem to every user; then smtp361 user "
				    "add NAME");
		}
		return;
	}
	if (x25519) {
		cli_note(c,
			"next: the server needs %s_x25519_public.pem in its folder, "
			"%s needs %s_x25519_private.pem and server_x25519_public.pem",
			name, name, name);
	}
	if (rsa) {
		cli_note(c,
			"%s: the server needs %s_public.pem in its folder, "
			"%s needs %s_private.pem and server_public.pem",
			x25519 ? "for the classic protocol" : "next", name, name, name);
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
		tell_next(c, job, names[0]);
	}
	return cli_finish(c, rc);
}

/* --only and --bits, judged. -1 go on, or the exit code. */
static int judge(const struct cli *c, struct job *job, const char *only)
{
	bool all = only == NULL;

	job->want[KEYFILE_RSA] = all || strcmp(only, "rsa") == 0;
	job->want[KEYFILE_X25519] = all || strcmp(only, "x25519") == 0;
	if (!job->want[KEYFILE_RSA] && !job->want[KEYFILE_X25519]) {
		return cli_usage(c, "--only takes rsa or x25519, not \"%s\"", only);
	}
	if (!job->want[KEYFILE_RSA] && job->bits != 0) {
		return cli_usage(c, "--bits goes with RSA keys, not with --only x25519");
	}
	job->bits = job->bits == 0 ? 2048 : job->bits;
	if (job->bits != 2048 && job->bits != 3072 && job->bits != 4096) {
		return cli_usage(c, "--bits takes 2048, 3072 or 4096, not %u", job->bits);
	}
	return -1;
}

static int judge_names(const struct cli *c)
{
	for (size_t i = 0; i < c->args_n; i++) {
		if (!user_name_valid(c->args[i])) {
			return cli_usage(
				c, "\"%s\" is no valid name: 1 to 32 of a-z 0-9 _ -", c->args[i]);
		}
		if (!keyfile_name_valid(c->args[i])) {
			return cli_usage(c, "\"%s\" is no name for keys: it ends in \"_x25519\"",
				c->args[i]);
		}
	}
	return -1;
}

APPLET_MAIN(keygen)
{
	const char *dir = NULL, *only = NULL;
	struct job job = {.dir = -1};
	bool all = false;
	struct err e;
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &dir},
		{0, "only", CLI_TEXT, &only}, {0, "bits", CLI_NUMBER, &job.bits},
		{0, "force", CLI_FLAG, &job.force}, {0, "all", CLI_FLAG, &all}};
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
	rc = judge(&c, &job, only);
	rc = rc < 0 ? judge_names(&c) : rc;
	if (rc >= 0) {
		return rc;
	}
	if (job.want[KEYFILE_X25519] && x25519_self_check(&e) != 0) {
		return cli_fail(&c, &e);
	}
	cli_protect();
	return generate_all(&c, &job, dir == NULL ? "." : dir,
		all ? founding_names : (const char *const *)c.args, all ? FOUNDING_N : c.args_n);
}
