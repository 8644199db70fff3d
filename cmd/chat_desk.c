/* A user's chats on disk; see chat_desk.h. */
#include "chat_desk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "../crypto/file.h"

#define UNDONE ".undone"
enum { UNDONE_MAX = 1 << 20, PAUSE_MS = 5, PROCESS_TEXT = 48, LOCK_NAME = 24 };

/* --- the folder --- */

static int64_t ms_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0, 1 (another has it until then), or -1 with errno. */
static int lock_until(int fd, int64_t end)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			return -1;
		}
		if (ms_now() >= end) {
			return 1;
		}
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/* Whoever is next has a lock of its own until he has the turn: so who gives the turn back, and at
 * once wants another, is behind him. As lock_until has it. */
static int take_turn(int fd, int next, int64_t end)
{
	int rc = lock_until(next, end);

	return rc == 0 ? lock_until(fd, end) : rc;
}

/* Whoever has the turn has written who he is, so that he can be looked at. */
static void write_holder(int fd)
{
	char text[PROCESS_TEXT];
	int n = snprintf(text, sizeof text, "%ld", (long)getpid());

	if (ftruncate(fd, 0) == 0) { /* without it all is as well */
		(void)file_write_at(fd, text, (size_t)n, 0);
	}
}

static int tell_holder(
	const struct chat_desk *d, const char *what, int fd, unsigned seconds, struct err *e)
{
	char text[PROCESS_TEXT];
	ssize_t n = file_read_at(fd, text, sizeof text, 0);
	uint64_t process = 0;

	if (n <= 0 || parse_decimal(text, (size_t)n, INT64_MAX, &process) != 0) {
		process = 0;
	}
	(void)snprintf(text, sizeof text, process > 0 ? ", process %llu," : "",
		(unsigned long long)process);
	err_set(e, EX_TEMPFAIL, "another chat command%s has had %s_chat/%s for %u seconds", text,
		d->self.name, what, seconds);
	return err_hint(e, "try again when it has ended, or end it: it loses nothing");
}

static int open_lock(const struct chat_desk *d, const char *name, struct err *e)
{
	int fd = openat(d->dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 ? fd : err_sys(e, EX_TEMPFAIL, "cannot open %s of the chat", name);
}

static void close_open(int fd)
{
	if (fd >= 0) {
		(void)close(fd);
	}
}

int chat_desk_lock(const struct chat_desk *d, const char *what, struct err *e)
{
	const unsigned patience = d->patience > 0 ? d->patience : CHAT_DESK_PATIENCE;
	char name[LOCK_NAME];
	int fd, next, rc;

	(void)snprintf(name, sizeof name, "%s-next", what);
	fd = open_lock(d, what, e);
	next = fd < 0 ? -1 : open_lock(d, name, e);
	rc = next < 0 ? -1 : take_turn(fd, next, ms_now() + (int64_t)patience * 1000);
	if (rc > 0) {
		(void)tell_holder(d, what, fd, patience, e);
	} else if (rc < 0 && next >= 0) {
		err_sys(e, EX_TEMPFAIL, "cannot lock %s of the chat", what);
	}
	close_open(next);
	if (rc == 0) {
		write_holder(fd);
		return fd;
	}
	close_open(fd);
	return -1;
}

int chat_desk_write(
	const struct chat_desk *d, const char *name, const void *p, size_t n, struct err *e)
{
	/* a descriptor of its own: the lock lasts as long as that is open */
	int dir = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the chat's folder");
	}
	rc = file_lock(dir, e);
	rc = rc == 0 ? file_sweep(dir, name, e) : rc;
	rc = rc == 0 ? file_write(dir, name, p, n, 0600, FILE_REPLACE, e) : rc;
	(void)close(dir);
	return rc;
}

int chat_desk_remove(const struct chat_desk *d, const char *name, struct err *e)
{
	return unlinkat(d->dir, name, 0) == 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot remove %s of the chat", name);
}

/* 0, also when it is none of these; or -1 (no memory). */
static int add_name(struct chat_names *out, const char *name, const char *end)
{
	size_t n = strcspn(name, ".");
	char(*more)[USER_NAME_MAX + 1];

	if (n == 0 || n > USER_NAME_MAX || strcmp(name + n, end) != 0) {
		return 0;
	}
	more = reallocarray(out->names, out->n + 1, sizeof *more);
	if (more == NULL) {
		return -1;
	}
	out->names = more;
	(void)snprintf(more[out->n++], sizeof *more, "%.*s", (int)n, name);
	return 0;
}

int chat_desk_names(
	const struct chat_desk *d, const char *end, struct chat_names *out, struct err *e)
{
	DIR *names = file_read_names(d->dir);
	const struct dirent *entry;
	int rc = 0;

	*out = (struct chat_names){0};
	if (names == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the chat's folder");
	}
	while (rc == 0 && (entry = readdir(names)) != NULL) {
		rc = add_name(out, entry->d_name, end);
	}
	(void)closedir(names);
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* --- batches --- */

/* .undone has a line for each contact of the batch: his name, and the record that its first message
 * has. What cannot be read of it excuses nothing. */
static uint64_t find_undone(const struct buf *lines, const char *contact)
{
	size_t n = strlen(contact), len;
	uint64_t record;

	for (size_t at = 0; at < lines->n; at += len + 1) {
		const char *line = (const char *)lines->p + at;
		const char *end = memchr(line, '\n', lines->n - at);
		len = end == NULL ? lines->n - at : (size_t)(end - line);
		if (end != NULL && len > n + 1 && memcmp(line, contact, n) == 0 && line[n] == ' ' &&
			parse_decimal(line + n + 1, len - n - 1, INT64_MAX, &record) == 0) {
			return record;
		}
	}
	return 0;
}

/* What of the batch that was cut off comes again is excused anew. */
static void excuse(struct chat_contact *c)
{
	for (size_t i = c->in_n; c->undone > 0 && i-- > 0;) {
		c->in[i].again = false;
	}
}

void chat_desk_anew(struct chat_desk *d)
{
	d->batch++;
}

int chat_desk_begin(const struct chat_desk *d, struct chat_contact *c, struct err *e)
{
	struct buf lines = {0};
	char line[USER_NAME_MAX + 32];
	int rc;

	if (c->batch == d->batch + 1) {
		return 0;
	}
	rc = file_read(d->dir, UNDONE, UNDONE_MAX, &lines, NULL, e);
	rc = rc != 0 && e->code == EX_NOINPUT ? 0 : rc;
	c->undone = rc == 0 ? find_undone(&lines, c->name) : 0;
	if (rc == 0 && c->undone == 0) {
		(void)snprintf(
			line, sizeof line, "%s %llu\n", c->name, (unsigned long long)c->seen + 1);
		rc = buf_append_str(&lines, line) != 0
			     ? err_set(e, EX_TEMPFAIL, "out of memory")
			     : chat_desk_write(d, UNDONE, lines.p, lines.n, e);
	}
	c->batch = rc == 0 ? d->batch + 1 : c->batch;
	excuse(c);
	buf_free(&lines);
	return rc;
}

int chat_desk_done(struct chat_desk *d, struct err *e)
{
	chat_desk_anew(d);
	return chat_desk_remove(d, UNDONE, e);
}

/* --- a contact's history --- */

/* Room for one more. */
static int grow(void **list, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap == 0 ? 64 : *cap * 2;
	void *p;

	if (n < *cap) {
		return 0;
	}
	p = reallocarray(*list, more, size);
	if (p == NULL) {
		return -1;
	}
	*list = p;
	*cap = more;
	return 0;
}

static int take_in(struct chat_contact *c, const struct chat_note *n, uint64_t record)
{
	struct chat_in *i;

	if (grow((void **)&c->in, c->in_n, &c->in_cap, sizeof *c->in) != 0) {
		return -1;
	}
	i = &c->in[c->in_n++];
	*i = (struct chat_in){.number = n->number, .record = record};
	memcpy(i->id, n->id, sizeof i->id);
	return 0;
}

static int take_out(struct chat_contact *c, const struct chat_note *n, uint64_t record)
{
	struct chat_out *o;

	if (grow((void **)&c->out, c->out_n, &c->out_cap, sizeof *c->out) != 0) {
		return -1;
	}
	o = &c->out[c->out_n++];
	*o = (struct chat_out){.number = n->number, .record = record};
	memcpy(o->stream, n->stream, sizeof o->stream);
	return 0;
}

static bool is_about(const struct chat_out *o, const struct chat_note *n)
{
	return o->number == n->number && memcmp(o->stream, n->stream, sizeof o->stream) == 0;
}

/* They are sent in order: mostly it is the one behind the last that was. */
static void take_sent(struct chat_contact *c, const struct chat_note *n)
{
	size_t i = c->sent_n;

	if (i >= c->out_n || !is_about(&c->out[i], n)) {
		for (i = c->out_n; i > 0 && !is_about(&c->out[i - 1], n); i--) {
		}
		if (i-- == 0) {
			return; /* the record of the message is damaged */
		}
	}
	c->out[i].sent = true;
	c->out[i].no_fs = n->no_fs;
	c->sent_n = i + 1;
}

static void take_receipt(struct chat_contact *c, const struct chat_note *n)
{
	if (memcmp(c->receipt.stream, n->stream, sizeof n->stream) != 0) {
		c->arrived = 0;
	}
	c->receipt = *n;
	if (n->missing == 0 && n->number > c->arrived) {
		c->arrived = n->number;
	}
}

static int look(void *arg, const struct history_record *r, struct err *e)
{
	struct chat_contact *c = arg;
	struct chat_note note;
	int rc = 0;

	c->seen = r->number;
	if (r->damaged || chat_note_read(&note, r->note, r->note_n, e) != 0) {
		return 0; /* the history tells of it; what is behind it counts all the same */
	}
	switch (note.event) {
	case CHAT_EVENT_IN:
		rc = take_in(c, &note, r->number);
		break;
	case CHAT_EVENT_OUT:
		rc = take_out(c, &note, r->number);
		break;
	case CHAT_EVENT_SENT:
		take_sent(c, &note);
		break;
	case CHAT_EVENT_RECEIPT:
		take_receipt(c, &note);
		break;
	}
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

int chat_contact_look(struct chat_contact *c, struct err *e)
{
	return history_each(c->history, c->seen + 1, false, look, c, e);
}

/* What there is decides how it is opened; a new one has a passphrase where one was given. */
static int open_history(struct chat_contact *c, struct err *e)
{
	const struct chat_desk *d = c->desk;
	enum history_kind kind = history_look(d->dir, c->name);
	bool phrase = kind == HISTORY_PASSPHRASE || (kind == HISTORY_NONE && d->passphrase != NULL);
	const struct history_secret secret = {.identity = phrase ? NULL : d->self.x25519,
		.passphrase = d->passphrase,
		.passphrase_n = d->passphrase_n};

	if (phrase && d->passphrase == NULL) {
		err_set(e, EX_NOPERM, "the history with %s is opened by a passphrase", c->name);
		return err_hint(e, "--passphrase-file FILE");
	}
	return history_open(&c->history, d->dir, c->name, &secret, e);
}

int chat_contact_open(
	struct chat_contact *c, const struct chat_desk *d, const char *name, struct err *e)
{
	*c = (struct chat_contact){.desk = d};
	if (!user_name_valid(name)) {
		return err_set(e, EX_USAGE, "\"%.80s\" is no user's name", name);
	}
	(void)snprintf(c->name, sizeof c->name, "%s", name);
	return open_history(c, e) != 0 ? -1 : chat_contact_look(c, e);
}

void chat_contact_close(struct chat_contact *c)
{
	history_close(c->history);
	free(c->in);
	free(c->out);
	*c = (struct chat_contact){0};
}

/* It was deleted meanwhile, by another command: there is a new one. -1: c is as it was. */
static int reopen(struct chat_contact *c, struct err *e)
{
	struct chat_contact new = {.desk = c->desk, .batch = c->batch};

	memcpy(new.name, c->name, sizeof new.name);
	if (open_history(&new, e) != 0 || chat_contact_look(&new, e) != 0) {
		chat_contact_close(&new);
		return -1;
	}
	chat_contact_close(c);
	*c = new;
	return 0;
}

int chat_contact_follow(struct chat_contact *c, struct err *e)
{
	struct err ignored;

	return history_is_gone(c->history) && history_look(c->desk->dir, c->name) != HISTORY_NONE &&
			       reopen(c, &ignored) == 0
		       ? 0
		       : chat_contact_look(c, e);
}

int chat_contact_add(struct chat_contact *c, const struct chat_note *note, const void *body,
	size_t n, uint64_t *record, struct err *e)
{
	struct buf text = {0};
	struct err why;
	int rc = chat_note_write(&text, note, e);

	rc = rc == 0 ? history_add(c->history, text.p, text.n, body, n, record, e) : rc;
	if (rc != 0 && e->code == EX_NOINPUT) {
		if (reopen(c, &why) != 0) {
			*e = why;
		} else if (note->event != CHAT_EVENT_OUT) {
			rc = history_add(c->history, text.p, text.n, body, n, record, e);
		}
	}
	buf_free(&text);
	return rc == 0 ? chat_contact_look(c, e) : -1;
}

struct chat_in *chat_contact_find(
	const struct chat_contact *c, const uint8_t id[static SEQUENCE_ID])
{
	for (size_t i = c->in_n; i-- > 0;) {
		if (memcmp(c->in[i].id, id, SEQUENCE_ID) == 0) {
			return &c->in[i];
		}
	}
	return NULL;
}

struct wanted {
	uint64_t record;
	struct chat_note *note;
	struct buf *body;
	bool found, other; /* other: another record came */
};

static int find_body(void *arg, const struct history_record *r, struct err *e)
{
	struct wanted *w = arg;

	if (r->number != w->record) {
		w->other = true;
		return 1;
	}
	if (r->damaged) {
		return err_set(e, EX_DATAERR, "record %llu of the history is damaged",
			(unsigned long long)r->number);
	}
	if (chat_note_read(w->note, r->note, r->note_n, e) != 0) {
		return -1;
	}
	if (buf_append(w->body, r->body, r->body_n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	w->found = true;
	return 1;
}

int chat_contact_body(struct chat_contact *c, uint64_t record, struct chat_note *note,
	struct buf *body, struct err *e)
{
	struct wanted w = {.record = record, .note = note, .body = body};
	int rc = history_each(c->history, record, true, find_body, &w, e);

	if (w.found || (rc != 0 && !w.other)) {
		return w.found ? 0 : -1;
	}
	return err_set(e, EX_DATAERR, "the history with %s has no record %llu", c->name,
		(unsigned long long)record);
}

enum chat_state chat_contact_state(const struct chat_contact *c, const struct chat_out *out)
{
	bool same = memcmp(c->receipt.stream, out->stream, sizeof out->stream) == 0;

	if (same && c->receipt.number > 0 &&
		(out->number <= c->arrived || out->number == c->receipt.number)) {
		return CHAT_STATE_DELIVERED;
	}
	return out->sent ? CHAT_STATE_SENT : CHAT_STATE_WAITING;
}
