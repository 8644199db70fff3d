/* serve's SMTP door: its options, its certificate, and what the sessions see of it. */
#ifndef CMD_SERVE_SMTP_H
#define CMD_SERVE_SMTP_H

#include "../proto/server.h"
#include "../proto/smtp_server.h"
#include "cli.h"

enum { SERVE_DOMAINS_MAX = 64, SERVE_ALIASES_MAX = 64 };

struct serve_smtp {
	/* set by options */
	struct cli_list smtp, smtps, domains, alias_texts;
	const char *cert, *key;
	bool open, tls_only;
	/* set by serve_smtp_start */
	struct smtp_host door;
	const char *names[SERVE_DOMAINS_MAX + 2];
	struct smtp_alias aliases[SERVE_ALIASES_MAX];
	char alias_names[SERVE_ALIASES_MAX][SMTP_LOCAL_MAX + 1];
	char host[SMTP_DOMAIN_MAX + 1];
	int dir; /* the caller's: where the certificate is, unless options say */
};

/* Rows for the option table. */
#define SERVE_SMTP_OPTIONS(s)                                                   \
	{0, "smtp", CLI_LIST, &(s)->smtp}, {0, "smtps", CLI_LIST, &(s)->smtps}, \
		{0, "smtp-domain", CLI_LIST, &(s)->domains},                    \
		{0, "smtp-alias", CLI_LIST, &(s)->alias_texts},                 \
		{0, "smtp-open", CLI_FLAG, &(s)->open},                         \
		{0, "smtp-tls-only", CLI_FLAG, &(s)->tls_only},                 \
		{0, "tls-cert", CLI_TEXT, &(s)->cert},                          \
	{                                                                       \
		0, "tls-key", CLI_TEXT, &(s)->key                               \
	}

/* Is a door asked for? */
bool serve_smtp_wanted(const struct serve_smtp *s);
/* EX_OK, or the exit code of misuse. */
int serve_smtp_misused(const struct cli *c, struct serve_smtp *s);
/* Add its doors to the server's. */
void serve_smtp_listen(const struct serve_smtp *s, struct server *server);
/* Load the certificate, and find the names. secret: what the server's keys are made of, n bytes; it
 * is not kept. 0, or -1. */
int serve_smtp_start(const struct cli *c, struct serve_smtp *s, int dir, const char *dir_name,
	const void *secret, size_t n, struct err *e);
/* The certificate anew; when it cannot be used, the old one stays. Logged. */
void serve_smtp_reload(struct serve_smtp *s);
void serve_smtp_end(struct serve_smtp *s);

#endif
