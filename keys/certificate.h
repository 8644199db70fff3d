/* A server's TLS certificate and key in PEM files, and whom a client trusts. By default they are in
 * the server's folder under the names below.
 *
 * The pair on disk is in one of these states, whatever instant a crash came at: none; the private
 * key alone (made, but stopped before the certificate); both, of one making. A replacement removes
 * the old certificate first. */
#ifndef KEYS_CERTIFICATE_H
#define KEYS_CERTIFICATE_H

#include "../crypto/tls.h"
#include "../crypto/x509_make.h"

#define CERTIFICATE_FILE "server_tls_cert.pem"
#define CERTIFICATE_KEY_FILE "server_tls_key.pem"

enum {
	CERTIFICATE_PIN_MAX = 64,   /* "SHA256:" and 43 characters of base64 */
	CERTIFICATE_DIGEST_MAX = 96 /* 32 bytes in hex, with colons */
};

/* Read the chain and the key; paths that are relative begin at the folder dir (or AT_FDCWD). 0, or
 * -1 (EX_NOINPUT: no such file; EX_CONFIG: damaged, they do not belong together, or others can
 * read the key); the error names the file. Expired ones are taken: look at
 * tls_identity_certificate(). */
int certificate_load(int dir, const char *cert_path, const char *key_path,
	struct tls_identity **out, struct err *e);

/* Read the certificates that a client trusts. 0, or -1 as above. */
int certificate_load_trust(const char *path, struct tls_trust **out, struct err *e);

/* Make both files in the folder dir (the caller holds file_lock on it), and read them back. One
 * that exists is refused (EX_CANTCREAT) unless force. 0 or -1. */
int certificate_make(int dir, const struct x509_wish *wish, bool force,
	struct tls_certificate *made, struct err *e);

/* "SHA256:BASE64", as fingerprints of keys are written. */
void certificate_write_pin(
	const uint8_t pin[static TLS_PIN_BYTES], char out[static CERTIFICATE_PIN_MAX]);
/* The same, or curl's "sha256//BASE64=". 0, or -1 (EX_USAGE). */
int certificate_read_pin(const char *text, uint8_t pin[static TLS_PIN_BYTES], struct err *e);
/* "AB:CD:...", as openssl writes it and msmtp takes it. */
void certificate_write_digest(
	const uint8_t digest[static TLS_PIN_BYTES], char out[static CERTIFICATE_DIGEST_MAX]);

#endif
