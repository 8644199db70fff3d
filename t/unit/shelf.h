/* A shelf of a test's own, and what tests do with it. */
#ifndef T_SHELF_H
#define T_SHELF_H

#include "unit.h"

#include "../../store/shelf.h"

static struct err e;
static struct shelf *shelf;
static struct shelf_limit no_limit;

static inline int shelf_make(void **state)
{
	no_limit = (struct shelf_limit){0};
	return folder_make(state) != 0 ? -1 : shelf_files_open(folder.fd, &shelf, &e);
}

static inline int shelf_drop(void **state)
{
	shelf->ops->close(shelf);
	return folder_remove(state);
}

#define T_SHELF(title, function)                              \
	{                                                     \
		title, function, shelf_make, shelf_drop, NULL \
	}

/* --- what the tests do --- */

static inline struct shelf_plan plan_of(const char *user, const char *name, uint64_t size)
{
	return (struct shelf_plan){.user = user, .name = name, .size = size, .limit = &no_limit};
}

/* Begin, append and finish; the draft stays with the caller. 0 or -1 */
static inline int bring(const struct shelf_plan *plan, const char *text, struct shelf_draft **d)
{
	struct shelf_file file;
	uint64_t held;

	if (shelf->ops->begin(shelf, plan, d, &held, &e) != 0) {
		return -1;
	}
	if (shelf->ops->from(*d, 0, &e) != 0 ||
		shelf->ops->append(*d, text, strlen(text), &e) != 0 ||
		shelf->ops->finish(*d, &file, &e) != 0) {
		return -1;
	}
	assert_string_equal(file.name, plan->name);
	assert_string_equal(file.from, plan->user);
	assert_int_equal(file.size, strlen(text));
	return 0;
}

static inline int put(const char *user, const char *name, const char *text, bool force)
{
	struct shelf_plan plan = plan_of(user, name, strlen(text));
	struct shelf_draft *d = NULL;
	int rc;

	plan.force = force;
	rc = bring(&plan, text, &d);
	shelf->ops->end(d);
	return rc;
}

static char was_given[SHELF_NAME_MAX + 1];

static inline int put_and_give(const char *user, const char *name, const char *text, const char *to,
	struct shelf_limit *limit)
{
	struct shelf_plan plan = plan_of(user, name, strlen(text));
	struct shelf_draft *d = NULL;
	int rc;

	plan.force = true;
	rc = bring(&plan, text, &d);
	rc = rc == 0 ? shelf->ops->give(d, to, limit, was_given, &e) : rc;
	shelf->ops->end(d);
	return rc;
}

static char listed[65536];

static inline int list_one(void *arg, const struct shelf_file *file)
{
	size_t n = strlen(listed);

	(void)arg;
	(void)snprintf(listed + n, sizeof listed - n, "%s/%s %llu%s\n", file->from, file->name,
		(unsigned long long)file->size, file->part ? " part" : "");
	return 0;
}

static inline const char *list(const char *user)
{
	listed[0] = '\0';
	assert_int_equal(shelf->ops->list(shelf, user, list_one, NULL, &e), 0);
	return listed;
}

static char content[4096];

/* What is in it, or NULL with e. */
static inline const char *get(const char *user, const char *from, const char *name)
{
	struct shelf_reader *r;
	struct shelf_file file;
	uint64_t hole = 0, at = 0;
	size_t n = 1;

	if (shelf->ops->open(shelf, user, from, name, &r, &file, &e) != 0) {
		return NULL;
	}
	while (n > 0 || hole > 0) {
		assert_int_equal(
			shelf->ops->read(r, content + at, sizeof content - 1 - at, &n, &hole, &e),
			0);
		memset(content + at + n, 0, hole);
		at += n + hole;
	}
	assert_int_equal(at, file.size);
	content[at] = '\0';
	shelf->ops->done(r);
	return content;
}

/* Break off behind so many bytes. */
static inline void break_off(const char *user, const char *name, const char *text, size_t n)
{
	struct shelf_plan plan = plan_of(user, name, strlen(text));
	struct shelf_draft *d;
	uint64_t held;

	assert_int_equal(shelf->ops->begin(shelf, &plan, &d, &held, &e), 0);
	assert_int_equal(shelf->ops->append(d, text, n, &e), 0);
	shelf->ops->end(d);
}

#endif
