/* keygen: key pairs for the server and its users, in the founding names. */
#include "../keys/keyfile.h"
#include "../crypto/file.h"
#include "../crypto/sshsig.h"
#include "cli.h"
#include "keygen_age.h"
#include "keygen_ssh.h"
#include "keygen_tls.h"

static const char help[] =
	"usage: smtp361 keygen [-d DIR] [--only KIND] [--bits N] [--force] NAME... | --all\n"
	"       smtp361 keygen [-d DIR] [--days N] [--bits N] [--force] --tls NAME[,NAME...]\n"
	"       smtp361 keygen [-d DIR] --age [--secret | --import FILE [--force]] NAME\n"
	"       smtp361 keygen [-d DIR] --ssh | --allowed-signers NAME\n"
	"\n"
	"Make three key pairs for each NAME. RSA, for the classic protocol: NAME_private.pem\n"
	"(readable by you alone) and NAME_public.pem. X25519, for the enhanced protocol and for\n"
	"sealing: NAME_x25519_private.pem and NAME_x25519_public.pem. P-256, which signs:\n"
	"NAME_p256_private.pem and NAME_p256_public.pem. Pairs that are there are kept, and the\n"
	"others made. The server's name is \"server\": it signs nothing, and has two.\n"
	"\n"
	"With --tls, make a certificate for TLS, signed by its own key: server_tls_cert.pem and\n"
	"server_tls_key.pem. NAMEs are the server's host names and IP addresses.\n"
	"\n"
	"With --age, print NAME's X25519 key as age has it (age1...), for `smtp361 seal -r`.\n"
	"With --ssh, print NAME's P-256 key as OpenSSH has it; with --allowed-signers, as a line\n"
	"that `ssh-keygen -Y verify -I NAME -f FILE` takes for what NAME has signed.\n"
	"\n"
	"  -d, --dir DIR     where the files go (.); a key that is to be printed and is not there\n"
	"                    is taken from the configuration's folder of keys\n"
	"      --only KIND   make one kind of pair: rsa, x25519 or p256\n"
	"      --bits N      of RSA: 2048 (as founded), 3072 or 4096; the key of a certificate\n"
	"                    is EC P-256 without it\n"
	"      --days N      a certificate is valid so long (3652: ten years)\n"
	"      --force       replace pairs that exist; the old keys are gone for good\n"
	"      --tls NAMES   make a certificate\n"
	"      --age         print the key in age's form\n"
	"      --secret      the private one, as an identity file for `age -d -i`\n"
	"      --import FILE make NAME's pair of the one that is in such a file\n"
	"      --ssh         print the signing key in OpenSSH's form\n"
	"      --allowed-signers  the same, as who may sign mail and chat\n"
	"      --all         server, client1, client2, client3, client4, client5\n";

static const char *const founding_names[] = {
	"server", "client1", "client2", "client3", "client4", "client5"};

enum { FOUNDING_N = sizeof founding_names / sizeof founding_names[0] };

struct job {
	int dir;
	unsigned bits;
	bool force, only;
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

static int do_p256(const struct job *job, const char *name, bool keep, struct err *e)
{
	char fingerprint[SSHSIG_FINGERPRINT_MAX];
	enum keyfile_made made = KEYFILE_GENERATED;
	uint8_t public[P256_PUBLIC];
	int rc = keep ? keyfile_load_p256_public(job->dir, name, public, e)
		      : keyfile_generate_p256(job->dir, name, job->force, &made, public, e);

	if (rc == 0) {
		sshsig_fingerprint(fingerprint, public);
		(void)printf(
			"%s: P-256 %s (%s)\n", name, fingerprint, keep ? "kept" : made_words[made]);
	}
	return rc;
}

static int (*const do_kind[KEYFILE_KINDS])(
	const struct job *job, const char *name, bool keep, struct err *e) = {
	[KEYFILE_RSA] = do_rsa, [KEYFILE_X25519] = do_x25519, [KEYFILE_P256] = do_p256};

/* Is a pair of this kind to be made for name? The server signs nothing. */
static bool wants(const struct job *job, const char *name, size_t kind)
{
	return job->want[kind] &&
	       (kind != KEYFILE_P256 || job->only || strcmp(name, "server") != 0);
}

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
		if (!wants(job, name, k)) {
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
			if (wants(job, name, k) && (state[k] == KEYFILE_NONE) == missing &&
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

	if (strcmp(name, "server") == 0 && (rsa || x25519)) {
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
	if (!x25519 && !rsa) {
		cli_note(c,
			"next: smtp361 members publish, which gives the server "
			"%s_p256_public.pem for all members",
			name);
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

static int judge_bits(const struct cli *c, unsigned bits)
{
	return bits == 2048 || bits == 3072 || bits == 4096
		       ? -1
		       : cli_usage(c, "--bits takes 2048, 3072 or 4096, not %u", bits);
}

/* --only and --bits, judged. -1 go on, or the exit code. */
static int judge(const struct cli *c, struct job *job, const char *only)
{
	static const char *const names[KEYFILE_KINDS] = {
		[KEYFILE_RSA] = "rsa", [KEYFILE_X25519] = "x25519", [KEYFILE_P256] = "p256"};
	bool any = false;

	job->only = only != NULL;
	for (size_t k = 0; k < KEYFILE_KINDS; k++) {
		job->want[k] = only == NULL || strcmp(only, names[k]) == 0;
		any = any || job->want[k];
	}
	if (!any) {
		return cli_usage(c, "--only takes rsa, x25519 or p256, not \"%s\"", only);
	}
	if (!job->want[KEYFILE_RSA] && job->bits != 0) {
		return cli_usage(c, "--bits goes with RSA keys, not with --only %s", only);
	}
	job->bits = job->bits == 0 ? 2048 : job->bits;
	return judge_bits(c, job->bits);
}

static int judge_names(const struct cli *c)
{
	for (size_t i = 0; i < c->args_n; i++) {
		if (!user_name_valid(c->args[i])) {
			return cli_usage(
				c, "\"%s\" is no valid name: 1 to 32 of a-z 0-9 _ -", c->args[i]);
		}
		if (!keyfile_name_valid(c->args[i])) {
			return cli_usage(c,
				"\"%s\" is no name for keys: it ends in \"_x25519\" or \"_p256\"",
				c->args[i]);
		}
	}
	return -1;
}

/* keygen --tls, which takes no names but its own. other: --all or --only is given. */
static int make_tls(const struct cli *c, const char *dir, const struct keygen_tls *tls, bool other)
{
	int rc = tls->bits == 0 ? -1 : judge_bits(c, tls->bits);

	if (other || c->args_n > 0) {
		return cli_usage(c, "--tls goes with no names, --all or --only");
	}
	return rc >= 0 ? rc : keygen_tls(c, dir, tls);
}

/* keygen --age. other: an option is given that does not go with it. */
static int do_age(const struct cli *c, const char *dir, const struct keygen_age *age, bool other)
{
	struct err e;
	int rc;

	if (other || c->args_n != 1) {
		return cli_usage(c, "--age takes one NAME, and no --all, --only, --bits or --tls");
	}
	if (age->secret && age->import != NULL) {
		return cli_usage(c, "--secret and --import do not go together");
	}
	if (age->force && age->import == NULL) {
		return cli_usage(c, "--force goes with --import here");
	}
	rc = judge_names(c);
	if (rc >= 0) {
		return rc;
	}
	return x25519_self_check(&e) != 0 ? cli_fail(c, &e) : keygen_age(c, dir, age);
}

/* keygen --ssh and --allowed-signers. other: an option is given that does not go with them. */
static int do_ssh(const struct cli *c, const char *dir, bool line, bool other)
{
	int rc;

	if (other || c->args_n != 1) {
		return cli_usage(c, "%s takes one NAME, and nothing else but -d DIR",
			line ? "--allowed-signers" : "--ssh");
	}
	rc = judge_names(c);
	return rc >= 0 ? rc : keygen_ssh(c, dir, line);
}

APPLET_MAIN(keygen)
{
	const char *dir = NULL, *only = NULL;
	struct keygen_tls tls = {.names = NULL};
	struct job job = {.dir = -1};
	struct keygen_age age = {.import = NULL};
	bool all = false, wants_age = false, ssh = false, signers = false;
	struct err e;
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &dir},
		{0, "only", CLI_TEXT, &only}, {0, "bits", CLI_NUMBER, &job.bits},
		{0, "force", CLI_FLAG, &job.force}, {0, "all", CLI_FLAG, &all},
		{0, "tls", CLI_TEXT, &tls.names}, {0, "days", CLI_NUMBER, &tls.days},
		{0, "age", CLI_FLAG, &wants_age}, {0, "secret", CLI_FLAG, &age.secret},
		{0, "import", CLI_TEXT, &age.import}, {0, "ssh", CLI_FLAG, &ssh},
		{0, "allowed-signers", CLI_FLAG, &signers}};
	struct cli c = {.applet = "keygen",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);

	if (rc >= 0) {
		return rc;
	}
	if (ssh || signers) {
		return do_ssh(&c, dir, signers,
			(ssh && signers) || all || only != NULL || job.bits != 0 || job.force ||
				wants_age || age.secret || age.import != NULL ||
				tls.names != NULL || tls.days != 0);
	}
	if (wants_age) {
		age.force = job.force;
		return do_age(&c, dir, &age,
			all || only != NULL || job.bits != 0 || tls.names != NULL || tls.days != 0);
	}
	if (age.secret || age.import != NULL) {
		return cli_usage(&c, "--secret and --import go with --age");
	}
	if (tls.names != NULL) {
		tls.bits = job.bits;
		tls.force = job.force;
		return make_tls(&c, dir == NULL ? "." : dir, &tls, all || only != NULL);
	}
	if (tls.days != 0) {
		return cli_usage(&c, "--days goes with --tls");
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
