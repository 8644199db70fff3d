/* Who a client applet is, whom it talks to, and how it logs in: options, then the environment, then
 * the configuration file. Passwords come from a file or a terminal, never from the command line. */
#ifndef CMD_ACCOUNT_H
#define CMD_ACCOUNT_H

#include "../crypto/password.h"
#include "../proto/classic_client.h"
#include "cli.h"

struct account {
	/* set by options, then completed by account_resolve */
	const char *server; /* HOST[:PORT] */
	const char *user;
	const char *keys;          /* folder of USER_private.pem and server_public.pem */
	const char *password_file; /* "-": standard input */
	struct buf config[4];      /* owns what came from the configuration file */
};

/* Rows for an applet's option table. */
#define ACCOUNT_OPTIONS(a)                                                            \
	{'s', "server", CLI_TEXT, &(a)->server}, {'u', "user", CLI_TEXT, &(a)->user}, \
		{'k', "keys", CLI_TEXT, &(a)->keys},                                  \
	{                                                                             \
		0, "password-file", CLI_TEXT, &(a)->password_file                     \
	}

/* The part of a help text that tells them. */
#define ACCOUNT_HELP                                                                            \
	"  -s, --server HOST[:PORT]   the server (port 13000)      $SMTP361_SERVER\n"           \
	"  -u, --user NAME            who you are                  $SMTP361_USER\n"             \
	"  -k, --keys DIR             folder of your private and the server's public key (.)\n" \
	"      --password-file FILE   its first line; - is stdin   $SMTP361_PASSWORD_FILE\n"    \
	"Defaults come from the environment, then from $XDG_CONFIG_HOME/smtp361/config.json:\n" \
	"  {\"server\": \"…\", \"user\": \"…\", \"keys\": \"…\", \"password_file\": \"…\"}\n"

/* Fill what no option set. 0, or -1 (EX_CONFIG: the configuration file is damaged). */
int account_resolve(struct account *a, struct err *e);
void account_free(struct account *a);

/* Read a password from a file ("-": stdin) into `password`, which holds PASSWORD_MAX: its first
 * line, without the line end. 0, or -1 (EX_NOINPUT; EX_DATAERR: empty or too long). */
int account_password_file(const char *file, uint8_t *password, size_t *n, struct err *e);
/* Ask on the terminal, without echo. 0, or -1: EX_NOINPUT (end of input), 130 (Ctrl-C; the terminal
 * is as before). */
int account_password_ask(const char *prompt, uint8_t *password, size_t *n, struct err *e);
/* The password of this account: from its file, or asked for when stdin is a terminal. 0 or -1. */
int account_password(const struct account *a, uint8_t *password, size_t *n, struct err *e);

/* Load the keys, connect, log in. password NULL: account_password is asked. 0, or -1;
 * classic_client_end is due in both cases. */
int account_login(const struct account *a, struct classic_client *c, const uint8_t *password,
	size_t n, struct err *e);

/* Resolve and log in without a dialogue, as send, inbox and read do. 0 or -1, like account_login.
 */
int account_open(struct account *a, struct classic_client *c, struct err *e);

#endif
