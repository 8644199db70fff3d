/* What the tests of deliver_once share: sending under an id, and counting what it left in a
 * mailbox. */
#ifndef T_ONCE_H
#define T_ONCE_H

#include "store.h"

#include "../../store/sent.h"

static bool again;                            /* what the last send_once was told */
static const char *sender = "client1";        /* who sends */
static const char *body = "once and no more"; /* what is sent */

static inline void make_id(uint8_t id[static MAILBOX_ID_BYTES], uint32_t seed)
{
	fill_pattern(id, MAILBOX_ID_BYTES, seed);
}

/* Send a message under an id; once: only if it was not sent before. */
static inline int send_with(const uint8_t *id, const char *to_text, bool once)
{
	struct mailbox_meta meta = {.time_us = message_now(), .title = "Once"};
	struct mailbox_draft *d = NULL;
	struct users_list to;
	struct buf head = {0};
	int rc;

	meta.chars = strlen(body);
	memcpy(meta.id, id, sizeof meta.id);
	memcpy(meta.source, sender, strlen(sender) + 1);
	assert_int_equal(users_split(&to, to_text, strlen(to_text), &e), 0);
	assert_int_equal(message_format(&head, message_text(sender), message_text(to_text),
				 meta.time_us, message_text("Once"), meta.chars),
		0);
	again = false;
	rc = box->ops->begin(box, head.n, &d, &e);
	rc = rc == 0 ? box->ops->append(d, body, strlen(body), &e) : rc;
	if (rc == 0) {
		rc = once ? box->ops->deliver_once(d, &meta, head.p, &to, &again, &e)
			  : box->ops->deliver(d, &meta, head.p, &to, &e);
	}
	box->ops->discard(d);
	users_list_free(&to);
	buf_free(&head);
	return rc;
}

static inline int send_once(const uint8_t *id, const char *to)
{
	return send_with(id, to, true);
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

static inline int remove_id(const char *user, const uint8_t *id)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;

	return box->ops->find(box, user, id, &meta, &ref, &e) == 0
		       ? box->ops->remove(box, user, &ref, &e)
		       : -1;
}

/* As a crash between the delivery and its note leaves it: the sender's last record is BEGUN. */
static inline void forget_done(void)
{
	char path[64];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof path, SENT_FOLDER "/%s", sender);
	st = stat_of(path);
	fd = openat(folder.fd, path, O_WRONLY);
	assert_int_equal(pwrite(fd, "B", 1, st.st_size - 1), 1);
	(void)close(fd);
}

#endif
