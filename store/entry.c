/* What the records of the journal say; see entry.h. */
#include "entry.h"

#include "../crypto/hash.h"

#define CARRIED ((enum entry_kind)'C')

void entry_key(const struct mailbox_meta *meta, uint8_t out[static ENTRY_KEY])
{
	uint8_t digest[HASH_BYTES];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, meta->id, sizeof meta->id);
	hash_add(&h, meta->source, strlen(meta->source));
	hash_end(&h, digest);
	memcpy(out, digest, ENTRY_KEY);
}

int entry_by_key(const void *a, const void *b)
{
	return memcmp(a, b, ENTRY_KEY);
}

int entry_put_delivered(struct buf *out, const struct mailbox_meta *meta, bool once,
	const struct users_list *to, const struct buf *message)
{
	size_t source_n = strlen(meta->source), title_n = strlen(meta->title);
	uint8_t f[7 + MAILBOX_ID_BYTES + 24] = {0};

	f[0] = message != NULL ? ENTRY_INLINED : ENTRY_SPOOLED;
	f[1] = once ? 1 : 0;
	f[2] = (uint8_t)source_n;
	put_u16le(f + 3, (uint16_t)title_n);
	put_u16le(f + 5, (uint16_t)to->n);
	memcpy(f + 7, meta->id, MAILBOX_ID_BYTES);
	put_u64le(f + 23, (uint64_t)meta->time_us);
	put_u64le(f + 31, meta->chars);
	put_u64le(f + 39, meta->bytes);
	if (buf_append(out, f, sizeof f) != 0 || buf_append(out, meta->source, source_n) != 0 ||
		buf_append(out, meta->title, title_n) != 0) {
		return -1;
	}
	for (size_t i = 0; i < to->n; i++) {
		uint8_t n = (uint8_t)strlen(to->names[i]);
		if (buf_append(out, &n, 1) != 0 || buf_append(out, to->names[i], n) != 0) {
			return -1;
		}
	}
	return message == NULL ? 0 : buf_append(out, message->p, message->n);
}

int entry_put_removed(struct buf *out, const char *user, const uint8_t key[static ENTRY_KEY])
{
	uint8_t f[2] = {ENTRY_REMOVED, (uint8_t)strlen(user)};

	return buf_append(out, f, sizeof f) == 0 && buf_append(out, key, ENTRY_KEY) == 0 &&
			       buf_append(out, user, f[1]) == 0
		       ? 0
		       : -1;
}

int entry_put_carried(struct buf *out, const struct journal_mark *first)
{
	uint8_t f[1 + 8 + 8] = {(uint8_t)CARRIED};

	put_u64le(f + 1, first->number);
	put_u64le(f + 9, first->at);
	return buf_append(out, f, sizeof f);
}

static int get_text(struct cursor *c, size_t n, size_t max, char *out)
{
	const uint8_t *p = n > max ? NULL : get_bytes(c, n);

	if (p == NULL || memchr(p, '\0', n) != NULL) {
		return -1;
	}
	memcpy(out, p, n);
	out[n] = '\0';
	return 0;
}

static int get_removed(struct entry *out, struct cursor *c)
{
	size_t n = get_u8(c);
	const uint8_t *key = get_bytes(c, ENTRY_KEY);
	char name[USER_NAME_MAX + 1];

	if (key == NULL || cursor_left(c) != n) {
		return -1;
	}
	memcpy(out->key, key, ENTRY_KEY);
	out->to = *c;
	if (get_text(c, n, USER_NAME_MAX, name) != 0 || !user_name_valid(name)) {
		return -1;
	}
	out->to_n = 1;
	return 0;
}

static int get_delivered(struct entry *out, struct cursor *c)
{
	size_t source_n, title_n, once;
	const uint8_t *id;
	char name[USER_NAME_MAX + 1];

	once = get_u8(c);
	out->once = once == 1;
	source_n = get_u8(c);
	title_n = get_u16le(c);
	out->to_n = get_u16le(c);
	id = get_bytes(c, MAILBOX_ID_BYTES);
	out->meta.time_us = (int64_t)get_u64le(c);
	out->meta.chars = get_u64le(c);
	out->meta.bytes = get_u64le(c);
	if (id == NULL || once > 1 || out->to_n == 0 ||
		get_text(c, source_n, USER_NAME_MAX, out->meta.source) != 0 ||
		get_text(c, title_n, MAILBOX_TITLE_ROOM, out->meta.title) != 0) {
		return -1;
	}
	memcpy(out->meta.id, id, MAILBOX_ID_BYTES);
	out->to = *c;
	for (size_t i = 0; i < out->to_n; i++) {
		if (get_text(c, get_u8(c), USER_NAME_MAX, name) != 0 || !user_name_valid(name)) {
			return -1;
		}
	}
	if (cursor_left(c) != (out->kind == ENTRY_INLINED ? out->meta.bytes : 0)) {
		return -1;
	}
	entry_key(&out->meta, out->key);
	out->message = c->p;
	return 0;
}

int entry_get(struct entry *out, const uint8_t *p, size_t n)
{
	struct cursor c = cursor_over(p, n);

	memset(out, 0, sizeof *out);
	out->kind = (enum entry_kind)get_u8(&c);
	if (out->kind == CARRIED) {
		out->first.number = get_u64le(&c);
		out->first.at = get_u64le(&c);
		out->kind = (enum entry_kind)get_u8(&c);
		if (out->first.number == 0) {
			return -1;
		}
	}
	if (out->kind == ENTRY_REMOVED) {
		return get_removed(out, &c);
	}
	return out->kind == ENTRY_INLINED || out->kind == ENTRY_SPOOLED ? get_delivered(out, &c)
									: -1;
}

bool entry_next_name(struct entry *entry, char name[static USER_NAME_MAX + 1])
{
	size_t n;

	if (entry->to_n == 0) {
		return false;
	}
	entry->to_n--;
	n = entry->kind == ENTRY_REMOVED ? cursor_left(&entry->to) : get_u8(&entry->to);
	memcpy(name, get_bytes(&entry->to, n), n); /* entry_get has looked at them all */
	name[n] = '\0';
	return true;
}

bool entry_names(const struct entry *entry, const char *user)
{
	struct entry copy = *entry;
	char name[USER_NAME_MAX + 1];

	while (entry_next_name(&copy, name)) {
		if (strcmp(name, user) == 0) {
			return true;
		}
	}
	return false;
}
