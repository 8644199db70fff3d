/* 10,000 messages of two members, with all that they keep on disk, through a server that lies: it
 * drops, doubles, holds back, alters, gives to the wrong one, hands one-time keys out twice and
 * makes some up; and receivers are killed in between. In the end each message was delivered once,
 * or it is named, and nothing else was delivered. What is random is drawn from CHAT_SEED, which is
 * printed. */
#include "faults.h"

#include "../../cmd/chat_receive.h"
#include "../../store/onetime.h"
#include "chat.h"
#include "dice.h"

enum {
	MESSAGES = MEMORY_FAILS != 0 ? 10000 : 1000, /* a sanitizer is slow */
	LARGE = 70000,
	OFFERS_AT_ONCE = 50
};

/* --- what there is --- */

/* A message as its writer knows it: the truth. */
struct sent {
	uint32_t pattern; /* of its body */
	size_t n;
	size_t arrived; /* in how many packets it was delivered */
	bool written_again;
};

/* A packet, of which the server may hold several copies. */
struct wire {
	struct buf b;
	uint64_t number; /* 0: it is a receipt */
	size_t arrived;
	bool reused; /* it answers an offer that was answered before */
};

struct letter {
	struct wire *wire;
	size_t bit;    /* that the server altered, from 1; 0: none */
	bool stranger; /* it is said to be Mallory's */
	bool returned; /* it is given to who wrote it, as the other's */
};

static struct side {
	struct member *member;
	struct chat_desk desk;
	struct chat_contact other, stranger;
	uint64_t taken; /* the newest offer that was answered */
	struct sent sent[MESSAGES + 1];
	uint64_t sent_n;
	/* the server's: offers for this side, and what waits for it */
	struct chat_offer offers[2 * MESSAGES];
	size_t offers_n, offers_at;
	struct letter queue[4 * MESSAGES];
	size_t queue_n;
	/* the receiver's numbers, as they must be */
	bool seen[MESSAGES + 1];
	uint64_t highest;
} sides[2];

static struct wire wires[3 * MESSAGES];
static size_t wires_n;

static struct {
	size_t dropped, doubled, held_back, altered, strange, again, made_up, none, killed;
	size_t delivered, late, gaps, repeated, twice, used, forged, receipts, cut;
} told;

static struct side *other_of(const struct side *s)
{
	return &sides[s == sides ? 1 : 0];
}

/* --- one who writes --- */

static void publish_offers(struct side *owner)
{
	static struct x25519_pair pairs[OFFERS_AT_ONCE];
	struct side *to = other_of(owner);
	uint64_t first;

	assert_int_equal(
		onetime_make(owner->desk.dir, to->member->name, OFFERS_AT_ONCE, pairs, &first, &e),
		0);
	for (size_t i = 0; i < OFFERS_AT_ONCE; i++) {
		assert_true(to->offers_n < COUNT(to->offers));
		assert_int_equal(chat_offer_make(&to->offers[to->offers_n++], &owner->member->self,
					 &to->member->peer, first + i, &pairs[i], &e),
			0);
	}
}

/* What the server hands out. false: it says that there is none. */
static bool hand_out(struct side *s, struct chat_offer *out)
{
	if (one_in(100)) {
		told.none++;
		return false;
	}
	if (s->offers_at > 0 && one_in(50)) { /* one that it gave before */
		told.again++;
		*out = s->offers[draw((uint32_t)s->offers_at)];
		return true;
	}
	if (s->offers_at == s->offers_n) {
		publish_offers(other_of(s));
	}
	*out = s->offers[s->offers_at++];
	if (one_in(100)) { /* another number, another key, another signature */
		told.made_up++;
		((uint8_t *)out)[draw(sizeof *out)] ^= 0x10;
	}
	return true;
}

/* An offer that is the other's and was not used; or, of one who lost his memory, any of the
 * other's. */
static bool take_offer(struct side *s, struct chat_offer *out, bool *reused)
{
	const bool careless = one_in(100);

	while (hand_out(s, out)) {
		if (chat_offer_check(out, &s->member->self, &other_of(s)->member->peer, &e) != 0) {
			continue;
		}
		*reused = out->number <= s->taken;
		if (!*reused || careless) {
			s->taken = out->number > s->taken ? out->number : s->taken;
			return true;
		}
	}
	return false;
}

static struct wire *write_message(struct side *s, uint64_t number, const uint8_t *stream)
{
	const struct sent *m = &s->sent[number];
	struct wire *w = &wires[wires_n++];
	struct chat_message out = {.number = number, .time_us = 1, .kind = CHAT_FILE, .name = "f"};
	struct chat_offer offer;

	assert_true(wires_n < COUNT(wires));
	memcpy(out.stream, stream, sizeof out.stream);
	assert_int_equal(buf_reserve(&out.body, m->n), 0);
	fill_pattern(out.body.p, m->n, m->pattern);
	out.body.n = m->n;
	w->number = number;
	int rc = take_offer(s, &offer, &w->reused)
			 ? chat_write(&w->b, &s->member->self, &other_of(s)->member->peer, &offer,
				   &out, &e)
			 : chat_write_sealed(
				   &w->b, &s->member->self, &other_of(s)->member->peer, &out, &e);
	if (rc != 0) {
		fail_msg("%s", e.text);
	}
	buf_free(&out.body);
	return w;
}

static struct wire *write_receipt(struct side *s)
{
	struct chat_receipt r = {.time_us = (int64_t)wires_n};
	struct sequence_number newest;
	struct wire *w = &wires[wires_n++];
	size_t missing;

	assert_int_equal(sequence_missing(s->desk.dir, other_of(s)->member->name, "chat", NULL, 0,
				 &missing, &newest, &e),
		0);
	memcpy(r.stream, newest.stream, sizeof r.stream);
	r.highest = newest.number;
	r.missing = missing;
	assert_int_equal(
		chat_receipt_write(&w->b, &s->member->self, &other_of(s)->member->peer, &r, &e), 0);
	return w;
}

/* --- the server --- */

static void put(struct side *to, struct letter l)
{
	size_t at = to->queue_n;

	assert_true(to->queue_n < COUNT(to->queue));
	if (to->queue_n > 0 && one_in(10)) { /* ahead of others, or they behind it */
		at = draw((uint32_t)to->queue_n);
		told.held_back++;
	}
	to->queue[to->queue_n++] = to->queue[at];
	to->queue[at] = l;
}

static void carry(struct side *from, struct wire *w)
{
	struct side *to = other_of(from);
	const struct letter honest = {.wire = w};
	struct letter lie = honest;

	switch (draw(20)) {
	case 0:
		told.dropped++;
		return;
	case 1:
		told.doubled++;
		put(to, honest);
		break;
	case 2: /* the altered one alone, or beside the sound one */
		told.altered++;
		lie.bit = 1 + draw((uint32_t)(w->b.n * 8));
		put(to, lie);
		if (one_in(2)) {
			return;
		}
		break;
	case 3:
	case 4: /* to the other as Mallory's, or back to its writer as the other's */
		told.strange++;
		lie.stranger = one_in(2);
		lie.returned = !lie.stranger;
		put(lie.stranger ? to : from, lie);
		break;
	default:
		break;
	}
	put(to, honest);
}

/* --- one who reads --- */

static void open_contacts(struct side *s)
{
	assert_int_equal(chat_contact_open(&s->other, &s->desk, other_of(s)->member->name, &e), 0);
	assert_int_equal(chat_contact_open(&s->stranger, &s->desk, "mallory", &e), 0);
}

static void close_contacts(struct side *s)
{
	chat_contact_close(&s->other);
	chat_contact_close(&s->stranger);
}

/* Now and then it is killed in the middle: from one of its calls on nothing reaches the disk. Then
 * it is run again. *killed: it was. */
static void receive(struct side *s, const struct letter *l, struct chat_came *came, bool *killed)
{
	const struct buf *b = &l->wire->b;
	struct chat_contact *c = l->stranger ? &s->stranger : &s->other;
	const struct chat_peer *peer = l->stranger ? &mallory.peer : &other_of(s)->member->peer;
	const bool cut = one_in(50);
	int rc = 0;

	*killed = !cut && one_in(50);
	if (*killed) {
		assert_int_equal(chat_desk_begin(&s->desk, c, &e), 0);
		assert_int_equal(c->undone, 0);
	}
	cut_off(cut ? 2 : 0, &s->desk, c, peer, b);
	told.cut += cut ? 1 : 0;
	faults.calls = 0;
	faults.onwards = true;
	faults.error = EIO;
	faults.at = *killed ? 1 + (long)draw(60) : 0;
	rc = chat_receive(c, peer, b->p, b->n, came, &e);
	faults.at = 0;
	*killed = rc != 0 || cut;
	if (rc != 0) {
		told.killed++;
		chat_came_free(came);
		close_contacts(s);
		open_contacts(s);
		assert_int_equal(chat_desk_begin(&s->desk, c, &e), 0);
		assert_true(c->undone > 0);
		rc = chat_receive(c, peer, b->p, b->n, came, &e);
	}
	assert_int_equal(chat_desk_done(&s->desk, &e), 0);
	if (rc != 0) {
		fail_msg("%s", e.text);
	}
}

/* A message was delivered: it is one that was sent, whole, and its place is told truly. */
static void judge_message(
	struct side *s, const struct letter *l, const struct chat_came *came, bool killed)
{
	struct sent *m = &other_of(s)->sent[came->note.number];
	uint64_t number = came->note.number;
	uint8_t *wanted = malloc(m->n + 1);
	enum sequence_how how = s->seen[number]            ? SEQUENCE_REPEATED
				: number < s->highest      ? SEQUENCE_LATE
				: s->highest == 0          ? SEQUENCE_FIRST
				: number == s->highest + 1 ? SEQUENCE_NEXT
							   : SEQUENCE_GAP;

	assert_int_equal(number, l->wire->number);
	assert_non_null(wanted);
	fill_pattern(wanted, m->n, m->pattern);
	assert_int_equal(came->body.n, m->n);
	assert_memory_equal(came->body.p, wanted, m->n);
	free(wanted);
	assert_int_equal(came->note.no_fs, l->wire->b.p[0] == CHAT_PACKET_SEALED);
	assert_true(came->place.how == how || (killed && came->place.how == SEQUENCE_KNOWN));
	assert_true(how != SEQUENCE_REPEATED || m->written_again || killed);
	assert_true(killed || l->wire->arrived == 0);
	told.late += how == SEQUENCE_LATE ? 1 : 0;
	told.gaps += how == SEQUENCE_GAP ? 1 : 0;
	told.repeated += how == SEQUENCE_REPEATED ? 1 : 0;
	told.delivered += how == SEQUENCE_REPEATED ? 0 : 1;
	s->seen[number] = true;
	s->highest = number > s->highest ? number : s->highest;
	m->arrived += l->wire->arrived == 0 ? 1 : 0;
	l->wire->arrived++;
}

static void judge(struct side *s, const struct letter *l, const struct chat_came *came, bool killed)
{
	const bool sound = l->bit == 0 && !l->stranger && !l->returned;
	const struct sent *m = &other_of(s)->sent[l->wire->number];

	switch (came->verdict) {
	case CHAT_CAME_MESSAGE:
		assert_true(sound && l->wire->number > 0);
		judge_message(s, l, came, killed);
		break;
	case CHAT_CAME_TWICE:
		assert_true(sound && (l->wire->arrived > 0 ||
					     (killed && m->written_again &&
						     l->wire->b.p[0] == CHAT_PACKET_SEALED)));
		told.twice++;
		break;
	case CHAT_CAME_USED:
		assert_true(!sound || l->wire->reused || m->written_again || l->wire->arrived == 0);
		told.used++;
		break;
	case CHAT_CAME_UNKNOWN:
	case CHAT_CAME_FORGED:
		assert_false(sound);
		told.forged++;
		break;
	case CHAT_CAME_RECEIPT:
	case CHAT_CAME_NOTHING:
		if (l->wire->number > 0) { /* packed anew, and known by what it says */
			assert_true(sound && m->written_again && m->arrived == 1);
			l->wire->arrived++;
			told.repeated++;
			break;
		}
		assert_true(sound && l->wire->number == 0 && came->note.number <= s->sent_n);
		told.receipts++;
		break;
	}
}

static void alter(const struct letter *l)
{
	if (l->bit > 0) {
		l->wire->b.p[(l->bit - 1) / 8] ^= (uint8_t)(1 << (l->bit - 1) % 8);
	}
}

static void fetch_one(struct side *s)
{
	const struct letter l = s->queue[0];
	struct chat_came came;
	bool killed;

	memmove(s->queue, s->queue + 1, --s->queue_n * sizeof s->queue[0]);
	alter(&l);
	receive(s, &l, &came, &killed);
	alter(&l);
	judge(s, &l, &came, killed);
	chat_came_free(&came);
}

/* --- all of it --- */

static void begin_side(struct side *s, struct member *m, const char *name)
{
	assert_int_equal(mkdirat(folder.fd, name, 0700), 0);
	s->member = m;
	s->desk = (struct chat_desk){
		.dir = openat(folder.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.self = m->self};
	assert_true(s->desk.dir >= 0);
}

static void send_one(struct side *s)
{
	struct sequence_number number;
	struct sent *m;

	assert_int_equal(
		sequence_next(s->desk.dir, other_of(s)->member->name, "chat", &number, &e), 0);
	m = &s->sent[number.number];
	m->pattern = draw(UINT32_MAX);
	m->n = one_in(500) ? LARGE : draw(200);
	s->sent_n = number.number;
	carry(s, write_message(s, number.number, number.stream));
	if (one_in(100)) { /* it is not sure that it went, and packs it anew */
		m->written_again = true;
		carry(s, write_message(s, number.number, number.stream));
	}
	if (one_in(50)) {
		carry(s, write_receipt(s));
	}
}

/* What the receiver says is missing is what did not come; all else came once, or was written
 * twice. */
static void judge_end(struct side *s)
{
	static uint64_t missing[SEQUENCE_GAPS_MAX];
	const struct side *from = other_of(s);
	struct sequence_number newest;
	size_t n, at = 0;

	assert_int_equal(sequence_missing(s->desk.dir, from->member->name, "chat", missing,
				 COUNT(missing), &n, &newest, &e),
		0);
	assert_int_equal(newest.number, s->highest);
	for (uint64_t i = 1; i <= from->sent_n; i++) {
		const bool named = i > s->highest || (at < n && missing[at] == i);
		at += named && i <= s->highest ? 1 : 0;
		if (named ? from->sent[i].arrived != 0
			  : from->sent[i].arrived != 1 && !from->sent[i].written_again) {
			fail_msg("message %d: delivered %zu times, %s", (int)i,
				from->sent[i].arrived, named ? "missing" : "not missing");
		}
	}
	assert_int_equal(at, n);
}

/* The history has what was delivered, and no more. */
static void judge_history(struct side *s)
{
	static size_t kept[MESSAGES + 1];

	memset(kept, 0, sizeof kept);
	close_contacts(s);
	open_contacts(s);
	for (size_t i = 0; i < s->other.in_n; i++) {
		kept[s->other.in[i].number]++;
	}
	for (uint64_t i = 1; i <= other_of(s)->sent_n; i++) {
		assert_int_equal(kept[i], other_of(s)->sent[i].arrived);
	}
	assert_int_equal(s->stranger.in_n, 0);
}

static void ten_thousand(void **state)
{
	(void)make_members(state);
	draw_seed("CHAT_SEED");
	faults.no_syncs = true;
	begin_side(&sides[0], &alice, "alice_chat");
	begin_side(&sides[1], &bob, "bob_chat");
	open_contacts(&sides[0]);
	open_contacts(&sides[1]);
	for (int i = 0; i < MESSAGES; i++) {
		struct side *s = &sides[draw(2)];
		send_one(s);
		for (s = &sides[draw(2)]; s->queue_n > 0 && !one_in(8);) {
			fetch_one(s);
		}
	}
	for (int i = 0; i < 2; i++) {
		while (sides[i].queue_n > 0) {
			fetch_one(&sides[i]);
		}
	}
	for (int i = 0; i < 2; i++) {
		judge_end(&sides[i]);
		judge_history(&sides[i]);
		close_contacts(&sides[i]);
		(void)close(sides[i].desk.dir);
	}
	print_message("# dropped %zu, doubled %zu, held back %zu, altered %zu, gave elsewhere %zu; "
		      "offers again %zu, made up %zu, none %zu; killed %zu\n",
		told.dropped, told.doubled, told.held_back, told.altered, told.strange, told.again,
		told.made_up, told.none, told.killed);
	print_message("# delivered %zu (late %zu, behind a gap %zu), repeated %zu, twice %zu, "
		      "to used keys %zu, forged %zu; receipts %zu\n",
		told.delivered, told.late, told.gaps, told.repeated, told.twice, told.used,
		told.forged, told.receipts);
	/* each lie was told */
	assert_true(told.delivered > MESSAGES * 8 / 10 && told.late > 9 && told.gaps > 9);
	assert_true(told.repeated > 0 && told.twice > 9 && told.used > 0 && told.forged > 9);
	assert_true(told.killed > 0 && told.cut > 0 && told.receipts > 0);
	while (wires_n > 0) {
		buf_free(&wires[--wires_n].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("10,000 messages through a lying server: each once, or named",
			ten_thousand),
	};
	return RUN(tests);
}
