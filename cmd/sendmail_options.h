/* The command line of sendmail, as every mail program has called it for forty years: letters that
 * are bundled or have their value attached (-oi, -fADDR), of which most say nothing here; and long
 * options of our own beside them. Options end at the first recipient, as they do there. */
#ifndef CMD_SENDMAIL_OPTIONS_H
#define CMD_SENDMAIL_OPTIONS_H

#include "cli.h"

enum sendmail_mode {
	SENDMAIL_MESSAGE, /* -bm: a message on stdin */
	SENDMAIL_SMTP,    /* -bs: SMTP on stdin and stdout */
	SENDMAIL_LIST     /* -bp: print the queue */
};

struct sendmail_options {
	enum sendmail_mode mode;
	bool recipients_in_head; /* -t */
	bool dots_are_text;      /* -i, -oi */
	bool queue_only;         /* -odq */
	bool verbose;            /* -v */
	const char *sender;      /* -f, -r; NULL: the user; "" or "<>": nobody */
	const char *name;        /* -F; NULL: none */
	/* our own */
	const char *smtp, *smtps; /* HOST[:PORT] */
	const char *tls_ca, *tls_pin, *from_dir;
	const char *server, *user, *keys, *password_file, *pin;
	unsigned timeout; /* seconds; 0: not said */
	bool no_tls, queue;
};

/* The exit code to leave with, or -1 to go on: c->args are then the recipients. */
int sendmail_parse(struct cli *c, struct sendmail_options *o, int argc, char **argv);

#endif
