/* The accounts engine in memory, which proves the interface beside the files engine: it has no
 * name, no lock that outlives a call, and counts versions. Its memory is shared with children, so
 * that writers at once can be tested. */
#ifndef T_ACCOUNTS_MEMORY_H
#define T_ACCOUNTS_MEMORY_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "unit.h"

#include "../../store/accounts.h"

struct memory {
	struct accounts_store base; /* first: the interface's pointer is this one */
	uint64_t told;              /* the version that news() has seen */
	struct {
		atomic_flag lock;
		uint64_t version; /* 0: there is no text */
		uint64_t writes;  /* versions so far */
		size_t n;
		uint8_t text[ACCOUNTS_TEXT_MAX + 1];
	} * shared;
};

static inline struct memory *memory_of(struct accounts_store *s)
{
	return (struct memory *)s;
}

static inline void memory_lock(const struct memory *m)
{
	while (atomic_flag_test_and_set(&m->shared->lock)) {
		(void)sched_yield();
	}
}

static inline void memory_unlock(const struct memory *m)
{
	atomic_flag_clear(&m->shared->lock);
}

static inline int memory_read(struct accounts_store *s, struct accounts_text *out, struct err *err)
{
	const struct memory *m = memory_of(s);
	int rc = 0;

	*out = (struct accounts_text){0};
	memory_lock(m);
	out->version.mark[0] = m->shared->version;
	out->version.none = m->shared->version == 0;
	if (out->version.none) {
		rc = err_set(err, EX_NOINPUT, "cannot read %s: there are none", s->name);
	} else if (m->shared->n > ACCOUNTS_TEXT_MAX) {
		rc = err_set(err, EX_CONFIG, "cannot read %s: they have too many bytes", s->name);
	} else if (buf_append(&out->text, m->shared->text, m->shared->n) != 0) {
		rc = err_set(err, EX_TEMPFAIL, "cannot read %s: out of memory", s->name);
	}
	memory_unlock(m);
	return rc;
}

static inline void memory_set(const struct memory *m, const void *p, size_t n)
{
	if (n > 0) { /* else p may be NULL */
		memcpy(m->shared->text, p, n);
	}
	m->shared->n = n;
	m->shared->version = ++m->shared->writes;
}

static inline int memory_replace(struct accounts_store *s, const void *p, size_t n,
	const struct accounts_version *expected, bool *stale, struct err *err)
{
	const struct memory *m = memory_of(s);

	if (n > ACCOUNTS_TEXT_MAX) {
		return err_set(err, EX_CANTCREAT, "cannot write %s: too many bytes", s->name);
	}
	memory_lock(m);
	*stale = m->shared->version != expected->mark[0];
	if (!*stale) {
		memory_set(m, p, n);
	}
	memory_unlock(m);
	return 0;
}

static inline int memory_look(struct accounts_store *s, const struct accounts_version *version,
	bool *changed, struct err *err)
{
	const struct memory *m = memory_of(s);

	*changed = m->shared->version != version->mark[0];
	return m->shared->version != 0
		       ? 0
		       : err_set(err, EX_NOINPUT, "cannot look at %s: there are none", s->name);
}

static inline int memory_follow(struct accounts_store *s)
{
	memory_of(s)->told = memory_of(s)->shared->version;
	return -1;
}

static inline bool memory_news(struct accounts_store *s)
{
	struct memory *m = memory_of(s);
	bool news = m->told != m->shared->version;

	m->told = m->shared->version;
	return news;
}

static inline void memory_unfollow(struct accounts_store *s)
{
	(void)s;
}

static inline void memory_close(struct accounts_store *s)
{
	(void)munmap(memory_of(s)->shared, sizeof *memory_of(s)->shared);
	free(s);
}

static inline struct accounts_store *memory_open(void)
{
	static const struct accounts_ops ops = {.read = memory_read,
		.replace = memory_replace,
		.look = memory_look,
		.follow = memory_follow,
		.news = memory_news,
		.unfollow = memory_unfollow,
		.close = memory_close};
	struct memory *m = calloc(1, sizeof *m);

	assert_non_null(m);
	m->base = (struct accounts_store){.ops = &ops, .name = "memory"};
	m->shared = mmap(
		NULL, sizeof *m->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(m->shared != MAP_FAILED);
	return &m->base;
}

#endif
