/* The header of a message of chat: what stands with its text, as one JSON object. It is read after
 * it was found authentic, and as strictly as if it were not. */
#include "../crypto/landing.h"
#include "../crypto/secret.h"
#include "chat_parts.h"
#include "fields.h"

static const char *const kinds[] = {[CHAT_TEXT] = "text", [CHAT_FILE] = "file"};

/* --- what may stand in it --- */

static bool is_utf8(const void *p, size_t n)
{
	uint64_t count;

	return utf8_count(p, n, &count) == 0;
}

/* As for every file that arrives: what could not be saved is not sent, and not taken. */
static const char *name_fault(const void *p, size_t n)
{
	struct err why;

	return n == 0                                ? "a file has a name"
	       : landing_check_name(p, n, &why) != 0 ? "a file's name is none"
						     : NULL;
}

static const char *type_fault(const void *p, size_t n)
{
	const uint8_t *s = p;

	if (n > CHAT_TYPE_MAX) {
		return "a media type is too long";
	}
	for (size_t i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] >= 0x7f) {
			return "a media type is none";
		}
	}
	return NULL;
}

static const char *parts_fault(const struct chat_message *m, uint64_t size)
{
	size_t name_n = strnlen(m->name, sizeof m->name), type_n = strnlen(m->type, sizeof m->type);
	const char *fault = NULL;

	if (m->number == 0 || m->number > INT64_MAX) {
		return "no message has this number";
	}
	if (m->time_us < 0) {
		return "no message has this time";
	}
	if (size > CHAT_BODY_MAX) {
		return "it is too long";
	}
	if (m->kind == CHAT_TEXT) {
		return name_n > 0 || type_n > 0 ? "a text has no name and no type" : NULL;
	}
	if (m->kind != CHAT_FILE) {
		return "it is neither a text nor a file";
	}
	fault = name_fault(m->name, name_n);
	return fault != NULL ? fault : type_fault(m->type, type_n);
}

int chat_body_check(const struct chat_message *m, struct err *e)
{
	return m->kind != CHAT_TEXT || is_utf8(m->body.p, m->body.n)
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the text is no UTF-8");
}

/* --- writing --- */

static int set_fields(json_t *o, const struct chat_message *m, const char *from, const char *to)
{
	char stream[2 * CHAT_STREAM + 1];

	hex_encode(stream, m->stream, CHAT_STREAM);
	return (from != NULL && fields_set_text(o, "from", from, strlen(from)) != 0) ||
			       (to != NULL && fields_set_text(o, "to", to, strlen(to)) != 0) ||
			       json_object_set_new(o, "stream", json_string(stream)) != 0 ||
			       json_object_set_new(
				       o, "number", json_integer((json_int_t)m->number)) != 0 ||
			       json_object_set_new(o, "us", json_integer(m->time_us)) != 0 ||
			       json_object_set_new(o, "kind", json_string(kinds[m->kind])) != 0 ||
			       (m->name[0] != '\0' &&
				       fields_set_text(o, "name", m->name, strlen(m->name)) != 0) ||
			       (m->type[0] != '\0' &&
				       fields_set_text(o, "type", m->type, strlen(m->type)) != 0) ||
			       json_object_set_new(
				       o, "size", json_integer((json_int_t)m->body.n)) != 0
		       ? -1
		       : 0;
}

static int dump(struct buf *out, const json_t *o)
{
	size_t n, padded;

	if (buf_reserve(out, CHAT_HEADER_MAX) != 0) {
		return -1;
	}
	n = json_dumpb(o, (char *)out->p + out->n, CHAT_HEADER_MAX, JSON_COMPACT);
	if (n == 0 || n > CHAT_HEADER_MAX) {
		return -1;
	}
	padded = (n + CHAT_HEADER_STEP - 1) / CHAT_HEADER_STEP * CHAT_HEADER_STEP;
	memset(out->p + out->n + n, ' ', padded - n);
	out->n += padded;
	return 0;
}

int chat_header_write(struct buf *out, const struct chat_message *m, const char *from,
	const char *to, struct err *e)
{
	const char *fault = parts_fault(m, m->body.n);
	json_t *o;
	int rc;

	if (fault == NULL && m->kind == CHAT_TEXT && !is_utf8(m->body.p, m->body.n)) {
		fault = "the text is no UTF-8";
	}
	if (fault != NULL) {
		return err_set(e, EX_DATAERR, "cannot write the message: %s", fault);
	}
	json_set_alloc_funcs(secret_malloc, secret_free);
	o = json_object();
	rc = o == NULL || set_fields(o, m, from, to) != 0 || dump(out, o) != 0 ? -1 : 0;
	json_decref(o);
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "cannot write the message: out of memory");
}

/* --- reading --- */

static int bad_header(struct err *e, const char *why)
{
	return err_set(e, EX_PROTOCOL, "the message's header is none: %s", why);
}

int chat_stream_read(uint8_t out[static CHAT_STREAM], const void *object, struct err *e)
{
	char again[2 * CHAT_STREAM + 1];
	struct message_part text;

	if (fields_text(object, "stream", &text, NULL) != 1 ||
		hex_decode(out, CHAT_STREAM, (const char *)text.p, text.n) != 0) {
		return bad_header(e, "no stream");
	}
	hex_encode(again, out, CHAT_STREAM);
	return memcmp(again, text.p, text.n) == 0 ? 0 : bad_header(e, "no stream");
}

/* A text of at most max bytes, or none. */
static int get_text(const json_t *o, const char *field, char *out, size_t max, struct err *e)
{
	struct message_part text = {0};

	if (fields_text(o, field, &text, NULL) < 0 || text.n > max ||
		(text.n > 0 && has_control(text.p, text.n))) {
		return bad_header(e, field);
	}
	if (text.n > 0) {
		memcpy(out, text.p, text.n);
	}
	out[text.n] = '\0';
	return 0;
}

static int get_kind(const json_t *o, enum chat_kind *kind, struct err *e)
{
	*kind = fields_is(o, "kind", kinds[CHAT_FILE]) ? CHAT_FILE : CHAT_TEXT;
	return fields_is(o, "kind", kinds[*kind]) ? 0 : bad_header(e, "no kind");
}

static int get_fields(struct chat_message *m, uint64_t *size, const json_t *o, struct err *e)
{
	uint64_t us;
	const char *fault;

	if (chat_stream_read(m->stream, o, e) != 0 || get_kind(o, &m->kind, e) != 0 ||
		get_text(o, "name", m->name, CHAT_NAME_MAX, e) != 0 ||
		get_text(o, "type", m->type, CHAT_TYPE_MAX, e) != 0) {
		return -1;
	}
	if (fields_number(o, "number", INT64_MAX, &m->number, NULL) != 1 ||
		fields_number(o, "us", INT64_MAX, &us, NULL) != 1 ||
		fields_number(o, "size", CHAT_BODY_MAX, size, NULL) != 1) {
		return bad_header(e, "a number is missing");
	}
	m->time_us = (int64_t)us;
	fault = parts_fault(m, *size);
	return fault == NULL ? 0 : bad_header(e, fault);
}

int chat_header_read(struct chat_message *out, uint64_t *size, const void *p, size_t n,
	const char *from, const char *to, struct err *e)
{
	json_t *o;
	int rc;

	if (n == 0 || n > CHAT_HEADER_MAX || n % CHAT_HEADER_STEP != 0) {
		return bad_header(e, "its length");
	}
	o = fields_parse(p, n, e);
	if (o == NULL) {
		return -1;
	}
	rc = get_fields(out, size, o, e);
	if (rc == 0 && from != NULL && !fields_is(o, "from", from)) {
		rc = err_set(e, EX_PROTOCOL, "the message is not from %s", from);
	}
	if (rc == 0 && to != NULL && !fields_is(o, "to", to)) {
		rc = err_set(e, EX_PROTOCOL, "the message is not for %s", to);
	}
	json_decref(o);
	return rc;
}
