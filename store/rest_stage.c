/* Where converted messages are written, ahead of their mailboxes; see rest_plan.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "../crypto/file.h"
#include "rest_plan.h"

struct stage {
	struct mailbox base; /* first: the interface's pointer is this one */
	int texts;           /* the caller's */
	char name[24];
};

struct mailbox_draft {
	int fd;
	size_t head_n;
	uint64_t bytes;
};

void rest_stage_name(struct mailbox *stage, uint64_t inode)
{
	struct stage *s = (struct stage *)stage;

	(void)snprintf(s->name, sizeof s->name, "%016" PRIx64, inode);
}

static void discard(struct mailbox_draft *d)
{
	if (d != NULL) {
		(void)close(d->fd);
		free(d);
	}
}

static int begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e)
{
	const struct stage *s = (const struct stage *)m;
	struct mailbox_draft *d = calloc(1, sizeof *d);

	if (d == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot convert a message: out of memory");
	}
	d->head_n = d->bytes = head_n;
	d->fd = openat(s->texts, s->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->fd < 0) {
		free(d);
		return err_sys(e, EX_TEMPFAIL, "cannot create a message");
	}
	*out = d;
	return 0;
}

static int append(struct mailbox_draft *d, const void *p, size_t n, struct err *e)
{
	d->bytes += n;
	return file_write_at(d->fd, p, n, d->bytes - n) == 0
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot write a message");
}

static int deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *e)
{
	const struct spool_file file = {.fd = d->fd};

	*again = false;
	if (file_write_at(d->fd, v->head, d->head_n, 0) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot write a message");
	}
	spool_mark(&file, v->meta);
	return 0;
}

static void close_stage(struct mailbox *m)
{
	free(m);
}

static const struct mailbox_ops stage_ops = {.begin = begin,
	.append = append,
	.deliver = deliver,
	.discard = discard,
	.close = close_stage};

int rest_stage_open(int texts, struct mailbox **out, struct err *e)
{
	struct stage *s = calloc(1, sizeof *s);

	if (s == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot convert the mail: out of memory");
	}
	s->base.ops = &stage_ops;
	s->texts = texts;
	*out = &s->base;
	return 0;
}
