/* Counters of wrong passwords; see guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <sys/mman.h>

#include "../crypto/bytes.h"
#include "conn.h"

/* Sessions write without a lock: a count that is lost once is no harm. */
struct guard_slot {
	volatile uint32_t wrong;
	volatile int64_t last_ms;
};

void guard_open(struct guard *g)
{
	g->slots = mmap(NULL, GUARD_SLOTS * sizeof *g->slots, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g->slots = g->slots == MAP_FAILED ? NULL : g->slots;
}

void guard_close(struct guard *g)
{
	if (g->slots != NULL) {
		(void)munmap(g->slots, GUARD_SLOTS * sizeof *g->slots);
	}
	g->slots = NULL;
}

/* FNV-1a: who shares a slot by chance shares its wait. */
static struct guard_slot *slot_of(const struct guard *g, char kind, const char *text, size_t n)
{
	uint32_t h = (2166136261u ^ (uint8_t)kind) * 16777619u;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ (uint8_t)text[i]) * 16777619u;
	}
	return &g->slots[h % GUARD_SLOTS];
}

static uint32_t count(struct guard_slot *s)
{
	int64_t now = conn_now_ms();

	s->wrong = now - s->last_ms > GUARD_FORGET_MS ? 1 : s->wrong + 1;
	s->last_ms = now;
	return s->wrong;
}

/* A host owns its whole IPv6 /64. */
static struct guard_slot *slot_of_address(const struct guard *g, const char *peer)
{
	const char *end = peer[0] == '[' ? strchr(peer, ']') : NULL, *port = strrchr(peer, ':');
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN];

	if (end != NULL) {
		(void)snprintf(text, sizeof text, "%.*s", (int)(end - peer - 1), peer + 1);
		if (inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_V4MAPPED(&address)) {
			return slot_of(g, 'n', (const char *)address.s6_addr, 8);
		}
	}
	return slot_of(g, 'a', peer, port == NULL ? strlen(peer) : (size_t)(port - peer));
}

/* The wait behind so many wrong ones beyond those that are free. */
static int64_t wait_behind(uint32_t beyond)
{
	return beyond == 0 ? 0 : beyond > 5 ? GUARD_MAX_MS : (int64_t)GUARD_STEP_MS << (beyond - 1);
}

int64_t guard_before(const struct guard *g, const char *peer)
{
	const struct guard_slot *s = g->slots == NULL ? NULL : slot_of_address(g, peer);

	if (s == NULL || s->wrong <= GUARD_MANY || conn_now_ms() - s->last_ms > GUARD_FORGET_MS) {
		return 0;
	}
	return wait_behind(s->wrong - GUARD_MANY);
}

int64_t guard_wrong(struct guard *g, const char *user, const char *peer)
{
	uint32_t by_user, by_address, worst;

	if (g->slots == NULL) {
		return 0;
	}
	by_user = count(slot_of(g, 'u', user, strlen(user)));
	by_address = count(slot_of_address(g, peer));
	worst = by_user > by_address ? by_user : by_address;
	return worst <= GUARD_FREE ? 0 : wait_behind(worst - GUARD_FREE);
}

void guard_right(struct guard *g, const char *user)
{
	if (g->slots != NULL) {
		slot_of(g, 'u', user, strlen(user))->wrong = 0;
	}
}
