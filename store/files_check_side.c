/* Looking at what the files engine keeps beside the mailboxes: the journal, the spool, and what was
 * sent; and what both halves of checking share. See files_check.h. */
#include "files_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "sent.h"

enum { WHAT_MAX = 1024, YOUNG = 2 /* seconds */ };

/* --- what both share --- */

void check_tell(const struct check_finder *f, bool harmless, const char *format, ...)
{
	char text[WHAT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	f->found(f->arg, f->user, harmless, text);
}

const char *check_kind(const struct stat *st)
{
	return S_ISREG(st->st_mode)    ? "a file"
	       : S_ISDIR(st->st_mode)  ? "a folder"
	       : S_ISLNK(st->st_mode)  ? "a symlink"
	       : S_ISFIFO(st->st_mode) ? "a FIFO"
	       : S_ISSOCK(st->st_mode) ? "a socket"
				       : "a device";
}

int check_each_name(int dir, const char *what, check_name *visit, void *arg, struct err *e)
{
	DIR *d = file_read_names(dir);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read %s", what);
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			rc = visit(arg, entry->d_name, e);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", what);
	}
	(void)closedir(d);
	return rc;
}

struct side {
	struct check_finder f;
	struct files *files;
	int dir;
	struct buf keys; /* of names in the spool that nobody writes; sorted */
	bool *wanted;    /* for each: the journal needs it */
};

/* Does somebody work on it? */
static bool is_locked(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return locked;
}

/* --- the spool --- */

static int look_at_spool(void *arg, const char *name, struct err *e)
{
	struct side *s = arg;
	uint8_t key[ENTRY_KEY];
	struct stat st;

	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT /* it came into a mailbox meanwhile, or was swept */
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot look at %s/%s", SPOOL_FOLDER,
					 name);
	}
	/* one that is young is not even asked for its lock: its writer is about to take it */
	if (st.st_mtim.tv_sec + YOUNG >= time(NULL) || is_locked(s->dir, name)) {
		return 0; /* on its way */
	}
	if (!S_ISREG(st.st_mode)) {
		check_tell(&s->f, true, "%s/%s is %s, and nobody's", SPOOL_FOLDER, name,
			check_kind(&st));
	} else if (!spool_is_ours(name)) {
		check_tell(&s->f, true, "%s/%s is a file of nobody's", SPOOL_FOLDER, name);
	} else if (strlen(name) == SPOOL_KEY_NAME &&
		   hex_decode(key, sizeof key, name, SPOOL_KEY_NAME) == 0) {
		return buf_append(&s->keys, key, sizeof key) == 0
			       ? 0
			       : err_set(e, EX_TEMPFAIL, "out of memory");
	} else {
		check_tell(&s->f, true,
			"%s/%s is a message that was never whole: the server sweeps it when it "
			"starts",
			SPOOL_FOLDER, name);
	}
	return 0;
}

static int note_wanted(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *e)
{
	const struct side *s = arg;
	const uint8_t *key;
	struct entry entry;

	(void)mark;
	(void)done;
	(void)e;
	if (entry_get(&entry, payload->p, payload->n) == 0 && entry.kind != ENTRY_REMOVED) {
		key = bsearch(entry.key, s->keys.p, s->keys.n / ENTRY_KEY, ENTRY_KEY, entry_by_key);
		if (key != NULL) {
			s->wanted[(size_t)(key - s->keys.p) / ENTRY_KEY] = true;
		}
	}
	return 0;
}

/* Names that the journal needs are as they should be. It is asked when all were seen: then none of
 * them is of a message that came since. */
static int check_spool_keys(struct side *s, struct err *e)
{
	char name[SPOOL_KEY_NAME + 1];
	size_t n = s->keys.n / ENTRY_KEY;
	int rc;

	if (n == 0) {
		return 0;
	}
	qsort(s->keys.p, n, ENTRY_KEY, entry_by_key);
	s->wanted = calloc(n, sizeof *s->wanted);
	if (s->wanted == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = journal_each(s->files->journal, 0, UINT64_MAX, note_wanted, s, e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		spool_key_name(name, s->keys.p + i * ENTRY_KEY);
		if (!s->wanted[i] && faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			check_tell(&s->f, true,
				"%s/%s was left by a crash: the server sweeps it when it starts",
				SPOOL_FOLDER, name);
		}
	}
	free(s->wanted);
	return rc;
}

/* --- the journal --- */

/* The text of a large message must be in the spool as long as its segment counts. */
static void check_spooled(
	const struct side *s, const struct segment *segment, const struct entry *entry)
{
	char name[SPOOL_KEY_NAME + 1], segment_file[SEGMENT_NAME + 1], id[2 * MAILBOX_ID_BYTES + 1];

	spool_key_name(name, entry->key);
	segment_name(segment_file, segment->number);
	if (faccessat(s->files->spool.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		errno == ENOENT && !segment_is_void(s->dir, segment_file) &&
		faccessat(s->dir, segment_file, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		hex_encode(id, entry->meta.id, sizeof entry->meta.id);
		check_tell(&s->f, false,
			"the text of message %s is not in %s, where the journal has it", id,
			SPOOL_FOLDER);
	}
}

/* Move *at on to what is not zero, in steps of records: most of a segment is not written yet. 0, or
 * -1. */
static int skip_zeros(const struct segment *segment, uint64_t *at, uint64_t size, struct err *e)
{
	static const uint8_t zeros[SEGMENT_ALIGN];
	uint8_t piece[256 * SEGMENT_ALIGN];

	while (*at < size) {
		ssize_t n = file_read_at(segment->fd, piece, sizeof piece, *at);
		if (n < 0) {
			return err_sys(e, EX_TEMPFAIL, "cannot look at the journal");
		}
		for (size_t k = 0; k < (size_t)n; k += SEGMENT_ALIGN) {
			size_t left = (size_t)n - k;
			if (memcmp(piece + k, zeros, left < SEGMENT_ALIGN ? left : SEGMENT_ALIGN) !=
				0) {
				return 0;
			}
			*at += SEGMENT_ALIGN;
		}
		*at = n == 0 ? size : *at; /* it was cut meanwhile */
	}
	return 0;
}

/* Records behind the last one that counts: a torn tail has none. 0, or -1. */
static int check_tail(const struct side *s, const struct segment *segment, uint64_t end,
	struct buf *payload, struct err *e)
{
	uint64_t at = end, next, behind = 0;
	struct stat st;
	int rc = fstat(segment->fd, &st) != 0
			 ? err_sys(e, EX_TEMPFAIL, "cannot look at the journal")
			 : 0;

	at += SEGMENT_ALIGN;
	while (rc >= 0 && (rc = skip_zeros(segment, &at, (uint64_t)st.st_size, e)) == 0 &&
		at < (uint64_t)st.st_size) {
		rc = segment_read(segment, at, payload, &next, e);
		behind += rc > 0 ? 1 : 0;
		at = rc > 0 ? next : at + SEGMENT_ALIGN;
	}
	if (rc >= 0 && behind > 0) { /* unless they came while this was looking */
		rc = segment_read(segment, end, payload, &next, e);
	}
	if (rc == 0 && behind > 0) {
		check_tell(&s->f, true,
			"%s/%016llx has %llu records behind one that is not whole: they were never "
			"synced when the power went, or it is damaged; they do not count",
			JOURNAL_FOLDER, (unsigned long long)segment->number,
			(unsigned long long)behind);
	}
	return rc < 0 ? -1 : 0;
}

static int check_records(const struct side *s, const struct segment *segment, struct err *e)
{
	uint64_t at = SEGMENT_HEAD, next;
	struct buf payload = {0};
	struct entry entry;
	int rc;

	while ((rc = segment_read(segment, at, &payload, &next, e)) > 0) {
		if (entry_get(&entry, payload.p, payload.n) != 0) {
			check_tell(&s->f, false,
				"%s/%016llx has a record at %llu that says nothing", JOURNAL_FOLDER,
				(unsigned long long)segment->number, (unsigned long long)at);
		} else if (entry.kind == ENTRY_SPOOLED) {
			check_spooled(s, segment, &entry);
		}
		at = next;
	}
	rc = rc == 0 ? check_tail(s, segment, at, &payload, e) : rc;
	buf_free(&payload);
	return rc;
}

static int look_at_journal(void *arg, const char *name, struct err *e)
{
	const struct side *s = arg;
	struct segment segment = {.fd = -1, .number = segment_number(name)};
	int rc;

	if (segment.number == 0) {
		if (!journal_owns(name)) {
			check_tell(&s->f, true, "%s/%s is nobody's", JOURNAL_FOLDER, name);
		}
		return 0;
	}
	rc = segment_open(&segment, s->dir, e);
	if (rc == 0) {
		rc = check_records(s, &segment, e);
		segment_close(&segment);
	} else if (rc > 0 && !segment_is_void(s->dir, name) &&
		   faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		check_tell(&s->f, false,
			"%s/%s is no segment of the journal, or its header is damaged: what it "
			"held is lost",
			JOURNAL_FOLDER, name);
	}
	return rc < 0 ? -1 : 0;
}

/* --- what was sent --- */

/* Is it "USER" or "USER.old"? */
static bool is_sender(const char *name)
{
	char user[USER_NAME_MAX + 1];
	size_t n = strlen(name);

	n -= n > 4 && strcmp(name + n - 4, ".old") == 0 ? 4 : 0;
	if (n > USER_NAME_MAX) {
		return false;
	}
	memcpy(user, name, n);
	user[n] = '\0';
	return user_name_valid(user);
}

static int look_at_sent(void *arg, const char *name, struct err *e)
{
	const struct side *s = arg;
	struct buf image = {0};
	struct err why;
	struct stat st;

	(void)e;
	if (strcmp(name, ".lock") == 0) {
		return 0;
	}
	if (!is_sender(name) || fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		!S_ISREG(st.st_mode)) {
		check_tell(&s->f, true, "%s/%s is nobody's", SENT_FOLDER, name);
		return 0;
	}
	if (file_read(s->dir, name, (size_t)8 << 20, &image, NULL, &why) != 0) {
		check_tell(&s->f, false, "%s/%s, by which retries are known: %s", SENT_FOLDER, name,
			why.text);
	}
	buf_free(&image);
	return 0;
}

static int check_side(struct files *f, const struct check_finder *finder, const char *name,
	check_name *look, struct err *e)
{
	struct side s = {.f = *finder, .files = f};
	struct stat st;
	int rc;

	if (fstatat(f->root, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot look at %s", name);
	}
	if (!S_ISDIR(st.st_mode)) {
		check_tell(finder, false, "%s is %s, and no folder: nothing can be delivered", name,
			check_kind(&st));
		return 0;
	}
	s.dir = openat(f->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open %s", name);
	}
	rc = check_each_name(s.dir, name, look, &s, e);
	rc = rc == 0 ? check_spool_keys(&s, e) : rc;
	buf_free(&s.keys);
	(void)close(s.dir);
	return rc;
}

int check_beside(struct files *f, const struct check_finder *finder, struct err *e)
{
	return check_side(f, finder, JOURNAL_FOLDER, look_at_journal, e) != 0 ||
			       check_side(f, finder, SPOOL_FOLDER, look_at_spool, e) != 0
		       ? -1
		       : check_side(f, finder, SENT_FOLDER, look_at_sent, e);
}
