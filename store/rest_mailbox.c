/* The engine of mail at rest: its table of functions, and what lists, finds and removes; see
 * rest.h. */
#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/random.h"
#include "rest_text.h"

/* --- names in what the engine below says --- */

static void rename_in(char *text, const char *name, const char *user)
{
	size_t user_n = strlen(user), name_n = strlen(name); /* which is the longest there is */
	char *at = text;

	while ((at = strstr(at, name)) != NULL) {
		memcpy(at, user, user_n);
		memmove(at + user_n, at + name_n, strlen(at + name_n) + 1);
		at += user_n;
	}
}

int rest_told_one(const struct rest *r, const char *user, int rc, struct err *e)
{
	char name[USER_NAME_MAX + 1];

	if (rc < 0 && e != NULL) {
		rest_name(&r->key, user, name);
		rename_in(e->text, name, user);
	}
	return rc;
}

int rest_told(const struct rest *r, const struct users_list *users, int rc, struct err *e)
{
	for (size_t i = 0; i < users->n; i++) {
		(void)rest_told_one(r, users->names[i], rc, e);
	}
	return rc;
}

/* --- mailboxes --- */

enum { OWNER_BYTES = GCM_NONCE + USER_NAME_MAX + GCM_TAG, OWNER_MAX = 1 << 20 };

static int open_folder(int dir, const char *folder, struct err *e)
{
	int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		(void)err_sys(e, EX_TEMPFAIL, "cannot open mailbox %s", folder);
	}
	return fd;
}

int rest_owner(const struct rest_key *key, int dir, const char *folder,
	char out[static USER_NAME_MAX + 1], struct err *e)
{
	char name[USER_NAME_MAX + 1] = "";
	struct buf text = {0};
	int fd = open_folder(dir, folder, e), rc;

	if (fd < 0) {
		return -1;
	}
	if (faccessat(fd, REST_OWNER, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		rc = errno == ENOENT ? 1 : err_sys(e, EX_TEMPFAIL, "cannot read %s", REST_OWNER);
	} else {
		rc = file_read(fd, REST_OWNER, OWNER_MAX, &text, NULL, e);
	}
	(void)close(fd);
	if (rc == 0 && text.n == OWNER_BYTES &&
		gcm_open(&key->meta, text.p, folder, strlen(folder), text.p + GCM_NONCE,
			USER_NAME_MAX, text.p + OWNER_BYTES - GCM_TAG) == 0) {
		memcpy(out, text.p + GCM_NONCE, USER_NAME_MAX);
		out[USER_NAME_MAX] = '\0';
		rest_name(key, out, name);
	}
	buf_free(&text);
	return rc != 0 ? rc : strcmp(name, folder) == 0 ? 0 : 1;
}

/* Who looks at the folder without knowing the users finds whose it is. 0 or -1. */
int rest_keep_owner(
	const struct rest_key *key, int dir, const char *folder, const char *user, struct err *e)
{
	uint8_t raw[OWNER_BYTES] = {0}, *p = raw + GCM_NONCE;
	char known[USER_NAME_MAX + 1];
	int rc = rest_owner(key, dir, folder, known, e), fd;

	if (rc <= 0) {
		return rc;
	}
	fd = open_folder(dir, folder, e);
	if (fd < 0) {
		return -1;
	}
	memcpy(p, user, strlen(user));
	rc = random_bytes(raw, GCM_NONCE, e);
	if (rc == 0) {
		gcm_seal(&key->meta, raw, folder, strlen(folder), p, USER_NAME_MAX,
			p + USER_NAME_MAX);
		rc = file_write(fd, REST_OWNER, raw, sizeof raw, 0600, FILE_REPLACE, e);
	}
	(void)close(fd);
	return rc;
}

static int prepare(struct mailbox *m, const char *user, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	char name[USER_NAME_MAX + 1];
	int rc;

	rest_name(&r->key, user, name);
	rc = r->under->ops->prepare(r->under, name, e);
	rc = rc == 0 ? rest_keep_owner(&r->key, r->dir, name, user, e) : rc;
	return rest_told_one(r, user, rc, e);
}

static int recover(struct mailbox *m, struct err *e)
{
	struct mailbox *under = ((struct rest *)m)->under;

	return under->ops->recover(under, e);
}

static int settle(struct mailbox *m, struct err *e)
{
	struct mailbox *under = ((struct rest *)m)->under;

	return under->ops->settle(under, e);
}

static bool unsettled(struct mailbox *m, bool *busy)
{
	struct mailbox *under = ((struct rest *)m)->under;

	return under->ops->unsettled(under, busy);
}

static int64_t now(struct mailbox *m)
{
	struct mailbox *under = ((struct rest *)m)->under;

	return under->ops->now(under);
}

/* --- lists --- */

struct listing {
	const struct rest *r;
	mailbox_visit *visit;
	void *arg;
};

/* What the files engine has of a message, as it was. Of a damaged one that is its file's name. */
static void unseal(const struct rest *r, const struct mailbox_meta *below, struct mailbox_meta *out)
{
	*out = *below;
	if (!below->damaged) {
		rest_open_meta(&r->key, below->title, out);
	}
}

static int visit(void *arg, const struct mailbox_meta *below, const struct mailbox_ref *ref)
{
	const struct listing *l = arg;
	struct mailbox_meta meta;

	unseal(l->r, below, &meta);
	return l->visit(l->arg, &meta, ref);
}

static int list(struct mailbox *m, const char *user, const struct mailbox_key *from,
	mailbox_visit *each, void *arg, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	struct listing l = {.r = r, .visit = each, .arg = arg};
	char name[USER_NAME_MAX + 1];

	rest_name(&r->key, user, name);
	return rest_told_one(r, user, r->under->ops->list(r->under, name, from, visit, &l, e), e);
}

static int list_behind(struct mailbox *m, const char *user, const uint8_t *after,
	mailbox_visit *each, void *arg, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	struct listing l = {.r = r, .visit = each, .arg = arg};
	char name[USER_NAME_MAX + 1];

	rest_name(&r->key, user, name);
	return rest_told_one(
		r, user, r->under->ops->list_behind(r->under, name, after, visit, &l, e), e);
}

static int usage(struct mailbox *m, const char *user, struct mailbox_usage *out, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	char name[USER_NAME_MAX + 1];

	rest_name(&r->key, user, name);
	return rest_told_one(r, user, r->under->ops->usage(r->under, name, out, e), e);
}

static int find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	struct mailbox_meta below;
	char name[USER_NAME_MAX + 1];
	int rc;

	rest_name(&r->key, user, name);
	rc = r->under->ops->find(r->under, name, id, &below, ref, e);
	if (rc == 0) {
		unseal(r, &below, meta);
	}
	return rest_told_one(r, user, rc, e);
}

static int remove_message(
	struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	char name[USER_NAME_MAX + 1];

	rest_name(&r->key, user, name);
	return rest_told_one(r, user, r->under->ops->remove(r->under, name, ref, e), e);
}

/* --- checking --- */

struct checking {
	const char *user;
	mailbox_finding *found;
	void *arg;
};

static void tell(void *arg, const char *name, bool harmless, const char *what)
{
	const struct checking *c = arg;

	c->found(c->arg, name == NULL ? NULL : c->user, harmless, what);
}

static int check(
	struct mailbox *m, const char *user, mailbox_finding *found, void *arg, struct err *e)
{
	const struct rest *r = (const struct rest *)m;
	struct checking c = {.user = user, .found = found, .arg = arg};
	char name[USER_NAME_MAX + 1];

	if (user == NULL) {
		return r->under->ops->check(r->under, NULL, found, arg, e);
	}
	rest_name(&r->key, user, name);
	return rest_told_one(r, user, r->under->ops->check(r->under, name, tell, &c, e), e);
}

/* --- opening --- */

static void close_rest(struct mailbox *m)
{
	struct rest *r = (struct rest *)m;

	r->under->ops->close(r->under);
	if (r->dir >= 0) {
		(void)close(r->dir);
	}
	wipe(r, sizeof *r);
	free(r);
}

static const struct mailbox_ops rest_ops = {
	.prepare = prepare,
	.recover = recover,
	.settle = settle,
	.unsettled = unsettled,
	.now = now,
	.begin = rest_begin,
	.append = rest_append,
	.deliver = rest_deliver,
	.discard = rest_discard,
	.list = list,
	.list_behind = list_behind,
	.usage = usage,
	.find = find,
	.open = rest_open,
	.read = rest_read,
	.done = rest_done,
	.remove = remove_message,
	.check = check,
	.close = close_rest,
};

int rest_over(struct mailbox *under, int dir, const struct rest_key *key, struct mailbox **out,
	struct err *e)
{
	struct rest *r = calloc(1, sizeof *r);

	if (r == NULL) {
		under->ops->close(under);
		return err_set(e, EX_TEMPFAIL, "cannot open the mailboxes: out of memory");
	}
	r->base.ops = &rest_ops;
	r->under = under;
	r->key = *key;
	r->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (r->dir < 0) {
		err_sys(e, EX_TEMPFAIL, "cannot open the mailboxes");
		close_rest(&r->base);
		return -1;
	}
	*out = &r->base;
	return 0;
}

int mailbox_rest_open(int dir, const struct rest_key *key, enum mailbox_role role,
	struct mailbox **out, struct err *e)
{
	struct mailbox *files;

	return mailbox_files_open(dir, rest_describe, role, &files, e) == 0
		       ? rest_over(files, dir, key, out, e)
		       : -1;
}
