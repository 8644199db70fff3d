/* What changes the queue; see queue_store.h for its states. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>

#include "../crypto/file.h"
#include "queue_files.h"

/* --- the folder --- */

/* Make it and what is missing above it, each on disk before the next. */
static int make_folders(char *path, struct err *e)
{
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		int parent, rc;
		if (slash != NULL) {
			*slash = '\0';
		}
		if (mkdir(path, 0700) == 0) {
			char *last = strrchr(path, '/');
			*last = '\0';
			parent = file_open_dir(path[0] == '\0' ? "/" : path, e);
			*last = '/';
			rc = parent < 0 ? -1 : file_sync(parent, path, e);
			if (parent >= 0) {
				(void)close(parent);
			}
			if (rc != 0) {
				return -1;
			}
		} else if (errno != EEXIST) {
			return err_sys(e, file_errno_code(EX_CANTCREAT),
				"cannot make the folder %s", path);
		}
		if (slash == NULL) {
			return 0;
		}
		*slash = '/';
	}
}

int queue_open(struct err *e)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	struct stat st;
	int dir, n;

	if (xdg != NULL && xdg[0] == '/') {
		n = snprintf(path, sizeof path, "%s/smtp361/queue", xdg);
	} else if (home != NULL && home[0] == '/') {
		n = snprintf(path, sizeof path, "%s/.local/state/smtp361/queue", home);
	} else {
		return err_set(
			e, EX_CONFIG, "neither $XDG_STATE_HOME nor $HOME tells where the queue is");
	}
	if (n < 0 || (size_t)n >= sizeof path) {
		return err_set(e, EX_CONFIG, "the path of the queue is too long");
	}
	if (access(path, F_OK) != 0 && make_folders(path, e) != 0) {
		return -1;
	}
	dir = file_open_dir(path, e);
	if (dir >= 0 &&
		(fstat(dir, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 0022) != 0)) {
		(void)close(dir);
		return err_set(e, EX_CANTCREAT, "cannot use %.300s: others can write there", path);
	}
	return dir;
}

/* What a writer that was killed left. The caller holds the lock. *last: the youngest entry's id. */
static int look_around(int dir, uint64_t *last, struct err *e)
{
	DIR *all = file_read_names(dir);
	char id[QUEUE_ID_MAX];
	struct dirent *one;
	uint64_t time;

	if (all == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the queue");
	}
	for (*last = 0; (one = readdir(all)) != NULL;) {
		size_t n = strlen(one->d_name);
		if (n > 5 && one->d_name[0] == '.' && strcmp(one->d_name + n - 4, ".new") == 0) {
			(void)unlinkat(dir, one->d_name, 0);
		} else if (queue_id_of(one->d_name, QUEUE_MESSAGE, id) &&
			   queue_id_read(id, &time) && time > *last) {
			*last = time;
		}
	}
	(void)closedir(all);
	return 0;
}

/* --- putting --- */

static json_t *address_json(const struct rfc5322_mailbox *m)
{
	struct buf text = {0};
	json_t *o = NULL;

	if (m->local[0] == '\0' || rfc5322_address_put(&text, m) == 0) {
		o = json_stringn(text.n == 0 ? "" : (const char *)text.p, text.n);
	}
	buf_free(&text);
	return o;
}

/* NULL: no memory, or an address is not UTF-8. */
static json_t *recipients_json(const struct submission *s)
{
	json_t *to = json_array();

	for (size_t i = 0; to != NULL && i < s->to_n; i++) {
		if (json_array_append_new(to, address_json(&s->to[i])) != 0) {
			json_decref(to);
			to = NULL;
		}
	}
	return to;
}

static char *ticket_text(const struct submission *s, const struct queue_ticket *t)
{
	char id[2 * SUBMISSION_ID + 1];
	json_t *o = json_object();
	char *text = NULL;

	hex_encode(id, s->id, sizeof s->id);
	if (json_object_set_new(o, "id", json_string(id)) == 0 &&
		json_object_set_new(o, "from", address_json(&s->from)) == 0 &&
		json_object_set_new(o, "to", recipients_json(s)) == 0 &&
		json_object_set_new(o, "authenticate", json_boolean(t->authenticate)) == 0 &&
		json_object_set_new(o, "destination", destination_write(t->to)) == 0) {
		text = json_dumps(o, JSON_COMPACT);
	}
	json_decref(o);
	return text;
}

static void release(char *text)
{
	json_free_t own;

	json_get_alloc_funcs(NULL, &own);
	if (text != NULL) {
		own(text);
	}
}

static int write_piece(void *arg, const void *p, size_t n, struct err *e)
{
	const int *fd = arg;

	return file_write_all(*fd, p, n) == 0
		       ? 0
		       : err_sys(e, file_errno_code(EX_IOERR), "cannot write into the queue");
}

static int write_aside(
	int dir, const char *temp, const struct submission *s, const char *ticket, struct err *e)
{
	int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0) {
		return err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s", temp);
	}
	rc = write_piece(&fd, ticket, strlen(ticket), e);
	rc = rc == 0 ? write_piece(&fd, "\n", 1, e) : rc;
	rc = rc == 0 ? submission_each(s, write_piece, &fd, e) : rc;
	rc = rc == 0 ? file_sync(fd, temp, e) : rc;
	if (close(fd) != 0 && rc == 0) {
		rc = err_sys(e, file_errno_code(EX_IOERR), "cannot write into the queue");
	}
	return rc;
}

/* Under the lock of the folder. */
static int put_locked(int dir, const struct submission *s, const char *ticket,
	char id[static QUEUE_ID_MAX], struct err *e)
{
	char temp[QUEUE_NAME_MAX + 8], name[QUEUE_NAME_MAX];
	uint64_t time = (uint64_t)message_now(), last = 0;
	int rc;

	if (look_around(dir, &last, e) != 0) {
		return -1;
	}
	time = time > last ? time : last + 1; /* the clock may step */
	(void)snprintf(id, QUEUE_ID_MAX, "%0*llu", QUEUE_DIGITS, (unsigned long long)time);
	queue_name(name, id, QUEUE_MESSAGE);
	(void)snprintf(temp, sizeof temp, ".%s.new", id);
	rc = write_aside(dir, temp, s, ticket, e);
	if (rc == 0 && linkat(dir, temp, dir, name, 0) != 0) {
		rc = err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s", name);
	}
	(void)unlinkat(dir, temp, 0);
	if (rc == 0 && file_sync(dir, "the queue", e) != 0) {
		(void)unlinkat(dir, name, 0);
		rc = -1;
	}
	return rc;
}

/* What was tried ahead of the queue. It is no part of the promise. */
static void note_first(int dir, const char *id, const struct err *why)
{
	struct queue_entry entry;
	struct err ignored;

	if (why != NULL && queue_find(dir, id, &entry, &ignored) == 0) {
		(void)queue_note(dir, &entry, NULL, why, &ignored);
		queue_entry_free(&entry);
	}
}

int queue_put(const struct submission *s, const struct queue_ticket *ticket,
	char id[static QUEUE_ID_MAX], struct err *e)
{
	char *text = ticket_text(s, ticket);
	int dir, rc = -1;

	if (text == NULL) {
		return err_set(e, EX_DATAERR, "an address is not UTF-8, or there is no memory");
	}
	dir = queue_open(e);
	if (dir >= 0) {
		rc = file_lock(dir, e);
		rc = rc == 0 ? put_locked(dir, s, text, id, e) : rc;
		if (rc == 0) {
			note_first(dir, id, ticket->last);
		}
		(void)close(dir);
	}
	release(text);
	return rc;
}

/* --- changing and removing --- */

int queue_note(int dir, struct queue_entry *entry, const struct submission *s,
	const struct err *why, struct err *e)
{
	char name[QUEUE_NAME_MAX], shown[2 * ERR_TEXT_MAX];
	json_t *o = json_object();
	char *text;
	int rc;

	entry->attempts++;
	entry->tried_us = message_now();
	entry->last = *why;
	entry->failed = queue_is_final(why->code);
	(void)escape_text(shown, sizeof shown, why->text, strcspn(why->text, "\n"), false);
	cli_json_number(o, "attempts", entry->attempts);
	cli_json_number(o, "tried", (uint64_t)entry->tried_us);
	cli_json_number(o, "code", (uint64_t)why->code);
	cli_json_text(o, "error", shown, strlen(shown));
	(void)json_object_set_new(o, "failed", json_boolean(entry->failed));
	if (s != NULL) {
		(void)json_object_set_new(o, "to", recipients_json(s));
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	queue_name(name, entry->id, QUEUE_STATE);
	rc = file_lock(dir, e);
	if (rc == 0) {
		rc = file_write(dir, name, text, strlen(text), 0600, FILE_REPLACE, e);
		(void)flock(dir, LOCK_UN);
	}
	release(text);
	return rc;
}

int queue_remove(int dir, const char *id, struct err *e)
{
	char name[QUEUE_NAME_MAX];
	int rc = 0;

	queue_name(name, id, QUEUE_MESSAGE);
	if (unlinkat(dir, name, 0) != 0) {
		rc = err_sys(e, file_errno_code(EX_CANTCREAT), "cannot remove %s", name);
	}
	queue_name(name, id, QUEUE_STATE);
	(void)unlinkat(dir, name, 0); /* there may be none */
	return rc == 0 ? file_sync(dir, "the queue", e) : rc;
}
