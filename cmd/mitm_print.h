/* What `mitm` prints, and where stolen mail goes. */
#ifndef CMD_MITM_PRINT_H
#define CMD_MITM_PRINT_H

#include "../proto/gate.h"
#include "../proto/mitm.h"

struct mitm_printer {
	bool hex, json;
	int loot;         /* the folder; -1: none */
	int capture;      /* for ready; -1: none */
	struct gate gate; /* one event at a time: a pipe takes a long one in pieces */
	bool *lost;       /* shared by all processes: output did not get out */
};

/* Set hex, json, loot and capture first. 0, or -1 (EX_TEMPFAIL). */
int mitm_print_open(struct mitm_printer *p, struct err *e);
/* Its functions, for struct mitm. */
struct mitm_ear mitm_print_ear(struct mitm_printer *p);

#endif
