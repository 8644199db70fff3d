/* Accounts of client applets: configuration, keys, login; see account.h. */
#include "account.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../keys/keyfile.h"
#include "../proto/classic_client.h"
#include "../proto/enhanced_client.h"

enum { CONFIG_MAX = 65536 };

/* --- configuration --- */

int account_config_path(char out[static ACCOUNT_PATH_MAX], struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n = 0;

	if (xdg != NULL && xdg[0] == '/') {
		n = snprintf(out, ACCOUNT_PATH_MAX, "%s/smtp361/config.json", xdg);
	} else if (home != NULL && home[0] == '/') {
		n = snprintf(out, ACCOUNT_PATH_MAX, "%s/.config/smtp361/config.json", home);
	}
	if (n < 0 || n >= ACCOUNT_PATH_MAX) { /* cut, it would be another file's */
		return err_set(e, EX_CONFIG, "the path of the configuration is too long");
	}
	return n > 0 ? 1 : 0;
}

int account_config_read(char path[static ACCOUNT_PATH_MAX], struct buf *text, struct err *e)
{
	int rc = account_config_path(path, e);

	if (rc <= 0) {
		return rc;
	}
	if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
		return 0;
	}
	if (file_read(AT_FDCWD, path, CONFIG_MAX, text, NULL, e) != 0) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
		return -1;
	}
	return 1;
}

/* One field, when it is there and nothing has set the value yet. */
static int take_field(const json_t *root, const char *path, const char *field, const char **value,
	struct buf *own, struct err *e)
{
	const json_t *found = json_object_get(root, field);

	if (found == NULL || *value != NULL) {
		return 0;
	}
	if (!json_is_string(found)) {
		return err_set(e, EX_CONFIG, "%s: \"%s\" is not a string", path, field);
	}
	if (buf_append(own, json_string_value(found), json_string_length(found) + 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	*value = (const char *)own->p;
	return 0;
}

/* 0 or -1. */
static int take_seal(struct account *a, const char *path, const json_t *seal, struct err *e)
{
	const char *text = json_string_value(seal);

	if (json_is_true(seal) || (text != NULL && strcmp(text, "send") == 0)) {
		a->seal = text == NULL ? ACCOUNT_SEAL : ACCOUNT_SEAL_SEND;
		return 0;
	}
	return seal == NULL || json_is_false(seal)
		       ? 0
		       : err_set(e, EX_CONFIG, "%s: \"seal\" is neither true, false nor \"send\"",
				 path);
}

/* 0 or -1. */
static int take_flag(
	const char *path, const json_t *root, const char *field, bool *out, struct err *e)
{
	const json_t *found = json_object_get(root, field);

	if (found != NULL && !json_is_boolean(found)) {
		return err_set(e, EX_CONFIG, "%s: \"%s\" is neither true nor false", path, field);
	}
	*out = json_is_true(found);
	return 0;
}

static int take_config(struct account *a, const char *path, const struct buf *text, struct err *e)
{
	const struct {
		const char *field, **value;
	} fields[ACCOUNT_FIELDS] = {{"server", &a->server}, {"user", &a->user}, {"keys", &a->keys},
		{"password_file", &a->password_file}, {"pin", &a->pin}};
	json_error_t why;
	json_t *root = json_loadb((const char *)text->p, text->n, JSON_REJECT_DUPLICATES, &why);
	bool enhanced = false, sealed = false;
	int rc = 0;

	if (!json_is_object(root)) {
		rc = err_set(e, EX_CONFIG, "%s:%d: %s", path, root == NULL ? why.line : 1,
			root == NULL ? why.text : "it is no JSON object");
	} else if (take_flag(path, root, "enhanced", &enhanced, e) != 0 ||
		   take_flag(path, root, "require-sealed", &sealed, e) != 0) {
		rc = -1;
	}
	for (size_t i = 0; rc == 0 && i < ACCOUNT_FIELDS; i++) {
		rc = take_field(root, path, fields[i].field, fields[i].value, &a->config[i], e);
	}
	rc = rc == 0 ? take_seal(a, path, json_object_get(root, "seal"), e) : rc;
	a->enhanced = a->enhanced || (enhanced && !a->classic);
	a->require_sealed = a->require_sealed || sealed;
	json_decref(root);
	return rc;
}

static void from_environment(const char **value, const char *name)
{
	const char *found = getenv(name);

	if (*value == NULL && found != NULL && found[0] != '\0') {
		*value = found;
	}
}

/* Who names a dialect wants the classic protocol. */
static int resolve_dialect(struct account *a, struct err *e)
{
	const char *name = a->dialect_name;

	a->dialect = name == NULL ? classic_spec : classic_dialect_find(name);
	if (a->dialect == NULL) {
		return err_set(e, EX_USAGE, "there is no dialect \"%.64s\"; there are: %s", name,
			classic_dialect_names);
	}
	if (name != NULL && a->enhanced) {
		return err_set(e, EX_USAGE,
			"--dialect is of the classic protocol, and does not go with --enhanced");
	}
	a->classic = a->classic || name != NULL;
	return 0;
}

int account_resolve(struct account *a, struct err *e)
{
	char path[ACCOUNT_PATH_MAX];
	struct buf text = {0};
	int rc;

	if (a->resolved) {
		return 0;
	}
	if (a->enhanced && a->classic) {
		return err_set(e, EX_USAGE, "--enhanced and --classic do not go together");
	}
	if (resolve_dialect(a, e) != 0) {
		return -1;
	}
	from_environment(&a->server, "SMTP361_SERVER");
	from_environment(&a->user, "SMTP361_USER");
	from_environment(&a->password_file, "SMTP361_PASSWORD_FILE");
	rc = account_config_read(path, &text, e);
	rc = rc > 0 ? take_config(a, path, &text, e) : rc;
	buf_free(&text);
	if (a->keys == NULL) {
		a->keys = ".";
	}
	if (rc == 0 && a->pin != NULL && !a->enhanced && !a->classic) {
		return err_set(e, EX_USAGE,
			"a pinned key is of the enhanced protocol: --enhanced, or --classic "
			"without it");
	}
	a->resolved = rc == 0;
	return rc;
}

void account_free(struct account *a)
{
	for (size_t i = 0; i < ACCOUNT_FIELDS; i++) {
		buf_free(&a->config[i]);
	}
}

/* --- keys --- */

static int open_keys(const struct account *a, struct err *e)
{
	return file_open_dir(a->keys, e);
}

/* Where a key was looked for, when it is not there. */
static int tell_folder(const struct account *a, int rc, struct err *e)
{
	if (rc != 0 && e->code == EX_NOINPUT) {
		err_hint(e, "the keys are looked for in %s; -k DIR names another folder", a->keys);
	}
	return rc;
}

static int load_rsa(
	const struct account *a, struct rsa_private *own, struct rsa_public *server, struct err *e)
{
	int dir = open_keys(a, e), rc;

	if (dir < 0) {
		return -1;
	}
	rc = keyfile_load_private(dir, a->user, own, e);
	rc = rc == 0 ? keyfile_load_public(dir, "server", server, e) : rc;
	(void)close(dir);
	return tell_folder(a, rc, e);
}

static int check_pin(
	const struct account *a, const uint8_t server[static X25519_BYTES], struct err *e)
{
	char found[KEYFILE_FINGERPRINT_MAX];

	if (a->pin == NULL) {
		return 0;
	}
	if (keyfile_x25519_fingerprint(server, found) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return strcmp(found, a->pin) == 0
		       ? 0
		       : err_set(e, EX_PROTOCOL,
				 "server_x25519_public.pem is %s, and not the pinned %.80s", found,
				 a->pin);
}

static int load_x25519(const struct account *a, struct x25519_pair *own,
	uint8_t server[static X25519_BYTES], struct err *e)
{
	int dir, rc;

	if (x25519_self_check(e) != 0) {
		return -1;
	}
	dir = open_keys(a, e);
	if (dir < 0) {
		return -1;
	}
	rc = keyfile_load_x25519_private(dir, a->user, own, e);
	rc = rc == 0 ? keyfile_load_x25519_public(dir, "server", server, e) : rc;
	(void)close(dir);
	return rc == 0 ? check_pin(a, server, e) : tell_folder(a, rc, e);
}

/* --- login --- */

void account_trace(void *account, const char *line)
{
	const struct account *a = account;
	char shown[2048];

	if (a->trace != NULL) {
		a->trace(a->trace_arg, line);
		return;
	}
	(void)escape_text(shown, sizeof shown, line, strlen(line), false);
	(void)fprintf(stderr, "smtp361 %s: %s\n", a->applet, shown);
}

/* A password as it was given, or asked for. */
struct asked {
	uint8_t password[PASSWORD_MAX];
	size_t n;
	bool given;
};

static int no_password(struct err *e)
{
	err_set(e, EX_USAGE, "no password is given");
	return err_hint(e, "--password-file FILE, or $SMTP361_PASSWORD_FILE");
}

static int ask(struct asked *p, struct err *e)
{
	p->given = account_password_ask("Enter your password: ", p->password, &p->n, e) == 0;
	return p->given ? 0 : -1;
}

static int login_classic(const struct account *a, const char *host, const char *port,
	const struct asked *p, struct mail_client **out, struct err *e)
{
	struct rsa_private own;
	struct rsa_public server;
	const struct classic_login l = {.host = host,
		.port = port,
		.user = a->user,
		.server_key = &server,
		.user_key = &own,
		.dialect = a->dialect,
		.password = p->password,
		.password_n = p->n,
		.trace = a->verbose ? account_trace : NULL,
		.trace_arg = (void *)(uintptr_t)a};
	int rc = load_rsa(a, &own, &server, e);

	rc = rc == 0 ? classic_client_open(out, &l, e) : rc;
	wipe(&own, sizeof own);
	return rc;
}

/* may_ask: the server may turn out to ask for a password, and we may ask for it then. */
static int login_enhanced(const struct account *a, const char *host, const char *port,
	struct asked *p, bool may_ask, struct mail_client **out, struct err *e)
{
	struct x25519_pair own;
	uint8_t server[X25519_BYTES];
	struct enhanced_login l = {.host = host,
		.port = port,
		.user = a->user,
		.key = &own,
		.server_key = server,
		.trace = a->verbose ? account_trace : NULL,
		.trace_arg = (void *)(uintptr_t)a};
	bool asks = false;
	int rc = load_x25519(a, &own, server, e);

	while (rc == 0) {
		l.password = p->given ? p->password : NULL;
		l.password_n = p->n;
		rc = enhanced_client_open(out, &l, e);
		if (rc != 0 || !may_ask || enhanced_client_welcome(*out, &asks, e) == 0) {
			break;
		}
		(*out)->ops->end(*out);
		*out = NULL;
		rc = asks && !p->given ? ask(p, e) : -1;
	}
	wipe(&own, sizeof own);
	return rc;
}

int account_login(const struct account *a, bool may_ask, struct mail_client **out, struct err *e)
{
	char host[CONN_HOST_MAX], port[8];
	struct asked p = {0};
	int rc = conn_split_port(
		a->server, a->enhanced ? CONN_DEFAULT_PORT : a->dialect->port, host, port, e);

	*out = NULL;
	if (rc == 0 && a->password_file != NULL) {
		rc = account_password_file(a->password_file, p.password, &p.n, e);
		p.given = rc == 0;
	} else if (rc == 0 && !a->enhanced) {
		rc = may_ask ? ask(&p, e) : no_password(e);
	}
	if (rc == 0) {
		rc = a->enhanced ? login_enhanced(a, host, port, &p, may_ask, out, e)
				 : login_classic(a, host, port, &p, out, e);
	}
	wipe(&p, sizeof p);
	return rc;
}

int account_open(struct account *a, struct mail_client **out, struct err *e)
{
	*out = NULL;
	if (account_resolve(a, e) != 0) {
		return -1;
	}
	if (a->server == NULL || a->user == NULL) {
		err_set(e, EX_USAGE, "no %s is given", a->server == NULL ? "server" : "user");
		return err_hint(e, "%s",
			a->server == NULL ? "-s HOST[:PORT], or $SMTP361_SERVER; or smtp361 join"
					  : "-u NAME, or $SMTP361_USER");
	}
	return account_login(a, isatty(STDIN_FILENO) == 1, out, e);
}
