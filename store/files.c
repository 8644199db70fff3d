/* The files engine: opening, closing, and its table of functions. See files.h for the layout and
 * the states on disk. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "../crypto/random.h"

static int files_prepare(struct mailbox *m, const char *user, struct err *e)
{
	struct files *f = (struct files *)m;

	if (mkdirat(f->root, user, 0700) != 0) {
		return errno == EEXIST ? 0
				       : err_sys(e, EX_TEMPFAIL, "cannot create mailbox %s", user);
	}
	return file_sync(f->root, "the folder of mailboxes", e);
}

static int64_t files_now(struct mailbox *m)
{
	return journal_now(((struct files *)m)->journal);
}

static bool files_unsettled(struct mailbox *m, bool *busy)
{
	struct files *f = (struct files *)m;
	uint64_t appended;
	bool unsettled = journal_unsettled(f->journal, &appended);

	/* a segment that is full is settled beside the next one */
	*busy = appended != f->appended && journal_segments(f->journal) == 1;
	f->appended = appended;
	return unsettled;
}

static void free_files(struct files *f)
{
	journal_close(f->journal);
	spool_close(&f->spool);
	if (f->root >= 0) {
		(void)close(f->root);
	}
	if (f->shared != NULL) {
		(void)munmap(f->shared, sizeof *f->shared);
	}
	free(f);
}

static void files_close(struct mailbox *m)
{
	struct err ignored; /* the next start settles what could not be */

	(void)files_settle(m, &ignored);
	free_files((struct files *)m);
}

static const struct mailbox_ops files_ops = {
	.prepare = files_prepare,
	.recover = files_recover,
	.settle = files_settle,
	.unsettled = files_unsettled,
	.now = files_now,
	.begin = files_begin,
	.append = files_append,
	.deliver = files_deliver,
	.discard = files_discard,
	.list = files_list,
	.list_behind = files_list_behind,
	.usage = files_usage,
	.find = files_find,
	.open = files_open,
	.read = files_read,
	.done = files_done,
	.remove = files_remove,
	.check = files_check,
	.close = files_close,
};

/* What the family shares; only the keeper has it. */
static int open_shared(struct files *f, struct err *e)
{
	f->shared = shared_map(sizeof *f->shared, e);
	if (f->shared == NULL || shared_lock_init(&f->shared->settle, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < FILES_LIMIT_LOCKS; i++) {
		if (shared_lock_init(&f->shared->limits[i], e) != 0) {
			return -1;
		}
	}
	f->shared->sent_behind = journal_adopted(f->journal);
	f->shared->crashed = f->shared->sent_behind != 0;
	f->scan.suspects = f->shared->suspects;
	f->scan.crashed = &f->shared->crashed;
	return 0;
}

/* Without a keeper no index is believed: nobody has looked at what a crash left. */
static int set_scan(struct files *f, mailbox_describe *describe, struct err *e)
{
	f->scan.describe = describe;
	f->scan.journal = f->journal;
	f->scan.epoch = journal_epoch(f->journal);
	f->scan.unkept = !journal_is_kept(f->journal);
	if (f->scan.unkept && random_bytes(&f->scan.epoch, sizeof f->scan.epoch, e) != 0) {
		return -1;
	}
	f->scan.epoch |= 1; /* never that of an index which was never written */
	return 0;
}

int mailbox_files_open(int dir, mailbox_describe *describe, enum mailbox_role role,
	struct mailbox **out, struct err *e)
{
	static const enum journal_role roles[] = {[MAILBOX_KEEPER] = JOURNAL_KEEP,
		[MAILBOX_BESIDE] = JOURNAL_BESIDE,
		[MAILBOX_LOOK] = JOURNAL_LOOK};
	struct files *f = calloc(1, sizeof *f);

	if (f == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open the mailboxes: out of memory");
	}
	f->base.ops = &files_ops;
	f->spool.dir = -1;
	f->root = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (f->root < 0) {
		err_sys(e, EX_TEMPFAIL, "cannot open the mailboxes");
	} else if (journal_open(&f->journal, f->root, roles[role], e) == 0 &&
		   (!journal_is_keeper(f->journal) || open_shared(f, e) == 0) &&
		   set_scan(f, describe, e) == 0) {
		spool_open(&f->spool, f->root, role != MAILBOX_LOOK);
		*out = &f->base;
		return 0;
	}
	free_files(f);
	return -1;
}
