/* SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: both ends prove that they know the
 * password, and neither shows it. The server keeps a verifier. Whoever steals it can play the
 * server, and guess at the password at the price of its iterations for each guess; to log in he
 * needs a recorded login beside it (RFC 5802 9).
 *
 * Texts go in and come out as they are before base64; nothing here does I/O. A peer's message is
 * refused (-1, EX_PROTOCOL) where it is longer than SCRAM_MESSAGE_MAX, not UTF-8, holds a control
 * character, or is not the one that is due; mandatory extensions ("m=") too, others are passed
 * over. Names and passwords are taken as they are, not by SASLprep: in ASCII that is the same. */
#ifndef CRYPTO_SCRAM_H
#define CRYPTO_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum {
	SCRAM_KEY = 32,           /* bytes of each key, proof and signature: SHA-256 */
	SCRAM_SALT = 16,          /* bytes of a salt that is made here, */
	SCRAM_SALT_MAX = 64,      /* and of one that is taken */
	SCRAM_NAME_MAX = 255,     /* bytes of a name: other servers have addresses for names */
	SCRAM_NONCE = 24,         /* characters of a nonce that is made here: 18 bytes */
	SCRAM_NONCE_MAX = 256,    /* characters of both nonces together, half of it each */
	SCRAM_MESSAGE_MAX = 1024, /* bytes of a message; each out holds one, with a NUL */
	/* What is made: OWASP's figure of 2023 for PBKDF2 with HMAC-SHA-256. The server's part of a
	 * login does not depend on it; the client's and a thief's do, who guesses often. */
	SCRAM_ITERATIONS = 600000,
	SCRAM_ITERATIONS_MIN = 4096,     /* what is taken: RFC 7677 4's least, */
	SCRAM_ITERATIONS_MAX = 10000000, /* and some seconds of work */
	SCRAM_TEXT_MAX = 224             /* bytes of a verifier's text, with its NUL */
};

struct scram_verifier {
	unsigned iterations;
	uint8_t salt[SCRAM_SALT_MAX];
	size_t salt_n;
	uint8_t stored_key[SCRAM_KEY], server_key[SCRAM_KEY]; /* secret */
};

/* Hi() of RFC 5802 2.2: PBKDF2 with HMAC-SHA-256, one block. iterations >= 1. */
void scram_salted_password(const void *password, size_t n, const void *salt, size_t salt_n,
	unsigned iterations, uint8_t out[static SCRAM_KEY]);

/* 0, or -1 where the salt has not 1 to SCRAM_SALT_MAX bytes or the iterations are not among those
 * that are taken: nothing is written then. */
int scram_make(const void *password, size_t n, const void *salt, size_t salt_n, unsigned iterations,
	struct scram_verifier *out);

/* "SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY", as PostgreSQL keeps it, too. Returns its
 * length. */
size_t scram_verifier_write(const struct scram_verifier *v, char out[static SCRAM_TEXT_MAX]);
/* Exactly this, within the limits above. 0, or -1 (out is wiped). */
int scram_verifier_read(struct scram_verifier *out, const char *text, size_t n);

/* --- the exchange --- */

enum scram_step { SCRAM_NEW, SCRAM_FIRST, SCRAM_SECOND, SCRAM_DONE };

/* What both ends keep of it. Its functions are called in their order, each once (else -1,
 * EX_SOFTWARE); a failure ends it. */
struct scram {
	enum scram_step step;
	char client_first[SCRAM_MESSAGE_MAX], server_first[SCRAM_MESSAGE_MAX];
	size_t client_first_n, server_first_n;
	size_t gs2_n;                    /* client_first begins with as much */
	char nonce[SCRAM_NONCE_MAX + 1]; /* the client's, then both */
	/* the server: the stored key; the client: the signature that the server must show */
	uint8_t key[SCRAM_KEY];
	uint8_t server_key[SCRAM_KEY]; /* the server's alone */
};

struct scram_server {
	struct scram state;
	char name[SCRAM_NAME_MAX + 1]; /* who wants to log in: valid behind scram_server_first */
};

/* Read the client's first message. 0 with s->name, or -1: EX_PROTOCOL; EX_NOPERM (he asks to act
 * for another). */
int scram_server_first(struct scram_server *s, const void *client_first, size_t n, struct err *e);

/* Answer it, by the verifier of that name (or a decoy). 0, or -1 (EX_TEMPFAIL: no seed). */
int scram_server_challenge(struct scram_server *s, const struct scram_verifier *v,
	char server_first[static SCRAM_MESSAGE_MAX], struct err *e);
/* The same with this nonce, for tests: at most SCRAM_NONCE_MAX / 2 printable characters,
 * no comma. */
int scram_server_challenge_with(struct scram_server *s, const struct scram_verifier *v,
	const char *nonce, char server_first[static SCRAM_MESSAGE_MAX], struct err *e);

/* Judge the proof. 0 with *ok, and where it is true server_final; or -1. Wipes what s has. A decoy
 * has *ok false for every password. */
int scram_server_final(struct scram_server *s, const void *client_final, size_t n,
	char server_final[static SCRAM_MESSAGE_MAX], bool *ok, struct err *e);

struct scram_client {
	struct scram state;
};

/* Begin. 0, or -1: EX_DATAERR (no such name can be sent), EX_TEMPFAIL (no seed). */
int scram_client_first(struct scram_client *c, const char *name,
	char client_first[static SCRAM_MESSAGE_MAX], struct err *e);
int scram_client_first_with(struct scram_client *c, const char *name, const char *nonce,
	char client_first[static SCRAM_MESSAGE_MAX], struct err *e);

/* Answer the server's first message: costs its iterations, which are bounded. 0 or -1. */
int scram_client_final(struct scram_client *c, const void *server_first, size_t n,
	const void *password, size_t password_n, char client_final[static SCRAM_MESSAGE_MAX],
	struct err *e);

/* Does the server know the verifier? 0: it does. -1: EX_NOPERM (it says that it refuses),
 * EX_PROTOCOL (it does not know it, or says something else). Wipes what c has. */
int scram_client_verify(struct scram_client *c, const void *server_final, size_t n, struct err *e);

/* Leave an exchange that is not at its end. */
void scram_server_end(struct scram_server *s);
void scram_client_end(struct scram_client *c);

#endif
