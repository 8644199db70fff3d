/* Where the accounts are kept: one text (users.h knows what stands in it), read whole, and replaced
 * whole by compare-and-swap. So an engine needs no names and no lock that outlives a call: an
 * object of a replicated store does as well as a file. Who changes accounts reads the text with its
 * version, and replaces it if it is still that one; else somebody was faster, and he reads again.
 *
 * Files are the first engine: user_pass.json in the server's folder, mode 0600, written aside,
 * synced and renamed (crypto/file.h), with the folder's lock held from the comparison to the
 * renaming. An editor that takes no lock is noticed, too, unless it writes within that moment. */
#ifndef STORE_ACCOUNTS_H
#define STORE_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"
#include "../crypto/hash.h"

enum { ACCOUNTS_TEXT_MAX = 16 << 20 }; /* bytes: some 80,000 accounts */

/* Which writing of the text: what is in it is the engine's business. */
struct accounts_version {
	bool none;        /* there is no text yet */
	uint64_t mark[4]; /* what a look compares */
	uint8_t digest[HASH_BYTES];
};

/* One reading. */
struct accounts_text {
	struct buf text; /* owned by the caller: passwords stand in it, buf_free wipes them */
	struct accounts_version version;
	bool others_can_read; /* other users of the machine can read it */
};

struct accounts_store;

/* 0, or -1 and e. */
struct accounts_ops {
	/* Read the text. *out is empty before. -1: EX_NOINPUT, and out->version.none says whether
	 * replace() may make it; EX_CONFIG (beyond ACCOUNTS_TEXT_MAX); EX_TEMPFAIL, EX_IOERR. */
	int (*read)(struct accounts_store *s, struct accounts_text *out, struct err *e);
	/* Replace it, durably, if it is still of this version (none: if there still is none). 0
	 * with *stale: it is not, and nothing was written. -1: EX_TEMPFAIL, EX_CANTCREAT. */
	int (*replace)(struct accounts_store *s, const void *p, size_t n,
		const struct accounts_version *expected, bool *stale, struct err *e);
	/* Is it another one than at this reading? Cheap, and no reading. -1: EX_NOINPUT (there is
	 * none any more), EX_TEMPFAIL. */
	int (*look)(struct accounts_store *s, const struct accounts_version *version, bool *changed,
		struct err *e);

	/* Begin to be told of changes: a descriptor to poll for reading, the store's own. -1: there
	 * is none, ask news() from time to time. */
	int (*follow)(struct accounts_store *s);
	/* Has it changed since follow() or the last asking? Never waits. The descriptor is quiet
	 * then, until the next change. */
	bool (*news)(struct accounts_store *s);
	/* No more; a child that was forked behind follow() says so, too. */
	void (*unfollow)(struct accounts_store *s);

	void (*close)(struct accounts_store *s);
};

struct accounts_store {
	const struct accounts_ops *ops;
	const char *name; /* of the text, as people know it: for errors */
};

/* The files engine over a folder (a descriptor, which it duplicates). There need be no file yet. */
int accounts_files_open(int dir, struct accounts_store **out, struct err *e);

#endif
