/* One-time keys, as a user remembers them; see chat_state.h. */
#include "chat_state.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../proto/fields.h"

enum {
	MARK_TEXT = 2 * CHAT_STATE_MARK,
	STATE_MAX = CHAT_STATE_USED * MARK_TEXT + 4096,
	STATE_NAME = USER_NAME_MAX + 8
};

static void state_name(char out[static STATE_NAME], const char *contact)
{
	(void)snprintf(out, STATE_NAME, "%s.state", contact);
}

/* false: it is there, and is not so many bytes. */
static bool take_hex(const json_t *o, const char *name, uint8_t *out, size_t n)
{
	struct message_part text;
	struct err e;
	int rc = fields_text(o, name, &text, &e);

	return rc == 0 || (rc == 1 && hex_decode(out, n, (const char *)text.p, text.n) == 0);
}

static bool take_used(const json_t *o, struct chat_state_keys *s)
{
	struct message_part text;
	struct err e;
	int rc = fields_text(o, "used", &text, &e);

	if (rc <= 0 || text.n % MARK_TEXT != 0 || text.n / MARK_TEXT > CHAT_STATE_USED) {
		return rc == 0;
	}
	s->used_n = text.n / MARK_TEXT;
	return hex_decode(s->used[0], text.n / 2, (const char *)text.p, text.n) == 0;
}

static bool take_packed(const json_t *o, struct chat_state_keys *s)
{
	struct err e;

	s->packed_no_fs = fields_true(o, "packed_no_fs");
	return take_hex(o, "stream", s->stream, sizeof s->stream) &&
	       fields_number(o, "packed", INT64_MAX, &s->packed, &e) >= 0;
}

static bool take_renewed(const json_t *o, struct chat_state_keys *s)
{
	uint64_t us = 0;
	struct err e;
	bool good = fields_number(o, "renewed_from", INT64_MAX, &s->renewed_from, &e) >= 0 &&
		    fields_number(o, "renewed", INT64_MAX, &us, &e) >= 0;

	s->renewed_us = (int64_t)us;
	return good;
}

static bool take_all(const json_t *o, struct chat_state_keys *s)
{
	s->offered = json_object_get(o, "to") != NULL;
	return take_hex(o, "to", s->to, sizeof s->to) && take_hex(o, "by", s->by, sizeof s->by) &&
	       take_hex(o, "signed_by", s->signed_by, sizeof s->signed_by) &&
	       take_hex(o, "packets", s->packets, sizeof s->packets) && take_packed(o, s) &&
	       take_renewed(o, s) && take_used(o, s);
}

int chat_state_load(
	const struct chat_desk *d, const char *contact, struct chat_state_keys *out, struct err *e)
{
	char name[STATE_NAME];
	struct buf text = {0};
	json_t *o = NULL;
	int rc;

	*out = (struct chat_state_keys){0};
	state_name(name, contact);
	if (faccessat(d->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return 0;
	}
	rc = file_read(d->dir, name, STATE_MAX, &text, NULL, e);
	if (rc != 0) {
		e->code = e->code == EX_TEMPFAIL || e->code == EX_IOERR ? e->code : EX_CONFIG;
		err_prefix(e, "%s_chat", d->self.name);
	} else {
		o = fields_parse(text.p, text.n, e);
	}
	if (rc == 0 && (o == NULL || !take_all(o, out))) {
		*out = (struct chat_state_keys){0};
		rc = err_set(e, EX_CONFIG, "%s_chat/%s is damaged", d->self.name, name);
		err_hint(e, "remove it: one-time keys that were used are not known by it then");
	}
	json_decref(o);
	buf_free(&text);
	return rc;
}

static int set_hex(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	char hex[CHAT_STATE_USED * MARK_TEXT + 1];

	hex_encode(hex, p, n);
	return fields_set_text(o, name, hex, 2 * n);
}

static int set_number(json_t *o, const char *name, uint64_t number)
{
	return json_object_set_new(o, name, json_integer((json_int_t)number));
}

static int set_all(json_t *o, const struct chat_state_keys *s)
{
	if (s->offered &&
		(set_hex(o, "to", s->to, sizeof s->to) != 0 ||
			set_hex(o, "by", s->by, sizeof s->by) != 0 ||
			set_hex(o, "signed_by", s->signed_by, sizeof s->signed_by) != 0)) {
		return -1;
	}
	if (s->packed_no_fs && json_object_set_new(o, "packed_no_fs", json_true()) != 0) {
		return -1;
	}
	return set_hex(o, "packets", s->packets, sizeof s->packets) != 0 ||
			       set_hex(o, "stream", s->stream, sizeof s->stream) != 0 ||
			       set_number(o, "packed", s->packed) != 0 ||
			       set_number(o, "renewed_from", s->renewed_from) != 0 ||
			       set_number(o, "renewed", (uint64_t)s->renewed_us) != 0
		       ? -1
		       : set_hex(o, "used", s->used[0], s->used_n * CHAT_STATE_MARK);
}

int chat_state_save(const struct chat_desk *d, const char *contact, const struct chat_state_keys *s,
	struct err *e)
{
	char name[STATE_NAME];
	json_t *o = json_object();
	json_free_t release;
	char *text = NULL;
	int rc = -1;

	state_name(name, contact);
	json_get_alloc_funcs(NULL, &release);
	if (set_all(o, s) == 0) {
		text = json_dumps(o, JSON_INDENT(1));
	}
	rc = text == NULL ? err_set(e, EX_TEMPFAIL, "out of memory")
			  : chat_desk_write(d, name, text, strlen(text), e);
	if (text != NULL) {
		release(text);
	}
	json_decref(o);
	return rc;
}

bool chat_state_use(struct chat_state_keys *s, const struct chat_offer *offer)
{
	uint8_t digest[HASH_BYTES];

	hash_of(offer->first, sizeof offer->first, digest);
	for (size_t i = 0; i < s->used_n; i++) {
		if (memcmp(s->used[i], digest, CHAT_STATE_MARK) == 0) {
			return false;
		}
	}
	if (s->used_n == CHAT_STATE_USED) {
		memmove(s->used[0], s->used[1], (CHAT_STATE_USED - 1) * CHAT_STATE_MARK);
		s->used_n--;
	}
	memcpy(s->used[s->used_n++], digest, CHAT_STATE_MARK);
	return true;
}
