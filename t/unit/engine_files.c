/* The suite that every engine passes (engine/suite.h), over the files engine. What is particular to
 * files stands in mailbox.c, box.c, once.c and their like. */
#include "engine/suite.h"

#include "store.h"

static int open_files(struct mailbox **out)
{
	return folder_make(NULL) == 0
		       ? mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, out, &e)
		       : -1;
}

static int reopen_files(struct mailbox **m)
{
	(*m)->ops->close(*m);
	return mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, m, &e);
}

static int close_files(struct mailbox *m)
{
	m->ops->close(m);
	return folder_remove(NULL);
}

static void damage_files(struct mailbox *m, const char *user)
{
	(void)m;
	drop(user, "damaged.txt", "no message", 10);
}

static const struct engine files = {
	.name = "files",
	.whole = true,
	.operations = 1000,
	.open = open_files,
	.reopen = reopen_files,
	.close = close_files,
	.damage = damage_files,
};

int main(void)
{
	return suite_run(&files, NULL, 0);
}
