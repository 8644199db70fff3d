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
#include "cli.h"

static const char help[] =
	"usage: smtp361 serve [--enhanced | --dialect NAME] [-d DIR] [-l [ADDR:]PORT]...\n"
	"\n"
	"Serve the mailboxes in DIR, over the classic and the enhanced protocol on one port.\n"
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
	"      --max-bytes N           the same, as 500000, 500K, 10M or 1G\n"
	"      --login-time SECONDS    for a login (30)\n"
	"      --idle-time SECONDS     for an answer at the menu, or the next request (600)\n"
	"      --mail-time SECONDS     for one e-mail (600)\n"
	"      --upgrade-passwords     a plain password that was right becomes Argon2id\n"
	"  -v, --verbose               log what was verified, and what an onlooker sees\n"
	"\n"
	"The founding lines go to stdout; one line for each connection goes to stderr.\n";

struct service {
	struct host host;
	struct accounts_store *accounts;
	struct rsa_private rsa;
	struct x25519_pair x25519;
	struct gate gate;
	struct guard guard;
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

/* --- starting --- */

static bool is_there(const struct service *s, const char *file)
{
	return faccessat(s->host.dir, file, F_OK, 0) == 0;
}

/* Either key makes a server of its protocol; --enhanced needs no other. */
static int load_keys(struct service *s, const char *dir, struct err *e)
{
	bool rsa = !s->enhanced_only && is_there(s, "server_private.pem");
	bool x25519 = is_there(s, "server_x25519_private.pem");

	if (!rsa && !x25519) {
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

	if (accounts_files_open(s->host.dir, &s->accounts, e) != 0) {
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

/* Read what the sessions will need, so that a fault shows now and not at the first login. */
static int start(const struct cli *c, struct service *s, const char *dir, struct err *e)
{
	s->host.dir = file_open_dir(dir, e);
	if (s->host.dir < 0 || load_keys(s, dir, e) != 0 || load_accounts(c, s, dir, e) != 0) {
		return -1;
	}
	tell_what_is_off(c, s, dir);
	gate_open(&s->gate);
	s->host.gate = &s->gate;
	guard_open(&s->guard);
	s->host.guard = &s->guard;
	if (mailbox_files_open(s->host.dir, mail_describe, MAILBOX_KEEPER, &s->host.box, e) != 0) {
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
	if (s->host.dir >= 0) {
		(void)close(s->host.dir);
	}
	accounts_close(&s->host.accounts);
	if (s->accounts != NULL) {
		s->accounts->ops->close(s->accounts);
	}
	gate_close(&s->gate);
	guard_close(&s->guard);
	wipe(&s->rsa, sizeof s->rsa);
	wipe(&s->x25519, sizeof s->x25519);
}

static int64_t seconds_or(unsigned given, unsigned otherwise)
{
	return 1000 * (int64_t)(given == 0 ? otherwise : given);
}

/* What an option of 0 stands for. */
static void set_defaults(
	struct server *server, const struct cli_list *listen, const char *default_port)
{
	server->listen_n = listen->n == 0 ? 1 : listen->n;
	server->listen[0] = default_port;
	memcpy(server->listen, listen->items, listen->n * sizeof listen->items[0]);
	server->sessions = server->sessions == 0 ? SERVER_SESSIONS : server->sessions;
	server->per_address = server->per_address == 0 ? SERVER_PER_ADDRESS : server->per_address;
}

/* EX_OK, or the exit code of misuse; so is the one below. */
static int misused(const struct cli *c, const struct server *server, const struct cli_list *listen,
	unsigned chars)
{
	if (c->args_n > 0) {
		return cli_usage(c, "serve takes no \"%s\"", c->args[0]);
	}
	if (listen->n > SERVER_LISTEN_MAX || server->sessions > SERVER_SESSIONS_MAX) {
		return cli_usage(c, "at most %d --listen, and --max-sessions %d", SERVER_LISTEN_MAX,
			SERVER_SESSIONS_MAX);
	}
	if (chars > ENHANCED_CHARS_MAX) {
		return cli_usage(c, "--max-chars takes at most %d", ENHANCED_CHARS_MAX);
	}
	return EX_OK;
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
		{0, "login-time", CLI_NUMBER, &login}, {0, "idle-time", CLI_NUMBER, &idle},
		{0, "mail-time", CLI_NUMBER, &mail},
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
	rc = misused(&c, &server, &listen, chars);
	rc = rc == EX_OK ? choose_dialect(&c, &service, dialect) : rc;
	if (rc != EX_OK) {
		return rc;
	}
	set_defaults(&server, &listen, host->dialect->port);
	host->login_ms = seconds_or(login, 30);
	host->idle_ms = seconds_or(idle, 600);
	host->mail_ms = seconds_or(mail, 600);
	host->limits.messages = messages;
	host->max_chars = chars == 0 ? ENHANCED_CHARS : chars;
	host->dir = service.gate.fd = -1;
	cli_protect();
	rc = start(&c, &service, dir == NULL ? "." : dir, &e);
	server.box = host->box;
	server.accounts = service.accounts;
	rc = rc == 0 ? server_run(&server, &e) : rc;
	if (rc > 0) {
		host->box = NULL; /* not closed, which would settle: the next start does */
	}
	end(&service);
	return cli_finish(&c, rc >= 0 ? EX_OK : cli_fail(&c, &e));
}
