/* A system that has no thread to give, once no_threads is set. */
#ifndef T_UNIT_THREADS_H
#define T_UNIT_THREADS_H

#include "unit.h"

#include <dlfcn.h>
#include <pthread.h>

static bool no_threads;

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

create refused_create __asm__("pthread_create");
int refused_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	static create *real;

	if (no_threads) {
		return EAGAIN;
	}
	if (real == NULL) {
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	}
	return real(thread, attr, run, arg);
}

#endif
