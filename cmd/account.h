/* Who a client applet is, whom it talks to, and how it logs in: options, then the environment, then
 * the configuration file. Passwords come from a file or a terminal, never from the command line. */
#ifndef CMD_ACCOUNT_H
#define CMD_ACCOUNT_H

#include "../crypto/password.h"
#include "../proto/classic_dialect.h"
#include "../proto/mail_client.h"
#include "cli.h"

enum { ACCOUNT_FIELDS = 5 };

/* What the configuration's "seal" says: false; "send": what `send` and `client` send is sealed;
 * true: and `sendmail`, which cannot seal, refuses. `sendmail --smtp`, which asks no configuration,
 * and `put` send in the clear all the same. */
enum account_seal { ACCOUNT_CLEAR, ACCOUNT_SEAL_SEND, ACCOUNT_SEAL };

struct account {
	const char *applet; /* for what -v prints */
	/* set by options, then completed by account_resolve */
	const char *server; /* HOST[:PORT] */
	const char *user;
	const char *keys;          /* folder of the user's keys and the server's public ones */
	const char *password_file; /* "-": standard input */
	const char *pin;           /* fingerprint that the server's key must have; NULL: any */
	bool enhanced, classic;    /* which wire; neither was said: classic */
	const char *dialect_name;  /* of the classic one; NULL: it was not said */
	const struct classic_dialect *dialect; /* the same, once resolved */
	bool verbose;
	/* where -v tells, of whoever draws on the terminal; NULL: on stderr */
	void (*trace)(void *arg, const char *line);
	void *trace_arg;
	enum account_seal seal;
	bool require_sealed; /* the same of an option; applets that read mail have it */
	bool resolved;
	struct buf config[ACCOUNT_FIELDS]; /* owns what came from the configuration file */
};

/* Rows for an applet's option table. */
#define ACCOUNT_OPTIONS(a)                                                                  \
	{'s', "server", CLI_TEXT, &(a)->server}, {'u', "user", CLI_TEXT, &(a)->user},       \
		{'k', "keys", CLI_TEXT, &(a)->keys},                                        \
		{0, "password-file", CLI_TEXT, &(a)->password_file},                        \
		{0, "pin", CLI_TEXT, &(a)->pin}, {0, "enhanced", CLI_FLAG, &(a)->enhanced}, \
		{0, "classic", CLI_FLAG, &(a)->classic},                                    \
		{0, "dialect", CLI_TEXT, &(a)->dialect_name},                               \
	{                                                                                   \
		'v', "verbose", CLI_FLAG, &(a)->verbose                                     \
	}

/* The part of a help text that tells them. */
#define ACCOUNT_HELP                                                                            \
	"  -s, --server HOST[:PORT]   the server (port 13000)      $SMTP361_SERVER\n"           \
	"  -u, --user NAME            who you are                  $SMTP361_USER\n"             \
	"  -k, --keys DIR             folder of your private and the server's public key (.)\n" \
	"      --password-file FILE   its first line; - is stdin   $SMTP361_PASSWORD_FILE\n"    \
	"      --enhanced             the enhanced protocol, and no other\n"                    \
	"      --classic              the classic one, whatever the configuration says\n"       \
	"      --dialect NAME         the same; NAME is spec, or python (port 12049)\n"         \
	"      --pin SHA256:...       the fingerprint that the server's key must have\n"        \
	"  -v, --verbose              tell what is verified, and what an onlooker sees\n"       \
	"Defaults come from the environment, then from $XDG_CONFIG_HOME/smtp361/config.json,\n" \
	"which `smtp361 join` writes: server, user, keys, password_file, pin, enhanced,\n"      \
	"seal, require-sealed.\n"

enum { ACCOUNT_PATH_MAX = 4096 };

/* Where the configuration file is. 1; 0: nothing tells; or -1 (EX_CONFIG: the path is too long). */
int account_config_path(char out[static ACCOUNT_PATH_MAX], struct err *e);
/* What stands in it, and where. 1; 0: there is none; or -1 (EX_CONFIG: it, or its path, is too
 * long; or as file_read). One that cannot be reached is not none: what it asks for would not
 * hold. */
int account_config_read(char path[static ACCOUNT_PATH_MAX], struct buf *text, struct err *e);

/* Fill what no option set. 0, or -1 (EX_CONFIG: the configuration file is damaged; EX_USAGE: two
 * protocols were asked for; or as account_config_read). */
int account_resolve(struct account *a, struct err *e);
void account_free(struct account *a);

/* Read a password from a file ("-": stdin) into `password`, which holds PASSWORD_MAX: its first
 * line, without the line end. 0, or -1 (EX_NOINPUT; EX_DATAERR: empty or too long). */
int account_password_file(const char *file, uint8_t *password, size_t *n, struct err *e);
/* The same of an open file; what: what it is, for errors. */
int account_password_fd(int fd, const char *what, uint8_t *password, size_t *n, struct err *e);
/* Ask on the terminal, without echo. 0, or -1: EX_NOINPUT (end of input), 130 (Ctrl-C; the terminal
 * is as before). */
int account_password_ask(const char *prompt, uint8_t *password, size_t *n, struct err *e);

/* Load the keys, connect, log in. ask: when no password was given, ask for one (the classic
 * protocol always needs one; the enhanced one when the server says so). 0 with *out, to be ended by
 * its ops; or -1. */
int account_login(const struct account *a, bool ask, struct mail_client **out, struct err *e);

/* Resolve and log in without a dialogue, as send, inbox and read do: only a terminal is asked. 0 or
 * -1, like account_login. */
int account_open(struct account *a, struct mail_client **out, struct err *e);

/* Print what a wire traces, for -v. */
void account_trace(void *account, const char *line);

#endif
