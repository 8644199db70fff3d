/* Sealed records over a connection; see enhanced.h. */
#include "enhanced.h"

#include <stdarg.h>

#include "../crypto/bytes.h"
#include "../crypto/secret.h"
#include "fields.h"

void enhanced_init(struct enhanced *w, struct conn *conn)
{
	json_set_alloc_funcs(secret_malloc, secret_free);
	w->conn = conn;
	w->start = w->end = w->out_n = w->in_most = w->out_most = 0;
	w->tx.has_key = w->rx.has_key = w->broken = false;
}

/* Only what was used: a session that did little touches little memory. */
void enhanced_wipe(struct enhanced *w)
{
	wipe(&w->tx, sizeof w->tx);
	wipe(&w->rx, sizeof w->rx);
	wipe(w->in, w->in_most);
	wipe(w->out, w->out_most);
	w->start = w->end = w->out_n = 0;
}

void enhanced_say(const struct enhanced *w, const char *format, ...)
{
	char line[512];
	va_list args;

	if (w->trace != NULL) {
		va_start(args, format);
		(void)vsnprintf(line, sizeof line, format, args);
		va_end(args);
		w->trace(w->trace_arg, line);
	}
}

/* A record that passed, the last one that was counted. */
static void say_record(
	const struct enhanced *w, char way, uint64_t counter, const char *what, size_t n)
{
	if (w->trace != NULL) {
		enhanced_say(w, "%c record %llu: %.40s, %zu bytes; an onlooker sees %zu", way,
			(unsigned long long)counter - 1, what == NULL ? "?" : what, n,
			n + NOISE_TAG + ENHANCED_LENGTH);
	}
}

/* --- messages behind their lengths --- */

static size_t length_at(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void put_length(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

bool enhanced_has_bytes(const struct enhanced *w)
{
	return w->end > w->start;
}

bool enhanced_has_record(const struct enhanced *w)
{
	size_t have = w->end - w->start;

	return have >= ENHANCED_LENGTH && have - ENHANCED_LENGTH >= length_at(w->in + w->start);
}

/* Read more. 1, 0 at the end of the connection, or -1. What was read before is let go. */
static int fill(struct enhanced *w, struct err *e)
{
	size_t got;

	if (w->start == w->end) {
		w->start = w->end = 0;
	} else if (w->start > sizeof w->in / 2) { /* the rest of one message fits behind it */
		memmove(w->in, w->in + w->start, w->end - w->start);
		w->end -= w->start;
		w->start = 0;
	}
	switch (conn_read(w->conn, w->in + w->end, sizeof w->in - w->end, 0, &got, e)) {
	case CONN_DATA:
		w->end += got;
		w->in_most = w->end > w->in_most ? w->end : w->in_most;
		return 1;
	case CONN_EOF:
		return 0;
	default:
		return -1;
	}
}

int enhanced_flush(struct enhanced *w, struct err *e)
{
	size_t n = w->out_n;

	w->out_n = 0;
	if (w->broken) {
		return err_set(e, EX_TEMPFAIL, "the connection broke while it was written to");
	}
	if (n > 0 && conn_write(w->conn, w->out, n, e) != 0) {
		w->broken = true;
		return -1;
	}
	return 0;
}

/* Nobody waits for the rest of a message that has no place. */
static bool is_too_long(const struct enhanced *w, size_t most)
{
	return w->end - w->start >= ENHANCED_LENGTH && length_at(w->in + w->start) > most;
}

int enhanced_get_message(struct enhanced *w, size_t most, uint8_t **p, size_t *n, struct err *e)
{
	while (!is_too_long(w, most) && !enhanced_has_record(w)) {
		/* the peer may wait for it before it says more */
		int rc = enhanced_flush(w, e) != 0 ? -1 : fill(w, e);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0) {
			return w->start == w->end
				       ? 1
				       : err_set(e, EX_TEMPFAIL,
						 "the connection ended inside a message");
		}
	}
	*n = length_at(w->in + w->start);
	if (*n > most) {
		return err_set(e, EX_PROTOCOL,
			"a message of %zu bytes came, where at most %zu have a place", *n, most);
	}
	*p = w->in + w->start + ENHANCED_LENGTH;
	w->start += ENHANCED_LENGTH + *n;
	return 0;
}

/* Room for a message of n bytes, its length and its tag. */
static int make_room(struct enhanced *w, size_t n, struct err *e)
{
	size_t all = ENHANCED_LENGTH + n + NOISE_TAG;

	if (sizeof w->out - w->out_n < all && enhanced_flush(w, e) != 0) {
		return -1;
	}
	w->out_most = w->out_n + all > w->out_most ? w->out_n + all : w->out_most;
	return 0;
}

int enhanced_put_message(struct enhanced *w, const uint8_t *p, size_t n, struct err *e)
{
	if (make_room(w, n, e) != 0) {
		return -1;
	}
	put_length(w->out + w->out_n, n);
	memcpy(w->out + w->out_n + ENHANCED_LENGTH, p, n);
	w->out_n += ENHANCED_LENGTH + n;
	return 0;
}

/* --- records in --- */

int enhanced_get(struct enhanced *w, uint8_t **p, size_t *n, struct err *e)
{
	int rc = enhanced_get_message(w, NOISE_MESSAGE_MAX, p, n, e);

	if (rc > 0) {
		return err_set(e, EX_TEMPFAIL, "the connection ended without a goodbye");
	}
	if (rc < 0 || noise_open(&w->rx, *p, *n, e) != 0) {
		return -1;
	}
	*n -= NOISE_TAG;
	return *n > 0 ? 0 : err_set(e, EX_PROTOCOL, "an empty record came");
}

int enhanced_get_json(struct enhanced *w, json_t **out, struct err *e)
{
	uint8_t *p;
	size_t n;

	*out = NULL;
	if (enhanced_get(w, &p, &n, e) != 0) {
		return -1;
	}
	*out = fields_parse(p, n, e);
	if (*out != NULL) {
		say_record(
			w, '<', w->rx.counter, json_string_value(json_object_get(*out, "type")), n);
	}
	return *out == NULL ? -1 : 0;
}

int enhanced_get_raw(struct enhanced *w, uint64_t *left, uint8_t **p, size_t *n, struct err *e)
{
	if (enhanced_get(w, p, n, e) != 0) {
		return -1;
	}
	say_record(w, '<', w->rx.counter, "content", *n);
	if (*n > *left) {
		return err_set(e, EX_PROTOCOL, "more bytes came than were announced");
	}
	*left -= *n;
	return 0;
}

/* --- records out --- */

uint8_t *enhanced_room(struct enhanced *w, size_t n, struct err *e)
{
	return make_room(w, n, e) == 0 ? w->out + w->out_n + ENHANCED_LENGTH : NULL;
}

int enhanced_put_room(struct enhanced *w, size_t n, const char *what, struct err *e)
{
	uint8_t *at = w->out + w->out_n;

	if (noise_seal(&w->tx, at + ENHANCED_LENGTH, n, e) != 0) {
		return -1;
	}
	put_length(at, n + NOISE_TAG);
	w->out_n += ENHANCED_LENGTH + n + NOISE_TAG;
	say_record(w, '>', w->tx.counter, what, n);
	return 0;
}

/* The object as text, where the next record's bytes stand: written once, for there is nearly always
 * room. 0 with *n, or -1 (memory, too long, connection). */
static int write_json(struct enhanced *w, const json_t *o, size_t *n, struct err *e)
{
	size_t left = sizeof w->out - w->out_n, frame = ENHANCED_LENGTH + NOISE_TAG;
	size_t cap = left > frame ? left - frame : 0, used;
	char *at = cap > 0 ? (char *)w->out + w->out_n + ENHANCED_LENGTH : NULL;

	*n = o == NULL ? 0 : json_dumpb(o, at, cap, JSON_COMPACT);
	if (*n == 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	/* what stands there is plain text, to be wiped even if it was cut */
	used = w->out_n + ENHANCED_LENGTH + (*n < cap ? *n : cap);
	w->out_most = cap > 0 && used > w->out_most ? used : w->out_most;
	if (*n > ENHANCED_RECORD_MAX) {
		return err_set(e, EX_DATAERR, "a request of %zu bytes does not fit a record", *n);
	}
	if (make_room(w, *n, e) != 0) {
		return -1;
	}
	if (*n > cap) { /* the buffer is empty now */
		(void)json_dumpb(o, (char *)w->out + ENHANCED_LENGTH, *n, JSON_COMPACT);
	}
	return 0;
}

int enhanced_put_json(struct enhanced *w, json_t *o, struct err *e)
{
	size_t n;
	int rc = write_json(w, o, &n, e);

	if (rc == 0) {
		rc = enhanced_put_room(w, n, json_string_value(json_object_get(o, "type")), e);
	}
	json_decref(o);
	return rc;
}

int enhanced_put_raw(struct enhanced *w, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;

	while (n > 0) {
		size_t k = n < ENHANCED_PIECE ? n : ENHANCED_PIECE;
		uint8_t *room = enhanced_room(w, k, e);
		if (room == NULL) {
			return -1;
		}
		memcpy(room, s, k);
		if (enhanced_put_room(w, k, "content", e) != 0) {
			return -1;
		}
		s += k;
		n -= k;
	}
	return 0;
}

/* --- errors, by name --- */

static const struct {
	const char *name;
	int exit;
	bool ends;
} codes[ENHANCED_CODES] = {
	[ENHANCED_DENIED] = {"denied", EX_NOPERM, true},
	[ENHANCED_PASSWORD] = {"password", EX_NOPERM, true},
	[ENHANCED_NO_USER] = {"no-user", EX_NOUSER, false},
	[ENHANCED_NO_MESSAGE] = {"no-message", EX_NOINPUT, false},
	[ENHANCED_NO_FILE] = {"no-file", EX_NOINPUT, false},
	[ENHANCED_EXISTS] = {"exists", EX_CANTCREAT, false},
	[ENHANCED_REJECTED] = {"rejected", EX_DATAERR, false},
	[ENHANCED_DAMAGED] = {"damaged", EX_DATAERR, false},
	[ENHANCED_TOO_LARGE] = {"too-large", EX_DATAERR, false},
	[ENHANCED_UNKNOWN] = {"unknown", EX_PROTOCOL, false},
	[ENHANCED_PROTOCOL] = {"protocol", EX_PROTOCOL, true},
	[ENHANCED_TRY_LATER] = {"try-later", EX_TEMPFAIL, false},
	[ENHANCED_FULL] = {"full", EX_TEMPFAIL, false},
	[ENHANCED_TIMEOUT] = {"timeout", EX_TEMPFAIL, true},
	[ENHANCED_STOPPING] = {"stopping", EX_TEMPFAIL, true},
};

const char *enhanced_code_name(enum enhanced_code code)
{
	return codes[code].name;
}

int enhanced_code_exit(const char *name, bool *ends)
{
	for (size_t i = 0; i < ENHANCED_CODES; i++) {
		if (strcmp(name, codes[i].name) == 0) {
			*ends = codes[i].ends;
			return codes[i].exit;
		}
	}
	*ends = true;
	return EX_PROTOCOL;
}
