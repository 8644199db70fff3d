/* A system that has no thread to give, once no_threads is set, and counts those that run. */
#ifndef T_UNIT_THREADS_H
#define T_UNIT_THREADS_H

#include "unit.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>

static bool no_threads;
static _Atomic int threads_running; /* up from pthread_create(), down late in the thread */

struct started {
	void *(*run)(void *);
	void *arg;
};

static void *run_counted(void *arg)
{
	struct started s = *(struct started *)arg;
	void *result;

	free(arg);
	result = s.run(s.arg);
	(void)poll(NULL, 0, 5); /* who does not wait for its end sees that it runs */
	threads_running--;
	return result;
}

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

create refused_create __asm__("pthread_create");
int refused_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	static create *real;
	struct started *s;
	int rc;

	if (no_threads) {
		return EAGAIN;
	}
	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	}
	s = malloc(sizeof *s);
	assert_non_null(s);
	*s = (struct started){run, arg};
	threads_running++;
	rc = real(thread, attr, run_counted, s);
	assert_int_equal(rc, 0);
	return rc;
}

#endif
