/* Two threads at one work; see worker.h. */
#include "worker.h"

#include <stdint.h>

#include "thread.h"

static void do_parts(worker_part *part, void *arg, size_t from, size_t until)
{
	for (size_t i = from; i < until; i++) {
		part(arg, i);
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->ends) {
		if (w->part == NULL) {
			(void)pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&w->lock);
		do_parts(w->part, w->arg, w->from, w->until); /* nobody changes them meanwhile */
		(void)pthread_mutex_lock(&w->lock);
		w->part = NULL;
		(void)pthread_cond_signal(&w->changed);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

void worker_begin(struct worker *w)
{
	w->part = NULL;
	w->ends = false;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->changed, NULL);
	w->threaded = thread_start(&w->thread, run, w);
}

static void give(struct worker *w, size_t from, size_t until, worker_part *part, void *arg)
{
	(void)pthread_mutex_lock(&w->lock);
	w->part = part;
	w->arg = arg;
	w->from = from;
	w->until = until;
	(void)pthread_cond_signal(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

static void await(struct worker *w)
{
	(void)pthread_mutex_lock(&w->lock);
	while (w->part != NULL) {
		(void)pthread_cond_wait(&w->changed, &w->lock);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

void worker_each(struct worker *w, size_t n, worker_part *part, void *arg)
{
	const bool shared = w != NULL && w->threaded && n > 1;
	const size_t ours = shared ? n - n / 2 : n;

	if (shared) {
		give(w, ours, n, part, arg);
	}
	do_parts(part, arg, 0, ours);
	if (shared) {
		await(w);
	}
}

void worker_end(struct worker *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->ends = true;
	(void)pthread_cond_signal(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	if (w->threaded) {
		(void)pthread_join(w->thread, NULL);
	}
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->lock);
}
