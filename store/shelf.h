/* Where users' files are kept: the interface that proto/ and cmd/ see. A user has files of his own,
 * and files that others have handed to him; each of those stands under its giver's name. One engine
 * stands behind it, over folders:
 *
 *     .shelf/alice/alice/NAME   alice's own
 *     .shelf/alice/bob/NAME     what bob has handed to her: a hard link to the file that bob put
 *     .../.NAME.part            one that is arriving, or broke off and may be gone on with
 *
 * The states of a file that arrives are those of crypto/landing.h. It is handed over behind its
 * last one, to each recipient by a link and a sync of the folder: a crash leaves it with the first
 * k of n, whole each time, and the same file put again with `resume` is given to the others and to
 * nobody twice. Nothing that was handed over is ever overwritten, by its giver neither: his own
 * file is replaced by another one.
 *
 * Names of users become folders, and names of files become files: both are judged first
 * (user_name_valid, landing_check_name), and no symlink is followed on the way. */
#ifndef STORE_SHELF_H
#define STORE_SHELF_H

#include "../crypto/landing.h"
#include "../crypto/proof.h"

enum {
	SHELF_NAME_MAX = LANDING_NAME_MAX,
	SHELF_FILES_MAX = 10000 /* that one user can have, those that broke off included */
};

struct shelf_file {
	char from[USER_NAME_MAX + 1]; /* whose it was: the user, or who handed it over */
	char name[SHELF_NAME_MAX + 1];
	uint64_t size;
	int64_t time_us; /* when its last byte came, microseconds since 1970 */
	bool part;       /* it broke off, or is still arriving */
};

/* What a user's files may have in all; 0: no limit. */
struct shelf_limit {
	uint64_t bytes;
	bool full; /* set by whatever is refused for it, or for SHELF_FILES_MAX: EX_TEMPFAIL */
};

/* A file that is to come. All of it is the caller's, and outlives the draft. */
struct shelf_plan {
	const char *user, *name; /* the name may be anybody's bytes */
	uint64_t size;
	bool force;  /* replace an own file of this name */
	bool resume; /* go on with what an earlier try left */
	struct shelf_limit *limit;
};

struct shelf_draft;  /* a file that is arriving */
struct shelf_reader; /* a file that is being read */
struct shelf;

/* Non-zero ends the listing and is returned by it. */
typedef int shelf_visit(void *arg, const struct shelf_file *file);

/* Each returns 0, or -1 with e: EX_TEMPFAIL (the system refused, or a limit), EX_NOINPUT (there is
 * no such file), EX_DATAERR (a name that no file can have, or not the bytes that were announced),
 * EX_CANTCREAT (there is one, and it is not to be replaced). No text tells a path. */
struct shelf_ops {
	/* Is there room for a file of so many bytes? */
	int (*room)(struct shelf *s, const char *user, uint64_t size, struct shelf_limit *limit,
		struct err *e);

	/* Begin. *out is owned: end it. *held: bytes of it that are there, to be proven (only with
	 * `resume`); when it is all of them, the file may be there already, whole. */
	int (*begin)(struct shelf *s, const struct shelf_plan *plan, struct shelf_draft **out,
		uint64_t *held, struct err *e);
	/* proof_of the first n bytes held. */
	int (*proof)(struct shelf_draft *d, uint64_t n, const uint8_t key[static PROOF_KEY],
		uint8_t out[static PROOF_BYTES], struct err *e);
	/* Go on behind the first `offset` bytes held, which were proven; 0 drops them. */
	int (*from)(struct shelf_draft *d, uint64_t offset, struct err *e);
	/* The next n bytes; p NULL: zeros. */
	int (*append)(struct shelf_draft *d, const void *p, uint64_t n, struct err *e);
	/* All of it is there: when this returns 0 it is on stable storage, under its name. */
	int (*finish)(struct shelf_draft *d, struct shelf_file *out, struct err *e);
	/* Hand what was finished to this user, durably: name is what it is called there. The same
	 * file is never there twice. May be called for several, before end. */
	int (*give)(struct shelf_draft *d, const char *to, struct shelf_limit *limit,
		char name[static SHELF_NAME_MAX + 1], struct err *e);
	/* NULL is fine. What has not come to its end may be resumed, unless it was refused. */
	void (*end)(struct shelf_draft *d);

	/* Visit the user's files: his own first, then by who handed them over, by name. */
	int (*list)(
		struct shelf *s, const char *user, shelf_visit *visit, void *arg, struct err *e);
	/* Open one. from: as in struct shelf_file. *out is owned: close it. */
	int (*open)(struct shelf *s, const char *user, const char *from, const char *name,
		struct shelf_reader **out, struct shelf_file *file, struct err *e);
	/* Begin here, at most at its size. */
	int (*seek)(struct shelf_reader *r, uint64_t offset, struct err *e);
	/* proof_of its first n bytes. */
	int (*prove)(struct shelf_reader *r, uint64_t n, const uint8_t key[static PROOF_KEY],
		uint8_t out[static PROOF_BYTES], struct err *e);
	/* As source_read: the next bytes, or a run of zeros; both 0 at its end, where it was looked
	 * at again and is still the file that was opened. */
	int (*read)(struct shelf_reader *r, void *p, size_t cap, size_t *n, uint64_t *hole,
		struct err *e);
	/* NULL is fine. */
	void (*done)(struct shelf_reader *r);
	/* When this returns 0 the file is gone for good from this user's, and so is what broke
	 * off of its name. Whoever else has it keeps it. */
	int (*remove)(struct shelf *s, const char *user, const char *from, const char *name,
		struct err *e);

	void (*close)(struct shelf *s);
};

struct shelf {
	const struct shelf_ops *ops;
};

/* The engine over a server's folder (a descriptor, which it duplicates). Nothing is made in it
 * before the first file comes. 0, or -1 (EX_TEMPFAIL). */
int shelf_files_open(int dir, struct shelf **out, struct err *e);
/* Is there a folder of this user's files in it? */
bool shelf_files_has(int dir, const char *user);

#endif
