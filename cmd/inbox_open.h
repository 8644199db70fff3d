/* inbox --open: the rows of a list, their sealed messages opened, and the numbers that are missing
 * of who sent them. */
#ifndef CMD_INBOX_OPEN_H
#define CMD_INBOX_OPEN_H

#include "ids.h"
#include "reading.h"

struct inbox_row {
	struct mail_row row; /* its texts are in `text` */
	struct buf text;
};

struct inbox_open {
	const struct cli *cli;
	struct reading reading;
	struct inbox_row *rows; /* owned */
	size_t n, cap;
	struct ids digests;                 /* of what was opened in this list */
	char (*senders)[USER_NAME_MAX + 1]; /* owned: each of them once */
	size_t senders_n;
	bool forgives; /* what is missing is not missed again, and is no fault */
	size_t faults; /* messages that are not as they should be, and what is missing */
};

void inbox_open_begin(struct inbox_open *o, const struct account *a, const struct cli *c);
void inbox_open_end(struct inbox_open *o);

/* A row, to be opened once the list has ended. 0, or -1 (no memory). */
int inbox_open_keep(struct inbox_open *o, const struct mail_row *row, struct err *e);

/* A row as it is to be shown. d: what was in it; NULL: it is not sealed, or could not be
 * opened. mark: what its content is, whatever its title says: "sealed" (and signed by
 * somebody), "unsigned" (sealed, and by nobody), "closed" (it could not be opened), "plain", or
 * "-" (it is damaged, and was not looked at). word: what is wrong with it, for a column; NULL:
 * nothing. Non-zero ends the visit. */
typedef int inbox_open_show(void *arg, const struct mail_row *row, const struct opened *d,
	const char *mark, const char *word, struct err *e);

/* Read all of the rows, and open what is sealed, in their order, and show all; notes on stderr say
 * more. 0 or -1. */
int inbox_open_all(struct inbox_open *o, struct mail_client *c, inbox_open_show *show, void *arg,
	struct err *e);

/* Numbers of a sender's that did not come: n of them. newest: of how he counts now. */
typedef int inbox_open_missing(void *arg, const char *from, const uint64_t *numbers, size_t n,
	uint64_t highest, bool newest);

/* Visit what is missing of everybody who is known, or of one. Only behind a whole list is what did
 * not come missing. 0 or -1. */
int inbox_open_gaps(struct inbox_open *o, const char *from, inbox_open_missing *visit, void *arg,
	struct err *e);

#endif
