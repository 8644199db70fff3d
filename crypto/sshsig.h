/* Signatures as OpenSSH has them (PROTOCOL.sshsig), armored, by ecdsa-sha2-nistp256 keys and with
 * SHA-256 of the message: what `ssh-keygen -Y verify` accepts. And public keys as OpenSSH writes
 * them. No message is read here: its digest comes and goes. */
#ifndef CRYPTO_SSHSIG_H
#define CRYPTO_SSHSIG_H

#include "bytes.h"
#include "p256.h"

#define SSHSIG_MAIL "mail@smtp361" /* namespaces: what was signed for one counts for no other */
#define SSHSIG_CHAT "chat@smtp361"

enum {
	SSHSIG_TEXT_MAX = 1024, /* bytes of an armored signature; ours have some 400 */
	SSHSIG_LINE_MAX = 192   /* "ecdsa-sha2-nistp256 AAAA...", and a NUL */
};

/* Append the armored signature, its END line ended by LF. namespace: at most 64 bytes. 0, or -1
 * (EX_TEMPFAIL: no memory). */
int sshsig_sign(struct buf *out, const struct p256_pair *key, const char *namespace,
	const uint8_t digest[static HASH_BYTES], struct err *e);

/* Read an armored signature of n bytes and check it: it must be of this namespace, and of a message
 * with this SHA-256. public: who signed, which the caller judges. 0, or -1 (EX_DATAERR: damaged,
 * another kind of key or hash, another namespace, or not a signature of this). */
int sshsig_check(uint8_t public[static P256_PUBLIC], const void *text, size_t n,
	const char *namespace, const uint8_t digest[static HASH_BYTES], struct err *e);

/* A public key as one word, a blank, and base64. */
void sshsig_write_public(
	char out[static SSHSIG_LINE_MAX], const uint8_t public[static P256_PUBLIC]);
/* Read it; a comment may follow behind a blank. 0, or -1 (EX_DATAERR). */
int sshsig_read_public(uint8_t out[static P256_PUBLIC], const char *text, size_t n, struct err *e);
/* "SHA256:" and the base64 of the key's SHA-256, as ssh-keygen -l prints it. */
enum { SSHSIG_FINGERPRINT_MAX = 64 };
void sshsig_fingerprint(
	char out[static SSHSIG_FINGERPRINT_MAX], const uint8_t public[static P256_PUBLIC]);

#endif
