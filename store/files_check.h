/* What the two halves of checking share: files_check.c looks at a mailbox, files_check_side.c at
 * what lies beside them. Nothing is changed, and nothing made. */
#ifndef STORE_FILES_CHECK_H
#define STORE_FILES_CHECK_H

#include "files.h"

struct check_finder {
	mailbox_finding *found;
	void *arg;
	const char *user; /* NULL: nobody's */
};

void check_tell(const struct check_finder *f, bool harmless, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "a file", "a symlink", ... */
const char *check_kind(const struct stat *st);

/* Each name in a folder but "." and "..". 0, what visit returned that was not 0, or -1. */
typedef int check_name(void *arg, const char *name, struct err *e);
int check_each_name(int dir, const char *what, check_name *visit, void *arg, struct err *e);

/* files_check_side.c: the journal, the spool and what was sent. 0 or -1. */
int check_beside(struct files *f, const struct check_finder *finder, struct err *e);

#endif
