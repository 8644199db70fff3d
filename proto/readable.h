/* What a person reads of an Internet message (RFC 5322, MIME: RFC 2045, 2046): its chief fields and
 * its text, decoded, and a line for each thing that is attached. Pure text, no I/O. */
#ifndef PROTO_READABLE_H
#define PROTO_READABLE_H

#include "transfer.h"

enum {
	READABLE_DEPTH = 8,     /* parts within parts */
	READABLE_PARTS = 1000,  /* of a message */
	READABLE_MAX = 64 << 20 /* bytes of a message that is looked at */
};

/* Is it a message that this can make more of than it is? */
bool readable_is_message(const void *p, size_t n);

/* Append it as UTF-8 text, lines ended by LF. What is damaged is shown as far as it can be. 0, or
 * -1 (EX_TEMPFAIL). */
int readable_put(struct buf *out, const void *p, size_t n, struct err *e);

#endif
