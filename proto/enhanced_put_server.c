/* The enhanced protocol's `file-put`: a file from a client into the user's own, and on to others.
 * See enhanced_server.h, and PROTOCOL.md for the fields.
 *
 * The client sends nothing before it was told `file-ready`, so that what can be refused beforehand
 * costs nobody a transfer. Behind that it says how its data end, whatever we say meanwhile: one
 * answer to one transfer, and both know where the next request begins. */
#include "enhanced_server.h"

#include "../crypto/random.h"
#include "fields.h"
#include "log.h"

_Static_assert((int)ENHANCED_FILE_NAME == (int)SHELF_NAME_MAX, "a name on the wire is one on disk");

enum {
	DROP_MAX = 64 << 20, /* bytes that may be under way when a transfer is refused */
	REASON_MAX = 120     /* bytes of a text that tells why somebody was not handed a file */
};

struct upload {
	struct enhanced_session *s;
	struct shelf_file file;   /* as it was named, */
	struct shelf_file stored; /* and as it is there */
	struct shelf_limit limit;
	struct shelf_plan plan;
	struct users_list to;
	struct shelf_draft *draft;
	bool refused; /* and told so: what still comes is dropped */
	uint64_t dropped;
};

/* --- before it begins --- */

/* Whom it is for is found out before anything is sent: users, and with room. */
static int check_recipients(struct upload *u, const json_t *to, struct err *e)
{
	struct shelf *shelf = u->s->host->shelf;
	struct buf text = {0};
	int rc;

	if (to == NULL) {
		return 0;
	}
	rc = enhanced_read_to(&text, to, e);
	rc = rc == 0 ? users_split(&u->to, text.p, text.n, e) : rc;
	buf_free(&text);
	if (rc == 0 && u->to.n > ENHANCED_FILE_TO) {
		rc = err_set(e, EX_DATAERR, "more than %d recipients", ENHANCED_FILE_TO);
	}
	for (size_t i = 0; rc == 0 && i < u->to.n; i++) {
		const char *name = u->to.names[i];
		if (!users_known(u->s->accounts.now, name)) {
			rc = err_set(e, EX_NOUSER, "no such user: %s", name);
		} else if (!u->plan.resume && strcmp(name, u->s->report->user) != 0) {
			/* who goes on may have handed it to some already: they need no room */
			rc = shelf->ops->room(shelf, name, u->plan.size, &u->limit, e);
		}
	}
	return rc;
}

static int begin(struct upload *u, const json_t *request, uint64_t *held, struct err *e)
{
	struct shelf *shelf = u->s->host->shelf;

	u->limit.bytes = u->s->host->max_shelf;
	u->plan = (struct shelf_plan){.user = u->s->report->user,
		.name = u->file.name,
		.force = fields_true(request, "force"),
		.resume = fields_true(request, "resume"),
		.limit = &u->limit};
	if (enhanced_file_names(u->s, request, &u->file, e) != 0 ||
		landing_check_name(u->file.name, strlen(u->file.name), e) != 0) {
		return -1;
	}
	if (fields_number(request, "size", INT64_MAX, &u->plan.size, e) <= 0) {
		return err_set(e, EX_DATAERR, "a file-put needs a \"size\"");
	}
	if (strcmp(u->file.from, u->s->report->user) != 0) {
		return err_set(e, EX_DATAERR, "files are put among one's own");
	}
	return check_recipients(u, json_object_get(request, "to"), e) != 0
		       ? -1
		       : shelf->ops->begin(shelf, &u->plan, &u->draft, held, e);
}

static int put_ready(
	struct upload *u, uint64_t held, const uint8_t key[static PROOF_KEY], struct err *e)
{
	char hex[2 * PROOF_KEY + 1];
	json_t *o = json_object();

	hex_encode(hex, key, PROOF_KEY);
	if (json_object_set_new(o, "type", json_string("file-ready")) != 0 ||
		(held > 0 && (json_object_set_new(o, "held", json_integer((json_int_t)held)) != 0 ||
				     json_object_set_new(o, "key", json_string(hex)) != 0))) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&u->s->wire, o, e);
}

/* What the client says of its own first bytes. 0 with *same, or -1. */
static int compare(struct upload *u, const json_t *from, uint64_t held,
	const uint8_t key[static PROOF_KEY], bool *same, struct err *e)
{
	struct shelf *shelf = u->s->host->shelf;
	uint8_t theirs[PROOF_BYTES], ours[PROOF_BYTES];
	struct message_part check;
	uint64_t offset;

	*same = false;
	if (!fields_is(from, "type", "file-from") ||
		fields_number(from, "offset", held, &offset, e) <= 0) {
		return err_set(e, EX_PROTOCOL, "where a file is gone on from was not told");
	}
	if (offset != held) {
		return 0;
	}
	if (fields_text(from, "check", &check, e) <= 0 ||
		hex_decode(theirs, sizeof theirs, (const char *)check.p, check.n) != 0) {
		return err_set(e, EX_PROTOCOL, "the proof of a file's beginning is none");
	}
	if (shelf->ops->proof(u->draft, held, key, ours, e) != 0) {
		return -1;
	}
	*same = ct_eq(ours, theirs, sizeof ours);
	return 0;
}

static int put_go(struct upload *u, uint64_t offset, struct err *e)
{
	json_t *o = json_object();

	if (json_object_set_new(o, "type", json_string("file-go")) != 0 ||
		json_object_set_new(o, "offset", json_integer((json_int_t)offset)) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&u->s->wire, o, e);
}

/* Agree on where the data begin. 0, with `refused` where it was, or -1. */
static int agree(struct upload *u, uint64_t held, struct err *e)
{
	struct shelf *shelf = u->s->host->shelf;
	uint8_t key[PROOF_KEY];
	struct err why;
	json_t *from;
	bool same;
	int rc;

	if (random_bytes(key, sizeof key, e) != 0 || put_ready(u, held, key, e) != 0) {
		return -1;
	}
	if (held == 0) {
		return 0;
	}
	enhanced_file_deadline(u->s, held);
	if (enhanced_get_json(&u->s->wire, &from, e) != 0) {
		return -1;
	}
	rc = compare(u, from, held, key, &same, e);
	json_decref(from);
	if (rc != 0 || enhanced_file_goes_on(u->s, e) != 0) {
		return -1;
	}
	if (shelf->ops->from(u->draft, same ? held : 0, &why) != 0) {
		u->refused = true;
		return enhanced_file_refuse(u->s, &why, u->limit.full, e);
	}
	return put_go(u, same ? held : 0, e);
}

/* --- data --- */

/* The next bytes (NULL: zeros); the first that cannot be kept is told at once. */
static int take(struct upload *u, const void *p, uint64_t n, struct err *e)
{
	struct err why;

	if (u->refused) {
		u->dropped += p == NULL ? 0 : n;
		if (u->dropped > DROP_MAX) {
			u->s->mute = true;
			return err_set(e, EX_PROTOCOL, "the data of a file that was refused go on");
		}
		return 0;
	}
	if (u->s->host->shelf->ops->append(u->draft, p, n, &why) == 0) {
		return 0;
	}
	u->refused = true;
	u->s->report->rejected++;
	return enhanced_file_refuse(u->s, &why, u->limit.full, e) != 0
		       ? -1
		       : enhanced_flush(&u->s->wire, e);
}

static int take_raw(struct upload *u, uint64_t left, struct err *e)
{
	uint8_t *p;
	size_t n;

	while (left > 0) {
		if (enhanced_get_raw(&u->s->wire, &left, &p, &n, e) != 0 || take(u, p, n, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int take_piece(struct upload *u, const json_t *piece, struct err *e)
{
	uint64_t length = 0, zeros = 0;
	int raw = fields_number(piece, "length", ENHANCED_FILE_PIECE_MAX, &length, e);
	int hole = fields_number(piece, "zeros", INT64_MAX, &zeros, e);

	if (raw < 0 || hole < 0 || (length > 0) == (zeros > 0)) {
		return err_set(e, EX_PROTOCOL, "a piece of a file has no sound length");
	}
	return length > 0 ? take_raw(u, length, e) : take(u, NULL, zeros, e);
}

/* To the end of it. 0 with *stopped: the client gave up; or -1. */
static int take_data(struct upload *u, bool *stopped, struct err *e)
{
	json_t *o;
	bool ended = false;
	int rc = 0;

	while (rc == 0 && !ended) {
		if (enhanced_file_goes_on(u->s, e) != 0 ||
			enhanced_get_json(&u->s->wire, &o, e) != 0) {
			return -1;
		}
		*stopped = fields_is(o, "type", "file-stop");
		ended = *stopped || fields_is(o, "type", "file-end");
		if (!ended) {
			rc = fields_is(o, "type", "file-data")
				     ? take_piece(u, o, e)
				     : err_set(e, EX_PROTOCOL,
					       "where a file's data have their place came "
					       "something else");
		}
		json_decref(o);
	}
	return rc;
}

/* --- the answer --- */

/* Who was a user when the transfer began may be none any more: what is handed to such a name is
 * whoever's has it next. 0, or -1 with e and *code. */
static int give_user(struct upload *u, const char *to, char name[static SHELF_NAME_MAX + 1],
	enum enhanced_code *code, struct err *e)
{
	struct shelf_limit limit = {.bytes = u->limit.bytes};
	int rc;

	if (!users_known(u->s->accounts.now, to)) {
		*code = ENHANCED_NO_USER;
		return err_set(e, EX_NOUSER, "no such user: %s", to);
	}
	rc = u->s->host->shelf->ops->give(u->draft, to, &limit, name, e);
	*code = limit.full ? ENHANCED_FULL : ENHANCED_TRY_LATER;
	return rc;
}

/* Hand it to one, and note how that went. 0, or -1 (memory). */
static int give(struct upload *u, const char *to, json_t *given)
{
	char name[SHELF_NAME_MAX + 1], shown[REASON_MAX];
	enum enhanced_code code;
	struct err why;
	json_t *o = json_object();
	int rc = json_object_set_new(o, "to", json_string(to));

	if (give_user(u, to, name, &code, &why) == 0) {
		rc = rc == 0 ? json_object_set_new(o, "name", json_string(name)) : rc;
	} else {
		log_err("give", &why);
		(void)escape_text(shown, sizeof shown, why.text, strcspn(why.text, "\n"), false);
		rc = rc == 0 ? json_object_set_new(o, "code", json_string(enhanced_code_name(code)))
			     : rc;
		rc = rc == 0 ? json_object_set_new(o, "text", json_string(shown)) : rc;
	}
	if (rc != 0) {
		json_decref(o);
		return -1;
	}
	return json_array_append_new(given, o);
}

static int answer_stored(struct upload *u, struct err *e)
{
	json_t *o = json_object(), *given = json_array();
	int rc = 0;

	for (size_t i = 0; i < u->to.n && rc == 0; i++) {
		rc = give(u, u->to.names[i], given);
	}
	if (json_object_set_new(o, "given", given) != 0 || rc != 0 ||
		json_object_set_new(o, "type", json_string("file-stored")) != 0 ||
		json_object_set_new(o, "name", json_string(u->stored.name)) != 0 ||
		json_object_set_new(o, "size", json_integer((json_int_t)u->stored.size)) != 0 ||
		json_object_set_new(o, "us", json_integer((json_int_t)u->stored.time_us)) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&u->s->wire, o, e);
}

static int answer(struct upload *u, bool stopped, struct err *e)
{
	struct shelf *shelf = u->s->host->shelf;
	struct err why;
	json_t *o;

	if (stopped) {
		o = json_object();
		if (json_object_set_new(o, "type", json_string("file-stopped")) != 0) {
			json_decref(o);
			return enhanced_no_memory(e);
		}
		return enhanced_put_json(&u->s->wire, o, e);
	}
	if (enhanced_still_allowed(u->s, e) != 0) { /* and who the recipients are now */
		return -1;
	}
	if (shelf->ops->finish(u->draft, &u->stored, &why) != 0) {
		u->s->report->rejected++;
		return enhanced_file_refuse(u->s, &why, u->limit.full, e);
	}
	enhanced_file_log(u->s, "put", &u->stored);
	enhanced_file_deadline(u->s, 0); /* the disk may have taken its time */
	return answer_stored(u, e);
}

static int upload(struct upload *u, uint64_t held, struct err *e)
{
	bool stopped = false;

	if (agree(u, held, e) != 0) {
		return -1;
	}
	if (u->refused) { /* the client sends none */
		u->s->report->rejected++;
		return 0;
	}
	if (take_data(u, &stopped, e) != 0) {
		return -1;
	}
	return u->refused ? 0 : answer(u, stopped, e);
}

int enhanced_do_file_put(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct upload u = {.s = s};
	uint64_t held = 0;
	struct err why;
	int rc;

	if (begin(&u, request, &held, &why) == 0) {
		rc = upload(&u, held, e);
	} else {
		s->report->rejected++;
		rc = enhanced_file_refuse(s, &why, u.limit.full, e);
	}
	s->host->shelf->ops->end(u.draft);
	users_list_free(&u.to);
	return rc;
}
