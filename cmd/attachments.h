/* Taking attachments out of a message while it arrives: MIME multipart/mixed (RFC 2046 5.1.3),
 * parts with a file name, in base64 or as they are. What is damaged is refused, and no half file
 * stays. */
#ifndef CMD_ATTACHMENTS_H
#define CMD_ATTACHMENTS_H

#include "../crypto/bytes.h"
#include "../crypto/err.h"

struct attachments;

/* Files go into dir; one that exists is never overwritten. NULL with e (EX_NOINPUT: no such folder;
 * EX_TEMPFAIL). */
struct attachments *attachments_open(const char *dir, struct err *e);
/* The next bytes of the content. 0, or -1 (EX_DATAERR, EX_CANTCREAT, EX_TEMPFAIL). */
int attachments_take(struct attachments *a, const void *p, size_t n, struct err *e);
/* All of it came. 0, or -1: EX_NOINPUT (nothing was attached), EX_DATAERR (cut short). */
int attachments_end(struct attachments *a, struct err *e);
/* NULL is fine. A file that is not finished is removed. */
void attachments_close(struct attachments *a);

#endif
