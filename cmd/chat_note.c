/* Notes of a chat's history; see chat_note.h. */
#include "chat_note.h"

#include "../proto/fields.h"

static const char *const events[] = {[CHAT_EVENT_IN] = "in",
	[CHAT_EVENT_OUT] = "out",
	[CHAT_EVENT_SENT] = "sent",
	[CHAT_EVENT_RECEIPT] = "receipt"};
enum { EVENTS_N = sizeof events / sizeof events[0] };

/* --- writing --- */

static int set_hex(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	char hex[2 * SEQUENCE_ID + 1];

	hex_encode(hex, p, n);
	return fields_set_text(o, name, hex, 2 * n);
}

static int set_number(json_t *o, const char *name, uint64_t value)
{
	return json_object_set_new(o, name, json_integer((json_int_t)value));
}

static int set_message(json_t *o, const struct chat_note *n)
{
	if (n->event == CHAT_EVENT_IN && set_hex(o, "id", n->id, sizeof n->id) != 0) {
		return -1;
	}
	if (n->kind == CHAT_FILE &&
		(fields_set_text(o, "name", n->name, strlen(n->name)) != 0 ||
			fields_set_text(o, "type", n->type, strlen(n->type)) != 0)) {
		return -1;
	}
	return fields_set_text(o, "kind", n->kind == CHAT_FILE ? "file" : "text", 4);
}

static int set_all(json_t *o, const struct chat_note *n)
{
	const char *event = events[n->event];
	bool message = n->event == CHAT_EVENT_IN || n->event == CHAT_EVENT_OUT;

	if (fields_set_text(o, "event", event, strlen(event)) != 0 ||
		set_hex(o, "stream", n->stream, sizeof n->stream) != 0 ||
		set_number(o, "number", n->number) != 0 ||
		set_number(o, "us", (uint64_t)n->time_us) != 0 ||
		(message && set_message(o, n) != 0) ||
		(n->missing > 0 && set_number(o, "missing", n->missing) != 0)) {
		return -1;
	}
	return n->no_fs ? json_object_set_new(o, "no_fs", json_true()) : 0;
}

int chat_note_write(struct buf *out, const struct chat_note *note, struct err *e)
{
	json_t *o = json_object();
	char *text = set_all(o, note) == 0 ? json_dumps(o, JSON_COMPACT) : NULL;
	int rc = text == NULL ? -1 : buf_append_str(out, text);
	json_free_t release;

	json_get_alloc_funcs(NULL, &release);
	if (text != NULL) {
		release(text);
	}
	json_decref(o);
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* --- reading --- */

/* false: it is not there, or is none. */
static bool take_hex(const json_t *o, const char *name, uint8_t *out, size_t n)
{
	struct message_part text;
	struct err e;

	return fields_text(o, name, &text, &e) == 1 && text.n == 2 * n &&
	       hex_decode(out, n, (const char *)text.p, text.n) == 0;
}

static bool take_text(const json_t *o, const char *name, char *out, size_t cap)
{
	struct message_part text;
	struct err e;

	if (fields_text(o, name, &text, &e) != 1 || text.n >= cap) {
		return false;
	}
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static bool take_event(const json_t *o, struct chat_note *out)
{
	for (size_t i = 0; i < EVENTS_N; i++) {
		if (fields_is(o, "event", events[i])) {
			out->event = (enum chat_event)i;
			return true;
		}
	}
	return false;
}

static bool take_all(const json_t *o, struct chat_note *out)
{
	uint64_t us;
	struct err e;

	if (!take_event(o, out) || !take_hex(o, "stream", out->stream, sizeof out->stream) ||
		fields_number(o, "number", INT64_MAX, &out->number, &e) != 1 ||
		fields_number(o, "us", INT64_MAX, &us, &e) != 1 ||
		fields_number(o, "missing", INT64_MAX, &out->missing, &e) < 0) {
		return false;
	}
	out->time_us = (int64_t)us;
	out->no_fs = fields_true(o, "no_fs");
	out->kind = fields_is(o, "kind", "file") ? CHAT_FILE : CHAT_TEXT;
	return (out->event != CHAT_EVENT_IN || take_hex(o, "id", out->id, sizeof out->id)) &&
	       (out->kind != CHAT_FILE ||
		       (take_text(o, "name", out->name, sizeof out->name) &&
			       take_text(o, "type", out->type, sizeof out->type)));
}

int chat_note_read(struct chat_note *out, const void *p, size_t n, struct err *e)
{
	json_t *o;
	bool whole;

	*out = (struct chat_note){0};
	o = fields_parse(p, n, e);
	whole = o != NULL && take_all(o, out);
	json_decref(o);
	return whole ? 0 : err_set(e, EX_DATAERR, "a record of the history is not one of a chat");
}

void chat_note_id(uint8_t out[static SEQUENCE_ID], const void *packet, size_t n)
{
	uint8_t digest[HASH_BYTES];

	hash_of(packet, n, digest);
	memcpy(out, digest, SEQUENCE_ID);
}
