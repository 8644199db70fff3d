/* Memory that a process and its children share, and ordered maps in it: the ground that the engine
 * in memory stands on. What fork(2) copies is private; what is taken here is not. */
#ifndef T_ARENA_H
#define T_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

struct arena;

/* Bytes of address space; pages are used as they are touched. NULL when there are none. */
struct arena *arena_make(size_t n);
void arena_end(struct arena *a); /* NULL is fine */

/* Zeroed; NULL when it is full. Not safe at once from several processes: hold a lock. */
void *arena_take(struct arena *a, size_t n);
void arena_give(struct arena *a, void *p); /* NULL is fine */

/* --- maps: items by an order of their own --- */

struct map {
	void **v;
	size_t n, cap;
};

/* < 0, 0 or > 0: where the key stands, seen from the item. */
typedef int map_order(const void *key, const void *item);

/* The first place whose item is not ahead of the key; *there (may be NULL): it is the key's own. */
size_t map_place(const struct map *m, const void *key, map_order *order, bool *there);
void *map_get(const struct map *m, const void *key, map_order *order); /* or NULL */
/* 0, or -1: the arena is full. */
int map_put(struct arena *a, struct map *m, size_t place, void *item);
void map_cut(struct map *m, size_t place);

/* --- locks that tell when their owner has died --- */

void live_make(pthread_mutex_t *m);
void live_take(pthread_mutex_t *m); /* waits for a living owner */
void live_give(pthread_mutex_t *m);
bool live_has_owner(pthread_mutex_t *m); /* a living one */

#endif
