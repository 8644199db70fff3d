/* Users' files over folders: reading one. See shelf.h. */
#include "shelf_files.h"

struct shelf_reader {
	struct source from;
};

int shelf_files_look(struct shelf *s, const char *user, const char *from, const char *name,
	struct shelf_reader **out, struct shelf_file *file, struct err *e)
{
	struct shelf_reader *r;
	int dir, rc;

	*out = NULL;
	if (landing_check_name(name, strlen(name), e) != 0) {
		return -1;
	}
	dir = shelf_folder((struct shelf_files *)s, user, from, false, e);
	if (dir < 0) {
		return e->code == EX_NOINPUT ? shelf_no_file(name, e) : -1;
	}
	r = calloc(1, sizeof *r);
	rc = r == NULL ? err_set(e, EX_TEMPFAIL, "out of memory")
		       : source_open(&r->from, dir, name, e);
	(void)close(dir);
	if (rc != 0) {
		free(r);
		/* a link or a pipe that somebody put there is not listed either */
		return e->code == EX_NOINPUT || e->code == EX_DATAERR ? shelf_no_file(name, e) : -1;
	}
	shelf_describe(file, from, name, &r->from.st);
	*out = r;
	return 0;
}

int shelf_files_seek(struct shelf_reader *r, uint64_t offset, struct err *e)
{
	return source_seek(&r->from, offset, e);
}

int shelf_files_prove(struct shelf_reader *r, uint64_t n, const uint8_t key[static PROOF_KEY],
	uint8_t out[static PROOF_BYTES], struct err *e)
{
	return proof_of(r->from.fd, n, key, out, e);
}

int shelf_files_read(
	struct shelf_reader *r, void *p, size_t cap, size_t *n, uint64_t *hole, struct err *e)
{
	if (source_read(&r->from, p, cap, n, hole, e) != 0) {
		return -1;
	}
	return *n == 0 && *hole == 0 ? source_unchanged(&r->from, e) : 0;
}

void shelf_files_done(struct shelf_reader *r)
{
	if (r != NULL) {
		source_close(&r->from);
		free(r);
	}
}
