/* Converting one mailbox: its messages into texts of the other kind, and these into a folder with
 * an index; see rest_plan.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "filename.h"
#include "rest_plan.h"

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot convert the mail: out of memory");
}

/* What is to be written of one message. */
struct piece {
	struct mailbox_reader *reader; /* NULL: */
	int fd;                        /* it is damaged, and copied as it is */
	uint64_t size;
	size_t head_n;
	struct mailbox_meta meta;
	uint8_t text[MAILBOX_HEAD_MAX];
};

static int read_piece(
	const struct rest_moving *g, struct piece *c, uint64_t at, size_t n, struct err *e)
{
	if (c->reader != NULL) {
		return g->source->ops->read(c->reader, at, c->text, n, e);
	}
	return file_read_at(c->fd, c->text, n, at) == (ssize_t)n
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot read a damaged message");
}

/* What the index has, in the clear; of what was damaged the title is the file's name. 0 or -1. */
static int meta_of(
	const struct rest_moving *g, const struct index_record *r, struct mailbox_meta *meta)
{
	*meta = (struct mailbox_meta){
		.time_us = r->time_us, .chars = r->chars, .damaged = r->damaged};
	memcpy(meta->id, r->id, sizeof meta->id);
	memcpy(meta->source, r->source, r->source_n);
	memcpy(meta->title, r->title, r->title_n);
	if (g->m->from != NULL) {
		char seal[MAILBOX_TITLE_ROOM + 1];
		memcpy(seal, meta->title, sizeof seal);
		return r->damaged ? -1 : rest_unseal_meta(g->m->from, seal, meta);
	}
	if (r->damaged) {
		char name[NAME_MAX + 1];
		index_name(r, name);
		(void)snprintf(meta->title, sizeof meta->title, "%s", name);
	}
	return 0;
}

static int open_piece(const struct rest_moving *g, const struct rest_place *p,
	const struct index_record *r, struct piece *c, struct err *e)
{
	struct mailbox_ref ref = {.where = r->offset};
	char path[USER_NAME_MAX + NAME_MAX + 3], name[NAME_MAX + 1];
	struct stat st;

	memcpy(ref.id, r->id, sizeof ref.id);
	if (meta_of(g, r, &c->meta) != 0) {
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	if (!c->meta.damaged || g->m->from != NULL) {
		return g->source->ops->open(g->source, p->user, &ref, &c->reader, &c->size, e);
	}
	index_name(r, name);
	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	c->fd = openat(g->m->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (c->fd < 0 || fstat(c->fd, &st) != 0) {
		return err_sys(e, EX_DATAERR, "cannot open a damaged message");
	}
	c->size = (uint64_t)st.st_size;
	return 0;
}

/* Its header is what its text says, as far as it says anything. */
static int write_piece(
	struct rest_moving *g, struct piece *c, const struct users_list *to, struct err *e)
{
	const struct mailbox_delivery delivery = {.meta = &c->meta, .head = c->text, .to = to};
	size_t n = c->size < sizeof c->text ? (size_t)c->size : sizeof c->text, content_at = 0;
	struct mailbox_draft *d = NULL;
	struct mailbox_meta said = {.damaged = false};
	bool again;
	int rc = read_piece(g, c, 0, n, e);

	if (rc == 0 && !c->meta.damaged &&
		g->m->describe(c->text, n, &said, NULL, &content_at) != 0) {
		rc = err_set(e, EX_DATAERR, "the message is damaged");
	}
	c->head_n = content_at;
	rc = rc == 0 ? g->target->ops->begin(g->target, c->head_n, &d, e) : rc;
	for (uint64_t at = c->head_n; rc == 0 && at < c->size; at += n) {
		n = c->size - at < sizeof c->text ? (size_t)(c->size - at) : sizeof c->text;
		rc = read_piece(g, c, at, n, e);
		rc = rc == 0 ? g->target->ops->append(d, c->text, n, e) : rc;
	}
	rc = rc == 0 ? read_piece(g, c, 0, c->head_n, e) : rc;
	rc = rc == 0 ? g->target->ops->deliver(d, &delivery, &again, e) : rc;
	g->target->ops->discard(d);
	return rc;
}

static int convert(struct rest_moving *g, const struct rest_place *p, const struct index_record *r,
	struct err *e)
{
	struct piece *c = calloc(1, sizeof *c);
	struct users_list to = {0};
	int rc;

	if (c == NULL) {
		return no_memory(e);
	}
	c->fd = -1;
	rest_stage_name(g->stage, r->file.inode);
	rc = rest_users_of(g, r->file.inode, &to, e);
	rc = rc == 0 ? open_piece(g, p, r, c, e) : rc;
	rc = rc == 0 ? write_piece(g, c, &to, e) : rc;
	if (c->reader != NULL) {
		g->source->ops->done(c->reader);
	}
	if (c->fd >= 0) {
		(void)close(c->fd);
	}
	users_list_free(&to);
	wipe(c, sizeof *c);
	free(c);
	return rc;
}

/* --- the new mailbox --- */

struct making {
	struct rest_moving *g;
	const struct rest_place *p;
	char folder[USER_NAME_MAX + 1];
	int dir;
	struct buf image; /* its index */
};

/* What the converted text says, or, of what was damaged before it was encrypted, what was known.
 * 0 or -1. */
static int describe(const struct making *k, int text, const struct index_record *old,
	struct mailbox_meta *meta, struct err *e)
{
	const struct rest_moving *g = k->g;
	mailbox_describe *describe_it = g->m->to != NULL ? rest_describe : g->m->describe;
	uint8_t *head = malloc(MAILBOX_HEAD_MAX);
	struct mailbox_meta known;
	size_t content_at;
	ssize_t n = head == NULL ? -1 : file_read_at(text, head, MAILBOX_HEAD_MAX, 0);
	int rc = n < 0 ? err_sys(e, EX_TEMPFAIL, "cannot read a message") : 0;

	*meta = (struct mailbox_meta){.source = "?"};
	if (rc == 0 && meta_of(g, old, &known) != 0) {
		rc = err_set(e, EX_DATAERR, "the message is damaged");
	}
	if (rc == 0 && g->m->to == NULL && known.damaged) {
		meta->damaged = true;
		memcpy(meta->title, known.title, sizeof meta->title); /* the file's name */
	} else if (rc == 0 && describe_it(head, (size_t)n, meta, NULL, &content_at) != 0) {
		rc = err_set(e, EX_SOFTWARE, "a message was not converted well");
	}
	free(head);
	memcpy(meta->id, old->id, sizeof meta->id);
	meta->time_us = old->time_us;
	return rc;
}

/* Under the first name that is free. 0 or -1. */
static int link_text(const struct making *k, const char *text, const struct mailbox_meta *meta,
	char *name, uint32_t *copy, struct err *e)
{
	for (*copy = 1;; ++*copy) {
		if (meta->damaged && *copy == 1) {
			(void)snprintf(name, NAME_MAX + 1, "%.*s", NAME_MAX, meta->title);
		} else {
			filename_make(name, meta->source, meta->title, *copy);
		}
		if (linkat(k->g->texts, text, k->dir, name, 0) == 0) {
			return 0;
		}
		if (errno != EEXIST) {
			return err_sys(e, EX_TEMPFAIL, "cannot link a message");
		}
	}
}

static int list_text(
	struct making *k, int fd, const char *text, const struct index_record *old, struct err *e)
{
	struct mailbox_meta meta;
	char name[NAME_MAX + 1], shown[MAILBOX_TITLE_BYTES + 1];
	struct index_record r;
	struct stat st;

	if (describe(k, fd, old, &meta, e) != 0) {
		return -1;
	}
	r = (struct index_record){.state = INDEX_LIVE,
		.damaged = meta.damaged,
		.time_us = meta.time_us,
		.chars = meta.chars,
		.source = meta.source,
		.source_n = strlen(meta.source),
		.title = meta.title,
		.name = name};
	memcpy(r.id, meta.id, sizeof r.id);
	if (link_text(k, text, &meta, name, &r.copy, e) != 0) {
		return -1;
	}
	if (meta.damaged) { /* as a look at the folder would show it */
		(void)escape_text(shown, sizeof shown, meta.title, strlen(meta.title), false);
		r.title = shown;
	}
	if (fstat(fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at a message");
	}
	r.title_n = strlen(r.title);
	r.name_n = meta.damaged ? strlen(name) : 0;
	r.file = box_file(&st);
	return index_encode(&k->image, &r) == 0 ? 0 : no_memory(e);
}

static int take(struct making *k, const struct index_record *old, struct err *e)
{
	char text[24], id[2 * MAILBOX_ID_BYTES + 1];
	int fd, rc = 0;

	(void)snprintf(text, sizeof text, "%016" PRIx64, old->file.inode);
	if (faccessat(k->g->texts, text, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		rc = convert(k->g, k->p, old, e);
	}
	if (rc == 0) {
		fd = openat(k->g->texts, text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		rc = fd < 0 ? err_sys(e, EX_TEMPFAIL, "cannot open a message")
			    : list_text(k, fd, text, old, e);
		if (fd >= 0) {
			(void)close(fd);
		}
	}
	hex_encode(id, old->id, sizeof old->id);
	return rc == 0 ? 0 : err_prefix(e, "mailbox %s, message %s", k->p->user, id);
}

/* The index, as one that was not looked at since the last start: it keeps the order of arrival. */
static int write_index(struct making *k, struct err *e)
{
	struct index ix = {.fd = -1};
	struct index_head head = {.unsettled_from = k->image.n, .counted_to = INDEX_HEAD};
	int rc = index_open(&ix, k->dir, e);

	rc = rc == 0 && ix.fd < 0 ? err_set(e, EX_TEMPFAIL, "cannot make an index") : rc;
	rc = rc == 0 && file_write_at(ix.fd, k->image.p, k->image.n, 0) != 0
		     ? err_sys(e, EX_TEMPFAIL, "cannot write an index")
		     : rc;
	rc = rc == 0 ? index_write_head(&ix, &head, e) : rc;
	index_close(&ix);
	return rc;
}

static int make(struct making *k, struct err *e)
{
	static const uint8_t room[INDEX_HEAD];
	struct buf old = {0};
	uint8_t digest[HASH_BYTES];
	struct index_record r;
	size_t at = INDEX_HEAD;
	int rc = rest_load(k->g, k->p, &old, digest, e);

	if (rc == 0 && memcmp(digest, k->p->digest, sizeof digest) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "mailbox %s has changed meanwhile", k->p->user);
	}
	rc = rc == 0 && buf_append(&k->image, room, sizeof room) != 0 ? no_memory(e) : rc;
	while (rc == 0 && (rc = rest_next(k->p, &old, &at, &r, e)) > 0) {
		rc = take(k, &r, e);
		if (k->g->m->moved != NULL) {
			k->g->m->moved(k->g->m->arg, ++k->g->done);
		}
	}
	buf_free(&old);
	return rc == 0 ? write_index(k, e) : rc;
}

int rest_convert(struct rest_moving *g, const struct rest_place *p, struct err *e)
{
	struct making k = {.g = g, .p = p, .dir = -1};
	int rc;

	rest_new_name(g, p->user, k.folder);
	if (mkdirat(g->draft, k.folder, 0700) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot create a mailbox");
	}
	k.dir = openat(g->draft, k.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = k.dir < 0 ? err_sys(e, EX_TEMPFAIL, "cannot open a mailbox") : 0;
	if (rc == 0 && g->m->to != NULL) {
		rc = rest_keep_owner(g->m->to, g->draft, k.folder, p->user, e);
	}
	rc = rc == 0 ? make(&k, e) : rc;
	if (k.dir >= 0) {
		(void)close(k.dir);
	}
	buf_free(&k.image);
	return rc;
}
