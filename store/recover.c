/* What a crash left in the spool: drafts of nobody are swept, deliveries to several recipients that
 * had begun are completed. See mailbox.h for the states. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "files.h"

enum { LOCK_TRIES = 20, LOCK_WAIT_MS = 10 };

/* Does the name in the spool still stand for this file? */
static bool still_named(const struct files *f, const char *name, int fd)
{
	struct stat named, ours;

	return fstatat(f->spool, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
	       named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
}

/* Nobody is writing it: its lock can be had. A listing may hold it for a moment, a delivery for
 * longer. The descriptor, or -1. */
static int open_orphan(const struct files *f, const char *name)
{
	int fd = openat(f->spool, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (still_named(f, name, fd)) {
				return fd;
			}
			break; /* the delivery ended well meanwhile, and took it away */
		}
		(void)poll(NULL, 0, LOCK_WAIT_MS);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return -1;
}

/* Link and list the message in one mailbox, unless it is there already. */
static int complete_one(const struct files *f, const char *intent, const struct mailbox_meta *meta,
	const struct stat *st, const char *user, struct err *e)
{
	const struct box_source from = {.dir = f->spool, .path = intent};
	struct box_place place;
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return faccessat(f->root, user, F_OK, AT_SYMLINK_NOFOLLOW) != 0 ? 0 : -1;
	}
	rc = box_has_inode(&b, st, e);
	if (rc == 0) { /* or another try of the same message, under its id */
		rc = box_holds(&b, &f->scan, meta->id, e);
	}
	if (rc == 0) {
		rc = box_link(&b, &from, meta, st, &place, e);
		rc = rc == 0 ? file_sync(b.dir, user, e) : rc;
		rc = rc == 0 ? box_confirm(&b, meta, &place, e) : rc;
	} else if (rc > 0) {
		rc = file_sync(b.dir, user, e); /* its record is settled by the next listing */
	}
	box_close(&b);
	return rc;
}

/* Read what the message says of itself. 0, 1 when it is no message, or -1. */
static int describe(const struct files *f, int fd, struct mailbox_meta *meta, struct users_list *to,
	struct err *e)
{
	uint8_t *head = malloc(MAILBOX_HEAD_MAX);
	size_t content_at;
	ssize_t n = head == NULL ? -1 : pread(fd, head, MAILBOX_HEAD_MAX, 0);
	int rc;

	if (n < 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read a message in %s", FILES_SPOOL);
	} else {
		rc = f->scan.describe(head, (size_t)n, meta, to, &content_at) == 0 ? 0 : 1;
	}
	free(head);
	return rc;
}

static int complete(const struct files *f, const char *intent, int fd, struct err *e)
{
	struct mailbox_meta meta = {0};
	struct users_list to = {0};
	struct stat st;
	int rc = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ? 1 : describe(f, fd, &meta, &to, e);

	if (rc != 0 || hex_decode(meta.id, sizeof meta.id, intent, strlen(intent)) != 0) {
		users_list_free(&to);
		return rc < 0 ? -1 : 0; /* not ours: left alone */
	}
	for (size_t i = 0; i < to.n;
		i++) { /* one that fails keeps the intent, and no other waiting */
		if (complete_one(f, intent, &meta, &st, to.names[i], e) != 0) {
			rc = -1;
		}
	}
	users_list_free(&to);
	if (rc == 0 && unlinkat(f->spool, intent, 0) != 0 && errno != ENOENT) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot unlink from %s", FILES_SPOOL);
	}
	return rc == 0 ? file_sync(f->spool, FILES_SPOOL, e) : rc;
}

static int recover_one(const struct files *f, const char *name, struct err *e)
{
	bool draft = strncmp(name, FILES_DRAFT_PREFIX, strlen(FILES_DRAFT_PREFIX)) == 0;
	int fd, rc = 0;

	if (!draft && strlen(name) != 2 * (size_t)MAILBOX_ID_BYTES) {
		return 0;
	}
	fd = open_orphan(f, name);
	if (fd < 0) {
		return 0;
	}
	if (!draft) {
		rc = complete(f, name, fd, e);
	} else if (unlinkat(f->spool, name, 0) != 0 && errno != ENOENT) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot unlink from %s", FILES_SPOOL);
	}
	(void)close(fd);
	return rc;
}

int files_recover_id(struct files *f, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	char intent[2 * MAILBOX_ID_BYTES + 1];
	int fd, rc;

	hex_encode(intent, id, MAILBOX_ID_BYTES);
	fd = openat(f->spool, intent, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0
				       : err_sys(e, EX_TEMPFAIL, "cannot open a message in %s",
						 FILES_SPOOL);
	}
	/* whoever completes it already is waited for, but not for ever */
	for (int i = 0; (rc = flock(fd, LOCK_EX | LOCK_NB)) != 0 && i < LOCK_TRIES; i++) {
		(void)poll(NULL, 0, LOCK_WAIT_MS);
	}
	if (rc != 0) {
		rc = err_set(e, EX_TEMPFAIL, "an earlier delivery is still being completed");
	} else if (still_named(f, intent, fd)) {
		rc = complete(f, intent, fd, e);
	}
	(void)close(fd);
	return rc;
}

int files_recover(struct mailbox *m, struct err *e)
{
	struct files *f = (struct files *)m;
	const struct dirent *entry;
	int rc = 0;
	DIR *d;

	if (f->spool < 0) {
		return err_set(e, EX_TEMPFAIL, "%s cannot be opened: nothing can be delivered",
			FILES_SPOOL);
	}
	d = file_read_names(f->spool);
	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read %s", FILES_SPOOL);
	}
	while ((errno = 0, entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.' && recover_one(f, entry->d_name, e) != 0) {
			rc = -1; /* the others are still tried */
		}
	}
	if (errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", FILES_SPOOL);
	}
	(void)closedir(d);
	/* a folder made just before a crash may not be on disk yet */
	return rc == 0 ? file_sync(f->root, "the folder of mailboxes", e) : rc;
}
