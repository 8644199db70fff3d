/* The ids that each user has sent; see sent.h for the states. */
#include "sent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"

enum { NAME_BYTES = USER_NAME_MAX + 8, PIECE = 1024 * SENT_RECORD };

static void old_name(char out[static NAME_BYTES], const char *user)
{
	(void)snprintf(out, NAME_BYTES, "%.32s.old", user);
}

/* --- locks: one file, a byte of it for each id, and for each user --- */

static int lock_byte(const struct sent *s, off_t at)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
	int rc;

	do {
		rc = fcntl(s->lock, F_SETLKW, &lock);
	} while (rc != 0 && errno == EINTR);
	return rc;
}

static void unlock_byte(const struct sent *s, off_t at)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	(void)fcntl(s->lock, F_SETLK, &lock);
}

/* Bytes from here on are for ids; those below, one for each user, for who appends. */
enum { ID_BYTES_FROM = 1 << 30 };

/* Ids are random: two that share a byte only wait for each other. */
static off_t byte_of(const uint8_t id[static MAILBOX_ID_BYTES])
{
	struct cursor c = cursor_over(id, MAILBOX_ID_BYTES);

	return ID_BYTES_FROM + (off_t)(get_u64le(&c) >> 3);
}

/* FNV-1a, and so may users. */
static off_t byte_of_user(const char *user)
{
	uint32_t h = 2166136261u;

	for (; *user != '\0'; user++) {
		h = (h ^ (uint8_t)*user) * 16777619u;
	}
	return (off_t)(h % ID_BYTES_FROM);
}

/* --- the files --- */

static int no_record(const struct sent *s, const char *what, struct err *e)
{
	return err_sys(e, EX_TEMPFAIL, "cannot %s %s/%s", what, SENT_FOLDER, s->user);
}

static int open_lock(struct sent *s, off_t at, struct err *e)
{
	s->lock = openat(s->dir, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return s->lock >= 0 && lock_byte(s, at) == 0 ? 0 : no_record(s, "lock", e);
}

static int open_folder(struct sent *s, int root, struct err *e)
{
	s->dir = openat(root, SENT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0 && errno == ENOENT) {
		if (mkdirat(root, SENT_FOLDER, 0700) != 0 && errno != EEXIST) {
			return err_sys(e, EX_TEMPFAIL, "cannot create %s", SENT_FOLDER);
		}
		if (file_sync(root, "the folder of mailboxes", e) != 0) {
			return -1;
		}
		s->dir = openat(root, SENT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return s->dir >= 0 ? 0 : err_sys(e, EX_TEMPFAIL, "cannot open %s", SENT_FOLDER);
}

/* Look for an id in one file. 1 with where it stands and its state, 0, or -1. */
static int search(
	int fd, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t *at, enum sent_state *state)
{
	uint8_t piece[PIECE];
	ssize_t n;

	for (off_t from = 0; (n = pread(fd, piece, sizeof piece, from)) != 0; from += n) {
		if (n < 0) {
			return -1;
		}
		n -= n % SENT_RECORD; /* what a crash cut short at the end is no record */
		if (n == 0) {
			break;
		}
		for (ssize_t i = 0; i < n; i += SENT_RECORD) {
			if (memcmp(piece + i, id, MAILBOX_ID_BYTES) == 0) {
				*at = (uint64_t)(from + i);
				*state = piece[i + MAILBOX_ID_BYTES] == SENT_DONE ? SENT_DONE
										  : SENT_BEGUN;
				return 1;
			}
		}
	}
	return 0;
}

static int open_file(const struct sent *s, bool old, int flags)
{
	char name[NAME_BYTES];

	old_name(name, s->user);
	return openat(s->dir, old ? name : s->user, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
}

/* The newer file, then the older: one that is turned over meanwhile has been searched. s->fd is the
 * file that holds the id, or else the newer one (create: made, if there is none). 1, 0 or -1. */
static int find(struct sent *s, const uint8_t id[static MAILBOX_ID_BYTES], int create,
	enum sent_state *state, struct err *e)
{
	int newer = open_file(s, false, create), older, rc;

	if (newer < 0 && errno != ENOENT) {
		return no_record(s, "open", e);
	}
	s->fd = newer;
	rc = newer < 0 ? 0 : search(newer, id, &s->at, state);
	if (rc != 0) {
		return rc < 0 ? no_record(s, "read", e) : rc;
	}
	older = open_file(s, true, 0);
	if (older < 0) {
		return errno == ENOENT ? 0 : no_record(s, "open", e);
	}
	rc = search(older, id, &s->at, state);
	if (rc == 0) {
		(void)close(older);
		return 0;
	}
	if (newer >= 0) {
		(void)close(newer);
	}
	s->fd = older;
	return rc < 0 ? no_record(s, "read", e) : rc;
}

/* The newer file is full: it becomes the older one. */
static int turn_over(struct sent *s, struct err *e)
{
	char name[NAME_BYTES];

	old_name(name, s->user);
	(void)close(s->fd);
	s->fd = -1;
	if (renameat(s->dir, s->user, s->dir, name) != 0) {
		return no_record(s, "rename", e);
	}
	s->fd = open_file(s, false, O_CREAT);
	return s->fd >= 0 ? 0 : no_record(s, "create", e);
}

/* BEGUN, on disk: the record, and the file's name. */
static int write_begun(struct sent *s, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	uint8_t record[SENT_RECORD];

	memcpy(record, id, MAILBOX_ID_BYTES);
	record[MAILBOX_ID_BYTES] = SENT_BEGUN;
	if (pwrite(s->fd, record, sizeof record, (off_t)s->at) != (ssize_t)sizeof record) {
		return no_record(s, "write", e);
	}
	if (fdatasync(s->fd) != 0) {
		return no_record(s, "sync", e);
	}
	return s->at == 0 ? file_sync(s->dir, SENT_FOLDER, e) : 0;
}

/* Behind the last record. The caller holds the user's byte. */
static int append(struct sent *s, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	struct stat st;

	if (fstat(s->fd, &st) != 0) {
		return no_record(s, "look at", e);
	}
	if (st.st_size >= (off_t)SENT_MAX * SENT_RECORD) {
		if (turn_over(s, e) != 0) {
			return -1;
		}
		st.st_size = 0;
	}
	s->at = (uint64_t)(st.st_size - st.st_size % SENT_RECORD);
	return write_begun(s, id, e);
}

/* --- claiming --- */

/* Another process may have turned the files over since ours was opened. */
static int reopen(struct sent *s, struct err *e)
{
	struct stat ours, named;

	if (fstat(s->fd, &ours) != 0) {
		return no_record(s, "look at", e);
	}
	if (fstatat(s->dir, s->user, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		named.st_ino == ours.st_ino) {
		return 0;
	}
	(void)close(s->fd);
	s->fd = open_file(s, false, O_CREAT);
	return s->fd >= 0 ? 0 : no_record(s, "open", e);
}

static int begin(struct sent *s, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	int rc;

	if (lock_byte(s, byte_of_user(s->user)) != 0) {
		return no_record(s, "lock", e);
	}
	rc = reopen(s, e) != 0 ? -1 : append(s, id, e);
	unlock_byte(s, byte_of_user(s->user));
	return rc;
}

int sent_claim(struct sent *s, int root, const char *user,
	const uint8_t id[static MAILBOX_ID_BYTES], enum sent_state *state, struct err *e)
{
	int rc;

	*s = (struct sent){.dir = -1, .lock = -1, .fd = -1, .user = user};
	*state = SENT_NEW;
	if (open_folder(s, root, e) != 0) {
		return -1;
	}
	if (open_lock(s, byte_of(id), e) != 0) {
		return -1;
	}
	rc = find(s, id, O_CREAT, state, e);
	if (rc == 0) {
		return begin(s, id, e);
	}
	/* who wrote it may have died before it was on disk */
	return rc > 0 && *state == SENT_BEGUN ? write_begun(s, id, e) : rc < 0 ? -1 : 0;
}

int sent_done(const struct sent *s)
{
	uint8_t state = SENT_DONE;

	return pwrite(s->fd, &state, 1, (off_t)(s->at + MAILBOX_ID_BYTES)) == 1 ? 0 : -1;
}

void sent_release(struct sent *s)
{
	const int fds[] = {s->fd, s->lock, s->dir};

	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fds[i] >= 0) {
			(void)close(fds[i]); /* the locks go with it */
		}
	}
}

int sent_settle(
	int root, const char *user, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	struct sent s = {.dir = -1, .lock = -1, .fd = -1, .user = user};
	enum sent_state state;
	int rc;

	s.dir = openat(root, SENT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.dir < 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot open %s", SENT_FOLDER);
	}
	if (!user_name_valid(user)) { /* a damaged message has none */
		sent_release(&s);
		return 0;
	}
	/* a retry that looks for the message has seen it, or sees DONE; then the user's byte, as
	 * in a claim: the files are not turned over meanwhile */
	rc = open_lock(&s, byte_of(id), e);
	if (rc == 0 && lock_byte(&s, byte_of_user(user)) != 0) {
		rc = no_record(&s, "lock", e);
	}
	rc = rc == 0 ? find(&s, id, 0, &state, e) : rc;
	if (rc > 0) {
		rc = sent_done(&s) == 0 && fdatasync(s.fd) == 0 ? 0 : no_record(&s, "write", e);
	}
	sent_release(&s);
	return rc;
}
