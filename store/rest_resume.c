/* Putting what was converted in its place: from state 2 of rest_move.h on. Every step may have been
 * done before. */
#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "rest_plan.h"

bool rest_is_ours(const char *name)
{
	static const char *const ours[] = {
		".index", ".index.bad", ".ids", ".ids.new", REST_OWNER, "." REST_OWNER ".new"};

	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		if (strcmp(name, ours[i]) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* --- sweeping --- */

static int sweep_names(int dir, int depth, struct err *e);

static int sweep_one(int dir, const char *name, int depth, struct err *e)
{
	int fd, rc;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
		return 0;
	}
	fd = depth > 0 && (errno == EISDIR || errno == EPERM) ? open_folder(dir, name) : -1;
	if (fd < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
	}
	rc = sweep_names(fd, depth - 1, e);
	(void)close(fd);
	return rc != 0 || unlinkat(dir, name, AT_REMOVEDIR) == 0
		       ? rc
		       : err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
}

static int sweep_names(int dir, int depth, struct err *e)
{
	DIR *d = file_read_names(dir);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read a folder");
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (!is_dots(entry->d_name)) {
			rc = sweep_one(dir, entry->d_name, depth, e);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read a folder");
	}
	(void)closedir(d);
	return rc;
}

int rest_sweep(int dir, const char *name, struct err *e)
{
	return sweep_one(dir, name, 2, e);
}

/* --- what goes --- */

/* A mailbox whose messages are gone. */
static int drop_mailbox(int dir, const char *folder, struct err *e)
{
	int fd = open_folder(dir, folder), rc = 0;
	const struct dirent *entry;
	DIR *d;

	if (fd < 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot open %s", folder);
	}
	d = file_read_names(fd);
	while (rc == 0 && d != NULL && (errno = 0, entry = readdir(d)) != NULL) {
		if (is_dots(entry->d_name)) {
			continue;
		}
		if (rest_is_ours(entry->d_name)) {
			rc = sweep_one(fd, entry->d_name, 0, e);
		} else {
			err_set(e, EX_DATAERR, "%s/%s came meanwhile, and is not converted", folder,
				entry->d_name);
			rc = err_hint(e, "move it away, and import it later");
		}
	}
	if (rc == 0 && (d == NULL || errno != 0)) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", folder);
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	(void)close(fd);
	return rc != 0 || unlinkat(dir, folder, AT_REMOVEDIR) == 0
		       ? rc
		       : err_sys(e, EX_TEMPFAIL, "cannot remove %s", folder);
}

/* One line of the plan: "FOLDER/NAME" a file, "FOLDER/" a mailbox, "NAME" a file. */
static int drop(int dir, const char *line, struct err *e)
{
	size_t n = strlen(line);
	char folder[USER_NAME_MAX + 1];

	if (n > 0 && line[n - 1] == '/') {
		(void)snprintf(folder, sizeof folder, "%.*s", (int)(n - 1), line);
		return drop_mailbox(dir, folder, e);
	}
	return unlinkat(dir, line, 0) == 0 || errno == ENOENT || errno == ENOTDIR
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot remove %s", line);
}

static int drop_planned(int dir, int ready, struct err *e)
{
	struct buf plan = {0};
	int rc = 0;

	if (faccessat(ready, REST_PLAN, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? 0 /* all of it was done */
				       : err_sys(e, EX_TEMPFAIL, "cannot read the plan");
	}
	rc = file_read(ready, REST_PLAN, INT32_MAX, &plan, NULL, e);
	rc = rc == 0 && buf_append(&plan, "", 1) != 0
		     ? err_set(e, EX_TEMPFAIL, "cannot read the plan: out of memory")
		     : rc;
	for (size_t at = 0; rc == 0 && at + 1 < plan.n;) {
		const char *line = (const char *)plan.p + at;
		rc = drop(dir, line, e);
		at += strlen(line) + 1;
	}
	buf_free(&plan);
	return rc;
}

/* --- what comes --- */

static int move_all(int from, int to, struct err *e)
{
	DIR *d = file_read_names(from);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read %s", REST_MOVE_READY);
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (is_dots(entry->d_name) || strcmp(entry->d_name, REST_PLAN) == 0 ||
			strcmp(entry->d_name, SENT_FOLDER) == 0) {
			continue;
		}
		if (renameat(from, entry->d_name, to, entry->d_name) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot move %s to its place", entry->d_name);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", REST_MOVE_READY);
	}
	(void)closedir(d);
	return rc;
}

static int move_sent(int dir, int ready, struct err *e)
{
	int from = open_folder(ready, SENT_FOLDER), to, rc;

	if (from < 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot open %s", SENT_FOLDER);
	}
	to = open_folder(dir, SENT_FOLDER);
	rc = to < 0 ? err_sys(e, EX_TEMPFAIL, "cannot open %s", SENT_FOLDER)
		    : move_all(from, to, e);
	if (rc == 0) {
		rc = file_sync(to, SENT_FOLDER, e);
	}
	(void)close(from);
	if (to >= 0) {
		(void)close(to);
	}
	return rc;
}

/* All of it, before the plan is forgotten. */
static int put(int dir, int ready, struct err *e)
{
	if (drop_planned(dir, ready, e) != 0 || move_sent(dir, ready, e) != 0 ||
		move_all(ready, dir, e) != 0) {
		return -1;
	}
	if (syncfs(dir) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot sync the folder");
	}
	return rest_sweep(dir, REST_MOVE_READY, e) != 0 ? -1 : file_sync(dir, "the folder", e);
}

static bool has_draft(int dir)
{
	return faccessat(dir, REST_MOVE_DRAFT, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What a conversion that was not ready left, which may be in the clear. 0 or -1. */
static int sweep_draft(int dir, enum rest_resumed *how, struct err *e)
{
	int lock, rc;

	if (!has_draft(dir)) {
		return 0;
	}
	lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder");
	}
	rc = file_lock(lock, e);
	if (rc == 0 && has_draft(dir)) { /* whoever had the lock did not finish it */
		rc = rest_sweep(dir, REST_MOVE_DRAFT, e);
		*how = rc == 0 ? REST_UNDONE : REST_NOTHING;
	}
	(void)close(lock);
	return rc;
}

int rest_resume(int dir, enum rest_resumed *how, struct err *e)
{
	struct journal *j;
	int ready = open_folder(dir, REST_MOVE_READY), rc;

	*how = REST_NOTHING;
	if (ready < 0) {
		return errno == ENOENT ? sweep_draft(dir, how, e)
				       : err_sys(e, EX_TEMPFAIL, "cannot open %s", REST_MOVE_READY);
	}
	/* that nobody else keeps the store; and what it wrote before is settled, and goes at the
	 * closing */
	rc = journal_open(&j, dir, JOURNAL_KEEP, e);
	if (rc == 0) {
		rc = put(dir, ready, e);
		*how = rc == 0 ? REST_FINISHED : REST_NOTHING;
		journal_close(j);
	}
	(void)close(ready);
	return rc;
}
