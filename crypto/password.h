/* Passwords at rest: Argon2id (RFC 9106) in PHC strings, "$argon2id$v=19$m=..,t=..,p=..$SALT$HASH".
 * The string comes from a file that may be hostile, so its parameters are capped before any memory
 * is taken or time is spent. */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum {
	PASSWORD_MAX = 1024,    /* bytes; what fits a 4096-bit login block is less */
	PASSWORD_PHC_MAX = 256, /* bytes of a PHC string, with its NUL */
	PASSWORD_M_KIB = 19456, /* what is written: OWASP's 19 MiB, two passes, one lane: */
	PASSWORD_T = 2,         /* about 25 ms, and it does not hurt next to a mail server */
	PASSWORD_P = 1,
	PASSWORD_M_KIB_MAX = 262144, /* what is accepted: 256 MiB, */
	PASSWORD_T_MAX = 16,         /* sixteen passes, */
	PASSWORD_P_MAX = 16,         /* sixteen lanes, computed one after the other */
	PASSWORD_WORK_MAX = 1048576  /* and m * t: about 2 s at the worst */
};

struct password_phc {
	uint32_t m_kib, t, p;
	uint8_t salt[64];
	size_t salt_n; /* 8..64 */
	uint8_t hash[64];
	size_t hash_n; /* 16..64 */
};

/* Read a PHC string strictly: this type and version, no sign, no leading zero, no padding, nothing
 * behind it, parameters within the caps. 0, or -1 (EX_CONFIG). */
int password_parse(struct password_phc *out, const char *phc, size_t n, struct err *e);

/* Hash with a fresh salt and the parameters above. phc holds PASSWORD_PHC_MAX. 0, or -1
 * (EX_TEMPFAIL: no memory, no seed). */
int password_hash(char *phc, const void *password, size_t n, struct err *e);

/* A key from a password: Argon2id with this salt and the parameters that are written, 32 bytes out.
 * 0, or -1 (EX_TEMPFAIL: no memory). */
enum { PASSWORD_SALT = 16, PASSWORD_KEY = 32 };
int password_key(uint8_t key[static PASSWORD_KEY], const void *password, size_t n,
	const uint8_t salt[static PASSWORD_SALT], struct err *e);

/* Compare in constant time. 0 with *ok set, or -1 (EX_TEMPFAIL: no memory; *ok is false). */
int password_verify(
	const struct password_phc *phc, const void *password, size_t n, bool *ok, struct err *e);

#endif
