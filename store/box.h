/* One user's mailbox folder and its index: linking a message in, listing, removing. The files
 * engine (files.c) is made of these. Locks are held inside each call only. */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include <limits.h>
#include <sys/stat.h>

#include "index.h"

struct box {
	int dir;
	struct index ix;
	const char *user; /* the caller's */
};

/* Where a message was linked: what confirming or undoing needs. */
struct box_place {
	char name[NAME_MAX + 1];
	uint64_t where;
};

/* What of the engine a listing needs. */
struct box_scan {
	uint64_t epoch;
	mailbox_describe *describe;
};

/* --- box.c: the folder, and what can be told of its files --- */

/* 0, or -1 (EX_TEMPFAIL, naming the mailbox: missing, a symlink, not readable). */
int box_open(struct box *b, int root, const char *user, struct err *e);
void box_close(struct box *b);

/* The modification time of the folder, for the index's header. */
void box_folder_time(const struct box *b, struct index_head *h);
/* What identifies a file, and whether it is still the one that was noted. */
struct index_file box_file(const struct stat *st);
bool box_same_file(const struct index_file *a, const struct stat *st);
/* Is a PENDING message still being delivered? Its draft holds a lock on the inode until the
 * delivery has ended, whichever way; no process number could tell that across a restart. */
bool box_is_delivering(const struct box *b, const struct index_record *r);
/* 1 when a name in the folder is this inode, 0, or -1. Reads the whole folder: for recovery. */
int box_has_inode(const struct box *b, const struct stat *wanted, struct err *e);
/* Compare two struct index_record by (time, id), for qsort. */
int box_by_time(const void *a, const void *b);

/* --- rescan.c: after a restart, a crash, or a change by hand --- */

/* Bring the index in line with the folder: keep what is there, add what is new, drop what is gone.
 * The caller holds the exclusive lock. The result is in image, and in the file where it can be
 * written. */
int box_rescan(struct box *b, const struct box_scan *scan, struct buf *image, struct err *e);

/* --- listing.c: reading --- */

int box_list(
	struct box *b, const struct box_scan *scan, mailbox_visit *visit, void *arg, struct err *e);
/* In the order of arrival, behind a message; see mailbox.h. after may be NULL. */
int box_list_behind(struct box *b, const struct box_scan *scan, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e);
/* What the index tells of one message. */
struct box_found {
	struct mailbox_meta meta;
	char name[NAME_MAX + 1]; /* of its file */
	struct index_file file;
	uint64_t where; /* its record */
};

/* Find a message, and open its file for reading, checked to be the one that the record tells of.
 * The descriptor, or -1 (EX_NOINPUT: gone). */
int box_find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	struct box_found *found, struct err *e);
/* Does the folder hold this message? After a crash: it is looked at, not the index. 1, 0, or -1. */
int box_holds(struct box *b, const struct box_scan *scan, const uint8_t id[static MAILBOX_ID_BYTES],
	struct err *e);
/* The file of a message, open for reading, its size checked against what was delivered. The
 * descriptor, or -1 (EX_NOINPUT gone, EX_DATAERR damaged). */
int box_open_message(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	uint64_t *size, struct err *e);
/* -1, EX_NOINPUT. */
int box_gone(const struct box *b, struct err *e);

/* --- link.c: changing --- */

/* Where a message stands that is to be linked: as linkat(2) takes it. */
struct box_source {
	int dir;
	const char *path;
	int flags;
};

/* Link a message, whose file is as st says, under a free name, and note it in the index as PENDING.
 * 0, or -1 and nothing is linked. */
int box_link(struct box *b, const struct box_source *from, const struct mailbox_meta *meta,
	const struct stat *st, struct box_place *place, struct err *e);
/* List the message; the folder was synced. 0, or -1. */
int box_confirm(struct box *b, const struct mailbox_meta *meta, const struct box_place *place,
	struct err *e);
/* Take a linked message back. 0, or -1. */
int box_undo(struct box *b, const struct mailbox_meta *meta, const struct box_place *place,
	struct err *e);
/* Remove a message that box_find found. 0, or -1. */
int box_remove(struct box *b, const struct box_found *found, struct err *e);

#endif
