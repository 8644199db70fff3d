/* What is kept of chats, in a folder of its own, and what tests do with it. */
#ifndef T_TALK_H
#define T_TALK_H

#include "unit.h"

#include "../../crypto/hash.h"
#include "../../store/talk.h"

static struct err e;
static struct talk *talk;
static int64_t now_us;

static inline int talk_make(void **state)
{
	now_us = 1795252056515771;
	return folder_make(state) != 0 ? -1 : talk_open(folder.fd, &talk, &e);
}

static inline int talk_drop(void **state)
{
	talk_close(talk);
	return folder_remove(state);
}

#define T_TALK(title, function)                             \
	{                                                   \
		title, function, talk_make, talk_drop, NULL \
	}

static inline struct talk_post post_of(const char *from, const char *to, uint64_t number)
{
	return (struct talk_post){
		.from = from, .to = to, .stream = {1, 2, 3}, .number = number, .us = now_us};
}

static inline int put(const char *from, const char *to, uint64_t number, const char *text)
{
	struct talk_post post = post_of(from, to, number);
	bool again, full;

	return talk_put(talk, &post, text, strlen(text), &again, &full, &e);
}

static inline uint64_t count(const char *owner)
{
	uint64_t n;

	assert_int_equal(talk_count(talk, owner, &n, &e), 0);
	return n;
}

/* --- what waits --- */

static struct {
	uint8_t id[TALK_ID];
	char from[USER_NAME_MAX + 1], text[32];
	int64_t us;
	size_t n;
} seen[TALK_OFFERS_MAX * 4];
static size_t seen_n;

static inline int see(void *arg, const struct talk_packet *packet, struct err *why)
{
	size_t n = packet->n < sizeof seen[0].text ? packet->n : sizeof seen[0].text - 1, k;
	uint8_t digest[HASH_BYTES];
	const uint8_t *p;
	struct hash h;

	(void)arg;
	assert_true(seen_n < COUNT(seen));
	hash_begin(&h);
	for (size_t at = packet->n; at > 0;) { /* its last piece first: each can be had by itself */
		size_t from = (at - 1) / TALK_PIECE * TALK_PIECE;
		assert_int_equal(talk_piece(packet, from, &p, &k, why), 0);
		assert_int_equal(k, at - from);
		at = from;
	}
	for (size_t at = 0; at < packet->n; at += k) {
		assert_int_equal(talk_piece(packet, at, &p, &k, why), 0);
		hash_add(&h, p, k);
	}
	hash_end(&h, digest);
	assert_memory_equal(digest, packet->id, TALK_ID);
	assert_int_equal(talk_piece(packet, 0, &p, &k, why), 0);
	memcpy(seen[seen_n].id, packet->id, TALK_ID);
	memcpy(seen[seen_n].from, packet->from, sizeof packet->from);
	memcpy(seen[seen_n].text, p, n);
	seen[seen_n].text[n] = '\0';
	seen[seen_n].us = packet->us;
	seen[seen_n++].n = packet->n;
	return 0;
}

static inline void look_after(const char *owner, const uint8_t *after)
{
	seen_n = 0;
	if (talk_waiting(talk, owner, after, see, NULL, &e) != 0) {
		fail_msg("%s", e.text);
	}
}

static inline void look(const char *owner)
{
	look_after(owner, NULL);
}

/* n of those that were seen, from this one on. */
static inline void done(const char *owner, size_t first, size_t n)
{
	uint8_t ids[COUNT(seen)][TALK_ID];

	for (size_t i = 0; i < n; i++) {
		memcpy(ids[i], seen[first + i].id, TALK_ID);
	}
	assert_int_equal(talk_done(talk, owner, (const uint8_t(*)[TALK_ID])ids, n, &e), 0);
}

/* --- offers, each with a number in its first byte --- */

static inline uint64_t offer(const char *owner, const char *to, uint8_t first, size_t n)
{
	uint8_t offers[TALK_OFFERS_MAX][TALK_OFFER] = {{0}};
	uint64_t held;
	bool full;

	for (size_t i = 0; i < n; i++) {
		offers[i][0] = (uint8_t)(first + i);
	}
	if (talk_offer(talk, owner, to, (const uint8_t(*)[TALK_OFFER])offers, n, &held, &full,
		    &e) != 0) {
		fail_msg("%s", e.text);
	}
	return held;
}

/* The number of the one that is given; 0: none. */
static inline uint8_t taken(const char *owner, const char *by)
{
	uint8_t out[TALK_OFFER] = {0};
	bool none;

	if (talk_take(talk, owner, by, out, &none, &e) != 0) {
		fail_msg("%s", e.text);
	}
	return none ? 0 : out[0];
}

struct held {
	const char *to;
	int n;
};

static inline int find_held(void *arg, const char *to, uint64_t n, struct err *why)
{
	struct held *h = arg;

	(void)why;
	h->n = strcmp(to, h->to) == 0 ? (int)n : h->n;
	return 0;
}

/* -1: it is not in the list. */
static inline int held_for(const char *owner, const char *to)
{
	struct held h = {to, -1};

	assert_int_equal(talk_offers(talk, owner, find_held, &h, &e), 0);
	return h.n;
}

#endif
