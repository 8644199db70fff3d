/* serve: the server. In the foreground, logging to stderr: a supervisor does the rest. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/gcm.h"
#include "../keys/keyfile.h"
#include "../proto/enhanced.h"
#include "../proto/host_server.h"
#include "../proto/log.h"
#include "../proto/mail_server.h"
#include "../proto/server.h"
#include "at_rest.h"
#include "cli.h"
#include "serve_smtp.h"

static const char help[] =
	"usage: smtp361 serve [--enhanced | --dialect NAME] [-d DIR] [-l [ADDR:]PORT]...\n"
	"                     [--smtp [ADDR:]PORT]... [--smtps [ADDR:]PORT]...\n"
	"\n"
	"Serve the mailboxes in DIR, over the classic and the enhanced protocol on one port, and\n"
	"with --smtp to mail programs, who bring mail to users here and to nobody else.\n"
	"DIR holds user_pass.json, the server's keys, each user's public keys, and a folder\n"
	"of mail for each user. Ends on SIGTERM or Ctrl-C: a message on its way to the disk\n"
	"is finished first.\n"
	"\n"
	"      --enhanced              refuse the classic protocol\n"
	"      --dialect NAME          of the classic protocol: spec, or python (port 12049)\n"
	"  -d, --dir DIR               the server's folder (.)\n"
	"  -l, --listen [ADDR:]PORT    where to listen (13000); repeatable; port 0: a free one\n"
	"      --max-sessions N        sessions at once (500)\n"
	"      --max-per-address N     sessions at once from one address (100)\n"
	"      --max-chars N           characters of a message, enhanced (64000000)\n"
	"      --max-messages N        in a mailbox whose account has no limit of its own\n"
	"      --max-bytes N           the same, as 500000, 500K, 10M or 1G; of chat that\n"
	"                              waits, too (1G)\n"
	"      --max-shelf N           bytes of a user's files, as 500M or 10G\n"
	"      --login-time SECONDS    for a login (30)\n"
	"      --idle-time SECONDS     for an answer at the menu, or the next request (600)\n"
	"      --mail-time SECONDS     for one e-mail (600)\n"
	"      --at-rest FILE          the mail in DIR is encrypted under the key in FILE, as\n"
	"                              `smtp361 atrest on` left it; - asks for a passphrase\n"
	"      --at-rest-passphrase-file FILE\n"
	"                              the passphrase is FILE's first line; - is stdin\n"
	"      --upgrade-passwords     a plain password that was right becomes Argon2id\n"
	"      --smtp [ADDR:]PORT      listen for mail programs; repeatable\n"
	"      --smtps [ADDR:]PORT     the same, TLS from the first byte\n"
	"      --smtp-domain NAME      where users have their addresses, besides localhost\n"
	"                              (this host's name); repeatable\n"
	"      --smtp-alias NAME=USER  mail for NAME, as postmaster or root, goes to USER;\n"
	"                              repeatable\n"
	"      --smtp-open             take mail from who has not logged in, as of \"unverified\"\n"
	"      --smtp-tls-only         take neither logins nor mail before STARTTLS\n"
	"      --tls-cert FILE         the certificate, and its chain (DIR/server_tls_cert.pem)\n"
	"      --tls-key FILE          its key (DIR/server_tls_key.pem); on SIGHUP both are\n"
	"                              read again\n"
	"  -v, --verbose               log what was verified, and what an onlooker sees; of SMTP\n"
	"                              each line, as \"C: ...\" and \"S: ...\"\n"
	"\n"
	"The founding lines go to stdout; one line for each connection goes to stderr.\n";

struct service {
	struct host host;
	struct accounts_store *accounts;
	struct rsa_private rsa;
	struct x25519_pair x25519;
	struct gate gate;
	struct guard guard;
	struct serve_smtp smtp;
	struct at_rest at_rest;
	bool enhanced_only;
};

/* --- what the server calls --- */

static int session(void *arg, struct conn *c)
{
	const struct service *s = arg;
	struct report r;
	struct err e = {0};
	int64_t began = conn_now_ms();
	int rc = session_serve(c, &s->host, &r, &e);

	conn_close(c);
	log_quotable(e.text);
	log_event("end",
		"peer=%s wire=%s user=%s sent=%u rejected=%u listed=%u viewed=%u removed=%u "
		"in=%llu out=%llu ms=%lld code=%d%s%s%s",
		c->peer, r.wire, r.user[0] == '\0' ? "-" : r.user, r.sent, r.rejected, r.listed,
		r.viewed, r.removed, (unsigned long long)c->in, (unsigned long long)c->out,
		(long long)(conn_now_ms() - began), rc == 0 ? 0 : e.code, rc == 0 ? "" : " text=\"",
		rc == 0 ? "" : e.text, rc == 0 ? "" : "\"");
	return rc == 0 ? EX_OK : e.code;
}

static void after_death(void *arg)
{
	const struct service *s = arg;
	struct err e;

	if (s->host.box->ops->recover(s->host.box, &e) != 0) {
		log_err("recovery", &e);
	}
}

static int prepare_user(void *arg, const struct users_row *row)
{
	const struct service *s = arg;
	struct err e;

	if (s->host.box->ops->prepare(s->host.box, row->name, &e) != 0) {
		log_err("mailbox", &e); /* the others can be served */
	}
	return 0;
}

static void changed(void *arg)
{
	struct service *s = arg;
	struct err e;

	if (accounts_refresh(&s->host.accounts, NULL, &e) != 0) {
		log_err("accounts", &e); /* logins are refused until it can be read */
	} else {
		(void)users_each(s->host.accounts.now, prepare_user, s); /* of who is new */
	}
}

static bool stays(void *arg, const struct presence_who *who)
{
	const struct service *s = arg;

	return s->host.accounts.now != NULL && accounts_allow(&s->host.accounts, who);
}

static void ready(void *arg)
{
	(void)arg;
	log_say("The server is ready to accept connections");
}

static void reload(void *arg)
{
	struct service *s = arg;

	serve_smtp_reload(&s->smtp);
}

/* --- starting --- */

static bool is_there(const struct service *s, const char *file)
{
	return faccessat(s->host.dir, file, F_OK, 0) == 0;
}

/* Either key makes a server of its protocol; --enhanced needs no other, and SMTP none. */
static int load_keys(struct service *s, const char *dir, struct err *e)
{
	bool rsa = !s->enhanced_only && is_there(s, "server_private.pem");
	bool x25519 = is_there(s, "server_x25519_private.pem");

	if (!rsa && !x25519 && !serve_smtp_wanted(&s->smtp)) {
		err_set(e, EX_NOINPUT, "cannot read %s/%s: no such file", dir,
			s->enhanced_only ? "server_x25519_private.pem" : "server_private.pem");
		return err_hint(e, "smtp361 keygen -d %s server", dir);
	}
	if (rsa) {
		if (keyfile_load_private(s->host.dir, "server", &s->rsa, e) != 0) {
			return -1;
		}
		if (rsa_check_private(&s->rsa, e) != 0) {
			return err_prefix(e, "cannot use server_private.pem");
		}
		s->host.rsa = &s->rsa;
	}
	if (!x25519) {
		return 0;
	}
	s->host.x25519 = &s->x25519;
	gcm_prepare();
	return x25519_self_check(e) != 0 || keyfile_load_x25519_private(
						    s->host.dir, "server", &s->x25519, e) != 0
		       ? -1
		       : 0;
}

static void tell_what_is_off(const struct cli *c, const struct service *s, const char *dir)
{
	if (s->host.rsa == NULL && s->host.x25519 == NULL) {
		cli_note(c, "there are no keys of the server: SMTP is all that is spoken here");
		return;
	}
	if (s->host.rsa == NULL && !s->enhanced_only) {
		cli_note(c, "there is no server_private.pem: the classic protocol is off");
	}
	if (s->host.x25519 == NULL) {
		cli_note(c,
			"there is no server_x25519_private.pem: the enhanced protocol is off; "
			"smtp361 keygen -d %s server makes it",
			dir);
	}
}

static int load_accounts(const struct cli *c, struct service *s, const char *dir, struct err *e)
{
	struct accounts *a = &s->host.accounts;
	const char *name;

	if (at_rest_accounts(&s->at_rest, s->host.dir, &s->accounts, e) != 0) {
		return -1;
	}
	a->store = s->accounts;
	a->dir = s->host.dir;
	name = a->store->name;
	if (accounts_refresh(a, NULL, e) != 0) {
		return is_there(s, name) ? -1 : err_hint(e, "smtp361 user -d %s invite NAME", dir);
	}
	if (users_others_can_read(a->now)) {
		cli_note(c, "%s can be read by others: chmod 600 %s/%s", name, dir, name);
	}
	return 0;
}

static int start_smtp(const struct cli *c, struct service *s, const char *dir, struct err *e)
{
	/* bytes alone: a key's struct has pointers, which are others at each start */
	const void *secret =
		s->host.x25519 != NULL ? (const void *)&s->x25519 : (const void *)s->rsa.buf;
	size_t n = s->host.x25519 != NULL ? sizeof s->x25519
		   : s->host.rsa != NULL  ? sizeof s->rsa.buf
					  : 0;

	if (serve_smtp_wanted(&s->smtp)) {
		s->host.smtp = &s->smtp.door;
		return serve_smtp_start(c, &s->smtp, s->host.dir, dir, secret, n, e);
	}
	return 0;
}

/* Read what the sessions will need, so that a fault shows now and not at the first login. */
static int start(const struct cli *c, struct service *s, const char *dir, struct err *e)
{
	s->host.dir = file_open_dir(dir, e);
	if (s->host.dir < 0 || at_rest_open(&s->at_rest, s->host.dir, dir, e) != 0 ||
		load_keys(s, dir, e) != 0 || load_accounts(c, s, dir, e) != 0 ||
		start_smtp(c, s, dir, e) != 0) {
		return -1;
	}
	tell_what_is_off(c, s, dir);
	gate_open(&s->gate);
	s->host.gate = &s->gate;
	guard_open(&s->guard);
	s->host.guard = &s->guard;
	if (at_rest_mailboxes(&s->at_rest, s->host.dir, MAILBOX_KEEPER, &s->host.box, e) != 0) {
		return -1;
	}
	if (shelf_files_open(s->host.dir, &s->host.shelf, e) != 0 ||
		talk_open(s->host.dir, &s->host.talk, e) != 0) {
		return -1;
	}
	(void)users_each(s->host.accounts.now, prepare_user, s);
	after_death(s); /* of whatever ran here before */
	return 0;
}

static void end(struct service *s)
{
	if (s->host.box != NULL) {
		s->host.box->ops->close(s->host.box);
	}
	if (s->host.shelf != NULL) {
		s->host.shelf->ops->close(s->host.shelf);
	}
	talk_close(s->host.talk);
	if (s->host.dir >= 0) {
		(void)close(s->host.dir);
	}
	accounts_close(&s->host.accounts);
	if (s->accounts != NULL) {
		s->accounts->ops->close(s->accounts);
	}
	gate_close(&s->gate);
	guard_close(&s->guard);
	serve_smtp_end(&s->smtp);
	at_rest_end(&s->at_rest);
	wipe(&s->rsa, sizeof s->rsa);
	wipe(&s->x25519, sizeof s->x25519);
}

static int64_t seconds_or(unsigned given, unsigned otherwise)
{
	return 1000 * (int64_t)(given == 0 ? otherwise : given);
}

/* What an option of 0 stands for. */
static void set_defaults(struct server *server)
{
	server->sessions = server->sessions == 0 ? SERVER_SESSIONS : server->sessions;
	server->per_address = server->per_address == 0 ? SERVER_PER_ADDRESS : server->per_address;
}

/* Where no port is named the founding one is, unless SMTP is all that is spoken. */
static void set_doors(struct server *server, const struct service *s, const struct cli_list *listen)
{
	for (size_t i = 0; i < listen->n; i++) {
		server->listen[server->listen_n++].address = listen->items[i];
	}
	if (listen->n == 0 && (s->host.rsa != NULL || s->host.x25519 != NULL)) {
		server->listen[server->listen_n++].address = s->host.dialect->port;
	}
	serve_smtp_listen(&s->smtp, server);
}

/* EX_OK, or the exit code of misuse; so is the one below. */
static int misused(const struct cli *c, const struct server *server, struct service *s,
	size_t listen_n, unsigned chars)
{
	size_t doors = (listen_n == 0 ? 1 : listen_n) + s->smtp.smtp.n + s->smtp.smtps.n;

	if (c->args_n > 0) {
		return cli_usage(c, "serve takes no \"%s\"", c->args[0]);
	}
	if (doors > SERVER_LISTEN_MAX || server->sessions > SERVER_SESSIONS_MAX) {
		return cli_usage(c, "at most %d places to listen, and --max-sessions %d",
			SERVER_LISTEN_MAX, SERVER_SESSIONS_MAX);
	}
	if (chars > ENHANCED_CHARS_MAX) {
		return cli_usage(c, "--max-chars takes at most %d", ENHANCED_CHARS_MAX);
	}
	return serve_smtp_misused(c, &s->smtp);
}

static int choose_dialect(const struct cli *c, struct service *s, const char *name)
{
	s->host.dialect = name == NULL ? classic_spec : classic_dialect_find(name);
	if (s->host.dialect == NULL) {
		return cli_usage(c, "there is no dialect \"%.64s\"; there are: %s", name,
			classic_dialect_names);
	}
	if (name != NULL && s->enhanced_only) {
		return cli_usage(
			c, "--dialect is of the classic protocol, and does not go with --enhanced");
	}
	return EX_OK;
}

APPLET_MAIN(serve)
{
	const char *dir = NULL, *dialect = NULL;
	static struct cli_list listen;
	unsigned login = 0, idle = 0, mail = 0, chars = 0, messages = 0;
	static struct service service;
	struct host *host = &service.host;
	struct server server = {.session = session,
		.after_death = after_death,
		.changed = changed,
		.stays = stays,
		.ready = ready,
		.arg = &service};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &dir},
		{'l', "listen", CLI_LIST, &listen},
		{0, "enhanced", CLI_FLAG, &service.enhanced_only},
		{0, "dialect", CLI_TEXT, &dialect},
		{0, "max-sessions", CLI_NUMBER, &server.sessions},
		{0, "max-per-address", CLI_NUMBER, &server.per_address},
		{0, "max-chars", CLI_NUMBER, &chars}, {0, "max-messages", CLI_NUMBER, &messages},
		{0, "max-bytes", CLI_SIZE, &host->limits.bytes},
		{0, "max-shelf", CLI_SIZE, &host->max_shelf}, {0, "login-time", CLI_NUMBER, &login},
		{0, "idle-time", CLI_NUMBER, &idle}, {0, "mail-time", CLI_NUMBER, &mail},
		SERVE_SMTP_OPTIONS(&service.smtp), AT_REST_OPTIONS(&service.at_rest),
		{0, "upgrade-passwords", CLI_FLAG, &host->upgrade},
		{'v', "verbose", CLI_FLAG, &host->verbose}};
	struct cli c = {.applet = "serve",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	rc = misused(&c, &server, &service, listen.n, chars);
	rc = rc == EX_OK ? choose_dialect(&c, &service, dialect) : rc;
	if (rc != EX_OK) {
		return rc;
	}
	set_defaults(&server);
	server.reload = serve_smtp_wanted(&service.smtp) ? reload : NULL;
	host->login_ms = seconds_or(login, 30);
	host->idle_ms = seconds_or(idle, 600);
	host->mail_ms = seconds_or(mail, 600);
	host->limits.messages = messages;
	host->max_chars = chars == 0 ? ENHANCED_CHARS : chars;
	host->dir = service.gate.fd = -1;
	cli_protect();
	tzset(); /* or each session would read the time zone's file */
	rc = start(&c, &service, dir == NULL ? "." : dir, &e);
	set_doors(&server, &service, &listen);
	server.box = host->box;
	server.accounts = service.accounts;
	rc = rc == 0 ? server_run(&server, &e) : rc;
	if (rc > 0) {
		host->box = NULL; /* not closed, which would settle: the next start does */
	}
	end(&service);
	return cli_finish(&c, rc >= 0 ? EX_OK : cli_fail(&c, &e));
}
