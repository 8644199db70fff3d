/* What the parts of the engine in memory share. Everything that struct shelf leads to is in the
 * arena, and is looked at under its lock. */
#ifndef T_MEMORY_PARTS_H
#define T_MEMORY_PARTS_H

#include "arena.h"
#include "memory.h"

struct object {
	uint64_t name;        /* never given twice */
	pthread_mutex_t live; /* held while its delivery runs */
	struct mailbox_meta meta;
	uint8_t *text;
	bool committed;
	unsigned readers;
};

struct entry {
	int64_t time_us; /* its key: this, the id, the name */
	uint8_t id[MAILBOX_ID_BYTES];
	uint64_t name;     /* of the object */
	uint64_t reserved; /* in which order the entries were made */
	uint64_t arrived;  /* its place in the order of arrival; 0: not listed */
};

struct box {
	char user[USER_NAME_MAX + 1];
	struct map entries;
	uint64_t last_reserved, last_arrived;
};

/* What a sender sent under an id. Never given back. */
struct sent_id {
	char source[USER_NAME_MAX + 1];
	uint8_t id[MAILBOX_ID_BYTES];
	pthread_mutex_t claim; /* held while somebody delivers it */
	bool done;
	uint64_t attempt; /* the object; 0: none */
};

struct shelf {
	pthread_mutex_t lock; /* held for a step, never for two */
	struct map boxes, objects, sent;
	uint64_t last_name;
	int64_t last_now;
	int64_t worked_us; /* when work was put off last */
	bool put_off;      /* there is work for settle() */
};

struct memory {
	struct mailbox base; /* first: the interface's pointer is this one */
	struct arena *arena;
	struct shelf *shelf;
	mailbox_describe *describe;
	enum memory_fault fault;
	unsigned at, steps;
};

struct mailbox_draft {
	struct memory *m;
	struct buf text; /* header included */
	size_t head_n;
};

/* --- memory.c --- */

void memory_lock(struct memory *m);
void memory_unlock(struct memory *m);
int64_t memory_clock(void);
/* Around each step: see memory_fail(). 0 or -1 (EX_TEMPFAIL). */
int memory_step_begins(struct memory *m, const char *what, struct err *e);
int memory_step_ends(struct memory *m, const char *what, struct err *e);
int memory_full(const char *what, struct err *e); /* -1 */
void memory_put_off(struct memory *m);

/* These want the lock to be held. */
struct box *memory_box(struct memory *m, const char *user, struct err *e);
struct object *memory_object(struct memory *m, uint64_t name);
struct sent_id *memory_sent(struct memory *m, const char *source, const uint8_t *id, bool make);
map_order memory_entry_order;
/* Give their places to the entries that were committed since the last look. */
void memory_admit(struct memory *m, struct box *b);
/* Take the entry of this object out of the mailbox, if it is there. */
void memory_cut_entry(
	struct memory *m, struct box *b, const struct mailbox_meta *meta, uint64_t name);
/* 0, or -1: the arena is full. */
int memory_keep_object(struct memory *m, struct object *o);
void memory_drop_object(struct memory *m, struct object *o);

/* --- memory_read.c, memory_deliver.c, memory_settle.c: as mailbox.h has them --- */

int memory_list(struct mailbox *m, const char *user, const struct mailbox_key *from,
	mailbox_visit *visit, void *arg, struct err *e);
int memory_list_behind(struct mailbox *m, const char *user, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e);
int memory_usage(struct mailbox *m, const char *user, struct mailbox_usage *out, struct err *e);
int memory_find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e);
int memory_open_message(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e);
int memory_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e);
void memory_done(struct mailbox_reader *r);
int memory_remove(
	struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e);
int memory_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e);
int memory_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e);
int memory_deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *e);
void memory_discard(struct mailbox_draft *d);
int memory_recover(struct mailbox *m, struct err *e);
int memory_settle(struct mailbox *m, struct err *e);
bool memory_unsettled(struct mailbox *m, bool *busy);
int memory_check(
	struct mailbox *m, const char *user, mailbox_finding *found, void *arg, struct err *e);

#endif
