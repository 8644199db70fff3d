/* One user's mailbox folder and its index: linking a message in, listing, removing. The files
 * engine (files.c) is made of these. Locks are held inside each call only. */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include <limits.h>
#include <sys/stat.h>

#include "index.h"
#include "journal.h"
#include "notices.h"

struct box {
	int dir;
	struct index ix;
	const char *user; /* the caller's */
};

/* Messages: smaller mailboxes need no .ids, their whole index is a few blocks. */
enum { BOX_HINTS_FROM = 256 };

/* What of the engine a mailbox needs. */
struct box_scan {
	uint64_t epoch;
	mailbox_describe *describe;
	struct journal *journal;
	/* A counter for each hash of a user's name, shared: how often an index was found to lack
	 * something that the journal has. NULL beside the keeper. */
	uint32_t *suspects;
	bool *crashed; /* shared: files of journaled messages may not be whole. NULL: as false */
	bool unkept;   /* so they may, and nobody is to write them again: the journal is read */
};

enum { BOX_SUSPECTS = 4096 };

/* --- box.c: the folder, and what can be told of its files --- */

/* 0, or -1 (EX_TEMPFAIL, naming the mailbox: missing, a symlink, not readable). */
int box_open(struct box *b, int root, const char *user, struct err *e);
void box_close(struct box *b);
/* Can files be made in it? 0, or -1 (EX_TEMPFAIL). */
int box_check_writable(const struct box *b, struct err *e);

/* The modification time of the folder, for the index's header. */
void box_folder_time(const struct box *b, struct index_head *h);
/* The same, of a moment that is the folder's alone. The kernel's clock ticks every few
 * milliseconds: a file that somebody else makes within the tick of our change would leave the
 * folder with the time that was noted. The caller holds the exclusive lock. */
void box_stamp(const struct box *b, struct index_head *h);
bool box_same_time(const struct index_head *a, const struct index_head *b);
/* Does the index tell what is in the folder and the journal? The caller holds its lock. *head is
 * read. */
bool box_is_current(const struct box *b, const struct box_scan *scan, struct index_head *head);
/* The same, whoever suspects it: offsets in it hold, and nobody has changed the folder. */
bool box_is_sound(const struct box *b, const struct box_scan *scan, struct index_head *head);
/* The record of a message: at its hint, where .ids has it, among what came last, or wherever it
 * is. As index_find. The caller holds the lock. */
int box_locate(struct box *b, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r, struct err *e);
/* Write .ids anew, by an image of the index; this changes the folder's time. What fails costs time
 * later. */
void box_write_hints(const struct box *b, const struct buf *image);
/* Write the index anew, by an image. What fails (false, errno) leaves one that is not current, and
 * so does !clean. */
bool box_write_back(
	const struct box *b, struct index_head *head, const struct buf *image, bool clean);
/* What identifies a file, and whether it is still the one that was noted. */
struct index_file box_file(const struct stat *st);
bool box_same_file(const struct index_file *a, const struct stat *st);
/* Compare two struct index_record by (time, id), for qsort. */
int box_by_time(const void *a, const void *b);

/* His index lacks something that the journal has. Nobody takes that back: each index notes which
 * suspicion it was brought in line after, so that neither another user of the same hash nor a
 * process that is killed at it makes it forgotten. */
void box_suspect(const struct box_scan *scan, const char *user);
uint32_t box_suspicion(const struct box_scan *scan, const char *user);

/* --- describe.c: what a file says of itself --- */

/* Opened without following or waiting. buf: MAILBOX_HEAD_MAX bytes of scratch. *has_id: its id and
 * exact time were stored with it. 1, 0 when it is gone or no regular file, or -1: a fault that may
 * pass says nothing of the file. */
int box_describe(const struct box *b, const struct box_scan *scan, const char *name, uint8_t *buf,
	struct mailbox_meta *meta, bool *has_id, struct stat *st, struct err *e);

/* --- rescan.c: after a restart, a crash, or a change by hand --- */

/* Bring the index in line with the folder and the journal: keep what is there, add what is new,
 * drop what is gone. The caller holds the exclusive lock. The result is in image, and in the file
 * where it can be written. */
int box_rescan(struct box *b, const struct box_scan *scan, struct buf *image, struct err *e);

/* --- listing.c: reading --- */

int box_list(struct box *b, const struct box_scan *scan, const struct mailbox_key *from,
	mailbox_visit *visit, void *arg, struct err *e);
/* In the order of arrival, behind a message; see mailbox.h. after may be NULL. */
int box_list_behind(struct box *b, const struct box_scan *scan, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e);
int box_usage(struct box *b, const struct box_scan *scan, struct mailbox_usage *out, struct err *e);

/* What the index tells of one message. */
struct box_found {
	struct mailbox_meta meta;
	bool in_journal;
	char name[NAME_MAX + 1]; /* of its file; in_journal: nothing */
	struct index_file file;
	uint64_t where; /* its record */
	int fd;         /* its file, open for reading, checked to be the right one; or -1. Owned. */
};

/* Find a message. 0, or -1 (EX_NOINPUT: gone; EX_DATAERR: it cannot be opened). */
int box_find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	struct box_found *found, struct err *e);

/* --- change.c: changing --- */

/* Where the inode of a message stands: as linkat(2) takes it. */
struct box_source {
	int dir;
	const char *path;
	int flags;
};

/* List a message that the journal holds. 0, or -1. */
int box_add(struct box *b, const struct mailbox_meta *meta, const struct journal_mark *mark,
	struct err *e);
/* Link a file under a free name, and list it: *where its record is. 0, or -1 and nothing is linked.
 */
int box_put(struct box *b, const struct box_source *from, const struct mailbox_meta *meta,
	const struct stat *st, uint64_t *where, struct err *e);
/* Remove a message: its file, if it has one, and from the list. What the journal says of it is done
 * then, ahead of the next look at the folder, which would list it again otherwise (mark NULL: the
 * journal says nothing). 0, or -1. */
int box_remove(struct box *b, const struct box_found *found, struct journal *j,
	const struct journal_mark *mark, struct err *e);

/* Makes the file of a message that is in the journal: *from and *st. *from is valid until the next
 * call. 0, 1 when the journal does not know it any more, or -1. */
typedef int box_maker(void *arg, const struct index_record *r, struct box_source *from,
	struct stat *st, struct err *e);
struct box_settling {
	uint64_t segment; /* whose messages become files, */
	unsigned most;    /* at one call; all else are the caller's: */
	box_maker *make;
	void *arg;
	struct notices *notices;
	size_t handled; /* grows by each message, and by each that was removed before */
};
/* Make files of some messages. 1: there may be more; 0; or -1. */
int box_settle(
	struct box *b, const struct box_scan *scan, struct box_settling *what, struct err *e);

#endif
