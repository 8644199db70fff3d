/* Mail in folders that are no mailboxes, and would stay behind; see rest_plan.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "rest_plan.h"

/* The first bytes of a file: of a folder or the like there are none. 0, or -1. */
static int read_head(int fd, const char *name, struct buf *head, struct err *e)
{
	struct stat st;
	int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc = 0;
	ssize_t n = 0;

	head->n = 0;
	if (file < 0) { /* a link; gone; or what the server has not written */
		return errno == ELOOP || errno == ENOENT || errno == EACCES || errno == ENXIO
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot read %s", name);
	}
	if (fstat(file, &st) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot look at %s", name);
	} else if (S_ISREG(st.st_mode)) {
		n = file_read_at(file, head->p, MAILBOX_HEAD_MAX, 0);
		rc = n < 0 ? err_sys(e, EX_TEMPFAIL, "cannot read %s", name) : 0;
	}
	head->n = n > 0 ? (size_t)n : 0;
	(void)close(file);
	return rc;
}

/* Is it what rest_name() makes? */
static bool is_sealed_name(const char *folder)
{
	return folder[0] == 'u' && strlen(folder) == USER_NAME_MAX &&
	       strspn(folder + 1, "0123456789abcdef") == USER_NAME_MAX - 1;
}

/* Is this mail? What is encrypted and damaged is known by its folder alone. */
static bool is_mail(const struct rest_moving *g, const char *folder, const struct buf *head)
{
	struct mailbox_meta meta;
	size_t content_at;

	return g->m->from == NULL ? g->m->describe(head->p, head->n, &meta, NULL, &content_at) == 0
				  : is_sealed_name(folder) || rest_describe(head->p, head->n, &meta,
								      NULL, &content_at) == 0;
}

/* Always -1. */
static int told(const struct rest_moving *g, const char *folder, const char *name, struct err *e)
{
	if (g->m->from == NULL) {
		err_set(e, EX_DATAERR, "%s/%s is mail, but %s has no account", folder, name,
			folder);
		return err_hint(e, "move %s away first, or add the account", folder);
	}
	err_set(e, EX_DATAERR, "%s/%s is mail, and nothing says whose", folder, name);
	return err_hint(e, "start the server once, which may know; or move %s away", folder);
}

static int look_into(
	const struct rest_moving *g, int fd, const char *folder, struct buf *head, struct err *e)
{
	DIR *d = file_read_names(fd);
	const struct dirent *entry;
	int rc = d == NULL ? err_sys(e, EX_TEMPFAIL, "cannot read %s", folder) : 0;

	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		rc = read_head(fd, entry->d_name, head, e);
		if (rc == 0 && is_mail(g, folder, head)) {
			rc = told(g, folder, entry->d_name, e);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", folder);
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	return rc;
}

int rest_check_stray(const struct rest_moving *g, const char *folder, struct err *e)
{
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct buf head = {0};
	int fd = folder[0] == '.' ? -1 : openat(g->m->dir, folder, how), rc;

	if (fd < 0) { /* what is hidden is the store's own; what may not be read is no server's */
		return folder[0] == '.' || errno == ENOTDIR || errno == ELOOP || errno == ENOENT ||
				       (errno == EACCES && !user_name_valid(folder))
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot open %s", folder);
	}
	rc = buf_reserve(&head, MAILBOX_HEAD_MAX) != 0
		     ? err_set(e, EX_TEMPFAIL, "cannot convert the mail: out of memory")
		     : look_into(g, fd, folder, &head, e);
	buf_free(&head);
	(void)close(fd);
	return rc;
}
