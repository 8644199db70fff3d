/* Messages from the server, opened where they are sealed; see reading.h. */
#include "reading.h"

#include <unistd.h>

#include "../crypto/file.h"

void reading_begin(struct reading *r, const struct account *a, const struct cli *c,
	const struct mail_taker *to)
{
	*r = (struct reading){.to = *to, .held = HELD_EMPTY};
	opener_begin(&r->opener, a, c);
}

static void forget(struct reading *r)
{
	opened_free(&r->opened);
	held_clear(&r->held);
	r->text.n = r->ahead.n = 0;
	r->decided = r->is_sealed = r->withheld = false;
}

void reading_end(struct reading *r)
{
	forget(r);
	held_free(&r->held);
	buf_free(&r->text);
	buf_free(&r->ahead);
	opener_end(&r->opener);
}

/* --- what arrives --- */

/* Its head, which is needed longer than it stays. */
static int keep_head(void *arg, const struct mail_received *m, struct err *e)
{
	struct reading *r = arg;
	struct message_part *parts[] = {
		&r->head.id, &r->head.from, &r->head.time, &r->head.title, &r->head.to};
	size_t at = 0;

	r->head = *m;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (buf_append(&r->text, parts[i]->p, parts[i]->n) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		parts[i]->p = r->text.p + at;
		at += parts[i]->n;
	}
	return 0;
}

static int take(struct reading *r, const void *p, size_t n, struct err *e)
{
	return n == 0 || r->withheld ? 0
	       : r->is_sealed        ? held_put(&r->held, p, n, e)
				     : r->to.content(r->to.arg, p, n, e);
}

/* What is it? */
static int decide(struct reading *r, struct err *e)
{
	bool sealed = sealed_is(r->ahead.p, r->ahead.n);

	r->decided = true;
	r->is_sealed = sealed && (!r->as_stored || r->required); /* what only looks so is not */
	r->withheld = r->required && !sealed;
	if (!r->is_sealed && !r->withheld && r->to.head(r->to.arg, &r->head, e) != 0) {
		return -1;
	}
	return take(r, r->ahead.p, r->ahead.n, e);
}

static int take_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct reading *r = arg;

	if (r->decided) {
		return take(r, p, n, e);
	}
	if (buf_append(&r->ahead, p, n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return r->ahead.n >= SEALED_LOOK ? decide(r, e) : 0;
}

/* What anybody can have written is not taken where it must be signed. */
static void require_signed(struct opened *d)
{
	if (d->standing < OPENING_PINNED && !d->false_word) {
		opening_fault(d, true, d->word,
			"no pinned key signed it, and mail must be sealed and signed here");
	}
}

int reading_get(
	struct reading *r, struct mail_client *c, const struct mail_choice *which, struct err *e)
{
	const struct mail_taker taker = {.head = keep_head, .content = take_content, .arg = r};
	struct opening_outer outer;
	int rc;

	forget(r);
	r->opener.client = r->opener.account->enhanced ? c : NULL;
	rc = c->ops->read(c, which, &taker, e);
	rc = rc == 0 && !r->decided ? decide(r, e) : rc;
	if (rc == 0 && r->is_sealed) {
		outer = (struct opening_outer){
			.id = r->head.id, .from = r->head.from, .to = r->head.to};
		rc = opening_judge(&r->opener, &r->held, &outer, &r->opened, e);
		if (rc == 0 && r->required) {
			require_signed(&r->opened);
		}
	}
	r->opener.client = NULL;
	return rc;
}

/* --- what was sealed --- */

void reading_tell(const struct reading *r)
{
	char text[OPENING_TEXT_MAX];

	if (!r->is_sealed) {
		return;
	}
	if (r->opened.standing != OPENING_NOBODY) {
		opening_describe(&r->opened, text);
		cli_note(r->opener.cli, "%s", text);
	}
	for (size_t i = 0; i < r->opened.faults_n; i++) {
		cli_note(r->opener.cli, "%s", r->opened.faults[i]);
	}
}

int reading_unsealed(const struct reading *r, struct err *e)
{
	const struct account *a = r->opener.account;
	const struct known_member *m;
	char from[USER_NAME_MAX + 1];
	struct known known = {0};
	int keys, rc;

	if (r->is_sealed || r->as_stored || a->keys == NULL || access(a->keys, F_OK) != 0) {
		return 0;
	}
	keys = file_open_dir(a->keys, e);
	if (keys < 0) {
		return -1;
	}
	(void)snprintf(
		from, sizeof from, "%.*s", (int)r->head.from.n, (const char *)r->head.from.p);
	rc = known_load(&known, keys, e);
	m = rc == 0 ? known_find(&known, from) : NULL;
	rc = rc != 0 ? -1 : m != NULL && m->keys.signs ? 1 : 0;
	known_free(&known);
	(void)close(keys);
	return rc;
}

int reading_hand_out(struct reading *r, struct err *e)
{
	const struct sealed_head *h = &r->opened.head;
	char time_text[MESSAGE_TIME_LEN + 1];
	struct mail_received m = r->head;

	if (r->as_stored) {
		return r->to.head(r->to.arg, &m, e) != 0
			       ? -1
			       : held_each(&r->held, r->to.content, r->to.arg, e);
	}
	m.chars = h->content_chars;
	m.bytes = h->content_bytes;
	if (h->is_signed) {
		message_format_time(h->time_us, time_text);
		m.time = message_text(time_text);
		m.from = h->from;
		m.to = h->to;
		m.title = h->title;
	}
	if (r->to.head(r->to.arg, &m, e) != 0) {
		return -1;
	}
	return sealed_each(
		h, &r->held, &r->opener.own.x25519, 1, r->whole, r->to.content, r->to.arg, e);
}
