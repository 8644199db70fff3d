/* What the tests of the files engine share: a store with five mailboxes, and ways to fill and read
 * it. */
#ifndef T_STORE_H
#define T_STORE_H

#include "unit.h"

#include <sys/file.h>

#include "../../crypto/random.h"
#include "../../proto/mail_server.h"
#include "../../store/files.h"

static struct mailbox *box;
static struct err e;

static inline int open_store(void **state)
{
	char user[] = "client1";

	if (folder_make(state) != 0 ||
		mailbox_files_open(folder.fd, mail_describe, &box, &e) != 0) {
		return -1;
	}
	for (; user[6] <= '5'; user[6]++) {
		if (box->ops->prepare(box, user, &e) != 0) {
			return -1;
		}
	}
	return 0;
}

static inline int close_store(void **state)
{
	box->ops->close(box);
	return folder_remove(state);
}

/* As a server that was started again: another epoch. */
static inline void reopen_store(void)
{
	box->ops->close(box);
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, &box, &e), 0);
}

#define T_STORE(title, function)                               \
	{                                                      \
		title, function, open_store, close_store, NULL \
	}

/* --- helpers --- */

static struct mailbox_meta last; /* of the message sent last */

static inline int deliver_at(
	const char *title, const char *content, const char *to_text, int64_t time_us)
{
	struct mailbox_meta meta = {.time_us = time_us, .source = "client1"};
	struct mailbox_draft *d = NULL;
	struct users_list to;
	struct buf head = {0};
	int rc;

	assert_int_equal(utf8_count((const uint8_t *)content, strlen(content), &meta.chars), 0);
	assert_int_equal(random_bytes(meta.id, sizeof meta.id, &e), 0);
	assert_true(strlen(title) <= MAILBOX_TITLE_BYTES);
	memcpy(meta.title, title, strlen(title) + 1);
	assert_int_equal(users_split(&to, to_text, strlen(to_text), &e), 0);
	assert_int_equal(message_format(&head, message_text(meta.source), message_text(to_text),
				 time_us, message_text(title), meta.chars),
		0);
	rc = box->ops->begin(box, head.n, &d, &e);
	if (rc == 0) {
		size_t half = strlen(content) / 2; /* in two pieces */
		rc = box->ops->append(d, content, half, &e);
		rc = rc == 0 ? box->ops->append(d, content + half, strlen(content) - half, &e) : rc;
		rc = rc == 0 ? box->ops->deliver(d, &meta, head.p, &to, &e) : rc;
		box->ops->discard(d);
	}
	users_list_free(&to);
	buf_free(&head);
	last = meta;
	return rc;
}

static inline int deliver(const char *title, const char *content, const char *to)
{
	return deliver_at(title, content, to, message_now());
}

enum { ROWS = 400 };
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

static inline int list(const char *user)
{
	rows_n = 0;
	if (box->ops->list(box, user, visit_row, NULL, &e) != 0) {
		fail_msg("list %s: %s", user, e.text);
	}
	return rows_n;
}

static inline int open_row(const char *user, int i)
{
	struct mailbox_reader *r = NULL;
	uint64_t size;
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

/* Files that are not hidden, in a user's mailbox. */
static inline int files_of(const char *user)
{
	int hidden = faccessat(folder.fd, user, F_OK, 0) == 0 ? 1 : 0;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/.index", user);
	hidden = faccessat(folder.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? hidden : 0;
	return count_names(user) - hidden;
}

static inline struct stat stat_of(const char *path)
{
	struct stat st;

	if (fstatat(folder.fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		fail_msg("%s: %s", path, strerror(errno));
	}
	return st;
}

/* A folder's time ticks coarsely: make sure that what was changed by hand since `before` shows. */
static inline void tick(const char *user, struct stat before)
{
	char path[64];
	struct stat now;

	(void)snprintf(path, sizeof path, "%s/.tick", user);
	do {
		spew_text(path, "");
		assert_int_equal(unlinkat(folder.fd, path, 0), 0);
		now = stat_of(user);
	} while (now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
		 now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
}

static inline void drop(const char *user, const char *name, const char *text, size_t n)
{
	struct stat before = stat_of(user);
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", user, name);
	spew(path, text, n);
	tick(user, before);
}

static inline void deliver_three(void)
{
	assert_int_equal(deliver_at("one", "<one>", "client1", 1000000), 0);
	assert_int_equal(deliver_at("two", "<two>", "client1;client2", 2000000), 0);
	assert_int_equal(deliver_at("three", "<three>", "client1", 3000000), 0);
}

#endif
