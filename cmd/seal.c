/* seal: encrypt a file to others, as an age file. */
#include "age_keys.h"
#include "filter.h"

static const char help[] =
	"usage: smtp361 seal -r RECIPIENT|-R FILE|--to USER... [-a] [-o FILE] [FILE]\n"
	"\n"
	"Encrypt FILE, or stdin, so that each of the recipients can open it by `smtp361 unseal`\n"
	"or `age -d`, and nobody else. Whoever has a recipient's name can seal a file to it: it\n"
	"does not tell who did.\n"
	"\n"
	"  -r, --recipient RECIPIENT  age1..., as `smtp361 keygen --age` and age-keygen print it\n"
	"  -R, --recipients-file FILE all that stand in FILE, one a line; # begins a comment;\n"
	"                             lines of `smtp361 members export` will do, too\n"
	"      --to USER              whose USER_x25519_public.pem is in the folder of keys, or\n"
	"                             whose key is pinned there (`smtp361 members`); where both\n"
	"                             are, and differ, nothing is sealed (77)\n"
	"  -k, --keys DIR             that folder (the configuration's; or this one)\n"
	"  -a, --armor                as text\n"
	"  -o, --output FILE          where to, instead of stdout; it appears when it is whole\n"
	"      --force                replace a file of that name\n"
	"-r, -R and --to can be repeated. To a terminal a binary file goes only by -o -.\n";

struct job {
	struct cli *c;
	struct cli_list texts, files, users;
	struct account account; /* for its folder of keys */
	bool armored;
	struct filter filter;
	struct age_keys_recipients to;
	struct age_seal seal;
};

static int find_recipients(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->texts.n; i++) {
		if (age_keys_add(&j->to, j->texts.items[i], e) != 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < j->files.n; i++) {
		if (age_keys_add_file(&j->to, j->files.items[i], e) != 0) {
			return -1;
		}
	}
	if (j->users.n > 0 && account_resolve(&j->account, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < j->users.n; i++) {
		if (age_keys_add_user(&j->to, j->account.keys, j->users.items[i], e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int put(void *arg, const void *p, size_t n, struct err *e)
{
	return age_seal_write(arg, p, n, e);
}

static int seal(struct job *j, struct err *e)
{
	const struct age_sink sealing = {put, &j->seal};

	if (age_seal_begin(&j->seal, j->to.keys, j->to.n, j->armored, filter_out(&j->filter), e) !=
		0) {
		return -1;
	}
	j->seal.stream.batch = &j->filter.batch;
	if (filter_run(&j->filter, &sealing, e) != 0) {
		return -1;
	}
	return age_seal_end(&j->seal, e);
}

static int run(struct job *j)
{
	struct err e;
	bool whole;

	cli_protect();
	if (x25519_self_check(&e) != 0 || find_recipients(j, &e) != 0 ||
		filter_open(&j->filter, &e) != 0) {
		return cli_fail(j->c, &e);
	}
	whole = seal(j, &e) == 0;
	age_seal_wipe(&j->seal);
	return filter_close(&j->filter, whole, &e) == 0 && whole ? EX_OK : cli_fail(j->c, &e);
}

static int start(struct job *j)
{
	struct cli *c = j->c;

	if (c->args_n > 1) {
		return cli_usage(c, "seal takes one FILE");
	}
	if (j->texts.n + j->files.n + j->users.n == 0) {
		return cli_usage(c, "no recipient is given: -r, -R or --to");
	}
	j->filter.input = c->args_n == 1 ? c->args[0] : NULL;
	if (j->filter.force && j->filter.output == NULL) {
		return cli_usage(c, "--force takes --output");
	}
	if (!j->armored && j->filter.output == NULL && cli_is_terminal()) {
		return cli_usage(
			c, "a sealed file is binary: -a makes text of it, -o - shows it as it is");
	}
	return run(j);
}

APPLET_MAIN(seal)
{
	static struct job j;
	const struct cli_option options[] = {{'r', "recipient", CLI_LIST, &j.texts},
		{'R', "recipients-file", CLI_LIST, &j.files}, {0, "to", CLI_LIST, &j.users},
		{'k', "keys", CLI_TEXT, &j.account.keys}, {'a', "armor", CLI_FLAG, &j.armored},
		{'o', "output", CLI_TEXT, &j.filter.output},
		{0, "force", CLI_FLAG, &j.filter.force}};
	struct cli c = {.applet = "seal",
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
