/* Memory and locks that a process shares with its children. A lock's holder may be killed: the next
 * one gets the lock all the same, so whatever it guards must be sound between any two stores. */
#ifndef STORE_SHARED_H
#define STORE_SHARED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../crypto/err.h"

/* Zeroed memory that children inherit; unmap it with munmap. NULL: EX_TEMPFAIL. */
void *shared_map(size_t n, struct err *e);

struct shared_lock {
	pthread_mutex_t mutex;
};

/* In memory of shared_map. 0, or -1 (EX_TEMPFAIL). */
int shared_lock_init(struct shared_lock *l, struct err *e);
void shared_lock_take(struct shared_lock *l);
bool shared_lock_try(struct shared_lock *l); /* true: taken */
void shared_lock_give(struct shared_lock *l);

/* Sleep while *word is `seen`, at most ms; may return early. Naps where there is no futex. */
void shared_wait(const uint32_t *word, uint32_t seen, int ms);
/* Change the word, and wake everybody who waits for that. */
void shared_wake(uint32_t *word);

#endif
