/* What the ways to chat share: by a menu, line by line, and in scripts. */
#ifndef CMD_CHAT_H
#define CMD_CHAT_H

#include "chat_history.h"

struct chat_job {
	struct chat_room room;
	/* options */
	const char *send, *to, *picture, *history, *save, *output, *delete_history, *exists;
	bool wait, status, delete_account, yes, allow_no_fs, json;
	unsigned timeout, last;
	/* what was shown */
	const char *only; /* whose messages are shown; NULL: everybody's */
	size_t shown;
	/* what was sent */
	bool piped;     /* line by line: what waits is told at the end */
	size_t waiting; /* for the contact's one-time keys */
	int code;       /* the worst that was told: what to leave with when all else went well */
};

/* The worse of what is to be left with stays: a changed key, then what is damaged here, then what
 * is wrong, then waiting. */
void chat_worse(struct chat_job *j, int code);

/* Log in, see to one-time keys, and send what waits. first: whom it is about, or NULL. 0 or -1. */
int chat_connect(struct chat_job *j, const char *first, struct err *e);

/* Keep and send one message, and say what became of it where it is not simply sent; the exit code
 * is noted in the job. *waits (may be NULL): it does. 0, or -1. */
int chat_send_text(struct chat_job *j, struct chat_node *n, const struct chat_text *t, bool *waits,
	struct err *e);
/* A text of n bytes of UTF-8; 0, or -1 (EX_DATAERR). */
int chat_take_text(struct chat_text *out, const void *p, size_t n, struct err *e);

/* What people and scripts ask for, by options: each 0, or -1 with e; codes go to the job. */
int chat_do_send(struct chat_job *j, const char *user, const char *text, struct err *e);
int chat_do_send_text(struct chat_job *j, const char *user, const void *text, size_t n,
	struct err *e); /* as it is, also where it is "-" */
int chat_do_picture(struct chat_job *j, const char *user, struct err *e);
int chat_do_lines(struct chat_job *j, const char *user, struct err *e);
int chat_do_wait(struct chat_job *j, const char *user, struct err *e);
int chat_do_history(struct chat_job *j, const char *user, struct err *e);
int chat_do_save(struct chat_job *j, const char *user, struct err *e);
int chat_do_delete_history(struct chat_job *j, const char *user, struct err *e);
int chat_do_exists(struct chat_job *j, const char *user, struct err *e);
int chat_do_status(struct chat_job *j, struct err *e);
int chat_do_delete_account(struct chat_job *j, struct err *e);

/* For a person at a terminal. */
int chat_screen(struct chat_job *j, const char *user, struct err *e);
int chat_menu(struct chat_job *j, struct err *e);

#endif
