/* What the tests of a file that arrives share: one landing, led through its steps. */
#ifndef T_LANDING_H
#define T_LANDING_H

#include "unit.h"

#include "../../crypto/landing.h"

enum { BLOCK = 4096, LARGE = 10 * BLOCK };

static struct err e;
static struct landing l;

static inline void begin(const char *name, enum file_how how, bool resume)
{
	if (landing_open(&l, folder.fd, name, how, resume, &e) != 0) {
		fail_msg("%s: %s", name, e.text);
	}
}

static inline void put(const void *p, size_t n)
{
	if (landing_write(&l, p, n, &e) != 0) {
		fail_msg("%s", e.text);
	}
}

static inline void finish(void)
{
	if (landing_finish(&l, &e) != 0) {
		fail_msg("%s", e.text);
	}
	(void)landing_end(&l, true); /* harmless */
}

static inline void assert_holds(const char *name, const void *p, size_t n)
{
	struct buf in = {0};

	slurp(name, &in);
	assert_int_equal(in.n, n);
	assert_true(n == 0 || memcmp(in.p, p, n) == 0);
	buf_free(&in);
}

static inline bool is_there(const char *name)
{
	struct stat st;

	return fstatat(folder.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

#endif
