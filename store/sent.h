/* What each user has sent under an id: by it a retry is known, so that it is stored once. The files
 * engine keeps it in .sent/USER, a hash table (table.h). When that holds SENT_MAX ids it becomes
 * .sent/USER.old, in place of the one before: so the last SENT_MAX at least are known.
 *
 * Nothing here is synced but what sent_sync syncs: until then the journal is what tells of an id
 * after a crash, and its replay notes it again. A file that is damaged or foreign is replaced by an
 * empty one; one of the former layout (17 bytes for each message, its id and a state) is taken
 * over. Changes are made under the user's byte of .sent/.lock, and a claim holds the id's. */
#ifndef STORE_SENT_H
#define STORE_SENT_H

#include "mailbox.h"

#define SENT_FOLDER ".sent"

enum { SENT_MAX = 65536 };

/* A claim. All functions but release: 0, or -1 (EX_TEMPFAIL, naming the file). */
struct sent {
	int dir, lock;    /* -1: not open */
	const char *user; /* the caller's */
};

/* Claim an id of user's, waiting while another process, or another claim in this one, holds it. It
 * ends with sent_release, to be called in every case, or with the process. *known: it was sent
 * before. If not, there is room for it: sent_add fails no more because of what stands in .sent. */
int sent_claim(struct sent *s, int root, const char *user,
	const uint8_t id[static MAILBOX_ID_BYTES], bool *known, struct err *e);
/* It is sent: note the id that is claimed. */
int sent_add(struct sent *s, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e);
void sent_release(struct sent *s);

/* Note an id, claimed or not, unless it is known. A user whose name is none (the source of a
 * damaged message) has sent nothing: 0. */
int sent_note(int root, const char *user, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e);
/* Sync what was noted before this call; 0 when there is nothing. After -1 some of it may be lost:
 * note it again and call this again, which then writes the whole file anew. */
int sent_sync(int root, const char *user, struct err *e);

#endif
