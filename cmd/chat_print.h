/* What came, what is in a history, and what is wrong, in words: for a terminal, as lines for
 * scripts (number, time, who, state, text; separated by tabs), or as JSON. */
#ifndef CMD_CHAT_PRINT_H
#define CMD_CHAT_PRINT_H

#include "chat_fetch.h"

/* A person's warnings of what came: nothing, or sentences that each end in LF. Appended to out. 0
 * or -1 (no memory). */
int chat_print_warning(
	struct buf *out, const char *from, const struct chat_came *came, struct err *e);
/* Print such sentences on stderr. 0 or -1. */
int chat_print_notes(const struct cli *c, struct buf *text, struct err *e);
/* Is it one that a script must not overlook (exit 65)? */
bool chat_print_is_fault(const struct chat_came *came);

/* The state of what came; a person needs no word for it. */
#define CHAT_PRINT_PLAIN "received"

/* One message. */
struct chat_line {
	const char *who;   /* wrote it */
	const char *with;  /* the contact */
	const char *state; /* "waiting", "sent", "delivered"; of what came "received" */
	const struct chat_note *note;
	const void *body; /* NULL, or of a text all of it */
	size_t body_n;
	uint64_t record;
	bool whole_date; /* for a person */
};

/* For a person, escaped, with LF at the end; without_fs is said. 0 or -1. */
int chat_print_person(struct buf *out, const struct chat_line *l, struct err *e);
/* To stdout: for scripts, or as one line of JSON. 0 or -1. */
int chat_print_script(const struct chat_line *l, struct err *e);
int chat_print_json(const struct chat_line *l, struct err *e);
/* What is wrong, as one line of JSON. */
int chat_print_json_fault(const char *from, const struct chat_came *came, struct err *e);

#endif
