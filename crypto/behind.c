/* Writing behind; see behind.h. */
#include "behind.h"

#include <string.h>

#include "bytes.h"
#include "thread.h"

/* Write what was filled, however little it is. The lock is held, and given meanwhile. */
static void write_filled(struct behind *b)
{
	const uint8_t *p = b->piece[b->filling];
	size_t n = b->filled;
	bool failed = b->failed;

	b->filling = 1 - b->filling;
	b->filled = 0;
	(void)pthread_cond_signal(&b->changed); /* there is room */
	(void)pthread_mutex_unlock(&b->lock);
	failed = failed || b->write(b->arg, p, n, &b->why) != 0;
	(void)pthread_mutex_lock(&b->lock);
	b->failed = failed;
}

static void *run(void *arg)
{
	struct behind *b = arg;

	(void)pthread_mutex_lock(&b->lock);
	while (b->filled > 0 || !b->ends) {
		if (b->filled > 0) {
			write_filled(b);
		} else {
			(void)pthread_cond_wait(&b->changed, &b->lock);
		}
	}
	(void)pthread_mutex_unlock(&b->lock);
	return NULL;
}

void behind_begin(struct behind *b, behind_write *write, void *arg)
{
	b->write = write;
	b->arg = arg;
	b->filling = 0;
	b->filled = 0;
	b->ends = b->failed = false;
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_cond_init(&b->changed, NULL);
	b->threaded = thread_start(&b->thread, run, b);
}

/* The lock is held. */
static int outcome(const struct behind *b, struct err *e)
{
	if (b->failed && e != NULL) {
		*e = b->why;
	}
	return b->failed ? -1 : 0;
}

int behind_put(struct behind *b, const void *p, size_t n, struct err *e)
{
	const uint8_t *in = p;
	int rc;

	(void)pthread_mutex_lock(&b->lock);
	while (n > 0) {
		size_t k = BEHIND_PIECE - b->filled;
		if (k == 0) { /* both are full */
			(void)pthread_cond_wait(&b->changed, &b->lock);
			continue;
		}
		k = k < n ? k : n;
		memcpy(b->piece[b->filling] + b->filled, in, k);
		b->filled += k;
		in += k;
		n -= k;
		if (b->threaded) {
			(void)pthread_cond_signal(&b->changed);
		} else {
			write_filled(b);
		}
	}
	rc = outcome(b, e);
	(void)pthread_mutex_unlock(&b->lock);
	return rc;
}

int behind_end(struct behind *b, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&b->lock);
	b->ends = true;
	(void)pthread_cond_signal(&b->changed);
	(void)pthread_mutex_unlock(&b->lock);
	if (b->threaded) {
		(void)pthread_join(b->thread, NULL);
	}
	rc = outcome(b, e);
	(void)pthread_cond_destroy(&b->changed);
	(void)pthread_mutex_destroy(&b->lock);
	wipe(b->piece, sizeof b->piece);
	return rc;
}
