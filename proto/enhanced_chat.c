/* Chat over the enhanced protocol, client half; see enhanced_chat.h, and PROTOCOL.md for the
 * requests. */
#include "enhanced_chat.h"

#include "enhanced_mail.h"
#include "fields.h"

_Static_assert((int)ENHANCED_CHAT_OFFER == (int)CHAT_OFFER, "an offer on the wire is one of ours");
_Static_assert((int)ENHANCED_CHAT_STREAM == (int)CHAT_STREAM, "and a stream's name");
_Static_assert((int)ENHANCED_CHAT_PACKET >= (int)CHAT_PACKET_MAX, "and every packet has a place");

/* Ask, and get the one answer. */
static int ask(struct enhanced_client *c, json_t *o, bool ok, const char *type, json_t **reply,
	struct err *e)
{
	enhanced_file_wait(c, 0);
	return enhanced_client_put(c, o, ok, e) != 0 ? -1
						     : enhanced_client_reply(c, type, reply, e);
}

static int not_sound(struct enhanced_client *c, const char *type, struct err *e)
{
	c->base.alive = false;
	return err_set(e, EX_PROTOCOL, "the server's \"%s\" is none", type);
}

static int get_number(struct enhanced_client *c, const json_t *reply, const char *name,
	uint64_t *out, struct err *e)
{
	return fields_number(reply, name, INT64_MAX, out, e) > 0 ? 0 : not_sound(c, name, e);
}

static int get_name(
	const json_t *o, const char *field, char out[static USER_NAME_MAX + 1], struct err *e)
{
	struct message_part name;

	memset(out, 0, USER_NAME_MAX + 1);
	if (fields_text(o, field, &name, e) > 0 && name.n <= USER_NAME_MAX) {
		memcpy(out, name.p, name.n);
	}
	return user_name_valid(out)
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the server names nobody in \"%s\"", field);
}

/* --- offers --- */

static void write_offer(const struct chat_offer *offer, uint8_t out[static CHAT_OFFER])
{
	put_u64be(out, offer->number);
	memcpy(out + 8, offer->first, CHAT_FIRST);
	memcpy(out + 8 + CHAT_FIRST, offer->signature, P256_SIGNATURE);
}

static void read_offer(const uint8_t p[static CHAT_OFFER], struct chat_offer *out)
{
	struct cursor c = cursor_over(p, 8);
	uint64_t high = get_u32be(&c);

	out->number = high << 32 | get_u32be(&c);
	memcpy(out->first, p + 8, CHAT_FIRST);
	memcpy(out->signature, p + 8 + CHAT_FIRST, P256_SIGNATURE);
}

int enhanced_chat_offer(struct mail_client *base, const char *to, const struct chat_offer *offers,
	size_t n, uint64_t *held, bool *refused, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-offer"), *array = json_array(), *reply;
	bool ok = enhanced_set_text(o, "to", to) == 0;
	int rc;

	for (size_t i = 0; ok && i < n; i++) {
		uint8_t bytes[CHAT_OFFER];
		char text[2 * CHAT_OFFER];
		write_offer(&offers[i], bytes);
		(void)base64_padded_encode(text, bytes, sizeof bytes);
		ok = json_array_append_new(array, json_string(text)) == 0;
	}
	ok = json_object_set_new(o, "offers", array) == 0 && ok;
	c->refused = false;
	rc = ask(c, o, ok, "chat-offered", &reply, e);
	if (refused != NULL) {
		*refused = rc != 0 && c->refused;
	}
	if (rc != 0) {
		return -1;
	}
	rc = get_number(c, reply, "held", held, e);
	json_decref(reply);
	return rc;
}

static int visit_rows(const json_t *rows, chat_visit_held *visit, void *arg, struct err *e)
{
	struct chat_held row;
	const json_t *o;
	size_t i;

	if (!json_is_array(rows)) {
		return err_set(e, EX_PROTOCOL, "the server's list of offers is none");
	}
	json_array_foreach(rows, i, o)
	{
		if (get_name(o, "to", row.to, e) != 0) {
			return -1;
		}
		if (fields_number(o, "held", INT64_MAX, &row.held, e) <= 0) {
			return err_set(e, EX_PROTOCOL, "the server does not say how many it holds");
		}
		if (visit(arg, &row, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int enhanced_chat_offers(struct mail_client *base, chat_visit_held *visit, void *arg, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	bool more = true;
	json_t *reply;
	int rc = 0;

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, enhanced_request("chat-offers"), true, e) != 0) {
		return -1;
	}
	while (rc == 0 && more) {
		if (enhanced_client_reply(c, "chat-offers", &reply, e) != 0) {
			return -1;
		}
		more = fields_true(reply, "more");
		rc = visit_rows(json_object_get(reply, "rows"), visit, arg, e);
		json_decref(reply);
	}
	base->alive = base->alive && rc == 0; /* other pages may be under way */
	return rc;
}

int enhanced_chat_withdraw(struct mail_client *base, const char *to, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-withdraw"), *reply;
	bool ok = enhanced_set_text(o, "to", to) == 0;

	if (ask(c, o, ok, "chat-withdrawn", &reply, e) != 0) {
		return -1;
	}
	json_decref(reply);
	return 0;
}

int enhanced_chat_take(
	struct mail_client *base, const char *of, struct chat_offer *out, bool *none, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-take"), *reply;
	bool ok = enhanced_set_text(o, "of", of) == 0;
	uint8_t bytes[CHAT_OFFER];
	struct message_part text;
	int rc = 0;

	*none = true;
	if (ask(c, o, ok, "chat-taken", &reply, e) != 0) {
		return -1;
	}
	if (json_object_get(reply, "offer") != NULL) {
		*none = false;
		rc = fields_text(reply, "offer", &text, e) > 0 &&
				     base64_padded_decode(bytes, sizeof bytes, (const char *)text.p,
					     text.n) == CHAT_OFFER
			     ? 0
			     : not_sound(c, "offer", e);
	}
	if (rc == 0 && !*none) {
		read_offer(bytes, out);
	}
	json_decref(reply);
	return rc;
}

/* --- packets --- */

/* What is long waits for the welcome: a server takes little before it. */
static int send_packet(struct enhanced_client *c, json_t *o, bool ok, const void *packet, size_t n,
	bool *again, struct err *e)
{
	json_t *reply;

	ok = ok && enhanced_set_number(o, "length", n) == 0;
	conn_deadline(&c->conn, ENHANCED_MAIL_MS);
	if (enhanced_client_welcome(&c->base, NULL, e) != 0) {
		json_decref(o);
		return -1;
	}
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	if (enhanced_put_raw(&c->wire, packet, n, e) != 0) {
		return enhanced_client_broken(c, e);
	}
	if (enhanced_client_reply(c, "chat-sent", &reply, e) != 0) {
		return -1;
	}
	*again = fields_true(reply, "again");
	json_decref(reply);
	return 0;
}

int enhanced_chat_send(struct mail_client *base, const char *to,
	const uint8_t stream[static CHAT_STREAM], uint64_t number, const void *packet, size_t n,
	bool *again, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-send");
	char hex[2 * CHAT_STREAM + 1];
	bool ok;

	hex_encode(hex, stream, CHAT_STREAM);
	ok = enhanced_set_text(o, "to", to) == 0 && enhanced_set_text(o, "stream", hex) == 0 &&
	     enhanced_set_number(o, "number", number) == 0;
	return send_packet(c, o, ok, packet, n, again, e);
}

int enhanced_chat_receipt(
	struct mail_client *base, const char *to, const void *packet, size_t n, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-send");
	bool ok = enhanced_set_text(o, "to", to) == 0 &&
		  json_object_set_new(o, "receipt", json_true()) == 0,
	     again;

	return send_packet(c, o, ok, packet, n, &again, e);
}

static int take_raw(struct enhanced_client *c, uint64_t left, struct buf *out, struct err *e)
{
	uint8_t *p;
	size_t n;

	while (left > 0) {
		if (enhanced_get_raw(&c->wire, &left, &p, &n, e) != 0) {
			return -1;
		}
		if (buf_append(out, p, n) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return 0;
}

static int take_packet(struct enhanced_client *c, const json_t *head, chat_visit_waiting *visit,
	void *arg, struct err *e)
{
	struct chat_waiting row;
	struct buf packet = {0};
	uint64_t us, length;
	int rc;

	if (!fields_is(head, "type", "chat") || fields_id(head, "id", row.id, e) <= 0 ||
		get_name(head, "from", row.from, e) != 0 ||
		fields_number(head, "us", INT64_MAX, &us, e) <= 0 ||
		fields_number(head, "length", ENHANCED_CHAT_PACKET, &length, e) <= 0) {
		return err_set(e, EX_PROTOCOL, "what the server has waiting is no packet");
	}
	rc = take_raw(c, length, &packet, e);
	if (rc == 0) {
		row.us = (int64_t)us;
		row.packet = packet.p;
		row.n = packet.n;
		rc = visit(arg, &row, e) == 0 ? 0 : -1;
	}
	buf_free(&packet);
	return rc;
}

int enhanced_chat_fetch(struct mail_client *base, uint64_t limit, const uint8_t *after,
	chat_visit_waiting *visit, void *arg, bool *more, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-fetch"), *reply;
	bool ok = limit == 0 || enhanced_set_number(o, "limit", limit) == 0, ended = false;
	char hex[FIELDS_ID_TEXT + 1];
	int rc = 0;

	if (after != NULL) {
		hex_encode(hex, after, FIELDS_ID);
		ok = enhanced_set_text(o, "after", hex) == 0 && ok;
	}
	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	while (rc == 0 && !ended) {
		conn_deadline(&c->conn, ENHANCED_MAIL_MS);
		if (enhanced_client_any(c, &reply, e) != 0) {
			return -1;
		}
		ended = fields_is(reply, "type", "chat-end");
		*more = fields_true(reply, "more");
		rc = ended ? 0 : take_packet(c, reply, visit, arg, e);
		json_decref(reply);
	}
	base->alive = base->alive && rc == 0; /* others may be under way */
	return rc;
}

static int say_done(struct enhanced_client *c, const uint8_t (*ids)[16], size_t n, struct err *e)
{
	json_t *o = enhanced_request("chat-done"), *array = json_array(), *reply;
	char hex[FIELDS_ID_TEXT + 1];
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		hex_encode(hex, ids[i], FIELDS_ID);
		ok = json_array_append_new(array, json_string(hex)) == 0;
	}
	ok = json_object_set_new(o, "ids", array) == 0 && ok;
	if (ask(c, o, ok, "chat-done", &reply, e) != 0) {
		return -1;
	}
	json_decref(reply);
	return 0;
}

int enhanced_chat_done(struct mail_client *base, const uint8_t (*ids)[16], size_t n, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;

	for (size_t i = 0; i < n; i += ENHANCED_CHAT_IDS) {
		size_t k = n - i < ENHANCED_CHAT_IDS ? n - i : ENHANCED_CHAT_IDS;
		if (say_done(c, ids + i, k, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* --- waiting --- */

int enhanced_chat_wait(struct mail_client *base, unsigned seconds, uint64_t beyond, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-wait");
	bool ok = enhanced_set_number(o, "seconds", seconds) == 0 &&
		  (beyond == 0 || enhanced_set_number(o, "beyond", beyond) == 0);

	enhanced_file_wait(c, 0);
	if (enhanced_client_welcome(base, NULL, e) != 0) { /* it would look like news */
		json_decref(o);
		return -1;
	}
	conn_deadline(&c->conn, 1000 * (int64_t)seconds + ENHANCED_CLIENT_MS);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	c->waits++;
	return enhanced_flush(&c->wire, e) == 0 ? 0 : enhanced_client_broken(c, e);
}

int enhanced_chat_fd(struct mail_client *base)
{
	return ((struct enhanced_client *)base)->conn.fd;
}

bool enhanced_chat_has_bytes(struct mail_client *base)
{
	return enhanced_has_record(&((struct enhanced_client *)base)->wire);
}

int enhanced_chat_waited(struct mail_client *base, uint64_t *packets, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *reply;
	int rc;

	if (c->waits == 0) {
		return err_set(e, EX_SOFTWARE, "nothing was waited for");
	}
	c->waits--; /* an earlier one, which this ended, is dropped on the way */
	rc = enhanced_client_reply(c, "chat-news", &reply, e);
	if (rc == 0) {
		rc = get_number(c, reply, "waiting", packets, e);
		json_decref(reply);
	}
	return rc;
}

int enhanced_chat_presence(
	struct mail_client *base, const char *name, struct chat_presence *out, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("chat-presence"), *reply;
	bool ok = enhanced_set_text(o, "name", name) == 0;
	uint64_t us = 0;
	int rc;

	if (ask(c, o, ok, "chat-presence", &reply, e) != 0) {
		return -1;
	}
	rc = fields_number(reply, "us", INT64_MAX, &us, e) >= 0 ? 0 : not_sound(c, "us", e);
	*out = (struct chat_presence){
		.present = fields_true(reply, "present"), .last_us = (int64_t)us};
	json_decref(reply);
	return rc;
}
