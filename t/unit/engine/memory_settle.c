/* The engine in memory: what is done behind acknowledgements, after a death, and to find faults. */
#include "memory_parts.h"

/* --- settling --- */

static void note_sent(struct memory *m)
{
	for (size_t i = 0; i < m->shelf->sent.n; i++) {
		struct sent_id *s = m->shelf->sent.v[i];
		const struct object *o = memory_object(m, s->attempt);
		s->done = s->done || (o != NULL && o->committed);
		s->attempt = s->done ? 0 : s->attempt;
	}
}

static bool has_entry(struct memory *m, const struct object *o)
{
	struct entry key = {.time_us = o->meta.time_us, .name = o->name};

	memcpy(key.id, o->meta.id, sizeof key.id);
	for (size_t i = 0; i < m->shelf->boxes.n; i++) {
		const struct box *b = m->shelf->boxes.v[i];
		if (map_get(&b->entries, &key, memory_entry_order) != NULL) {
			return true;
		}
	}
	return false;
}

/* Messages that were removed from every mailbox, and that nobody reads. */
static void collect(struct memory *m)
{
	for (size_t i = m->shelf->objects.n; i > 0; i--) {
		struct object *o = m->shelf->objects.v[i - 1];
		if (o->committed && o->readers == 0 && !live_has_owner(&o->live) &&
			!has_entry(m, o)) {
			memory_drop_object(m, o);
		}
	}
}

int memory_settle(struct mailbox *box, struct err *e)
{
	struct memory *m = (struct memory *)box;

	if (memory_step_begins(m, "settle", e) != 0) {
		return -1;
	}
	memory_lock(m);
	if (m->shelf->put_off) {
		for (size_t i = 0; i < m->shelf->boxes.n; i++) {
			memory_admit(m, m->shelf->boxes.v[i]);
		}
		note_sent(m);
		collect(m);
		m->shelf->put_off = false;
	}
	memory_unlock(m);
	return memory_step_ends(m, "settle", e);
}

bool memory_unsettled(struct mailbox *box, bool *busy)
{
	enum { QUIET_US = 100000 };
	struct memory *m = (struct memory *)box;
	bool put_off;

	memory_lock(m);
	put_off = m->shelf->put_off;
	*busy = put_off && memory_clock() - m->shelf->worked_us < QUIET_US;
	memory_unlock(m);
	return put_off;
}

/* --- recovering --- */

static bool is_dead(struct object *o)
{
	return !o->committed && !live_has_owner(&o->live);
}

int memory_recover(struct mailbox *box, struct err *e)
{
	struct memory *m = (struct memory *)box;

	if (memory_step_begins(m, "recover", e) != 0) {
		return -1;
	}
	memory_lock(m);
	for (size_t i = m->shelf->objects.n; i > 0; i--) {
		struct object *o = m->shelf->objects.v[i - 1];
		if (is_dead(o)) {
			for (size_t k = 0; k < m->shelf->boxes.n; k++) {
				memory_cut_entry(m, m->shelf->boxes.v[k], &o->meta, o->name);
			}
			memory_drop_object(m, o);
		}
	}
	memory_unlock(m);
	return memory_settle(box, e);
}

/* --- checking --- */

/* Findings are told when the lock is free: a byte for harmless, the text, NUL. */
static int note(struct buf *b, bool harmless, const uint8_t *id, const char *fault)
{
	char hex[2 * MAILBOX_ID_BYTES + 1], line[128];
	int n;

	hex_encode(hex, id, MAILBOX_ID_BYTES);
	n = snprintf(line, sizeof line, "%cmessage %s %s", harmless ? 1 : 0, hex, fault);
	return buf_append(b, line, (size_t)n + 1);
}

static bool is_sound(const struct memory *m, const struct object *o)
{
	enum { LOOK = MAILBOX_HEAD_MAX };
	size_t bytes = (size_t)o->meta.bytes, content_at;
	struct mailbox_meta told = {.index = 0};

	return m->describe(o->text, bytes > LOOK ? LOOK : bytes, &told, NULL, &content_at) == 0 &&
	       strcmp(told.source, o->meta.source) == 0 && strcmp(told.title, o->meta.title) == 0 &&
	       told.chars == o->meta.chars;
}

static int check_box(struct memory *m, const struct box *b, struct buf *faults)
{
	int rc = 0;

	for (size_t i = 0; i < b->entries.n && rc == 0; i++) {
		const struct entry *n = b->entries.v[i];
		struct object *o = memory_object(m, n->name);
		if (i > 0 && memory_entry_order(n, b->entries.v[i - 1]) <= 0) {
			rc = note(faults, false, n->id, "is not in its place");
		} else if (o == NULL) {
			rc = note(faults, n->arrived == 0, n->id, "is not there");
		} else if (is_dead(o)) {
			rc = note(faults, n->arrived == 0, n->id, "was never delivered");
		} else if (n->arrived != 0 && !is_sound(m, o)) {
			rc = note(faults, false, n->id, "is damaged");
		}
	}
	return rc;
}

static int check_beside(struct memory *m, struct buf *faults)
{
	int rc = 0;

	for (size_t i = 0; i < m->shelf->objects.n && rc == 0; i++) {
		struct object *o = m->shelf->objects.v[i];
		if (is_dead(o)) {
			rc = note(faults, true, o->meta.id, "was never delivered");
		}
	}
	return rc;
}

int memory_check(
	struct mailbox *box, const char *user, mailbox_finding *found, void *arg, struct err *e)
{
	struct memory *m = (struct memory *)box;
	struct buf faults = {0};
	const struct box *b = NULL;
	int rc = -1;

	memory_lock(m);
	if (user == NULL) {
		rc = check_beside(m, &faults);
	} else if ((b = memory_box(m, user, e)) != NULL) {
		rc = check_box(m, b, &faults);
	}
	memory_unlock(m);
	if (rc != 0 && (user == NULL || b != NULL)) {
		memory_full("check", e);
	}
	for (size_t at = 0; rc == 0 && at < faults.n;) {
		const char *line = (const char *)faults.p + at;
		found(arg, user, line[0] != 0, line + 1);
		at += strlen(line + 1) + 2;
	}
	buf_free(&faults);
	return rc;
}
