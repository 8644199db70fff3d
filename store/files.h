/* What the parts of the files engine (files.c, files_read.c, once.c, recover.c, rescan.c) share.
 * Everybody else sees mailbox.h alone. */
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

/* A message that is being written. */
struct mailbox_draft {
	struct files *f;
	int fd;          /* locked, so that recover() tells a live draft from a dead one */
	char name[40];   /* in the spool; empty while the inode has no name */
	char source[64]; /* "/proc/self/fd/N" for an inode without a name */
	size_t head_n;
	uint64_t bytes;   /* header included */
	uint64_t started; /* of them, how many the disk was asked to write already */
};

int files_deliver(struct mailbox_draft *d, const struct mailbox_meta *meta, const void *head,
	const struct users_list *to, struct err *e);
/* files_read.c: as mailbox.h has them */
int files_list(struct mailbox *m, const char *user, mailbox_visit *visit, void *arg, struct err *e);
int files_list_behind(struct mailbox *m, const char *user, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e);
int files_open(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e);
int files_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e);
void files_done(struct mailbox_reader *r);
int files_find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e);
int files_remove(struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e);
/* once.c */
int files_deliver_once(struct mailbox_draft *d, const struct mailbox_meta *meta, const void *head,
	const struct users_list *to, bool *again, struct err *e);
/* recover.c */
int files_recover(struct mailbox *m, struct err *e);
/* Complete what a delivery to several left of this one message, waiting for whoever does. 0 or -1.
 */
int files_recover_id(struct files *f, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e);

#endif
