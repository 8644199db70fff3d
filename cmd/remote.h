/* What put, get, ls and rm share: users' files on the server, over the enhanced protocol alone. */
#ifndef CMD_REMOTE_H
#define CMD_REMOTE_H

#include "../proto/enhanced_files.h"
#include "account.h"
#include "progress.h"

/* Log in, by the enhanced protocol whatever the configuration says. 0, or -1: EX_USAGE (another one
 * was asked for), and as account_open. */
int remote_open(struct account *a, struct mail_client **out, struct err *e);
/* Was another protocol asked for? 0, or -1 (EX_USAGE). */
int remote_check(const struct account *a, struct err *e);
/* Say goodbye, and end it. */
void remote_close(struct mail_client *c);

/* A file as ls names it: NAME, or USER/NAME for what USER has handed over. */
struct remote_name {
	char user[USER_NAME_MAX + 1]; /* empty: one's own */
	const char *name;             /* in the text that was read */
};

/* 0, or -1 (EX_DATAERR). */
int remote_read_name(const char *text, struct remote_name *out, struct err *e);
/* Whose it was, as requests have it. */
const char *remote_from(const struct remote_name *name);

/* A line on stderr for a transfer: set it as the job's. */
struct remote_progress {
	struct progress line;
	const struct ft_job *job;
};
void remote_progress_begin(struct remote_progress *p, struct ft_job *job);

#endif
