/* What is kept of chats: keeping packets and receipts. See talk.h. */
#include "talk_files.h"

enum {
	LAST_PACKET = TALK_STREAM + 8 + TALK_ID, /* which came last, */
	LAST_BYTES = LAST_PACKET + 16            /* and how many wait, and their bytes */
};

/* What there is of somebody's that came before. */
struct last {
	uint8_t packet[LAST_PACKET];
	struct talk_room own;
	bool known, counted; /* there is one; and own is in it */
};

/* One without counts is an older server's. */
static void read_last(int dir, const char *from, struct last *out)
{
	uint8_t bytes[LAST_BYTES];
	struct err ignored;
	ssize_t n = talk_read(dir, from, bytes, sizeof bytes, &ignored);

	*out = (struct last){.known = n >= LAST_PACKET, .counted = n == LAST_BYTES};
	if (out->known) {
		memcpy(out->packet, bytes, LAST_PACKET);
	}
	if (out->counted) {
		out->own.packets = talk_u64(bytes + LAST_PACKET);
		out->own.bytes = talk_u64(bytes + LAST_PACKET + 8);
	}
}

static void name_packet(const struct talk_post *post, const uint8_t id[static TALK_ID],
	uint8_t out[static LAST_PACKET])
{
	memcpy(out, post->stream, TALK_STREAM);
	put_u64be(out + TALK_STREAM, post->number);
	memcpy(out + TALK_STREAM + 8, id, TALK_ID);
}

static void hint_last(int dir, const char *from, const uint8_t packet[static LAST_PACKET],
	const struct talk_room *own)
{
	uint8_t bytes[LAST_BYTES];

	memcpy(bytes, packet, LAST_PACKET);
	put_u64be(bytes + LAST_PACKET, own->packets);
	put_u64be(bytes + LAST_PACKET + 8, own->bytes);
	talk_hint(dir, from, bytes, sizeof bytes);
}

/* What is to be put: bytes, or a draft that was synced. */
struct body {
	const void *p;
	size_t n;
	uint8_t id[TALK_ID];
	const struct talk_draft *draft;
	bool ask; /* whether it could be, and no more */
};

/* Under its name at once, and then synced: one step of the file system's journal for both. Before
 * it is, it may be lost, or torn when the power fails; its name tells. After a failure it is taken
 * away. */
static int write_packet(int dir, const char *name, const void *p, size_t n, struct err *e)
{
	char temp[TALK_NAME + 8];
	int fd, rc = -1;

	(void)snprintf(temp, sizeof temp, ".%s.new", name);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	}
	if (file_write_all(fd, p, n) != 0) {
		(void)err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	} else if (renameat(dir, temp, dir, name) != 0) {
		(void)err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	} else {
		rc = file_sync(fd, "a packet", e) != 0 ? -1 : file_sync(dir, "what waits", e);
	}
	if (close(fd) != 0 && rc == 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	}
	if (rc != 0) {
		(void)unlinkat(dir, temp, 0);
		(void)unlinkat(dir, name, 0);
	}
	return rc;
}

static int name_draft(int dir, const char *name, const struct talk_draft *d, struct err *e)
{
	if (renameat(dir, d->name, dir, name) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	}
	if (file_sync(dir, "what waits", e) != 0) {
		(void)unlinkat(dir, name, 0);
		return -1;
	}
	return 0;
}

/* c: what waits; with this packet, when it is there. */
static int put_packet(const struct talk_place *at, const struct talk_post *post,
	struct talk_rooms *c, const struct body *b, struct err *e)
{
	struct talk_name name = {
		.us = post->us > c->all.newest_us ? post->us : c->all.newest_us + 1,
		.size = (uint32_t)b->n};
	char text[TALK_NAME];

	memcpy(name.id, b->id, TALK_ID);
	memcpy(name.from, post->from, strlen(post->from) + 1);
	talk_count_name(&c->all, &name);
	talk_count_name(&c->own, &name);
	talk_write_room(at->user, &c->all); /* ahead of it: it never counts too little */
	talk_write_name(&name, text);
	return b->draft != NULL ? name_draft(at->dir, text, b->draft, e)
				: write_packet(at->dir, text, b->p, b->n, e);
}

int talk_check_post(const struct talk_post *post, size_t n, size_t most, struct err *e)
{
	if (!user_name_valid(post->from) || post->us < 0 || post->us >= TALK_TIME_MAX) {
		return err_set(e, EX_DATAERR, "no such user can send a packet now");
	}
	return n > 0 && n <= most
		       ? 0
		       : err_set(e, EX_DATAERR, "a packet of %zu bytes: 1 to %zu can be", n, most);
}

int talk_ask_room(const struct talk_place *at, const struct talk_post *post, size_t n, bool *full,
	struct err *e)
{
	struct last was = {.counted = false};
	struct talk_rooms c = {0};
	int last = talk_inner(at->user, TALK_LAST, false, e);

	*full = false;
	if (last >= 0) {
		read_last(last, post->from, &was);
		(void)close(last);
	} else if (talk_none(e) != 0) {
		return -1;
	}
	c.own = was.own;
	return talk_find_room(at, post, n, was.counted, &c, full, e);
}

/* last: the folder of hints. */
static int put_once(const struct talk_place *at, int last, const struct talk_post *post,
	const struct body *b, bool *again, bool *full, struct err *e)
{
	uint8_t packet[LAST_PACKET];
	struct talk_rooms c = {0};
	struct last was;

	name_packet(post, b->id, packet);
	read_last(last, post->from, &was);
	*again = was.known && memcmp(was.packet, packet, sizeof packet) == 0;
	if (*again) {
		return 0;
	}
	if (b->draft != NULL && b->draft->fd < 0) {
		*full = true;
		*e = b->draft->why;
		return -1;
	}
	c.own = was.own;
	if (talk_find_room(at, post, b->n, was.counted, &c, full, e) != 0) {
		return -1;
	}
	if (b->ask) {
		return 0;
	}
	if (put_packet(at, post, &c, b, e) != 0) {
		return -1;
	}
	hint_last(last, post->from, packet, &c.own);
	return 0;
}

static int put_body(struct talk *t, const struct talk_post *post, const struct body *b, bool *again,
	bool *full, struct err *e)
{
	struct talk_place at;
	int last, rc = -1;

	if (talk_enter(t, post->to, TALK_WAITING, TALK_MAKE, &at, e) != 0) {
		return -1;
	}
	last = talk_inner(at.user, TALK_LAST, true, e);
	if (last >= 0) {
		rc = put_once(&at, last, post, b, again, full, e);
		(void)close(last);
	}
	talk_leave(&at);
	return rc;
}

int talk_put(struct talk *t, const struct talk_post *post, const void *p, size_t n, bool *again,
	bool *full, struct err *e)
{
	struct body b = {.p = p, .n = n};

	*again = *full = false;
	if (talk_check_post(post, n, TALK_PACKET_MAX, e) != 0) {
		return -1;
	}
	talk_id(p, n, b.id);
	return put_body(t, post, &b, again, full, e);
}

/* It is synced without the lock, as a large one keeps nobody waiting; and only where it fits. */
int talk_put_draft(struct talk *t, const struct talk_post *post, struct talk_draft *d, bool *again,
	bool *full, struct err *e)
{
	struct body b = {.n = d->n, .draft = d, .ask = true};

	*again = *full = false;
	if (talk_check_post(post, d->n, TALK_PACKET_MAX, e) != 0) {
		return -1;
	}
	talk_end_id(&d->hash, b.id);
	if (put_body(t, post, &b, again, full, e) != 0) {
		return -1;
	}
	if (*again) {
		return 0;
	}
	if (file_sync(d->fd, "a packet", e) != 0) {
		return -1;
	}
	b.ask = false;
	return put_body(t, post, &b, again, full, e);
}

int talk_put_receipt(
	struct talk *t, const struct talk_post *post, const void *p, size_t n, struct err *e)
{
	uint8_t bytes[TALK_RECEIPT_HEAD + TALK_RECEIPT_MAX];
	struct talk_place at;
	int rc;

	if (talk_check_post(post, n, TALK_RECEIPT_MAX, e) != 0 ||
		talk_enter(t, post->to, TALK_RECEIPTS, TALK_MAKE, &at, e) != 0) {
		return -1;
	}
	talk_id(p, n, bytes);
	put_u64be(bytes + TALK_ID, (uint64_t)post->us);
	memcpy(bytes + TALK_RECEIPT_HEAD, p, n);
	rc = file_write(at.dir, post->from, bytes, TALK_RECEIPT_HEAD + n, 0600, FILE_REPLACE, e);
	talk_leave(&at);
	return rc;
}
