/* Bytes that are held until they can be handed on: in memory, or beyond HELD_MEMORY in a file
 * without a name. There they are encrypted, under a key that is in memory alone and new for each
 * file: what was mail must not be found on the disk when the file is long gone. */
#ifndef PROTO_HELD_H
#define PROTO_HELD_H

#include "../crypto/gcm.h"
#include "mail_client.h"
#include "transfer.h"

enum { HELD_MEMORY = 1 << 20 };

struct held {
	struct buf memory;
	int fd;
	struct gcm key; /* of the file: its counter mode alone, since nobody else can write there */
	int dir;        /* where the file is made, a descriptor of the caller's; -1: in $TMPDIR */
	uint64_t bytes;
};

/* Empty; dir is -1. */
#define HELD_EMPTY ((struct held){.fd = -1, .dir = -1})

/* 0, or -1 (EX_TEMPFAIL). */
int held_put(struct held *h, const void *p, size_t n, struct err *e);
/* Hand it on in pieces; as often as is wanted. 0, or -1 (EX_TEMPFAIL; put's). */
int held_each(const struct held *h, transfer_put *put, void *arg, struct err *e);
/* The same from a place on, as a letter's source; arg: a struct held_reader. */
struct held_reader {
	const struct held *held;
	uint64_t at;
};
mail_source held_read;
/* Empty it for the next; memory stays as it is, wiped by held_free alone. */
void held_clear(struct held *h);
void held_free(struct held *h);

#endif
