/* The noise wire of file transfer: the opening, the handshake (Noise_NNpsk0_25519_AESGCM_SHA256),
 * and the sealed records that both halves of it share. PROTOCOL.md has every byte.
 *
 * Data is read right into its place in a record and sealed there, and opened where it arrived and
 * written from there; several records go with one system call. */
#ifndef PROTO_FT_NOISE_H
#define PROTO_FT_NOISE_H

#include "../crypto/noise.h"
#include "../crypto/proof.h"
#include "fields.h"
#include "ft.h"

enum {
	FT_NOISE_LENGTH = 2, /* ahead of each Noise message */
	FT_NOISE_HELLO = 48, /* messages 1 and 2: a key and a tag */
	FT_NOISE_KIND = 1,   /* ahead of a record's body */
	FT_NOISE_BODY_MAX = NOISE_MESSAGE_MAX - NOISE_TAG - FT_NOISE_KIND,
	FT_NOISE_DATA = 61440,       /* bytes of the file in a record of ours: 15 pages */
	FT_NOISE_OBJECT_MAX = 4096,  /* bytes of JSON in one */
	FT_NOISE_TEXT_MAX = 300,     /* bytes of an error's text */
	FT_NOISE_PROOF_RATE = 16384, /* bytes that a proof gets on by in a ms, at the least */
	FT_NOISE_PARTING_MS = 2000,  /* for the peer to hear an error, and leave */
	FT_NOISE_ALIVE_MS = 5000,    /* between two signs of life of a sender who waits */
	FT_NOISE_SLICE = 64 << 20,   /* zeros that are hashed at once */
	FT_NOISE_BATCH = 4,          /* records that are written at once */
	FT_NOISE_OUT =
		FT_NOISE_BATCH * (FT_NOISE_LENGTH + FT_NOISE_KIND + FT_NOISE_DATA + NOISE_TAG),
	FT_NOISE_IN = 262144
};
#define FT_NOISE_PATTERN "NNpsk0"

enum ft_noise_kind { FT_NOISE_OBJECT, FT_NOISE_BYTES, FT_NOISE_HOLE, FT_NOISE_END, FT_NOISE_KINDS };

struct ft_noise {
	struct conn *conn; /* the caller's */
	struct noise_cipher tx, rx;
	const char *peer; /* "server", "client": for errors */
	int64_t idle_ms;  /* for each record; 0: the caller's deadline stands */
	int64_t extra_ms; /* and for the next one */
	bool silent;      /* the peer is gone, or cannot hear us: no error is told */
	bool told;        /* the peer said why it ends */
	ft_trace *trace;  /* NULL: nobody asked */
	void *trace_arg;
	size_t start, end, out_n; /* start..end of in has arrived and was not read yet */
	size_t in_most, out_most; /* how far they were ever used: what there is to wipe */
	uint8_t in[FT_NOISE_IN], out[FT_NOISE_OUT];
};

/* Over a connection. NULL with e (EX_TEMPFAIL: no memory). */
struct ft_noise *ft_noise_new(struct conn *c, const char *peer, struct err *e);
void ft_noise_free(struct ft_noise *w); /* wiped; NULL is fine */

void ft_noise_say(const struct ft_noise *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* --- the opening --- */

/* Exactly n bytes that stand outside of any message. 0 with *p (valid until the next call), 1 at
 * the connection's end before the first of them, or -1 (EX_TEMPFAIL: cut, time, connection). */
int ft_noise_get_raw(struct ft_noise *w, size_t n, uint8_t **p, struct err *e);
int ft_noise_put_raw(struct ft_noise *w, const void *p, size_t n, struct err *e);

/* The handshake, after the opening and the salt: it proves to each side that the other has the psk.
 * 0; 1 where the peer of the one who begins ended the connection in place of an answer: it does not
 * take the psk; or -1: EX_NOPERM (the client does not have it), EX_PROTOCOL, EX_TEMPFAIL. */
int ft_noise_shake_hands(struct ft_noise *w, bool initiator, const uint8_t salt[static FT_SALT],
	const uint8_t psk[static FT_PSK], struct err *e);

/* --- records --- */

/* Seal a record; it waits in the buffer for ft_noise_flush. 0, or -1 (EX_TEMPFAIL: memory,
 * connection). The object is released. */
int ft_noise_put_object(struct ft_noise *w, json_t *o, struct err *e);
int ft_noise_put_number(struct ft_noise *w, enum ft_noise_kind kind, uint64_t value, struct err *e);
/* Room for FT_NOISE_DATA bytes, of which ft_noise_put_room then seals n as a record. NULL with e
 * when the buffer could not be written out. */
uint8_t *ft_noise_room(struct ft_noise *w, struct err *e);
int ft_noise_put_room(struct ft_noise *w, size_t n, struct err *e);
/* Write what waits. Where the peer has ended the connection, what it said last is the error. e is
 * not NULL. */
int ft_noise_flush(struct ft_noise *w, struct err *e);

/* The next record's body, opened; what waits to be written goes out before. 0 with *p (valid until
 * the next call) and *n, or -1: EX_PROTOCOL (forged, empty, of no kind), EX_TEMPFAIL (time,
 * connection, or its end). */
int ft_noise_get(
	struct ft_noise *w, enum ft_noise_kind *kind, uint8_t **p, size_t *n, struct err *e);
int ft_noise_number(const uint8_t *p, size_t n, uint64_t *value, struct err *e);
/* The next record, which must be an object of this type (NULL: any), which the caller releases. 0,
 * or -1 as above, or with the peer's error as ours. */
int ft_noise_get_object(struct ft_noise *w, const char *type, json_t **out, struct err *e);
/* A body that is an object, the same. */
int ft_noise_take_object(struct ft_noise *w, const char *type, const uint8_t *p, size_t n,
	json_t **out, struct err *e);
/* Has the peer said something while it was not asked? It can only be an error: -1 with that, or
 * EX_PROTOCOL. 0: nothing came. Never waits for its first byte. */
int ft_noise_listen(struct ft_noise *w, struct err *e);

/* Tell the peer why we end, where it can hear it, and let it leave first: a connection that is
 * closed over bytes that were not read takes back what was said last. Always -1. */
int ft_noise_fail(struct ft_noise *w, const struct err *e);

/* A field that has to be there. 0, or -1 (EX_PROTOCOL). */
int ft_noise_need_number(const json_t *o, const char *name, uint64_t *out, struct err *e);
int ft_noise_need_hex(const json_t *o, const char *name, uint8_t *out, size_t n, struct err *e);
/* A new one, of this type; NULL when memory is short. */
json_t *ft_noise_object(const char *type);
/* Add to an object, which is released, and NULL, when memory is short: as it is to be put. */
void ft_noise_add(json_t **o, const char *name, json_t *value);
void ft_noise_add_hex(json_t **o, const char *name, const uint8_t *p, size_t n);

/* --- the file --- */

/* From here on a record may take so long, and the next one as long as a peer needs to look at so
 * many bytes of its file. */
void ft_noise_idle(struct ft_noise *w, int64_t idle_ms);
void ft_noise_wait_for(struct ft_noise *w, uint64_t bytes);

/* Begin at an offset: the source or the landing, and the job. 0 or -1. */
int ft_noise_begin_at(struct ft_job *job, uint64_t offset, struct err *e);
/* Send all of job->from from where it stands, and the end. 0, or -1: EX_TEMPFAIL (the source
 * changed), its errors, the peer's. */
int ft_noise_send(struct ft_noise *w, struct ft_job *job, struct err *e);
/* Take the peer's file into job->to; once it is on disk under its name, say so. size: as it was
 * announced; UINT64_MAX: it was not. 0, or -1: EX_PROTOCOL, what the landing says, the peer's
 * error. */
int ft_noise_take(struct ft_noise *w, struct ft_job *job, uint64_t size, struct err *e);

#endif
