/* Lists of mail, opened; see inbox_open.h. */
#include "inbox_open.h"

#include "../store/sequence.h"

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* Nothing is shown of the content. */
static int pass_head(void *arg, const struct mail_received *m, struct err *e)
{
	(void)arg;
	(void)m;
	(void)e;
	return 0;
}

static int pass_content(void *arg, const void *p, size_t n, struct err *e)
{
	(void)arg;
	(void)p;
	(void)n;
	(void)e;
	return 0;
}

void inbox_open_begin(struct inbox_open *o, const struct account *a, const struct cli *c)
{
	const struct mail_taker nobody = {.head = pass_head, .content = pass_content};

	*o = (struct inbox_open){.cli = c};
	reading_begin(&o->reading, a, c, &nobody);
}

void inbox_open_end(struct inbox_open *o)
{
	for (size_t i = 0; i < o->n; i++) {
		buf_free(&o->rows[i].text);
	}
	free(o->rows);
	free(o->senders);
	ids_free(&o->digests);
	reading_end(&o->reading);
}

int inbox_open_keep(struct inbox_open *o, const struct mail_row *row, struct err *e)
{
	struct inbox_row *one;
	struct message_part *parts[4];
	size_t at = 0;

	if (o->n == o->cap) {
		size_t cap = o->cap == 0 ? 64 : 2 * o->cap;
		one = reallocarray(o->rows, cap, sizeof *one);
		if (one == NULL) {
			return no_memory(e);
		}
		o->rows = one;
		o->cap = cap;
	}
	one = &o->rows[o->n++];
	*one = (struct inbox_row){.row = *row};
	parts[0] = &one->row.id;
	parts[1] = &one->row.from;
	parts[2] = &one->row.time;
	parts[3] = &one->row.title;
	for (size_t i = 0; i < 4; i++) {
		if (buf_append(&one->text, parts[i]->p, parts[i]->n) != 0) {
			return no_memory(e);
		}
	}
	for (size_t i = 0; i < 4; i++) {
		parts[i]->p = one->text.p + at;
		at += parts[i]->n;
	}
	return 0;
}

/* --- opening: by the content, for the title outside is the server's --- */

/* One letter twice in a list is a copy, whatever it is stored under. 0 or -1. */
static int judge_copy(struct inbox_open *o, struct opened *d, struct err *e)
{
	int fresh = d->head.is_signed && !d->false_word ? ids_add(&o->digests, d->head.digest) : 1;

	if (fresh == 0) {
		opening_fault(
			d, true, "re-sent", "RE-SENT: it is a copy of another one in this list");
	}
	return fresh < 0 ? no_memory(e) : 0;
}

/* 0 or -1. */
static int add_sender(struct inbox_open *o, const char *name, struct err *e)
{
	void *more;

	for (size_t i = 0; i < o->senders_n; i++) {
		if (strcmp(o->senders[i], name) == 0) {
			return 0;
		}
	}
	more = reallocarray(o->senders, o->senders_n + 1, sizeof *o->senders);
	if (more == NULL) {
		return no_memory(e);
	}
	o->senders = more;
	(void)snprintf(o->senders[o->senders_n++], sizeof *o->senders, "%s", name);
	return 0;
}

/* What a message is not that could not be opened; NULL: it is not the message's fault. */
static const char *word_of(const struct mail_client *c, const struct err *e)
{
	return !c->alive               ? NULL
	       : e->code == EX_NOPERM  ? "not sealed to you"
	       : e->code == EX_DATAERR ? "altered"
	       : e->code == EX_NOINPUT ? "gone"
				       : NULL;
}

static void note(const struct inbox_open *o, const struct mail_row *row, const char *text)
{
	cli_note(o->cli, "message %llu: %.*s", (unsigned long long)row->index,
		(int)strcspn(text, "\n"), text);
}

static int show_opened(struct inbox_open *o, const struct mail_row *row, inbox_open_show *show,
	void *arg, struct err *e)
{
	struct opened *d = &o->reading.opened;

	if (judge_copy(o, d, e) != 0 || (d->faults_n == 0 && add_sender(o, d->by, e) != 0)) {
		return -1;
	}
	for (size_t i = 0; i < d->faults_n; i++) {
		note(o, row, d->faults[i]);
	}
	o->faults += d->faults_n > 0 ? 1 : 0;
	return show(arg, row, d, d->head.is_signed ? "sealed" : "unsigned", d->word, e);
}

static int show_plain(struct inbox_open *o, const struct mail_row *row, inbox_open_show *show,
	void *arg, struct err *e)
{
	if (!o->reading.withheld) {
		return show(arg, row, NULL, "plain", NULL, e);
	}
	note(o, row, "not sealed, and mail must be sealed here");
	o->faults++;
	return show(arg, row, NULL, "plain", "not sealed", e);
}

static int open_row(struct inbox_open *o, struct mail_client *c, const struct inbox_row *one,
	inbox_open_show *show, void *arg, struct err *e)
{
	const struct mail_row *row = &one->row;
	struct mail_choice which = {.index = row->index, .as_listed = true};
	char id[MAIL_ID_TEXT + 1];
	const char *word;

	if (row->id.n == MAIL_ID_TEXT) {
		(void)snprintf(id, sizeof id, "%.*s", MAIL_ID_TEXT, (const char *)row->id.p);
		which = (struct mail_choice){.id = id};
	}
	if (reading_get(&o->reading, c, &which, e) == 0) {
		return o->reading.is_sealed ? show_opened(o, row, show, arg, e)
					    : show_plain(o, row, show, arg, e);
	}
	word = word_of(c, e);
	if (word == NULL) {
		return -1;
	}
	note(o, row, e->text);
	o->faults++;
	return show(arg, row, NULL, o->reading.is_sealed ? "closed" : "-", word, e);
}

int inbox_open_all(struct inbox_open *o, struct mail_client *c, inbox_open_show *show, void *arg,
	struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < o->n; i++) {
		rc = o->rows[i].row.damaged ? show(arg, &o->rows[i].row, NULL, "-", NULL, e)
					    : open_row(o, c, &o->rows[i], show, arg, e);
	}
	return rc;
}

/* --- what did not come --- */

struct gaps {
	struct inbox_open *o;
	const char *from;
	inbox_open_missing *visit;
	void *arg;
};

static int visit_gaps(void *arg, uint64_t highest, const uint64_t *missing, size_t n, bool newest)
{
	const struct gaps *g = arg;

	g->o->faults += g->o->forgives ? 0 : 1;
	return g->visit(g->arg, g->from, missing, n, highest, newest);
}

static int gaps_of(
	struct inbox_open *o, const char *from, inbox_open_missing *visit, void *arg, struct err *e)
{
	struct gaps g = {.o = o, .from = from, .visit = visit, .arg = arg};
	int chat = o->reading.opener.own.chat;

	if (sequence_each_missing(chat, from, "mail", visit_gaps, &g, e) != 0) {
		return -1;
	}
	return o->forgives ? sequence_forgive(chat, from, "mail", e) : 0;
}

int inbox_open_gaps(
	struct inbox_open *o, const char *from, inbox_open_missing *visit, void *arg, struct err *e)
{
	struct known known = {0};
	int rc;

	if (opener_load(&o->reading.opener, e) != 0 || trust_chat(&o->reading.opener.own, e) < 0) {
		return -1;
	}
	if (from != NULL) {
		return gaps_of(o, from, visit, arg, e);
	}
	rc = known_load(&known, o->reading.opener.own.keys, e);
	for (size_t i = 0; rc == 0 && i < known.n; i++) {
		rc = add_sender(o, known.members[i].name, e);
	}
	for (size_t i = 0; rc == 0 && i < o->senders_n; i++) {
		rc = gaps_of(o, o->senders[i], visit, arg, e);
	}
	known_free(&known);
	return rc;
}
