/* What the tests of the files engine share: a store with five mailboxes, and what lies on its
 * disk. */
#ifndef T_STORE_H
#define T_STORE_H

#include "mail.h"

#include <sys/file.h>

#include "../../store/files.h"

/* Tests of files want to see them. */
__attribute__((constructor)) static void settle_each(void)
{
	stay_unsettled = false;
}

static inline int open_store(void **state)
{
	char user[] = "client1";
	if (folder_make(state) != 0 ||
		mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e) != 0) {
		return -1;
	}
	for (; user[6] <= '5'; user[6]++) {
		if (box->ops->prepare(box, user, &e) != 0) {
			return -1;
		}
	}
	return 0;
}

static inline int close_store(void **state)
{
	box->ops->close(box);
	return folder_remove(state);
}

/* As a server that was started again: another epoch. */
static inline void reopen_store(void)
{
	box->ops->close(box);
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e), 0);
}

#define T_STORE(title, function)                               \
	{                                                      \
		title, function, open_store, close_store, NULL \
	}

/* --- the disk --- */

/* Files that are not hidden, in a user's mailbox. */
static inline int files_of(const char *user)
{
	static const char *const ours[] = {".index", ".ids"};
	char path[PATH_MAX];
	int hidden = 0;

	for (size_t i = 0; i < COUNT(ours); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", user, ours[i]);
		hidden += faccessat(folder.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : 0;
	}
	return count_names(user) - hidden;
}

static inline struct stat stat_of(const char *path)
{
	struct stat st;

	if (fstatat(folder.fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		fail_msg("%s: %s", path, strerror(errno));
	}
	return st;
}

static inline void drop(const char *user, const char *name, const char *text, size_t n)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", user, name);
	spew(path, text, n);
}

#endif
