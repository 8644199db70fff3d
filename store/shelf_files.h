/* What the parts of the engine behind shelf.h share; everybody else sees shelf.h alone. */
#ifndef STORE_SHELF_FILES_H
#define STORE_SHELF_FILES_H

#include "../crypto/source.h"
#include "shelf.h"

#define SHELF_FOLDER ".shelf"

struct shelf_files {
	struct shelf base; /* first: the interface's pointer is this one */
	int root;
};

/* What is there, or is to come. */
struct shelf_usage {
	uint64_t files, bytes;
};

/* A folder of a user's: of all his files (from NULL), or of those from one. make: if it is not
 * there. A descriptor; or -1 (EX_NOINPUT: it is not there). */
int shelf_folder(
	const struct shelf_files *f, const char *user, const char *from, bool make, struct err *e);
/* What a refusal of a name that is not there says. Always -1 (EX_NOINPUT). */
int shelf_no_file(const char *name, struct err *e);
/* Files have names, and other things are none. */
void shelf_describe(
	struct shelf_file *out, const char *from, const char *name, const struct stat *st);

/* A file, or one that broke off, of a user's. Non-zero ends the walk and is returned. */
typedef int shelf_walk_visit(void *arg, const struct shelf_file *file, const struct stat *st);
/* All of them, in no order. */
int shelf_walk(const struct shelf_files *f, const char *user, shelf_walk_visit *visit, void *arg,
	struct err *e);

/* Do `more` fit, when `without` of what is there goes? 0 or -1. */
int shelf_fits(const char *user, const struct shelf_usage *now, const struct shelf_usage *more,
	const struct shelf_usage *without, struct shelf_limit *limit, struct err *e);
void shelf_count(struct shelf_usage *u, uint64_t bytes);
int shelf_usage(
	const struct shelf_files *f, const char *user, struct shelf_usage *out, struct err *e);

/* shelf_list.c: as shelf.h has them, like all below */
int shelf_files_room(
	struct shelf *s, const char *user, uint64_t size, struct shelf_limit *limit, struct err *e);
int shelf_files_list(
	struct shelf *s, const char *user, shelf_visit *visit, void *arg, struct err *e);
int shelf_files_remove(
	struct shelf *s, const char *user, const char *from, const char *name, struct err *e);
/* shelf_read.c */
int shelf_files_look(struct shelf *s, const char *user, const char *from, const char *name,
	struct shelf_reader **out, struct shelf_file *file, struct err *e);
int shelf_files_seek(struct shelf_reader *r, uint64_t offset, struct err *e);
int shelf_files_prove(struct shelf_reader *r, uint64_t n, const uint8_t key[static PROOF_KEY],
	uint8_t out[static PROOF_BYTES], struct err *e);
int shelf_files_read(
	struct shelf_reader *r, void *p, size_t cap, size_t *n, uint64_t *hole, struct err *e);
void shelf_files_done(struct shelf_reader *r);
/* shelf_draft.c */
int shelf_files_begin(struct shelf *s, const struct shelf_plan *plan, struct shelf_draft **out,
	uint64_t *held, struct err *e);
int shelf_files_proof(struct shelf_draft *d, uint64_t n, const uint8_t key[static PROOF_KEY],
	uint8_t out[static PROOF_BYTES], struct err *e);
int shelf_files_from(struct shelf_draft *d, uint64_t offset, struct err *e);
int shelf_files_append(struct shelf_draft *d, const void *p, uint64_t n, struct err *e);
int shelf_files_finish(struct shelf_draft *d, struct shelf_file *out, struct err *e);
int shelf_files_give(struct shelf_draft *d, const char *to, struct shelf_limit *limit,
	char name[static SHELF_NAME_MAX + 1], struct err *e);
void shelf_files_end(struct shelf_draft *d);

#endif
