/* Converting a server's folder: up to state 2 of rest_move.h, and on. */
#include "rest_move.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "rest_plan.h"

enum { SENT_FILE_MAX = 8 << 20, SETTLE_TRIES = 10 };

/* --- what was sent --- */

/* Whose a file of .sent is; tail: "", or ".old". 0, or 1: nobody's who has a mailbox or an account.
 */
static int sender_of(const struct rest_moving *g, const char *name, char user[USER_NAME_MAX + 1],
	const char **tail)
{
	char stem[USER_NAME_MAX + 1];
	size_t n = strcspn(name, ".");

	*tail = name + n;
	if (n == 0 || n > USER_NAME_MAX || (**tail != '\0' && strcmp(*tail, ".old") != 0)) {
		return 1;
	}
	(void)snprintf(stem, sizeof stem, "%.*s", (int)n, name);
	if (g->m->from == NULL) {
		memcpy(user, stem, sizeof stem);
		return user_name_valid(stem) ? 0 : 1;
	}
	for (size_t i = 0; i < g->places_n; i++) {
		if (strcmp(g->places[i].folder, stem) == 0) {
			memcpy(user, g->places[i].user, sizeof g->places[i].user);
			return 0;
		}
	}
	return g->m->find_user(g->m->arg, stem, user) ? 0 : 1;
}

static int take_sent(struct rest_moving *g, int from, int to, const char *name, struct err *e)
{
	char user[USER_NAME_MAX + 1], stem[USER_NAME_MAX + 1], out[USER_NAME_MAX + 8];
	struct buf text = {0};
	const char *tail;
	int rc;

	if (strcmp(name, ".lock") == 0) {
		return 0;
	}
	rc = rest_plan_line(g, SENT_FOLDER "/", name, e);
	if (rc != 0 || sender_of(g, name, user, &tail) != 0) {
		return rc;
	}
	rest_new_name(g, user, stem);
	(void)snprintf(out, sizeof out, "%s%s", stem, tail);
	rc = file_read(from, name, SENT_FILE_MAX, &text, NULL, e);
	rc = rc == 0 ? file_write(to, out, text.p, text.n, 0600, FILE_NEW, e) : rc;
	buf_free(&text);
	return rc;
}

static int take_all_sent(struct rest_moving *g, struct err *e)
{
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int from = openat(g->m->dir, SENT_FOLDER, how), to, rc = 0;
	const struct dirent *entry;
	DIR *d;

	if (from < 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot open %s", SENT_FOLDER);
	}
	to = mkdirat(g->draft, SENT_FOLDER, 0700) == 0 ? openat(g->draft, SENT_FOLDER, how) : -1;
	d = to < 0 ? NULL : file_read_names(from);
	rc = d == NULL ? err_sys(e, EX_TEMPFAIL, "cannot convert %s", SENT_FOLDER) : 0;
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			rc = take_sent(g, from, to, entry->d_name, e);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read %s", SENT_FOLDER);
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	if (to >= 0) {
		(void)close(to);
	}
	(void)close(from);
	return rc;
}

/* --- accounts and the note --- */

static int take_accounts(struct rest_moving *g, struct err *e)
{
	struct accounts_store *s = NULL;
	struct accounts_text text = {0};
	struct buf sealed = {0};
	const struct buf *out = &text.text;
	int rc = accounts_files_open(g->m->dir, &s, e);

	if (rc == 0 && g->m->from != NULL) {
		rc = accounts_rest_open(s, g->m->from, &s, e);
		s = rc == 0 ? s : NULL;
	}
	if (rc == 0 && s->ops->read(s, &text, e) != 0) {
		rc = text.version.none ? 1 : -1; /* there are none yet */
	}
	if (rc == 0 && g->m->to != NULL) {
		rc = rest_accounts_seal(g->m->to, text.text.p, text.text.n, &sealed, e);
		out = &sealed;
	}
	rc = rc == 0 ? file_write(g->draft, s->name, out->p, out->n, 0600, FILE_NEW, e) : rc;
	if (s != NULL) {
		s->ops->close(s);
	}
	buf_free(&text.text);
	buf_free(&sealed);
	return rc < 0 ? -1 : 0;
}

static int take_note(struct rest_moving *g, struct err *e)
{
	return g->m->to != NULL ? rest_note_write(g->draft, g->m->note, e)
				: rest_plan_line(g, REST_NOTE, "", e);
}

/* --- the whole --- */

/* All that is in the journal becomes files. */
static int settle_all(const struct rest_moving *g, struct err *e)
{
	struct mailbox *s = g->source;
	bool busy;
	int rc = s->ops->recover(s, e);

	for (int i = 0; rc == 0 && s->ops->unsettled(s, &busy); i++) {
		rc = i < SETTLE_TRIES ? s->ops->settle(s, e)
				      : err_set(e, EX_TEMPFAIL, "the journal cannot be settled");
	}
	return rc;
}

static int open_source(struct rest_moving *g, struct err *e)
{
	const struct rest_move *m = g->m;

	return m->from != NULL
		       ? mailbox_rest_open(m->dir, m->from, MAILBOX_KEEPER, &g->source, e)
		       : mailbox_files_open(m->dir, m->describe, MAILBOX_KEEPER, &g->source, e);
}

static int open_target(struct rest_moving *g, struct err *e)
{
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (mkdirat(g->m->dir, REST_MOVE_DRAFT, 0700) == 0) {
		g->draft = openat(g->m->dir, REST_MOVE_DRAFT, how);
	}
	if (g->draft >= 0 && mkdirat(g->draft, REST_TEXTS, 0700) == 0) {
		g->texts = openat(g->draft, REST_TEXTS, how);
	}
	if (g->texts < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot create %s", REST_MOVE_DRAFT);
	}
	if (rest_stage_open(g->texts, &g->stage, e) != 0) {
		return -1;
	}
	g->target = g->stage;
	return g->m->to == NULL ? 0 : rest_over(g->stage, g->m->dir, g->m->to, &g->target, e);
}

/* Has anything come while the others were converted? What comes later is told by its file. */
static int check_unchanged(const struct rest_moving *g, struct err *e)
{
	uint8_t digest[HASH_BYTES];
	struct buf image = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->places_n; i++) {
		const struct rest_place *p = &g->places[i];
		rc = rest_load(g, p, &image, digest, e);
		if (rc == 0 && memcmp(digest, p->digest, sizeof digest) != 0) {
			rc = err_set(e, EX_TEMPFAIL, "mailbox %s has changed meanwhile", p->user);
		}
	}
	buf_free(&image);
	return rc;
}

/* State 1. */
static int draft(struct rest_moving *g, struct err *e)
{
	if (rest_survey(g, e) != 0 || open_target(g, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < g->places_n; i++) {
		if (rest_convert(g, &g->places[i], e) != 0) {
			return -1;
		}
	}
	return take_all_sent(g, e) != 0 || take_accounts(g, e) != 0 || take_note(g, e) != 0 ||
			       rest_sweep(g->draft, REST_TEXTS, e) != 0 ||
			       check_unchanged(g, e) != 0
		       ? -1
		       : file_write(g->draft, REST_PLAN, g->plan.p, g->plan.n, 0600, FILE_NEW, e);
}

/* State 2. */
static int commit(const struct rest_moving *g, struct err *e)
{
	if (syncfs(g->draft) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot sync %s", REST_MOVE_DRAFT);
	}
	if (renameat(g->m->dir, REST_MOVE_DRAFT, g->m->dir, REST_MOVE_READY) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot rename %s", REST_MOVE_DRAFT);
	}
	return file_sync(g->m->dir, "the folder", e);
}

static void end(struct rest_moving *g)
{
	if (g->target != NULL) {
		g->target->ops->close(g->target);
	}
	if (g->source != NULL) {
		g->source->ops->close(g->source);
	}
	if (g->texts >= 0) {
		(void)close(g->texts);
	}
	if (g->draft >= 0) {
		(void)close(g->draft);
	}
	free(g->places);
	buf_free(&g->uses);
	buf_free(&g->plan);
}

/* Under the lock: whoever had it before may have done the same, or the reverse. */
static int check_state(const struct rest_move *m, struct err *e)
{
	struct rest_note note;
	enum rest_state state;

	if (rest_look(m->dir, &note, &state, e) != 0) {
		return -1;
	}
	if (state == REST_MOVING) {
		return err_set(e, EX_CONFIG, "another migration was interrupted meanwhile");
	}
	if (state != (m->from != NULL ? REST_SEALED : REST_PLAIN)) {
		return err_set(e, EX_CONFIG, "the mail is %s already",
			state == REST_SEALED ? "encrypted" : "plain");
	}
	return m->from == NULL || ct_eq(note.check, m->note->check, sizeof note.check)
		       ? 0
		       : err_set(e, EX_CONFIG, "the mail is under another key meanwhile");
}

int rest_move(struct rest_move *m, struct err *e)
{
	struct rest_moving g = {.m = m, .draft = -1, .texts = -1};
	enum rest_resumed how;
	int lock = openat(m->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (lock < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder");
	}
	/* nobody changes the accounts, and nobody else keeps the store */
	rc = file_lock(lock, e) != 0 || rest_sweep(m->dir, REST_MOVE_DRAFT, e) != 0 ||
			     check_state(m, e) != 0 || open_source(&g, e) != 0 ||
			     settle_all(&g, e) != 0
		     ? -1
		     : draft(&g, e);
	if (rc != 0 && g.draft >= 0) {
		(void)rest_sweep(m->dir, REST_MOVE_DRAFT, NULL); /* or by the next one */
	}
	rc = rc == 0 ? commit(&g, e) : rc;
	end(&g);
	rc = rc == 0 ? rest_resume(m->dir, &how, e) : rc; /* or somebody else was quicker */
	(void)close(lock);
	return rc;
}
