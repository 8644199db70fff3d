/* Writing a Maildir: each message into tmp, synced, then renamed into new, as
 * SECONDS.MMICROSECONDS_ID.smtp361: by the id in its name it is found again, wherever a mail
 * program has moved it. Messages are synced many at once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "export_out.h"

#define NAME_END ".smtp361"
enum {
	BATCH = 512,
	FEW = 8, /* are synced one by one: nobody else's data is waited for */
	ID_HEX = 2 * MAILBOX_ID_BYTES,
	NAME_BYTES = 96
};

struct maildir_out {
	struct export_out base; /* first */
	const char *path;
	int dir, tmp, new, cur;
	struct ids there;
	FILE *to;                  /* the message in hand; NULL: none */
	char (*names)[NAME_BYTES]; /* owned, BATCH: in tmp, not in new yet */
	size_t names_n;
};

/* The name in tmp: another export may be at work. */
static void temporary_name(char out[static NAME_BYTES + 16], const char *name)
{
	(void)snprintf(out, NAME_BYTES + 16, "%s.%ld", name, (long)getpid());
}

static bool has(const struct export_out *out, const struct mailbox_meta *meta)
{
	return ids_has(&((const struct maildir_out *)out)->there, meta->id);
}

static int begin(
	struct export_out *out, const struct mailbox_meta *meta, const char *sender, struct err *e)
{
	struct maildir_out *o = (struct maildir_out *)out;
	char hex[ID_HEX + 1], temporary[NAME_BYTES + 16], *name = o->names[o->names_n];
	int fd;

	(void)sender;
	hex_encode(hex, meta->id, MAILBOX_ID_BYTES);
	(void)snprintf(name, NAME_BYTES, "%lld.M%06d_%s" NAME_END,
		(long long)(meta->time_us / 1000000), (int)(meta->time_us % 1000000), hex);
	temporary_name(temporary, name);
	(void)unlinkat(o->tmp, temporary, 0); /* of a dead process with our number */
	fd = openat(o->tmp, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	o->to = fd < 0 ? NULL : fdopen(fd, "w");
	if (o->to == NULL) {
		err_sys(e, EX_CANTCREAT, "cannot create a message in %s/tmp", o->path);
		if (fd >= 0) {
			(void)close(fd);
			(void)unlinkat(o->tmp, temporary, 0);
		}
		return -1;
	}
	o->names_n++;
	return ids_add(&o->there, meta->id) < 0 ? err_set(e, EX_TEMPFAIL, "out of memory") : 0;
}

static int put(void *out, const void *p, size_t n, struct err *e)
{
	struct maildir_out *o = out;

	return fwrite(p, 1, n, o->to) == n
		       ? 0
		       : err_sys(e, EX_IOERR, "cannot write a message in %s/tmp", o->path);
}

static int undo(struct export_out *out, struct err *e)
{
	struct maildir_out *o = (struct maildir_out *)out;
	char temporary[NAME_BYTES + 16];

	(void)e;
	if (o->to != NULL) {
		(void)fclose(o->to);
		o->to = NULL;
	}
	temporary_name(temporary, o->names[--o->names_n]);
	(void)unlinkat(o->tmp, temporary, 0);
	return 0;
}

/* --- making it last --- */

static int sync_one(struct maildir_out *o, const char *name, struct err *e)
{
	char temporary[NAME_BYTES + 16];
	int fd, rc;

	temporary_name(temporary, name);
	fd = openat(o->tmp, temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return err_sys(e, EX_IOERR, "cannot sync a message in %s/tmp", o->path);
	}
	rc = file_sync(fd, "a message", e);
	(void)close(fd);
	return rc;
}

static int sync_batch(struct maildir_out *o, struct err *e)
{
	int rc = 0;

	if (o->names_n > FEW) {
		return syncfs(o->tmp) == 0 ? 0
					   : err_sys(e, EX_IOERR, "cannot sync %s/tmp", o->path);
	}
	for (size_t i = 0; rc == 0 && i < o->names_n; i++) {
		rc = sync_one(o, o->names[i], e);
	}
	return rc;
}

static int deliver_batch(struct maildir_out *o, struct err *e)
{
	char temporary[NAME_BYTES + 16];

	if (o->names_n == 0) {
		return 0;
	}
	if (sync_batch(o, e) != 0) {
		return -1;
	}
	while (o->names_n > 0) {
		const char *name = o->names[o->names_n - 1];
		temporary_name(temporary, name);
		if (renameat(o->tmp, temporary, o->new, name) != 0) {
			return err_sys(e, EX_CANTCREAT, "cannot move a message to %s/new", o->path);
		}
		o->names_n--;
	}
	return file_sync(o->new, "new", e);
}

static int end(struct export_out *out, struct err *e)
{
	struct maildir_out *o = (struct maildir_out *)out;
	bool failed = ferror(o->to) != 0;

	if (fclose(o->to) != 0 || failed) {
		o->to = NULL;
		return err_sys(e, EX_IOERR, "cannot write a message in %s/tmp", o->path);
	}
	o->to = NULL;
	return o->names_n == BATCH ? deliver_batch(o, e) : 0;
}

static int finish(struct export_out *out, struct err *e)
{
	return deliver_batch((struct maildir_out *)out, e);
}

static void close_out(struct export_out *out)
{
	struct maildir_out *o = (struct maildir_out *)out;
	const int fds[] = {o->dir, o->tmp, o->new, o->cur};

	while (o->names_n > 0) {
		(void)undo(out, NULL);
	}
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fds[i] >= 0) {
			(void)close(fds[i]);
		}
	}
	ids_free(&o->there);
	free(o->names);
	free(o);
}

static const struct export_ops ops = {has, begin, put, end, undo, finish, close_out};

/* --- what is there --- */

static int open_sub(struct maildir_out *o, const char *name, struct err *e)
{
	int fd;

	if (mkdirat(o->dir, name, 0700) != 0 && errno != EEXIST) {
		return err_sys(e, EX_CANTCREAT, "cannot create %s/%s", o->path, name);
	}
	fd = openat(o->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, EX_CANTCREAT, "cannot open %s/%s", o->path, name);
}

/* The ids in the names of one folder. */
static int take_names(struct maildir_out *o, int dir, struct err *e)
{
	DIR *d = file_read_names(dir);
	const struct dirent *entry;
	uint8_t id[MAILBOX_ID_BYTES];
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_CANTCREAT, "cannot read %s", o->path);
	}
	while (rc >= 0 && (entry = readdir(d)) != NULL) {
		const char *at = strstr(entry->d_name, NAME_END);
		if (at != NULL && at - entry->d_name > ID_HEX && at[-ID_HEX - 1] == '_' &&
			hex_decode(id, sizeof id, at - ID_HEX, ID_HEX) == 0) {
			rc = ids_add(&o->there, id);
		}
	}
	(void)closedir(d);
	return rc < 0 ? err_set(e, EX_TEMPFAIL, "out of memory") : 0;
}

static int open_all(struct maildir_out *o, struct err *e)
{
	bool made = mkdir(o->path, 0700) == 0;

	if (!made && errno != EEXIST) {
		return err_sys(e, EX_CANTCREAT, "cannot create %s", o->path);
	}
	o->dir = file_open_dir(o->path, e);
	if (o->dir < 0) {
		e->code = EX_CANTCREAT;
		return -1;
	}
	if (!made && faccessat(o->dir, "cur", F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		DIR *d = file_read_names(o->dir);
		int n = 0;
		while (d != NULL && readdir(d) != NULL) {
			n++;
		}
		if (d != NULL) {
			(void)closedir(d);
		}
		if (n > 2) {
			return err_set(e, EX_CANTCREAT, "%s exists and is no Maildir", o->path);
		}
	}
	if ((o->tmp = open_sub(o, "tmp", e)) < 0 || (o->new = open_sub(o, "new", e)) < 0 ||
		(o->cur = open_sub(o, "cur", e)) < 0) {
		return -1;
	}
	/* new first: what moves to cur meanwhile is seen there */
	return file_sync(o->dir, o->path, e) != 0 || take_names(o, o->new, e) != 0
		       ? -1
		       : take_names(o, o->cur, e);
}

struct export_out *export_maildir_open(const char *path, struct err *e)
{
	struct maildir_out *o = calloc(1, sizeof *o);

	if (o == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	o->base.ops = &ops;
	o->path = path;
	o->dir = o->tmp = o->new = o->cur = -1;
	o->names = calloc(BATCH, sizeof *o->names);
	if (o->names == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (o->names == NULL || open_all(o, e) != 0) {
		close_out(&o->base);
		return NULL;
	}
	return &o->base;
}
