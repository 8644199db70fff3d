/* What check() tells, for who looks and keeps nothing. */
#ifndef T_CHECK_H
#define T_CHECK_H

#include "store.h"

static struct {
	unsigned damaged, notes;
	char text[8192], losses[8192]; /* a line for each; and those that are not harmless */
} told;

static inline void found(void *arg, const char *user, bool harmless, const char *what)
{
	size_t n = strlen(told.text), losses_n = strlen(told.losses);
	const char *whose = user == NULL ? "-" : user;

	(void)arg;
	(void)snprintf(told.text + n, sizeof told.text - n, "%s: %s\n", whose, what);
	if (harmless) {
		told.notes++;
	} else {
		told.damaged++;
		(void)snprintf(told.losses + losses_n, sizeof told.losses - losses_n, "%s: %s\n",
			whose, what);
	}
}

/* By one who looks, and keeps nothing. */
static inline void look(const char *user)
{
	struct mailbox *m;

	memset(&told, 0, sizeof told);
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_LOOK, &m, &e), 0);
	assert_int_equal(m->ops->check(m, user, found, NULL, &e), 0);
	m->ops->close(m);
}

static inline void assert_told(unsigned damaged, unsigned notes, const char *what)
{
	if (told.damaged != damaged || told.notes != notes || strstr(told.text, what) == NULL) {
		fail_msg("%u damaged, %u notes:\n%s", told.damaged, told.notes, told.text);
	}
}

/* All that was told is this, and it is harmless, or not. */
static inline void assert_finds(const char *user, bool harmless, const char *what)
{
	look(user);
	assert_told(harmless ? 0 : 1, harmless ? 1 : 0, what);
}

#endif
