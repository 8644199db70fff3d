/* The ids that each user has sent; see sent.h. */
#include "sent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "table.h"

static const struct table_kind kind = {.magic = "S361SNT2", .tag_n = TABLE_ENTRY};

enum {
	NAME_BYTES = USER_NAME_MAX + 8,
	FILLED = 192,     /* of 256 entries to a block, before there are twice as many blocks */
	BLOCKS_MAX = 512, /* 2 MiB: half full with SENT_MAX */
	FORMER_RECORD = MAILBOX_ID_BYTES + 1,
	FORMER_DONE = 'D' /* what was only begun may never have been delivered */
};

enum which { NEWER, OLDER, FRESH };

static const char *name_of(const struct sent *s, enum which which, char out[static NAME_BYTES])
{
	static const char *const suffix[] = {[NEWER] = "", [OLDER] = ".old", [FRESH] = ".new"};

	(void)snprintf(out, NAME_BYTES, "%.32s%s", s->user, suffix[which]);
	return out;
}

static int no_file(const struct sent *s, enum which which, const char *what, struct err *e)
{
	char name[NAME_BYTES];

	return err_sys(
		e, EX_TEMPFAIL, "cannot %s %s/%s", what, SENT_FOLDER, name_of(s, which, name));
}

/* --- locks: one file, a byte of it for each id, and for each user --- */

/* Of the open file, not of the process: another descriptor of the lock file that is closed takes
 * none of them along. */
static int lock_byte(const struct sent *s, off_t at, struct err *e)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
	int rc;

	do {
		rc = fcntl(s->lock, F_OFD_SETLKW, &lock);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : no_file(s, NEWER, "lock", e);
}

/* Bytes from here on are for ids; those below, one for each user, for who changes the files. */
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
	return (off_t)(fnv1a(user, strlen(user)) % ID_BYTES_FROM);
}

/* Nobody holds a user's byte while waiting for an id's. */
static int take_user(const struct sent *s, struct err *e)
{
	return lock_byte(s, byte_of_user(s->user), e);
}

static void give_user(const struct sent *s)
{
	struct flock lock = {.l_type = F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = byte_of_user(s->user),
		.l_len = 1};

	(void)fcntl(s->lock, F_OFD_SETLK, &lock);
}

/* --- opening --- */

static int open_regular(int dir, const char *name, int flags)
{
	struct stat st;
	int fd = openat(
		dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags, 0600);
	int why = fd < 0 ? 0 : fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;

	if (why != 0) {
		(void)close(fd);
		errno = why;
	}
	return why != 0 ? -1 : fd;
}

/* s->dir stays -1 when there is no folder. */
static int open_folder(struct sent *s, int root, const char *user, struct err *e)
{
	*s = (struct sent){.dir = -1, .lock = -1, .user = user};
	s->dir = openat(root, SENT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return s->dir >= 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot open %s", SENT_FOLDER);
}

/* Where the lock file is, the folder's own name is on disk: whoever has to make it syncs that
 * first. */
static int open_lock(struct sent *s, int root, struct err *e)
{
	s->lock = open_regular(s->dir, ".lock", 0);
	if (s->lock < 0 && errno == ENOENT) {
		if (file_sync(root, "the folder of mailboxes", e) != 0) {
			return -1;
		}
		s->lock = open_regular(s->dir, ".lock", O_CREAT);
	}
	return s->lock >= 0 ? 0 : err_sys(e, EX_TEMPFAIL, "cannot open %s/.lock", SENT_FOLDER);
}

static int open_all(struct sent *s, int root, const char *user, struct err *e)
{
	if (open_folder(s, root, user, e) != 0) {
		return -1;
	}
	if (s->dir < 0) {
		if (mkdirat(root, SENT_FOLDER, 0700) != 0 && errno != EEXIST) {
			return err_sys(e, EX_TEMPFAIL, "cannot create %s", SENT_FOLDER);
		}
		if (open_folder(s, root, user, e) != 0) {
			return -1;
		}
	}
	return open_lock(s, root, e);
}

static int open_file(const struct sent *s, enum which which)
{
	char name[NAME_BYTES];

	return open_regular(s->dir, name_of(s, which, name), 0);
}

static int rename_file(const struct sent *s, enum which from, enum which to, struct err *e)
{
	char old[NAME_BYTES], new[NAME_BYTES];

	return renameat(s->dir, name_of(s, from, old), s->dir, name_of(s, to, new)) == 0
		       ? 0
		       : no_file(s, from, "rename", e);
}

/* --- whole new files; the user's byte is held --- */

static int add_former(struct table_new *n, int fd)
{
	uint8_t piece[1024 * FORMER_RECORD], entry[TABLE_ENTRY];
	ssize_t k = FORMER_RECORD;

	for (off_t at = 0; k > 0 && at < (off_t)SENT_MAX * FORMER_RECORD; at += k) {
		k = file_read_at(fd, piece, sizeof piece, (uint64_t)at);
		if (k < 0) {
			return -1;
		}
		k -= k % FORMER_RECORD; /* what a crash cut short at the end is no record */
		for (ssize_t i = 0; i < k; i += FORMER_RECORD) {
			if (piece[i + MAILBOX_ID_BYTES] == FORMER_DONE) {
				table_entry(&n->t, piece + i, NULL, entry);
				table_add(n, entry);
			}
		}
	}
	return 0;
}

/* What a new file is made from. */
struct source {
	const struct table *table; /* NULL: none */
	int former;                /* a file that may have the former layout; -1: none */
	uint32_t blocks;
};

static const struct source nothing = {.former = -1, .blocks = 1};

static int fill(int fd, const struct source *from)
{
	struct table_new n;
	int rc = table_begin(
		&n, &kind, fd, from->blocks, from->table == NULL ? NULL : from->table->key);

	if (rc == 0 && from->table != NULL) {
		rc = table_add_all(&n, from->table);
	} else if (rc == 0 && from->former >= 0) {
		rc = add_former(&n, from->former);
	}
	rc = table_finish(&n) != 0 ? -1 : rc;
	/* ids of which the journal tells no more may be among them */
	return rc == 0 && n.t.count > 0 ? fdatasync(fd) : rc;
}

static int replace(const struct sent *s, enum which which, const struct source *from, struct err *e)
{
	char fresh[NAME_BYTES];
	int fd, rc;

	/* what a crash left */
	if (unlinkat(s->dir, name_of(s, FRESH, fresh), 0) != 0 && errno != ENOENT) {
		return no_file(s, which, "create", e);
	}
	fd = openat(s->dir, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return no_file(s, which, "create", e);
	}
	rc = fill(fd, from) != 0 ? no_file(s, which, "write", e) : rename_file(s, FRESH, which, e);
	(void)close(fd);
	if (rc != 0) {
		(void)unlinkat(s->dir, fresh, 0);
	}
	return rc;
}

/* A file that is no table. */
static int take_over(const struct sent *s, enum which which, int fd, struct err *e)
{
	struct source from = {.former = fd, .blocks = 1};
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return no_file(s, which, "look at", e);
	}
	while (from.blocks < BLOCKS_MAX &&
		st.st_size / FORMER_RECORD > (off_t)from.blocks * FILLED) {
		from.blocks *= 2;
	}
	return replace(s, which, &from, e);
}

/* --- tables --- */

/* 1; 0 when there is no such file; -1. The user's byte is held, or else is while a file is taken
 * over. */
static int open_table(
	const struct sent *s, enum which which, bool held, struct table *t, struct err *e)
{
	int fd = open_file(s, which), rc;

	if (fd < 0) {
		return errno == ENOENT ? 0 : no_file(s, which, "open", e);
	}
	rc = table_open(t, &kind, fd);
	if (rc > 0) {
		return 1;
	}
	rc = rc < 0 ? no_file(s, which, "read", e) : 0;
	if (rc == 0 && held) {
		rc = take_over(s, which, fd, e);
	}
	(void)close(fd);
	if (rc != 0) {
		return -1;
	}
	if (held) {
		fd = open_file(s, which);
		return fd >= 0 && table_open(t, &kind, fd) > 0 ? 1 : no_file(s, which, "open", e);
	}
	if (take_user(s, e) != 0) {
		return -1;
	}
	rc = open_table(s, which, true, t, e);
	give_user(s);
	return rc;
}

/* 1, 0 or -1. The newer file first: one that is turned over meanwhile has been searched. */
static int is_known(
	const struct sent *s, bool held, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	int rc = 0;

	for (enum which w = NEWER; w <= OLDER && rc == 0; w++) {
		uint8_t entry[TABLE_ENTRY], found[TABLE_ENTRY];
		struct table t;
		rc = open_table(s, w, held, &t, e);
		if (rc > 0) {
			table_entry(&t, id, NULL, entry);
			rc = table_find(&t, entry, found);
			rc = rc < 0 ? no_file(s, w, "read", e) : rc;
			(void)close(t.fd);
		}
	}
	return rc;
}

/* --- room; the user's byte is held --- */

static bool is_full(const struct table *t)
{
	return t->count >= SENT_MAX || t->count >= t->blocks * FILLED;
}

static int make_room(const struct sent *s, const struct table *t, struct err *e)
{
	const struct source from = {.table = t, .former = -1, .blocks = t->blocks * 2};

	if (t->count < SENT_MAX && t->blocks < BLOCKS_MAX) {
		return replace(s, NEWER, &from, e);
	}
	return rename_file(s, NEWER, OLDER, e) == 0 ? replace(s, NEWER, &nothing, e) : -1;
}

/* The newer file, made if there is none. 0 or -1. */
static int open_newer(const struct sent *s, struct table *t, struct err *e)
{
	int rc = open_table(s, NEWER, true, t, e);

	if (rc == 0) {
		rc = replace(s, NEWER, &nothing, e);
		rc = rc == 0 ? open_table(s, NEWER, true, t, e) : rc;
	}
	return rc > 0 ? 0 : rc < 0 ? -1 : no_file(s, NEWER, "open", e);
}

static int add_to(struct table *t, const uint8_t id[static MAILBOX_ID_BYTES])
{
	uint8_t entry[TABLE_ENTRY];
	int rc;

	table_entry(t, id, NULL, entry);
	rc = table_put(t, entry);
	return rc == TABLE_ADDED ? table_set_count(t, t->count + 1) : rc;
}

/* Put an id (NULL: none, but see that the file is there). early: make room where the count asks for
 * it, and not only where nothing goes in any more. 0 or -1. */
static int put(const struct sent *s, const uint8_t *id, bool early, struct err *e)
{
	struct table t;
	int rc = TABLE_FULL;

	while (rc == TABLE_FULL) {
		if (open_newer(s, &t, e) != 0) {
			return -1;
		}
		if (!early || !is_full(&t)) {
			rc = id == NULL ? 0 : add_to(&t, id);
			rc = rc < 0 ? no_file(s, NEWER, "write", e) : rc;
		}
		if (rc == TABLE_FULL && make_room(s, &t, e) != 0) {
			rc = -1;
		}
		(void)close(t.fd);
	}
	return rc;
}

/* --- claiming, noting --- */

static int prepare(const struct sent *s, struct err *e)
{
	struct table t;
	int fd = open_file(s, NEWER), rc;
	bool ready = fd >= 0 && table_open(&t, &kind, fd) > 0 && !is_full(&t);

	if (fd >= 0) {
		(void)close(fd);
	}
	if (ready) { /* almost always, and the user's byte is left to others */
		return 0;
	}
	rc = take_user(s, e);
	rc = rc == 0 ? put(s, NULL, true, e) : rc;
	give_user(s);
	return rc;
}

int sent_claim(struct sent *s, int root, const char *user,
	const uint8_t id[static MAILBOX_ID_BYTES], bool *known, struct err *e)
{
	int rc;

	*s = (struct sent){.dir = -1, .lock = -1, .user = user};
	*known = false;
	if (!user_name_valid(user)) {
		return err_set(
			e, EX_TEMPFAIL, "cannot note what \"%s\" sends: no user's name", user);
	}
	if (open_all(s, root, user, e) != 0 || lock_byte(s, byte_of(id), e) != 0) {
		return -1;
	}
	rc = is_known(s, false, id, e);
	*known = rc > 0;
	return rc == 0 ? prepare(s, e) : rc < 0 ? -1 : 0;
}

int sent_add(struct sent *s, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	int rc;

	if (take_user(s, e) != 0) {
		return -1;
	}
	rc = put(s, id, false, e);
	give_user(s);
	return rc;
}

void sent_release(struct sent *s)
{
	if (s->lock >= 0) {
		(void)close(s->lock); /* the locks go with it */
	}
	if (s->dir >= 0) {
		(void)close(s->dir);
	}
	s->lock = s->dir = -1;
}

int sent_note(int root, const char *user, const uint8_t id[static MAILBOX_ID_BYTES], struct err *e)
{
	struct sent s;
	int rc;

	if (!user_name_valid(user)) {
		return 0;
	}
	rc = open_all(&s, root, user, e) != 0 ? -1 : take_user(&s, e);
	rc = rc == 0 ? is_known(&s, true, id, e) : rc;
	rc = rc == 0 ? put(&s, id, true, e) : rc;
	sent_release(&s);
	return rc < 0 ? -1 : 0;
}

/* --- syncing --- */

/* After a sync that failed the system may hold for written what is not: the next one would tell
 * nothing. What the table holds goes into a new file, and until that is done it is suspect. */
static int write_anew(struct sent *s, int root, enum which which, struct err *e)
{
	struct table t;
	int rc = s->lock < 0 ? open_lock(s, root, e) : 0;

	rc = rc == 0 ? take_user(s, e) : rc;
	rc = rc == 0 ? open_table(s, which, true, &t, e) : rc;
	if (rc > 0) {
		const struct source from = {.table = &t, .former = -1, .blocks = t.blocks};
		rc = replace(s, which, &from, e);
		(void)close(t.fd);
	}
	give_user(s);
	return rc;
}

static int sync_file(struct sent *s, int root, enum which which, struct err *e)
{
	struct table t;
	int fd = open_file(s, which), rc;

	if (fd < 0) {
		return errno == ENOENT ? 0 : no_file(s, which, "open", e);
	}
	rc = table_open(&t, &kind, fd);
	if (rc < 0) {
		rc = no_file(s, which, "read", e);
	} else if (rc > 0) { /* otherwise nothing was ever noted in it */
		rc = 0;
		if (t.suspect || fdatasync(fd) != 0) {
			(void)table_set_suspect(&t);
			rc = write_anew(s, root, which, e);
		}
	}
	(void)close(fd);
	return rc;
}

int sent_sync(int root, const char *user, struct err *e)
{
	struct sent s;
	int rc;

	if (!user_name_valid(user)) {
		return 0;
	}
	rc = open_folder(&s, root, user, e);
	if (rc == 0 && s.dir >= 0) {
		/* in this order: one that is turned over meanwhile is synced */
		rc = sync_file(&s, root, NEWER, e);
		rc = rc == 0 ? sync_file(&s, root, OLDER, e) : rc;
		rc = rc == 0 ? file_sync(s.dir, SENT_FOLDER, e) : rc;
	}
	sent_release(&s);
	return rc;
}
