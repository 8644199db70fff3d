/* Accounts of client applets; see account.h. */
#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <termios.h>

#include "../crypto/file.h"
#include "../keys/keyfile.h"

enum { CONFIG_MAX = 65536, PATH_CAP = 4096 };

/* --- configuration --- */

static const char *config_path(char out[static PATH_CAP])
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg != NULL && xdg[0] == '/') {
		(void)snprintf(out, PATH_CAP, "%s/smtp361/config.json", xdg);
	} else if (home != NULL && home[0] == '/') {
		(void)snprintf(out, PATH_CAP, "%s/.config/smtp361/config.json", home);
	} else {
		return NULL;
	}
	return out;
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

static int take_config(struct account *a, const char *path, const struct buf *text, struct err *e)
{
	const struct {
		const char *field, **value;
	} fields[] = {{"server", &a->server}, {"user", &a->user}, {"keys", &a->keys},
		{"password_file", &a->password_file}};
	json_error_t why;
	json_t *root = json_loadb((const char *)text->p, text->n, JSON_REJECT_DUPLICATES, &why);
	int rc = 0;

	if (!json_is_object(root)) {
		rc = err_set(e, EX_CONFIG, "%s:%d: %s", path, root == NULL ? why.line : 1,
			root == NULL ? why.text : "it is no JSON object");
	}
	for (size_t i = 0; rc == 0 && i < sizeof fields / sizeof fields[0]; i++) {
		rc = take_field(root, path, fields[i].field, fields[i].value, &a->config[i], e);
	}
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

int account_resolve(struct account *a, struct err *e)
{
	char path[PATH_CAP];
	struct buf text = {0};
	int rc = 0;

	from_environment(&a->server, "SMTP361_SERVER");
	from_environment(&a->user, "SMTP361_USER");
	from_environment(&a->password_file, "SMTP361_PASSWORD_FILE");
	if (config_path(path) != NULL && access(path, F_OK) == 0) {
		rc = file_read(AT_FDCWD, path, CONFIG_MAX, &text, NULL, e);
		if (rc != 0) {
			e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
		}
		rc = rc == 0 ? take_config(a, path, &text, e) : rc;
		buf_free(&text);
	}
	if (a->keys == NULL) {
		a->keys = ".";
	}
	return rc;
}

void account_free(struct account *a)
{
	for (size_t i = 0; i < sizeof a->config / sizeof a->config[0]; i++) {
		buf_free(&a->config[i]);
	}
}

/* --- passwords --- */

static volatile sig_atomic_t interrupted; /* the signal's number */
static int interrupt_pipe[2] = {-1, -1};  /* readable once it came, so that none slips by */

/* Wait until fd can be read. 1: a signal came first. */
static int wait_for_input(int fd)
{
	struct pollfd p[2] = {
		{.fd = fd, .events = POLLIN}, {.fd = interrupt_pipe[0], .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR) {
	}
	return p[1].revents != 0 ? 1 : 0;
}

/* Read up to a line end or the end. Byte by byte: what follows on stdin is not ours. 1: a signal
 * came. */
static int read_line(int fd, uint8_t *out, size_t *n, struct err *e)
{
	uint8_t byte;
	ssize_t k;

	for (*n = 0;;) {
		if (wait_for_input(fd) != 0) {
			return 1;
		}
		k = read(fd, &byte, 1);
		if (k < 0 && errno == EINTR) {
			continue;
		}
		if (k < 0) {
			return err_sys(e, EX_NOINPUT, "cannot read the password");
		}
		if (k == 0 || byte == '\n') {
			break;
		}
		if (*n == PASSWORD_MAX) {
			return err_set(
				e, EX_DATAERR, "the password has more than %d bytes", PASSWORD_MAX);
		}
		out[(*n)++] = byte;
	}
	if (*n > 0 && out[*n - 1] == '\r') {
		(*n)--;
	}
	if (k == 0 && *n == 0) {
		return err_set(e, EX_NOINPUT, "no password came: the input ended");
	}
	return 0;
}

int account_password_file(const char *file, uint8_t *password, size_t *n, struct err *e)
{
	bool is_stdin = strcmp(file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open the password file %s", file);
	}
	rc = read_line(fd, password, n, e);
	if (!is_stdin) {
		(void)close(fd);
	}
	if (rc == 0 && *n == 0) {
		return err_set(
			e, EX_DATAERR, "the first line of the password file %s is empty", file);
	}
	return rc;
}

static void on_interrupt(int number)
{
	int saved = errno;

	interrupted = number;
	(void)!write(interrupt_pipe[1], "", 1);
	errno = saved;
}

/* What can end the program while the echo is off. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_N = sizeof ending / sizeof ending[0] };

/* Read a line with the echo off. Whatever ends it, the terminal is as before. */
static int read_hidden(uint8_t *password, size_t *n, struct err *e)
{
	struct sigaction catch = {.sa_handler = on_interrupt}, before[ENDING_N];
	struct termios shown, hidden;
	bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
	int rc;

	interrupted = 0;
	if (pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		return err_sys(e, EX_OSERR, "cannot open a pipe");
	}
	for (size_t i = 0; i < ENDING_N; i++) {
		(void)sigaction(ending[i], &catch, &before[i]);
	}
	if (terminal) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	}
	rc = read_line(STDIN_FILENO, password, n, e);
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		(void)fputs("\n", stdout);
	}
	for (size_t i = 0; i < ENDING_N; i++) {
		(void)sigaction(ending[i], &before[i], NULL);
	}
	for (int i = 0; i < 2; i++) {
		(void)close(interrupt_pipe[i]);
		interrupt_pipe[i] = -1;
	}
	return interrupted != 0 ? 1 : rc;
}

int account_password_ask(const char *prompt, uint8_t *password, size_t *n, struct err *e)
{
	int rc;

	(void)fputs(prompt, stdout);
	(void)fflush(stdout);
	rc = read_hidden(password, n, e);
	if (rc == 1) {
		wipe(password, *n);
		if (interrupted != SIGINT) {
			(void)raise(interrupted); /* as if it had not been caught */
		}
		return err_set(e, 128 + SIGINT, "interrupted");
	}
	return rc;
}

int account_password(const struct account *a, uint8_t *password, size_t *n, struct err *e)
{
	if (a->password_file != NULL) {
		return account_password_file(a->password_file, password, n, e);
	}
	if (isatty(STDIN_FILENO) == 1) {
		return account_password_ask("Enter your password: ", password, n, e);
	}
	err_set(e, EX_USAGE, "no password is given");
	return err_hint(e, "--password-file FILE, or $SMTP361_PASSWORD_FILE");
}

/* --- login --- */

static int load_keys(
	const struct account *a, struct rsa_private *own, struct rsa_public *server, struct err *e)
{
	int dir = file_open_dir(a->keys, e), rc;

	if (dir < 0) {
		return -1;
	}
	rc = keyfile_load_private(dir, a->user, own, e);
	rc = rc == 0 ? keyfile_load_public(dir, "server", server, e) : rc;
	(void)close(dir);
	if (rc != 0 && e->code == EX_NOINPUT) {
		err_hint(e, "the keys are looked for in %s; -k DIR names another folder", a->keys);
	}
	return rc;
}

int account_login(const struct account *a, struct classic_client *c, const uint8_t *password,
	size_t n, struct err *e)
{
	uint8_t asked[PASSWORD_MAX];
	char host[CONN_HOST_MAX], port[8];
	struct rsa_private own;
	struct rsa_public server;
	struct classic_login l = {.host = host,
		.port = port,
		.user = a->user,
		.server_key = &server,
		.user_key = &own};
	int rc = -1;

	c->conn.fd = -1;
	c->menu = (struct buf){0};
	if (conn_split(a->server, host, port, e) != 0 || load_keys(a, &own, &server, e) != 0) {
		goto out;
	}
	if (password == NULL) {
		if (account_password(a, asked, &n, e) != 0) {
			goto out;
		}
		password = asked;
	}
	l.password = password;
	l.password_n = n;
	rc = classic_client_login(c, &l, e);
out:
	wipe(asked, sizeof asked);
	wipe(&own, sizeof own);
	return rc;
}

int account_open(struct account *a, struct classic_client *c, struct err *e)
{
	c->conn.fd = -1;
	c->menu = (struct buf){0};
	if (account_resolve(a, e) != 0) {
		return -1;
	}
	if (a->server == NULL || a->user == NULL) {
		err_set(e, EX_USAGE, "no %s is given", a->server == NULL ? "server" : "user");
		return err_hint(e, "%s",
			a->server == NULL ? "-s HOST[:PORT], or $SMTP361_SERVER"
					  : "-u NAME, or $SMTP361_USER");
	}
	return account_login(a, c, NULL, 0, e);
}
