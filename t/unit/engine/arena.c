/* See arena.h. Sizes are rounded up to powers of two, and what was given back waits in a list for
 * its size: no page is ever returned before arena_end. */
#include "arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CLASSES = 40, HEAD = 16 };

struct arena {
	size_t n, used;
	void *given[CLASSES]; /* each begins with a pointer to the next */
};

struct arena *arena_make(size_t n)
{
	struct arena *a = mmap(
		NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (a == MAP_FAILED) {
		return NULL;
	}
	a->n = n;
	a->used = (sizeof *a + HEAD - 1) / HEAD * HEAD;
	return a;
}

void arena_end(struct arena *a)
{
	if (a != NULL) {
		(void)munmap(a, a->n);
	}
}

void *arena_take(struct arena *a, size_t n)
{
	size_t class = 5; /* 32 bytes, its head among them */
	uint8_t *p;

	while (class < CLASSES - 1 && ((size_t)1 << class) - HEAD < n) {
		class ++;
	}
	size_t whole = (size_t)1 << class;
	if (a->given[class] != NULL) {
		p = a->given[class];
		memcpy(&a->given[class], p, sizeof(void *));
	} else if (whole - HEAD >= n && whole <= a->n - a->used) {
		p = (uint8_t *)a + a->used + HEAD;
		memcpy(p - HEAD, &class, sizeof class);
		a->used += whole;
	} else {
		return NULL;
	}
	memset(p, 0, whole - HEAD);
	return p;
}

void arena_give(struct arena *a, void *p)
{
	size_t class;

	if (p != NULL) {
		memcpy(&class, (uint8_t *)p - HEAD, sizeof class);
		memcpy(p, &a->given[class], sizeof(void *));
		a->given[class] = p;
	}
}

/* --- maps --- */

size_t map_place(const struct map *m, const void *key, map_order *order, bool *there)
{
	size_t first = 0, end = m->n;

	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (order(key, m->v[middle]) > 0) {
			first = middle + 1;
		} else {
			end = middle;
		}
	}
	if (there != NULL) {
		*there = first < m->n && order(key, m->v[first]) == 0;
	}
	return first;
}

void *map_get(const struct map *m, const void *key, map_order *order)
{
	bool there;
	size_t place = map_place(m, key, order, &there);

	return there ? m->v[place] : NULL;
}

int map_put(struct arena *a, struct map *m, size_t place, void *item)
{
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 6 : 2 * m->cap + 2;
		void **v = arena_take(a, cap * sizeof *v);
		if (v == NULL) {
			return -1;
		}
		if (m->n > 0) {
			memcpy(v, m->v, m->n * sizeof *v);
		}
		arena_give(a, m->v);
		m->v = v;
		m->cap = cap;
	}
	memmove(m->v + place + 1, m->v + place, (m->n - place) * sizeof *m->v);
	m->v[place] = item;
	m->n++;
	return 0;
}

void map_cut(struct map *m, size_t place)
{
	m->n--;
	memmove(m->v + place, m->v + place + 1, (m->n - place) * sizeof *m->v);
}

/* --- locks --- */

void live_make(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	(void)pthread_mutexattr_init(&a);
	(void)pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(m, &a);
	(void)pthread_mutexattr_destroy(&a);
}

void live_take(pthread_mutex_t *m)
{
	if (pthread_mutex_lock(m) == EOWNERDEAD) {
		(void)pthread_mutex_consistent(m);
	}
}

void live_give(pthread_mutex_t *m)
{
	(void)pthread_mutex_unlock(m);
}

bool live_has_owner(pthread_mutex_t *m)
{
	int rc = pthread_mutex_trylock(m);

	if (rc == EBUSY) {
		return true;
	}
	if (rc == EOWNERDEAD) {
		(void)pthread_mutex_consistent(m);
	}
	live_give(m);
	return false;
}
