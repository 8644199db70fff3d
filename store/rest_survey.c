/* What a server's folder holds that is to be converted; see rest_plan.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "rest_plan.h"

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot convert the mail: out of memory");
}

/* --- which mailboxes there are --- */

/* Is it there? 1, 0, or -1: the disk would not tell, and what is overlooked would stay behind. */
static int is_there(const struct rest_moving *g, const char *path, struct stat *st, struct err *e)
{
	if (fstatat(g->m->dir, path, st, AT_SYMLINK_NOFOLLOW) == 0) {
		return 1;
	}
	return errno == ENOENT || errno == ENOTDIR
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot look at %s", path);
}

/* What is encrypted is not encrypted again: no key would open it, once its salt is another one. */
static int check_plain(const struct rest_moving *g, const char *name, struct err *e)
{
	char path[NAME_MAX + 16];
	struct stat st;
	int sealed;

	(void)snprintf(path, sizeof path, "%.*s/" REST_OWNER, NAME_MAX, name);
	sealed = g->m->from == NULL && name[0] != '.' ? is_there(g, path, &st, e) : 0;
	if (sealed > 0) {
		err_set(e, EX_CONFIG, "%s is encrypted already, but %s is missing", name,
			REST_NOTE);
		return err_hint(e, "put %s back, of a copy of this folder", REST_NOTE);
	}
	return sealed;
}

/* 1 with its owner; 0 it is no mailbox; -1. */
static int owner_of(const struct rest_moving *g, const char *name,
	char user[static USER_NAME_MAX + 1], struct err *e)
{
	char path[USER_NAME_MAX + 16];
	struct stat st;
	int is = user_name_valid(name) ? is_there(g, name, &st, e) : 0, indexed, rc;

	if (is <= 0 || !S_ISDIR(st.st_mode)) {
		return is < 0 ? -1 : 0;
	}
	(void)snprintf(path, sizeof path, "%.*s/.index", USER_NAME_MAX, name);
	indexed = is_there(g, path, &st, e);
	if (indexed < 0) {
		return -1;
	}
	if (g->m->from == NULL) {
		(void)snprintf(user, USER_NAME_MAX + 1, "%.*s", USER_NAME_MAX, name);
		return indexed > 0 || g->m->is_user(g->m->arg, name) ? 1 : 0;
	}
	rc = rest_owner(g->m->from, g->m->dir, name, user, e);
	if (rc > 0 && indexed > 0) { /* without the key nobody would ever know */
		err_set(e, EX_DATAERR, "mailbox %s does not say whose it is", name);
		return err_hint(e, "start the server once, which may know; or move %s away", name);
	}
	return rc < 0 ? -1 : rc == 0;
}

static int find_places(struct rest_moving *g, struct err *e)
{
	DIR *d = file_read_names(g->m->dir);
	const struct dirent *entry;
	struct rest_place p = {.user = ""};
	struct buf all = {0};
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the folder");
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		int is = check_plain(g, entry->d_name, e) == 0
				 ? owner_of(g, entry->d_name, p.user, e)
				 : -1;
		if (is > 0) {
			(void)snprintf(
				p.folder, sizeof p.folder, "%.*s", USER_NAME_MAX, entry->d_name);
			is = buf_append(&all, &p, sizeof p) == 0 ? 0 : no_memory(e);
		} else if (is == 0) {
			is = rest_check_stray(g, entry->d_name, e);
		}
		rc = is < 0 ? -1 : 0;
	}
	if (rc == 0 && errno != 0) { /* what is not seen would stay as it is */
		rc = err_sys(e, EX_TEMPFAIL, "cannot read the folder");
	}
	(void)closedir(d);
	g->places = (struct rest_place *)(void *)all.p;
	g->places_n = all.n / sizeof p;
	return rc;
}

/* --- what is in them --- */

static int visit_none(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	(void)arg;
	(void)meta;
	(void)ref;
	return 0;
}

int rest_load(const struct rest_moving *g, const struct rest_place *p, struct buf *image,
	uint8_t digest[static HASH_BYTES], struct err *e)
{
	struct box b;
	int rc = box_open(&b, g->m->dir, p->folder, e);

	image->n = 0;
	if (rc == 0) {
		rc = index_lock(&b.ix, false, e);
		rc = rc == 0 ? index_load(&b.ix, image, e) : rc;
		box_close(&b);
	}
	if (rc == 0 && image->n < INDEX_HEAD) {
		rc = err_set(e, EX_TEMPFAIL, "mailbox %s has no index", p->user);
	}
	if (rc == 0) {
		hash_of(image->p + INDEX_HEAD, image->n - INDEX_HEAD, digest);
	}
	return rc;
}

/* Nothing but messages, and what is ours. */
static int check_names(const struct rest_moving *g, const struct rest_place *p, struct err *e)
{
	int fd = openat(g->m->dir, p->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : file_read_names(fd);
	const struct dirent *entry;
	struct stat st;
	int rc = d == NULL ? err_sys(e, EX_TEMPFAIL, "cannot read mailbox %s", p->user) : 0;

	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		const char *name = entry->d_name;
		bool fine = name[0] == '.' ? name[1] == '\0' || strcmp(name, "..") == 0 ||
						     rest_is_ours(name)
					   : fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
						     S_ISREG(st.st_mode);
		if (!fine) {
			err_set(e, EX_DATAERR, "%s/%s is no message", p->folder, name);
			rc = err_hint(e, "move it away first");
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read mailbox %s", p->user);
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

int rest_next(const struct rest_place *p, const struct buf *image, size_t *at,
	struct index_record *r, struct err *e)
{
	int rc;

	while ((rc = index_next(image, at, r)) > 0 && r->state == INDEX_DEAD) {
	}
	if (rc > 0 && r->state == INDEX_JOURNAL) {
		return err_set(e, EX_TEMPFAIL, "mailbox %s has mail that is not settled", p->user);
	}
	return rc >= 0 ? rc
		       : err_set(e, EX_TEMPFAIL, "the index of mailbox %s is damaged", p->user);
}

int rest_plan_line(struct rest_moving *g, const char *folder, const char *name, struct err *e)
{
	return buf_append_str(&g->plan, folder) == 0 && buf_append_str(&g->plan, name) == 0 &&
			       buf_append(&g->plan, "", 1) == 0
		       ? 0
		       : no_memory(e);
}

static int survey(struct rest_moving *g, size_t i, struct buf *image, struct err *e)
{
	struct rest_place *p = &g->places[i];
	struct rest_use use = {.place = (uint32_t)i};
	char name[NAME_MAX + 2] = "/";
	struct index_record r;
	size_t at = INDEX_HEAD;
	int rc;

	/* a list brings its index in line with what is there */
	if (check_names(g, p, e) != 0 ||
		g->source->ops->list(g->source, p->user, NULL, visit_none, NULL, e) != 0 ||
		rest_load(g, p, image, p->digest, e) != 0) {
		return -1;
	}
	while ((rc = rest_next(p, image, &at, &r, e)) > 0) {
		use.inode = r.file.inode;
		index_name(&r, name + 1);
		if (buf_append(&g->uses, &use, sizeof use) != 0 ||
			rest_plan_line(g, p->folder, name, e) != 0) {
			return no_memory(e);
		}
		g->m->messages++;
	}
	g->m->mailboxes++;
	return rc != 0 ? -1 : rest_plan_line(g, p->folder, "/", e);
}

static int by_inode(const void *a, const void *b)
{
	const struct rest_use *x = a, *y = b;

	return x->inode != y->inode ? (x->inode > y->inode) - (x->inode < y->inode)
				    : (x->place > y->place) - (x->place < y->place);
}

int rest_users_of(const struct rest_moving *g, uint64_t inode, struct users_list *to, struct err *e)
{
	const struct rest_use *all = (const struct rest_use *)(const void *)g->uses.p;
	size_t n = g->uses.n / sizeof *all, from = 0, end = n, last;

	while (from < end) {
		size_t middle = from + (end - from) / 2;
		if (all[middle].inode < inode) {
			from = middle + 1;
		} else {
			end = middle;
		}
	}
	for (last = from; last < n && all[last].inode == inode; last++) {
	}
	to->names = calloc(last - from + 1, sizeof *to->names);
	if (to->names == NULL) {
		return no_memory(e);
	}
	for (to->n = 0; from < last; from++) {
		if (to->n == 0 || all[from].place != all[from - 1].place) { /* or a second link */
			const struct rest_place *p = &g->places[all[from].place];
			memcpy(to->names[to->n++], p->user, sizeof p->user);
		}
	}
	return 0;
}

void rest_new_name(
	const struct rest_moving *g, const char *user, char out[static USER_NAME_MAX + 1])
{
	if (g->m->to != NULL) {
		rest_name(g->m->to, user, out);
	} else {
		(void)snprintf(out, USER_NAME_MAX + 1, "%s", user);
	}
}

/* What is in the place of a new mailbox would be in its way. */
static int check_places(const struct rest_moving *g, struct err *e)
{
	char name[USER_NAME_MAX + 1];

	for (size_t i = 0; i < g->places_n; i++) {
		rest_new_name(g, g->places[i].user, name);
		if (faccessat(g->m->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			err_set(e, EX_DATAERR, "%s is in the way of a mailbox", name);
			return err_hint(e, "move it away first");
		}
	}
	return 0;
}

int rest_survey(struct rest_moving *g, struct err *e)
{
	struct buf image = {0};
	int rc = find_places(g, e);

	rc = rc == 0 ? check_places(g, e) : rc;
	for (size_t i = 0; rc == 0 && i < g->places_n; i++) {
		rc = survey(g, i, &image, e);
	}
	buf_free(&image);
	if (rc == 0 && g->uses.n > 0) {
		qsort(g->uses.p, g->uses.n / sizeof(struct rest_use), sizeof(struct rest_use),
			by_inode);
	}
	return rc;
}
