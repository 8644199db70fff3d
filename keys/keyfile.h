/* Key files in a folder, by their founding names: NAME_private.pem (0600) and NAME_public.pem
 * (0644).
 *
 * A pair on disk is in one of these states, whatever instant a crash came at:
 *   none                       nothing was made
 *   private alone              made, but stopped before the public half: keyfile_generate completes
 * it private and public         whole A replacement removes the old public half first, so that
 * halves of two pairs never stand together. */
#ifndef KEYS_KEYFILE_H
#define KEYS_KEYFILE_H

#include <stdbool.h>

#include "../crypto/rsa.h"

enum keyfile_made { KEYFILE_GENERATED, KEYFILE_COMPLETED, KEYFILE_REPLACED };

enum { KEYFILE_FINGERPRINT_MAX = 64 }; /* "SHA256:" and 43 characters of base64 */

/* Make NAME's RSA pair in the folder dir (a descriptor; the caller holds file_lock on it). An
 * existing pair is refused (EX_CANTCREAT) unless force. public gets the public half. 0 or -1. */
int keyfile_generate(int dir, const char *name, unsigned bits, bool force, enum keyfile_made *made,
	struct rsa_public *public, struct err *e);

/* 0, or -1 (EX_NOINPUT: no such file; EX_CONFIG: damaged, or the private one is open to others);
 * the error names the file. */
int keyfile_load_public(int dir, const char *name, struct rsa_public *out, struct err *e);
int keyfile_load_private(int dir, const char *name, struct rsa_private *out, struct err *e);

/* "SHA256:" and the unpadded base64 of the SPKI's SHA-256, for a person to compare. */
int keyfile_fingerprint(const struct rsa_public *key, char out[static KEYFILE_FINGERPRINT_MAX]);

#endif
