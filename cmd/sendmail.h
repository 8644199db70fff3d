/* What the parts of sendmail share. */
#ifndef CMD_SENDMAIL_H
#define CMD_SENDMAIL_H

#include "carrier.h"
#include "sendmail_options.h"

struct sendmail {
	const struct cli *cli;
	struct sendmail_options options;
	struct destination to;
	struct carrier carrier;
	char host[LOCAL_USERS_HOST_MAX];
};

/* How messages are read here, but for recipients_in_head and dot_ends. */
struct submission_rules sendmail_rules(const struct sendmail *m);
/* Who sends: `text`, or where that is NULL the user. 0, or -1 (EX_USAGE). */
int sendmail_sender(
	const struct sendmail *m, const char *text, struct rfc5322_mailbox *out, struct err *e);

/* Take it to the destination, or into the queue, as the options have it. 0, or -1 (what
 * carrier_send and queue_put have). */
int sendmail_hand_over(struct sendmail *m, struct submission *s, bool authenticate, struct err *e);

/* --from-dir: each file in turn. The exit code; what failed is told. */
int sendmail_from_dir(struct sendmail *m, struct err *e);
/* -bs: SMTP on stdin and stdout. The exit code. */
int sendmail_session(struct sendmail *m, struct err *e);

#endif
