/* Threads beside the caller's, which alone gets signals: what he blocks or catches must not end or
 * interrupt him elsewhere. */
#ifndef CRYPTO_THREAD_H
#define CRYPTO_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Start one that runs this. Whether the system gave one; pthread_join() it. */
bool thread_start(pthread_t *out, void *(*run)(void *arg), void *arg);

#endif
