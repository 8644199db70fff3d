/* Mail through struct mailbox_ops, whichever engine stands behind it: what the tests of every
 * engine share to deliver, list and read. */
#ifndef T_MAIL_H
#define T_MAIL_H

#include "unit.h"

#include "../../crypto/random.h"
#include "../../proto/mail_server.h"

static struct mailbox *box;
static struct err e;
static void (*between)(void); /* called ahead of each operation below; NULL: nothing is */

static inline void pause_between(void)
{
	if (between != NULL) {
		between();
	}
}

/* --- delivering --- */

struct letter {
	const char *title, *content, *to;
	const char *from;  /* NULL: client1 */
	size_t n;          /* bytes of content; 0: up to its NUL */
	size_t piece;      /* bytes that are appended at once; 0: half of it */
	int64_t time_us;   /* 0: now */
	const uint8_t *id; /* NULL: a fresh one */
	bool once;
	const struct mailbox_usage *limits;
};

static struct mailbox_meta last;   /* of the letter posted last; with its bytes */
static bool sent_before;           /* what the engine said of it */
static bool stay_unsettled = true; /* or else what is delivered is settled at once */

static inline void settle(void)
{
	if (box->ops->settle(box, &e) != 0) {
		fail_msg("settle: %s", e.text);
	}
}

static inline int append_pieces(struct mailbox_draft *d, const struct letter *l, size_t n)
{
	size_t piece = l->piece == 0 ? n / 2 + 1 : l->piece;
	int rc = box->ops->append(d, l->content, 0, &e); /* nothing at all is fine, too */

	for (size_t at = 0; at < n && rc == 0; at += piece) {
		rc = box->ops->append(d, l->content + at, n - at < piece ? n - at : piece, &e);
	}
	return rc;
}

/* The meta of a letter, and its recipients; the caller frees those. */
static inline void address(const struct letter *l, size_t n, struct users_list *to)
{
	const char *from = l->from == NULL ? "client1" : l->from;

	last = (struct mailbox_meta){.time_us = l->time_us};
	if (l->time_us == 0) {
		last.time_us = box->ops->now(box);
	}
	assert_int_equal(utf8_count((const uint8_t *)l->content, n, &last.chars), 0);
	if (l->id == NULL) {
		assert_int_equal(random_bytes(last.id, sizeof last.id, &e), 0);
	} else {
		memcpy(last.id, l->id, sizeof last.id);
	}
	assert_true(strlen(l->title) <= MAILBOX_TITLE_BYTES);
	memcpy(last.title, l->title, strlen(l->title) + 1);
	memcpy(last.source, from, strlen(from) + 1);
	assert_int_equal(users_split(to, l->to, strlen(l->to), &e), 0);
}

/* 0, or -1 as the engine said it. */
static inline int post(const struct letter *l)
{
	size_t n = l->n == 0 ? strlen(l->content) : l->n;
	struct mailbox_draft *d = NULL;
	struct users_list to;
	struct buf head = {0};
	int rc;

	pause_between();
	address(l, n, &to);
	assert_int_equal(message_format(&head, message_text(last.source), message_text(l->to),
				 last.time_us, message_text(l->title), last.chars),
		0);
	struct mailbox_delivery delivery = {
		.meta = &last, .head = head.p, .to = &to, .limits = l->limits, .once = l->once};
	sent_before = false;
	rc = box->ops->begin(box, head.n, &d, &e);
	if (rc == 0) {
		rc = append_pieces(d, l, n);
		if (rc == 0) {
			sent_before = true; /* the engine says otherwise */
			rc = box->ops->deliver(d, &delivery, &sent_before, &e);
			sent_before = sent_before && rc == 0;
		}
		box->ops->discard(d);
	}
	if (rc == 0 && !stay_unsettled) {
		settle();
	}
	last.bytes = head.n + n;
	users_list_free(&to);
	buf_free(&head);
	return rc;
}

static inline int deliver_at(
	const char *title, const char *content, const char *to, int64_t time_us)
{
	return post(
		&(struct letter){.title = title, .content = content, .to = to, .time_us = time_us});
}

static inline int deliver(const char *title, const char *content, const char *to)
{
	return deliver_at(title, content, to, message_now());
}

static inline void deliver_three(void)
{
	assert_int_equal(deliver_at("one", "<one>", "client1", 1000000), 0);
	assert_int_equal(deliver_at("two", "<two>", "client1;client2", 2000000), 0);
	assert_int_equal(deliver_at("three", "<three>", "client1", 3000000), 0);
}

/* --- listing --- */

enum { ROWS = 2000 };
static struct {
	struct mailbox_meta meta;
	struct mailbox_ref ref;
} rows[ROWS];
static int rows_n;

static inline int visit_row(
	void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	(void)arg;
	if (rows_n == ROWS) {
		return 1;
	}
	rows[rows_n].meta = *meta;
	rows[rows_n++].ref = *ref;
	return 0;
}

static inline int list_from(const char *user, const struct mailbox_key *from)
{
	pause_between();
	rows_n = 0;
	if (box->ops->list(box, user, from, visit_row, NULL, &e) != 0) {
		fail_msg("list %s: %s", user, e.text);
	}
	return rows_n;
}

static inline int list(const char *user)
{
	return list_from(user, NULL);
}

/* How many messages under this id a user has. */
static inline int copies(const char *user, const uint8_t *id)
{
	int n = 0;

	(void)list(user);
	for (int i = 0; i < rows_n; i++) {
		n += memcmp(rows[i].meta.id, id, MAILBOX_ID_BYTES) == 0 ? 1 : 0;
	}
	return n;
}

static inline void make_id(uint8_t id[static MAILBOX_ID_BYTES], uint32_t seed)
{
	fill_pattern(id, MAILBOX_ID_BYTES, seed);
}

/* --- one message --- */

static inline int open_row(const char *user, int i)
{
	struct mailbox_reader *r = NULL;
	uint64_t size;

	pause_between();
	int rc = box->ops->open(box, user, &rows[i].ref, &r, &size, &e);
	if (rc == 0) {
		box->ops->done(r);
	}
	return rc;
}

/* The whole text of a listed message. The caller frees it. */
static inline struct buf text_of_row(const char *user, int i)
{
	struct mailbox_reader *r = NULL;
	struct buf b = {0};
	uint64_t size = 0;

	pause_between();
	if (box->ops->open(box, user, &rows[i].ref, &r, &size, &e) != 0) {
		fail_msg("open: %s", e.text);
	}
	assert_int_equal(buf_reserve(&b, size + 1), 0);
	assert_int_equal(box->ops->read(r, 0, b.p, size, &e), 0);
	b.n = size;
	b.p[size] = '\0';
	assert_refused(box->ops->read(r, size, b.p, 1, &e), e, EX_NOINPUT); /* its end is its end */
	box->ops->done(r);
	return b;
}

static inline bool row_holds(const char *user, int i, const char *content)
{
	struct buf b = text_of_row(user, i);
	size_t n = strlen(content);
	bool found = b.n >= n && memcmp(b.p + b.n - n, content, n) == 0;

	buf_free(&b);
	return found;
}

static inline int remove_id(const char *user, const uint8_t *id)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;

	pause_between();
	return box->ops->find(box, user, id, &meta, &ref, &e) == 0
		       ? box->ops->remove(box, user, &ref, &e)
		       : -1;
}

#endif
