/* Files of messages that are not in a mailbox yet; see spool.h. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../crypto/file.h"
#include "../crypto/random.h"

#define DRAFT_PREFIX "tmp."

/* A disk that cannot be written still serves what it holds. */
void spool_open(struct spool *s, int root, bool make)
{
	if (make) {
		(void)!mkdirat(root, SPOOL_FOLDER, 0700);
	}
	s->dir = openat(root, SPOOL_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	s->why = s->dir < 0 ? errno : 0;
	s->named_only = false;
}

void spool_close(struct spool *s)
{
	if (s->dir >= 0) {
		(void)close(s->dir);
	}
	s->dir = -1;
}

/* --- a file that is being written --- */

/* An inode without a name, or -1: then the portable way is taken. */
static int create_unnamed(struct spool *s, struct spool_file *f)
{
	if (s->named_only) {
		return -1;
	}
	f->fd = openat(s->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (f->fd < 0) {
		s->named_only = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
		return -1;
	}
	(void)snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
	if (access(f->path, F_OK) != 0) { /* no /proc: it could not be linked */
		(void)close(f->fd);
		f->fd = -1;
		s->named_only = true;
		return -1;
	}
	return 0;
}

static int create_named(struct spool *s, struct spool_file *f, struct err *e)
{
	uint8_t random[MAILBOX_ID_BYTES];
	char hex[2 * sizeof random + 1];

	if (random_bytes(random, sizeof random, e) != 0) {
		return -1;
	}
	hex_encode(hex, random, sizeof random);
	(void)snprintf(f->name, sizeof f->name, DRAFT_PREFIX "%s", hex);
	f->fd = openat(s->dir, f->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0) {
		f->name[0] = '\0';
		return err_sys(e, EX_TEMPFAIL, "cannot create a message in %s", SPOOL_FOLDER);
	}
	return 0;
}

int spool_create(struct spool *s, struct spool_file *f, struct err *e)
{
	*f = (struct spool_file){.fd = -1};
	if (s->dir < 0) {
		errno = s->why;
		return err_sys(e, EX_TEMPFAIL, "cannot open %s", SPOOL_FOLDER);
	}
	if (create_unnamed(s, f) == 0 || create_named(s, f, e) == 0) {
		if (flock(f->fd, LOCK_EX | LOCK_NB) == 0) {
			return 0;
		}
		err_sys(e, EX_TEMPFAIL, "cannot lock a message");
	}
	spool_discard(s, f);
	return -1;
}

void spool_mark(const struct spool_file *f, const struct mailbox_meta *meta)
{
	uint8_t beside[SPOOL_XATTR_BYTES];

	memcpy(beside, meta->id, sizeof meta->id);
	put_u64le(beside + sizeof meta->id, (uint64_t)meta->time_us);
	(void)!fsetxattr(f->fd, SPOOL_XATTR, beside, sizeof beside, 0); /* or no attributes here */
}

struct box_source spool_source(const struct spool *s, const struct spool_file *f)
{
	bool unnamed = f->name[0] == '\0';

	return (struct box_source){.dir = unnamed ? AT_FDCWD : s->dir,
		.path = unnamed ? f->path : f->name,
		.flags = unnamed ? AT_SYMLINK_FOLLOW : 0};
}

void spool_discard(const struct spool *s, struct spool_file *f)
{
	if (f->name[0] != '\0') {
		(void)unlinkat(s->dir, f->name, 0); /* else swept at the next start */
	}
	if (f->fd >= 0) {
		(void)close(f->fd);
	}
	*f = (struct spool_file){.fd = -1};
}

/* --- names --- */

void spool_key_name(char out[static SPOOL_KEY_NAME + 1], const uint8_t key[static ENTRY_KEY])
{
	hex_encode(out, key, ENTRY_KEY);
}

int spool_name(struct spool *s, const struct spool_file *f, const uint8_t key[static ENTRY_KEY],
	struct err *e)
{
	struct box_source from = spool_source(s, f);
	char name[SPOOL_KEY_NAME + 1];

	spool_key_name(name, key);
	if (linkat(from.dir, from.path, s->dir, name, from.flags) == 0) {
		return 0;
	}
	return errno == EEXIST ? 1 : err_sys(e, EX_TEMPFAIL, "cannot link into %s", SPOOL_FOLDER);
}

int spool_unname(const struct spool *s, const uint8_t key[static ENTRY_KEY], struct err *e)
{
	char name[SPOOL_KEY_NAME + 1];

	spool_key_name(name, key);
	return unlinkat(s->dir, name, 0) == 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot unlink from %s", SPOOL_FOLDER);
}

/* --- sweeping --- */

/* Nobody is writing it: its lock can be had. */
static bool is_orphan(const struct spool *s, const char *name)
{
	int fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool orphan = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return orphan;
}

bool spool_is_live(const struct spool *s, const uint8_t key[static ENTRY_KEY])
{
	char name[SPOOL_KEY_NAME + 1];

	spool_key_name(name, key);
	return !is_orphan(s, name) && faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

enum { DRAFT, KEY, NOT_OURS };

static int kind_of(const char *name, uint8_t key[static ENTRY_KEY])
{
	if (strncmp(name, DRAFT_PREFIX, strlen(DRAFT_PREFIX)) == 0) {
		return DRAFT;
	}
	return strlen(name) == SPOOL_KEY_NAME &&
			       hex_decode(key, ENTRY_KEY, name, SPOOL_KEY_NAME) == 0
		       ? KEY
		       : NOT_OURS;
}

bool spool_is_ours(const char *name)
{
	uint8_t key[ENTRY_KEY];

	return kind_of(name, key) != NOT_OURS;
}

/* Drafts go; the keys of orphans are kept. */
static int sweep_drafts(const struct spool *s, struct buf *keys, struct err *e)
{
	uint8_t key[ENTRY_KEY];
	const struct dirent *entry;
	int rc = 0;
	DIR *d = file_read_names(s->dir);

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read %s", SPOOL_FOLDER);
	}
	while ((errno = 0, entry = readdir(d)) != NULL) {
		int kind = kind_of(entry->d_name, key);
		if (kind == NOT_OURS || !is_orphan(s, entry->d_name)) {
			continue;
		}
		if (kind == KEY && buf_append(keys, key, sizeof key) != 0) {
			rc = err_set(e, EX_TEMPFAIL, "out of memory");
		}
		if (kind == DRAFT && unlinkat(s->dir, entry->d_name, 0) != 0 && errno != ENOENT) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot unlink from %s", SPOOL_FOLDER);
		}
	}
	if (errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", SPOOL_FOLDER);
	}
	(void)closedir(d);
	return rc;
}

int spool_sweep(const struct spool *s, spool_drop_wanted *drop_wanted, void *arg, struct err *e)
{
	struct buf keys = {0};
	int rc;

	if (s->dir < 0) {
		errno = s->why;
		return err_sys(
			e, EX_TEMPFAIL, "nothing can be delivered: cannot open %s", SPOOL_FOLDER);
	}
	rc = sweep_drafts(s, &keys, e);
	if (rc == 0 && keys.n > 0) {
		rc = drop_wanted(arg, &keys, e);
	}
	for (size_t at = 0; rc == 0 && at < keys.n; at += ENTRY_KEY) {
		rc = spool_unname(s, keys.p + at, e);
	}
	buf_free(&keys);
	return rc;
}
