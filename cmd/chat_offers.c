/* One-time keys for others; see chat_offers.h. */
#include "chat_offers.h"

#include <fcntl.h>

#include "../store/onetime.h"
#include "chat_state.h"

struct member {
	struct members_row row;
	uint64_t held;
	unsigned rank; /* lower ones first */
};

struct members {
	const struct chat_room *room;
	const char *first;
	struct member rows[CHAT_OFFERS_MEMBERS];
	size_t n;
};

/* --- who there is --- */

static bool talked_to(const struct chat_room *r, const char *name)
{
	return history_look(r->desk.dir, name) != HISTORY_NONE;
}

static int add_member(void *arg, const struct members_row *row, struct err *e)
{
	struct members *m = arg;
	struct member new = {.row = *row, .rank = 2};
	size_t last = 0;

	(void)e;
	if (!row->has_keys || strcmp(row->name, m->room->account.user) == 0) {
		return 0;
	}
	if (m->first != NULL && strcmp(row->name, m->first) == 0) {
		new.rank = 0;
	} else if (talked_to(m->room, row->name)) {
		new.rank = 1;
	}
	if (m->n < CHAT_OFFERS_MEMBERS) {
		m->rows[m->n++] = new;
		return 0;
	}
	for (size_t i = 1; i < m->n; i++) {
		last = m->rows[i].rank > m->rows[last].rank ? i : last;
	}
	if (m->rows[last].rank > new.rank) {
		m->rows[last] = new; /* in place of a stranger */
	}
	return 0;
}

static int add_held(void *arg, const struct chat_held *held, struct err *e)
{
	struct members *m = arg;

	(void)e;
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->rows[i].row.name, held->to) == 0) {
			m->rows[i].held = held->held;
		}
	}
	return 0;
}

static int by_rank(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : strcmp(x->row.name, y->row.name);
}

/* --- for one of them --- */

static const int64_t DAY_US = (int64_t)86400 * 1000000;

/* By a clock that may have jumped: what is from the future is replaced, too. */
static bool is_due(const struct chat_state_keys *s, int days)
{
	int64_t age = message_now() - s->renewed_us;

	return age < 0 || age > days * DAY_US;
}

/* None that was made until now is with the server any more: note it. */
static int note_renewed(
	struct chat_room *r, const char *contact, struct chat_state_keys *s, struct err *e)
{
	size_t kept;

	if (onetime_count(r->desk.dir, contact, 0, &kept, &s->renewed_from, e) != 0) {
		return -1;
	}
	s->renewed_us = message_now();
	return chat_state_save(&r->desk, contact, s, e);
}

/* Offers that are old, that were made with other keys, or whose private halves are lost, are
 * withdrawn. s: what is remembered then. renew: old ones can be replaced now; where they cannot,
 * time after time, those that should be destroyed by now are withdrawn all the same. */
static int withdraw(struct chat_room *r, const struct chat_peer *peer, bool renew, uint64_t *held,
	struct chat_state_keys *s, struct err *e)
{
	uint8_t signer[HASH_BYTES];
	bool same, again;

	if (chat_state_load(&r->desk, peer->name, s, e) != 0) {
		return -1;
	}
	hash_of(r->own.p256.public, P256_PUBLIC, signer);
	same = s->offered && memcmp(s->to, peer->keys->x25519, sizeof s->to) == 0 &&
	       memcmp(s->by, r->own.x25519.public, sizeof s->by) == 0;
	again = same && memcmp(s->signed_by, signer, sizeof signer) == 0;
	if (again && !is_due(s, renew ? CHAT_OFFERS_STAND_DAYS : CHAT_OFFERS_KEPT_DAYS)) {
		return 0;
	}
	if (*held > 0 && enhanced_chat_withdraw(r->client, peer->name, e) != 0) {
		return -1;
	}
	/* by another signing key alone, what answers them already is readable still */
	if (s->offered && !same && onetime_destroy_all(r->desk.dir, peer->name, e) != 0) {
		return -1;
	}
	*held = 0;
	s->offered = true;
	memcpy(s->to, peer->keys->x25519, sizeof s->to);
	memcpy(s->by, r->own.x25519.public, sizeof s->by);
	memcpy(s->signed_by, signer, sizeof s->signed_by);
	return note_renewed(r, peer->name, s, e);
}

static int make(struct chat_room *r, const struct chat_peer *peer, size_t count, struct err *e)
{
	static struct chat_offer offers[CHAT_OFFERS_MANY];
	static struct x25519_pair pairs[CHAT_OFFERS_MANY];
	bool refused = true; /* before they are asked for */
	uint64_t first, held;
	int rc = onetime_make(r->desk.dir, peer->name, count, pairs, &first, e);

	if (rc != 0) {
		return -1;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = chat_offer_make(&offers[i], &r->desk.self, peer, first + i, &pairs[i], e);
	}
	wipe(pairs, sizeof pairs);
	rc = rc == 0 ? enhanced_chat_offer(r->client, peer->name, offers, count, &held, &refused, e)
		     : -1;
	for (size_t i = 0; rc != 0 && refused && i < count; i++) {
		/* nobody has them: they answer nothing; what stays grows old with the others */
		(void)onetime_destroy(r->desk.dir, peer->name, first + i, NULL);
	}
	return rc;
}

/* Not each one that was given away is answered: its taker may have lost it, or what he wrote waits.
 * But a server that says it has none left may keep all of them, and what answers them: the more we
 * make, the more can it open with our keys, and the sooner must old ones go. */
static void tell_crowded(struct chat_room *r, const char *name, uint64_t held, size_t kept)
{
	struct chat_node *n = chat_room_contact(r, name, &(struct err){0});

	if (r->reads && !r->read) {
		r->crowded = true; /* first what waits is read: it may answer them */
	} else if (n != NULL && (!n->crowded || r->account.verbose)) {
		n->crowded = true;
		cli_note(r->cli,
			"the server says that it holds %llu of our one-time keys for %s, and of "
			"%zu none is answered: that is not plausible%s; no more are made for now",
			(unsigned long long)held, name, kept,
			r->read ? "" : ", unless as many messages wait (chat --wait)");
	}
}

/* As many as are missing, and no more than the budget has. */
static int top_up_one(struct chat_room *r, const struct chat_peer *peer, struct member *m,
	size_t *budget, struct err *e)
{
	size_t want = talked_to(r, peer->name) ? CHAT_OFFERS_MANY : CHAT_OFFERS_FEW;
	size_t missing, kept, room;
	struct chat_state_keys s;
	uint64_t next;

	if (withdraw(r, peer, *budget >= want, &m->held, &s, e) != 0 ||
		onetime_count(r->desk.dir, peer->name, s.renewed_from, &kept, &next, e) != 0) {
		return -1;
	}
	missing = m->held < want ? want - (size_t)m->held : 0;
	room = kept < CHAT_OFFERS_UNANSWERED ? CHAT_OFFERS_UNANSWERED - kept : 0;
	if (missing > 0 && room == 0) {
		tell_crowded(r, peer->name, m->held, kept);
	}
	missing = missing < room ? missing : room;
	missing = missing < *budget ? missing : *budget;
	if (missing == 0) {
		return 0;
	}
	*budget -= missing;
	if (r->account.verbose) {
		chat_room_note(r, "%zu new one-time keys for %s", missing, peer->name);
	}
	return make(r, peer, missing, e);
}

/* Whom we know is held against what is pinned. Others are pinned when we write to them or they to
 * us: until then a one-time key for them is for whomever the directory says, and serves for
 * nothing else. */
static int top_up_member(struct chat_room *r, struct member *m, size_t *budget, struct err *e)
{
	struct chat_node *n = chat_room_contact(r, m->row.name, e);
	struct chat_peer peer = {.name = m->row.name, .keys = &m->row.keys};

	if (n == NULL) {
		return -1;
	}
	if (n->known && !n->checked && chat_room_see(r, n, &m->row, e) != 0 && !n->changed) {
		return -1;
	}
	if (n->known) {
		peer.keys = &n->member.keys;
	}
	return n->changed ? 0 : top_up_one(r, &peer, m, budget, e);
}

/* --- all --- */

/* What is damaged of one member's keeps no other from his; but a command that writes to him ends
 * with it, and one that reads what waits does not. */
static bool is_passed_over(
	struct chat_room *r, const struct members *m, const char *name, const struct err *e)
{
	struct chat_node *n = chat_room_contact(r, name, &(struct err){0});
	bool first = m->first != NULL && strcmp(m->first, name) == 0;

	return n != NULL && (!first || r->reads) && chat_room_is_broken(r, n, e);
}

static bool is_listed(const struct members *m, const char *name)
{
	size_t i = 0;

	while (i < m->n && strcmp(m->rows[i].row.name, name) != 0) {
		i++;
	}
	return i < m->n;
}

/* Were his looked after as one of the members? */
static bool is_topped_up(const struct members *m, const struct chat_node *n)
{
	return is_listed(m, n->c.name) && !n->changed;
}

/* Whom no others are made for: his old ones are withdrawn. */
static int withdraw_old(struct chat_room *r, const char *contact, struct err *e)
{
	struct chat_state_keys s;

	if (chat_state_load(&r->desk, contact, &s, e) != 0) {
		return -1;
	}
	return !is_due(&s, CHAT_OFFERS_STAND_DAYS) ? 0
	       : enhanced_chat_withdraw(r->client, contact, e) != 0
		       ? -1
		       : note_renewed(r, contact, &s, e);
}

/* Whom the directory does not have, or another key of, or who was left out, as there are too many:
 * what is kept here grows old whatever the server lists. */
static int withdraw_others(struct chat_room *r, const struct members *m, struct err *e)
{
	struct chat_names names = {0};
	int rc = chat_desk_names(&r->desk, ".onetime", &names, e);

	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		const char *name = names.names[i];
		const struct chat_node *n = chat_room_contact(r, name, e);
		if (n == NULL && e->code == EX_USAGE) { /* no name of a user's */
			continue;
		}
		rc = n == NULL ? -1 : is_topped_up(m, n) ? 0 : withdraw_old(r, name, e);
		rc = rc != 0 && is_passed_over(r, m, name, e) ? 0 : rc;
	}
	free(names.names);
	return rc;
}

/* With our turn: two commands at once would both make what is missing. */
static int top_up(struct chat_room *r, struct members *m, struct err *e)
{
	size_t budget = CHAT_OFFERS_AT_ONCE;

	if (enhanced_members_list(r->client, add_member, m, e) != 0 ||
		enhanced_chat_offers(r->client, add_held, m, e) != 0) {
		return -1;
	}
	qsort(m->rows, m->n, sizeof m->rows[0], by_rank);
	for (size_t i = 0; i < m->n; i++) {
		if (top_up_member(r, &m->rows[i], &budget, e) != 0 &&
			!is_passed_over(r, m, m->rows[i].row.name, e)) {
			return -1;
		}
	}
	return withdraw_others(r, m, e);
}

int chat_offers_top_up(struct chat_room *r, const char *first, struct err *e)
{
	struct members *m = calloc(1, sizeof *m);
	int lock, rc;

	if (m == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	m->room = r;
	m->first = first;
	lock = chat_desk_lock(&r->desk, CHAT_DESK_SENDING, e);
	rc = lock < 0 ? -1 : top_up(r, m, e);
	if (lock >= 0) {
		(void)close(lock);
	}
	free(m);
	return rc;
}

/* --- what is too old --- */

static int give_up(struct chat_room *r, const char *contact, struct err *e)
{
	int64_t now = message_now();
	struct chat_state_keys s;
	size_t n;

	if (chat_state_load(&r->desk, contact, &s, e) != 0) {
		return -1;
	}
	if (s.renewed_us == 0 || now - s.renewed_us < CHAT_OFFERS_LATE_DAYS * DAY_US) {
		return 0;
	}
	if (onetime_destroy_old(r->desk.dir, contact, s.renewed_from,
		    (now - CHAT_OFFERS_KEPT_DAYS * DAY_US) / 1000000, &n, e) != 0) {
		return -1;
	}
	if (n > 0 && r->account.verbose) {
		cli_note(r->cli, "%zu old one-time keys for %s are destroyed", n, contact);
	}
	return 0;
}

int chat_offers_give_up(struct chat_room *r, struct err *e)
{
	struct chat_names names;
	int rc = chat_desk_names(&r->desk, ".onetime", &names, e);

	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		struct chat_node *n = chat_room_contact(r, names.names[i], e);
		rc = n != NULL && !n->left ? give_up(r, names.names[i], e) : 0;
		rc = rc != 0 && chat_room_is_broken(r, n, e) ? 0 : rc;
	}
	free(names.names);
	return rc;
}
