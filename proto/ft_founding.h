/* The founding wire of file transfer: frames, and the one AES-CBC stream that each direction is.
 * Its weaknesses are the founding program's and are kept, because the lab attacks them: PROTOCOL.md
 * lists them. Use the noise wire for files that matter.
 *
 * Of what came, the header's 16 bytes and the payload's `length` are looked at, and the paddings
 * never, but for those of the challenge and its response. */
#ifndef PROTO_FT_FOUNDING_H
#define PROTO_FT_FOUNDING_H

#include "../crypto/cbc.h"
#include "ft.h"

/* All integers are big-endian. A header: type (u32), length of the payload (u32), 8 zeros. */
enum ft_frame {
	FT_HANDSHAKE,    /* cipher (u8), IV */
	FT_READ_FILE,    /* the name */
	FT_WRITE_FILE,   /* the name; and then: a chunk of the file */
	FT_CONFIRMATION, /* u8: 1, or 0: refused */
	FT_ERROR,        /* "CODE: TEXT" */
	FT_EOF,          /* the MD5 of all chunks */
	FT_FRAMES
};

enum {
	FT_HEADER = 16,
	FT_SEALED_HEADER = FT_HEADER + AES_BLOCK, /* with its padding, which is a whole block */
	FT_IV = AES_BLOCK,
	FT_NONCE = AES_BLOCK,
	FT_RESPONSE = FT_NONCE + AES_BLOCK, /* a challenge or its response, raw */
	FT_HANDSHAKE_BYTES = 1 + FT_IV,
	FT_CHUNK = 16384,      /* what is sent of a file at once, */
	FT_CHUNK_MAX = 65536,  /* and what is taken */
	FT_REQUEST_MAX = 1024, /* bytes of a name; more than any good one has, so that a bad one can
				 * be answered */
	FT_COMPLAINT_MAX = 512, /* bytes of an error */
	FT_KEY_MAX = 32,
	FT_FRAME_ROOM = FT_SEALED_HEADER + FT_CHUNK + AES_BLOCK,
	FT_FRAME_MAX = FT_SEALED_HEADER + FT_CHUNK_MAX + AES_BLOCK
};

struct ft_founding {
	struct conn *conn;
	bool sealed;     /* both streams are encrypted */
	int64_t idle_ms; /* for each frame; 0: the connection's deadline stands */
	struct cbc out_stream, in_stream;
	size_t out_n, start, end;
	uint8_t out[4 * FT_FRAME_ROOM]; /* frames to be sent, encrypted */
	uint8_t in[2 * FT_FRAME_MAX];   /* what came and was not taken stands at start..end */
};

/* Begin, in the clear. The connection stays the caller's; wipe() the struct after use. */
void ft_founding_begin(struct ft_founding *f, struct conn *c);

/* The secret's bytes, repeated and cut to the cipher's key: the founding program's, and no key
 * derivation at all. Its length: 16 or 32. */
size_t ft_founding_key(
	enum ft_cipher cipher, const struct ft_secret *secret, uint8_t key[static FT_KEY_MAX]);
/* From here on encrypted, both ways under the same key and IV; FT_NONE: as before. */
void ft_founding_seal(struct ft_founding *f, enum ft_cipher cipher, const struct ft_secret *secret,
	const uint8_t iv[static FT_IV]);

/* Room for a payload of up to FT_CHUNK bytes in the buffer; what stood there may be sent ahead of
 * it. NULL with e: EX_TEMPFAIL. */
uint8_t *ft_founding_room(struct ft_founding *f, struct err *e);
/* A frame of the n bytes that the last room now holds. It is sent by a flush, or by a room. */
void ft_founding_put_room(struct ft_founding *f, enum ft_frame type, size_t n);
/* A frame of these bytes, at most FT_CHUNK, sent at once. 0 or -1. */
int ft_founding_put(
	struct ft_founding *f, enum ft_frame type, const void *p, size_t n, struct err *e);
int ft_founding_flush(struct ft_founding *f, struct err *e);

/* The next frame, its type one of this table and its length within its limits; p is good until the
 * next call. 0, or -1: EX_PROTOCOL (nonsense, or the connection ended), EX_TEMPFAIL. */
int ft_founding_get(
	struct ft_founding *f, enum ft_frame *type, uint8_t **p, size_t *n, struct err *e);
/* The same, where only this type, or an error of the peer's, may come. */
int ft_founding_expect(
	struct ft_founding *f, enum ft_frame type, uint8_t **p, size_t *n, struct err *e);

/* A challenge or a response: a number and its padding, with no header. */
int ft_founding_put_number(
	struct ft_founding *f, const uint8_t number[static FT_NONCE], struct err *e);
/* What came, decrypted, and its padding judged: *padding is 0 where it is none. *got: bytes that
 * came, where the connection ended early. 0 or -1. */
int ft_founding_get_number(struct ft_founding *f, uint8_t number[static FT_NONCE], size_t *padding,
	size_t *got, struct err *e);
/* number + 1 mod 2^128 */
void ft_founding_next_number(uint8_t number[static FT_NONCE]);

/* Tell the peer why, by the code and the first line of e. It may not arrive. Always -1. */
int ft_founding_complain(struct ft_founding *f, const struct err *e);

/* The data, from job->from and its end. 0, or -1: the peer was told where it was not its doing, and
 * what it said in place of taking the file is in e. */
int ft_founding_send(struct ft_founding *f, struct ft_job *job, struct err *e);
/* The data into job->to, and finish it where its MD5 agrees. 0, or -1 as above. */
int ft_founding_take(struct ft_founding *f, struct ft_job *job, struct err *e);

#endif
