/* What the journal holds for one mailbox: messages that may have no file yet, and ids that were
 * removed. A mailbox that is looked at anew is brought in line with it. */
#ifndef STORE_PENDING_H
#define STORE_PENDING_H

#include "entry.h"
#include "index.h"
#include "journal.h"

/* What is said of a message: it was delivered, or removed. */
struct pending_said {
	uint8_t key[ENTRY_KEY];
	struct journal_mark mark;  /* where it stands; */
	struct journal_mark first; /* and stood, ahead of being carried over */
};

struct pending_message {
	struct pending_said said; /* first: both are sorted alike */
	size_t record;            /* its index record, in pending.records */
	uint64_t place;           /* where the list had it; UINT64_MAX: nowhere */
	bool done;                /* whoever delivers it has listed it, or is dead; else he will */
	bool seen;                /* the folder has it */
	uint64_t inode;           /* of its file, once that was looked at; else 0 */
};

struct pending {
	struct pending_message *messages; /* owned, by key */
	size_t n, cap;
	struct pending_said *removed; /* owned, by key */
	size_t removed_n, removed_cap;
	struct buf records; /* J records, encoded */
	const char *user;
};

/* Read the journal for this user. 0; or -1. Free it in either case. */
int pending_load(struct pending *p, struct journal *j, const char *user, struct err *e);
void pending_free(struct pending *p);

/* Was a message with this key removed? One that was delivered later does not count. */
bool pending_has_removed(const struct pending *p, const uint8_t key[static ENTRY_KEY]);
/* Was this one? It may have come back behind a removal. */
bool pending_is_removed(const struct pending *p, const struct pending_message *m);
/* The message with this key, or NULL. */
struct pending_message *pending_find(const struct pending *p, const uint8_t key[static ENTRY_KEY]);
/* The message with this id, whoever sent it, for a file that does not tell: the one that has this
 * inode, or else one that has none yet; or any; or NULL. */
struct pending_message *pending_by_id(
	const struct pending *p, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t inode);
/* The message that a file without an id must be, by its time, source and title; or NULL. */
struct pending_message *pending_guess(const struct pending *p, const struct mailbox_meta *meta);
/* The key of the message that a record of the index tells of. */
void pending_key(const struct index_record *r, uint8_t key[static ENTRY_KEY]);
/* The index record of one; its text stands in p. */
void pending_record(
	const struct pending *p, const struct pending_message *m, struct index_record *r);

#endif
