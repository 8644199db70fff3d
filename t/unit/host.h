/* A server of the enhanced protocol on a port of its own, over a folder of its own; and clients of
 * it. alice, bob and carol have keys in their accounts, dave has a key file, eve a password and no
 * key; rex was revoked, and ina only invited. */
#ifndef T_HOST_H
#define T_HOST_H

#include "unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "../../crypto/file.h"
#include "../../crypto/x25519.h"
#include "../../keys/keyfile.h"
#include "../../proto/enhanced_chat.h"
#include "../../proto/enhanced_mail.h"
#include "../../proto/enhanced_members.h"
#include "../../proto/fields.h"
#include "../../proto/host_server.h"
#include "../../proto/mail_server.h"
#include "../../proto/server.h"
#include "../../store/members.h"

static struct err e;
static struct accounts_store *accounts; /* the test's own view of them */

static const char *const named[] = {"alice", "bob", "carol", "dave"};
static struct x25519_pair pairs[COUNT(named)];
static const uint8_t invited[USERS_SECRET] = {7, 7, 7};

static inline struct x25519_pair *pair_of(const char *name)
{
	for (size_t i = 0; i < COUNT(named); i++) {
		if (strcmp(name, named[i]) == 0) {
			return &pairs[i];
		}
	}
	fail_msg("%s has no keys", name);
	return NULL;
}

static inline void make_pair(struct x25519_pair *p, uint8_t seed)
{
	memset(p->private, seed, sizeof p->private);
	x25519_public(p->public, p->private);
}

/* --- the server --- */

static struct host host;
static struct guard host_guard;
static struct gate host_gate;
static struct x25519_pair host_pair; /* its sessions wipe their own copies */
static uint8_t host_key[X25519_BYTES];
static uint64_t host_bytes; /* that may wait for a user; 0: no limit */
static pid_t host_pid;
static int host_pipe[2];
static char host_port[8];

static inline int host_session(void *arg, struct conn *c)
{
	struct report report;
	struct err why;
	int rc = session_serve(c, arg, &report, &why);

	conn_close(c);
	return rc == 0 ? 0 : why.code;
}

static inline void host_changed(void *arg)
{
	struct host *h = arg;
	struct err why;

	(void)accounts_refresh(&h->accounts, NULL, &why);
}

static inline bool host_stays(void *arg, const struct presence_who *who)
{
	const struct host *h = arg;

	return h->accounts.now != NULL && accounts_allow(&h->accounts, who);
}

static inline void host_listens(void *arg, const char *address)
{
	const char *port = strrchr(address, ':') + 1;

	(void)arg;
	(void)!write(host_pipe[1], port, strlen(port) + 1);
}

static inline void host_ready(void *arg)
{
	(void)arg;
}

static inline int host_run(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};

	struct server server = {.listen = {{.address = "127.0.0.1:0"}},
		.listen_n = 1,
		.sessions = 50,
		.per_address = 50,
		.session = host_session,
		.changed = host_changed,
		.stays = host_stays,
		.listens = host_listens,
		.ready = host_ready,
		.arg = &host};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct err why;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < COUNT(faults); i++) { /* which would run the tests in here */
		(void)signal(faults[i], SIG_DFL);
	}
	(void)dup2(null, 2);
	(void)dup2(null, 1);
	host = (struct host){.x25519 = &host_pair,
		.dir = folder.fd,
		.gate = &host_gate,
		.guard = &host_guard,
		.limits = {.bytes = host_bytes},
		.login_ms = 60000,
		.idle_ms = 60000,
		.mail_ms = 60000,
		.max_chars = 1000};
	gate_open(&host_gate);
	guard_open(&host_guard);
	if (accounts_files_open(folder.fd, &host.accounts.store, &why) != 0 ||
		mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &host.box, &why) !=
			0 ||
		shelf_files_open(folder.fd, &host.shelf, &why) != 0 ||
		talk_open(folder.fd, &host.talk, &why) != 0) {
		return 1;
	}
	host.accounts.dir = folder.fd;
	server.box = host.box;
	server.accounts = host.accounts.store;
	host_changed(&host);
	return server_run(&server, &why) < 0 ? 1 : 0;
}

static inline void host_start(void)
{
	size_t n = 0;

	assert_int_equal(pipe(host_pipe), 0);
	host_pid = fork();
	assert_true(host_pid >= 0);
	if (host_pid == 0) {
		_exit(host_run());
	}
	(void)close(host_pipe[1]);
	while (n == 0 || host_port[n - 1] != '\0') { /* it ends, too, when the server does */
		assert_true(n < sizeof host_port);
		assert_int_equal(read(host_pipe[0], host_port + n, 1), 1);
		n++;
	}
	(void)close(host_pipe[0]);
}

static inline void host_stop(void)
{
	assert_int_equal(kill(host_pid, SIGTERM), 0);
	assert_int_equal(end_child(host_pid), 0);
}

static inline void host_users(void)
{
	int64_t later = INT32_MAX;

	for (size_t i = 0; i < COUNT(named); i++) {
		make_pair(&pairs[i], (uint8_t)(i + 11));
		assert_int_equal(users_invite(accounts, named[i], invited, later, &e), 0);
		assert_int_equal(
			users_join(accounts, named[i], invited, 1, pairs[i].public, &e), 0);
	}
	assert_int_equal(users_invite(accounts, "ina", invited, later, &e), 0);
	assert_int_equal(users_invite(accounts, "rex", invited, later, &e), 0);
	assert_int_equal(users_join(accounts, "rex", invited, 1, host_key, &e), 0);
	assert_int_equal(users_revoke(accounts, "rex", NULL, &e), 0);
	assert_int_equal(users_add(accounts, "eve", "secret", 6, &e), 0);
	/* dave's key stands in a file alone */
	assert_int_equal(users_del(accounts, "dave", &e), 0);
	assert_int_equal(users_add(accounts, "dave", "secret", 6, &e), 0);
	assert_int_equal(users_set_mode(accounts, "dave", USERS_KEY, &e), 0);
	assert_int_equal(
		keyfile_save_x25519_public(folder.fd, "dave", pair_of("dave")->public, &e), 0);
}

static inline int host_make(void **state)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (folder_make(state) != 0) {
		return -1;
	}
	make_pair(&host_pair, 5);
	memcpy(host_key, host_pair.public, sizeof host_key);
	assert_int_equal(accounts_files_open(folder.fd, &accounts, &e), 0);
	host_users();
	host_start();
	return 0;
}

static inline int host_drop(void **state)
{
	host_stop();
	accounts->ops->close(accounts);
	return folder_remove(state);
}

#define T_HOST(title, function)                             \
	{                                                   \
		title, function, host_make, host_drop, NULL \
	}

/* --- its clients --- */

static inline struct mail_client *log_in_with(const char *name, const struct x25519_pair *pair)
{
	const struct enhanced_login l = {.host = "127.0.0.1",
		.port = host_port,
		.user = name,
		.key = pair,
		.server_key = host_key};
	struct mail_client *c;

	if (enhanced_client_open(&c, &l, &e) != 0) {
		fail_msg("%s: %s", name, e.text);
	}
	return c;
}

static inline struct mail_client *log_in(const char *name)
{
	struct mail_client *c = log_in_with(name, pair_of(name));

	assert_int_equal(enhanced_client_welcome(c, NULL, &e), 0);
	return c;
}

static inline void log_out(struct mail_client *c)
{
	c->ops->quit(c);
	c->ops->end(c);
}

/* Send an object as it is written here, and n raw bytes. */
static inline void say(struct mail_client *base, const char *json, const void *raw, size_t n)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = fields_parse(json, strlen(json), &e);

	assert_non_null(o);
	conn_deadline(&c->conn, 20000);
	assert_int_equal(enhanced_put_json(&c->wire, o, &e), 0);
	assert_int_equal(enhanced_put_raw(&c->wire, raw, n, &e), 0);
	assert_int_equal(enhanced_flush(&c->wire, &e), 0);
}

/* The next answer must be an error with this code. */
static inline void assert_error(struct mail_client *base, const char *code)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o;

	if (enhanced_get_json(&c->wire, &o, &e) != 0) {
		fail_msg("no \"%s\": %s", code, e.text);
	}
	if (!fields_is(o, "type", "error") || !fields_is(o, "code", code)) {
		fail_msg("no \"%s\": %s", code, json_dumps(o, 0));
	}
	json_decref(o);
}

#endif
