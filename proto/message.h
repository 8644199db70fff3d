/* The e-mail text format, as sent and (with its time) as stored:
 *
 *     From: client1
 *     To: client2;client4
 *     Time and Date: 2022-07-21 19:29:35.768508      only as stored; local time
 *     Title: Test
 *     Content Length: 26                             in characters: Unicode code points
 *     Content:
 *     Welcome to CMPT 361 class.                     no newline is added
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

enum {
	MESSAGE_TITLE_CHARS = 100, /* founding limits */
	MESSAGE_CONTENT_CHARS = 1000000,
	MESSAGE_CONTENT_BYTES = 4 * MESSAGE_CONTENT_CHARS,
	MESSAGE_HEAD_MAX = 40960, /* header lines: 1000 recipients of 32, and the rest */
	MESSAGE_TIME_LEN = 26,    /* "2022-07-21 19:29:35.768508" */
	/* as stored it has its time, too */
	MESSAGE_STORED_HEAD_MAX = MESSAGE_HEAD_MAX + MESSAGE_TIME_LEN + 16
};

struct message_part {
	const uint8_t *p;
	size_t n;
};

struct message_head {
	struct message_part from, to, time,
		title;   /* inside the parsed bytes; time only when stored */
	uint64_t length; /* Content Length */
	size_t bytes;    /* of the header; the content begins there */
};

/* Parse the header lines at the start of n bytes. 1 when they are complete, 0 when more bytes are
 * needed, or -1 with *why (a constant) when this is no such header. */
int message_parse(const void *p, size_t n, bool stored, struct message_head *h, const char **why);

/* Parse an e-mail of the python dialect, all n bytes of it. Its header is looser: between To and
 * Title one line may stand, of any kind (time, when it is that); what Content Length says is passed
 * over, and length stays 0; and the content may begin on Content's own line. Its size is not
 * judged. 0, or -1 like above. */
int message_parse_loose(const void *p, size_t n, struct message_head *h, const char **why);

/* Write a header. time_us < 0: as sent, without the line. 0, or -1 (no memory). The length of a
 * stored header depends on its texts alone. */
int message_format(struct buf *out, struct message_part from, struct message_part to,
	int64_t time_us, struct message_part title, uint64_t length);

/* Write a header of the python dialect, as sent: with a Time and Date that says nothing, and ending
 * where the content begins, on Content's line. 0, or -1 (no memory). */
int message_format_loose(struct buf *out, struct message_part from, struct message_part to,
	struct message_part title, uint64_t length);

struct message_part message_text(const char *s);

/* Check a title: UTF-8, at most 100 characters, no control character that would break a line.
 * 0, or -1 (EX_DATAERR). */
int message_check_title(const void *p, size_t n, struct err *e);
/* Check content that is whole in memory, and count it. 0, or -1 (EX_DATAERR). */
int message_check_content(
	const void *p, size_t n, uint64_t max_chars, uint64_t *chars, struct err *e);

/* The present, microseconds since 1970. */
int64_t message_now(void);
void message_format_time(int64_t time_us, char out[static MESSAGE_TIME_LEN + 1]);
/* 0 or -1. */
int message_parse_time(const void *p, size_t n, int64_t *time_us);

#endif
