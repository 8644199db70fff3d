/* Internet messages (RFC 5322): header fields taken apart and written, with what MIME adds to them
 * (RFC 2045, 2047). Pure text, no I/O; bodies are transfer.h's.
 *
 * Lines end in LF or CR LF when read, in LF when written (as files have them; a wire adds the CR).
 */
#ifndef PROTO_RFC5322_H
#define PROTO_RFC5322_H

#include "message.h"

enum {
	RFC5322_LINE_MAX = 998,    /* bytes of a line, without its end (2.1.1) */
	RFC5322_HEAD_MAX = 1 << 20 /* bytes of a header that is looked at */
};

struct rfc5322_field {
	struct message_part name;
	struct message_part value; /* as it stands, folds and all, without blanks around it */
	struct message_part whole; /* name, value and line end */
};

/* --- reading --- */

/* The next field. 1, 0 at the end (an empty line, which is taken, or no bytes left), or -1 at a
 * line that is no field: *c stays ahead of it. */
int rfc5322_next(struct cursor *c, struct rfc5322_field *f);

/* Where the header in these bytes ends, and the body begins. 1, 0 when the empty line is not there
 * yet, or -1 when this is no header: its first line is no field. A header that a line which is no
 * field ends has a body that begins with that line. */
int rfc5322_head(const void *p, size_t n, size_t *head_n, size_t *body_at);

bool rfc5322_is(const struct rfc5322_field *f, const char *name);
/* The first field of this name in a header. false: there is none. */
bool rfc5322_find(const void *head, size_t n, const char *name, struct message_part *value);

/* A value as text: unfolded, encoded words decoded (RFC 2047; UTF-8, ASCII, ISO-8859-1 and -15,
 * Windows-1252; others stay as they are), always valid UTF-8: a byte that is none becomes U+FFFD.
 * Appended to out. 0, or -1 (no memory). */
int rfc5322_text(struct buf *out, struct message_part value);

/* A date (3.3, the obsolete forms too), or the one of an mbox's From_ line. 0 or -1. */
int rfc5322_parse_date(struct message_part value, int64_t *time_us);

/* The first address of a list: what stands ahead of and behind its @, lower case; domain is empty
 * when there is none. false: no address, or one that does not fit. */
enum { RFC5322_ADDRESS_MAX = 256 };
bool rfc5322_address(struct message_part value, char local[static RFC5322_ADDRESS_MAX],
	char domain[static RFC5322_ADDRESS_MAX]);

/* A parameter of a structured field ("boundary"), without its quotes. false: none, or too long. */
bool rfc5322_parameter(struct message_part value, const char *name, char *out, size_t cap);

/* --- writing: each appends a field to out. 0, or -1 (no memory) --- */

/* The value as it is: the caller's, and no line end in it. */
int rfc5322_put(struct buf *out, const char *name, const char *value);
/* Any UTF-8 without line ends and NUL, exactly: as it is, or in encoded words. */
int rfc5322_put_text(struct buf *out, const char *name, struct message_part text);
/* In UTC. */
enum { RFC5322_DATE_MAX = 80 };
void rfc5322_format_date(int64_t time_us, char out[static RFC5322_DATE_MAX]);
int rfc5322_put_date(struct buf *out, const char *name, int64_t time_us);
/* Part of a field that is a list: `item`, on a new line when the old one (from *column on) would
 * become longer than 76 characters. */
int rfc5322_put_item(struct buf *out, const char *item, size_t *column);

#endif
