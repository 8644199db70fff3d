/* A file that is sent: read in order, holes told apart, and looked at again at its end, because
 * somebody may have changed it meanwhile. */
#ifndef CRYPTO_SOURCE_H
#define CRYPTO_SOURCE_H

#include <stdbool.h>

#include "file.h"

struct source {
	int fd;
	bool regular;        /* has a size, and can be begun anywhere */
	bool owned;          /* the descriptor is ours to close */
	struct stat st;      /* as it was when it was opened */
	uint64_t at;         /* where the next byte is read */
	uint64_t data_until; /* the run of data that `at` stands in ends here */
};

/* Open a regular file of this folder by its name: no symlink, no FIFO, no device, and without
 * waiting. 0, or -1: EX_NOINPUT, EX_DATAERR (what it is instead). */
int source_open(struct source *s, int dir, const char *name, struct err *e);
/* Over a descriptor of the caller's, of any kind. One that was read from already goes on from
 * there, and as a pipe; so is a file that has bytes and no size. 0 or -1. */
int source_over(struct source *s, int fd, struct err *e);
void source_close(struct source *s);

/* Its size, if it is known ahead. */
bool source_size(const struct source *s, uint64_t *size);
/* Begin at this offset; regular files alone. 0, or -1. */
int source_seek(struct source *s, uint64_t offset, struct err *e);
/* The next bytes: *n of at most cap, or a run of *hole zeros that the file does not store (regular
 * files alone); both 0: the end. 0, or -1 (EX_IOERR, EX_TEMPFAIL). */
int source_read(struct source *s, void *p, size_t cap, size_t *n, uint64_t *hole, struct err *e);
/* At the end: is it still the file that was opened, in size and time? 0, or -1 (EX_TEMPFAIL: it
 * changed while it was read). */
int source_unchanged(const struct source *s, struct err *e);

#endif
