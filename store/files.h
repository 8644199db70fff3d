/* The files engine. What its parts (files.c, deliver.c, files_read.c, settle.c, recover.c) share;
 * everybody else sees mailbox.h alone.
 *
 *     client1/[source]_[title].txt   a message; the same inode in every recipient's folder
 *     client1/.index                 a cache of the folder and the journal (index.h)
 *     .journal/                      what is not settled yet (journal.h, segment.h, entry.h)
 *     .spool/                        large messages, and those for several, until then (spool.h)
 *     .sent/client1                  ids that client1 has sent (sent.h)
 *
 * The legal states of a delivery, and what a crash in each leaves behind. Nothing that recover() or
 * a look at a mailbox does needs to have been finished: it is done again.
 *
 *   0  nothing; or a draft in memory, or in the spool                gone, or swept
 *   1  a large one: .spool/KEY, synced, its name too                  swept
 *   2  the record in the journal, not synced                         gone, or as 3
 *   3  synced: delivered. From here on it is listed in every mailbox, or will be at the next look
 *   4  a J record in the index of k of n mailboxes; the id in .sent  the others: from the journal
 *   5  acknowledged
 *   6  settling: .spool/KEY for several; a file in k of n mailboxes,  files are written again in
 *      not synced; their records L                                   place, the others made
 *   7  all files made, and synced; .sent too                         as 6
 *   8  the segment void, synced; then the .spool/KEYs unlinked        settled; swept
 *
 * Removing: a record in the journal, synced (removed: it is listed nowhere from here on, and its
 * file goes at the next look); the index record D and the file unlinked; acknowledged. Settling
 * syncs the folder. */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include "box.h"
#include "entry.h"
#include "spool.h"

enum { FILES_LIMIT_LOCKS = 64, FILES_SENDING = 4096 };

/* Shared by the keeper's family. */
struct files_shared {
	struct shared_lock settle;
	struct shared_lock limits[FILES_LIMIT_LOCKS]; /* by a hash of the mailbox's user */
	bool crashed;         /* recover() has not looked at what an earlier life left */
	bool unsynced;        /* a settling that did not end may have made files not on disk */
	uint64_t sent_behind; /* .sent may lack ids of the journal's segments up to this one */
	/* who are between appending under an id and noting it, or were killed there, by a hash of
	 * the id: how many (16 bits), and ahead of that the sum of 48 bits of their ids */
	uint64_t sending[FILES_SENDING];
	uint32_t suspects[BOX_SUSPECTS];
};

struct files {
	struct mailbox base; /* first: the interface's pointer is this one */
	int root;
	struct spool spool;
	struct journal *journal;
	struct files_shared *shared; /* NULL: beside the keeper */
	struct box_scan scan;
	uint64_t appended; /* when unsettled() was asked last */
};

/* deliver.c: as mailbox.h has them */
int files_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e);
int files_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e);
int files_deliver(struct mailbox_draft *d, const struct mailbox_delivery *delivery, bool *again,
	struct err *e);
void files_discard(struct mailbox_draft *d);
/* files_read.c: as mailbox.h has them */
int files_list(struct mailbox *m, const char *user, const struct mailbox_key *from,
	mailbox_visit *visit, void *arg, struct err *e);
int files_list_behind(struct mailbox *m, const char *user, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e);
int files_usage(struct mailbox *m, const char *user, struct mailbox_usage *out, struct err *e);
int files_find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e);
int files_open(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e);
int files_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e);
void files_done(struct mailbox_reader *r);
int files_remove(struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e);
/* settle.c */
int files_settle(struct mailbox *m, struct err *e);
/* Append a record and commit it, settling where there is no room. payload: with the journal's room
 * ahead. 0 with *mark, for journal_done; or -1. */
int files_commit(struct files *f, struct buf *payload, struct journal_mark *mark, struct err *e);
/* As settle(), but waiting for whoever settles already. */
int files_settle_now(struct files *f, struct err *e);
/* files_check.c */
int files_check(
	struct mailbox *m, const char *user, mailbox_finding *found, void *arg, struct err *e);
/* recover.c */
int files_recover(struct mailbox *m, struct err *e);
/* Users whose mailboxes lack what this record says: the next look brings them in line. */
void files_suspect_all(const struct files *f, struct entry *entry);
/* Whoever appended this record was killed before he had done it: that it is looked at. */
void files_done_for(struct files *f, const struct journal_mark *mark, const struct entry *entry);
/* Was a message with this key delivered under its sender's id, as far as the journal knows? Whoever
 * claims that id asks: what somebody who was killed left of it is completed. 1, 0 or -1. */
int files_journal_knows(struct files *f, const uint8_t key[static ENTRY_KEY], struct err *e);
/* Is the journal, or somebody who writes it, in need of the spool's file of this key? If not, its
 * name goes. 1, 0 or -1. */
int files_free_key(struct files *f, const uint8_t key[static ENTRY_KEY], struct err *e);
/* .sent may lack ids of the segments up to this one. */
void files_sent_behind(struct files *f, uint64_t number);
bool files_is_sent_behind(const struct files *f);

#endif
