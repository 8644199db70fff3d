/* The journal: whatever stands in a segment, a store opens, and what it lists can be read and is
 * settled. The input's first byte tells what the rest is: the file as it is; the same behind a
 * sound header; payloads (u16 length, bytes) as sound records. */
#include "folder.h"

#include <sys/stat.h>

#include "../../crypto/file.h"
#include "../../proto/mail_server.h"
#include "../../store/files.h"

static void make_segment(int root, const uint8_t *p, size_t n, bool head, bool records)
{
	struct segment s = {.fd = -1, .number = 1};
	struct cursor c = cursor_over(p, n);
	uint64_t at = SEGMENT_HEAD, ready;
	int dir;

	assert(mkdirat(root, JOURNAL_FOLDER, 0700) == 0);
	dir = openat(root, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(dir >= 0 && segment_create(&s, dir, "none", &ready, NULL) == 0);
	if (!records) {
		assert(file_write_at(s.fd, p, n, head ? SEGMENT_HEAD : 0) == 0);
	}
	while (records && cursor_left(&c) >= 2) {
		static uint8_t room[SEGMENT_RECORD + UINT16_MAX];
		struct segment_payload payload = {.p = room, .n = get_u16le(&c)};
		payload.n = payload.n < cursor_left(&c) ? payload.n : cursor_left(&c);
		if (payload.n == 0) {
			continue;
		}
		memcpy(room + SEGMENT_RECORD, get_bytes(&c, payload.n), payload.n);
		hash_of(room + SEGMENT_RECORD, payload.n, payload.digest);
		assert(segment_write(&s, at, &payload, NULL) == 0);
		at += segment_span(payload.n);
	}
	segment_close(&s);
	assert(close(dir) == 0);
}

struct looking {
	struct mailbox *m;
	const char *user;
	size_t n;
};

static int read_it(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct looking *l = arg;
	struct mailbox_reader *r = NULL;
	struct mailbox_meta found;
	struct mailbox_ref again;
	uint64_t size = 0;
	uint8_t byte;
	struct err e;

	l->n++;
	assert(memchr(meta->title, '\0', sizeof meta->title) != NULL);
	if (l->m->ops->open(l->m, l->user, ref, &r, &size, &e) == 0) {
		(void)l->m->ops->read(r, 0, &byte, 1, &e);
		(void)l->m->ops->read(r, size - 1, &byte, 1, &e);
		assert(l->m->ops->read(r, size, &byte, 1, &e) != 0);
		l->m->ops->done(r);
	}
	(void)l->m->ops->find(l->m, l->user, meta->id, &found, &again, &e);
	return 0;
}

static size_t look(struct mailbox *m, const char *user)
{
	struct looking l = {.m = m, .user = user};
	struct mailbox_usage usage;
	struct err e;

	assert(m->ops->list(m, user, NULL, read_it, &l, &e) == 0);
	assert(m->ops->usage(m, user, &usage, &e) == 0 && usage.messages == l.n);
	return l.n;
}

static struct mailbox *open_store(int root)
{
	struct mailbox *m = NULL;
	struct err e;

	assert(mailbox_files_open(root, mail_describe, MAILBOX_KEEPER, &m, &e) == 0);
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const users[] = {"client1", "client2"};
	size_t listed[2];
	struct mailbox *m;
	struct err e;
	int root;

	if (size == 0) {
		return 0;
	}
	root = fuzz_make();
	make_segment(root, data + 1, size - 1, data[0] % 3 == 1, data[0] % 3 == 2);
	m = open_store(root);
	for (size_t i = 0; i < 2; i++) {
		assert(m->ops->prepare(m, users[i], &e) == 0);
	}
	if ((data[0] & 0x80) == 0) {
		(void)m->ops->recover(m, &e);
	}
	assert(m->ops->now(m) < 253402300799999999 + 1000);
	for (size_t i = 0; i < 2; i++) {
		listed[i] = look(m, users[i]);
	}
	/* but for large messages, whose files are not there, all of it is settled */
	if (m->ops->settle(m, &e) == 0) {
		for (size_t i = 0; i < 2; i++) {
			assert(look(m, users[i]) == listed[i]);
		}
		m->ops->close(m);
		m = open_store(root);
		for (size_t i = 0; i < 2; i++) {
			assert(look(m, users[i]) == listed[i]);
		}
	}
	m->ops->close(m);
	fuzz_remove(root);
	return 0;
}
