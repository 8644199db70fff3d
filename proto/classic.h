/* The classic wire, both halves: its texts, and how they travel; classic_dialect.h has their order.
 * Section numbers of the steps are in PROTOCOL.md. Everything after the key is AES-256-ECB with
 * PKCS#7 padding and has no framing, so a boundary is where the padding is valid, or where an
 * e-mail's own Content Length says. */
#ifndef PROTO_CLASSIC_H
#define PROTO_CLASSIC_H

#include "../crypto/aes.h"
#include "classic_dialect.h"
#include "conn.h"
#include "message.h"

#define CLASSIC_INVALID "Invalid username or password"
#define CLASSIC_MENU                          \
	"Select the operation:\n"             \
	"    1) Create and send an email\n"   \
	"    2) Display the inbox list\n"     \
	"    3) Display the email contents\n" \
	"    4) Terminate the connection\n"   \
	"choice: "
#define CLASSIC_REJECTED "The message was rejected: "
#define CLASSIC_LATER "try again later: " /* opens the REASON when the server could not store */
#define CLASSIC_SEND_PROMPT "Send the email"
#define CLASSIC_INDEX_PROMPT "the server request email index"
#define CLASSIC_NONE_LISTED "There is no email to view: display the inbox list first"
#define CLASSIC_NO_SUCH "There is no email with this index in the last list"
#define CLASSIC_LIST_HEAD "Index  From      DateTime                      Title"

enum {
	CLASSIC_KEY = 32,    /* bytes of sym_key */
	CLASSIC_BUF = 65536, /* holds the longest header of an e-mail, and more */
	CLASSIC_TEXT_MAX =
		4096, /* bytes of a short text: a choice, an index, a menu with its reason */
	CLASSIC_LIST_MAX = 64 << 20, /* bytes of a list: some 500,000 rows */
	/* bytes of an e-mail that is kept in memory: its header may have a line of any kind */
	CLASSIC_MAIL_MAX = 2 * MESSAGE_STORED_HEAD_MAX + MESSAGE_CONTENT_BYTES,
	CLASSIC_QUIET_MS = 5000 /* When bytes disagree with what they say of themselves, the sender
				 * has nothing more to say once it was silent for so long. */
};

struct classic {
	struct conn *conn; /* the caller's */
	struct aes aes;
	uint8_t in[CLASSIC_BUF]; /* start..end decrypted, end..raw a block not complete yet */
	size_t start, end, raw;
	size_t tail_pad; /* the padding that ends the last block decrypted; 0: none */
	uint8_t out[CLASSIC_BUF];
	size_t out_n;
	int gap_ms; /* of silence ahead of a text that follows one of this side; 0: none */
	bool spoke; /* the last text was one of this side */
};

/* key: CLASSIC_KEY bytes. wipe() the struct after use. */
void classic_init(struct classic *c, struct conn *conn, const uint8_t key[static CLASSIC_KEY]);
/* The same with any key that AES has. 0, or -1 for another length. */
int classic_init_key(struct classic *c, struct conn *conn, const uint8_t *key, size_t key_n);

/* Send one text. 0 or -1. */
int classic_send(struct classic *c, const char *text, struct err *e);
/* Send a text in pieces: put as often as needed, then end. */
int classic_put(struct classic *c, const void *p, size_t n, struct err *e);
int classic_end(struct classic *c, struct err *e);

/* Receive one text of at most max bytes, appending it to out: it ends with the first block whose
 * padding is valid. quiet_ms: for a text that is sent in one piece, how long its next block may
 * take before its padding counts as broken; 0: the deadline alone rules. 0, or -1: EX_TEMPFAIL
 * (time, connection), EX_PROTOCOL (padding, length, end). */
int classic_recv(struct classic *c, struct buf *out, size_t max, int64_t quiet_ms, struct err *e);

/* Has the next text begun, and does it begin like this? Waits for its first block. 1, 0 or -1. */
int classic_starts_with(struct classic *c, const char *text, struct err *e);

/* Where an e-mail goes while it arrives. Both return 0, or non-zero to have the rest read and
 * dropped; a negative value is an error of this side, with e. */
struct classic_mail {
	bool stored; /* the header has its time */
	int (*head)(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *e);
	int (*content)(void *arg, const void *p, size_t n, struct err *e);
	void *arg;
};

enum classic_got {
	CLASSIC_BROKEN = -1, /* the connection is of no more use: e */
	CLASSIC_WHOLE = 0,   /* all of it arrived, all of it was taken */
	CLASSIC_DROPPED = 1, /* all of it arrived, and head or content refused it */
	CLASSIC_FAULTY = 2 /* it arrived, and disagrees with itself: e (EX_DATAERR; EX_TEMPFAIL when
			    * less came than was announced, which a stalled network can cause) */
};

/* Receive an e-mail of any length, in pieces. After every result but BROKEN the next text can be
 * received. */
enum classic_got classic_recv_mail(
	struct classic *c, const struct classic_mail *mail, struct err *e);

/* Receive a text whose size was told ahead, in decimal, appending it to out: at most max bytes. The
 * size is a hint, because peers tell that of the plaintext, or of the ciphertext, or count
 * characters: the text ends with the first block at or behind it whose padding is valid. Nothing
 * is allocated for what has not come. What disagrees (a size that is no number or above max, too
 * few bytes, too many) is read to its end, and FAULTY. */
enum classic_got classic_recv_sized(
	struct classic *c, const struct buf *told, struct buf *out, size_t max, struct err *e);

/* Receive an e-mail as this step has it: by its own Content Length, or by a size that is told ahead
 * and answered, which keeps it in memory until its characters are counted. */
enum classic_got classic_recv_step(struct classic *c, const struct classic_step *step,
	const struct classic_mail *mail, struct err *e);

/* Take an e-mail that is whole in memory, in the python dialect's form or the stored one. */
enum classic_got classic_take_mail(
	const struct buf *text, const struct classic_mail *mail, struct err *e);

#endif
