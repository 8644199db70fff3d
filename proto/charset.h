/* Characters of Internet mail as UTF-8: the sets that most of it is in. */
#ifndef PROTO_CHARSET_H
#define PROTO_CHARSET_H

#include "../crypto/bytes.h"

/* LATIN: ISO-8859-1, -15 and Windows-1252, which mail uses one for the other. */
enum charset { CHARSET_OTHER, CHARSET_UTF8, CHARSET_LATIN };

/* By its name, in any case; US-ASCII is UTF-8. */
enum charset charset_find(const void *name, size_t n);

/* Append text in this set as UTF-8; what is none of it becomes U+FFFD. CHARSET_OTHER is taken for
 * UTF-8. 0, or -1 (no memory). */
int charset_put(struct buf *out, enum charset charset, const void *p, size_t n);

/* The same of a parameter's extended value, "utf-8'en'na%C3%AFve" (RFC 2231 4): value ends in a
 * NUL. */
int charset_put_extended(struct buf *out, const char *value);

#endif
