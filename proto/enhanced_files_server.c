/* The enhanced protocol's `file-get`, `file-list` and `file-remove`, and what they share with
 * `file-put`. See enhanced_server.h, and PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "fields.h"
#include "log.h"

enum { PAGE_ROWS = 64 }; /* of names with 200 bytes, all of them escaped: they fit a record */

/* --- what they share --- */

int enhanced_file_names(
	struct enhanced_session *s, const json_t *request, struct shelf_file *out, struct err *e)
{
	struct message_part name, from;
	int has_from = fields_text(request, "from", &from, e);

	*out = (struct shelf_file){0};
	if (has_from < 0 || fields_text(request, "name", &name, e) <= 0) {
		return err_set(e, EX_DATAERR, "no file is named");
	}
	if (landing_check_name(name.p, name.n, e) != 0) {
		return -1;
	}
	memcpy(out->name, name.p, name.n);
	if (has_from == 0) {
		from = message_text(s->report->user);
	}
	if (from.n > USER_NAME_MAX) {
		return err_set(e, EX_DATAERR, "a user's name is too long");
	}
	memcpy(out->from, from.p, from.n);
	return user_name_valid(out->from)
		       ? 0
		       : err_set(e, EX_DATAERR, "whose file it was is no user's name");
}

int enhanced_file_refuse(
	struct enhanced_session *s, const struct err *why, bool full, struct err *e)
{
	return full                        ? enhanced_refuse_as(s, ENHANCED_FULL, why, e)
	       : why->code == EX_CANTCREAT ? enhanced_refuse_as(s, ENHANCED_EXISTS, why, e)
	       : why->code == EX_NOINPUT   ? enhanced_refuse_as(s, ENHANCED_NO_FILE, why, e)
					   : enhanced_refuse_err(s, why, e);
}

int enhanced_file_goes_on(struct enhanced_session *s, struct err *e)
{
	conn_deadline(s->wire.conn, s->host->idle_ms);
	if (conn_is_stopping(s->wire.conn)) {
		return err_set(e, EX_TEMPFAIL, "the server is stopping");
	}
	return enhanced_still_allowed(s, e);
}

void enhanced_file_deadline(struct enhanced_session *s, uint64_t bytes)
{
	conn_deadline(s->wire.conn, s->host->idle_ms + (int64_t)(bytes / ENHANCED_FILE_PACE));
}

void enhanced_file_log(
	const struct enhanced_session *s, const char *verb, const struct shelf_file *file)
{
	char shown[4 * SHELF_NAME_MAX + 1];

	(void)escape_text(shown, sizeof shown, file->name, strlen(file->name), false);
	log_quotable(shown);
	log_event("file", "user=%s verb=%s from=%s name=\"%s\" size=%llu", s->report->user, verb,
		file->from, shown, (unsigned long long)file->size);
}

static int refuse(struct enhanced_session *s, const struct err *why, struct err *e)
{
	s->report->rejected++;
	return enhanced_file_refuse(s, why, false, e);
}

/* The fields of a file. 0 or -1. */
static int set_file(json_t *o, const struct shelf_file *file)
{
	char time_text[MESSAGE_TIME_LEN + 1];

	message_format_time(file->time_us, time_text);
	return json_object_set_new(o, "from", json_string(file->from)) != 0 ||
			       json_object_set_new(o, "name", json_string(file->name)) != 0 ||
			       json_object_set_new(
				       o, "size", json_integer((json_int_t)file->size)) != 0 ||
			       json_object_set_new(
				       o, "us", json_integer((json_int_t)file->time_us)) != 0 ||
			       json_object_set_new(o, "time", json_string(time_text)) != 0 ||
			       (file->part && json_object_set_new(o, "part", json_true()) != 0)
		       ? -1
		       : 0;
}

/* --- file-get --- */

struct download {
	struct enhanced_session *s;
	struct shelf_file file;
	struct shelf_reader *reader;
	uint64_t held; /* that the client has of an earlier try; 0: none, or that was not asked */
	uint8_t key[PROOF_KEY];
};

static int read_held(struct download *d, const json_t *request, struct err *e)
{
	struct message_part key;
	int rc = fields_number(request, "held", INT64_MAX, &d->held, e);

	if (rc <= 0 || d->held == 0) {
		d->held = 0;
		return rc < 0 ? -1 : 0;
	}
	return fields_text(request, "key", &key, e) > 0 &&
			       hex_decode(d->key, sizeof d->key, (const char *)key.p, key.n) == 0
		       ? 0
		       : err_set(e, EX_DATAERR, "what is held has no sound \"key\"");
}

/* What it is, and what its first bytes are, where the client has some. */
static int put_head(struct download *d, struct err *e)
{
	struct shelf *shelf = d->s->host->shelf;
	bool comparable = d->held > 0 && d->held <= d->file.size;
	uint8_t proof[PROOF_BYTES];
	char hex[2 * PROOF_BYTES + 1];
	json_t *o;

	if (comparable && shelf->ops->prove(d->reader, d->held, d->key, proof, e) != 0) {
		return -1;
	}
	o = json_object();
	hex_encode(hex, proof, comparable ? sizeof proof : 0);
	if (json_object_set_new(o, "type", json_string("file")) != 0 ||
		set_file(o, &d->file) != 0 ||
		(d->held > 0 && json_object_set_new(o, "offset",
					json_integer(comparable ? (json_int_t)d->held : 0)) != 0) ||
		(comparable && json_object_set_new(o, "check", json_string(hex)) != 0)) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&d->s->wire, o, e);
}

/* Where the client wants it from. 0 or -1. */
static int seek(struct download *d, struct err *e)
{
	struct shelf *shelf = d->s->host->shelf;
	uint64_t offset = 0;
	json_t *o;
	int rc;

	if (d->held == 0) {
		return 0;
	}
	enhanced_file_deadline(d->s, d->held); /* it compares, too */
	if (enhanced_get_json(&d->s->wire, &o, e) != 0) {
		return -1;
	}
	rc = fields_is(o, "type", "file-go") &&
			     fields_number(o, "offset", d->file.size, &offset, e) > 0 &&
			     (offset == 0 || offset == d->held)
		     ? 0
		     : err_set(e, EX_PROTOCOL, "where a file is gone on from was not told");
	json_decref(o);
	return rc == 0 && offset > 0 ? shelf->ops->seek(d->reader, offset, e) : rc;
}

static int put_piece(struct download *d, const uint8_t *p, size_t n, uint64_t hole, struct err *e)
{
	json_t *o = json_object();

	if (json_object_set_new(
		    o, "type", json_string(n == 0 && hole == 0 ? "file-end" : "file-data")) != 0 ||
		(n > 0 && json_object_set_new(o, "length", json_integer((json_int_t)n)) != 0) ||
		(hole > 0 &&
			json_object_set_new(o, "zeros", json_integer((json_int_t)hole)) != 0)) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&d->s->wire, o, e) != 0 ? -1
							 : enhanced_put_raw(&d->s->wire, p, n, e);
}

/* Pieces to the end; an error may stand in place of one of them. */
static int put_data(struct download *d, uint8_t *piece, struct err *e)
{
	struct shelf *shelf = d->s->host->shelf;
	uint64_t hole = 0;
	struct err why;
	size_t n = 1;

	while (n > 0 || hole > 0) {
		if (enhanced_file_goes_on(d->s, e) != 0) {
			return -1;
		}
		if (shelf->ops->read(d->reader, piece, ENHANCED_FILE_PIECE, &n, &hole, &why) != 0) {
			return refuse(d->s, &why, e);
		}
		if (put_piece(d, piece, n, hole, e) != 0) {
			return -1;
		}
	}
	enhanced_file_log(d->s, "get", &d->file);
	d->s->report->viewed++;
	return 0;
}

static int download(struct download *d, struct err *e)
{
	uint8_t *piece;
	int rc;

	if (put_head(d, e) != 0 || seek(d, e) != 0) {
		return -1;
	}
	piece = malloc(ENHANCED_FILE_PIECE);
	if (piece == NULL) {
		return enhanced_no_memory(e);
	}
	rc = put_data(d, piece, e);
	free(piece);
	return rc;
}

int enhanced_do_file_get(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct shelf *shelf = s->host->shelf;
	struct download d = {.s = s};
	struct err why;
	int rc;

	if (enhanced_file_names(s, request, &d.file, &why) != 0 ||
		read_held(&d, request, &why) != 0) {
		return refuse(s, &why, e);
	}
	struct shelf_file named = d.file;
	if (shelf->ops->open(shelf, s->report->user, named.from, named.name, &d.reader, &d.file,
		    &why) != 0) {
		return refuse(s, &why, e);
	}
	rc = download(&d, e);
	shelf->ops->done(d.reader);
	return rc;
}

/* --- file-list --- */

struct pages {
	struct enhanced_session *s;
	json_t *rows; /* owned */
	bool begun;   /* one is on its way */
	struct err *e;
};

static int put_page(struct pages *p, bool more)
{
	json_t *o = json_object();
	int rc = json_object_set_new(o, "files", p->rows);

	p->rows = json_array();
	p->begun = true;
	if (rc != 0 || json_object_set_new(o, "type", json_string("file-list")) != 0 ||
		json_object_set_new(o, "more", json_boolean(more)) != 0) {
		json_decref(o);
		return enhanced_no_memory(p->e);
	}
	return enhanced_put_json(&p->s->wire, o, p->e);
}

static int add_row(void *arg, const struct shelf_file *file)
{
	struct pages *p = arg;
	json_t *o;

	if (json_array_size(p->rows) == PAGE_ROWS && put_page(p, true) != 0) {
		return -1;
	}
	o = json_object();
	if (set_file(o, file) != 0) {
		json_decref(o);
		return enhanced_no_memory(p->e);
	}
	return json_array_append_new(p->rows, o) == 0 ? 0 : enhanced_no_memory(p->e);
}

int enhanced_do_file_list(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct shelf *shelf = s->host->shelf;
	struct err why;
	struct pages p = {.s = s, .rows = json_array(), .e = &why};
	int rc = shelf->ops->list(shelf, s->report->user, add_row, &p, &why);

	(void)request;
	s->report->listed++;
	rc = rc == 0 ? put_page(&p, false) : rc;
	json_decref(p.rows);
	if (rc != 0 && !p.begun) {
		return refuse(s, &why, e);
	}
	if (rc != 0) {
		*e = why;
	}
	return rc;
}

/* --- file-remove --- */

int enhanced_do_file_remove(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct shelf *shelf = s->host->shelf;
	char shown[4 * SHELF_NAME_MAX + 1];
	struct shelf_file file;
	struct err why;
	json_t *o;

	if (enhanced_file_names(s, request, &file, &why) != 0 ||
		shelf->ops->remove(shelf, s->report->user, file.from, file.name, &why) != 0) {
		return refuse(s, &why, e);
	}
	(void)escape_text(shown, sizeof shown, file.name, strlen(file.name), false);
	log_quotable(shown);
	log_event("file", "user=%s verb=remove from=%s name=\"%s\"", s->report->user, file.from,
		shown);
	s->report->removed++;
	o = json_object();
	if (json_object_set_new(o, "type", json_string("file-removed")) != 0 ||
		json_object_set_new(o, "from", json_string(file.from)) != 0 ||
		json_object_set_new(o, "name", json_string(file.name)) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}
