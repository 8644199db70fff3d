/* A user's files, client half: getting, listing, removing. See enhanced_files.h, and PROTOCOL.md
 * for the requests. */
#include "enhanced_files.h"

#include "../crypto/proof.h"
#include "../crypto/random.h"
#include "enhanced_mail.h"
#include "fields.h"

void enhanced_file_wait(struct enhanced_client *c, uint64_t bytes)
{
	conn_deadline(&c->conn, ENHANCED_CLIENT_MS + (int64_t)(bytes / ENHANCED_FILE_PACE));
}

int enhanced_set_hex(json_t *o, const char *name, const uint8_t bytes[static PROOF_KEY])
{
	char hex[2 * PROOF_KEY + 1];

	hex_encode(hex, bytes, PROOF_KEY);
	return enhanced_set_text(o, name, hex);
}

_Static_assert((int)PROOF_KEY == (int)PROOF_BYTES, "a key and a proof are written alike");

int enhanced_get_hex(
	const json_t *o, const char *name, uint8_t out[static PROOF_KEY], struct err *e)
{
	struct message_part text;

	return fields_text(o, name, &text, e) > 0 &&
			       hex_decode(out, PROOF_KEY, (const char *)text.p, text.n) == 0
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the server's \"%s\" is none", name);
}

/* --- getting --- */

static int ask_get(struct enhanced_client *c, const struct ft_job *job, const char *from,
	uint64_t held, const uint8_t key[static PROOF_KEY], struct err *e)
{
	json_t *o = enhanced_request("file-get");
	bool ok = enhanced_set_text(o, "name", job->name) == 0 &&
		  (from == NULL || enhanced_set_text(o, "from", from) == 0) &&
		  (held == 0 || (enhanced_set_number(o, "held", held) == 0 &&
					enhanced_set_hex(o, "key", key) == 0));

	enhanced_file_wait(c, held);
	return enhanced_client_put(c, o, ok, e);
}

/* Is what is held here how the file begins? 0 with *offset to go on from, or -1. */
static int compare_held(struct ft_job *job, const json_t *head, uint64_t held,
	const uint8_t key[static PROOF_KEY], uint64_t *offset, struct err *e)
{
	uint8_t theirs[PROOF_BYTES], ours[PROOF_BYTES];

	if (fields_number(head, "offset", held, offset, e) <= 0 ||
		(*offset != 0 && *offset != held)) {
		return err_set(e, EX_PROTOCOL, "the server does not say where to go on");
	}
	if (*offset > 0) {
		if (enhanced_get_hex(head, "check", theirs, e) != 0 ||
			proof_of(job->to->fd, held, key, ours, e) != 0) {
			return -1;
		}
		*offset = ct_eq(ours, theirs, sizeof ours) ? held : 0;
	}
	job->refused_part = *offset == 0;
	return 0;
}

static int say_go(struct enhanced_client *c, uint64_t offset, struct err *e)
{
	json_t *o = enhanced_request("file-go");
	bool ok = enhanced_set_number(o, "offset", offset) == 0;

	enhanced_file_wait(c, 0);
	return enhanced_client_put(c, o, ok, e);
}

/* What there is, and where it is begun. 0, or -1; refused: the connection is as good as ever. */
static int begin_get(struct enhanced_client *c, struct ft_job *job, const char *from, bool *refused,
	struct err *e)
{
	uint64_t held = job->resume && !job->to->stream ? job->to->held : 0, offset = 0;
	uint8_t key[PROOF_KEY] = {0};
	json_t *head;
	int rc;

	if ((held > 0 && random_bytes(key, sizeof key, e) != 0) ||
		ask_get(c, job, from, held, key, e) != 0) {
		return -1;
	}
	if (enhanced_client_reply(c, "file", &head, e) != 0) {
		*refused = true;
		return -1;
	}
	rc = fields_number(head, "size", INT64_MAX, &job->total, e) > 0
		     ? 0
		     : err_set(e, EX_PROTOCOL, "the server's file has no size");
	if (rc == 0 && held > 0) {
		rc = compare_held(job, head, held, key, &offset, e);
		rc = rc == 0 ? say_go(c, offset, e) : rc;
	}
	json_decref(head);
	if (rc != 0 || (!job->to->stream && landing_from(job->to, offset, e) != 0)) {
		return -1;
	}
	return ft_begin_at(job, offset, e);
}

static int take_raw(struct enhanced_client *c, struct ft_job *job, uint64_t left, struct err *e)
{
	uint8_t *p;
	size_t n;

	while (left > 0) {
		if (enhanced_get_raw(&c->wire, &left, &p, &n, e) != 0 ||
			landing_write(job->to, p, n, e) != 0) {
			return -1;
		}
		ft_moved(job, p, n);
	}
	return 0;
}

static int take_piece(
	struct enhanced_client *c, struct ft_job *job, const json_t *piece, struct err *e)
{
	uint64_t left = job->total - job->done, length = 0, zeros = 0;
	int raw = fields_number(piece, "length", left, &length, e);
	int hole = fields_number(piece, "zeros", left, &zeros, e);

	if (!fields_is(piece, "type", "file-data") || raw < 0 || hole < 0 ||
		(length > 0) == (zeros > 0)) {
		return err_set(e, EX_PROTOCOL, "a piece of the server's file is none");
	}
	if (length > 0) {
		return take_raw(c, job, length, e);
	}
	if (landing_hole(job->to, zeros, e) != 0) {
		return -1;
	}
	ft_moved(job, NULL, zeros);
	return 0;
}

static int take_data(struct enhanced_client *c, struct ft_job *job, struct err *e)
{
	bool ended = false;
	json_t *piece;
	int rc = 0;

	while (rc == 0 && !ended) {
		enhanced_file_wait(c, 0);
		if (enhanced_client_any(c, &piece, e) != 0) {
			return -1;
		}
		ended = fields_is(piece, "type", "file-end");
		rc = ended ? 0 : take_piece(c, job, piece, e);
		json_decref(piece);
	}
	return rc != 0 || job->done == job->total
		       ? rc
		       : err_set(e, EX_PROTOCOL, "the server's file ended before its end");
}

int enhanced_files_get(
	struct mail_client *base, struct ft_job *job, const char *from, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	bool refused = false;

	if (landing_check_name(job->name, strlen(job->name), e) != 0) {
		return -1;
	}
	if (begin_get(c, job, from, &refused, e) != 0 || take_data(c, job, e) != 0) {
		base->alive = base->alive && refused; /* else it may be in the midst of data */
		return -1;
	}
	if (landing_finish(job->to, e) != 0) {
		return -1;
	}
	ft_end(job);
	return 0;
}

/* --- the list --- */

/* Digits and what stands between them: it goes to a terminal as it is. */
static bool is_time(const struct message_part *t)
{
	return t->n == MESSAGE_TIME_LEN && strspn((const char *)t->p, "0123456789-:. ") == t->n;
}

static int visit_one(const json_t *o, files_visit *visit, void *arg, struct err *e)
{
	struct files_row row = {.part = fields_true(o, "part")};
	struct err why;
	uint64_t us = 0;

	if (fields_text(o, "from", &row.from, e) <= 0 ||
		!user_name_valid((const char *)row.from.p) ||
		fields_text(o, "name", &row.name, e) <= 0 ||
		landing_check_name(row.name.p, row.name.n, &why) != 0 ||
		fields_text(o, "time", &row.time, e) <= 0 || !is_time(&row.time) ||
		fields_number(o, "size", INT64_MAX, &row.size, e) <= 0 ||
		fields_number(o, "us", INT64_MAX, &us, e) < 0) {
		return err_set(e, EX_PROTOCOL, "a row of the server's list is no file");
	}
	row.us = (int64_t)us;
	return visit(arg, &row, e);
}

int enhanced_files_list(struct mail_client *base, files_visit *visit, void *arg, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	bool more = true;
	int rc = 0;

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, enhanced_request("file-list"), true, e) != 0) {
		return -1;
	}
	while (rc == 0 && more) {
		const json_t *files, *o;
		json_t *reply;
		size_t i;
		if (enhanced_client_reply(c, "file-list", &reply, e) != 0) {
			return -1;
		}
		files = json_object_get(reply, "files");
		more = fields_true(reply, "more");
		if (!json_is_array(files)) {
			rc = err_set(e, EX_PROTOCOL, "the server's list is none");
		}
		json_array_foreach(files, i, o)
		{
			rc = rc == 0 ? visit_one(o, visit, arg, e) : rc;
		}
		json_decref(reply);
	}
	base->alive = base->alive && rc == 0;
	return rc;
}

int enhanced_files_remove(
	struct mail_client *base, const char *from, const char *name, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("file-remove"), *reply;
	bool ok = enhanced_set_text(o, "name", name) == 0 &&
		  (from == NULL || enhanced_set_text(o, "from", from) == 0);

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, o, ok, e) != 0 ||
		enhanced_client_reply(c, "file-removed", &reply, e) != 0) {
		return -1;
	}
	json_decref(reply);
	return 0;
}
