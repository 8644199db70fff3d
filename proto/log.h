/* The server's log: one event, one line, one write, on stderr:
 *     2026-11-21T08:00:00.123Z 4711 c17 end peer=127.0.0.1:5000 user=client1 sent=1
 * Control bytes are escaped. No password, key or content ever stands in it. */
#ifndef PROTO_LOG_H
#define PROTO_LOG_H

#include "../crypto/err.h"

/* What this process' lines carry as id from now on: which connection it serves ("c17"). The text is
 * copied; it is "-" at first. */
void log_identify(const char *id);

/* event: a word. The rest: "key=value key=value"; a value that came from a peer goes through
 * escape_text first, and text with blanks stands in quotes. */
void log_event(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Make text fit between the quotes of text="...": no quote, no line end. In place. */
void log_quotable(char *text);

/* An err as the event's text="...". */
void log_err(const char *event, const struct err *e);

/* What a wire traces, for -v. */
void log_trace(const char *line);

/* A line of the server's own on stderr, without time and id: "Listening on ...". */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One of the founding lines, on stdout, in one write. */
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
