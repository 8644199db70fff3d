/* What each user has sent under an id: by it a retry is known, so that it is stored once. The files
 * engine keeps a file for each sender, .sent/USER: 17 bytes for each message, its id and a state.
 * When it holds SENT_MAX of them it becomes .sent/USER.old, in place of the one before.
 *
 *   BEGUN   synced before the message is linked anywhere: after a crash the mailboxes tell
 *   DONE    acknowledged, or about to be; written behind the delivery, and not synced: a lost DONE
 *           is a BEGUN, and the message is in the mailboxes. Before it is removed from one, DONE is
 *           synced (sent_settle), so "not there" always means "never delivered" */
#ifndef STORE_SENT_H
#define STORE_SENT_H

#include "mailbox.h"

#define SENT_FOLDER ".sent"

enum { SENT_RECORD = MAILBOX_ID_BYTES + 1, SENT_MAX = 65536 };

enum sent_state { SENT_NEW, SENT_BEGUN = 'B', SENT_DONE = 'D' };

struct sent {
	int dir, lock, fd; /* -1: not open */
	const char *user;  /* the caller's */
	uint64_t at;       /* where the claimed record stands */
};

/* Claim an id of user's, waiting while another process holds the same one. *state is what it was;
 * a new one is BEGUN by now, on disk. End it with sent_release in every case. 0, or -1
 * (EX_TEMPFAIL). */
int sent_claim(struct sent *s, int root, const char *user,
	const uint8_t id[static MAILBOX_ID_BYTES], enum sent_state *state, struct err *e);
/* It was delivered. 0 or -1: nobody need mind, see above. */
int sent_done(const struct sent *s);
void sent_release(struct sent *s);

/* Before a message of this sender is removed: if it was sent under an id, it is DONE, on disk. 0,
 * or -1 (EX_TEMPFAIL). */
int sent_settle(
	int root, const char *user, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e);

#endif
