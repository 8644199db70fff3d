/* What waits with the server; see chat_fetch.h. */
#include "chat_fetch.h"

#include "chat_detail.h"
#include "chat_offers.h"

enum { DONE_MAX = 500 /* ids in one request */ };

/* What cannot be judged stays with the server for so long. */
static const int64_t STAYS_US = (int64_t)30 * 86400 * 1000000;

struct fetching {
	struct chat_room *room;
	chat_show *show;
	void *arg;
	struct chat_fetched *fetched;
	uint8_t (*done)[16];
	size_t done_n, done_cap;
	size_t unchecked;  /* packets of members whose keys are to be looked at first */
	uint8_t after[16]; /* the last one that stays with the server, and is passed over */
	bool behind;       /* there is one */
};

static int mark_done(struct fetching *f, const uint8_t id[static 16], struct err *e)
{
	if (f->done_n == f->done_cap) {
		size_t cap = f->done_cap == 0 ? 64 : 2 * f->done_cap;
		uint8_t(*more)[16] = reallocarray(f->done, cap, sizeof *more);
		if (more == NULL) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
		f->done = more;
		f->done_cap = cap;
	}
	memcpy(f->done[f->done_n++], id, 16);
	return 0;
}

/* Nobody who is known: nothing to open it with, and nobody to write a history with. */
static int show_stranger(struct fetching *f, const struct chat_node *n, struct err *e)
{
	struct chat_came came = {.verdict = CHAT_CAME_FORGED};

	err_set(&came.why, EX_NOUSER, "the server knows no such user");
	return f->show(f->arg, n, &came, e);
}

/* In a name that is no other member's: our own, or none. e tells. */
static int show_no_member(struct fetching *f, const struct chat_waiting *row, struct err *e)
{
	struct chat_node nobody = {0};
	struct chat_came came = {.verdict = CHAT_CAME_FORGED, .why = *e};

	(void)snprintf(nobody.c.name, sizeof nobody.c.name, "%s", row->from);
	return f->show(f->arg, &nobody, &came, e) == 0 ? mark_done(f, row->id, e) : -1;
}

/* It stays with the server, and what came later is looked at all the same. What is behind one whose
 * keys are to be looked at first comes again. */
static int leave(struct fetching *f, struct chat_node *n, const struct chat_waiting *row)
{
	n->left = true;
	if (f->unchecked == 0) {
		memcpy(f->after, row->id, sizeof f->after);
		f->behind = true;
		f->fetched->left++;
	}
	return 0;
}

/* May it be that it is judged one day? */
static bool is_young(const struct chat_waiting *row)
{
	return message_now() - row->us < STAYS_US;
}

/* What a contact signs cannot be judged while the directory has no signing key of his. */
static bool is_unsigned(const struct chat_node *n, const struct chat_waiting *row)
{
	enum chat_packet kind;
	uint64_t offer;
	struct err ignored;

	return !n->member.keys.signs &&
	       chat_look(row->packet, row->n, &kind, &offer, &ignored) == 0 &&
	       kind != CHAT_PACKET_MESSAGE;
}

/* The directory shows no key, or nobody: a lie, or he is about to come back. */
static int leave_unjudged(struct fetching *f, struct chat_node *n, const struct chat_waiting *row)
{
	if (!n->told) {
		chat_room_warn(f->room,
			"something waits, said to be from %s, that cannot be judged: the server %s",
			n->c.name, n->known ? "shows no signing key of his" : "knows no such user");
	}
	n->told = true;
	return leave(f, n, row);
}

/* This run may have shown it before, from the history: whoever took it was cut off behind that. */
static int show_message(
	struct fetching *f, struct chat_node *n, struct chat_came *came, struct err *e)
{
	struct chat_contact *c = &n->c;

	if (chat_news_of(n, came->record, f->show, f->arg, e) != 0) {
		return -1;
	}
	came->shown = came->record > c->since && came->record <= c->shown;
	if (f->show(f->arg, n, came, e) != 0) {
		return -1;
	}
	c->shown = came->record > c->shown ? came->record : c->shown;
	return 0;
}

static int receive(
	struct fetching *f, struct chat_node *n, const struct chat_waiting *row, struct err *e)
{
	const struct chat_peer peer = chat_room_peer(n);
	struct chat_came came;
	int rc;

	rc = chat_receive(&n->c, &peer, row->packet, row->n, &came, e);
	if (rc == 0) {
		n->came = n->came || came.verdict == CHAT_CAME_MESSAGE;
		if (f->room->account.verbose) {
			chat_detail_came(f->room, n, &came, row->packet, row->n);
		}
		rc = came.verdict == CHAT_CAME_NOTHING   ? 0
		     : came.verdict == CHAT_CAME_MESSAGE ? show_message(f, n, &came, e)
							 : f->show(f->arg, n, &came, e);
	}
	chat_came_free(&came);
	return rc;
}

/* One whose history does not open waits with the server, until it does. 0 (n->locked tells), or -1:
 * this machine is short of something, and no other one would open either. */
static int open_history(struct fetching *f, struct chat_node *n, struct err *e)
{
	if (n->locked != 0 || chat_room_history(f->room, n, e) == 0) {
		return 0;
	}
	if (e->code == EX_TEMPFAIL) {
		return -1;
	}
	n->locked = e->code == EX_CONFIG ? EX_CONFIG : EX_NOPERM;
	if (!chat_room_is_broken(f->room, n, e)) {
		(void)cli_fail(f->room->cli, e);
	}
	return 0;
}

/* The same with what is found to be damaged when it is read: it stays until that is mended. */
static int leave_locked(struct fetching *f, struct chat_node *n, const struct chat_waiting *row)
{
	int *code = &f->fetched->locked;

	f->fetched->changed = f->fetched->changed || n->changed;
	*code = *code == EX_NOPERM ? *code : n->locked != 0 ? n->locked : *code;
	return leave(f, n, row);
}

static int visit(void *arg, const struct chat_waiting *row, struct err *e)
{
	struct fetching *f = arg;
	struct chat_node *n = chat_room_contact(f->room, row->from, e);
	int rc;

	if (n == NULL) {
		return e->code == EX_USAGE ? show_no_member(f, row, e) : -1;
	}
	if (!n->checked || (n->known && !n->member.keys.signs && !n->looked)) {
		f->unchecked++; /* no request can be made before this one is answered */
		n->wanted = true;
		return 0;
	}
	if (!n->changed && n->known && open_history(f, n, e) != 0) {
		return -1;
	}
	if (n->changed || (n->known && n->locked != 0)) {
		return leave_locked(f, n, row);
	}
	if ((!n->known || is_unsigned(n, row)) && is_young(row)) {
		return leave_unjudged(f, n, row);
	}
	if (n->known && chat_desk_begin(&f->room->desk, &n->c, e) != 0) {
		return -1;
	}
	rc = n->known ? receive(f, n, row, e) : show_stranger(f, n, e);
	if (rc != 0 && n->known && chat_room_is_broken(f->room, n, e)) {
		n->locked = EX_CONFIG;
		return leave_locked(f, n, row);
	}
	return rc == 0 ? mark_done(f, row->id, e) : -1;
}

static int check_wanted(struct fetching *f, struct err *e)
{
	for (struct chat_node *n = f->room->nodes; n != NULL; n = n->next) {
		if (!n->wanted) {
			continue;
		}
		n->wanted = false;
		n->looked = true;
		if (chat_room_check_signs(f->room, n, e) != 0 && !n->checked) {
			return -1;
		}
	}
	return 0;
}

static int tell_done(struct fetching *f, struct err *e)
{
	for (size_t at = 0; at < f->done_n; at += DONE_MAX) {
		size_t n = f->done_n - at < DONE_MAX ? f->done_n - at : DONE_MAX;
		if (enhanced_chat_done(f->room->client, (const uint8_t(*)[16])f->done + at, n, e) !=
			0) {
			return -1;
		}
	}
	f->fetched->packets += f->done_n;
	f->done_n = 0;
	return 0;
}

static int send_receipt(struct chat_room *r, struct chat_node *n, struct err *e)
{
	const struct chat_peer peer = chat_room_peer(n);
	struct sequence_number newest;
	struct chat_receipt receipt;
	struct buf packet = {0};
	size_t missing;
	int rc = sequence_missing(r->desk.dir, n->c.name, "chat", NULL, 0, &missing, &newest, e);

	if (rc == 0) {
		receipt = (struct chat_receipt){
			.highest = newest.number, .missing = missing, .time_us = message_now()};
		memcpy(receipt.stream, newest.stream, sizeof receipt.stream);
		rc = chat_receipt_write(&packet, &r->desk.self, &peer, &receipt, e);
	}
	rc = rc == 0 ? enhanced_chat_receipt(r->client, n->c.name, packet.p, packet.n, e) : rc;
	if (rc == 0 && r->account.verbose) {
		chat_detail_receipt(r, n, &receipt);
	}
	buf_free(&packet);
	return rc;
}

/* A contact who has gone meanwhile gets none. */
static int send_receipts(struct chat_room *r, struct err *e)
{
	for (struct chat_node *n = r->nodes; n != NULL; n = n->next) {
		if (n->came && send_receipt(r, n, e) != 0 && !r->client->alive) {
			return -1;
		}
		n->came = false;
	}
	return 0;
}

static int fetch_all(struct fetching *f, struct err *e)
{
	bool more = true;

	for (struct chat_node *n = f->room->nodes; n != NULL; n = n->next) {
		n->looked = n->left = false;
	}
	while (more || f->unchecked > 0) {
		size_t before = f->fetched->packets;
		bool asked = f->unchecked > 0, behind = f->behind;
		uint8_t after[16];
		memcpy(after, f->after, sizeof after);
		if (check_wanted(f, e) != 0) {
			return -1;
		}
		f->unchecked = 0;
		if (enhanced_chat_fetch(
			    f->room->client, 0, behind ? after : NULL, visit, f, &more, e) != 0 ||
			tell_done(f, e) != 0) {
			return -1;
		}
		if (f->fetched->packets == before && !asked && f->unchecked == 0 &&
			behind == f->behind && memcmp(after, f->after, sizeof after) == 0) {
			break; /* a server that says "more", and tells nothing new */
		}
	}
	return 0;
}

int chat_fetch(
	struct chat_room *r, chat_show *show, void *arg, struct chat_fetched *out, struct err *e)
{
	struct fetching f = {.room = r, .show = show, .arg = arg, .fetched = out};
	int lock = chat_desk_lock(&r->desk, CHAT_DESK_RECEIVING, e), rc;

	*out = (struct chat_fetched){0};
	if (lock < 0) {
		return -1;
	}
	chat_desk_anew(&r->desk);
	rc = fetch_all(&f, e);
	rc = rc == 0 ? chat_desk_done(&r->desk, e) : rc;
	rc = rc == 0 && !r->read ? chat_offers_give_up(r, e) : rc;
	free(f.done);
	(void)close(lock);
	r->read = r->read || rc == 0;
	rc = rc == 0 ? send_receipts(r, e) : rc;
	if (rc == 0 && r->crowded) {
		r->crowded = false;
		rc = chat_offers_top_up(r, NULL, e);
	}
	return rc;
}
