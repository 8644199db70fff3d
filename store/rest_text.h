/* How the engine of mail at rest writes a message: what rest_text.c (writing), rest_read.c and
 * rest_mailbox.c share. Everybody else sees rest.h.
 *
 * The text that the files engine keeps, little-endian:
 *
 *     magic "S361RST1", time u64 (microseconds), bytes of the header u32, recipients u32, bytes of
 *     the content u64, source (its name on disk, 32 characters), length of the seal u16, the seal,
 *     zeros (rest_seal_room in all)
 *     the header, encrypted, and its tag 16
 *     the content in pieces of REST_PIECE bytes, the last one shorter, each with its tag
 *     for each recipient: whom it is for 16, nonce 12, the message's key encrypted 32, tag 16
 *
 * The message's key is random and serves once: the header has the nonce of zeros, the pieces count
 * from 1. A recipient's copy of it is encrypted under his own key, with the SHA-256 of everything
 * ahead of the header as associated data. So that many users share one file, nobody's key opens
 * what is not his, and a head that was changed is noticed; lengths are in it, so a text that was
 * cut is, too.
 *
 * The seal is base64url of: nonce 12, then, encrypted under the server's key, 1 for what was
 * damaged when it was encrypted (or 0) u8, length of the source u8, length of the title u16,
 * characters u64, bytes u64, source, title (or its file's name), zeros to a multiple of
 * REST_PAD; and the tag. */
#ifndef STORE_REST_TEXT_H
#define STORE_REST_TEXT_H

#include "rest.h"

enum {
	REST_PIECE = 1 << 16,
	REST_PAD = 32,
	REST_SELECTOR = 16,
	REST_WRAP = REST_SELECTOR + GCM_NONCE + REST_KEY + GCM_TAG,
	REST_FIXED = 8 + 8 + 4 + 4 + 8 + USER_NAME_MAX + 2,
	REST_SEALED_FIXED = 1 + 1 + 2 + 8 + 8,
	/* REST_SEALED_FIXED + USER_NAME_MAX + MAILBOX_TITLE_BYTES, padded */
	REST_SEALED_MAX = 480,
	REST_SEAL_MAX = 678, /* base64url of it, its nonce and its tag */
	REST_RECIPIENTS_MAX = UINT16_MAX,
	REST_TEXT_HEAD_MAX = REST_FIXED + REST_SEAL_MAX
};

struct rest {
	struct mailbox base; /* first: the interface's pointer is this one */
	struct mailbox *under;
	struct rest_key key;
	int dir;
};

/* What stands ahead of a message's header. */
struct rest_head {
	int64_t time_us;
	uint32_t head_n, recipients;
	uint64_t content_n;
	char source[USER_NAME_MAX + 1], seal[REST_SEAL_MAX + 1];
};

/* --- rest_seal.c --- */

/* How long the seal of a message may be whose header has so many bytes. */
size_t rest_seal_room(size_t head_n);
/* Seal the source, title, chars and bytes of a message. 0 or -1. */
int rest_seal_meta(const struct rest_key *key, const struct mailbox_meta *meta,
	char out[static REST_SEAL_MAX + 1], struct err *e);
/* The reverse, into a meta that has an id and a time. What cannot be opened is damaged. */
void rest_open_meta(const struct rest_key *key, const char *seal, struct mailbox_meta *meta);
/* The same, but 0 or -1, and as it was sealed: of what was damaged the title is its file's name. */
int rest_unseal_meta(const struct rest_key *key, const char *seal, struct mailbox_meta *meta);
/* Write what stands ahead of the header: REST_FIXED + rest_seal_room(h->head_n) bytes. */
void rest_put_head(const struct rest_head *h, uint8_t *out);
/* 0, or -1: it is none. */
int rest_get_head(struct rest_head *h, const uint8_t *p, size_t n);
size_t rest_head_bytes(size_t head_n);
/* The whole text. */
uint64_t rest_text_bytes(const struct rest_head *h);
/* For the files engine. */
mailbox_describe rest_describe;

/* Under what a user's copies of messages' keys are, and by what they are found. */
struct rest_user {
	uint8_t selector[REST_SELECTOR];
	struct gcm key;
};
void rest_user_key(const struct rest_key *key, const char *user, struct rest_user *out);
/* Put the user's name on disk into an error of the engine below in its own place. Always rc. */
int rest_told(const struct rest *r, const struct users_list *users, int rc, struct err *e);
int rest_told_one(const struct rest *r, const char *user, int rc, struct err *e);

/* The engine over another one, which it takes over and closes, if this fails, too. 0 or -1. */
int rest_over(struct mailbox *under, int dir, const struct rest_key *key, struct mailbox **out,
	struct err *e);
/* Note whose mailbox a folder is. 0 or -1. */
int rest_keep_owner(
	const struct rest_key *key, int dir, const char *folder, const char *user, struct err *e);

/* --- rest_text.c, rest_read.c: as mailbox.h has them --- */

int rest_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e);
int rest_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e);
int rest_deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *e);
void rest_discard(struct mailbox_draft *d);
int rest_open(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e);
int rest_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e);
void rest_done(struct mailbox_reader *r);

#endif
