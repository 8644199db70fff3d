/* What is random in a test, and can be had again: drawn from a seed that is printed, or given. */
#ifndef T_DICE_H
#define T_DICE_H

#include "unit.h"

#include "../../crypto/random.h"

static uint32_t dice;

static inline uint32_t draw(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % below;
}

static inline bool one_in(uint32_t n)
{
	return draw(n) == 0;
}

/* name: of the environment's variable that may give it. */
static inline void draw_seed(const char *name)
{
	const char *given = getenv(name);
	struct err why;

	if (given != NULL) {
		dice = (uint32_t)strtoul(given, NULL, 10);
	} else {
		assert_int_equal(random_bytes(&dice, sizeof dice, &why), 0);
	}
	dice |= 1; /* 0 draws nothing but itself */
	print_message("# %s=%u\n", name, dice);
}

#endif
