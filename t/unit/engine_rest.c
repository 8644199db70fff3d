/* The suite that every engine passes (engine/suite.h), over mail at rest. What is particular to it
 * stands in rest.c. */
#include "engine/suite.h"

#include "rest.h"

static int open_engine(struct mailbox **out)
{
	return rest_make(NULL) == 0 ? rest_open_as(MAILBOX_KEEPER, out) : -1;
}

static int reopen_engine(struct mailbox **m)
{
	(*m)->ops->close(*m);
	return rest_open_as(MAILBOX_KEEPER, m);
}

static int close_engine(struct mailbox *m)
{
	m->ops->close(m);
	return folder_remove(NULL);
}

/* Until the folder's time, which ticks coarsely, tells of it. */
static void damage_engine(struct mailbox *m, const char *user)
{
	struct stat before, now;

	(void)m;
	assert_int_equal(fstatat(folder.fd, rest_path(user, ""), &before, 0), 0);
	do {
		spew(rest_path(user, "damaged.txt"), "no message", 10);
		spew(rest_path(user, ".tick"), "", 0);
		assert_int_equal(unlinkat(folder.fd, rest_path(user, ".tick"), 0), 0);
		assert_int_equal(fstatat(folder.fd, rest_path(user, ""), &now, 0), 0);
	} while (now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
		 now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
}

static const struct engine rest = {
	.name = "rest",
	.whole = true,
	.operations = 1000,
	.open = open_engine,
	.reopen = reopen_engine,
	.close = close_engine,
	.damage = damage_engine,
};

int main(void)
{
	return suite_run(&rest, NULL, 0);
}
