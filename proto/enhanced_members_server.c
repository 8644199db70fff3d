/* The enhanced protocol's directory of members: `member-get`, `member-list` and `member-set`; and
 * `account-remove`. See enhanced_server.h, and PROTOCOL.md for the fields.
 *
 * In the directory stands who could log in: a revoked account does not, nor one that was only
 * invited. A user's signing key stands where his X25519 key does: in the account, or, where that is
 * the operator's key file, in a file beside it. */
#include "enhanced_server.h"

#include <fcntl.h>

#include "../crypto/file.h"
#include "../keys/keyfile.h"
#include "../store/members.h"
#include "fields.h"
#include "log.h"
#include "members.h"

enum { PAGE_ROWS = 200 }; /* of some 290 bytes: they fit a record */

struct row {
	bool shown, has_key, signs;
	uint8_t x25519[X25519_BYTES], p256[P256_PUBLIC];
};

/* --- looking --- */

/* A key file that is not there, or damaged, is not shown. 1 when it was read, 0 when it is to be
 * passed over, or -1: the system failed. */
static int judge_file(int rc, const struct err *e)
{
	if (rc == 0) {
		return 1;
	}
	if (e->code == EX_TEMPFAIL || e->code == EX_IOERR) {
		return -1;
	}
	if (e->code != EX_NOINPUT) {
		log_err("member", e);
	}
	return 0;
}

static int find_keys(
	const struct enhanced_session *s, const struct member *m, struct row *row, struct err *e)
{
	int found = m->has_key ? 1 : 0;

	memcpy(row->x25519, m->key, sizeof row->x25519);
	if (m->file_counts) {
		found = judge_file(
			keyfile_load_x25519_public(s->host->dir, m->name, row->x25519, e), e);
	}
	row->has_key = found > 0;
	if (found <= 0) {
		return found;
	}
	if (m->has_signing && ct_eq(m->beside, row->x25519, sizeof m->beside)) {
		memcpy(row->p256, m->signing, sizeof row->p256);
		row->signs = true;
	} else if (m->file_counts) {
		found = judge_file(
			keyfile_load_p256_public(s->host->dir, m->name, row->p256, e), e);
		row->signs = found > 0;
	}
	return found < 0 ? -1 : 0;
}

/* 0 with what is to be shown, or -1: a key file could not be read. */
static int look(
	const struct enhanced_session *s, const struct member *m, struct row *row, struct err *e)
{
	*row = (struct row){0};
	if (find_keys(s, m, row, e) != 0) {
		return -1;
	}
	row->shown = m->enters || row->has_key;
	return 0;
}

static int set_hex(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	char hex[2 * P256_PUBLIC + 1];

	hex_encode(hex, p, n);
	return json_object_set_new(o, name, json_string(hex));
}

static int set_row(json_t *o, const char *name, const struct row *row)
{
	return json_object_set_new(o, "name", json_string(name)) != 0 ||
			       (row->has_key && set_hex(o, "x25519", row->x25519,
							sizeof row->x25519) != 0) ||
			       (row->signs && set_hex(o, "p256", row->p256, sizeof row->p256) != 0)
		       ? -1
		       : 0;
}

/* --- member-get --- */

int enhanced_read_name(
	const json_t *request, const char *field, char out[static USER_NAME_MAX + 1], struct err *e)
{
	struct message_part name;

	if (fields_text(request, field, &name, e) <= 0) {
		return err_set(e, EX_DATAERR, "no user is named");
	}
	memset(out, 0, USER_NAME_MAX + 1);
	if (name.n <= USER_NAME_MAX) {
		memcpy(out, name.p, name.n);
	}
	return user_name_valid(out) ? 0 : err_set(e, EX_NOUSER, "no such user");
}

int enhanced_do_member_get(struct enhanced_session *s, const json_t *request, struct err *e)
{
	char name[USER_NAME_MAX + 1];
	struct member m;
	struct row row = {0};
	struct err why;
	json_t *o;

	if (enhanced_read_name(request, "name", name, &why) != 0) {
		return enhanced_refuse_err(s, &why, e);
	}
	if (members_find(s->accounts.now, name, &m) && look(s, &m, &row, &why) != 0) {
		return enhanced_refuse_as(s, ENHANCED_TRY_LATER, &why, e);
	}
	if (!row.shown) {
		(void)err_set(&why, EX_NOUSER, "no such user: %s", name);
		return enhanced_refuse_err(s, &why, e);
	}
	o = json_object();
	if (json_object_set_new(o, "type", json_string("member")) != 0 ||
		set_row(o, name, &row) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}

/* --- member-list --- */

struct pages {
	struct enhanced_session *s;
	json_t *rows; /* owned */
	bool begun;   /* one is on its way */
};

static int put_page(struct pages *p, bool more, struct err *e)
{
	json_t *o = json_object();
	int rc = json_object_set_new(o, "rows", p->rows);

	p->rows = json_array();
	p->begun = true;
	if (rc != 0 || json_object_set_new(o, "type", json_string("members")) != 0 ||
		json_object_set_new(o, "more", json_boolean(more)) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&p->s->wire, o, e);
}

static int add_row(void *arg, const struct member *m, struct err *e)
{
	struct pages *p = arg;
	struct row row;
	json_t *o;

	if (look(p->s, m, &row, e) != 0) {
		return -1;
	}
	if (!row.shown) {
		return 0;
	}
	if (json_array_size(p->rows) == PAGE_ROWS && put_page(p, true, e) != 0) {
		return -1;
	}
	o = json_object();
	if (set_row(o, m->name, &row) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return json_array_append_new(p->rows, o) == 0 ? 0 : enhanced_no_memory(e);
}

int enhanced_do_member_list(struct enhanced_session *s, const json_t *request, struct err *e)
{
	char after[USER_NAME_MAX + 1] = "";
	struct pages p = {.s = s, .rows = json_array()};
	struct err why = {0};
	int rc = 0;

	if (json_object_get(request, "after") != NULL &&
		enhanced_read_name(request, "after", after, &why) != 0) {
		why.code = EX_DATAERR;
		rc = -1;
	}
	rc = rc == 0 ? members_each(s->accounts.now, after, add_row, &p, &why) : rc;
	rc = rc == 0 ? put_page(&p, false, &why) : rc;
	json_decref(p.rows);
	if (rc != 0 && !p.begun) {
		return why.code == EX_DATAERR ? enhanced_refuse_err(s, &why, e)
					      : enhanced_refuse_as(s, ENHANCED_TRY_LATER, &why, e);
	}
	if (rc != 0) {
		*e = why;
	}
	return rc;
}

/* --- member-set --- */

static int get_hex(const json_t *request, const char *name, uint8_t *out, size_t n, struct err *e)
{
	struct message_part text;

	return fields_text(request, name, &text, e) > 0 &&
			       hex_decode(out, n, (const char *)text.p, text.n) == 0
		       ? 0
		       : err_set(e, EX_DATAERR, "\"%s\" is not %zu digits of hex", name, 2 * n);
}

/* What the operator has put beside his user's key file is his: it is not replaced. */
static int save_file(
	const struct enhanced_session *s, const uint8_t key[static P256_PUBLIC], struct err *e)
{
	const char *user = s->report->user;
	uint8_t was[P256_PUBLIC];
	int dir = openat(s->host->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

	if (dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder of keys");
	}
	if (file_lock(dir, e) != 0) {
		/* told */
	} else if (keyfile_load_p256_public(dir, user, was, e) == 0) {
		rc = ct_eq(was, key, sizeof was)
			     ? 0
			     : err_set(e, EX_CANTCREAT,
				       "%s has another signing key, which the operator keeps",
				       user);
	} else if (e->code == EX_NOINPUT) {
		rc = keyfile_save_p256_public(dir, user, key, e);
	}
	(void)close(dir);
	return rc;
}

/* The key must be held by who publishes it, and for this account: he has signed that. */
static int publish(struct enhanced_session *s, const json_t *request, struct err *e)
{
	uint8_t key[P256_PUBLIC], signature[P256_SIGNATURE], digest[HASH_BYTES];
	struct member m;

	if (get_hex(request, "p256", key, sizeof key, e) != 0 ||
		get_hex(request, "signature", signature, sizeof signature, e) != 0) {
		return -1;
	}
	members_digest(s->report->user, s->who.key, digest);
	if (!p256_is_point(key) || !p256_verify(signature, key, digest)) {
		return err_set(e, EX_DATAERR, "the signature is not this key's, of this user");
	}
	if (!members_find(s->accounts.now, s->report->user, &m)) {
		return err_set(e, EX_NOUSER, "no such user: %s", s->report->user);
	}
	return m.file_counts ? save_file(s, key, e)
			     : members_set_signing(
				       s->accounts.store, s->report->user, s->who.key, key, e);
}

int enhanced_answer(struct enhanced_session *s, const char *type, struct err *e)
{
	json_t *o = json_object();

	if (json_object_set_new(o, "type", json_string(type)) != 0) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}

int enhanced_do_member_set(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct err why;

	if (publish(s, request, &why) != 0) {
		return why.code == EX_CANTCREAT ? enhanced_refuse_as(s, ENHANCED_EXISTS, &why, e)
						: enhanced_refuse_err(s, &why, e);
	}
	log_event("member", "user=%s verb=set", s->report->user);
	return enhanced_answer(s, "member-set", e);
}

/* --- account-remove --- */

int enhanced_do_account_remove(struct enhanced_session *s, const json_t *request, struct err *e)
{
	const char *user = s->report->user;
	struct err why;

	(void)request;
	/* The account first: where it stays, nothing is lost. What of its chats could not be
	 * removed behind it, the next account of that name does not get, either. */
	if (users_del(s->accounts.store, user, &why) != 0) {
		return enhanced_refuse_err(s, &why, e);
	}
	if (talk_forget(s->host->talk, user, &why) != 0) {
		log_err("chat", &why);
	}
	log_event("removed", "user=%s", user);
	s->over = true;
	return enhanced_answer(s, "account-removed", e);
}
