/* What the files engine does with messages that are there: list, find, read, remove. See
 * mailbox.h. */
#include <errno.h>

#include "files.h"
#include "sent.h"

struct mailbox_reader {
	int fd;
};

int files_list(struct mailbox *m, const char *user, mailbox_visit *visit, void *arg, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_list(&b, &f->scan, visit, arg, e);
	box_close(&b);
	return rc;
}

int files_list_behind(struct mailbox *m, const char *user, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_list_behind(&b, &f->scan, after, visit, arg, e);
	box_close(&b);
	return rc;
}

int files_open(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e)
{
	struct files *f = (struct files *)m;
	struct mailbox_reader *r = calloc(1, sizeof *r);
	struct box b;

	if (r == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open a message: out of memory");
	}
	if (box_open(&b, f->root, user, e) != 0) {
		free(r);
		return -1;
	}
	r->fd = box_open_message(&b, &f->scan, ref, size, e);
	box_close(&b);
	if (r->fd < 0) {
		free(r);
		return -1;
	}
	*out = r;
	return 0;
}

int files_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e)
{
	uint8_t *s = p;

	while (n > 0) {
		ssize_t k = pread(r->fd, s, n, (off_t)offset);
		if (k < 0 && errno != EINTR) {
			return err_sys(e, EX_TEMPFAIL, "cannot read a message");
		}
		if (k == 0) {
			return err_set(e, EX_NOINPUT, "the message has become shorter");
		}
		s += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
		offset += k > 0 ? (uint64_t)k : 0;
	}
	return 0;
}

void files_done(struct mailbox_reader *r)
{
	if (r != NULL) {
		(void)close(r->fd);
		free(r);
	}
}

int files_find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box_found found;
	struct box b;
	int fd;

	*ref = (struct mailbox_ref){0};
	memcpy(ref->id, id, sizeof ref->id);
	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	fd = box_find(&b, &f->scan, ref, &found, e);
	box_close(&b);
	if (fd < 0) {
		return -1;
	}
	(void)close(fd);
	*meta = found.meta;
	ref->where = found.where;
	return 0;
}

/* --- removing --- */

int files_remove(struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box_found found;
	struct box b;
	int fd, rc = -1;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	fd = box_find(&b, &f->scan, ref, &found, e);
	if (fd >= 0) {
		(void)close(fd); /* it was the right file a moment ago */
		/* a retry must find that it was sent, where it can no longer find the message */
		rc = sent_settle(f->root, found.meta.source, ref->id, e);
		rc = rc == 0 ? box_remove(&b, &found, e) : rc;
	}
	box_close(&b);
	return rc;
}
