/* The enhanced protocol's requests of chat that have to do with offers, and what they share with
 * those of packets. See enhanced_server.h, and PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "fields.h"

_Static_assert(
	(int)ENHANCED_CHAT_OFFER == (int)TALK_OFFER, "an offer on the wire is one in store/");
_Static_assert((int)ENHANCED_CHAT_OFFERS == (int)TALK_OFFERS_MAX, "and as many can stand");

int enhanced_chat_refuse(
	struct enhanced_session *s, const struct err *why, bool full, struct err *e)
{
	s->report->rejected++;
	return full ? enhanced_refuse_as(s, ENHANCED_FULL, why, e) : enhanced_refuse_err(s, why, e);
}

int enhanced_chat_user(const struct enhanced_session *s, const json_t *request, const char *field,
	char out[static USER_NAME_MAX + 1], struct err *e)
{
	if (enhanced_read_name(request, field, out, e) != 0) {
		return -1;
	}
	return users_known(s->accounts.now, out) ? 0
						 : err_set(e, EX_NOUSER, "no such user: %s", out);
}

int enhanced_chat_put(struct enhanced_session *s, json_t *o, bool ok, struct err *e)
{
	if (!ok) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return enhanced_put_json(&s->wire, o, e);
}

bool enhanced_chat_text(json_t *o, const char *name, const char *text)
{
	return json_object_set_new(o, name, json_string(text)) == 0;
}

bool enhanced_chat_number(json_t *o, const char *name, uint64_t n)
{
	return json_object_set_new(o, name, json_integer((json_int_t)n)) == 0;
}

/* --- offers --- */

/* 0 with *n of them in out, or -1 (EX_DATAERR). */
static int read_offers(const json_t *request, uint8_t (*out)[TALK_OFFER], size_t *n, struct err *e)
{
	const json_t *offers = json_object_get(request, "offers"), *one;
	size_t i;

	*n = json_array_size(offers);
	if (*n == 0 || *n > TALK_OFFERS_MAX) {
		return err_set(e, EX_DATAERR, "\"offers\" are 1 to %d of them", TALK_OFFERS_MAX);
	}
	json_array_foreach(offers, i, one)
	{
		const char *text = json_string_value(one);
		if (text == NULL || base64_padded_decode(out[i], TALK_OFFER, text,
					    json_string_length(one)) != TALK_OFFER) {
			return err_set(e, EX_DATAERR, "an offer is %d bytes in base64", TALK_OFFER);
		}
	}
	return 0;
}

int enhanced_do_chat_offer(struct enhanced_session *s, const json_t *request, struct err *e)
{
	uint8_t offers[TALK_OFFERS_MAX][TALK_OFFER];
	char to[USER_NAME_MAX + 1];
	uint64_t held = 0;
	bool full = false;
	struct err why;
	size_t n;
	json_t *o;

	if (enhanced_chat_user(s, request, "to", to, &why) != 0 ||
		read_offers(request, offers, &n, &why) != 0 ||
		talk_offer(s->host->talk, s->report->user, to, (const uint8_t(*)[TALK_OFFER])offers,
			n, &held, &full, &why) != 0) {
		return enhanced_chat_refuse(s, &why, full, e);
	}
	o = json_object();
	return enhanced_chat_put(s, o,
		enhanced_chat_text(o, "type", "chat-offered") &&
			enhanced_chat_number(o, "held", held),
		e);
}

struct offers {
	struct enhanced_session *s;
	json_t *rows; /* owned */
	bool begun;   /* one is on its way */
};

enum { PAGE_ROWS = 500 }; /* of some 60 bytes: they fit a record */

static int put_page(struct offers *l, bool more, struct err *e)
{
	json_t *o = json_object();
	bool ok = json_object_set_new(o, "rows", l->rows) == 0;

	l->rows = json_array();
	l->begun = true;
	return enhanced_chat_put(l->s, o,
		ok && enhanced_chat_text(o, "type", "chat-offers") &&
			json_object_set_new(o, "more", json_boolean(more)) == 0,
		e);
}

static int add_offers(void *arg, const char *to, uint64_t held, struct err *e)
{
	struct offers *l = arg;
	json_t *o;

	if (json_array_size(l->rows) == PAGE_ROWS && put_page(l, true, e) != 0) {
		return -1;
	}
	o = json_object();
	if (!enhanced_chat_text(o, "to", to) || !enhanced_chat_number(o, "held", held)) {
		json_decref(o);
		return enhanced_no_memory(e);
	}
	return json_array_append_new(l->rows, o) == 0 ? 0 : enhanced_no_memory(e);
}

int enhanced_do_chat_offers(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct offers l = {.s = s, .rows = json_array()};
	struct err why;
	int rc = talk_offers(s->host->talk, s->report->user, add_offers, &l, &why);

	(void)request;
	rc = rc == 0 ? put_page(&l, false, &why) : rc;
	json_decref(l.rows);
	if (rc != 0 && !l.begun) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	if (rc != 0) {
		*e = why;
	}
	return rc;
}

/* Also of who has no account any more: what there is for him is of no use. */
int enhanced_do_chat_withdraw(struct enhanced_session *s, const json_t *request, struct err *e)
{
	char to[USER_NAME_MAX + 1];
	struct err why;

	if (enhanced_read_name(request, "to", to, &why) != 0 ||
		talk_withdraw(s->host->talk, s->report->user, to, &why) != 0) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	return enhanced_answer(s, "chat-withdrawn", e);
}

int enhanced_do_chat_take(struct enhanced_session *s, const json_t *request, struct err *e)
{
	char of[USER_NAME_MAX + 1], text[4 * TALK_OFFER];
	uint8_t offer[TALK_OFFER];
	bool none = true;
	struct err why;
	json_t *o;

	if (enhanced_chat_user(s, request, "of", of, &why) != 0 ||
		talk_take(s->host->talk, of, s->report->user, offer, &none, &why) != 0) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	o = json_object();
	if (!none) {
		(void)base64_padded_encode(text, offer, sizeof offer);
	}
	return enhanced_chat_put(s, o,
		enhanced_chat_text(o, "type", "chat-taken") &&
			(none || enhanced_chat_text(o, "offer", text)),
		e);
}
