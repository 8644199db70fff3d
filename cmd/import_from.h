/* Where import reads: mbox files, Maildirs, single messages, streams, and folders of these. Each
 * message is handed on in pieces. */
#ifndef CMD_IMPORT_FROM_H
#define CMD_IMPORT_FROM_H

#include "../proto/mbox.h"

/* What import does with a message. */
struct import_sink {
	/* what: names it, for people ("in.mbox: message 3"). time_us: what its container says of
	 * its time, -1: nothing. 0, or -1: stop. */
	int (*begin)(void *arg, const char *what, int64_t time_us, struct err *e);
	transfer_put *put; /* -1 is latched: what follows is not put, and end is told */
	/* why: NULL, or why it could not be taken or read. 0, or -1: stop. */
	int (*end)(void *arg, const struct err *why, struct err *e);
	/* A thing that was passed over, and why. */
	void (*skip)(void *arg, const char *what, const char *why);
	/* Bytes of input that were gone through, of how many. */
	void (*tell)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/* path: "-" is stdin. 0, or -1 with e (EX_NOINPUT: it cannot be opened; EX_DATAERR: it is none of
 * these; what the sink said). */
int import_from(
	const char *path, enum mbox_kind kind, const struct import_sink *sink, struct err *e);

#endif
