/* A file that arrives: written aside as ".NAME.part", synced, and only then linked to its name, so
 * that nobody ever sees half of it under NAME. What a broken transfer left may be gone on with. A
 * pipe may stand for it; then nothing can be taken back.
 *
 *   0  nothing, or the old NAME                             as it was
 *   1  .NAME.part, being written, locked                    NAME as it was; the part may be resumed
 *   2  the part synced                                      the same
 *   3  NAME linked (or replaced) and the folder synced      whole
 *
 * While a part is written nobody else writes to that name: its file is locked (flock), and the lock
 * dies with its process. */
#ifndef CRYPTO_LANDING_H
#define CRYPTO_LANDING_H

#include <stdbool.h>

#include "file.h"

enum { LANDING_NAME_MAX = 200 /* bytes; with what stands around it 255 fit */ };

struct landing {
	int dir, fd;
	bool stream;  /* a pipe: no name, nothing to keep */
	bool owns;    /* the folder, too */
	bool replace; /* an existing NAME is to be replaced */
	bool damaged; /* the disk refused something: nothing of it is kept */
	char name[LANDING_NAME_MAX + 1], part[LANDING_NAME_MAX + 8];
	uint64_t held;  /* bytes of an earlier try, not verified */
	uint64_t at;    /* bytes written so far, those that were kept included */
	uint64_t size;  /* of the file on disk: holes at the end are not there yet */
	uint64_t begun; /* bytes that the disk was told to begin with */
};

/* May a file be called so? Valid UTF-8 of 1 to LANDING_NAME_MAX bytes; no "/", no leading dot, no
 * control or reading-direction character. 0, or -1 (EX_DATAERR) with why. */
int landing_check_name(const void *p, size_t n, struct err *e);

/* Begin, in the folder dir (which stays the caller's). resume: keep what an earlier try left, held
 * tells how much; else that is dropped. 0, or -1: EX_DATAERR (the name), EX_CANTCREAT (NAME exists
 * and is not to be replaced, or is no regular file), EX_TEMPFAIL (somebody else writes it; the
 * system). */
int landing_open(struct landing *l, int dir, const char *name, enum file_how how, bool resume,
	struct err *e);
/* The same by a path of the user's own, whose folder it opens, and closes at the end. Any name
 * that a file can have will do; EX_CANTCREAT where it names a folder. */
int landing_open_path(
	struct landing *l, const char *path, enum file_how how, bool resume, struct err *e);
/* Begin over a descriptor that takes bytes in order, which stays the caller's. */
void landing_stream(struct landing *l, int fd);

/* Go on behind the first `offset` bytes held (at most `held`); the others are dropped. 0 or -1. */
int landing_from(struct landing *l, uint64_t offset, struct err *e);
/* Append. Whole blocks of zeros become holes where the file system has them. 0, or -1: EX_TEMPFAIL
 * (no room, a limit), EX_IOERR (also of a pipe, whatever it is). */
int landing_write(struct landing *l, const void *p, size_t n, struct err *e);
int landing_hole(struct landing *l, uint64_t n, struct err *e);

/* All of it is there: sync it, give it its name, sync the folder, and end. An existing NAME that
 * came meanwhile is not replaced unless that was asked. 0, or -1 as above: nothing was named (but
 * for one case: the folder could not be synced, and NAME was replaced before), and the part stays
 * for landing_end. */
int landing_finish(struct landing *l, struct err *e);
/* End without it; keep: what there is, if it is anything and the disk took all of it, may be
 * resumed later; else it is removed. Harmless after landing_finish. Is anything kept? */
bool landing_end(struct landing *l, bool keep);

#endif
