/* Delivering a message once, however often it is sent: sent.h keeps what was begun, and after a
 * crash the mailboxes tell how far it came. */
#include "../crypto/file.h"
#include "files.h"
#include "sent.h"

/* Is the message in this mailbox, and on disk there? 1, 0 or -1. */
static int is_there(
	const struct files *f, const char *user, const struct mailbox_meta *meta, struct err *e)
{
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_holds(&b, &f->scan, meta->id, e);
	rc = rc > 0 && file_sync(b.dir, user, e) != 0 ? -1 : rc;
	box_close(&b);
	return rc;
}

/* Which recipients have not got it. 0, or -1. */
static int find_missing(struct files *f, const struct mailbox_meta *meta,
	const struct users_list *to, struct users_list *missing, struct err *e)
{
	missing->names = calloc(to->n, sizeof *missing->names);
	if (missing->names == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot deliver: out of memory");
	}
	/* a delivery to several may have begun, and its session died */
	if (files_recover_id(f, meta->id, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < to->n; i++) {
		int rc = is_there(f, to->names[i], meta, e);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0) {
			memcpy(missing->names[missing->n++], to->names[i], sizeof *to->names);
		}
	}
	return 0;
}

int files_deliver_once(struct mailbox_draft *d, const struct mailbox_meta *meta, const void *head,
	const struct users_list *to, bool *again, struct err *e)
{
	struct users_list missing = {0};
	enum sent_state state;
	struct sent s;
	int rc = sent_claim(&s, d->f->root, meta->source, meta->id, &state, e);

	*again = rc == 0 && state == SENT_DONE;
	if (rc == 0 && state == SENT_NEW) {
		rc = files_deliver(d, meta, head, to, e);
	} else if (rc == 0 && state == SENT_BEGUN) {
		rc = find_missing(d->f, meta, to, &missing, e);
		*again = rc == 0 && missing.n == 0;
		if (rc == 0 && missing.n > 0) {
			rc = files_deliver(d, meta, head, &missing, e);
		}
	}
	if (rc == 0 && state != SENT_DONE) {
		(void)sent_done(&s);
	}
	sent_release(&s);
	users_list_free(&missing);
	return rc;
}
