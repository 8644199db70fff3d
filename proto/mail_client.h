/* What a client does with its mail, over either wire: the applets work with this and do not know
 * which. An implementation is a struct whose first member is a struct mail_client.
 *
 * Each function returns 0, or -1 with e: EX_DATAERR (rejected), EX_NOUSER, EX_NOINPUT (no such
 * message), EX_NOPERM, EX_PROTOCOL, EX_TEMPFAIL. `alive` is false when the connection is of no more
 * use. */
#ifndef PROTO_MAIL_CLIENT_H
#define PROTO_MAIL_CLIENT_H

#include "message.h"

enum { MAIL_ID = 16, MAIL_ID_TEXT = 2 * MAIL_ID };

struct mail_client;

/* Where content comes from: the next at most cap bytes of it, *n of them; fewer only at the end. 0
 * or -1. */
typedef int mail_source(void *arg, void *p, size_t cap, size_t *n, struct err *e);

/* Content that is in memory, as a source. */
struct mail_memory {
	const uint8_t *p;
	size_t n;
};
mail_source mail_from_memory;

struct mail_letter {
	const char *to; /* "a;b" */
	const char *title;
	uint64_t bytes, chars; /* of the content: checked UTF-8 */
	mail_source *source;
	void *arg;
	uint8_t id[MAIL_ID]; /* the sender's own number: sent again, it is stored once */
};

/* What the server says of a letter that is stored. */
struct mail_stored {
	bool again;                /* it had it already, under the sender's number */
	char id[MAIL_ID_TEXT + 1]; /* under which it is listed; empty where the wire has none */
};

/* A row of the list. What a wire does not tell is 0 or empty. */
struct mail_row {
	uint64_t index;
	struct message_part id, from, time, title; /* valid during the visit */
	int64_t us;                                /* received, microseconds since 1970 */
	uint64_t chars;
	bool damaged;
};
/* Non-zero ends the visit, and is an error of the visitor's. */
typedef int mail_visit_row(void *arg, const struct mail_row *row, struct err *e);

/* Which rows, and how many. All zero: every row, oldest first, which is by time. */
struct mail_query {
	const char *after; /* an id: what came behind it, in the order of arrival; 32 zeros: all */
	const char *since; /* an id: from this message on, it included; 32 zeros: all */
	int64_t since_us;  /* its time: then it need not be there any more; 0: not known */
	uint64_t limit;    /* the newest so many; with after or since, the first; 0: no limit */
	const char *from;  /* only this sender's; NULL: anybody's */
	/* only rows with these indexes; a wire may visit others, too */
	const uint64_t *indexes;
	size_t indexes_n;
};

/* Where to go on after a limit. */
struct mail_rest {
	bool more;                    /* something stands behind the last row */
	char since[MAIL_ID_TEXT + 1]; /* the first row left out; empty when `after` was asked */
	int64_t since_us;
};

/* A message by its id (NULL: not so), its index (0: not so), or else the last. */
struct mail_choice {
	const char *id;
	uint64_t index;
	bool as_listed; /* the index is that of the last list that was asked for */
};

struct mail_received {
	struct message_part id, from, time, title; /* id is empty where the wire has none */
	struct message_part to;                    /* "a;b" */
	uint64_t chars, bytes;                     /* of the content; bytes 0: not known yet */
};

/* Where a message goes while it arrives. */
struct mail_taker {
	int (*head)(void *arg, const struct mail_received *m, struct err *e);
	int (*content)(void *arg, const void *p, size_t n, struct err *e);
	void *arg;
};

struct mail_client_ops {
	const char *name; /* of the wire */
	/* How many letters may be posted before the first of them is acknowledged. */
	unsigned ahead;
	uint64_t max_chars; /* of a letter; 0: the server says */
	/* Send a letter, and take the answer to the oldest that has none yet. */
	int (*post)(struct mail_client *c, const struct mail_letter *letter, struct err *e);
	int (*acknowledge)(struct mail_client *c, struct mail_stored *stored, struct err *e);
	/* Nothing follows what was posted: say goodbye behind it, without a round trip of its own.
	 * NULL: the wire cannot. */
	int (*leave)(struct mail_client *c, struct err *e);

	/* rest may be NULL. EX_USAGE: the wire has no ids, and after or since is one. */
	int (*list)(struct mail_client *c, const struct mail_query *q, mail_visit_row *visit,
		void *arg, struct mail_rest *rest, struct err *e);
	/* Wait until a message comes that was not there (or stands behind q->after; 32 zeros: until
	 * there is one), from q->from if that is set, and visit those: the first q->limit. The
	 * rest of q is not used. EX_TEMPFAIL when the seconds (0: no limit) are over. */
	int (*wait)(struct mail_client *c, const struct mail_query *q, unsigned seconds,
		mail_visit_row *visit, void *arg, struct err *e);
	int (*read)(struct mail_client *c, const struct mail_choice *which,
		const struct mail_taker *taker, struct err *e);
	/* NULL: the wire cannot. */
	int (*remove)(struct mail_client *c, const char *id, struct err *e);

	/* Say goodbye, if the connection is alive. */
	void (*quit)(struct mail_client *c);
	/* Close, wipe, free. */
	void (*end)(struct mail_client *c);
};

struct mail_client {
	const struct mail_client_ops *ops;
	bool alive;
};

/* The text of an error that rejects a letter begins so; then, where it could not be stored now,
 * with the second. */
#define MAIL_REJECTED "The message was rejected: "
#define MAIL_LATER "try again later: "

#endif
