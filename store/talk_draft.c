/* What is kept of chats: a packet that arrives in pieces. See talk.h. */
#include <sys/file.h>

#include "../crypto/random.h"
#include "talk_files.h"

enum { DRAFT_RANDOM = 16 };

/* A file with a name that no packet has, and the end of those that writers leave. Its lock is held
 * while it is written: talk_sweep then lets it be. It is made under the folder's, or it could be
 * swept before it had its own. */
static int create(const struct talk_place *at, struct talk_draft *d, struct err *e)
{
	uint8_t random[DRAFT_RANDOM];
	char hex[2 * DRAFT_RANDOM + 1];

	if (random_bytes(random, sizeof random, e) != 0) {
		return -1;
	}
	hex_encode(hex, random, sizeof random);
	(void)snprintf(d->name, sizeof d->name, ".%s.new", hex);
	d->fd = openat(
		at->dir, d->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->fd >= 0 && flock(d->fd, LOCK_EX | LOCK_NB) == 0) {
		return 0;
	}
	(void)err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	if (d->fd >= 0) {
		(void)unlinkat(at->dir, d->name, 0);
		(void)close(d->fd);
	}
	return -1;
}

/* Room is asked for ahead of the first byte: who has none fills no disk, not even for a while. */
static int begin(const struct talk_place *at, const struct talk_post *post, struct talk_draft *d,
	struct err *e)
{
	bool full;

	if (talk_ask_room(at, post, d->most, &full, &d->why) == 0) {
		return create(at, d, e);
	}
	if (!full) {
		*e = d->why;
		return -1;
	}
	return 0; /* it may be there already, which its bytes tell */
}

int talk_begin(struct talk *t, const struct talk_post *post, size_t n, struct talk_draft **out,
	struct err *e)
{
	struct talk_draft *d = calloc(1, sizeof *d);
	struct talk_place at;

	if (d == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot keep a packet: out of memory");
	}
	d->fd = -1;
	d->most = n;
	if (talk_check_post(post, n, TALK_PACKET_MAX, e) != 0 ||
		talk_enter(t, post->to, TALK_WAITING, TALK_MAKE, &at, e) != 0) {
		free(d);
		return -1;
	}
	if (begin(&at, post, d, e) != 0) {
		talk_leave(&at);
		free(d);
		return -1;
	}
	d->dir = at.dir;
	at.dir = -1;
	talk_leave(&at);
	hash_begin(&d->hash);
	*out = d;
	return 0;
}

int talk_append(struct talk_draft *d, const void *p, size_t n, struct err *e)
{
	if (n > d->most - d->n) {
		return err_set(e, EX_DATAERR, "a packet of more than %zu bytes", d->most);
	}
	if (d->fd >= 0 && file_write_all(d->fd, p, n) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot keep a packet");
	}
	hash_add(&d->hash, p, n);
	d->n += n;
	return 0;
}

void talk_end(struct talk_draft *d)
{
	if (d != NULL) {
		if (d->fd >= 0) {
			(void)unlinkat(
				d->dir, d->name, 0); /* it has none any more where it was put */
			(void)close(d->fd);
		}
		(void)close(d->dir);
		free(d);
	}
}
