/* PEM (RFC 7468): one object in, one object out. Text before and after the object is ignored, LF
 * and CRLF are both read; a second object, a missing END or bad base64 is refused. A text of
 * several objects, such as a chain of certificates, is read with pem_next(). */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include "bytes.h"
#include "err.h"

enum { PEM_LABEL_MAX = 128, PEM_TEXT_MAX = 65536 };

struct pem {
	char label[PEM_LABEL_MAX]; /* "RSA PRIVATE KEY" */
	struct buf der;            /* may be secret: pem_free() wipes it */
};

/* 0, or -1 (EX_CONFIG, out empty). */
int pem_decode(struct pem *out, const void *text, size_t n, struct err *e);
void pem_free(struct pem *p);

/* Does another object stand ahead in the text? What stands before it is passed over. */
bool pem_more(struct cursor *text);
/* Decode it, and pass over it. 0, or -1 (EX_CONFIG: there is none, or it is damaged; out empty). */
int pem_next(struct pem *out, struct cursor *text, struct err *e);

/* Append "-----BEGIN label-----" ... to out, 64 characters a line. 0, or -1 (no memory). */
int pem_encode(struct buf *out, const char *label, const void *der, size_t n);

#endif
