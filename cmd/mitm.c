/* mitm: the man in the middle, as a command. The attacks are a table in proto/; here are the
 * options. */
#include <fcntl.h>
#include <sys/resource.h>

#include "../crypto/file.h"
#include "../crypto/gcm.h"
#include "../keys/keyfile.h"
#include "../proto/ft_founding.h"
#include "../proto/listen.h"
#include "../proto/pcap.h"
#include "../proto/server.h"
#include "cli.h"
#include "mitm_print.h"

static const char help[] =
	"usage: smtp361 mitm --listen ADDR:PORT --to HOST:PORT [ATTACK]...\n"
	"\n"
	"Stand between clients and a server: relay what they say, print what an outsider\n"
	"can tell of it, and attack. For one's own programs, on loopback or a private\n"
	"network. `smtp361 mitm ATTACK --help` explains one; --attacks lists them. Several\n"
	"that only listen can run at once. Without any it is eavesdrop.\n"
	"\n"
	"  -l, --listen ADDR:PORT   where the clients connect; repeatable; port 0: a free one\n"
	"      --to HOST[:PORT]     the server (port 13000)\n"
	"      --attacks            list the attacks\n"
	"      --pcap FILE          write what was said as packets, for tshark\n"
	"      --hex                print the bytes, too\n"
	"      --json               print one JSON object a line\n"
	"  -d, --dir DIR            where stolen mail is saved, as a server would (.)\n"
	"  -k, --keys DIR           folder of the keys that are named here (.)\n"
	"      --victim USER        whom impersonate answers: his public key is enough\n"
	"      --stolen NAME        whose private keys stolen-key has; repeatable\n"
	"      --inject FILE        SMTP commands that inject-starttls puts behind STARTTLS\n"
	"      --known FILE         the file on its way, for ft-flip and ft-truncate\n"
	"      --forge TEXT         what ft-flip has it begin with; at most 16 bytes\n"
	"      --words FILE         what ft-guess tries, one on each line\n"
	"      --sockets N          connections of slow (200)\n"
	"      --seconds N          how long slow lasts (until it is stopped)\n"
	"      --enhanced           slow begins the enhanced protocol; ft-guess is on noise\n"
	"      --dialect NAME       what impersonate speaks on classic: spec, or python\n"
	"      --yes                listen on a public address all the same\n"
	"  -v, --verbose            print what is passed on unchanged, too\n"
	"\n"
	"C and S are the client and the server as they are heard; AC and AS is the attacker\n"
	"who speaks as the client, to the server, and as the server, to the client. Ends on\n"
	"SIGTERM or Ctrl-C. ** tells what an attack got, -- that it got nothing, and .. what\n"
	"it did, where only the victim can tell what came of it.\n";

/* --- options --- */

static int print_attacks(const struct cli *c)
{
	for (size_t i = 0; i < mitm_attacks_n; i++) {
		const struct mitm_attack *a = &mitm_attacks[i];
		(void)printf("%-15s %-6s %s\n", a->name, a->threats, a->line);
	}
	return cli_finish(c, EX_OK);
}

/* "mitm double --help": of the attack. */
static const struct mitm_attack *asked_for_help(int argc, char **argv)
{
	const struct mitm_attack *a = NULL;
	bool wants = false;

	for (int i = 1; i < argc; i++) {
		wants = wants || strcmp(argv[i], "--help") == 0;
		a = a == NULL ? mitm_find(argv[i]) : a;
	}
	return wants ? a : NULL;
}

static int explain(const struct cli *c, const struct mitm_attack *a)
{
	(void)printf("%s (%s): %s\n\n%s", a->name, a->threats, a->line, a->help);
	return cli_finish(c, EX_OK);
}

/* Those that only listen stand first: what is kept back or answered, they hear too. -1 to go on, or
 * the exit code. */
static int choose_attacks(const struct cli *c, struct mitm *m)
{
	const struct mitm_attack *active = NULL;

	if (c->args_n >= MITM_TOGETHER) {
		return cli_usage(c, "at most %d attacks at once", MITM_TOGETHER - 1);
	}
	if (c->args_n == 0) {
		m->attacks[m->attacks_n++] = mitm_find("eavesdrop");
	}
	for (size_t i = 0; i < c->args_n; i++) {
		const struct mitm_attack *a = mitm_find(c->args[i]);
		if (a == NULL) {
			return cli_usage(
				c, "there is no attack \"%s\"; --attacks lists them", c->args[i]);
		}
		if (a->passive) {
			m->attacks[m->attacks_n++] = a;
		} else if (active == NULL) {
			active = a;
		} else {
			return cli_usage(c, "only attacks that just listen run beside another");
		}
	}
	if (active != NULL) {
		m->attacks[m->attacks_n++] = active;
	}
	return -1;
}

static bool uses(const struct mitm *m, const char *name)
{
	for (size_t i = 0; i < m->attacks_n; i++) {
		if (strcmp(m->attacks[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static int check_address(const char *address, struct err *e)
{
	bool is_private;

	if (listen_is_private(address, &is_private, e) != 0) {
		return -1;
	}
	if (is_private) {
		return 0;
	}
	err_set(e, EX_USAGE, "%s is a public address", address);
	return err_hint(e, "the lab is for loopback and private networks; --yes if you mean it");
}

/* Where it listens; and whom it strikes without being asked by a client. */
static int check_addresses(
	const struct mitm *m, const struct cli_list *listen, const char *to, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < listen->n; i++) {
		rc = check_address(listen->items[i], e);
	}
	for (size_t i = 0; rc == 0 && i < m->attacks_n; i++) {
		rc = m->attacks[i]->strike == NULL ? 0 : check_address(to, e);
	}
	return rc;
}

enum { STOLEN_MAX = 8 };

struct keys {
	struct mitm_stolen stolen[STOLEN_MAX];
	struct rsa_public victim;
	uint8_t server[X25519_BYTES];
};

/* Of either kind, as far as they are there; one at least. */
static int load_stolen(struct mitm_stolen *s, int dir, const char *name, struct err *e)
{
	struct err why;

	s->has_x25519 = keyfile_load_x25519_private(dir, name, &s->x25519, e) == 0;
	if (!s->has_x25519 && e->code != EX_NOINPUT) {
		return -1;
	}
	if (keyfile_load_private(dir, name, &s->rsa, &why) == 0) {
		return 0;
	}
	*e = why;
	return why.code == EX_NOINPUT && s->has_x25519 ? 0 : -1;
}

struct wanted {
	struct cli_list listen, stolen;
	const char *to, *pcap, *loot, *keys, *victim, *dialect, *inject, *known, *words;
	bool yes;
};

static int load_keys(struct mitm *m, const struct wanted *w, struct keys *k, struct err *e)
{
	int dir = file_open_dir(w->keys == NULL ? "." : w->keys, e), rc = dir < 0 ? -1 : 0;

	for (size_t i = 0; rc == 0 && i < w->stolen.n; i++) {
		rc = load_stolen(&k->stolen[i], dir, w->stolen.items[i], e);
		m->stolen_n++;
	}
	m->stolen = k->stolen;
	if (rc == 0 && w->victim != NULL) {
		rc = keyfile_load_public(dir, w->victim, &k->victim, e);
		m->victim = &k->victim;
	}
	if (rc == 0 && uses(m, "low-order")) {
		struct err why; /* without it the attack is weaker, and says so */
		bool known = keyfile_load_x25519_public(dir, "server", k->server, &why) == 0;
		m->server_key = known ? k->server : NULL;
	}
	if (dir >= 0) {
		(void)close(dir);
	}
	return rc;
}

/* Lines of a file, their ends as SMTP has them. */
static int load_inject(struct mitm *m, const char *path, struct buf *lines, struct err *e)
{
	enum { MOST = 65536 };
	struct buf text = {0};
	int rc = file_read(AT_FDCWD, path, MOST, &text, NULL, e);

	for (size_t i = 0; rc == 0 && i < text.n; i++) {
		bool bare = text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r');
		rc = (bare && buf_append(lines, "\r", 1) != 0) ||
				     buf_append(lines, text.p + i, 1) != 0
			     ? err_set(e, EX_TEMPFAIL, "out of memory")
			     : 0;
	}
	m->inject = lines;
	buf_free(&text);
	return rc;
}

/* What the attacks are told by files: what to say, what is on its way, and what to try. */
struct files {
	struct buf inject, known, words;
};

/* The file on its way, of a size that the attack can do with. */
static int load_known(struct mitm *m, const char *path, struct buf *known, struct err *e)
{
	enum { MOST = 64 << 20 };
	bool halves = uses(m, "ft-truncate");
	size_t least = halves ? FT_CHUNK + 1 : AES_BLOCK;

	if (file_read(AT_FDCWD, path, MOST, known, NULL, e) != 0) {
		return -1;
	}
	m->known = known;
	return known->n >= least + (halves ? AES_BLOCK - 1 : 0)
		       ? 0
		       : err_set(e, EX_DATAERR, "%s is too short for this: it takes %zu bytes",
				 path, least + (halves ? AES_BLOCK - 1 : 0));
}

static int load_files(struct mitm *m, const struct wanted *w, struct files *f, struct err *e)
{
	enum { MOST = 64 << 20 };

	m->words = &f->words;
	if (w->inject != NULL && load_inject(m, w->inject, &f->inject, e) != 0) {
		return -1;
	}
	if (w->known != NULL && load_known(m, w->known, &f->known, e) != 0) {
		return -1;
	}
	return w->words == NULL ? 0 : file_read(AT_FDCWD, w->words, MOST, &f->words, NULL, e);
}

static void free_files(struct files *f)
{
	buf_free(&f->inject);
	buf_free(&f->known);
	buf_free(&f->words);
}

/* --- the applet --- */

static int prepare(struct mitm *m, struct mitm_printer *p, const struct wanted *w,
	struct keys *keys, struct err *e)
{
	if (conn_split_port(
		    w->to, m->ft ? FT_DEFAULT_PORT : CONN_DEFAULT_PORT, m->host, m->port, e) != 0 ||
		(!w->yes && check_addresses(m, &w->listen, w->to, e) != 0) ||
		load_keys(m, w, keys, e) != 0) {
		return -1;
	}
	p->loot = file_open_dir(w->loot == NULL ? "." : w->loot, e);
	if (p->loot < 0) {
		return -1;
	}
	if (w->pcap != NULL) {
		m->capture = p->capture = pcap_open(w->pcap, e);
		if (m->capture < 0) {
			return -1;
		}
	}
	if (mitm_print_open(p, e) != 0) {
		return -1;
	}
	gcm_prepare();
	return x25519_self_check(e) != 0 ? -1 : mitm_open(m, e);
}

/* The options of the attacks on file transfer, where there are some. As below. */
static int check_ft_options(const struct cli *c, struct mitm *m, const struct wanted *w)
{
	for (size_t i = 0; i < m->attacks_n; i++) {
		m->ft = m->ft || m->attacks[i]->ft;
	}
	m->forge = m->forge == NULL ? "0000000000000000" : m->forge;
	if (strlen(m->forge) > AES_BLOCK) {
		return cli_usage(c, "--forge takes at most %d bytes", AES_BLOCK);
	}
	if ((uses(m, "ft-flip") || uses(m, "ft-truncate")) && w->known == NULL) {
		return cli_usage(c, "ft-flip and ft-truncate take --known");
	}
	if (uses(m, "ft-guess") && w->words == NULL) {
		return cli_usage(c, "ft-guess takes --words");
	}
	return -1;
}

/* What the options say together. -1 to go on, or the exit code. */
static int check_options(const struct cli *c, struct mitm *m, const struct wanted *w)
{
	if (w->listen.n == 0 || w->to == NULL) {
		return cli_usage(c, "it takes --listen and --to");
	}
	if (w->listen.n > SERVER_LISTEN_MAX || w->stolen.n > STOLEN_MAX) {
		return cli_usage(
			c, "at most %d --listen, and %d --stolen", SERVER_LISTEN_MAX, STOLEN_MAX);
	}
	if (m->sockets > MITM_SOCKETS_MAX) {
		return cli_usage(c, "--sockets takes at most %d", MITM_SOCKETS_MAX);
	}
	if (uses(m, "impersonate") && w->victim == NULL) {
		return cli_usage(c, "impersonate takes --victim");
	}
	if (uses(m, "stolen-key") && w->stolen.n == 0) {
		return cli_usage(c, "stolen-key takes --stolen");
	}
	int rc = check_ft_options(c, m, w);
	if (rc >= 0) {
		return rc;
	}
	m->dialect = w->dialect == NULL ? classic_spec : classic_dialect_find(w->dialect);
	return m->dialect != NULL ? -1
				  : cli_usage(c, "there is no dialect \"%.64s\"; there are: %s",
					    w->dialect, classic_dialect_names);
}

/* Many connections take many descriptors. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

APPLET_MAIN(mitm)
{
	static struct wanted w;
	static struct keys keys;
	struct files files = {0};
	struct mitm_printer p = {.loot = -1, .capture = -1, .gate = {.fd = -1}};
	struct mitm m = {.capture = -1, .stop_fd = -1, .ear = mitm_print_ear(&p)};
	bool list = false;
	const struct cli_option options[] = {{'l', "listen", CLI_LIST, &w.listen},
		{0, "to", CLI_TEXT, &w.to}, {0, "attacks", CLI_FLAG, &list},
		{0, "pcap", CLI_TEXT, &w.pcap}, {0, "hex", CLI_FLAG, &p.hex},
		{0, "json", CLI_FLAG, &p.json}, {'d', "dir", CLI_TEXT, &w.loot},
		{'k', "keys", CLI_TEXT, &w.keys}, {0, "victim", CLI_TEXT, &w.victim},
		{0, "stolen", CLI_LIST, &w.stolen}, {0, "sockets", CLI_NUMBER, &m.sockets},
		{0, "seconds", CLI_NUMBER, &m.seconds}, {0, "enhanced", CLI_FLAG, &m.enhanced},
		{0, "dialect", CLI_TEXT, &w.dialect}, {0, "yes", CLI_FLAG, &w.yes},
		{0, "inject", CLI_TEXT, &w.inject}, {0, "known", CLI_TEXT, &w.known},
		{0, "forge", CLI_TEXT, &m.forge}, {0, "words", CLI_TEXT, &w.words},
		{'v', "verbose", CLI_FLAG, &m.verbose}};
	struct cli c = {.applet = "mitm",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	const struct mitm_attack *asked = asked_for_help(argc, argv);
	int rc = asked != NULL ? explain(&c, asked) : cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (list) {
		return print_attacks(&c);
	}
	rc = choose_attacks(&c, &m);
	if (rc >= 0) {
		return rc;
	}
	rc = check_options(&c, &m, &w);
	if (rc >= 0) {
		return rc;
	}
	cli_protect();
	rc = load_files(&m, &w, &files, &e);
	rc = rc == 0 ? prepare(&m, &p, &w, &keys, &e) : rc;
	raise_limit();
	rc = rc == 0 ? mitm_run(&m, w.listen.items, w.listen.n, &e) : rc;
	if (rc >= 0 && *p.lost) {
		rc = err_set(&e, EX_IOERR, "some of the output could not be written");
	}
	mitm_close(&m);
	free_files(&files);
	wipe(&keys, sizeof keys);
	return cli_finish(&c, rc >= 0 ? EX_OK : cli_fail(&c, &e));
}
