/* A set of ids, by open addressing; see ids.h. */
#include "ids.h"

static const uint8_t zero[MAILBOX_ID_BYTES];

/* Foreign ids are hashes, ours are random: their own bytes are hash enough. Whoever chooses ids to
 * collide slows down their own import. */
static size_t find(const struct ids *s, const uint8_t *id)
{
	struct cursor c = cursor_over(id, 8);
	size_t i = (size_t)get_u64le(&c) & (s->cap - 1);

	while (memcmp(s->slots[i], zero, sizeof zero) != 0 &&
		memcmp(s->slots[i], id, sizeof zero) != 0) {
		i = (i + 1) & (s->cap - 1);
	}
	return i;
}

static int grow(struct ids *s)
{
	struct ids larger = {
		.cap = s->cap == 0 ? 64 : 2 * s->cap, .n = s->n, .has_zero = s->has_zero};

	larger.slots = calloc(larger.cap, sizeof *larger.slots);
	if (larger.slots == NULL) {
		return -1;
	}
	for (size_t i = 0; i < s->cap; i++) {
		if (memcmp(s->slots[i], zero, sizeof zero) != 0) {
			memcpy(larger.slots[find(&larger, s->slots[i])], s->slots[i], sizeof zero);
		}
	}
	free(s->slots);
	*s = larger;
	return 0;
}

int ids_add(struct ids *s, const uint8_t id[static MAILBOX_ID_BYTES])
{
	size_t i;

	if (ids_has(s, id)) {
		return 0;
	}
	if (memcmp(id, zero, sizeof zero) == 0) {
		s->has_zero = true;
		return 1;
	}
	if (4 * (s->n + 1) > 3 * s->cap && grow(s) != 0) {
		return -1;
	}
	i = find(s, id);
	memcpy(s->slots[i], id, sizeof zero);
	s->n++;
	return 1;
}

bool ids_has(const struct ids *s, const uint8_t id[static MAILBOX_ID_BYTES])
{
	if (memcmp(id, zero, sizeof zero) == 0) {
		return s->has_zero;
	}
	return s->cap > 0 && memcmp(s->slots[find(s, id)], zero, sizeof zero) != 0;
}

void ids_free(struct ids *s)
{
	free(s->slots);
	*s = (struct ids){0};
}
