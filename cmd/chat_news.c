/* What other processes of ours received; see chat_news.h. */
#include "chat_news.h"

#include "../crypto/file.h"

/* --- of a contact --- */

struct showing {
	struct chat_node *node;
	uint64_t before;
	chat_show *show;
	void *arg;
	bool ended; /* by what the visit was to end with */
};

static int show_record(void *arg, const struct history_record *r, struct err *e)
{
	struct showing *s = arg;
	struct chat_came came = {.verdict = CHAT_CAME_MESSAGE, .record = r->number};
	struct err why;
	int rc = 0;

	if (r->number >= s->before) {
		s->ended = true;
		return 1;
	}
	if (!r->damaged && chat_note_read(&came.note, r->note, r->note_n, &why) == 0 &&
		came.note.event == CHAT_EVENT_IN) {
		rc = buf_append(&came.body, r->body, r->body_n) != 0
			     ? err_set(e, EX_TEMPFAIL, "out of memory")
			     : s->show(s->arg, s->node, &came, e);
	}
	chat_came_free(&came);
	if (rc == 0) {
		s->node->c.shown = r->number;
	}
	return rc;
}

int chat_news_of(struct chat_node *n, uint64_t before, chat_show *show, void *arg, struct err *e)
{
	struct showing s = {.node = n, .before = before, .show = show, .arg = arg};
	struct chat_contact *c = &n->c;
	int rc;

	if (!n->opened) {
		return 0;
	}
	if (chat_contact_follow(c, e) != 0) {
		return -1;
	}
	if (c->in_n == 0 || c->in[c->in_n - 1].record <= c->shown) {
		return 0;
	}
	rc = history_each(c->history, c->shown + 1, true, show_record, &s, e);
	return rc == 0 || s.ended ? 0 : -1;
}

/* --- of everybody --- */

typedef int visit_contact(struct chat_room *r, struct chat_node *n, void *arg, struct err *e);

/* Whoever there is a history with. */
static int each_history(struct chat_room *r, visit_contact *visit, void *arg, struct err *e)
{
	DIR *names = file_read_names(r->desk.dir);
	const struct dirent *entry;
	char name[USER_NAME_MAX + 1];
	int rc = 0;

	if (names == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the chat's folder");
	}
	while (rc == 0 && (entry = readdir(names)) != NULL) {
		size_t n = strcspn(entry->d_name, ".");
		struct chat_node *node;
		if (n == 0 || n > USER_NAME_MAX || strcmp(entry->d_name + n, ".history") != 0) {
			continue;
		}
		(void)snprintf(name, sizeof name, "%.*s", (int)n, entry->d_name);
		node = chat_room_contact(r, name, e);
		if (node != NULL) {
			rc = visit(r, node, arg, e);
		} else if (e->code != EX_USAGE) { /* no name of a user's: a file of nobody's */
			rc = -1;
		}
	}
	(void)closedir(names);
	return rc;
}

/* Nobody is asked for a passphrase, and one that does not open is told when something comes: 0. But
 * -1 where this machine is short of something: what it kept from us would be told by nobody. */
static int open_quietly(struct chat_room *r, struct chat_node *n, struct err *e)
{
	enum history_kind kind = history_look(r->desk.dir, n->c.name);

	return n->opened || kind == HISTORY_NONE ||
			       (kind == HISTORY_PASSPHRASE && r->desk.passphrase == NULL) ||
			       chat_room_history(r, n, e) == 0 || e->code != EX_TEMPFAIL
		       ? 0
		       : -1;
}

static int begin_one(struct chat_room *r, struct chat_node *n, void *arg, struct err *e)
{
	(void)arg;
	return open_quietly(r, n, e);
}

/* From now on; and whoever there is no history with yet, as of those that connecting looked at, is
 * news from the first message on. */
static int begin_all(struct chat_room *r, struct err *e)
{
	if (each_history(r, begin_one, NULL, e) != 0) {
		return -1;
	}
	for (struct chat_node *n = r->nodes; n != NULL; n = n->next) {
		n->anew = n->anew || history_look(r->desk.dir, n->c.name) == HISTORY_NONE;
	}
	r->follows = true;
	return 0;
}

int chat_news_begin(struct chat_room *r, const char *user, struct err *e)
{
	struct chat_node *n;

	if (user == NULL) {
		return begin_all(r, e);
	}
	n = chat_room_contact(r, user, e);
	if (n == NULL) {
		return -1;
	}
	n->anew = history_look(r->desk.dir, user) == HISTORY_NONE;
	return open_quietly(r, n, e);
}

struct showing_all {
	chat_show *show;
	void *arg;
};

static int show_one(struct chat_room *r, struct chat_node *n, void *arg, struct err *e)
{
	const struct showing_all *s = arg;

	if (n->locked != 0) { /* what was begun to be received of his comes again when he is not */
		return 0;
	}
	if (n->anew && open_quietly(r, n, e) != 0) { /* another one began it meanwhile */
		return -1;
	}
	return chat_news_of(n, UINT64_MAX, s->show, s->arg, e);
}

int chat_news_all(struct chat_room *r, chat_show *show, void *arg, struct err *e)
{
	struct showing_all s = {.show = show, .arg = arg};

	return each_history(r, show_one, &s, e);
}
