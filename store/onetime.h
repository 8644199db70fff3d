/* The private halves of one-time first messages, by whom they are for: one file each,
 * DIR/CONTACT.onetime/NUMBER, 0600. A file is there exactly as long as its key may still be used:
 * its key is overwritten, the overwriting synced, the file unlinked and the folder synced before
 * onetime_destroy returns. Numbers rise, and none is given twice, whatever crash came between. */
#ifndef STORE_ONETIME_H
#define STORE_ONETIME_H

#include <stdbool.h>
#include <stddef.h>

#include "../crypto/err.h"
#include "../crypto/x25519.h"

enum { ONETIME_MAX = 1000 /* kept for a contact; the oldest are destroyed for newer ones */ };

/* Make and keep n fresh pairs (1 to ONETIME_MAX), with one sync of the folder for all of them:
 * numbers *first to *first + n - 1. pairs (n of them) are the caller's, to wipe. 0 or -1. */
int onetime_make(int dir, const char *contact, size_t n, struct x25519_pair *pairs, uint64_t *first,
	struct err *e);
/* 0, or -1: EX_NOINPUT (there is no such key, which no other fault is told as: used, destroyed, or
 * never made; *made tells whether the number was ever given). wipe() out after use. */
int onetime_find(int dir, const char *contact, uint64_t number, struct x25519_pair *out, bool *made,
	struct err *e);
/* 0 (also when it is gone already), or -1. */
int onetime_destroy(int dir, const char *contact, uint64_t number, struct err *e);
/* All of a contact's. */
int onetime_destroy_all(int dir, const char *contact, struct err *e);
/* Those that were made before this time (seconds since 1970, by the file's) and have a lower number
 * than `below`. *n: how many there were. 0 or -1. */
int onetime_destroy_old(
	int dir, const char *contact, uint64_t below, int64_t before, size_t *n, struct err *e);
/* *n: how many are kept, of this number and above; *next: the number that the next one gets. 0 or
 * -1. */
int onetime_count(
	int dir, const char *contact, uint64_t from, size_t *n, uint64_t *next, struct err *e);

#endif
