/* File transfer, what both wires and both sides of it share. There are two wires on one port: the
 * founding one (ft_founding.h: none, aes128, aes256), kept with its weaknesses, and the one to use
 * (ft_noise.h). PROTOCOL.md has every byte.
 *
 * A transfer moves one file, called by a name without a folder, between a struct source and a
 * struct landing. */
#ifndef PROTO_FT_H
#define PROTO_FT_H

#include "../crypto/hash.h"
#include "../crypto/landing.h"
#include "../crypto/password.h"
#include "../crypto/source.h"
#include "conn.h"

enum ft_cipher { FT_NONE, FT_AES128, FT_AES256, FT_NOISE, FT_CIPHERS }; /* as the wire has them */

enum {
	FT_NAME_MAX = LANDING_NAME_MAX,
	FT_SECRET_MAX = PASSWORD_MAX,
	FT_SALT = 16,
	FT_PSK = 32,
	FT_GENERATED = 32,   /* random bytes of a secret that ftserve makes */
	FT_LOGIN_MS = 30000, /* for a handshake and a request */
	FT_IDLE_MS = 120000, /* for a record, or a chunk, in either direction */
	FT_SYNC_MS = 600000  /* more, for a disk to take what its cache holds */
};

#define FT_DEFAULT_PORT "13001"
/* A connection of the noise wire opens with these, the founding one with a zero. */
#define FT_PREFACE "SMTP361\x03"
enum { FT_PREFACE_BYTES = 8 };

const char *ft_cipher_name(enum ft_cipher cipher);
/* By its name: false when there is none. */
bool ft_cipher_find(const char *name, enum ft_cipher *out);

/* What both sides know. A weak one costs who guesses it from a capture of `noise` an Argon2id each
 * time, and who has one of the others next to nothing. */
struct ft_secret {
	uint8_t text[FT_SECRET_MAX];
	size_t n; /* at least 1 */
};

/* The pre-shared key of a secret: Argon2id with this salt and the parameters of password.h. 0, or
 * -1 (EX_TEMPFAIL: no memory). */
int ft_psk(const struct ft_secret *secret, const uint8_t salt[static FT_SALT],
	uint8_t psk[static FT_PSK], struct err *e);
/* A name for a psk that may be shown: it tells nothing that a capture would not, and cannot be
 * guessed faster. "FT:" and 16 digits of hex. */
enum { FT_FINGERPRINT = 20 };
void ft_fingerprint(const uint8_t psk[static FT_PSK], char out[static FT_FINGERPRINT]);

/* Errors have names on both wires: of a sysexits code ("try-later" for all that has none), and back
 * (otherwise: of a name that there is not). */
const char *ft_error_name(int code);
int ft_error_code(const void *name, size_t n, int otherwise);

/* One transfer, as either side sees it. Fields that a wire fills are told so. */
struct ft_job {
	bool sends;          /* this side does */
	struct source *from; /* of the side that sends */
	struct landing *to; /* of the side that takes it; the wire finishes it, its owner ends it */
	const char *name;   /* as the peer is to know it, or called it */
	bool force;         /* replace a file of this name at the other side */
	bool resume;        /* go on with what an earlier try left */
	bool sum;           /* this side wants the file's SHA-256 */
	/* Told of each piece: bytes so far, and of how many (0: not known). May be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
	/* --- filled by the wire --- */
	uint64_t total;    /* of the file, 0: not known (yet) */
	uint64_t begun_at; /* where it was gone on from */
	uint64_t done;     /* bytes so far, those before begun_at included */
	bool refused_part; /* what an earlier try left was not the beginning of this file */
	struct hash hash;  /* of the bytes so far, where `sum` */
	uint8_t digest[HASH_BYTES]; /* at the end, where `sum` */
	uint8_t md5[16];            /* at the end of the founding wire */
};

/* Count n bytes that were sent or taken (NULL: zeros), hash them where that is wanted, and tell. */
void ft_moved(struct ft_job *job, const void *p, uint64_t n);
/* Begin at an offset: hash what lies ahead of it, from this side's file, where that is wanted. 0 or
 * -1. */
int ft_begin_at(struct ft_job *job, uint64_t offset, struct err *e);
void ft_end(struct ft_job *job); /* the digest */

/* What the founding lines say behind "checksum:": MD5 or SHA-256 in hex, or what stands for it. */
enum { FT_CHECKSUM = 2 * HASH_BYTES + 1 };
void ft_checksum(const struct ft_job *job, bool noise, char out[static FT_CHECKSUM]);

/* Told what happens on the wire, one line each, for -v. */
typedef void ft_trace(void *arg, const char *line);

/* --- the client --- */

struct ft_login {
	enum ft_cipher cipher;
	const struct ft_secret *secret; /* NULL with FT_NONE */
	ft_trace *trace;                /* may be NULL */
	void *trace_arg;
};

/* Do one transfer over a connection that was just dialled; it is not closed. 0, or -1: EX_NOPERM
 * (the key is not the server's), EX_PROTOCOL (forged, cut, or nonsense), EX_NOINPUT (no such file
 * there), EX_CANTCREAT (it exists there, or its name is refused), EX_DATAERR (the server rejected
 * it), EX_TEMPFAIL, and what the landing or the source said. */
int ft_founding_run(
	struct conn *c, const struct ft_login *login, struct ft_job *job, struct err *e);
int ft_noise_run(struct conn *c, const struct ft_login *login, struct ft_job *job, struct err *e);

#endif
