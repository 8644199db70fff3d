/* The enhanced protocol's `send`: a message from a client into the store. See enhanced_server.h,
 * and PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "../crypto/hash.h"
#include "fields.h"
#include "log.h"

_Static_assert((int)FIELDS_ID == (int)MAILBOX_ID_BYTES, "an id on the wire is one in the store");

struct incoming {
	struct mail mail;
	uint8_t id[MAILBOX_ID_BYTES];
	struct buf to; /* as it will stand in the header: "a;b" */
	struct message_head head;
	uint64_t left; /* bytes of content still to come */
	struct utf8_counter count;
	bool disagrees; /* chars and length */
	struct err why; /* the first fault; code 0: none yet */
};

/* The id under which it is stored: nobody else's number can be the same. */
static void own_id(const char *user, const uint8_t given[static FIELDS_ID],
	uint8_t out[static MAILBOX_ID_BYTES])
{
	uint8_t digest[HASH_BYTES];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, user, strlen(user) + 1);
	hash_add(&h, given, FIELDS_ID);
	hash_end(&h, digest);
	memcpy(out, digest, MAILBOX_ID_BYTES);
}

int enhanced_read_to(struct buf *out, const json_t *to, struct err *e)
{
	const json_t *name;
	size_t i;

	if (!json_is_array(to)) {
		return err_set(e, EX_DATAERR, "\"to\" is no array of names");
	}
	json_array_foreach(to, i, name)
	{
		const char *text = json_string_value(name);
		if (text == NULL || !user_name_valid(text)) {
			return err_set(
				e, EX_NOUSER, "no such user: %.64s", text == NULL ? "?" : text);
		}
		if ((i > 0 && buf_append(out, ";", 1) != 0) || buf_append_str(out, text) != 0) {
			return enhanced_no_memory(e);
		}
	}
	return 0;
}

/* The fields of a send but its length. */
static int read_letter(
	struct enhanced_session *s, struct incoming *in, const json_t *request, struct err *e)
{
	struct message_head *h = &in->head;
	uint8_t given[FIELDS_ID];
	int id;

	if (fields_text(request, "title", &h->title, e) <= 0 ||
		fields_number(request, "chars", INT64_MAX, &h->length, e) <= 0 ||
		(id = fields_id(request, "id", given, e)) < 0) {
		return err_set(e, EX_DATAERR, "a send needs \"title\", \"chars\", and a sound id");
	}
	if (enhanced_read_to(&in->to, json_object_get(request, "to"), e) != 0) {
		return -1;
	}
	if (id > 0) {
		own_id(s->report->user, given, in->id);
		in->mail.id = in->id;
	}
	h->from = message_text(s->report->user);
	h->to = (struct message_part){.p = in->to.p, .n = in->to.n};
	in->disagrees = in->left < h->length || (in->left + 3) / 4 > h->length;
	if (in->disagrees) {
		return err_set(e, EX_DATAERR, "so many bytes cannot be so many characters");
	}
	in->mail.announced = in->left;
	return mail_begin(&in->mail, s->accounts.now, h, e);
}

/* All of the content, whatever was wrong before it. 0 or -1. */
static int receive_content(struct enhanced_session *s, struct incoming *in, struct err *e)
{
	uint8_t *p;
	size_t n;

	while (in->left > 0) {
		if (enhanced_get_raw(&s->wire, &in->left, &p, &n, e) != 0) {
			return -1;
		}
		if (in->why.code == 0 && utf8_feed(&in->count, p, n, UINT64_MAX) == n) {
			(void)mail_content(&in->mail, p, n, &in->why);
		}
	}
	return 0;
}

static int store(struct enhanced_session *s, struct incoming *in, struct err *e)
{
	if (in->count.invalid || in->count.part_n > 0 || in->count.count != in->head.length) {
		return err_set(e, EX_DATAERR,
			in->count.invalid || in->count.part_n > 0
				? "the content is not UTF-8"
				: "the content has not as many characters as announced");
	}
	if (mail_deliver(&in->mail, e) != 0) {
		return -1;
	}
	if (!in->mail.again) {
		presence_tell(s->wire.conn->presence, in->mail.to.names, in->mail.to.n);
		presence_work(s->wire.conn->presence);
		log_say("An email from %s is sent to %.*s has a content length of %llu",
			s->report->user, (int)in->to.n, (const char *)in->to.p,
			(unsigned long long)in->head.length);
	}
	s->report->sent++;
	return 0;
}

static int take_letter(
	struct enhanced_session *s, struct incoming *in, const json_t *request, struct err *e)
{
	bool too_large = in->left > 4 * s->host->max_chars;
	uint64_t had = s->wire.conn->in;

	if (too_large) {
		s->report->rejected++;
		if (enhanced_refuse(s, ENHANCED_TOO_LARGE, "the message is too large", e) == 0 &&
			enhanced_flush(&s->wire, e) == 0) {
			conn_finish(s->wire.conn);
		}
		s->mute = true;
		return err_set(e, EX_PROTOCOL, "a message of %llu bytes was announced",
			(unsigned long long)in->left);
	}
	if (read_letter(s, in, request, &in->why) == 0) {
		in->why.code = 0; /* what was tried on the way is no fault */
	}
	if (receive_content(s, in, e) != 0) {
		return -1;
	}
	/* an account that was shut out meanwhile sends nothing any more; if nothing was waited for,
	 * it was looked at just now */
	if (s->wire.conn->in != had && enhanced_still_allowed(s, e) != 0) {
		return -1;
	}
	if (in->why.code == 0 && store(s, in, &in->why) == 0) {
		return enhanced_answer_id(s, "sent", in->mail.meta.id, in->mail.again, e);
	}
	s->report->rejected++;
	if (in->mail.full) {
		return enhanced_refuse_as(s, ENHANCED_FULL, &in->why, e);
	}
	return in->head.length > s->host->max_chars || in->disagrees
		       ? enhanced_refuse(s, ENHANCED_TOO_LARGE, in->why.text, e)
		       : enhanced_refuse_err(s, &in->why, e);
}

int enhanced_do_send(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct incoming in = {.mail = {.box = s->host->box,
				      .user = s->report->user,
				      .max_chars = s->host->max_chars,
				      .defaults = s->host->limits}};
	int rc;

	if (fields_number(request, "length", INT64_MAX, &in.left, e) <= 0) {
		return err_set(e, EX_PROTOCOL, "a send without a length");
	}
	rc = take_letter(s, &in, request, e);
	mail_end(&in.mail);
	buf_free(&in.to);
	return rc;
}
