/* What the records of the journal say: a message was delivered, or removed from a mailbox.
 *
 * Layout, little-endian. Delivered: kind u8 ('D': the message follows; 'S': it is the spool's file
 * ID), once u8, source length u8, title length u16, recipients u16, id 16, time u64, chars u64,
 * bytes u64, source, title, each recipient as length u8 and name; 'D': the message. Removed: 'R',
 * name length u8, key 16, name. Carried over (carry.h): 'C', the segment u64 and the offset u64 of
 * the first record that said it; then either of these. */
#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include "journal.h"
#include "mailbox.h"

enum {
	ENTRY_INLINE = 1 << 16 /* bytes of a message that stands in the journal itself */
};

enum entry_kind { ENTRY_INLINED = 'D', ENTRY_SPOOLED = 'S', ENTRY_REMOVED = 'R' };

/* What a message is told by: its id and its sender, since who sends one may choose its id. The
 * first bytes of SHA-256 over the id and the sender's name. */
enum { ENTRY_KEY = 16 };
void entry_key(const struct mailbox_meta *meta, uint8_t out[static ENTRY_KEY]);
/* The order of what begins with a key, for qsort and bsearch. */
int entry_by_key(const void *a, const void *b);

struct entry {
	enum entry_kind kind;
	bool once;
	/* where it was said first, if it was carried over (else number is 0): what was said of the
	 * same message between the two is newer. end is 0 */
	struct journal_mark first;
	struct mailbox_meta meta; /* index is 0; ENTRY_REMOVED: nothing */
	uint8_t key[ENTRY_KEY];
	struct cursor to; /* the recipients; or the one mailbox */
	size_t to_n;
	const uint8_t *message; /* ENTRY_INLINED: meta.bytes of it */
};

/* Write one behind what out holds. message: NULL means ENTRY_SPOOLED. 0, or -1 (no memory). */
int entry_put_delivered(struct buf *out, const struct mailbox_meta *meta, bool once,
	const struct users_list *to, const struct buf *message);
int entry_put_removed(struct buf *out, const char *user, const uint8_t key[static ENTRY_KEY]);

/* What is put next is carried over; a record that was itself tells of the first (entry.first). */
int entry_put_carried(struct buf *out, const struct journal_mark *first);

/* Read one; its pointers stand in p. 0, or -1 when it is none. */
int entry_get(struct entry *out, const uint8_t *p, size_t n);
/* The next recipient. false behind the last one. */
bool entry_next_name(struct entry *entry, char name[static USER_NAME_MAX + 1]);
/* Is this user among them? Does not move entry. */
bool entry_names(const struct entry *entry, const char *user);

#endif
