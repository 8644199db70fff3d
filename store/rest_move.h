/* From plain mail to mail at rest, and back: a server's whole folder, while no server runs.
 *
 * The legal states, in this order. After a crash rest_move() begins anew, or rest_resume() undoes
 * state 1 and finishes state 2:
 *
 *   0  nothing; or REST_MOVE_DRAFT, which is swept: no server starts while it is there, for it may
 *      have mail in the clear
 *   1  REST_MOVE_DRAFT holds all that is to be: the mailboxes with their indexes, .sent, the
 *      accounts and at_rest.json; and in `plan` what goes. All of it is synced
 *   2  it is called REST_MOVE_READY, synced: from here on it goes forward only
 *   3  what `plan` names is gone; what is ready is moved to its place; the folder is synced
 *   4  REST_MOVE_READY is gone, synced
 *
 * What came into a mailbox meanwhile, beside this, is in no plan, and stays where it is: then state
 * 3 is not left, and an error names it. */
#ifndef STORE_REST_MOVE_H
#define STORE_REST_MOVE_H

#include "rest.h"

#define REST_MOVE_DRAFT ".at_rest.new"
#define REST_MOVE_READY ".at_rest.ready"

struct rest_move {
	int dir;
	const struct rest_key *from, *to; /* what it is under, and will be; NULL: plain */
	const struct rest_note *note;     /* of the one that is not NULL */
	mailbox_describe *describe;       /* of plain mail */
	bool (*is_user)(void *arg, const char *name); /* has he an account? */
	/* whose account has this name on disk under `from`, if any */
	bool (*find_user)(void *arg, const char *folder, char user[static USER_NAME_MAX + 1]);
	void (*moved)(void *arg, uint64_t messages); /* so many are converted */
	void *arg;
	uint64_t mailboxes, messages; /* what was done */
};

/* 0, or -1: EX_TEMPFAIL (a server runs, the disk is full, somebody delivered meanwhile), EX_DATAERR
 * (a message cannot be read, something in a mailbox is no message, or mail is in no mailbox: it is
 * named), EX_CONFIG (the folder is not what `from` says, or no more, or at_rest.json is missing).
 * Ahead of state 2 nothing has changed. */
int rest_move(struct rest_move *m, struct err *e);

enum rest_resumed {
	REST_NOTHING,
	REST_UNDONE,  /* what was left of state 1 is swept: the folder is what it was */
	REST_FINISHED /* from state 2 on: it is what it was to be */
};

/* End what was interrupted. Waits for a conversion that runs ahead of state 2. 0 or -1. */
int rest_resume(int dir, enum rest_resumed *how, struct err *e);

#endif
