/* Files of messages that are not in a mailbox yet: while they are written, and, larger ones and
 * those for several, under their key (entry.h). */
#ifndef STORE_SPOOL_H
#define STORE_SPOOL_H

#include "box.h"
#include "entry.h"

#define SPOOL_FOLDER ".spool"

/* A message's id (16 bytes) and time (u64 little-endian, microseconds) stand beside its text as an
 * extended attribute of the inode, where the file system keeps them; elsewhere an index that must
 * be rebuilt gives the message a new id, and the time of its text. */
#define SPOOL_XATTR "user.smtp361"
enum { SPOOL_XATTR_BYTES = MAILBOX_ID_BYTES + 8, SPOOL_KEY_NAME = 2 * ENTRY_KEY };

struct spool {
	int dir;         /* -1 when it cannot be had: */
	int why;         /* errno */
	bool named_only; /* no O_TMPFILE, or no /proc to link it by */
};

/* A file that is being written. */
struct spool_file {
	int fd;        /* locked, so that spool_sweep tells a live one from a dead one; -1: none */
	char name[40]; /* in the spool; empty while the inode has no name */
	char path[64]; /* "/proc/self/fd/N" for an inode without a name */
};

/* Make it, if so asked. A spool that cannot be had refuses to create. */
void spool_open(struct spool *s, int root, bool make);
void spool_close(struct spool *s);

/* Each returns 0, or -1 (EX_TEMPFAIL). */
int spool_create(struct spool *s, struct spool_file *f, struct err *e);
/* Note the id and the time beside the text. */
void spool_mark(const struct spool_file *f, const struct mailbox_meta *meta);
struct box_source spool_source(const struct spool *s, const struct spool_file *f);
void spool_discard(const struct spool *s, struct spool_file *f);

void spool_key_name(char out[static SPOOL_KEY_NAME + 1], const uint8_t key[static ENTRY_KEY]);
/* Give the file its key's name. It must be discarded all the same. 0; 1 when another file has that
 * name; or -1. */
int spool_name(struct spool *s, const struct spool_file *f, const uint8_t key[static ENTRY_KEY],
	struct err *e);
/* Does somebody write the file of this key? His record may be about to reach the journal. */
bool spool_is_live(const struct spool *s, const uint8_t key[static ENTRY_KEY]);
int spool_unname(const struct spool *s, const uint8_t key[static ENTRY_KEY], struct err *e);

/* Would a file of this name be the spool's? */
bool spool_is_ours(const char *name);

/* Drop those of the keys whose files are still to be linked, and keep the others, in any order.
 * Asked when all names were seen: whoever asks the journal then misses none. 0 or -1. */
typedef int spool_drop_wanted(void *arg, struct buf *keys, struct err *e);
/* Remove what nobody writes any more, and the names of keys that are not wanted. 0 or -1. */
int spool_sweep(const struct spool *s, spool_drop_wanted *drop_wanted, void *arg, struct err *e);

#endif
