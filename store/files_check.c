/* Looking at a mailbox of the files engine, and telling what is wrong; nothing is changed. Messages
 * that the index takes for sound are not read here: whoever lists and reads them sees whether they
 * are. What the journal holds is as good as a file. */
#include "files_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../crypto/file.h"
#include "hints.h"
#include "pending.h"
#include "rest.h"

struct folder {
	struct check_finder f;
	const struct box *b;
	mailbox_describe *describe;
	uint8_t *text;     /* owned, MAILBOX_HEAD_MAX: scratch */
	bool trusted;      /* the index and the folder were changed together, and by nobody else */
	bool of_this_life; /* nothing but the keeper, or the last one, has changed the index */
	struct journal *journal;
	struct pending pending;     /* what the journal has */
	struct index_record *known; /* by name; point into the image, and the names below */
	struct buf names;
	bool *seen; /* for each */
	size_t known_n;
	/* ids of those that the index has in the journal, where they are not; sorted */
	struct buf lost;
	bool *lost_seen; /* for each: it is a file */
	uint64_t files, without_id;
};

static int by_name(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;
	size_t n = x->name_n < y->name_n ? x->name_n : y->name_n;
	int d = memcmp(x->name, y->name, n);

	return d != 0 ? d : (x->name_n > y->name_n) - (x->name_n < y->name_n);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, MAILBOX_ID_BYTES);
}

/* The id that was stored with a file's text. */
static bool read_id(const struct folder *fo, const char *name, uint8_t id[static MAILBOX_ID_BYTES])
{
	uint8_t beside[SPOOL_XATTR_BYTES];
	int fd =
		openat(fo->b->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	bool has = fd >= 0 && fgetxattr(fd, SPOOL_XATTR, beside, sizeof beside) == sizeof beside;

	if (fd >= 0) {
		(void)close(fd);
	}
	memcpy(id, beside, has ? MAILBOX_ID_BYTES : 0);
	return has;
}

/* Does the journal have the message of this record, or that it was removed? */
static bool is_journaled(const struct folder *fo, const struct index_record *r)
{
	struct pending_message *m;
	uint8_t key[ENTRY_KEY];

	pending_key(r, key);
	m = pending_find(&fo->pending, key);
	if (m != NULL) {
		m->seen = true;
	}
	return m != NULL || pending_has_removed(&fo->pending, key);
}

/* Why a file is no message, or no whole one. */
static void explain(const struct folder *fo, const char *name, int fd)
{
	struct mailbox_meta meta = {0};
	struct utf8_counter count = {0};
	struct stat st;
	size_t content_at = 0;
	ssize_t n = pread(fd, fo->text, MAILBOX_HEAD_MAX, 0);
	off_t at = 0;

	if (n < 0) {
		check_tell(&fo->f, false, "%s cannot be read: %s", name, strerror(errno));
		return;
	}
	if (fo->describe(fo->text, (size_t)n, &meta, NULL, &content_at) != 0) {
		check_tell(&fo->f, false, "%s has no header of a message", name);
		return;
	}
	if ((meta.chars & MAILBOX_COUNTED) != 0) {
		if (fstat(fd, &st) == 0 && (uint64_t)st.st_size != meta.bytes) {
			check_tell(&fo->f, false, "%s has %llu bytes, and says that it has %llu",
				name, (unsigned long long)st.st_size,
				(unsigned long long)meta.bytes);
		}
		return;
	}
	for (at = (off_t)content_at; n > 0; at += n) {
		n = pread(fd, fo->text, MAILBOX_HEAD_MAX, at);
		(void)utf8_feed(&count, fo->text, n > 0 ? (size_t)n : 0, UINT64_MAX);
	}
	if (n < 0) {
		check_tell(&fo->f, false, "%s cannot be read: %s", name, strerror(errno));
	} else if (count.invalid || count.part_n > 0) {
		check_tell(&fo->f, false, "%s is not UTF-8", name);
	} else if (count.count != meta.chars) {
		check_tell(&fo->f, false, "%s says that it has %llu characters, and has %llu", name,
			(unsigned long long)meta.chars, (unsigned long long)count.count);
	}
}

static void look_inside(const struct folder *fo, const char *name)
{
	int fd =
		openat(fo->b->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		check_tell(&fo->f, false, "%s cannot be opened: %s", name, strerror(errno));
		return;
	}
	explain(fo, name, fd);
	(void)close(fd);
}

static void look_at_hidden(const struct folder *fo, const char *name, const struct stat *st)
{
	if (strcmp(name, ".index") == 0 || strcmp(name, HINTS_FILE) == 0) {
		if (!S_ISREG(st->st_mode)) {
			check_tell(&fo->f, true, "its %s is %s: another one takes its place", name,
				check_kind(st));
		}
	} else if (strcmp(name, ".index.bad") == 0) {
		check_tell(&fo->f, true, "%s is %s that stood in the place of .index", name,
			check_kind(st));
	} else if (strcmp(name, REST_OWNER) == 0 && S_ISREG(st->st_mode)) {
		return; /* of mail at rest */
	} else if (strcmp(name, HINTS_FILE ".new") == 0) {
		check_tell(&fo->f, true, "%s was left by a crash, or is being written", name);
	} else {
		check_tell(&fo->f, true,
			"%s is %s of nobody's: what begins with a dot is no message", name,
			check_kind(st));
	}
}

/* A file of a message that the journal has. */
static bool look_at_settling(const struct folder *fo, const char *name,
	const uint8_t id[static MAILBOX_ID_BYTES], const struct stat *st)
{
	struct pending_message *m = pending_by_id(&fo->pending, id, st->st_ino);
	struct index_record r;

	if (m == NULL) {
		return false;
	}
	m->seen = true;
	pending_record(&fo->pending, m, &r);
	if (r.file.bytes != (uint64_t)st->st_size) {
		check_tell(&fo->f, true,
			"%s is not whole: the journal has it, and the server writes it again "
			"when it starts",
			name);
	}
	return true;
}

static int look_at_file(void *arg, const char *name, struct err *e)
{
	struct folder *fo = arg;
	struct index_record key = {.name = name, .name_n = strlen(name)}, *r;
	uint8_t id[MAILBOX_ID_BYTES], *lost;
	struct stat st;

	if (fstatat(fo->b->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT /* removed meanwhile */
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot look at %s/%s", fo->f.user, name);
	}
	if (name[0] == '.') {
		look_at_hidden(fo, name, &st);
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		check_tell(&fo->f, true, "%s is %s, and no message: it is passed over", name,
			check_kind(&st));
		return 0;
	}
	fo->files++;
	r = fo->known_n == 0 ? NULL
			     : bsearch(&key, fo->known, fo->known_n, sizeof *fo->known, by_name);
	if (r != NULL) {
		fo->seen[r - fo->known] = true;
		(void)is_journaled(fo, r); /* not in the journal alone */
	}
	if (!read_id(fo, name, id)) {
		fo->without_id++;
	} else {
		lost = fo->lost.n == 0
			       ? NULL
			       : bsearch(id, fo->lost.p, fo->lost.n / sizeof id, sizeof id, by_id);
		if (lost != NULL) {
			fo->lost_seen[(size_t)(lost - fo->lost.p) / sizeof id] = true;
		}
		if ((r == NULL || r->file.bytes != (uint64_t)st.st_size) &&
			look_at_settling(fo, name, id, &st)) {
			return 0;
		}
	}
	if (r == NULL || r->damaged || r->file.bytes != (uint64_t)st.st_size) {
		look_inside(fo, name);
	}
	if (r == NULL) {
		if (fo->trusted) {
			check_tell(&fo->f, true, "%s is not in the index: the next listing adds it",
				name);
		}
		return 0;
	}
	if (!r->damaged && r->file.bytes != (uint64_t)st.st_size) {
		check_tell(&fo->f, false, "%s has %llu bytes, and had %llu when it was delivered",
			name, (unsigned long long)st.st_size, (unsigned long long)r->file.bytes);
	}
	return 0;
}

/* What the index lists, and is not there. An index that is older than the folder may list what its
 * owner removed: it is a cache, and not synced. */
static void tell_missing_files(const struct folder *fo)
{
	char id[2 * MAILBOX_ID_BYTES + 1];

	for (size_t i = 0; i < fo->known_n; i++) {
		const struct index_record *r = &fo->known[i];
		if (fo->seen[i] || is_journaled(fo, r)) {
			continue;
		}
		hex_encode(id, r->id, sizeof r->id);
		check_tell(&fo->f, false, "message %s is in the index, and its file %.*s is gone",
			id, (int)r->name_n, r->name);
	}
}

/* What the index has in the journal, and is not there, nor a file. */
static void tell_lost(const struct folder *fo)
{
	char id[2 * MAILBOX_ID_BYTES + 1];

	for (size_t i = 0; i < fo->lost.n / MAILBOX_ID_BYTES; i++) {
		if (fo->lost_seen[i]) {
			continue;
		}
		hex_encode(id, fo->lost.p + i * MAILBOX_ID_BYTES, MAILBOX_ID_BYTES);
		if (fo->of_this_life) {
			check_tell(&fo->f, false,
				"message %s was in the journal, and is neither there nor a file",
				id);
		} else {
			check_tell(&fo->f, true,
				"message %s is not where its index says: the next listing looks",
				id);
		}
	}
}

/* What the journal has, and the index does not. */
static void tell_unlisted(const struct folder *fo)
{
	uint64_t n = 0;

	for (size_t i = 0; i < fo->pending.n; i++) {
		const struct pending_message *m = &fo->pending.messages[i];
		n += m->done && !m->seen && !pending_is_removed(&fo->pending, m) ? 1 : 0;
	}
	if (n > 0) {
		check_tell(&fo->f, true,
			"%llu of its messages are in the journal alone: the next listing adds them",
			(unsigned long long)n);
	}
}

static int add_known(struct folder *fo, size_t *cap, const struct index_record *r, struct err *e)
{
	char name[NAME_MAX + 1];

	if (fo->known_n == *cap) {
		size_t more = *cap == 0 ? 64 : 2 * *cap;
		struct index_record *p = reallocarray(fo->known, more, sizeof *p);
		if (p == NULL) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
		fo->known = p;
		*cap = more;
	}
	fo->known[fo->known_n] = *r;
	fo->known[fo->known_n++].rank = fo->names.n; /* until the names stay where they are */
	index_name(r, name);
	return buf_append(&fo->names, name, strlen(name) + 1) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* The records of files that the index has, by name. 0, or -1. */
static int load_known(struct folder *fo, const struct buf *image, struct err *e)
{
	struct index_record r;
	size_t at = INDEX_HEAD, cap = 0;
	int rc;

	while ((rc = index_next(image, &at, &r)) > 0) {
		if (r.state == INDEX_JOURNAL) {
			if (!is_journaled(fo, &r) &&
				buf_append(&fo->lost, r.id, sizeof r.id) != 0) {
				return err_set(e, EX_TEMPFAIL, "out of memory");
			}
		} else if (r.state == INDEX_LIVE && add_known(fo, &cap, &r, e) != 0) {
			return -1;
		}
	}
	if (rc < 0) {
		check_tell(&fo->f, true, "its .index is damaged: the next listing makes it anew");
		fo->trusted = false;
	}
	for (size_t i = 0; i < fo->known_n; i++) {
		fo->known[i].name = (const char *)fo->names.p + fo->known[i].rank;
		fo->known[i].name_n = strlen(fo->known[i].name);
	}
	if (fo->known_n > 0) {
		qsort(fo->known, fo->known_n, sizeof *fo->known, by_name);
	}
	if (fo->lost.n > 0) {
		qsort(fo->lost.p, fo->lost.n / MAILBOX_ID_BYTES, MAILBOX_ID_BYTES, by_id);
	}
	fo->seen = calloc(fo->known_n + 1, sizeof *fo->seen);
	fo->lost_seen = calloc(fo->lost.n + 1, sizeof *fo->lost_seen);
	return fo->seen != NULL && fo->lost_seen != NULL ? 0
							 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static void tell_all(
	const struct folder *fo, const struct index_head *head, bool sound, bool wanted)
{
	if (!sound && wanted && (fo->files > 0 || fo->pending.n > 0)) {
		check_tell(&fo->f, true, "it has no sound .index: the next listing makes it anew");
	}
	/* a crash between an unlink and the index leaves the index dirty */
	if (sound && !head->dirty) {
		tell_missing_files(fo);
	}
	tell_lost(fo);
	tell_unlisted(fo);
	if (fo->without_id > 0) {
		check_tell(&fo->f, true,
			"%llu of its messages have no id beside them (attribute %s): "
			"copied without attributes, they have new ids",
			(unsigned long long)fo->without_id, SPOOL_XATTR);
	}
}

/* Under the index's lock nothing is delivered, settled or removed. */
static int check_locked(struct folder *fo, struct err *e)
{
	struct index_head head = {0}, now = {0};
	struct buf image = {0};
	bool sound = index_read_head(&fo->b->ix, &head) == 0, fresh;
	int rc;

	box_folder_time(fo->b, &now);
	fo->trusted = sound && !head.dirty && box_same_time(&head, &now);
	fo->of_this_life = fo->trusted && head.epoch == journal_epoch(fo->journal);
	rc = pending_load(&fo->pending, fo->journal, fo->f.user, e);
	rc = rc == 0 ? index_load(&fo->b->ix, &image, e) : rc;
	/* one that was appended to, and never looked at, has no header */
	fresh = image.n > 0 && image.p[0] == 0;
	if (!sound && !fresh) {
		image.n = 0;
	}
	rc = rc == 0 ? load_known(fo, &image, e) : rc;
	rc = rc == 0 ? check_each_name(fo->b->dir, fo->f.user, look_at_file, fo, e) : rc;
	if (rc == 0) {
		tell_all(fo, &head, sound, !fresh);
	}
	free(fo->known);
	free(fo->seen);
	free(fo->lost_seen);
	buf_free(&fo->lost);
	buf_free(&fo->names);
	pending_free(&fo->pending);
	buf_free(&image);
	return rc;
}

/* As box_open, but nothing is made or moved. */
static int open_box(struct box *b, int root, const char *user, struct err *e)
{
	*b = (struct box){.dir = -1, .ix = {.fd = -1}, .user = user};
	b->dir = openat(root, user, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open mailbox %s", user);
	}
	return index_look(&b->ix, b->dir, e);
}

static int check_mailbox(struct files *f, const struct check_finder *finder, struct err *e)
{
	struct folder fo = {.f = *finder};
	struct stat st;
	struct box b;
	int rc;

	if (fstatat(f->root, finder->user, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT) {
			return err_sys(e, EX_TEMPFAIL, "cannot look at mailbox %s", finder->user);
		}
		check_tell(finder, true, "it has no mailbox: the server makes it when it starts");
		return 0;
	}
	if (!S_ISDIR(st.st_mode)) {
		check_tell(finder, false, "its mailbox is %s, and no folder: it is not opened",
			check_kind(&st));
		return 0;
	}
	if ((st.st_mode & 077) != 0) {
		check_tell(finder, true, "its mailbox is open to others (mode %03o)",
			(unsigned)st.st_mode & 0777);
	}
	if (open_box(&b, f->root, finder->user, e) != 0) {
		box_close(&b);
		return -1;
	}
	fo.b = &b;
	fo.describe = f->scan.describe;
	fo.journal = f->journal;
	fo.text = malloc(MAILBOX_HEAD_MAX);
	rc = fo.text == NULL ? err_set(e, EX_TEMPFAIL, "out of memory")
			     : index_lock(&b.ix, false, e);
	if (rc == 0) {
		rc = check_locked(&fo, e);
		index_unlock(&b.ix);
	}
	free(fo.text);
	box_close(&b);
	return rc;
}

int files_check(
	struct mailbox *m, const char *user, mailbox_finding *found, void *arg, struct err *e)
{
	struct files *f = (struct files *)m;
	const struct check_finder finder = {.found = found, .arg = arg, .user = user};

	if (user != NULL) {
		return check_mailbox(f, &finder, e);
	}
	return check_beside(f, &finder, e);
}
