/* Where a message goes: to `serve`, whose user the sender is, over the enhanced protocol; or to any
 * SMTP server. It can be written into a queue and read back: passwords are in none of it, but where
 * their file is. */
#ifndef CMD_DESTINATION_H
#define CMD_DESTINATION_H

#include "../crypto/tls.h"
#include "../proto/conn.h"
#include "account.h"

struct destination {
	struct account account;
	const char *smtp; /* HOST[:PORT]; NULL: it is `serve` */
	bool implicit_tls, no_tls;
	const char *tls_ca, *tls_pin; /* NULL: the system's CAs; none */
	unsigned timeout; /* seconds for an answer of an SMTP server; 0: the standard's */
	json_t *own;      /* owns the texts, where they were read back */
};

/* Complete and check it: server and user of `serve` come from options, the environment and the
 * configuration file; those of another SMTP server from options alone: it is not to learn the
 * password that is for `serve`. 0, or -1 (EX_USAGE, EX_CONFIG). */
int destination_resolve(struct destination *d, struct err *e);

/* Where an SMTP server is, and its key's digest (zeros without --tls-pin). 0, or -1 (EX_USAGE). */
int destination_smtp(const struct destination *d, char host[static CONN_HOST_MAX],
	char port[static 8], uint8_t pin[static TLS_PIN_BYTES], struct err *e);

/* As JSON, its paths from the root. NULL: no memory, or no working folder. */
json_t *destination_write(const struct destination *d);
/* Takes a reference to value. 0, or -1 (EX_DATAERR). */
int destination_read(struct destination *d, json_t *value, struct err *e);
void destination_free(struct destination *d);

/* For people: "alice at 127.0.0.1:13000", "smtp mail.example:587". */
void destination_describe(const struct destination *d, char out[static 400]);

#endif
