/* Users' files over folders: one that arrives, and is handed over. See shelf.h. */
#include <errno.h>
#include <fcntl.h>

#include "shelf_files.h"

enum { LOOK_AGAIN = 64 << 20 }; /* bytes, until others who fill the same room are noticed */

struct shelf_draft {
	const struct shelf_files *f;
	const struct shelf_plan *plan;
	int dir;      /* of the user's own files */
	int whole;    /* a file of this name and size that is there already; -1: none */
	bool there;   /* ... and is this one: there is nothing to write */
	bool landing; /* it is begun */
	bool refused; /* nothing of it is kept */
	bool done;    /* `st` is of the file under its name */
	struct landing to;
	uint64_t at, looked_at;
	struct stat st;
};

/* --- room --- */

/* The file that is replaced makes room, and what has come of this one is counted once. */
static int check_room(struct shelf_draft *d, struct err *e)
{
	const struct shelf_usage more = {1, d->plan->size};
	struct shelf_usage now, without = {0};
	struct stat st;

	if (fstat(d->to.fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at %s", d->to.name);
	}
	shelf_count(&without, (uint64_t)st.st_size);
	if (d->plan->force && fstatat(d->dir, d->to.name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		shelf_count(&without, (uint64_t)st.st_size);
	}
	d->looked_at = d->at;
	return shelf_usage(d->f, d->plan->user, &now, e) != 0
		       ? -1
		       : shelf_fits(d->plan->user, &now, &more, &without, d->plan->limit, e);
}

/* --- beginning --- */

static int begin_landing(struct shelf_draft *d, bool resume, struct err *e)
{
	if (landing_open(&d->to, d->dir, d->plan->name, d->plan->force ? FILE_REPLACE : FILE_NEW,
		    resume, e) != 0) {
		return -1;
	}
	d->landing = true;
	if (check_room(d, e) != 0) {
		d->refused = d->to.held == 0; /* what was there before stays */
		return -1;
	}
	return 0;
}

/* Somebody who lost the answer to his last bytes sends the file again: is there one that could be
 * it? 0 or -1. */
static int find_whole(struct shelf_draft *d, struct err *e)
{
	int fd = openat(
		d->dir, d->plan->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		return 0; /* whatever is there, landing_open judges it */
	}
	if (fstat(fd, &d->st) != 0) {
		err_sys(e, EX_TEMPFAIL, "cannot look at %s", d->plan->name);
		(void)close(fd);
		return -1;
	}
	if (!S_ISREG(d->st.st_mode) || (uint64_t)d->st.st_size != d->plan->size) {
		(void)close(fd);
		return 0;
	}
	d->whole = fd;
	d->there = d->plan->size == 0; /* nothing to compare */
	return 0;
}

/* What broke off of a file that is to replace another one: it, and not the other one, is what is
 * gone on with, of whatever size they are. */
static bool has_part(const struct shelf_draft *d)
{
	char part[SHELF_NAME_MAX + 8];
	struct stat st;

	(void)snprintf(part, sizeof part, ".%s.part", d->plan->name);
	return fstatat(d->dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

static int begin(struct shelf_draft *d, uint64_t *held, struct err *e)
{
	const struct shelf_plan *p = d->plan;

	if (landing_check_name(p->name, strlen(p->name), e) != 0) {
		return -1;
	}
	d->dir = shelf_folder(d->f, p->user, p->user, true, e);
	if (d->dir < 0 || (p->resume && !(p->force && has_part(d)) && find_whole(d, e) != 0)) {
		return -1;
	}
	if (d->whole < 0 && begin_landing(d, p->resume, e) != 0) {
		return -1;
	}
	*held = d->whole >= 0 || d->to.held > p->size ? p->size : d->to.held;
	return 0;
}

int shelf_files_begin(struct shelf *s, const struct shelf_plan *plan, struct shelf_draft **out,
	uint64_t *held, struct err *e)
{
	struct shelf_draft *d = calloc(1, sizeof *d);

	*out = NULL;
	if (d == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	d->f = (struct shelf_files *)s;
	d->plan = plan;
	d->dir = d->whole = -1;
	if (begin(d, held, e) != 0) {
		shelf_files_end(d);
		return -1;
	}
	*out = d;
	return 0;
}

int shelf_files_proof(struct shelf_draft *d, uint64_t n, const uint8_t key[static PROOF_KEY],
	uint8_t out[static PROOF_BYTES], struct err *e)
{
	return proof_of(d->whole >= 0 ? d->whole : d->to.fd, n, key, out, e);
}

int shelf_files_from(struct shelf_draft *d, uint64_t offset, struct err *e)
{
	d->at = d->looked_at = offset;
	if (d->landing) {
		return landing_from(&d->to, offset, e);
	}
	d->there = offset == d->plan->size;
	if (d->there) {
		return 0;
	}
	(void)close(d->whole);
	d->whole = -1;
	d->at = d->looked_at = 0;
	return offset != 0 ? err_set(e, EX_SOFTWARE, "a whole file cannot be gone on with")
			   : begin_landing(d, false, e);
}

/* --- bytes --- */

static int append(struct shelf_draft *d, const void *p, uint64_t n, struct err *e)
{
	if (n > d->plan->size - d->at) {
		return err_set(
			e, EX_DATAERR, "%s has more bytes than were announced", d->plan->name);
	}
	if ((p == NULL ? landing_hole(&d->to, n, e) : landing_write(&d->to, p, (size_t)n, e)) !=
		0) {
		return -1;
	}
	d->at += n;
	return d->plan->limit->bytes > 0 && d->at - d->looked_at >= LOOK_AGAIN ? check_room(d, e)
									       : 0;
}

/* A disk that is full is not to stay so for the sake of half a file. */
int shelf_files_append(struct shelf_draft *d, const void *p, uint64_t n, struct err *e)
{
	d->refused = append(d, p, n, e) != 0;
	return d->refused ? -1 : 0;
}

static int finish(struct shelf_draft *d, struct err *e)
{
	if (d->at != d->plan->size && !d->there) {
		return err_set(
			e, EX_DATAERR, "%s has fewer bytes than were announced", d->plan->name);
	}
	if (d->there) { /* who put it before may have died ahead of the sync */
		return file_sync(d->dir, "a folder of files", e);
	}
	if (check_room(d, e) != 0 || landing_finish(&d->to, e) != 0) {
		return -1;
	}
	return fstatat(d->dir, d->to.name, &d->st, AT_SYMLINK_NOFOLLOW) == 0
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot look at %s", d->to.name);
}

int shelf_files_finish(struct shelf_draft *d, struct shelf_file *out, struct err *e)
{
	d->done = finish(d, e) == 0;
	d->refused = !d->done;
	shelf_describe(out, d->plan->user, d->plan->name, &d->st);
	return d->done ? 0 : -1;
}

/* --- handing over --- */

struct given {
	const struct shelf_draft *d;
	char *name;
	struct shelf_usage now;
	bool found;
};

/* Has he got this very file already? */
static int find_same(void *arg, const struct shelf_file *file, const struct stat *st)
{
	struct given *g = arg;

	shelf_count(&g->now, file->size);
	if (!file->part && strcmp(file->from, g->d->plan->user) == 0 &&
		st->st_ino == g->d->st.st_ino && st->st_dev == g->d->st.st_dev) {
		(void)snprintf(g->name, SHELF_NAME_MAX + 1, "%s", file->name);
		g->found = true;
	}
	return 0;
}

/* The copy'th name: NAME, NAME~2, NAME~3, cut between characters where it would be too long. */
static void copy_name(char out[static SHELF_NAME_MAX + 1], const char *name, unsigned copy)
{
	char end[16] = "";
	size_t n = strlen(name), end_n;

	if (copy > 1) {
		(void)snprintf(end, sizeof end, "~%u", copy);
	}
	end_n = strlen(end);
	n = n + end_n > SHELF_NAME_MAX ? SHELF_NAME_MAX - end_n : n;
	while (n > 0 && ((uint8_t)name[n] & 0xc0) == 0x80) {
		n--;
	}
	memcpy(out, name, n);
	memcpy(out + n, end, end_n + 1);
}

/* The link, on disk; and it is of the file that was put, whatever came under its name meanwhile. */
static int check_link(const struct shelf_draft *d, int dir, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != d->st.st_ino ||
		st.st_dev != d->st.st_dev) {
		err_set(e, EX_TEMPFAIL, "%s was replaced meanwhile", d->plan->name);
	} else if (file_sync(dir, "a folder of files", e) == 0) {
		return 0;
	}
	(void)unlinkat(dir, name, 0);
	return -1;
}

static int link_new(const struct shelf_draft *d, int dir, char *name, struct err *e)
{
	unsigned copy = 0;

	do {
		copy_name(name, d->plan->name, ++copy);
		if (linkat(d->dir, d->plan->name, dir, name, 0) == 0) {
			return check_link(d, dir, name, e);
		}
	} while (errno == EEXIST && copy <= SHELF_FILES_MAX);
	return err_sys(e, EX_TEMPFAIL, "cannot hand over %s", d->plan->name);
}

/* Under the lock of who gets it, so that two givers do not fill the same room. */
static int give_locked(const struct shelf_draft *d, const char *to, struct shelf_limit *limit,
	char *name, struct err *e)
{
	const struct shelf_usage more = {1, (uint64_t)d->st.st_size}, without = {0};
	struct given g = {.d = d, .name = name};
	int dir, rc;

	if (shelf_walk(d->f, to, find_same, &g, e) != 0 ||
		(!g.found && shelf_fits(to, &g.now, &more, &without, limit, e) != 0)) {
		return -1;
	}
	dir = shelf_folder(d->f, to, d->plan->user, true, e);
	if (dir < 0) {
		return -1;
	}
	/* who gave it before may have died ahead of the sync */
	rc = g.found ? file_sync(dir, "a folder of files", e) : link_new(d, dir, name, e);
	(void)close(dir);
	return rc;
}

int shelf_files_give(struct shelf_draft *d, const char *to, struct shelf_limit *limit,
	char name[static SHELF_NAME_MAX + 1], struct err *e)
{
	int lock, rc;

	name[0] = '\0';
	if (!d->done) {
		return err_set(e, EX_SOFTWARE, "a file that is not there is handed over");
	}
	if (strcmp(to, d->plan->user) == 0) {
		copy_name(name, d->plan->name, 1);
		return 0;
	}
	lock = shelf_folder(d->f, to, NULL, true, e);
	if (lock < 0) {
		return -1;
	}
	rc = file_lock(lock, e) != 0 ? -1 : give_locked(d, to, limit, name, e);
	(void)close(lock);
	return rc;
}

void shelf_files_end(struct shelf_draft *d)
{
	if (d == NULL) {
		return;
	}
	if (d->landing) {
		(void)landing_end(&d->to, !d->refused);
	}
	if (d->whole >= 0) {
		(void)close(d->whole);
	}
	if (d->dir >= 0) {
		(void)close(d->dir);
	}
	free(d);
}
