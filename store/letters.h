/* Which numbers (sequence.h) the letters got that a user has sent, by their own ids: a letter that
 * is sent again under its id, because the answer was lost, has the numbers that it had, and one
 * that was refused leaves them to the next. Without this every retry and every refusal would look
 * to the recipients as if a message was withheld.
 *
 * One file, DIR/.letters, replaced durably (crypto/file.h) under the folder's lock; the last
 * LETTERS_MAX numbers, a line each: id (zeros: it is free), contact, stream, number. */
#ifndef STORE_LETTERS_H
#define STORE_LETTERS_H

#include "sequence.h"

#define LETTERS_FILE ".letters"

enum { LETTERS_MAX = 4000 };

struct letters_contact {
	char name[USER_NAME_MAX + 1];
	struct sequence_number number;
	bool fresh; /* it has the number since this very call */
};

/* Fill in the number, and whether it is fresh, of the letter with this id (not zeros) for each
 * of its n contacts, whose names are sound. kind: as sequence.h has it. 0, or -1 (EX_CONFIG:
 * the file is damaged, and named; EX_SOFTWARE: the id is zeros; EX_TEMPFAIL and other faults of
 * the disk). */
int letters_number(int dir, const char *kind, const uint8_t id[static SEQUENCE_ID],
	struct letters_contact *contacts, size_t n, struct err *e);
/* It was not posted after all: what is fresh of its numbers is for the next. What is not may have
 * arrived before. 0 or -1. */
int letters_give_back(int dir, const uint8_t id[static SEQUENCE_ID],
	const struct letters_contact *contacts, size_t n, struct err *e);
/* It was refused, and has reached nobody. 0 or -1. */
int letters_refused(int dir, const uint8_t id[static SEQUENCE_ID], struct err *e);

#endif
