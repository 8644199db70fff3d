/* The content of a message that is to be sent: a file, stdin or what an editor wrote, and files
 * that are attached. It is looked through once, for its length and whether it is UTF-8, and read
 * again as it is sent: what is large is never wholly in memory. */
#ifndef CMD_CONTENT_H
#define CMD_CONTENT_H

#include "../crypto/file.h"
#include "spill.h"
#include "../proto/mail_client.h"

enum { CONTENT_MEMORY = 1 << 20, CONTENT_PARTS = 132 };

/* A stretch of content: bytes in memory, of a file, spilled, or of a file as lines of base64. */
struct content_part {
	enum content_kind {
		CONTENT_MEMORY_PART,
		CONTENT_FILE,
		CONTENT_SPILLED,
		CONTENT_BASE64
	} kind;
	struct buf memory;
	int fd;              /* owned; -1: none */
	struct spill *spill; /* owned; NULL: none */
	uint64_t file_bytes; /* of a file that is attached, when it was looked at */
	uint64_t bytes;      /* as it is sent */
	uint64_t at;         /* of them, sent already */
};

struct content {
	struct content_part parts[CONTENT_PARTS];
	size_t n, current;
	uint64_t bytes, chars; /* of all of it */
};

/* Open a file ("-": stdin; a FIFO is fine) and look through it. What cannot be read twice is kept
 * in memory, or where it is large encrypted in a file without a name in $TMPDIR. 0, or -1:
 * EX_NOINPUT, EX_DATAERR (no UTF-8, or more than max_chars). content_close is due in both cases. */
int content_open(struct content *c, const char *path, uint64_t max_chars, struct err *e);
/* Text in memory, which is taken over. 0, or -1 (EX_DATAERR). */
int content_take(struct content *c, struct buf *text, uint64_t max_chars, struct err *e);
void content_close(struct content *c);

/* Put the content and these files into a MIME multipart (RFC 2046 5.1). 0, or -1 (EX_NOINPUT,
 * EX_DATAERR: more than max_chars). */
int content_attach(
	struct content *c, const char *const *paths, size_t n, uint64_t max_chars, struct err *e);

/* As a letter's source; arg: the struct content. */
mail_source content_read;
/* From its beginning again. */
void content_rewind(struct content *c);

/* Have it written in $VISUAL or $EDITOR. kept names the file it stands in (empty: there is none),
 * for the caller to unlink once it is sent: what a person wrote is not lost with the connection. 0,
 * or -1 (EX_UNAVAILABLE: the editor failed; EX_DATAERR: nothing was written). */
int content_from_editor(
	struct content *c, uint64_t max_chars, char kept[static FILE_PATH_MAX], struct err *e);

#endif
