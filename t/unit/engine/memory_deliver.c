/* The engine in memory: writing and delivering. See memory.h for its steps. */
#include "memory_parts.h"

/* --- a draft is private --- */

int memory_begin(struct mailbox *box, size_t head_n, struct mailbox_draft **out, struct err *e)
{
	struct mailbox_draft *d = calloc(1, sizeof *d);

	if (d == NULL || buf_reserve(&d->text, head_n + 1) != 0) {
		free(d);
		return memory_full("begin a message", e);
	}
	memset(d->text.p, 0, head_n);
	d->text.n = d->head_n = head_n;
	d->m = (struct memory *)box;
	*out = d;
	return 0;
}

int memory_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e)
{
	return n == 0 || buf_append(&d->text, p, n) == 0 ? 0 : memory_full("write a message", e);
}

void memory_discard(struct mailbox_draft *d)
{
	if (d != NULL) {
		buf_free(&d->text);
		free(d);
	}
}

/* --- the steps --- */

/* Waits while another process delivers the same message. *again: that was done before. Else *out is
 * held until release(). */
static int claim(struct memory *m, const struct mailbox_meta *meta, uint64_t name,
	struct sent_id **out, bool *again, struct err *e)
{
	static const char what[] = "claim an id";
	const struct object *o;
	struct sent_id *s;

	if (memory_step_begins(m, what, e) != 0) {
		return -1;
	}
	memory_lock(m);
	s = memory_sent(m, meta->source, meta->id, true);
	memory_unlock(m);
	if (s == NULL) {
		return memory_full(what, e);
	}
	live_take(&s->claim);
	memory_lock(m);
	o = memory_object(m, s->attempt);
	s->done = s->done || (o != NULL && o->committed);
	*again = s->done;
	s->attempt = s->done ? s->attempt : name;
	memory_unlock(m);
	if (memory_step_ends(m, what, e) != 0) {
		live_give(&s->claim);
		return -1;
	}
	*out = s;
	return 0;
}

static int put_object(struct mailbox_draft *d, const struct mailbox_delivery *v, uint64_t name,
	struct object **out, struct err *e)
{
	struct memory *m = d->m;
	struct object *o;

	if (memory_step_begins(m, "put a message", e) != 0) {
		return -1;
	}
	memcpy(d->text.p, v->head, d->head_n);
	memory_lock(m);
	o = arena_take(m->arena, sizeof *o);
	if (o != NULL) {
		o->name = name;
		o->text = arena_take(m->arena, d->text.n + 1);
	}
	if (o == NULL || o->text == NULL || memory_keep_object(m, o) != 0) {
		arena_give(m->arena, o == NULL ? NULL : o->text);
		arena_give(m->arena, o);
		memory_unlock(m);
		return memory_full("put a message", e);
	}
	live_make(&o->live);
	live_take(&o->live);
	o->meta = *v->meta;
	o->meta.bytes = d->text.n;
	o->meta.index = 0;
	o->meta.damaged = false;
	memcpy(o->text, d->text.p, d->text.n);
	memory_unlock(m);
	*out = o;
	return memory_step_ends(m, "put a message", e);
}

/* Would one message more break the limit? What is being delivered counts; what died does not. */
static int judge_limit(struct memory *m, const struct box *b, const struct object *o,
	const struct mailbox_usage *limit, struct err *e)
{
	struct mailbox_usage u = {1, o->meta.bytes};

	for (size_t i = 0; i < b->entries.n; i++) {
		const struct entry *n = b->entries.v[i];
		struct object *other = memory_object(m, n->name);
		if (other != NULL && other != o &&
			(other->committed || live_has_owner(&other->live))) {
			u.messages++;
			u.bytes += other->meta.bytes;
		}
	}
	if (limit->messages > 0 && u.messages > limit->messages) {
		return err_set(e, EX_TEMPFAIL,
			"cannot deliver to mailbox %s: it is full (its limit is %llu messages)",
			b->user, (unsigned long long)limit->messages);
	}
	if (limit->bytes > 0 && u.bytes > limit->bytes) {
		return err_set(e, EX_TEMPFAIL,
			"cannot deliver to mailbox %s: it is full (its limit is %llu bytes)",
			b->user, (unsigned long long)limit->bytes);
	}
	return 0;
}

static int put_entry(struct memory *m, const struct object *o, const char *user,
	const struct mailbox_usage *limit, struct err *e)
{
	struct entry key = {.time_us = o->meta.time_us, .name = o->name}, *n = NULL;
	struct box *b;
	bool there = false;
	int rc;

	if (memory_step_begins(m, "put an entry", e) != 0) {
		return -1;
	}
	memcpy(key.id, o->meta.id, sizeof key.id);
	memory_lock(m);
	b = memory_box(m, user, e);
	rc = b == NULL ? -1 : limit == NULL ? 0 : judge_limit(m, b, o, limit, e);
	if (rc == 0) {
		size_t place = map_place(&b->entries, &key, memory_entry_order, &there);
		key.reserved = ++b->last_reserved;
		n = there ? NULL : arena_take(m->arena, sizeof *n);
		if (n != NULL && map_put(m->arena, &b->entries, place, n) == 0) {
			*n = key;
		} else if (!there) {
			arena_give(m->arena, n);
			rc = memory_full("put an entry", e);
		}
	}
	memory_unlock(m);
	return rc != 0 ? -1 : memory_step_ends(m, "put an entry", e);
}

static int commit(struct memory *m, struct object *o, struct err *e)
{
	if (memory_step_begins(m, "commit a message", e) != 0) {
		return -1;
	}
	memory_lock(m);
	o->committed = true;
	memory_put_off(m);
	memory_unlock(m);
	return memory_step_ends(m, "commit a message", e);
}

/* What could not be committed goes again, as far as that can be done. */
static void take_back(struct memory *m, struct object *o, const struct users_list *to, size_t n)
{
	uint64_t name = o->name;

	for (size_t i = 0; i < n; i++) {
		if (memory_step_begins(m, "take an entry back", NULL) == 0) {
			memory_lock(m);
			struct box *b = memory_box(m, to->names[i], NULL);
			if (b != NULL) {
				memory_cut_entry(m, b, &o->meta, o->name);
			}
			memory_unlock(m);
		}
	}
	live_give(&o->live); /* and with it, it is nobody's: recover() may sweep the rest */
	if (memory_step_begins(m, "take a message back", NULL) == 0) {
		memory_lock(m);
		if (memory_object(m, name) == o) {
			memory_drop_object(m, o);
		}
		memory_unlock(m);
	}
}

/* --- delivering --- */

static int deliver_new(
	struct mailbox_draft *d, const struct mailbox_delivery *v, uint64_t name, struct err *e)
{
	struct memory *m = d->m;
	struct object *o = NULL;
	size_t put = 0;
	int rc = put_object(d, v, name, &o, e);

	if (o == NULL) {
		return -1;
	}
	while (rc == 0 && put < v->to->n) {
		rc = put_entry(
			m, o, v->to->names[put], v->limits == NULL ? NULL : &v->limits[put], e);
		put++; /* it may be there, though nobody said so */
	}
	if (rc != 0) {
		take_back(m, o, v->to, put);
		return -1;
	}
	/* An answer that is lost here is the one case in which nobody can tell: so nothing is taken
	 * back, and a retry under the id finds out. */
	rc = commit(m, o, e);
	live_give(&o->live);
	return rc;
}

int memory_deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *e)
{
	struct memory *m = d->m;
	struct sent_id *s = NULL;
	uint64_t name;
	int rc = 0;

	*again = false;
	memory_lock(m);
	name = ++m->shelf->last_name;
	memory_unlock(m);
	if (v->once && claim(m, v->meta, name, &s, again, e) != 0) {
		return -1;
	}
	if (!*again) {
		rc = deliver_new(d, v, name, e);
	}
	if (s != NULL) {
		live_give(&s->claim);
	}
	return rc;
}
