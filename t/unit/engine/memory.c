/* The engine in memory: its maps, its steps, and how it is opened. See memory.h. */
#include "memory_parts.h"

#include <sched.h>

enum { ARENA = 128 << 20 };

/* --- the lock and the steps --- */

void memory_lock(struct memory *m)
{
	if (pthread_mutex_lock(&m->shelf->lock) != 0) {
		abort(); /* somebody was killed inside a step: nothing here can be believed */
	}
}

void memory_unlock(struct memory *m)
{
	(void)pthread_mutex_unlock(&m->shelf->lock);
}

void memory_fail(struct mailbox *box, enum memory_fault fault, unsigned step)
{
	struct memory *m = (struct memory *)box;

	m->fault = fault;
	m->at = step;
	m->steps = 0;
}

unsigned memory_steps(const struct mailbox *box)
{
	return ((const struct memory *)box)->steps;
}

int memory_step_begins(struct memory *m, const char *what, struct err *e)
{
	if (m->steps++ % 64 == 0) {
		(void)sched_yield(); /* let others in; each is a round of all on this CPU */
	}
	if (m->fault == MEMORY_DIES && m->steps == m->at) {
		_exit(MEMORY_DIED);
	}
	if ((m->fault == MEMORY_REFUSES && m->steps >= m->at) ||
		(m->fault == MEMORY_LOSES && m->steps > m->at)) {
		return err_set(e, EX_TEMPFAIL, "cannot %s: the store refuses", what);
	}
	return 0;
}

int memory_step_ends(struct memory *m, const char *what, struct err *e)
{
	if (m->fault == MEMORY_LOSES && m->steps >= m->at) {
		return err_set(e, EX_TEMPFAIL, "cannot %s: the store does not answer", what);
	}
	return 0;
}

int memory_full(const char *what, struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot %s: out of memory", what);
}

int64_t memory_clock(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void memory_put_off(struct memory *m)
{
	m->shelf->put_off = true;
	m->shelf->worked_us = memory_clock();
}

/* --- the maps --- */

static int box_order(const void *key, const void *item)
{
	return strcmp(key, ((const struct box *)item)->user);
}

struct box *memory_box(struct memory *m, const char *user, struct err *e)
{
	struct box *b = map_get(&m->shelf->boxes, user, box_order);

	if (b == NULL) {
		err_set(e, EX_TEMPFAIL, "cannot open mailbox %s: there is none", user);
	}
	return b;
}

static int object_order(const void *key, const void *item)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct object *)item)->name;

	return (a > b) - (a < b);
}

struct object *memory_object(struct memory *m, uint64_t name)
{
	return map_get(&m->shelf->objects, &name, object_order);
}

int memory_keep_object(struct memory *m, struct object *o)
{
	size_t place = map_place(&m->shelf->objects, &o->name, object_order, NULL);

	return map_put(m->arena, &m->shelf->objects, place, o);
}

void memory_drop_object(struct memory *m, struct object *o)
{
	map_cut(&m->shelf->objects, map_place(&m->shelf->objects, &o->name, object_order, NULL));
	(void)pthread_mutex_destroy(&o->live);
	arena_give(m->arena, o->text);
	arena_give(m->arena, o);
}

static int sent_order(const void *key, const void *item)
{
	const struct sent_id *a = key, *b = item;
	int rc = strcmp(a->source, b->source);

	return rc != 0 ? rc : memcmp(a->id, b->id, sizeof a->id);
}

struct sent_id *memory_sent(struct memory *m, const char *source, const uint8_t *id, bool make)
{
	struct sent_id key = {.done = false}, *s;
	bool there;

	memcpy(key.source, source, strlen(source) + 1);
	memcpy(key.id, id, sizeof key.id);
	size_t place = map_place(&m->shelf->sent, &key, sent_order, &there);
	if (there || !make) {
		return there ? m->shelf->sent.v[place] : NULL;
	}
	s = arena_take(m->arena, sizeof *s);
	if (s == NULL || map_put(m->arena, &m->shelf->sent, place, s) != 0) {
		arena_give(m->arena, s);
		return NULL;
	}
	*s = key;
	live_make(&s->claim);
	return s;
}

int memory_entry_order(const void *key, const void *item)
{
	const struct entry *a = key, *b = item;
	int rc = (a->time_us > b->time_us) - (a->time_us < b->time_us);

	rc = rc != 0 ? rc : memcmp(a->id, b->id, sizeof a->id);
	return rc != 0 ? rc : (a->name > b->name) - (a->name < b->name);
}

void memory_cut_entry(
	struct memory *m, struct box *b, const struct mailbox_meta *meta, uint64_t name)
{
	struct entry key = {.time_us = meta->time_us, .name = name};
	bool there;

	memcpy(key.id, meta->id, sizeof key.id);
	size_t place = map_place(&b->entries, &key, memory_entry_order, &there);
	if (there) {
		arena_give(m->arena, b->entries.v[place]);
		map_cut(&b->entries, place);
	}
}

void memory_admit(struct memory *m, struct box *b)
{
	struct entry *next;

	do { /* in the order in which they were made */
		next = NULL;
		for (size_t i = 0; i < b->entries.n; i++) {
			struct entry *n = b->entries.v[i];
			if (n->arrived == 0 && (next == NULL || n->reserved < next->reserved)) {
				const struct object *o = memory_object(m, n->name);
				next = o != NULL && o->committed ? n : next;
			}
		}
		if (next != NULL) {
			next->arrived = ++b->last_arrived;
		}
	} while (next != NULL);
}

/* --- the engine --- */

static int memory_prepare(struct mailbox *box, const char *user, struct err *e)
{
	struct memory *m = (struct memory *)box;
	struct box *b = NULL;
	bool there;

	if (memory_step_begins(m, "create a mailbox", e) != 0) {
		return -1;
	}
	if (strlen(user) > USER_NAME_MAX) {
		return err_set(e, EX_TEMPFAIL, "cannot create a mailbox: its name is too long");
	}
	memory_lock(m);
	size_t place = map_place(&m->shelf->boxes, user, box_order, &there);
	if (!there && (b = arena_take(m->arena, sizeof *b)) != NULL) {
		memcpy(b->user, user, strlen(user) + 1);
		if (map_put(m->arena, &m->shelf->boxes, place, b) == 0) {
			there = true;
		} else {
			arena_give(m->arena, b);
		}
	}
	memory_unlock(m);
	return there ? memory_step_ends(m, "create a mailbox", e)
		     : memory_full("create a mailbox", e);
}

static int64_t memory_now(struct mailbox *box)
{
	struct memory *m = (struct memory *)box;
	int64_t now = memory_clock();

	memory_lock(m);
	now = now > m->shelf->last_now ? now : m->shelf->last_now + 1;
	m->shelf->last_now = now;
	memory_unlock(m);
	return now;
}

static void memory_close(struct mailbox *box)
{
	struct memory *m = (struct memory *)box;

	(void)memory_settle(box, NULL);
	arena_end(m->arena);
	free(m);
}

static const struct mailbox_ops memory_ops = {
	.prepare = memory_prepare,
	.recover = memory_recover,
	.settle = memory_settle,
	.unsettled = memory_unsettled,
	.now = memory_now,
	.begin = memory_begin,
	.append = memory_append,
	.deliver = memory_deliver,
	.discard = memory_discard,
	.list = memory_list,
	.list_behind = memory_list_behind,
	.usage = memory_usage,
	.find = memory_find,
	.open = memory_open_message,
	.read = memory_read,
	.done = memory_done,
	.remove = memory_remove,
	.check = memory_check,
	.close = memory_close,
};

int memory_open(mailbox_describe *describe, struct mailbox **out, struct err *e)
{
	struct memory *m = calloc(1, sizeof *m);
	struct arena *a = arena_make(ARENA);
	pthread_mutexattr_t kind;

	if (m == NULL || a == NULL) {
		arena_end(a);
		free(m);
		return memory_full("open the mailboxes", e);
	}
	m->base.ops = &memory_ops;
	m->describe = describe;
	m->arena = a;
	m->shelf = arena_take(a, sizeof *m->shelf);
	(void)pthread_mutexattr_init(&kind);
	(void)pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(&m->shelf->lock, &kind);
	(void)pthread_mutexattr_destroy(&kind);
	*out = &m->base;
	return 0;
}

int memory_reopen(struct mailbox **box, struct err *e)
{
	struct memory *old = (struct memory *)*box, *m = calloc(1, sizeof *m);

	if (m == NULL) {
		return memory_full("open the mailboxes", e);
	}
	(void)memory_settle(&old->base, NULL);
	*m = *old;
	memory_fail(&m->base, MEMORY_SOUND, 0);
	free(old);
	*box = &m->base;
	return 0;
}

int memory_damage(struct mailbox *box, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct err *e)
{
	struct memory *m = (struct memory *)box;
	struct mailbox_meta meta;
	struct mailbox_ref ref;

	if (memory_find(box, user, id, &meta, &ref, e) != 0) {
		return -1;
	}
	memory_lock(m);
	for (size_t i = 0; i < m->shelf->objects.n; i++) {
		struct object *o = m->shelf->objects.v[i];
		if (memcmp(o->meta.id, id, sizeof o->meta.id) == 0) {
			memset(o->text, '?', (size_t)o->meta.bytes);
			o->meta.damaged = true;
		}
	}
	memory_unlock(m);
	return 0;
}
