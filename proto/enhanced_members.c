/* The directory of members, client half; see enhanced_members.h, and PROTOCOL.md for the requests.
 */
#include "enhanced_members.h"

#include "enhanced_mail.h"
#include "fields.h"
#include "members.h"

/* An optional field of n bytes in hex. 1, 0 when it is not there, or -1. */
static int get_hex(const json_t *o, const char *name, uint8_t *out, size_t n, struct err *e)
{
	struct message_part text;
	int rc = fields_text(o, name, &text, e);

	if (rc <= 0) {
		return rc;
	}
	return hex_decode(out, n, (const char *)text.p, text.n) == 0 ? 1 : -1;
}

static int read_row(const json_t *o, struct members_row *out, struct err *e)
{
	struct message_part name;
	int key, signs;

	*out = (struct members_row){0};
	if (fields_text(o, "name", &name, e) <= 0 || name.n > USER_NAME_MAX) {
		return err_set(e, EX_PROTOCOL, "a row of the server's directory has no name");
	}
	memcpy(out->name, name.p, name.n);
	key = get_hex(o, "x25519", out->keys.x25519, X25519_BYTES, e);
	signs = get_hex(o, "p256", out->keys.p256, P256_PUBLIC, e);
	if (!user_name_valid(out->name) || key < 0 || signs < 0 || signs > key ||
		(signs > 0 && !p256_is_point(out->keys.p256))) {
		return err_set(e, EX_PROTOCOL, "a row of the server's directory is no member");
	}
	out->has_keys = key > 0;
	out->keys.signs = signs > 0;
	return 0;
}

int enhanced_members_get(
	struct mail_client *base, const char *name, struct members_row *out, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("member-get"), *reply;
	bool ok = enhanced_set_text(o, "name", name) == 0;
	int rc;

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, o, ok, e) != 0 ||
		enhanced_client_reply(c, "member", &reply, e) != 0) {
		return -1;
	}
	rc = read_row(reply, out, e);
	json_decref(reply);
	if (rc == 0 && strcmp(out->name, name) != 0) {
		rc = err_set(e, EX_PROTOCOL, "the server answered with another member");
	}
	base->alive = base->alive && rc == 0;
	return rc;
}

/* left: how many more rows a directory may have: none goes on for ever. more: another page
 * comes. */
static int visit_rows(
	const json_t *rows, bool more, size_t *left, members_visit *visit, void *arg, struct err *e)
{
	struct members_row row;
	const json_t *o;
	size_t i;

	if (!json_is_array(rows)) {
		return err_set(e, EX_PROTOCOL, "the server's directory is none");
	}
	if (json_array_size(rows) > *left || (more && json_array_size(rows) == 0)) {
		return err_set(e, EX_PROTOCOL, "the server's directory has no end");
	}
	*left -= json_array_size(rows);
	json_array_foreach(rows, i, o)
	{
		if (read_row(o, &row, e) != 0 || visit(arg, &row, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int enhanced_members_list(struct mail_client *base, members_visit *visit, void *arg, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	size_t left = MEMBERS_LIST_MAX;
	bool more = true;
	json_t *reply;
	int rc = 0;

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, enhanced_request("member-list"), true, e) != 0) {
		return -1;
	}
	while (rc == 0 && more) {
		if (enhanced_client_reply(c, "members", &reply, e) != 0) {
			return -1;
		}
		more = fields_true(reply, "more");
		rc = visit_rows(json_object_get(reply, "rows"), more, &left, visit, arg, e);
		json_decref(reply);
	}
	base->alive = base->alive && rc == 0; /* other pages may be under way */
	return rc;
}

static int set_hex(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	char hex[2 * P256_PUBLIC + 1];

	hex_encode(hex, p, n);
	return enhanced_set_text(o, name, hex);
}

int enhanced_members_publish(struct mail_client *base, const char *name,
	const uint8_t x25519[static X25519_BYTES], const struct p256_pair *key, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	uint8_t digest[HASH_BYTES], signature[P256_SIGNATURE];
	json_t *o = enhanced_request("member-set"), *reply;
	bool ok;

	members_digest(name, x25519, digest);
	p256_sign(signature, key->private, digest);
	ok = set_hex(o, "p256", key->public, P256_PUBLIC) == 0 &&
	     set_hex(o, "signature", signature, P256_SIGNATURE) == 0;
	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, o, ok, e) != 0 ||
		enhanced_client_reply(c, "member-set", &reply, e) != 0) {
		return -1;
	}
	json_decref(reply);
	return 0;
}

int enhanced_members_remove_account(struct mail_client *base, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *reply;

	enhanced_file_wait(c, 0);
	if (enhanced_client_put(c, enhanced_request("account-remove"), true, e) != 0 ||
		enhanced_client_reply(c, "account-removed", &reply, e) != 0) {
		return -1;
	}
	json_decref(reply);
	base->alive = false;
	return 0;
}
