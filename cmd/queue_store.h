/* The queue of sendmail, in $XDG_STATE_HOME/smtp361/queue: messages that could not be handed over
 * yet. Its states, one atomic step between each:
 *
 *     1  .ID.new              being written, under the folder's lock; after a crash it is nobody's,
 *                             and swept by the next who takes the lock
 *     2  ID.message           acknowledged: a line of JSON (envelope, destination, id), the message
 *     3  ID.message, ID.state the same, and what became of the attempts so far
 *     4  ID.state alone       sent or dropped: the message goes first
 *
 * ID is the time of arrival in microseconds, so that names are in order. Whoever sends holds the
 * lock of the file `.flush`: two flushes never send one message twice. A process that is killed
 * between the server's answer and step 4 leaves the message, which is sent again: `serve` knows it
 * by its id and stores it once; another SMTP server does not. */
#ifndef CMD_QUEUE_STORE_H
#define CMD_QUEUE_STORE_H

#include "carrier.h"

enum { QUEUE_ID_MAX = 24 };

/* Where a message goes, and what was tried. */
struct queue_ticket {
	const struct destination *to;
	bool authenticate;
	const struct err *last; /* of the attempt ahead of the queue; NULL: there was none */
};

struct queue_entry {
	char id[QUEUE_ID_MAX];
	int64_t time_us; /* of its arrival */
	uint64_t attempts;
	int64_t tried_us; /* the last of them; 0: none */
	struct err last;  /* code 0: none */
	bool failed;      /* it was refused for good */
	uint64_t bytes;
	json_t *ticket; /* NULL: it is damaged, and last says how */
};

/* Is it of no use to try again, because the message itself was refused? */
bool queue_is_final(int code);

/* Open the folder, making it where it is missing. The descriptor, or -1 (EX_CONFIG: no variable
 * says where; EX_CANTCREAT, EX_TEMPFAIL). */
int queue_open(struct err *e);

/* Put a message there durably; id gets its name. 0, or -1 (EX_TEMPFAIL, EX_CANTCREAT). */
int queue_put(const struct submission *s, const struct queue_ticket *ticket,
	char id[static QUEUE_ID_MAX], struct err *e);

/* Every entry in order of arrival. The visitor owns nothing of it; non-zero ends the visit, and is
 * returned. -1: EX_TEMPFAIL. */
typedef int queue_visit(void *arg, const struct queue_entry *entry, struct err *e);
int queue_each(int dir, queue_visit *visit, void *arg, struct err *e);

/* One of them. 0, or -1 (EX_NOINPUT: there is none). queue_entry_free is due behind 0. */
int queue_find(int dir, const char *id, struct queue_entry *entry, struct err *e);
void queue_entry_free(struct queue_entry *entry);

/* Read its message and envelope. submission_free is due in both cases. 0, or -1 (EX_DATAERR: it is
 * damaged; EX_NOINPUT, EX_TEMPFAIL). */
int queue_load(int dir, const struct queue_entry *entry, struct submission *s, struct err *e);

/* Note an attempt that failed, and whom it still has to reach. 0 or -1. */
int queue_note(int dir, struct queue_entry *entry, const struct submission *s,
	const struct err *why, struct err *e);
/* Take it out. 0 or -1. */
int queue_remove(int dir, const char *id, struct err *e);

/* Hold what flushes hold, until the descriptor is closed. -1: EX_TEMPFAIL (another is at work). */
int queue_lock(int dir, struct err *e);

/* Print the list: a table on a terminal, else tab-separated, or JSON. The exit code; queue.c's. */
int queue_print(bool json, struct err *e);

#endif
