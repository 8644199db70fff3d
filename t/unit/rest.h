/* What the tests of mail at rest share: a store under a key, and what lies on its disk. */
#ifndef T_REST_H
#define T_REST_H

#include "mail.h"

#include "../../store/rest_text.h"

static struct rest_key rest_key;
static struct rest_note rest_note;
static const uint8_t rest_secret[REST_KEY] = "a key of thirty-two bytes, or so";

static inline int rest_open_as(enum mailbox_role role, struct mailbox **out)
{
	return mailbox_rest_open(folder.fd, &rest_key, role, out, &e);
}

static inline int rest_make(void **state)
{
	return folder_make(state) != 0 || rest_key_new(&rest_key, &rest_note, REST_KEY_FILE,
						  rest_secret, sizeof rest_secret, &e) != 0
		       ? -1
		       : 0;
}

/* A path in a user's mailbox, as it is on disk. The text is overwritten by the next call. */
static inline const char *rest_path(const char *user, const char *name)
{
	static char path[PATH_MAX];
	char folder_name[USER_NAME_MAX + 1];

	rest_name(&rest_key, user, folder_name);
	(void)snprintf(path, sizeof path, "%s/%s", folder_name, name);
	return path;
}

/* --- a store with three mailboxes --- */

static inline int open_rest(void **state)
{
	char user[] = "client1";

	if (rest_make(state) != 0 || rest_open_as(MAILBOX_KEEPER, &box) != 0) {
		return -1;
	}
	for (; user[6] <= '3'; user[6]++) {
		if (box->ops->prepare(box, user, &e) != 0) {
			return -1;
		}
	}
	stay_unsettled = false;
	return 0;
}

static inline int close_rest(void **state)
{
	box->ops->close(box);
	return folder_remove(state);
}

static inline void reopen_rest(void)
{
	box->ops->close(box);
	assert_int_equal(rest_open_as(MAILBOX_KEEPER, &box), 0);
}

#define T_REST(title, function)                              \
	{                                                    \
		title, function, open_rest, close_rest, NULL \
	}

#endif
