/* Writing behind: another thread writes what is ready while the next of it is made, so that the
 * disk's time and the cipher's overlap. In order, once, and what was put is written whatever else
 * fails. Where no thread can be started, it is written at once. */
#ifndef CRYPTO_BEHIND_H
#define CRYPTO_BEHIND_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { BEHIND_PIECE = 262144 /* bytes that are written at once, at most */ };

/* As it is handed the bytes. 0, or -1: it is not called again. */
typedef int behind_write(void *arg, const void *p, size_t n, struct err *e);

struct behind {
	behind_write *write;
	void *arg; /* the caller's; the thread's until behind_end */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool threaded;
	/* under the lock, but for the piece that is being written: */
	unsigned filling; /* the piece that is filled; the other is written, or free */
	size_t filled;    /* bytes in it */
	bool ends, failed;
	struct err why;
	uint8_t piece[2][BEHIND_PIECE];
};

void behind_begin(struct behind *b, behind_write *write, void *arg);
/* 0, or -1: an earlier write failed, and how. Waits when two pieces are full. */
int behind_put(struct behind *b, const void *p, size_t n, struct err *e);
/* Write what is left, and end. What it held is wiped. 0, or -1 as above. */
int behind_end(struct behind *b, struct err *e);

#endif
