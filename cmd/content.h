/* Reading the content of a message that is to be sent. */
#ifndef CMD_CONTENT_H
#define CMD_CONTENT_H

#include "../crypto/bytes.h"
#include "../crypto/err.h"

/* Read a file ("-": stdin; a FIFO is fine), and check it as content: UTF-8 of at most 1,000,000
 * characters. 0, or -1 (EX_NOINPUT, EX_DATAERR). The caller frees out. */
int content_from_file(const char *path, struct buf *out, uint64_t *chars, struct err *e);

enum { CONTENT_PATH_MAX = 4096 };

/* Have it written in $VISUAL or $EDITOR. kept names the file it stands in (empty: there is none),
 * for the caller to unlink once it is sent: what a person wrote is not lost with the connection. 0,
 * or -1 (EX_UNAVAILABLE: the editor failed; EX_DATAERR: nothing was written). */
int content_from_editor(
	struct buf *out, uint64_t *chars, char kept[static CONTENT_PATH_MAX], struct err *e);

#endif
