/* Histories of chats; see chat_history.h. */
#include "chat_history.h"

#include <fcntl.h>
#include <strings.h>

#include "../crypto/landing.h"

/* --- showing --- */

struct showing {
	const struct chat_room *room;
	struct chat_node *node;
	chat_history_visit *visit;
	void *arg;
	size_t *damaged;
};

/* The record that the last so many messages begin with. */
static uint64_t first_of(const struct chat_contact *c, unsigned last)
{
	size_t i = c->in_n, o = c->out_n;
	uint64_t first = 1;

	for (unsigned k = 0; last > 0 && k < last && (i > 0 || o > 0); k++) {
		uint64_t in = i > 0 ? c->in[i - 1].record : 0;
		uint64_t out = o > 0 ? c->out[o - 1].record : 0;
		first = in > out ? in : out;
		i -= in > out ? 1 : 0;
		o -= in > out ? 0 : 1;
	}
	return first;
}

static int by_record(const void *record, const void *out)
{
	uint64_t wanted = *(const uint64_t *)record, is = ((const struct chat_out *)out)->record;

	return wanted < is ? -1 : wanted > is ? 1 : 0;
}

/* They stand as they were written: their records rise. */
static const char *state_of(const struct chat_contact *c, uint64_t record, struct chat_note *note)
{
	static const char *const names[] = {[CHAT_STATE_WAITING] = "waiting",
		[CHAT_STATE_SENT] = "sent",
		[CHAT_STATE_DELIVERED] = "delivered"};

	const struct chat_out *o =
		c->out_n == 0 ? NULL
			      : bsearch(&record, c->out, c->out_n, sizeof *c->out, by_record);

	if (o == NULL) {
		return CHAT_PRINT_PLAIN;
	}
	note->no_fs = o->no_fs;
	return names[chat_contact_state(c, o)];
}

static int show(void *arg, const struct history_record *r, struct err *e)
{
	const struct showing *s = arg;
	const struct chat_contact *c = &s->node->c;
	struct chat_note note;
	struct err why;

	if (r->damaged || chat_note_read(&note, r->note, r->note_n, &why) != 0) {
		(*s->damaged)++;
		return 0;
	}
	if (note.event != CHAT_EVENT_IN && note.event != CHAT_EVENT_OUT) {
		return 0;
	}
	bool in = note.event == CHAT_EVENT_IN;
	const char *state = in ? CHAT_PRINT_PLAIN : state_of(c, r->number, &note);
	const struct chat_line line = {.who = in ? c->name : s->room->account.user,
		.with = c->name,
		.state = state,
		.note = &note,
		.body = r->body,
		.body_n = r->body_n,
		.record = r->number,
		.whole_date = true};
	s->node->c.shown = r->number > c->shown ? r->number : c->shown;
	return s->visit(s->arg, &line, e);
}

int chat_history_each(const struct chat_room *r, struct chat_node *n, unsigned last,
	chat_history_visit *visit, void *arg, size_t *damaged, struct err *e)
{
	struct showing s = {.room = r, .node = n, .visit = visit, .arg = arg, .damaged = damaged};

	*damaged = 0;
	return history_each(n->c.history, first_of(&n->c, last), true, show, &s, e);
}

struct missing {
	const char *name;
	struct buf *out;
	size_t n;
};

static int write_missing(
	void *arg, uint64_t highest, const uint64_t *numbers, size_t n, bool newest)
{
	struct missing *m = arg;
	const char *when = newest ? "" : ", before it was counted anew";
	char text[192];

	m->n += n;
	for (size_t i = 0, j; i < n; i = j) {
		unsigned long long first = numbers[i], of = highest;
		for (j = i + 1; j < n && numbers[j] == numbers[j - 1] + 1; j++) {
		}
		if (j == i + 1) {
			(void)snprintf(text, sizeof text, "%s: message %llu of %llu is missing%s\n",
				m->name, first, of, when);
		} else {
			(void)snprintf(text, sizeof text,
				"%s: messages %llu to %llu of %llu are missing%s\n", m->name, first,
				first + (j - i) - 1, of, when);
		}
		if (buf_append_str(m->out, text) != 0) {
			return 1;
		}
	}
	return 0;
}

int chat_history_missing(const struct chat_room *r, const struct chat_node *n, struct buf *out,
	size_t *missing, struct err *e)
{
	struct missing m = {.name = n->c.name, .out = out};
	int rc = sequence_each_missing(r->desk.dir, n->c.name, "chat", write_missing, &m, e);

	*missing = m.n;
	return rc > 0 ? err_set(e, EX_TEMPFAIL, "out of memory") : rc;
}

/* --- files --- */

static int land(const char *path, const struct buf *body, struct err *e)
{
	struct landing to;
	int rc;

	if (strcmp(path, "-") == 0) {
		landing_stream(&to, STDOUT_FILENO);
		rc = 0;
	} else {
		rc = landing_open_path(&to, path, FILE_NEW, false, e);
	}
	if (rc == 0) {
		rc = landing_write(&to, body->p, body->n, e);
		rc = rc == 0 ? landing_finish(&to, e) : rc;
		(void)landing_end(&to, false);
	}
	return rc;
}

int chat_history_save(
	struct chat_node *n, const char *record, const char *path, struct buf *out, struct err *e)
{
	struct chat_note note;
	struct buf body = {0};
	uint64_t number;
	int rc;

	if (parse_decimal(record, strlen(record), INT64_MAX, &number) != 0 || number == 0) {
		return err_set(e, EX_USAGE, "\"%.40s\" is no number of a history", record);
	}
	rc = chat_contact_body(&n->c, number, &note, &body, e);
	if (rc == 0 && (note.event == CHAT_EVENT_SENT || note.event == CHAT_EVENT_RECEIPT)) {
		rc = err_set(e, EX_DATAERR, "record %s of the history holds no file", record);
	}
	if (rc == 0 && path == NULL && note.kind != CHAT_FILE) {
		rc = err_set(
			e, EX_DATAERR, "record %s is a text, and has no name: -o FILE", record);
	}
	if (rc == 0) {
		path = path == NULL ? note.name : path;
		rc = landing_check_name(note.kind == CHAT_FILE ? note.name : "text",
			note.kind == CHAT_FILE ? strlen(note.name) : 4, e);
		rc = rc == 0 ? land(path, &body, e) : rc;
	}
	if (rc == 0 && out != NULL && buf_append(out, path, strlen(path) + 1) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	buf_free(&body);
	return rc;
}

static const struct {
	const char *type, *end; /* of a name */
	const char *magic;
	size_t magic_n;
} types[] = {{"image/png", ".png", "\x89PNG\r\n\x1a\n", 8},
	{"image/jpeg", ".jpg", "\xff\xd8\xff", 3}, {"image/jpeg", ".jpeg", NULL, 0},
	{"image/gif", ".gif", "GIF8", 4}, {"application/pdf", ".pdf", "%PDF-", 5},
	{"image/webp", ".webp", NULL, 0}, {"image/svg+xml", ".svg", NULL, 0},
	{"text/plain", ".txt", NULL, 0}, {"application/zip", ".zip", "PK\x03\x04", 4},
	{"application/gzip", ".gz", "\x1f\x8b", 2}, {"audio/ogg", ".ogg", "OggS", 4},
	{"audio/mpeg", ".mp3", "ID3", 3}, {"video/mp4", ".mp4", NULL, 0}};
enum { TYPES_N = sizeof types / sizeof types[0] };

static const char *type_of(const struct buf *body, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < TYPES_N; i++) {
		if (types[i].magic_n > 0 && body->n >= types[i].magic_n &&
			memcmp(body->p, types[i].magic, types[i].magic_n) == 0) {
			return types[i].type;
		}
	}
	for (size_t i = 0; i < TYPES_N; i++) {
		size_t k = strlen(types[i].end);
		if (n > k && strcasecmp(name + n - k, types[i].end) == 0) {
			return types[i].type;
		}
	}
	return "application/octet-stream";
}

int chat_history_read_file(struct chat_text *out, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;

	*out = (struct chat_text){.kind = CHAT_FILE};
	if (landing_check_name(name, strlen(name), e) != 0 ||
		file_read(AT_FDCWD, path, CHAT_BODY_MAX, &out->body, NULL, e) != 0) {
		return -1;
	}
	(void)snprintf(out->name, sizeof out->name, "%s", name);
	(void)snprintf(out->type, sizeof out->type, "%s", type_of(&out->body, name));
	return 0;
}

/* --- deleting --- */

int chat_history_delete(struct chat_room *r, struct chat_node *n, struct err *e)
{
	char name[USER_NAME_MAX + 1];
	int lock = chat_desk_lock(&r->desk, CHAT_DESK_SENDING, e), rc;

	if (lock < 0) {
		return -1;
	}
	memcpy(name, n->c.name, sizeof name);
	chat_contact_close(&n->c);
	memcpy(n->c.name, name, sizeof name);
	n->opened = false;
	rc = history_delete(r->desk.dir, name, e);
	rc = rc == 0 ? chat_send_drop(&r->desk, name, true, e) : rc;
	(void)close(lock);
	return rc;
}
