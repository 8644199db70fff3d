/* Letters, posted and acknowledged; see outbox.h. */
#include "outbox.h"

#include "../proto/enhanced.h"

struct outbox *outbox_new(
	struct account *a, const struct cli *c, bool many, bool json, struct err *e)
{
	struct outbox *o = calloc(1, sizeof *o);

	if (o == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	o->account = a;
	o->cli = c;
	o->many = many;
	o->json = json;
	o->sealed = HELD_EMPTY;
	sealing_begin(&o->sealing, a);
	if (account_resolve(a, e) != 0) {
		free(o);
		return NULL;
	}
	o->max_chars = a->enhanced ? ENHANCED_CHARS_MAX : MESSAGE_CONTENT_CHARS;
	return o;
}

static void empty(struct outgoing *l)
{
	buf_free(&l->to);
	buf_free(&l->title);
	content_close(&l->content);
}

void outbox_free(struct outbox *o)
{
	for (size_t i = 0; i < o->used; i++) {
		empty(&o->letters[i]);
	}
	if (o->client != NULL) {
		o->client->ops->end(o->client);
	}
	held_free(&o->sealed);
	sealing_end(&o->sealing);
	free(o);
}

int outbox_read_id(const char *text, size_t n, uint8_t out[static MAIL_ID], struct err *e)
{
	static const uint8_t none[MAIL_ID]; /* stands for a letter that has no id */

	return n == MAIL_ID_TEXT && hex_decode(out, MAIL_ID, text, n) == 0 &&
			       memcmp(out, none, MAIL_ID) != 0
		       ? 0
		       : err_set(e, EX_USAGE, "an id is %d digits of hex, and not zeros alone",
				 MAIL_ID_TEXT);
}

/* --- reporting --- */

/* Its id as text. false: a line that could not be read has none. */
static bool id_text(const struct outgoing *l, char id[static MAIL_ID_TEXT + 1])
{
	static const uint8_t none[MAIL_ID];

	hex_encode(id, l->id, MAIL_ID);
	return memcmp(l->id, none, MAIL_ID) != 0;
}

/* Without the NUL at its end, which a letter that failed may not have got. */
static size_t text_n(const struct buf *b)
{
	return b->n > 0 && b->p[b->n - 1] == '\0' ? b->n - 1 : b->n;
}

static json_t *letter_json(const struct outbox *o, const struct outgoing *l)
{
	char id[MAIL_ID_TEXT + 1];
	json_t *row = json_object();

	if (o->account->user != NULL) {
		cli_json_text(row, "from", o->account->user, strlen(o->account->user));
	}
	cli_json_text(row, "to", l->to.p, text_n(&l->to));
	cli_json_text(row, "title", l->title.p, text_n(&l->title));
	cli_json_number(row, "length", l->chars);
	if (id_text(l, id) && o->account->enhanced) {
		cli_json_text(row, "id", id, MAIL_ID_TEXT);
	}
	return row;
}

static void print_line(const struct outgoing *l, const char *word, const char *text)
{
	char id[MAIL_ID_TEXT + 1];

	(void)printf("%s\t%s\t", id_text(l, id) ? id : "-", word);
	cli_print(text, strcspn(text, "\n"));
	(void)puts("");
}

static int report_stored(const struct outbox *o, const struct outgoing *l,
	const struct mail_stored *stored, struct err *e)
{
	json_t *row;

	if (o->json) {
		row = letter_json(o, l);
		(void)json_object_set_new(row, "stored", json_true());
		if (o->seals) {
			(void)json_object_set_new(row, "sealed", json_true());
		}
		if (stored->id[0] != '\0') {
			cli_json_text(row, "stored_id", stored->id, strlen(stored->id));
		}
		if (stored->again) {
			(void)json_object_set_new(row, "again", json_true());
		}
		return o->many ? cli_print_json_line(row, e) : cli_print_json(row, e);
	}
	if (o->many) {
		print_line(l, stored->again ? "stored-before" : "stored", (const char *)l->title.p);
	}
	return 0;
}

/* Of many, each failure stands beside its letter, and the others go on. */
static void report_failed(struct outbox *o, const struct outgoing *l, const struct err *why)
{
	struct err ignored;

	o->failed++;
	o->code = o->code == 0 ? why->code : o->code;
	if (o->json) {
		json_t *row = letter_json(o, l);
		(void)json_object_set_new(row, "stored", json_false());
		cli_json_number(row, "code", (uint64_t)why->code);
		cli_json_text(row, "error", why->text, strcspn(why->text, "\n"));
		(void)cli_print_json_line(row, &ignored);
	} else {
		print_line(l, "failed", why->text);
	}
	(void)cli_fail(o->cli, why);
}

void outbox_fault(struct outbox *o, struct outgoing *l, const struct err *why)
{
	report_failed(o, l, why);
	empty(l);
}

/* Everything that was posted and not acknowledged is in doubt. -1. */
static int lost(struct outbox *o, struct err *e)
{
	char id[MAIL_ID_TEXT + 1];

	bool in_doubt = e->code == EX_TEMPFAIL || e->code == EX_PROTOCOL;

	if (o->account->enhanced && o->n > 0 && !o->many && in_doubt) {
		hex_encode(id, o->letters[o->first].id, MAIL_ID);
		return err_hint(e, "sent again with --id %s it is stored once", id);
	}
	if (o->many) {
		for (; o->n > 0; o->n--, o->first = (o->first + 1) % (OUTBOX_AHEAD + 1)) {
			report_failed(o, &o->letters[o->first], e);
		}
		e->text[0] = '\0';
	}
	return -1;
}

/* --- sealing --- */

/* Each recipient once, and spelled as it will stand inside. 0 or -1. */
static int take_names(struct outgoing *l, struct err *e)
{
	struct buf names = {0};

	if (sealing_names(&names, (const char *)l->to.p, e) != 0) {
		buf_free(&names);
		return -1;
	}
	buf_free(&l->to);
	l->to = names;
	return 0;
}

/* 0, or -1 and nothing was sent of it. */
static int seal(struct outbox *o, struct outgoing *l, struct held_reader *reader,
	struct mail_letter *letter, struct err *e)
{
	const struct sealing_letter inside = {.to = (const char *)l->to.p,
		.title = (const char *)l->title.p,
		.content = &l->content,
		.id = l->id};

	held_clear(&o->sealed);
	if (sealing_seal(&o->sealing, &o->sealed, &inside, e) != 0) {
		return -1;
	}
	*reader = (struct held_reader){.held = &o->sealed};
	letter->to = inside.to;
	letter->title = SEALED_TITLE;
	letter->bytes = letter->chars = o->sealed.bytes; /* it is ASCII */
	letter->source = held_read;
	letter->arg = reader;
	return 0;
}

/* It has reached nobody: its numbers are for the next. */
static void give_back(struct outbox *o, const struct outgoing *l)
{
	struct err why;

	if (o->seals && sealing_refused(&o->sealing, l->id, &why) != 0) {
		(void)cli_fail(o->cli, &why);
	}
}

/* --- posting --- */

static int acknowledge_one(struct outbox *o, struct err *e)
{
	struct outgoing *l = &o->letters[o->first];
	struct mail_stored stored;
	int rc = o->client->ops->acknowledge(o->client, &stored, e);

	if (rc != 0 && !o->client->alive) {
		return lost(o, e);
	}
	o->first = (o->first + 1) % (OUTBOX_AHEAD + 1);
	o->n--;
	if (rc != 0) {
		give_back(o, l);
	}
	if (rc == 0) {
		rc = report_stored(o, l, &stored, e);
	} else if (o->many) {
		report_failed(o, l, e);
		rc = 0;
	}
	empty(l);
	return rc;
}

struct outgoing *outbox_letter(struct outbox *o, struct err *e)
{
	unsigned ahead = o->client == NULL ? OUTBOX_AHEAD : o->client->ops->ahead;
	struct outgoing *l;
	size_t at;

	while (o->n >= ahead) {
		if (acknowledge_one(o, e) != 0) {
			return NULL;
		}
	}
	at = (o->first + o->n) % (OUTBOX_AHEAD + 1);
	o->used = at < o->used ? o->used : at + 1;
	l = &o->letters[at];
	memset(l->id, 0, sizeof l->id); /* of the letter that was here before */
	l->chars = 0;
	return l;
}

/* What is wrong with this letter ends the others only where there are none. 0 or -1. */
static int cannot_post(struct outbox *o, struct outgoing *l, struct err *e)
{
	if (!o->many) {
		return -1;
	}
	outbox_fault(o, l, e);
	return o->client->alive ? 0 : lost(o, e);
}

int outbox_post(struct outbox *o, struct outgoing *l, struct err *e)
{
	struct held_reader reader;
	bool learn;
	struct mail_letter letter = {.to = (const char *)l->to.p,
		.title = (const char *)l->title.p,
		.bytes = l->content.bytes,
		.chars = l->content.chars,
		.source = content_read,
		.arg = &l->content};

	if (o->client == NULL && account_open(o->account, &o->client, e) != 0) {
		return -1;
	}
	memcpy(letter.id, l->id, sizeof letter.id);
	l->chars = l->content.chars;
	if (o->seals) {
		if (take_names(l, e) != 0) {
			return cannot_post(o, l, e);
		}
		learn = !sealing_knows(&o->sealing, (const char *)l->to.p);
		if (learn && outbox_settle(o, e) != 0) {
			return -1;
		}
		if ((learn &&
			    sealing_learn(&o->sealing, o->client, (const char *)l->to.p, e) != 0) ||
			seal(o, l, &reader, &letter, e) != 0) {
			return cannot_post(o, l, e);
		}
	}
	o->n++;
	if (o->client->ops->post(o->client, &letter, e) != 0) {
		if (!o->client->alive) {
			return lost(o, e);
		}
		o->n--;
		give_back(o, l);
		return cannot_post(o, l, e);
	}
	content_close(&l->content);
	return 0;
}

int outbox_settle(struct outbox *o, struct err *e)
{
	int rc = 0;

	while (rc == 0 && o->n > 0) {
		rc = acknowledge_one(o, e);
	}
	(void)fflush(stdout); /* somebody may read along */
	return rc;
}

int outbox_finish(struct outbox *o, struct err *e)
{
	int rc = 0;

	if (o->client != NULL && o->client->alive && o->client->ops->leave != NULL &&
		o->client->ops->leave(o->client, e) != 0) {
		rc = lost(o, e);
	}
	rc = rc == 0 ? outbox_settle(o, e) : rc;
	if (o->client != NULL && o->client->alive) {
		o->client->ops->quit(o->client);
	}
	if (rc == 0 && o->failed > 0) {
		e->code = o->code;
		e->text[0] = '\0';
		rc = -1;
	}
	return rc;
}
