/* The queue's files; see queue_store.h for their states. Writing them is queue_write.c's. */
#include "queue_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "../crypto/file.h"
#include "queue_files.h"

bool queue_is_final(int code)
{
	return code == EX_DATAERR || code == EX_NOUSER || code == EX_USAGE;
}

int queue_lock(int dir, struct err *e)
{
	int fd = openat(dir, ".flush", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create .flush");
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		return errno == EWOULDBLOCK
			       ? err_set(e, EX_TEMPFAIL, "the queue is being flushed already")
			       : err_sys(e, EX_TEMPFAIL, "cannot lock .flush");
	}
	return fd;
}

/* --- one entry --- */

void queue_entry_free(struct queue_entry *entry)
{
	json_decref(entry->ticket);
	entry->ticket = NULL;
}

static void set_damaged(struct queue_entry *entry, const char *why)
{
	json_decref(entry->ticket);
	entry->ticket = NULL;
	err_set(&entry->last, EX_DATAERR, "it is damaged: %s", why);
}

/* The line ahead of the message, and how long it is with its LF. NULL: e says why. */
static json_t *read_ticket(int fd, uint64_t *bytes, struct err *e)
{
	struct buf head = {0};
	const uint8_t *end = NULL;
	json_t *ticket = NULL;
	ssize_t k = 1;

	while (end == NULL && k > 0 && head.n < QUEUE_LINE_MAX && buf_reserve(&head, 65536) == 0) {
		k = file_read_at(fd, head.p + head.n, 65536, head.n);
		end = k > 0 ? memchr(head.p + head.n, '\n', (size_t)k) : NULL;
		head.n += k > 0 ? (size_t)k : 0;
	}
	if (k < 0) {
		err_sys(e, EX_TEMPFAIL, "cannot read a queued message");
	} else if (end != NULL) {
		*bytes = (uint64_t)(end - head.p) + 1;
		ticket = json_loadb(
			(const char *)head.p, (size_t)(end - head.p), JSON_REJECT_DUPLICATES, NULL);
	}
	if (k >= 0 && ticket == NULL) {
		err_set(e, EX_DATAERR, "it does not begin with its ticket");
	}
	buf_free(&head);
	return ticket;
}

static void take_state(struct queue_entry *entry, json_t *state)
{
	const char *text = json_string_value(json_object_get(state, "error"));
	json_t *to = json_object_get(state, "to");
	json_int_t code = json_integer_value(json_object_get(state, "code"));

	entry->attempts = (uint64_t)json_integer_value(json_object_get(state, "attempts"));
	entry->tried_us = json_integer_value(json_object_get(state, "tried"));
	entry->failed = json_is_true(json_object_get(state, "failed"));
	if (text != NULL) {
		err_set(&entry->last, (int)code, "%s", text);
	}
	if (json_is_array(to) && json_object_set(entry->ticket, "to", to) != 0) {
		set_damaged(entry, "out of memory");
	}
}

/* What became of it so far. Without the file nothing was tried since it came. */
static void read_state(int dir, struct queue_entry *entry)
{
	char name[QUEUE_NAME_MAX];
	struct buf text = {0};
	struct stat st;
	struct err why;
	json_t *state;

	queue_name(name, entry->id, QUEUE_STATE);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return;
	}
	if (file_read(dir, name, QUEUE_LINE_MAX, &text, NULL, &why) != 0) {
		set_damaged(entry, "its state cannot be read"); /* who has it already, it tells */
		buf_free(&text);
		return;
	}
	state = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(state)) {
		take_state(entry, state);
	} else {
		set_damaged(entry, "its state is no JSON object");
	}
	json_decref(state);
	buf_free(&text);
}

static int open_message(int dir, const char *id, struct err *e)
{
	char name[QUEUE_NAME_MAX];
	int fd;

	queue_name(name, id, QUEUE_MESSAGE);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0           ? fd
	       : errno == ENOENT ? err_set(e, EX_NOINPUT, "there is no %s in the queue", id)
				 : err_sys(e, file_errno_code(EX_NOINPUT), "cannot open %s", name);
}

int queue_find(int dir, const char *id, struct queue_entry *entry, struct err *e)
{
	uint64_t time, line = 0;
	struct stat st;
	int fd;

	*entry = (struct queue_entry){.ticket = NULL};
	if (!queue_id_read(id, &time)) {
		return err_set(e, EX_NOINPUT, "there is no %s in the queue", id);
	}
	(void)snprintf(entry->id, sizeof entry->id, "%s", id);
	entry->time_us = (int64_t)time;
	fd = open_message(dir, id, e);
	if (fd < 0) {
		return -1;
	}
	entry->ticket = read_ticket(fd, &line, &entry->last);
	if (entry->ticket != NULL && fstat(fd, &st) == 0) {
		entry->last = (struct err){0};
		entry->bytes = (uint64_t)st.st_size - line;
		read_state(dir, entry);
	} else {
		set_damaged(entry, "it does not begin with its ticket");
	}
	(void)close(fd);
	return 0;
}

/* --- all of them --- */

struct names {
	char (*ids)[QUEUE_ID_MAX];
	size_t n, cap;
};

static int add_name(struct names *names, const char *file, struct err *e)
{
	char id[QUEUE_ID_MAX];

	if (!queue_id_of(file, QUEUE_MESSAGE, id)) {
		return 0;
	}
	if (names->n == names->cap) {
		size_t cap = names->cap == 0 ? 16 : 2 * names->cap;
		char(*more)[QUEUE_ID_MAX] = realloc(names->ids, cap * sizeof *more);
		if (more == NULL) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
		names->ids = more;
		names->cap = cap;
	}
	memcpy(names->ids[names->n++], id, sizeof id);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, QUEUE_ID_MAX);
}

static int read_names(int dir, struct names *names, struct err *e)
{
	DIR *all = file_read_names(dir);
	struct dirent *one;
	int rc = 0;

	if (all == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the queue");
	}
	errno = 0;
	while (rc == 0 && (one = readdir(all)) != NULL) {
		rc = add_name(names, one->d_name, e);
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read the queue");
	}
	(void)closedir(all);
	if (names->n > 0) {
		qsort(names->ids, names->n, sizeof *names->ids, compare);
	}
	return rc;
}

int queue_each(int dir, queue_visit *visit, void *arg, struct err *e)
{
	struct names names = {.n = 0};
	int rc = read_names(dir, &names, e);

	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		struct queue_entry entry;
		if (queue_find(dir, names.ids[i], &entry, e) == 0) {
			rc = visit(arg, &entry, e);
			queue_entry_free(&entry);
		} else if (e->code != EX_NOINPUT) { /* it was sent meanwhile */
			rc = -1;
		}
	}
	free(names.ids);
	return rc;
}

/* --- its message --- */

static int read_address(const json_t *text, struct rfc5322_mailbox *m)
{
	return json_is_string(text)
		       ? rfc5322_address_parse(message_text(json_string_value(text)), m)
		       : -1;
}

static int read_envelope(const json_t *ticket, struct submission *s, struct err *e)
{
	const json_t *from = json_object_get(ticket, "from"), *to = json_object_get(ticket, "to");
	const char *id = json_string_value(json_object_get(ticket, "id"));
	struct rfc5322_mailbox one;

	if (!json_is_string(from) || id == NULL ||
		hex_decode(s->id, sizeof s->id, id, strlen(id)) != 0 ||
		(json_string_length(from) > 0 && read_address(from, &s->from) != 0) ||
		json_array_size(to) == 0) {
		return err_set(e, EX_DATAERR, "it is damaged: its ticket has no envelope");
	}
	for (size_t i = 0; i < json_array_size(to); i++) {
		if (read_address(json_array_get(to, i), &one) != 0) {
			return err_set(e, EX_DATAERR, "it is damaged: a recipient is no address");
		}
		if (submission_add(s, &one, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int queue_load(int dir, const struct queue_entry *entry, struct submission *s, struct err *e)
{
	const struct submission_rules rules = {
		.host = "localhost", .max_bytes = 2 * CARRIER_BYTES_MAX};
	uint8_t id[SUBMISSION_ID];
	struct stat st;
	int fd, rc;

	if (entry->ticket == NULL) {
		*e = entry->last;
		return -1;
	}
	if (read_envelope(entry->ticket, s, e) != 0) {
		return -1;
	}
	fd = open_message(dir, entry->id, e);
	if (fd < 0) {
		return -1;
	}
	memcpy(id, s->id, sizeof id);
	if (fstat(fd, &st) != 0 ||
		lseek(fd, st.st_size - (off_t)entry->bytes, SEEK_SET) == (off_t)-1) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read a queued message");
	} else {
		rc = submission_read(s, &rules, fd, "a queued message", e);
	}
	memcpy(s->id, id, sizeof id); /* as it was promised */
	(void)close(fd);
	return rc;
}
