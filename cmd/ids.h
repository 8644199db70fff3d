/* A set of message ids: 16 bytes each, and a quarter more at most twice that. */
#ifndef CMD_IDS_H
#define CMD_IDS_H

#include "../store/mailbox.h"

struct ids {
	uint8_t (*slots)[MAILBOX_ID_BYTES]; /* owned; all zero: free */
	size_t n, cap;
	bool has_zero; /* the id that looks like a free slot */
};

/* 1: it is new; 0: it was there; -1 (no memory). */
int ids_add(struct ids *s, const uint8_t id[static MAILBOX_ID_BYTES]);
bool ids_has(const struct ids *s, const uint8_t id[static MAILBOX_ID_BYTES]);
void ids_free(struct ids *s);

#endif
