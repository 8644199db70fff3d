/* A worker: another thread that takes half of a work of equal parts which do not touch each other.
 * Where no thread can be started, the caller does all of it. */
#ifndef CRYPTO_WORKER_H
#define CRYPTO_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Does part i. It runs in either thread, and in both at a time. */
typedef void worker_part(void *arg, size_t i);

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool threaded;
	/* under the lock: */
	bool ends;
	worker_part *part; /* what it has to do, or NULL */
	void *arg;
	size_t from, until;
};

void worker_begin(struct worker *w);
/* Do part(arg, i) for each i below n, and return when all are done. w NULL: without another. */
void worker_each(struct worker *w, size_t n, worker_part *part, void *arg);
void worker_end(struct worker *w);

#endif
