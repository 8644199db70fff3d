/* A user's files, client half: putting one, and handing it over. See enhanced_files.h, and
 * PROTOCOL.md for the requests. */
#include <poll.h>

#include "../crypto/proof.h"
#include "enhanced_files.h"
#include "enhanced_mail.h"
#include "fields.h"

/* What the server said makes no sense: nobody knows what it says next. */
static int nonsense(struct enhanced_client *c, const char *what, struct err *e)
{
	c->base.alive = false;
	return err_set(e, EX_PROTOCOL, "the server's answer %s", what);
}

static int ask_put(struct enhanced_client *c, const struct files_put *p, struct err *e)
{
	const struct ft_job *job = p->job;
	json_t *o = enhanced_request("file-put");
	bool ok = enhanced_set_text(o, "name", job->name) == 0 &&
		  enhanced_set_number(o, "size", job->total) == 0 &&
		  (!job->force || json_object_set_new(o, "force", json_true()) == 0) &&
		  (!job->resume || json_object_set_new(o, "resume", json_true()) == 0) &&
		  (p->to == NULL || json_object_set_new(o, "to", enhanced_names(p->to)) == 0);

	enhanced_file_wait(c, 0);
	return enhanced_client_put(c, o, ok, e);
}

/* The server holds some: prove that it is how our file begins. 0 with *offset to go on from. */
static int prove_held(struct enhanced_client *c, struct ft_job *job, const json_t *ready,
	uint64_t held, uint64_t *offset, struct err *e)
{
	uint8_t key[PROOF_KEY], check[PROOF_BYTES];
	json_t *o, *go;
	bool ok;
	int rc;

	if (enhanced_get_hex(ready, "key", key, e) != 0) {
		c->base.alive = false;
		return -1;
	}
	if (proof_of(job->from->fd, held, key, check, e) != 0) {
		c->base.alive = false;
		return -1;
	}
	o = enhanced_request("file-from");
	ok = enhanced_set_number(o, "offset", held) == 0 &&
	     enhanced_set_hex(o, "check", check) == 0;
	enhanced_file_wait(c, held);
	if (enhanced_client_put(c, o, ok, e) != 0 ||
		enhanced_client_reply(c, "file-go", &go, e) != 0) {
		return -1;
	}
	rc = fields_number(go, "offset", held, offset, e) > 0 && (*offset == 0 || *offset == held)
		     ? 0
		     : nonsense(c, "does not say where to go on", e);
	json_decref(go);
	job->refused_part = rc == 0 && *offset == 0;
	return rc;
}

static int begin_put(struct enhanced_client *c, const struct files_put *p, struct err *e)
{
	struct ft_job *job = p->job;
	uint64_t held = 0, offset = 0;
	json_t *ready;
	int rc;

	if (ask_put(c, p, e) != 0 || enhanced_client_reply(c, "file-ready", &ready, e) != 0) {
		return -1;
	}
	rc = fields_number(ready, "held", job->total, &held, e) < 0
		     ? nonsense(c, "tells of more than there is", e)
	     : held > 0 ? prove_held(c, job, ready, held, &offset, e)
			: 0;
	json_decref(ready);
	if (rc == 0 &&
		(source_seek(job->from, offset, e) != 0 || ft_begin_at(job, offset, e) != 0)) {
		c->base.alive = false;
		rc = -1;
	}
	return rc;
}

static int put_piece(
	struct enhanced_client *c, const uint8_t *p, size_t n, uint64_t hole, struct err *e)
{
	json_t *o = enhanced_request("file-data");
	bool ok = n > 0 ? enhanced_set_number(o, "length", n) == 0
			: enhanced_set_number(o, "zeros", hole) == 0;

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	return enhanced_put_raw(&c->wire, p, n, e) == 0 ? 0 : enhanced_client_broken(c, e);
}

/* Has the server said something already? It can only be that it does not want the rest. */
static bool is_answered(struct enhanced_client *c)
{
	struct pollfd p = {.fd = c->conn.fd, .events = POLLIN};

	return enhanced_has_bytes(&c->wire) || poll(&p, 1, 0) > 0;
}

/* All of the file. 1: the server does not want it; or -1, *ours: the fault is on this side, and the
 * connection is as good as ever. */
static int put_data(
	struct enhanced_client *c, struct ft_job *job, uint8_t *piece, bool *ours, struct err *e)
{
	uint64_t hole;
	size_t n;

	for (;;) {
		if (source_read(job->from, piece, ENHANCED_FILE_PIECE, &n, &hole, e) != 0) {
			*ours = true;
			return -1;
		}
		if (n == 0 && hole == 0) {
			break;
		}
		if (put_piece(c, piece, n, hole, e) != 0) {
			return -1;
		}
		ft_moved(job, n > 0 ? piece : NULL, n > 0 ? n : hole);
		if (is_answered(c)) {
			return 1;
		}
	}
	*ours = source_unchanged(job->from, e) != 0;
	if (!*ours && job->done != job->total) {
		*ours = true;
		return err_set(e, EX_TEMPFAIL, "the file became shorter while it was sent");
	}
	return *ours ? -1 : 0;
}

/* Say how the data end. The server answers once, unless it has already. */
static int end_data(struct enhanced_client *c, const char *how, struct err *e)
{
	return enhanced_client_put(c, enhanced_request(how), true, e);
}

static int take_given(const struct files_put *p, const json_t *o, struct err *e)
{
	struct message_part to, name;
	struct files_given g = {0};
	const char *code = json_string_value(json_object_get(o, "code"));
	bool ends;

	if (fields_text(o, "to", &to, e) <= 0 || !user_name_valid((const char *)to.p) ||
		fields_text(o, "name", &name, e) < 0) {
		return err_set(e, EX_PROTOCOL, "the server does not say who has the file");
	}
	g.to = (const char *)to.p;
	if (json_object_get(o, "name") != NULL) {
		if (landing_check_name(name.p, name.n, e) != 0) {
			return err_set(e, EX_PROTOCOL, "the server's name of the file is none");
		}
		g.name = (const char *)name.p;
	} else {
		g.code = enhanced_code_exit(code == NULL ? "" : code, &ends);
		(void)fields_text(o, "text", &g.why, NULL);
	}
	if (p->given != NULL) {
		p->given(p->arg, &g);
	}
	return 0;
}

/* Does it tell of each recipient, once, and of nobody else? Names that are repeated count once. */
static bool tells_of_all(const struct files_put *p, const json_t *given)
{
	json_t *asked = enhanced_names(p->to == NULL ? "" : p->to), *seen = json_object();
	const json_t *o;
	size_t i, want = 0;
	bool ok = asked != NULL && seen != NULL;

	json_array_foreach(asked, i, o)
	{
		ok = ok && json_object_set_new(seen, json_string_value(o), json_true()) == 0;
	}
	want = json_object_size(seen);
	json_array_foreach(given, i, o)
	{
		const char *to = json_string_value(json_object_get(o, "to"));
		ok = ok && to != NULL && json_object_del(seen, to) == 0;
	}
	ok = ok && json_object_size(seen) == 0 && json_array_size(given) == want;
	json_decref(asked);
	json_decref(seen);
	return ok;
}

static int take_stored(struct enhanced_client *c, struct files_put *p, struct err *e)
{
	const json_t *o;
	json_t *reply;
	uint64_t us = 0, size = 0;
	size_t i;
	int rc = 0;

	enhanced_file_wait(c, p->job->total);
	if (enhanced_client_reply(c, "file-stored", &reply, e) != 0) {
		return -1;
	}
	if (fields_number(reply, "us", INT64_MAX, &us, e) < 0) {
		rc = nonsense(c, "has no time", e);
	} else if (fields_number(reply, "size", INT64_MAX, &size, e) <= 0 ||
		   size != p->job->total) {
		rc = nonsense(c, "is about another file", e);
	} else if (!tells_of_all(p, json_object_get(reply, "given"))) {
		rc = nonsense(c, "does not say who has the file", e);
	}
	p->time_us = (int64_t)us;
	json_array_foreach(json_object_get(reply, "given"), i, o)
	{
		rc = rc == 0 ? take_given(p, o, e) : rc;
	}
	json_decref(reply);
	return rc;
}

/* What was sent is of no use: what the server says to that is not needed, but that it says it. */
static void take_stopped(struct enhanced_client *c)
{
	struct err ignored;
	json_t *reply;

	if (end_data(c, "file-stop", &ignored) == 0 &&
		enhanced_client_any(c, &reply, &ignored) == 0) {
		json_decref(reply);
	}
}

static int put_all(struct enhanced_client *c, struct files_put *p, uint8_t *piece, struct err *e)
{
	bool ours = false;
	int rc = put_data(c, p->job, piece, &ours, e);

	if (rc < 0) {
		if (ours) {
			take_stopped(c);
		}
		return -1;
	}
	if (end_data(c, rc == 0 ? "file-end" : "file-stop", e) != 0 || take_stored(c, p, e) != 0) {
		return -1;
	}
	if (rc > 0) {
		return nonsense(c, "came ahead of the file's end", e);
	}
	ft_end(p->job);
	return 0;
}

int enhanced_files_put(struct mail_client *base, struct files_put *p, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	uint8_t *piece;
	int rc;

	if (!source_size(p->job->from, &p->job->total)) {
		return err_set(e, EX_SOFTWARE, "a file without a size cannot be put");
	}
	if (landing_check_name(p->job->name, strlen(p->job->name), e) != 0 ||
		begin_put(c, p, e) != 0) {
		return -1;
	}
	piece = malloc(ENHANCED_FILE_PIECE);
	if (piece == NULL) {
		base->alive = false;
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = put_all(c, p, piece, e);
	free(piece);
	return rc;
}
