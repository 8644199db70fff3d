/* Receipts: a signed line that tells how far messages have come; see chat.h. The server may read
 * them, and cannot make one. */
#include "../crypto/secret.h"
#include "chat_parts.h"
#include "fields.h"

static const char receipt_name[] = "smtp361 chat receipt 1";

static void receipt_digest(uint8_t out[static HASH_BYTES], const void *json, size_t n)
{
	struct hash h;

	hash_begin(&h);
	hash_add(&h, receipt_name, sizeof receipt_name);
	hash_add(&h, json, n);
	hash_end(&h, out);
}

/* Of numbers that messages can have. */
static bool is_sound(const struct chat_receipt *r)
{
	return r->highest <= INT64_MAX && r->time_us >= 0 &&
	       (r->highest == 0 ? r->missing == 0 : r->missing < r->highest);
}

static json_t *to_json(const struct chat_receipt *r, const char *from, const char *to)
{
	char stream[2 * CHAT_STREAM + 1];
	json_t *o = json_object();

	hex_encode(stream, r->stream, CHAT_STREAM);
	if (fields_set_text(o, "from", from, strlen(from)) != 0 ||
		fields_set_text(o, "to", to, strlen(to)) != 0 ||
		json_object_set_new(o, "stream", json_string(stream)) != 0 ||
		json_object_set_new(o, "highest", json_integer((json_int_t)r->highest)) != 0 ||
		json_object_set_new(o, "missing", json_integer((json_int_t)r->missing)) != 0 ||
		json_object_set_new(o, "us", json_integer(r->time_us)) != 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int chat_receipt_write(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_receipt *r, struct err *e)
{
	uint8_t digest[HASH_BYTES], *json;
	size_t n = 0;
	json_t *o;

	if (!is_sound(r)) {
		return err_set(e, EX_DATAERR, "cannot write the receipt: its numbers");
	}
	json_set_alloc_funcs(secret_malloc, secret_free);
	o = to_json(r, self->name, peer->name);
	if (o != NULL && buf_reserve(out, 1 + CHAT_RECEIPT_MAX + 1 + P256_SIGNATURE) == 0) {
		n = json_dumpb(o, (char *)out->p + out->n + 1, CHAT_RECEIPT_MAX, JSON_COMPACT);
	}
	json_decref(o);
	if (n == 0 || n > CHAT_RECEIPT_MAX) {
		return err_set(e, EX_TEMPFAIL, "cannot write the receipt: out of memory");
	}
	json = out->p + out->n + 1;
	json[-1] = CHAT_PACKET_RECEIPT;
	json[n] = '\n';
	receipt_digest(digest, json, n);
	p256_sign(json + n + 1, self->p256->private, digest);
	out->n += 1 + n + 1 + P256_SIGNATURE;
	return 0;
}

static int bad_receipt(struct err *e, const char *why)
{
	return err_set(e, EX_PROTOCOL, "the receipt is not sound: %s", why);
}

static int get_receipt(struct chat_receipt *out, const json_t *o, struct err *e)
{
	uint64_t us;

	if (chat_stream_read(out->stream, o, e) != 0) {
		return -1;
	}
	if (fields_number(o, "highest", INT64_MAX, &out->highest, NULL) != 1 ||
		fields_number(o, "missing", INT64_MAX, &out->missing, NULL) != 1 ||
		fields_number(o, "us", INT64_MAX, &us, NULL) != 1) {
		return bad_receipt(e, "a number is missing");
	}
	out->time_us = (int64_t)us;
	return is_sound(out) ? 0 : bad_receipt(e, "its numbers");
}

int chat_receipt_read(struct chat_receipt *out, const struct chat_self *self,
	const struct chat_peer *peer, const void *p, size_t n, struct err *e)
{
	const size_t frame = 1 + 1 + P256_SIGNATURE;
	struct cursor c = cursor_over(p, n);
	uint8_t digest[HASH_BYTES], kind = get_u8(&c);
	const uint8_t *json, *end, *signature;
	size_t json_n;
	json_t *o;
	int rc;

	*out = (struct chat_receipt){.highest = 0};
	if (kind != CHAT_PACKET_RECEIPT || n <= frame || n > frame + CHAT_RECEIPT_MAX) {
		return bad_receipt(e, "its kind or length");
	}
	json_n = n - frame;
	json = get_bytes(&c, json_n);
	end = get_bytes(&c, 1);
	signature = get_bytes(&c, P256_SIGNATURE);
	if (signature == NULL || *end != '\n') {
		return bad_receipt(e, "its form");
	}
	receipt_digest(digest, json, json_n);
	if (chat_signed(peer, signature, digest, "receipt", e) != 0) {
		return -1;
	}
	o = fields_parse(json, json_n, e);
	if (o == NULL) {
		return -1;
	}
	rc = !fields_is(o, "from", peer->name) || !fields_is(o, "to", self->name)
		     ? bad_receipt(e, "it is not for us, or not from whom it says")
		     : get_receipt(out, o, e);
	json_decref(o);
	if (rc != 0) {
		*out = (struct chat_receipt){.highest = 0};
	}
	return rc;
}
