/* Messages between a wire and the store; see mail_server.h. */
#include "mail_server.h"

#include "../crypto/random.h"

_Static_assert(MAILBOX_TITLE_BYTES >= 4 * MESSAGE_TITLE_CHARS, "every title fits its record");
_Static_assert((int)MAILBOX_HEAD_MAX >= (int)MESSAGE_STORED_HEAD_MAX,
	"every header fits what describe is shown");

static int copy_text(char *out, size_t cap, struct message_part part)
{
	if (part.n >= cap || has_control(part.p, part.n)) {
		return -1;
	}
	memcpy(out, part.p, part.n);
	out[part.n] = '\0';
	return 0;
}

/* A title may hold control bytes, but none that end a line or a C string. */
static int copy_title(struct mailbox_meta *meta, struct message_part title, struct err *e)
{
	if (message_check_title(title.p, title.n, e) != 0) {
		return -1;
	}
	memcpy(meta->title, title.p, title.n);
	meta->title[title.n] = '\0';
	return 0;
}

int mail_describe(const uint8_t *text, size_t n, struct mailbox_meta *meta, struct users_list *to,
	size_t *content_at)
{
	struct message_head h;
	struct err ignored;
	const char *why;

	if (message_parse(text, n, true, &h, &why) != 1 ||
		message_parse_time(h.time.p, h.time.n, &meta->time_us) != 0 ||
		copy_text(meta->source, sizeof meta->source, h.from) != 0 ||
		!user_name_valid(meta->source) || copy_title(meta, h.title, &ignored) != 0) {
		return -1;
	}
	meta->chars = h.length;
	*content_at = h.bytes;
	return to == NULL ? 0 : users_split(to, h.to.p, h.to.n, &ignored);
}

/* --- in --- */

static int check_from(const struct mail *m, struct message_part from, struct err *e)
{
	if (from.n != strlen(m->user) || memcmp(from.p, m->user, from.n) != 0) {
		return err_set(e, EX_NOPERM, "From is not %s, who logged in", m->user);
	}
	return 0;
}

static int check_recipients(
	struct mail *m, const struct users *users, struct message_part to, struct err *e)
{
	if (users_split(&m->to, to.p, to.n, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < m->to.n; i++) {
		if (!users_known(users, m->to.names[i])) {
			return err_set(e, EX_NOUSER, "no such user: %s", m->to.names[i]);
		}
	}
	return 0;
}

/* --- room --- */

/* The limits that hold for each recipient. 0 or -1. */
static int find_limits(struct mail *m, const struct users *users, struct err *e)
{
	bool any = false;

	m->limits = calloc(m->to.n, sizeof *m->limits);
	if (m->limits == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (size_t i = 0; i < m->to.n; i++) {
		struct mailbox_usage *l = &m->limits[i];
		users_limits(users, m->to.names[i], &l->messages, &l->bytes);
		l->messages = l->messages == 0 ? m->defaults.messages : l->messages;
		l->bytes = l->bytes == 0 ? m->defaults.bytes : l->bytes;
		any = any || l->messages > 0 || l->bytes > 0;
	}
	if (!any) {
		free(m->limits);
		m->limits = NULL;
	}
	return 0;
}

/* Is this very message there already? Then it needs no room: sent again, it is stored once. */
static bool is_there(const struct mail *m, const char *user)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	struct err ignored;

	return m->id != NULL && m->box->ops->find(m->box, user, m->id, &meta, &ref, &ignored) == 0;
}

static int check_box(const struct mail *m, size_t i, uint64_t size, bool *is_full, struct err *e)
{
	const struct mailbox_usage *limit = &m->limits[i];
	const char *user = m->to.names[i];
	struct mailbox_usage now;

	if ((limit->messages == 0 && limit->bytes == 0) ||
		m->box->ops->usage(m->box, user, &now, e) != 0) {
		return limit->messages == 0 && limit->bytes == 0 ? 0 : -1;
	}
	*is_full = limit->messages > 0 && now.messages >= limit->messages;
	if (*is_full) {
		err_set(e, EX_TEMPFAIL,
			"mailbox %s is full: it holds %llu of at most %llu messages", user,
			(unsigned long long)now.messages, (unsigned long long)limit->messages);
	} else if (limit->bytes > 0 &&
		   (now.bytes > limit->bytes || size > limit->bytes - now.bytes)) {
		*is_full = true;
		err_set(e, EX_TEMPFAIL,
			"mailbox %s is full: it holds %llu of at most %llu bytes, and this message "
			"has %llu",
			user, (unsigned long long)now.bytes, (unsigned long long)limit->bytes,
			(unsigned long long)size);
	}
	*is_full = *is_full && !is_there(m, user);
	return *is_full ? -1 : 0;
}

/* Is there room for a message of so many bytes, header included, in every mailbox? 0 or -1. */
static int check_room(struct mail *m, uint64_t size, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && m->limits != NULL && i < m->to.n; i++) {
		rc = check_box(m, i, size, &m->full, e);
	}
	return rc;
}

int mail_begin(
	struct mail *m, const struct users *users, const struct message_head *h, struct err *e)
{
	struct buf head = {0};
	int rc;

	if (check_from(m, h->from, e) != 0 || copy_title(&m->meta, h->title, e) != 0 ||
		check_recipients(m, users, h->to, e) != 0) {
		return -1;
	}
	if (h->length > m->max_chars) {
		return err_set(e, EX_DATAERR, "the content has %llu characters, more than %llu",
			(unsigned long long)h->length, (unsigned long long)m->max_chars);
	}
	memcpy(m->meta.source, m->user, strlen(m->user) + 1);
	m->meta.chars = h->length;
	m->meta.time_us = m->box->ops->now(m->box); /* the final one has the same length */
	rc = buf_append(&m->to_text, h->to.p, h->to.n);
	rc = rc == 0 ? message_format(&head, h->from, h->to, m->meta.time_us, h->title, h->length)
		     : rc;
	m->head_bytes = head.n;
	buf_free(&head);
	if (rc != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	/* Before it travels, so that a full mailbox costs nobody its transfer. Where the wire tells
	 * characters alone, each of them is a byte at least; mail_deliver knows all. */
	if (find_limits(m, users, e) != 0 ||
		check_room(m, m->head_bytes + (m->announced > h->length ? m->announced : h->length),
			e) != 0) {
		return -1;
	}
	if (m->id != NULL) {
		memcpy(m->meta.id, m->id, sizeof m->meta.id);
	} else if (!m->named && random_bytes(m->meta.id, sizeof m->meta.id, e) != 0) {
		return -1;
	}
	return m->box->ops->begin(m->box, m->head_bytes, &m->draft, e);
}

int mail_content(struct mail *m, const void *p, size_t n, struct err *e)
{
	m->bytes += n;
	return m->box->ops->append(m->draft, p, n, e);
}

int mail_deliver(struct mail *m, struct err *e)
{
	struct message_part to = {.p = m->to_text.p, .n = m->to_text.n};
	struct buf head = {0};
	int rc;

	m->meta.time_us = m->box->ops->now(m->box);
	if (message_format(&head, message_text(m->user), to, m->meta.time_us,
		    message_text(m->meta.title), m->meta.chars) != 0 ||
		head.n != m->head_bytes) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write the header");
	} else {
		struct mailbox_delivery delivery = {.meta = &m->meta,
			.head = head.p,
			.to = &m->to,
			.limits = m->limits,
			.once = m->id != NULL};
		rc = m->box->ops->deliver(m->draft, &delivery, &m->again, e);
		if (rc != 0 && m->limits != NULL) {
			struct err ignored; /* the engine has told; this finds out what it was */
			(void)check_room(m, m->head_bytes + m->bytes, &ignored);
		}
	}
	buf_free(&head);
	return rc;
}

void mail_end(struct mail *m)
{
	m->box->ops->discard(m->draft);
	users_list_free(&m->to);
	buf_free(&m->to_text);
	free(m->limits);
	m->limits = NULL;
	m->draft = NULL;
}

/* --- out --- */

enum { PIECE = MAILBOX_HEAD_MAX };

struct outgoing {
	struct mailbox *box;
	struct mailbox_reader *reader;
	uint64_t size;
	uint8_t piece[PIECE];
};

static size_t piece_at(const struct outgoing *o, uint64_t offset)
{
	return o->size - offset < PIECE ? (size_t)(o->size - offset) : PIECE;
}

static int read_piece(struct outgoing *o, uint64_t offset, size_t *n, struct err *e)
{
	*n = piece_at(o, offset);
	return o->box->ops->read(o->reader, offset, o->piece, *n, e);
}

/* Does the text hold exactly the characters that it announces? A client counts on it. */
static int check_whole(struct outgoing *o, struct err *e)
{
	struct utf8_counter count = {0};
	struct message_head h = {0};
	const char *why;
	size_t n, skip;

	for (uint64_t at = 0; at < o->size || at == 0; at += n) {
		if (read_piece(o, at, &n, e) != 0) {
			return -1;
		}
		if (at == 0 && message_parse(o->piece, n, true, &h, &why) != 1) {
			return err_set(e, EX_DATAERR, "the message is damaged");
		}
		skip = at == 0 ? h.bytes : 0;
		(void)utf8_feed(&count, o->piece + skip, n - skip, UINT64_MAX);
	}
	if (count.count != h.length || count.invalid || count.part_n > 0) {
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	return 0;
}

/* What was looked at, once more, and out. */
static int put_whole(struct outgoing *o, const struct mail_sink *sink, struct err *e)
{
	struct message_head h;
	const char *why;
	size_t n, skip;

	for (uint64_t at = 0; at < o->size; at += n) {
		if (read_piece(o, at, &n, e) != 0) {
			return -1;
		}
		skip = 0;
		if (at == 0) {
			if (message_parse(o->piece, n, true, &h, &why) != 1) {
				return err_set(e, EX_DATAERR, "the message is damaged");
			}
			skip = h.bytes;
			if (sink->head(sink->arg, &h, o->piece, o->size - skip, e) != 0) {
				return -1;
			}
		}
		if (n > skip && sink->content(sink->arg, o->piece + skip, n - skip, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int mail_read(struct mailbox *box, const char *user, const struct mailbox_ref *ref,
	const struct mail_sink *sink, struct err *e)
{
	struct outgoing *o = malloc(sizeof *o);
	int rc;

	if (o == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	o->box = box;
	rc = box->ops->open(box, user, ref, &o->reader, &o->size, e);
	if (rc == 0) {
		rc = check_whole(o, e) != 0 ? -1 : put_whole(o, sink, e);
		box->ops->done(o->reader);
	}
	free(o);
	return rc;
}
