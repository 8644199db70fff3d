/* What the benchmarks of the store share: opening one in this process, as `serve` does, and
 * delivering to it. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include <sys/stat.h>

#include "../../crypto/random.h"
#include "../../proto/mail_server.h"
#include "bench.h"

#define STORE_SENDER "client1"

static inline int open_folder(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		die("cannot open %s: %s", path, strerror(errno));
	}
	return fd;
}

static inline int make_folder(int at, const char *path)
{
	if (mkdirat(at, path, 0700) != 0) {
		die("cannot make %s: %s", path, strerror(errno));
	}
	return open_folder(at, path);
}

static inline struct mailbox *store_open(int dir)
{
	struct mailbox *m;
	struct err e;

	if (mailbox_files_open(dir, mail_describe, MAILBOX_KEEPER, &m, &e) != 0 ||
		m->ops->recover(m, &e) != 0) {
		die("cannot open a store: %s", e.text);
	}
	return m;
}

static inline void store_prepare(struct mailbox *m, const char *user)
{
	struct err e;

	if (m->ops->prepare(m, user, &e) != 0) {
		die("cannot prepare a mailbox: %s", e.text);
	}
}

static inline void store_settle(struct mailbox *m)
{
	struct err e;

	if (m->ops->settle(m, &e) != 0) {
		die("cannot settle: %s", e.text);
	}
}

/* One message to one mailbox, with an id of its own that a retry would repeat: as `send` does it
 * over the enhanced protocol. Content: n bytes of ASCII. */
static inline void store_deliver(
	struct mailbox *m, const char *to, const char *title, const void *content, size_t n)
{
	struct users_list list = {0};
	struct mailbox_meta meta = {.chars = n, .source = STORE_SENDER};
	struct mailbox_delivery v = {.meta = &meta, .to = &list, .once = true};
	struct mailbox_draft *draft = NULL;
	struct buf head = {0};
	struct err e;
	bool again;

	(void)snprintf(meta.title, sizeof meta.title, "%s", title);
	meta.time_us = m->ops->now(m);
	if (random_bytes(meta.id, sizeof meta.id, &e) != 0 ||
		users_split(&list, to, strlen(to), &e) != 0 ||
		message_format(&head, message_text(meta.source), message_text(to), meta.time_us,
			message_text(title), n) != 0) {
		die("cannot write a message");
	}
	v.head = head.p;
	if (m->ops->begin(m, head.n, &draft, &e) != 0 ||
		m->ops->append(draft, content, n, &e) != 0 ||
		m->ops->deliver(draft, &v, &again, &e) != 0 || again) {
		die("cannot deliver: %s", e.text);
	}
	m->ops->discard(draft);
	buf_free(&head);
	users_list_free(&list);
}

#endif
