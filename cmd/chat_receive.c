/* Packets of chat that came; see chat_receive.h. */
#include "chat_receive.h"

#include "../store/onetime.h"

void chat_came_free(struct chat_came *came)
{
	buf_free(&came->body);
}

/* A packet that is not what it says is no error of ours: 0 with the verdict; else -1 with e. */
static int judge(struct chat_came *out, const struct err *why, struct err *e)
{
	if (why->code != EX_PROTOCOL && why->code != EX_DATAERR && why->code != EX_NOPERM) {
		*e = *why;
		return -1;
	}
	out->verdict = CHAT_CAME_FORGED;
	out->why = *why;
	return 0;
}

/* --- messages --- */

static void note_message(struct chat_note *note, const struct chat_message *m)
{
	note->event = CHAT_EVENT_IN;
	memcpy(note->stream, m->stream, sizeof note->stream);
	note->number = m->number;
	note->time_us = m->time_us;
	note->kind = m->kind;
	(void)snprintf(note->name, sizeof note->name, "%s", m->name);
	(void)snprintf(note->type, sizeof note->type, "%s", m->type);
	note->no_fs = m->no_fs;
}

/* It was kept before: what a crash kept us from telling the server is no repetition of its, once.
 * Whoever reads may not have seen it. */
static bool excused(const struct chat_contact *c, struct chat_in *known)
{
	bool undone = c->undone > 0 && c->batch == c->desk->batch + 1 &&
		      known->record >= c->undone && !known->again;

	known->again = true;
	return undone;
}

/* It was kept before, and cannot be opened any more. */
static int repeated(
	struct chat_contact *c, struct chat_in *known, struct chat_came *out, struct err *e)
{
	struct err why;

	out->record = known->record;
	out->note.number = known->number;
	out->verdict = CHAT_CAME_TWICE;
	out->place.how = SEQUENCE_KNOWN;
	if (!excused(c, known)) {
		return 0;
	}
	if (chat_contact_body(c, known->record, &out->note, &out->body, &why) != 0) {
		*e = why;
		return why.code == EX_DATAERR ? 0 : -1; /* damaged there: the history tells */
	}
	out->verdict = CHAT_CAME_MESSAGE;
	return 0;
}

static struct sequence_number number_of(const struct chat_message *m)
{
	struct sequence_number number = {.number = m->number};

	memcpy(number.stream, m->stream, sizeof number.stream);
	return number;
}

static bool is_same(const struct chat_note *a, const struct chat_note *b)
{
	return a->event == b->event && memcmp(a->stream, b->stream, sizeof a->stream) == 0 &&
	       a->number == b->number && a->time_us == b->time_us && a->kind == b->kind &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0;
}

/* Who does not know whether a packet of his came, and must not send it so late, makes another of
 * the same message. *as: what the history has of it, or NULL. */
static int find_same(struct chat_contact *c, const struct chat_message *m,
	const struct chat_came *came, const struct chat_in **as, struct err *e)
{
	struct chat_note note;
	struct buf body = {0};
	int rc = 0;

	*as = NULL;
	for (size_t i = c->in_n; *as == NULL && rc == 0 && i-- > 0;) {
		if (c->in[i].number != m->number) {
			continue;
		}
		body.n = 0;
		rc = chat_contact_body(c, c->in[i].record, &note, &body, e);
		if (rc == 0 && is_same(&note, &came->note) && body.n == m->body.n &&
			(body.n == 0 || memcmp(body.p, m->body.p, body.n) == 0)) {
			*as = &c->in[i];
		}
		rc = rc != 0 && e->code == EX_DATAERR ? 0 : rc; /* damaged: it cannot be told */
	}
	buf_free(&body);
	return rc;
}

/* It is genuine: into the history, and its number taken, if it was not yet. */
static int keep(struct chat_contact *c, struct chat_message *m, bool taken, struct chat_came *out,
	struct err *e)
{
	const struct chat_in *known = chat_contact_find(c, out->note.id);
	const struct sequence_number number = number_of(m);
	const struct chat_in *same = NULL;

	note_message(&out->note, m);
	if (known == NULL && find_same(c, m, out, &same, e) != 0) {
		return -1;
	}
	if (same != NULL) {
		out->record = same->record;
		out->verdict = CHAT_CAME_NOTHING;
		return taken ? 0
			     : sequence_take(c->desk->dir, c->name, "chat", &number, same->id,
				       &out->place, e);
	}
	if (known == NULL &&
		chat_contact_add(c, &out->note, m->body.p, m->body.n, &out->record, e) != 0) {
		return -1;
	}
	out->record = known != NULL ? known->record : out->record;
	out->body = m->body;
	m->body = (struct buf){0};
	out->verdict = CHAT_CAME_MESSAGE;
	return taken ? 0
		     : sequence_take(c->desk->dir, c->name, "chat", &number, out->note.id,
			       &out->place, e);
}

/* A message that answers one of our offers. */
static int receive_message(struct chat_contact *c, const struct chat_peer *peer, uint64_t offer,
	const void *packet, size_t n, struct chat_came *out, struct err *e)
{
	struct chat_in *known = chat_contact_find(c, out->note.id);
	struct chat_message m = {0};
	struct x25519_pair pair;
	struct err why;
	bool made = false;
	int rc = onetime_find(c->desk->dir, c->name, offer, &pair, &made, &why);

	if (rc != 0 && why.code != EX_NOINPUT) {
		*e = why;
		rc = -1;
	} else if (rc != 0 && known != NULL) {
		rc = repeated(c, known, out, e);
	} else if (rc != 0) {
		out->verdict = made ? CHAT_CAME_USED : CHAT_CAME_UNKNOWN;
		rc = 0;
	} else if (chat_read(&m, &c->desk->self, peer, &pair, packet, n, &why) != 0) {
		rc = judge(out, &why, e);
	} else {
		out->opened = true;
		rc = keep(c, &m, false, out, e);
		rc = rc == 0 ? onetime_destroy(c->desk->dir, c->name, offer, e) : rc;
	}
	wipe(&pair, sizeof pair);
	buf_free(&m.body);
	return rc;
}

/* Has its number come before? Numbers are taken after the history has the message. Only the newest
 * stream can be asked. */
static int was_taken(
	const struct chat_contact *c, const struct chat_message *m, bool *taken, struct err *e)
{
	static uint64_t missing[SEQUENCE_GAPS_MAX];
	struct sequence_number newest;
	size_t n = 0;

	if (sequence_missing(c->desk->dir, c->name, "chat", missing, SEQUENCE_GAPS_MAX, &n, &newest,
		    e) != 0) {
		return -1;
	}
	*taken = m->number <= newest.number &&
		 memcmp(newest.stream, m->stream, sizeof newest.stream) == 0;
	for (size_t i = 0; i < n && i < SEQUENCE_GAPS_MAX; i++) {
		*taken = *taken && missing[i] != m->number;
	}
	return 0;
}

/* Nothing of such a message is destroyed when it is read: it can be opened each time it comes. One
 * that we took, and that is in no history, was deleted there, and is not brought back. */
static int keep_sealed(
	struct chat_contact *c, struct chat_message *m, struct chat_came *out, struct err *e)
{
	struct chat_in *known = chat_contact_find(c, out->note.id);
	const struct sequence_number number = number_of(m);
	bool taken = false, was;
	int rc = known == NULL ? was_taken(c, m, &taken, e) : 0;

	if (rc == 0 && taken) {
		rc = sequence_take(
			c->desk->dir, c->name, "chat", &number, out->note.id, &out->place, e);
	}
	if (rc == 0 && taken && out->place.how == SEQUENCE_KNOWN) {
		note_message(&out->note, m);
		out->verdict = CHAT_CAME_TWICE;
		return 0;
	}
	rc = rc == 0 ? keep(c, m, taken, out, e) : -1;
	was = out->place.how == SEQUENCE_KNOWN || out->place.how == SEQUENCE_REPEATED;
	if (rc == 0 && was &&
		(known == NULL ? out->place.how == SEQUENCE_KNOWN : !excused(c, known))) {
		out->verdict = CHAT_CAME_TWICE;
	}
	return rc;
}

static int receive_sealed(struct chat_contact *c, const struct chat_peer *peer, const void *packet,
	size_t n, struct chat_came *out, struct err *e)
{
	struct chat_message m = {0};
	struct err why;
	int rc;

	if (chat_read_sealed(&m, &c->desk->self, peer, packet, n, &why) != 0) {
		rc = judge(out, &why, e);
	} else {
		out->opened = true;
		m.no_fs = true;
		rc = keep_sealed(c, &m, out, e);
	}
	buf_free(&m.body);
	return rc;
}

/* --- receipts --- */

/* Does it say more than the one before? By the numbers, which only rise; a clock of his may be
 * wrong, and tells only which of two is the newer where they are of different streams. */
static bool is_news(const struct chat_contact *c, const struct chat_receipt *r)
{
	const struct chat_note *last = &c->receipt;
	const uint8_t *ours = c->out_n > 0 ? c->out[c->out_n - 1].stream : NULL;

	if (r->highest == 0) {
		return false;
	}
	if (last->number > 0 && memcmp(last->stream, r->stream, sizeof r->stream) == 0) {
		return r->highest > last->number ||
		       (r->highest == last->number && r->missing < last->missing);
	}
	return last->number == 0 || r->time_us > last->time_us ||
	       (ours != NULL && memcmp(ours, r->stream, sizeof r->stream) == 0);
}

static int receive_receipt(struct chat_contact *c, const struct chat_peer *peer, const void *packet,
	size_t n, struct chat_came *out, struct err *e)
{
	const struct chat_note *last = &c->receipt;
	struct chat_receipt r;
	struct err why;
	bool same;

	if (chat_receipt_read(&r, &c->desk->self, peer, packet, n, &why) != 0) {
		return judge(out, &why, e);
	}
	out->opened = true;
	out->note.event = CHAT_EVENT_RECEIPT;
	memcpy(out->note.stream, r.stream, sizeof r.stream);
	out->note.number = r.highest;
	out->note.missing = r.missing;
	out->note.time_us = r.time_us;
	same = memcmp(last->stream, r.stream, sizeof r.stream) == 0;
	if (!is_news(c, &r)) {
		out->verdict = CHAT_CAME_NOTHING; /* an older one, handed out again, at the most */
		return 0;
	}
	out->lost = same && r.missing <= last->missing ? 0 : r.missing;
	out->verdict = CHAT_CAME_RECEIPT;
	return chat_contact_add(c, &out->note, NULL, 0, NULL, e);
}

int chat_receive(struct chat_contact *c, const struct chat_peer *peer, const void *packet, size_t n,
	struct chat_came *out, struct err *e)
{
	enum chat_packet kind;
	uint64_t offer;
	struct err why;

	*out = (struct chat_came){0};
	if (chat_contact_look(c, e) != 0) {
		return -1;
	}
	chat_note_id(out->note.id, packet, n);
	if (chat_look(packet, n, &kind, &offer, &why) != 0) {
		return judge(out, &why, e);
	}
	switch (kind) {
	case CHAT_PACKET_MESSAGE:
		return receive_message(c, peer, offer, packet, n, out, e);
	case CHAT_PACKET_SEALED:
		return receive_sealed(c, peer, packet, n, out, e);
	case CHAT_PACKET_RECEIPT:
		return receive_receipt(c, peer, packet, n, out, e);
	}
	return err_set(e, EX_SOFTWARE, "%s:%d: no such packet", __FILE__, __LINE__);
}
