/* What applets share that make one file of another, in pipes too: where the input comes from and
 * where the output goes. A named output appears when it is whole, and not before. */
#ifndef CMD_FILTER_H
#define CMD_FILTER_H

#include "../crypto/age.h"
#include "../crypto/behind.h"
#include "../crypto/landing.h"
#include "../crypto/source.h"
#include "cli.h"

struct filter {
	/* options and operand */
	const char *input, *output; /* NULL, "-": stdin, stdout */
	bool force;                 /* replace what is called so */
	/* the rest is ours */
	struct source from;
	struct landing to;
	struct age_batch batch;   /* what is worked on at once, for the stream */
	struct behind behind;     /* what writes there */
	bool shown;               /* a terminal gets the output, and nobody insisted */
	struct cli_pieces pieces; /* for a terminal */
};

/* Open both. 0, or -1 (EX_NOINPUT, EX_USAGE: they are one file; landing_open). */
int filter_open(struct filter *f, struct err *e);
/* Where the output goes, written behind. To a terminal it goes as text without control characters.
 */
struct age_sink filter_out(struct filter *f);
/* All of the input, in pieces, to where it is worked on. 0 or -1. */
int filter_run(struct filter *f, const struct age_sink *to, struct err *e);
/* End. whole: the output is, and gets its name; else what there is of a named one is dropped. 0 or
 * -1. To be called once filter_open returned 0. */
int filter_close(struct filter *f, bool whole, struct err *e);

/* The input's name, for errors. */
const char *filter_input(const struct filter *f);

#endif
