/* Key files in a folder, by their founding names: NAME_private.pem (0600) and NAME_public.pem
 * (0644) for RSA, NAME_x25519_private.pem and NAME_x25519_public.pem for X25519, and
 * NAME_p256_private.pem and NAME_p256_public.pem for P-256, which signs.
 *
 * A pair on disk is in one of these states, whatever instant a crash came at:
 *   none                 nothing was made
 *   private alone        made, but stopped before the public half: generating completes it
 *   private and public   whole
 * A replacement removes the old public half first, so that halves of two pairs never stand
 * together. A public half alone is somebody else's, and generating refuses it. */
#ifndef KEYS_KEYFILE_H
#define KEYS_KEYFILE_H

#include <stdbool.h>

#include "../crypto/p256.h"
#include "../crypto/rsa.h"
#include "../crypto/x25519.h"

enum keyfile_kind { KEYFILE_RSA, KEYFILE_X25519, KEYFILE_P256, KEYFILE_KINDS };
enum keyfile_state { KEYFILE_NONE, KEYFILE_PRIVATE_ALONE, KEYFILE_PUBLIC_ALONE, KEYFILE_WHOLE };
enum keyfile_made { KEYFILE_GENERATED, KEYFILE_COMPLETED, KEYFILE_REPLACED };

enum { KEYFILE_FINGERPRINT_MAX = 64 }; /* "SHA256:" and 43 characters of base64 */

/* May pairs be made for NAME? A user's name may, but for one that ends in "_x25519" or "_p256": its
 * RSA pair would have the names of another's pair. */
bool keyfile_name_valid(const char *name);

/* What stands there of NAME's pair of this kind; nothing is read. What a killed writer left of it
 * is removed: the caller holds file_lock on dir. 0 or -1. */
int keyfile_look(int dir, const char *name, enum keyfile_kind kind, enum keyfile_state *state,
	struct err *e);

/* Make NAME's pair in the folder dir (a descriptor; the caller holds file_lock on it). A whole pair
 * and a public half alone are refused (EX_CANTCREAT) unless force. public gets the public half. 0
 * or -1. */
int keyfile_generate(int dir, const char *name, unsigned bits, bool force, enum keyfile_made *made,
	struct rsa_public *public, struct err *e);
int keyfile_generate_x25519(int dir, const char *name, bool force, enum keyfile_made *made,
	uint8_t public[static X25519_BYTES], struct err *e);
int keyfile_generate_p256(int dir, const char *name, bool force, enum keyfile_made *made,
	uint8_t public[static P256_PUBLIC], struct err *e);

/* The same with a pair that was made elsewhere; a private half alone is refused, too. */
int keyfile_import_x25519(int dir, const char *name, const struct x25519_pair *pair, bool force,
	enum keyfile_made *made, struct err *e);

/* 0, or -1 (EX_NOINPUT: no such file; EX_CONFIG: damaged, of the other kind, or the private one is
 * open to others); the error names the file. wipe() what is private after use. */
int keyfile_load_public(int dir, const char *name, struct rsa_public *out, struct err *e);
int keyfile_load_private(int dir, const char *name, struct rsa_private *out, struct err *e);
int keyfile_load_x25519_public(
	int dir, const char *name, uint8_t out[static X25519_BYTES], struct err *e);
int keyfile_load_x25519_private(int dir, const char *name, struct x25519_pair *out, struct err *e);
int keyfile_load_p256_public(
	int dir, const char *name, uint8_t out[static P256_PUBLIC], struct err *e);
int keyfile_load_p256_private(int dir, const char *name, struct p256_pair *out, struct err *e);

/* A public key in a file of any name. 0, or -1 like the loading above. */
int keyfile_read_x25519_public(const char *path, uint8_t out[static X25519_BYTES], struct err *e);
/* Keep somebody else's public half under NAME, in place of what was there; durably. 0 or -1. */
int keyfile_save_x25519_public(
	int dir, const char *name, const uint8_t public[static X25519_BYTES], struct err *e);
int keyfile_save_p256_public(
	int dir, const char *name, const uint8_t public[static P256_PUBLIC], struct err *e);

/* "SHA256:" and the unpadded base64 of the SPKI's SHA-256, for a person to compare. Of a P-256 key
 * there is sshsig_fingerprint. 0, or -1 (no memory). */
int keyfile_fingerprint(const struct rsa_public *key, char out[static KEYFILE_FINGERPRINT_MAX]);
int keyfile_x25519_fingerprint(
	const uint8_t public[static X25519_BYTES], char out[static KEYFILE_FINGERPRINT_MAX]);

#endif
