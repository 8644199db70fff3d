/* serve: the server. In the foreground, logging to stderr: a supervisor does the rest. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../keys/keyfile.h"
#include "../proto/classic_server.h"
#include "../proto/log.h"
#include "../proto/mail_server.h"
#include "../proto/server.h"
#include "cli.h"

static const char help[] =
	"usage: smtp361 serve [-d DIR] [-l [ADDR:]PORT]...\n"
	"\n"
	"Serve the mailboxes in DIR, which holds user_pass.json, server_private.pem, each\n"
	"user's USER_public.pem, and a folder of mail for each user. Ends on SIGTERM or\n"
	"Ctrl-C: a message on its way to the disk is finished first.\n"
	"\n"
	"  -d, --dir DIR               the server's folder (.)\n"
	"  -l, --listen [ADDR:]PORT    where to listen (13000); repeatable; port 0: a free one\n"
	"      --max-sessions N        sessions at once (500)\n"
	"      --max-per-address N     sessions at once from one address (100)\n"
	"      --login-time SECONDS    for a login (30)\n"
	"      --idle-time SECONDS     for an answer at the menu (600)\n"
	"      --mail-time SECONDS     for one e-mail (600)\n"
	"\n"
	"The founding lines go to stdout; one line for each connection goes to stderr.\n";

struct service {
	struct classic_host host;
	struct rsa_private key;
	struct gate gate;
};

/* --- what the server calls --- */

static int session(void *arg, struct conn *c, const char *peer)
{
	const struct service *s = arg;
	struct classic_report r;
	struct err e = {0};
	int64_t began = conn_now_ms();
	int rc = classic_serve(c, &s->host, &r, &e);

	conn_close(c);
	log_quotable(e.text);
	log_event("end",
		"peer=%s user=%s sent=%u rejected=%u listed=%u viewed=%u in=%llu out=%llu "
		"ms=%lld code=%d%s%s%s",
		peer, r.user[0] == '\0' ? "-" : r.user, r.sent, r.rejected, r.listed, r.viewed,
		(unsigned long long)c->in, (unsigned long long)c->out,
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

static void ready(void *arg)
{
	(void)arg;
	log_say("The server is ready to accept connections");
}

/* --- starting --- */

static int prepare_user(void *arg, const char *name, enum users_kind kind)
{
	const struct service *s = arg;
	struct err e;

	(void)kind;
	if (s->host.box->ops->prepare(s->host.box, name, &e) != 0) {
		log_err("mailbox", &e); /* the others can be served */
	}
	return 0;
}

/* Read what the sessions will need, so that a fault shows now and not at the first login. */
static int start(const struct cli *c, struct service *s, const char *dir, struct err *e)
{
	struct users *users;
	bool others_can_read;

	s->host.dir = file_open_dir(dir, e);
	if (s->host.dir < 0) {
		return -1;
	}
	if (keyfile_load_private(s->host.dir, "server", &s->key, e) != 0) {
		return faccessat(s->host.dir, "server_private.pem", F_OK, 0) != 0
			       ? err_hint(e, "smtp361 keygen -d %s server", dir)
			       : -1;
	}
	if (rsa_check_private(&s->key, e) != 0) {
		return err_prefix(e, "cannot use server_private.pem");
	}
	if (users_load(s->host.dir, &users, &others_can_read, e) != 0) {
		return faccessat(s->host.dir, USERS_FILE, F_OK, 0) != 0
			       ? err_hint(e, "smtp361 user -d %s add NAME", dir)
			       : -1;
	}
	if (others_can_read) {
		cli_note(c, "%s can be read by others: chmod 600 %s/%s", USERS_FILE, dir,
			USERS_FILE);
	}
	s->host.key = &s->key;
	gate_open(&s->gate);
	s->host.gate = &s->gate;
	if (mailbox_files_open(s->host.dir, mail_describe, &s->host.box, e) != 0) {
		users_free(users);
		return -1;
	}
	(void)users_each(users, prepare_user, s);
	users_free(users);
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
	gate_close(&s->gate);
	wipe(&s->key, sizeof s->key);
}

static int64_t seconds_or(unsigned given, unsigned otherwise)
{
	return 1000 * (int64_t)(given == 0 ? otherwise : given);
}

APPLET_MAIN(serve)
{
	const char *dir = NULL;
	struct cli_list listen = {0};
	unsigned login = 0, idle = 0, mail = 0;
	static struct service service;
	struct server server = {
		.session = session, .after_death = after_death, .ready = ready, .arg = &service};
	const struct cli_option options[] = {{'d', "dir", CLI_TEXT, &dir},
		{'l', "listen", CLI_LIST, &listen},
		{0, "max-sessions", CLI_NUMBER, &server.sessions},
		{0, "max-per-address", CLI_NUMBER, &server.per_address},
		{0, "login-time", CLI_NUMBER, &login}, {0, "idle-time", CLI_NUMBER, &idle},
		{0, "mail-time", CLI_NUMBER, &mail}};
	struct cli c = {.applet = "serve",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	if (c.args_n > 0) {
		return cli_usage(&c, "serve takes no \"%s\"", c.args[0]);
	}
	if (listen.n > SERVER_LISTEN_MAX || server.sessions > SERVER_SESSIONS_MAX) {
		return cli_usage(&c, "at most %d --listen, and --max-sessions %d",
			SERVER_LISTEN_MAX, SERVER_SESSIONS_MAX);
	}
	server.listen_n = listen.n == 0 ? 1 : listen.n;
	server.listen[0] = CONN_DEFAULT_PORT;
	memcpy(server.listen, listen.items, listen.n * sizeof listen.items[0]);
	server.sessions = server.sessions == 0 ? SERVER_SESSIONS : server.sessions;
	server.per_address = server.per_address == 0 ? SERVER_PER_ADDRESS : server.per_address;
	service.host.login_ms = seconds_or(login, 30);
	service.host.idle_ms = seconds_or(idle, 600);
	service.host.mail_ms = seconds_or(mail, 600);
	service.host.dir = service.gate.fd = -1;
	cli_protect();
	rc = start(&c, &service, dir == NULL ? "." : dir, &e);
	rc = rc == 0 ? server_run(&server, &e) : rc;
	end(&service);
	return cli_finish(&c, rc == 0 ? EX_OK : cli_fail(&c, &e));
}
