/* What the parts of the files engine (files.c, recover.c, rescan.c) share. Everybody else sees
 * mailbox.h alone. */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include "box.h"

/* A message's id (16 bytes) and time (u64 little-endian, microseconds) stand beside its text as an
 * extended attribute of the inode, where the file system keeps them; elsewhere an index that must
 * be rebuilt gives the message a new id, and the time of its text. */
#define FILES_XATTR "user.smtp361"
enum { FILES_XATTR_BYTES = MAILBOX_ID_BYTES + 8 };

/* Drafts ("tmp.HEX") and intents of deliveries to several recipients (the message's id in hex). */
#define FILES_SPOOL ".spool"
#define FILES_DRAFT_PREFIX "tmp."

struct files {
	struct mailbox base; /* first: the interface's pointer is this one */
	int root, spool;     /* folders; spool is -1 when it cannot be had */
	bool named_only;     /* no O_TMPFILE, or no /proc to link it by */
	struct box_scan scan;
};

int files_recover(struct mailbox *m, struct err *e);

#endif
