/* Chat over the wire, both halves: offers, packets, waiting, presence. */
#include "host.h"

static const uint8_t stream[CHAT_STREAM] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct chat_offer offer_of(uint8_t seed)
{
	struct chat_offer o = {.number = seed | 0x0102030400000000u};

	fill_pattern(o.first, sizeof o.first, seed);
	fill_pattern(o.signature, sizeof o.signature, seed + 1u);
	return o;
}

static int post(struct mail_client *c, const char *to, uint64_t number, const char *text)
{
	bool again = true;
	int rc = enhanced_chat_send(c, to, stream, number, text, strlen(text), &again, &e);

	assert_true(rc != 0 || !again);
	return rc;
}

/* --- what is fetched --- */

static struct {
	uint8_t id[16];
	char from[USER_NAME_MAX + 1], text[32];
	int64_t us;
	size_t n;
} got[1000];
static size_t got_n;
static uint32_t got_hash; /* of the last one */

static int take(void *arg, const struct chat_waiting *row, struct err *why)
{
	size_t n = row->n < sizeof got[0].text ? row->n : sizeof got[0].text - 1;

	(void)arg;
	(void)why;
	assert_true(got_n < COUNT(got));
	memcpy(got[got_n].id, row->id, sizeof row->id);
	memcpy(got[got_n].from, row->from, sizeof row->from);
	memcpy(got[got_n].text, row->packet, n);
	got[got_n].text[n] = '\0';
	got[got_n].us = row->us;
	got_hash = fnv1a(row->packet, row->n);
	got[got_n++].n = row->n;
	return 0;
}

static const uint8_t *fetch_after; /* or NULL */

static bool fetch(struct mail_client *c, uint64_t limit)
{
	bool more;

	got_n = 0;
	if (enhanced_chat_fetch(c, limit, fetch_after, take, NULL, &more, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return more;
}

static void done(struct mail_client *c, size_t n)
{
	uint8_t ids[COUNT(got)][16];

	for (size_t i = 0; i < n; i++) {
		memcpy(ids[i], got[i].id, 16);
	}
	assert_int_equal(enhanced_chat_done(c, (const uint8_t(*)[16])ids, n, &e), 0);
}

static uint64_t waiting(struct mail_client *c)
{
	uint64_t n;

	assert_int_equal(enhanced_chat_wait(c, 0, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(c, &n, &e), 0);
	return n;
}

/* --- offers --- */

struct rows {
	size_t n;
	struct chat_held rows[8];
};

static int see_held(void *arg, const struct chat_held *row, struct err *why)
{
	struct rows *r = arg;

	(void)why;
	assert_true(r->n < COUNT(r->rows));
	r->rows[r->n++] = *row;
	return 0;
}

static void offers(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob"), *carol = log_in("carol");
	const struct chat_offer made[] = {offer_of(1), offer_of(2), offer_of(3)};
	struct chat_offer taken;
	struct rows held = {0};
	uint64_t n;
	bool none, refused = false;

	(void)state;
	assert_int_equal(enhanced_chat_offers(bob, see_held, &held, &e), 0);
	assert_int_equal(held.n, 0);
	assert_int_equal(enhanced_chat_offer(bob, "alice", made, 3, &n, NULL, &e), 0);
	assert_int_equal(n, 3);
	assert_int_equal(enhanced_chat_take(carol, "bob", &taken, &none, &e), 0);
	assert_true(none); /* they are alice's */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(enhanced_chat_take(alice, "bob", &taken, &none, &e), 0);
		assert_false(none);
		assert_int_equal(taken.number, made[i].number);
		assert_memory_equal(taken.first, made[i].first, sizeof taken.first);
		assert_memory_equal(taken.signature, made[i].signature, sizeof taken.signature);
	}
	assert_int_equal(enhanced_chat_offers(bob, see_held, &held, &e), 0);
	assert_int_equal(held.n, 1);
	assert_string_equal(held.rows[0].to, "alice");
	assert_int_equal(held.rows[0].held, 1);
	assert_int_equal(enhanced_chat_withdraw(bob, "alice", &e), 0);
	assert_int_equal(enhanced_chat_take(alice, "bob", &taken, &none, &e), 0);
	assert_true(none);
	assert_refused(enhanced_chat_take(alice, "nobody", &taken, &none, &e), e, EX_NOUSER);
	assert_refused(
		enhanced_chat_offer(alice, "nobody", made, 1, &n, &refused, &e), e, EX_NOUSER);
	assert_true(refused);
	assert_int_equal(enhanced_chat_withdraw(alice, "nobody", &e), 0); /* who is gone */
	log_out(alice);
	log_out(bob);
	log_out(carol);
}

static void too_many_offers(void **state)
{
	struct mail_client *bob = log_in("bob");
	struct chat_offer made[ENHANCED_CHAT_OFFERS + 1];
	bool refused = false;
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(made); i++) {
		made[i] = offer_of((uint8_t)i);
	}
	assert_refused(enhanced_chat_offer(bob, "alice", made, COUNT(made), &n, &refused, &e), e,
		EX_DATAERR);
	assert_refused(enhanced_chat_offer(bob, "alice", made, 0, &n, NULL, &e), e, EX_DATAERR);
	assert_int_equal(
		enhanced_chat_offer(bob, "alice", made, ENHANCED_CHAT_OFFERS, &n, &refused, &e), 0);
	assert_false(refused);
	assert_int_equal(n, ENHANCED_CHAT_OFFERS);
	assert_refused(
		enhanced_chat_offer(bob, "alice", made, 1, &n, &refused, &e), e, EX_TEMPFAIL);
	assert_true(refused);
	assert_true(bob->alive);
	log_out(bob);
}

/* --- packets --- */

static void packets(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");
	bool again;

	(void)state;
	assert_int_equal(post(alice, "bob", 1, "one"), 0);
	assert_int_equal(post(alice, "bob", 2, "two"), 0);
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 2, "two", 3, &again, &e), 0);
	assert_true(again);
	assert_int_equal(post(alice, "bob", 3, "three"), 0);
	assert_int_equal(enhanced_chat_receipt(alice, "bob", "old", 3, &e), 0);
	assert_int_equal(enhanced_chat_receipt(alice, "bob", "new", 3, &e), 0);
	assert_int_equal(waiting(bob), 4);
	assert_true(fetch(bob, 2));
	assert_int_equal(got_n, 2);
	assert_false(fetch(bob, 0));
	assert_int_equal(got_n, 4);
	assert_string_equal(got[0].text, "new");
	assert_string_equal(got[1].text, "one");
	assert_string_equal(got[2].text, "two");
	assert_string_equal(got[3].text, "three");
	assert_string_equal(got[3].from, "alice");
	assert_true(got[3].us > 1600000000000000 && got[2].us < got[3].us);
	assert_false(fetch(bob, 4));
	assert_int_equal(got_n, 4); /* nothing was done */
	done(bob, 3);
	assert_false(fetch(bob, 0));
	assert_int_equal(got_n, 1);
	assert_string_equal(got[0].text, "three");
	done(bob, 1);
	done(bob, 1);
	assert_false(fetch(bob, 0));
	assert_int_equal(got_n, 0);
	assert_false(fetch(alice, 0));
	assert_int_equal(got_n, 0);
	assert_refused(
		enhanced_chat_send(alice, "nobody", stream, 1, "x", 1, &again, &e), e, EX_NOUSER);
	assert_int_equal(post(alice, "eve", 1, "who has no keys"), 0);
	log_out(alice);
	log_out(bob);
}

static void every_size(void **state)
{
	static const size_t sizes[] = {1, ENHANCED_PIECE, ENHANCED_PIECE + 1, 1000000,
		ENHANCED_CHAT_BYTES, ENHANCED_CHAT_PACKET};
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");
	uint8_t *p = malloc(ENHANCED_CHAT_PACKET + 1);
	bool again;

	(void)state;
	fill_pattern(p, ENHANCED_CHAT_PACKET + 1, 1);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(
			enhanced_chat_send(alice, "bob", stream, i + 1, p, sizes[i], &again, &e),
			0);
		assert_false(fetch(bob, 0));
		assert_int_equal(got_n, 1);
		assert_int_equal(got[0].n, sizes[i]);
		assert_int_equal(got_hash, fnv1a(p, sizes[i]));
		done(bob, 1);
	}
	/* an answer ends when it has many bytes */
	for (uint64_t i = 10; i < 12; i++) {
		assert_int_equal(enhanced_chat_send(alice, "bob", stream, i, p, ENHANCED_CHAT_BYTES,
					 &again, &e),
			0);
	}
	assert_true(fetch(bob, 0));
	assert_int_equal(got_n, 1);
	assert_refused(enhanced_chat_receipt(alice, "bob", p, ENHANCED_CHAT_RECEIPT + 1, &e), e,
		EX_DATAERR);
	assert_int_equal(enhanced_chat_receipt(alice, "bob", p, ENHANCED_CHAT_RECEIPT, &e), 0);
	assert_refused(
		enhanced_chat_send(alice, "bob", stream, 20, p, 0, &again, &e), e, EX_DATAERR);
	assert_true(alice->alive);
	assert_int_equal(enhanced_chat_send(
				 alice, "bob", stream, 21, p, ENHANCED_CHAT_PACKET + 1, &again, &e),
		-1);
	assert_false(alice->alive);
	free(p);
	log_out(alice);
	log_out(bob);
}

/* --- waiting --- */

static bool readable(struct mail_client *c, int ms)
{
	struct pollfd p = {.fd = enhanced_chat_fd(c), .events = POLLIN};

	return enhanced_chat_has_bytes(c) || poll(&p, 1, ms) > 0;
}

static bool is_present(struct mail_client *c, const char *name, int64_t *last_us)
{
	struct chat_presence p;

	assert_int_equal(enhanced_chat_presence(c, name, &p, &e), 0);
	*last_us = p.last_us;
	return p.present;
}

/* Until the server has the wait that was just sent. */
static void await_presence(struct mail_client *c, const char *name)
{
	int64_t us;

	for (int i = 0; i < 2000 && !is_present(c, name, &us); i++) {
		(void)poll(NULL, 0, 5);
	}
	assert_true(is_present(c, name, &us));
}

static void await_absence(struct mail_client *c, const char *name)
{
	int64_t us;

	for (int i = 0; i < 2000 && is_present(c, name, &us); i++) {
		(void)poll(NULL, 0, 5);
	}
	assert_false(is_present(c, name, &us));
}

static void woken_at_once(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob"), *carol = log_in("carol");
	uint64_t n;
	int64_t us;

	(void)state;
	assert_false(is_present(alice, "bob", &us));
	assert_int_equal(us, 0);
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	await_presence(alice, "bob");
	assert_int_equal(post(alice, "carol", 1, "not for bob"), 0);
	assert_false(readable(bob, 100));
	assert_int_equal(post(alice, "bob", 2, "text"), 0);
	assert_true(readable(bob, 20000)); /* long before the 30 s after which the server looks */
	assert_int_equal(enhanced_chat_waited(bob, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_false(is_present(alice, "bob", &us));
	assert_true(us > 1600000000000000);
	/* what waits already ends the next one at once; a receipt does, too */
	assert_int_equal(waiting(bob), 1);
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(bob, &n, &e), 0);
	assert_int_equal(n, 1);
	(void)fetch(bob, 0);
	done(bob, 1);
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	await_presence(alice, "bob");
	assert_int_equal(enhanced_chat_receipt(alice, "bob", "receipt", 7, &e), 0);
	assert_int_equal(enhanced_chat_waited(bob, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_refused(enhanced_chat_waited(bob, &n, &e), e, EX_SOFTWARE);
	log_out(alice);
	log_out(bob);
	log_out(carol);
}

/* Any other request ends it, and is answered. */
static void ended_by_a_request(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");
	struct members_row row;
	uint64_t n;
	int64_t us;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
		await_presence(alice, "bob");
		assert_int_equal(enhanced_members_get(bob, "alice", &row, &e), 0);
		assert_string_equal(row.name, "alice");
		assert_false(is_present(alice, "bob", &us));
	}
	/* by a wait; by one that is refused, and its answer dropped */
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	assert_int_equal(waiting(bob), 0);
	assert_int_equal(enhanced_chat_wait(bob, 1u << 31, 0, &e), 0);
	assert_int_equal(post(bob, "alice", 1, "text"), 0);
	assert_int_equal(enhanced_chat_wait(bob, 1u << 31, 0, &e), 0);
	assert_refused(enhanced_chat_waited(bob, &n, &e), e, EX_DATAERR);
	/* by a goodbye, and by an end without one */
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	await_presence(alice, "bob");
	log_out(bob);
	await_absence(alice, "bob");
	bob = log_in("bob");
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	await_presence(alice, "bob");
	bob->ops->end(bob);
	await_absence(alice, "bob");
	log_out(alice);
}

static void over_in_time(void **state)
{
	struct mail_client *bob = log_in("bob");
	uint64_t n;

	(void)state;
	assert_int_equal(enhanced_chat_wait(bob, 1, 0, &e), 0);
	assert_int_equal(enhanced_chat_waited(bob, &n, &e), 0);
	assert_int_equal(n, 0);
	log_out(bob);
}

/* Whoever is shut out while he waits is told so. */
static void shut_out_while_waiting(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");
	uint64_t n;

	(void)state;
	assert_int_equal(enhanced_chat_wait(bob, 100000, 0, &e), 0);
	await_presence(alice, "bob");
	assert_int_equal(users_revoke(accounts, "bob", NULL, &e), 0);
	assert_refused(enhanced_chat_waited(bob, &n, &e), e, EX_NOPERM);
	assert_false(bob->alive);
	bob->ops->end(bob);
	log_out(alice);
}

/* --- limits --- */

static int make_small(void **state)
{
	host_bytes = 100;
	return host_make(state);
}

static int drop_small(void **state)
{
	host_bytes = 0;
	return host_drop(state);
}

static void no_room(void **state)
{
	struct mail_client *alice = log_in("alice"), *bob = log_in("bob");
	static uint8_t p[2 * TALK_PIECE];
	uint64_t own = 10;
	bool again;

	(void)state;
	assert_refused(
		enhanced_chat_send(alice, "bob", stream, 1, p, 101, &again, &e), e, EX_TEMPFAIL);
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 1, p, 100, &again, &e), 0);
	assert_refused(
		enhanced_chat_send(alice, "bob", stream, 2, p, 1, &again, &e), e, EX_TEMPFAIL);
	say(alice,
		"{\"type\":\"chat-send\",\"to\":\"bob\",\"stream\":\"0102030405060708\","
		"\"number\":2,\"length\":131072}",
		p, sizeof p);
	assert_error(alice, "full"); /* one in pieces, too; and it goes on */
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 1, p, 100, &again, &e), 0);
	assert_true(again);
	(void)fetch(bob, 0);
	done(bob, 1);
	assert_int_equal(users_set_limits(accounts, "bob", NULL, &own, &e), 0);
	assert_refused(
		enhanced_chat_send(alice, "bob", stream, 3, p, 11, &again, &e), e, EX_TEMPFAIL);
	assert_int_equal(enhanced_chat_send(alice, "bob", stream, 3, p, 10, &again, &e), 0);
	log_out(alice);
	log_out(bob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_HOST("offers are for one member, and given once", offers),
		T_HOST("more offers than a limit are refused", too_many_offers),
		T_HOST("packets wait until they are done", packets),
		T_HOST("packets of every size", every_size),
		T_HOST("who waits is woken at once, and there meanwhile", woken_at_once),
		T_HOST("a wait is ended by any request", ended_by_a_request),
		T_HOST("a wait is over in time", over_in_time),
		T_HOST("who is shut out while he waits is told", shut_out_while_waiting),
		{"bytes that wait have the mailbox's limit", no_room, make_small, drop_small, NULL},
	};

	return RUN(tests);
}
