/* ftserve: a folder of files, for `ft`. In the foreground, logging to stdout and stderr. */
#include "../crypto/gcm.h"
#include "../crypto/random.h"
#include "../crypto/x25519.h"
#include "../proto/ft_server.h"
#include "../proto/log.h"
#include "../proto/server.h"
#include "cli.h"
#include "key_source.h"

static const char help[] =
	"usage: smtp361 ftserve [ADDR:]PORT [KEYSOURCE] [-d DIR]\n"
	"\n"
	"Serve the files in DIR to `ft read` and `ft write` of who has the key. Names are of\n"
	"files right in DIR: no folders, no links, nothing that begins with a dot. A file\n"
	"appears only when all of it has come, and is replaced only where the client says so.\n"
	"\n"
	"  -d, --dir DIR                the folder (.)\n"
	"      --allow CIPHER           take a founding cipher, too: none, aes128 or aes256;\n"
	"                               repeatable. With none nobody needs the key\n"
	"      --read-only              nobody writes\n"
	"      --write-only             nobody reads\n"
	"      --sum                    tell the SHA-256 of what was moved\n"
	"      --insecure-key-argument  KEYSOURCE is the key itself\n"
	"      --max-sessions N         transfers at once (500)\n"
	"      --max-per-address N      transfers at once from one address (100)\n"
	"      --login-time SECONDS     for a handshake and a request (30)\n"
	"      --idle-time SECONDS      for the next 64 KiB, in either direction (120)\n"
	"  -v, --verbose                log what was verified\n"
	"\n" KEY_SOURCE_HELP "; where there\n"
	"is none either, a new key is made and shown this once. Ends on SIGTERM or Ctrl-C.\n";

struct service {
	struct ft_host host;
	struct ft_secret secret;
	uint8_t salt[FT_SALT], psk[FT_PSK];
	char fingerprint[FT_FINGERPRINT];
	bool told; /* of the first address */
	bool made; /* the secret is new: it is to be shown */
};

/* --- what the server calls --- */

static int session(void *arg, struct conn *c)
{
	const struct service *s = arg;
	struct ft_report r;
	struct err e = {0};
	int64_t began = conn_now_ms();
	int rc = ft_serve(c, &s->host, &r, &e);

	conn_close(c);
	log_quotable(e.text);
	log_quotable(r.name);
	log_event("end",
		"peer=%s wire=ft cipher=%s verb=%s name=\"%s\" bytes=%llu from=%llu in=%llu "
		"out=%llu ms=%lld code=%d%s%s%s",
		c->peer, r.cipher, r.verb, r.name, (unsigned long long)r.bytes,
		(unsigned long long)r.begun_at, (unsigned long long)c->in,
		(unsigned long long)c->out, (long long)(conn_now_ms() - began),
		rc == 0 ? 0 : e.code, rc == 0 ? "" : " text=\"", rc == 0 ? "" : e.text,
		rc == 0 ? "" : "\"");
	return rc == 0 ? EX_OK : e.code;
}

static void listens(void *arg, const char *address)
{
	const char *colon = strrchr(address, ':');
	struct service *s = arg;

	if (!s->told) {
		ft_say(FT_RULE);
		s->told = true;
	}
	ft_say("Listening @ %.*s on port %s", (int)(colon - address), address, colon + 1);
}

static void ready(void *arg)
{
	struct service *s = arg;

	ft_say("Using secret key: %s", s->fingerprint);
	ft_say(FT_RULE);
	if (s->made) {
		log_say("The key, shown this once: %.*s", (int)s->secret.n,
			(const char *)s->secret.text);
	}
	if (s->host.secret == NULL) {
		wipe(&s->secret, sizeof s->secret);
	}
}

/* --- starting --- */

static int allow(const struct cli *c, struct ft_host *host, const struct cli_list *allowed)
{
	enum ft_cipher cipher;

	host->allowed[FT_NOISE] = true;
	for (size_t i = 0; i < allowed->n; i++) {
		if (!ft_cipher_find(allowed->items[i], &cipher)) {
			return cli_usage(c, "there is no cipher \"%.32s\"", allowed->items[i]);
		}
		host->allowed[cipher] = true;
	}
	return EX_OK;
}

static int start(struct service *s, const char *dir, const char *key, bool bare, struct err *e)
{
	struct ft_host *host = &s->host;
	int rc;

	host->dir = file_open_dir(dir, e);
	rc = host->dir < 0 ? -1 : key_source_read(key, bare, false, &s->secret, e);
	if (rc > 0) {
		s->made = true;
		rc = key_source_make(&s->secret, e);
	}
	if (rc != 0 || x25519_self_check(e) != 0 || random_bytes(s->salt, sizeof s->salt, e) != 0 ||
		ft_psk(&s->secret, s->salt, s->psk, e) != 0) {
		return -1;
	}
	ft_fingerprint(s->psk, s->fingerprint);
	gcm_prepare();
	host->salt = s->salt;
	host->psk = s->psk;
	host->secret = host->allowed[FT_AES128] || host->allowed[FT_AES256] ? &s->secret : NULL;
	return 0;
}

static void warn(const struct cli *c, const struct ft_host *host)
{
	if (host->allowed[FT_NONE]) {
		cli_note(c, "--allow none: whoever reaches this port reads and writes, without the "
			    "key");
	}
	if (host->secret != NULL) {
		cli_note(c, "--allow aes128, aes256: the key can be guessed offline, and files "
			    "can be changed on their way; see `smtp361 lab`");
	}
}

/* An address alone would be taken for one with the port of `serve`. */
static bool names_port(const char *text)
{
	char host[CONN_HOST_MAX], port[8], other[8];
	struct err ignored;

	return text[strspn(text, "0123456789")] == '\0' ||
	       conn_split_port(text, "1", host, port, &ignored) != 0 ||
	       conn_split_port(text, "2", host, other, &ignored) != 0 || strcmp(port, other) == 0;
}

/* EX_OK, or the exit code of misuse. */
static int misused(const struct cli *c, const struct ft_host *host)
{
	if (c->args_n < 1 || c->args_n > 2) {
		return cli_usage(c, "ftserve takes [ADDR:]PORT, and perhaps KEYSOURCE");
	}
	if (!names_port(c->args[0])) {
		return cli_usage(c, "\"%.64s\" names no port", c->args[0]);
	}
	if (host->no_reads && host->no_writes) {
		return cli_usage(c, "--read-only and --write-only leave nothing to do");
	}
	return EX_OK;
}

APPLET_MAIN(ftserve)
{
	static struct service s;
	static struct cli_list allowed;
	const char *dir = NULL;
	bool bare = false;
	unsigned login = 0, idle = 0;
	struct server server = {.session = session, .listens = listens, .ready = ready, .arg = &s};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &dir},
		{0, "allow", CLI_LIST, &allowed}, {0, "read-only", CLI_FLAG, &s.host.no_writes},
		{0, "write-only", CLI_FLAG, &s.host.no_reads}, {0, "sum", CLI_FLAG, &s.host.sum},
		{0, "insecure-key-argument", CLI_FLAG, &bare},
		{0, "max-sessions", CLI_NUMBER, &server.sessions},
		{0, "max-per-address", CLI_NUMBER, &server.per_address},
		{0, "login-time", CLI_NUMBER, &login}, {0, "idle-time", CLI_NUMBER, &idle},
		{'v', "verbose", CLI_FLAG, &s.host.verbose}};
	struct cli c = {.applet = "ftserve",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	rc = misused(&c, &s.host);
	rc = rc == EX_OK ? allow(&c, &s.host, &allowed) : rc;
	if (rc != EX_OK) {
		return rc;
	}
	server.sessions = server.sessions == 0 ? SERVER_SESSIONS : server.sessions;
	server.per_address = server.per_address == 0 ? SERVER_PER_ADDRESS : server.per_address;
	server.listen[server.listen_n++].address = c.args[0];
	s.host.login_ms = login == 0 ? FT_LOGIN_MS : 1000 * (int64_t)login;
	s.host.idle_ms = idle == 0 ? FT_IDLE_MS : 1000 * (int64_t)idle;
	cli_protect();
	tzset(); /* or each session would read the time zone's file */
	rc = start(&s, dir == NULL ? "." : dir, c.args_n > 1 ? c.args[1] : NULL, bare, &e);
	if (rc == 0) {
		warn(&c, &s.host);
		rc = server_run(&server, &e);
	}
	wipe(&s, sizeof s);
	return cli_finish(&c, rc >= 0 ? EX_OK : cli_fail(&c, &e));
}
