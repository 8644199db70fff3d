/* The header of sealed mail, for sealed_write.c and sealed_open.c. */
#ifndef PROTO_SEALED_HEAD_H
#define PROTO_SEALED_HEAD_H

#include "sealed.h"

#define SEALED_SIGNATURE_BEGINS "-----BEGIN SSH SIGNATURE-----\n"
#define SEALED_SIGNATURE_ENDS "\n-----END SSH SIGNATURE-----\n"

/* Append the lines of a letter's header and the empty one. 0, or -1 (EX_DATAERR: no sound letter;
 * EX_TEMPFAIL). */
int sealed_head_write(struct buf *out, const struct sealed_letter *l, struct err *e);

/* Read h->text, which ends in the empty line, into the other fields. 0, or -1 (EX_DATAERR,
 * EX_TEMPFAIL). */
int sealed_head_read(struct sealed_head *h, struct err *e);

#endif
