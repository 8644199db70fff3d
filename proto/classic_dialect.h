/* The dialects of the classic wire: which texts each side says, in which order, and what else sets
 * them apart. Both halves walk these steps; nothing else in them knows which dialect it is. */
#ifndef PROTO_CLASSIC_DIALECT_H
#define PROTO_CLASSIC_DIALECT_H

#include <stdbool.h>

#include "../crypto/err.h"

enum classic_who { CLASSIC_C, CLASSIC_S };

enum classic_what {
	CLASSIC_END,   /* no step: the menu is next */
	CLASSIC_SAY,   /* `text`, exactly */
	CLASSIC_ASK,   /* the same, which asks for an index */
	CLASSIC_INDEX, /* the index */
	CLASSIC_LIST,  /* the list, or the e-mail. Its sender tells the size ahead, in decimal, */
	CLASSIC_MAIL,  /* and the receiver answers with `text`; NULL: no size is told */
	CLASSIC_WHATS
};

struct classic_step {
	enum classic_who who;
	enum classic_what what;
	const char *text;
};

enum { CLASSIC_STEPS = 4 }; /* with the END */

struct classic_dialect {
	const char *name, *port;
	/* behind the key, and behind each choice of the menu */
	struct classic_step opening[CLASSIC_STEPS], send[CLASSIC_STEPS], list[CLASSIC_STEPS],
		view[CLASSIC_STEPS];
	unsigned first; /* the index of the first row, which the list itself counts as 1 */
	/* What stands in place of the prompt when nothing was listed, and of the e-mail's size when
	 * there is none. Each is answered with CLASSIC_OK, and ends the view. NULL: a sentence
	 * stands in place of the e-mail. */
	const char *nothing_listed, *no_such;
	bool hashed_login; /* a login may have a third line: the hash of the two others */
	bool short_keys;   /* a key may have 16 or 24 bytes, too */
	bool loose;        /* the header of an e-mail as sent: message_format_loose */
	int gap_ms;        /* struct classic has it */
};

#define CLASSIC_OK "OK"

/* As the specification has it. */
extern const struct classic_dialect *const classic_spec;

/* NULL: there is none of this name. */
const struct classic_dialect *classic_dialect_find(const char *name);
/* Their names, with blanks between. */
extern const char classic_dialect_names[];

/* What one side does in a step; of each table, at [what]. 0 to go on, -1, or 1: what is left of the
 * steps falls away. */
typedef int classic_act(void *arg, const struct classic_step *step, struct err *e);
struct classic_side {
	enum classic_who who;
	classic_act *put[CLASSIC_WHATS];  /* the steps of this side */
	classic_act *take[CLASSIC_WHATS]; /* those of the other */
};

/* Go through the steps, up to END. 0, 1 or -1 like the step that ended it. */
int classic_walk(const struct classic_side *side, const struct classic_step *steps, void *arg,
	struct err *e);

#endif
