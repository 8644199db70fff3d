/* Sealed mail: a message whose content is an armored age file (so that `age -d` opens it) to all of
 * its recipients and its sender. What is sealed is a signature (SSHSIG, namespace mail@smtp361) and
 * behind it the text that it signs: lines of a header, an empty line, and the content.
 *
 *     -----BEGIN SSH SIGNATURE-----
 *     ...
 *     -----END SSH SIGNATURE-----
 *     smtp361 sealed message 1
 *     From: alice
 *     To: bob;carol
 *     Time: 2026-11-22T10:00:00.123456Z
 *     Id: 32 digits of hex
 *     Stream: 16 digits of hex      one for each of To, in its order, ";" between
 *     Number: 7;3                   the number of this message in each of them
 *     Title: the real one
 *     Length: bytes of content
 *
 *     content
 *
 * The Id is the one that the letter was posted with: the server stores it under a digest of its
 * sender and that, so it cannot list it twice; zeros where the wire has no ids. Outside stand From,
 * To, a time of the server's and the title SEALED_TITLE. A sealed content without the signature and
 * the header, as `age -a -r ...` makes it of anything, is read, too: it is nobody's word. What is
 * opened stays sealed on disk; nothing of it is handed out before all of it was looked at. */
#ifndef PROTO_SEALED_H
#define PROTO_SEALED_H

#include "../crypto/age.h"
#include "../crypto/sshsig.h"
#include "held.h"
#include "mail_client.h"

#define SEALED_TITLE "[sealed]"

enum { SEALED_HEAD_MAX = 131072 };

/* As store/sequence counts them. */
struct sealed_number {
	uint8_t stream[8];
	uint64_t number; /* from 1 */
};

struct sealed_letter {
	const char *from, *to, *title; /* to: "a;b" */
	int64_t time_us;
	uint8_t id[MAIL_ID];
	const struct sealed_number *numbers; /* one for each of `to` */
	size_t numbers_n;
	uint64_t bytes; /* of the content, which is read twice: */
	mail_source *source;
	void *arg;
	int (*rewind)(void *arg, struct err *e);
};

/* Sign and seal into out, which is empty, and get the armored text. 0, or -1: EX_DATAERR,
 * EX_TEMPFAIL, or the source's. */
int sealed_write(struct held *out, const struct sealed_letter *l, const struct p256_pair *key,
	const struct age_recipient *recipients, size_t n, struct err *e);

/* Does content begin as a sealed one does? n: at least SEALED_LOOK bytes of it, or all. */
enum { SEALED_LOOK = 64 };
bool sealed_is(const void *p, size_t n);

struct sealed_head {
	bool is_signed;           /* false: no header and no signature; everything below is empty */
	uint8_t key[P256_PUBLIC]; /* whose signature it is, and it is right */
	struct message_part from, to, title; /* in `text` */
	int64_t time_us;
	uint8_t id[MAIL_ID];
	struct sealed_number *numbers; /* owned; as many as names in to */
	size_t numbers_n;
	uint64_t content_bytes, content_chars; /* chars: where it is UTF-8 */
	bool content_is_text;
	uint8_t digest[HASH_BYTES]; /* of all that was signed */
	struct buf text;            /* owned: the header as it was signed */
	struct buf signature;       /* owned: as it stands */
};

/* Open all of a sealed content, and check it. 0, or -1: EX_NOPERM (not sealed to us), EX_DATAERR
 * (damaged or altered: a signature that is not right, a header that is none). sealed_free is due in
 * both cases. */
int sealed_open(struct sealed_head *out, const struct held *sealed,
	const struct x25519_pair *identities, size_t n, struct err *e);
/* Hand out its content, or with whole all that was signed. */
int sealed_each(const struct sealed_head *h, const struct held *sealed,
	const struct x25519_pair *identities, size_t n, bool whole, transfer_put *put, void *arg,
	struct err *e);
void sealed_free(struct sealed_head *h);

#endif
