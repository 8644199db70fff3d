/* The enhanced protocol's requests of chat: packets, which are bytes to the server, and who is
 * there. See enhanced_server.h, and PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "fields.h"

_Static_assert(
	(int)ENHANCED_CHAT_PACKET == (int)TALK_PACKET_MAX, "a packet on the wire is one in store/");
_Static_assert((int)ENHANCED_CHAT_RECEIPT == (int)TALK_RECEIPT_MAX, "and a receipt");
_Static_assert((int)ENHANCED_CHAT_STREAM == (int)TALK_STREAM, "and a stream's name");
_Static_assert((int)FIELDS_ID == (int)TALK_ID, "and an id");

enum { LOOK_MS = 30000 }; /* for what no session put there */
/* That wait for one user where no limit is set: what nobody fetches fills the disk of all. */
static const uint64_t WAITING_BYTES = (uint64_t)1 << 30;

/* --- sending --- */

struct incoming {
	char to[USER_NAME_MAX + 1];
	struct talk_post post;
	bool receipt;
	struct buf packet;        /* a short one */
	struct talk_draft *draft; /* a long one */
};

static int read_post(
	struct enhanced_session *s, struct incoming *in, const json_t *request, struct err *e)
{
	struct message_part stream;
	uint64_t messages;

	in->post.from = s->report->user;
	in->post.to = in->to;
	if (enhanced_chat_user(s, request, "to", in->to, e) != 0) {
		return -1;
	}
	users_limits(s->accounts.now, in->to, &messages, &in->post.max_bytes);
	if (in->post.max_bytes == 0) {
		in->post.max_bytes = s->host->limits.bytes;
	}
	if (in->post.max_bytes == 0) {
		in->post.max_bytes = WAITING_BYTES;
	}
	if (in->receipt) {
		return 0;
	}
	return fields_text(request, "stream", &stream, e) > 0 &&
			       hex_decode(in->post.stream, TALK_STREAM, (const char *)stream.p,
				       stream.n) == 0 &&
			       fields_number(request, "number", INT64_MAX, &in->post.number, e) >
				       0 &&
			       in->post.number > 0
		       ? 0
		       : err_set(e, EX_DATAERR, "a packet needs its \"stream\" and \"number\"");
}

static int take_bytes(struct incoming *in, const uint8_t *p, size_t n, struct err *e)
{
	if (in->draft != NULL) {
		return talk_append(in->draft, p, n, e);
	}
	return buf_append(&in->packet, p, n) == 0 ? 0 : enhanced_no_memory(e);
}

/* All of it, whatever was wrong before (why->code is not 0): then it is dropped. */
static int receive(struct enhanced_session *s, struct incoming *in, uint64_t left, struct err *why,
	struct err *e)
{
	uint8_t *p;
	size_t n;

	while (left > 0) {
		if (enhanced_get_raw(&s->wire, &left, &p, &n, e) != 0) {
			return -1;
		}
		if (why->code == 0) {
			(void)take_bytes(in, p, n, why);
		}
	}
	return 0;
}

static int keep(
	struct enhanced_session *s, struct incoming *in, bool *again, bool *full, struct err *e)
{
	char(*to)[USER_NAME_MAX + 1] = &in->to;
	int rc;

	if (!users_known(s->accounts.now, in->to)) { /* no more: it may have taken minutes */
		return err_set(e, EX_NOUSER, "no such user: %s", in->to);
	}
	in->post.us = message_now();
	if (in->receipt) {
		rc = talk_put_receipt(s->host->talk, &in->post, in->packet.p, in->packet.n, e);
	} else if (in->draft != NULL) {
		rc = talk_put_draft(s->host->talk, &in->post, in->draft, again, full, e);
	} else {
		rc = talk_put(s->host->talk, &in->post, in->packet.p, in->packet.n, again, full, e);
	}
	if (rc == 0) {
		presence_tell(s->wire.conn->presence, to, 1);
		s->report->sent++;
	}
	return rc;
}

static int take_packet(struct enhanced_session *s, struct incoming *in, const json_t *request,
	uint64_t length, struct err *e)
{
	uint64_t had = s->wire.conn->in;
	bool again = false, full = false;
	struct err why;
	json_t *o;

	why.code = 0;
	if (read_post(s, in, request, &why) == 0) {
		why.code = 0; /* what was tried on the way is no fault */
	}
	if (length == 0 || length > (in->receipt ? TALK_RECEIPT_MAX : TALK_PACKET_MAX)) {
		(void)err_set(&why, EX_DATAERR, "a packet of %llu bytes cannot be kept",
			(unsigned long long)length);
	}
	if (why.code == 0 && length > TALK_PIECE) {
		(void)talk_begin(s->host->talk, &in->post, length, &in->draft, &why);
	}
	if (receive(s, in, length, &why, e) != 0 ||
		(s->wire.conn->in != had && enhanced_still_allowed(s, e) != 0)) {
		return -1;
	}
	if (why.code != 0 || keep(s, in, &again, &full, &why) != 0) {
		return enhanced_chat_refuse(s, &why, full, e);
	}
	o = json_object();
	return enhanced_chat_put(s, o,
		enhanced_chat_text(o, "type", "chat-sent") &&
			(!again || json_object_set_new(o, "again", json_true()) == 0),
		e);
}

/* Where its bytes end is not to be found without a sound length: then the session ends. */
int enhanced_do_chat_send(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct incoming in = {.receipt = fields_true(request, "receipt")};
	uint64_t length;
	int rc;

	if (fields_number(request, "length", TALK_PACKET_MAX, &length, e) <= 0) {
		return err_set(e, EX_PROTOCOL, "a chat-send needs a \"length\" of at most %d",
			TALK_PACKET_MAX);
	}
	rc = take_packet(s, &in, request, length, e);
	talk_end(in.draft);
	buf_free(&in.packet);
	return rc;
}

/* --- fetching --- */

struct outgoing {
	struct enhanced_session *s;
	uint64_t limit, packets, bytes;
	bool more;   /* one stands behind the last that was put */
	bool broken; /* the session ends */
};

/* In pieces; what the disk refuses in the middle of them ends the session. */
static int put_bytes(struct enhanced_session *s, const struct talk_packet *packet, struct err *e)
{
	const uint8_t *p;
	size_t n;

	for (size_t at = 0; at < packet->n; at += n) {
		if (talk_piece(packet, at, &p, &n, e) != 0) {
			s->mute = true; /* it would be taken for content */
			return -1;
		}
		if (enhanced_put_raw(&s->wire, p, n, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int put_packet(void *arg, const struct talk_packet *p, struct err *e)
{
	char id[FIELDS_ID_TEXT + 1];
	struct outgoing *out = arg;
	json_t *o;

	out->more = out->packets == out->limit || out->bytes >= ENHANCED_CHAT_BYTES;
	if (out->more) {
		return 1;
	}
	hex_encode(id, p->id, TALK_ID);
	o = json_object();
	out->broken =
		enhanced_file_goes_on(out->s, e) != 0 ||
		enhanced_chat_put(out->s, o,
			enhanced_chat_text(o, "type", "chat") && enhanced_chat_text(o, "id", id) &&
				enhanced_chat_text(o, "from", p->from) &&
				enhanced_chat_number(o, "us", (uint64_t)p->us) &&
				enhanced_chat_number(o, "length", p->n),
			e) != 0 ||
		put_bytes(out->s, p, e) != 0;
	out->packets++;
	out->bytes += p->n;
	return out->broken ? -1 : 0;
}

int enhanced_do_chat_fetch(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct outgoing out = {.s = s, .limit = ENHANCED_CHAT_FETCH};
	uint8_t after[TALK_ID];
	uint64_t limit = 0;
	struct err why;
	json_t *o;
	int rc, behind = fields_id(request, "after", after, &why);

	if (behind < 0 || fields_number(request, "limit", INT32_MAX, &limit, &why) < 0) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	out.limit = limit > 0 && limit < out.limit ? limit : out.limit;
	rc = talk_waiting(
		s->host->talk, s->report->user, behind > 0 ? after : NULL, put_packet, &out, &why);
	if (out.broken) {
		*e = why;
		return -1;
	}
	s->report->viewed += (unsigned)out.packets;
	if (rc < 0) { /* in place of the end */
		return enhanced_chat_refuse(s, &why, false, e);
	}
	o = json_object();
	return enhanced_chat_put(s, o,
		enhanced_chat_text(o, "type", "chat-end") &&
			json_object_set_new(o, "more", json_boolean(out.more)) == 0,
		e);
}

static int read_ids(const json_t *request, uint8_t (**out)[TALK_ID], size_t *n, struct err *e)
{
	const json_t *ids = json_object_get(request, "ids"), *one;
	size_t i;

	*n = json_array_size(ids);
	if (*n == 0 || *n > ENHANCED_CHAT_IDS) {
		return err_set(e, EX_DATAERR, "\"ids\" are 1 to %d of them", ENHANCED_CHAT_IDS);
	}
	*out = calloc(*n, sizeof **out);
	if (*out == NULL) {
		return enhanced_no_memory(e);
	}
	json_array_foreach(ids, i, one)
	{
		const char *text = json_string_value(one);
		if (text == NULL ||
			hex_decode((*out)[i], TALK_ID, text, json_string_length(one)) != 0) {
			return err_set(e, EX_DATAERR, "an id is %d digits of hex", 2 * TALK_ID);
		}
	}
	return 0;
}

int enhanced_do_chat_done(struct enhanced_session *s, const json_t *request, struct err *e)
{
	uint8_t(*ids)[TALK_ID] = NULL;
	struct err why;
	size_t n;
	int rc;

	if (read_ids(request, &ids, &n, &why) != 0 ||
		talk_done(s->host->talk, s->report->user, (const uint8_t(*)[TALK_ID])ids, n,
			&why) != 0) {
		rc = enhanced_chat_refuse(s, &why, false, e);
	} else {
		s->report->removed += (unsigned)n;
		rc = enhanced_answer(s, "chat-done", e);
	}
	free(ids);
	return rc;
}

/* --- waiting --- */

/* Until more than `beyond` packets wait for the user, the time is over, or the client says
 * something. 0 with *packets, 1 when that could not be found out (why), or -1. */
static int wait_for_packets(struct enhanced_session *s, int64_t until_ms, uint64_t beyond,
	uint64_t *packets, struct err *why, struct err *e)
{
	struct conn *c = s->wire.conn;
	enum conn_got got = CONN_WOKEN;

	while (got == CONN_WOKEN || got == CONN_QUIET) {
		if (enhanced_still_allowed(s, e) != 0) {
			return -1;
		}
		if (talk_count(s->host->talk, s->report->user, packets, why) != 0) {
			return 1;
		}
		int64_t left = until_ms - conn_now_ms();
		if (*packets > beyond || left <= 0 || enhanced_has_bytes(&s->wire)) {
			return 0;
		}
		got = conn_wait(c, left < LOOK_MS ? left : LOOK_MS, e);
	}
	return got == CONN_FAILED ? -1 : 0;
}

int enhanced_do_chat_wait(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct conn *c = s->wire.conn;
	uint64_t seconds = INT32_MAX, beyond = 0, packets = 0;
	struct err why;
	json_t *o;
	int there, rc;

	if (fields_number(request, "seconds", INT32_MAX, &seconds, &why) < 0 ||
		fields_number(request, "beyond", INT32_MAX, &beyond, &why) < 0) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	there = talk_present(s->host->talk, s->report->user, &why);
	if (there < 0) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	presence_wait(c->presence, c->slot, true); /* first: what comes from now on wakes us */
	rc = enhanced_flush(&s->wire, e);
	rc = rc == 0 ? wait_for_packets(s, conn_now_ms() + 1000 * (int64_t)seconds, beyond,
			       &packets, &why, e)
		     : rc;
	presence_wait(c->presence, c->slot, false);
	talk_absent(there);
	conn_deadline(c, s->host->mail_ms);
	if (rc != 0) {
		return rc < 0 ? -1 : enhanced_chat_refuse(s, &why, false, e);
	}
	o = json_object();
	return enhanced_chat_put(s, o,
		enhanced_chat_text(o, "type", "chat-news") &&
			enhanced_chat_number(o, "waiting", packets),
		e);
}

int enhanced_do_chat_presence(struct enhanced_session *s, const json_t *request, struct err *e)
{
	char name[USER_NAME_MAX + 1];
	int64_t last_us = 0;
	bool present = false;
	struct err why;
	json_t *o;

	if (enhanced_chat_user(s, request, "name", name, &why) != 0 ||
		talk_presence(s->host->talk, name, &present, &last_us, &why) != 0) {
		return enhanced_chat_refuse(s, &why, false, e);
	}
	o = json_object();
	return enhanced_chat_put(s, o,
		enhanced_chat_text(o, "type", "chat-presence") &&
			json_object_set_new(o, "present", json_boolean(present)) == 0 &&
			(last_us == 0 || enhanced_chat_number(o, "us", (uint64_t)last_us)),
		e);
}
