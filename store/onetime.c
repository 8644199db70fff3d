/* One-time keys; see onetime.h. CONTACT.onetime holds, besides the keys, "next": the number that no
 * key was given yet, in decimal. It is raised, on disk, before a key of a lower number is made.
 *
 * A key's file is its private half and its public half. The second tells a whole one from what a
 * crash left: cut, or overwritten and not yet unlinked. */
#include "onetime.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"

#define NEXT "next"

enum {
	NUMBER_TEXT = 24,
	FOLDER_TEXT = USER_NAME_MAX + sizeof ".onetime",
	KEY_FILE = 2 * X25519_BYTES
};

struct keys {
	char folder[FOLDER_TEXT];
	int fd, lock;
};

static void number_text(char out[static NUMBER_TEXT], uint64_t number)
{
	(void)snprintf(out, NUMBER_TEXT, "%llu", (unsigned long long)number);
}

/* --- the folder --- */

/* 0; 1: there is none; or -1. */
static int open_folder(struct keys *k, int dir, const char *contact, struct err *e)
{
	*k = (struct keys){.fd = -1, .lock = -1};
	if (!user_name_valid(contact)) {
		return err_set(e, EX_SOFTWARE, "cannot keep keys for \"%.40s\"", contact);
	}
	(void)snprintf(k->folder, sizeof k->folder, "%s.onetime", contact);
	k->fd = openat(dir, k->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (k->fd < 0) {
		return errno == ENOENT ? 1
				       : err_sys(e, file_errno_code(EX_CONFIG),
						 "cannot open folder %s", k->folder);
	}
	return 0;
}

static int make_folder(struct keys *k, int dir, const char *contact, struct err *e)
{
	int rc = open_folder(k, dir, contact, e);

	if (rc != 1) {
		return rc;
	}
	if (mkdirat(dir, k->folder, 0700) != 0 && errno != EEXIST) {
		return err_sys(
			e, file_errno_code(EX_CANTCREAT), "cannot create folder %s", k->folder);
	}
	if (file_sync(dir, "the folder", e) != 0) {
		return -1;
	}
	rc = open_folder(k, dir, contact, e);
	return rc == 1 ? err_set(e, EX_TEMPFAIL, "cannot open folder %s: it is gone", k->folder)
		       : rc;
}

static void close_folder(struct keys *k)
{
	if (k->lock >= 0) {
		(void)close(k->lock);
	}
	if (k->fd >= 0) {
		(void)close(k->fd);
	}
}

static int lock_folder(struct keys *k, struct err *e)
{
	k->lock = file_lock_own(k->fd, e);
	return k->lock < 0 ? err_prefix(e, "%s", k->folder) : 0;
}

/* EX_NOINPUT says that there is no such key, and nothing else does. */
static int unreadable(const struct keys *k, struct err *e)
{
	if (e != NULL && e->code != EX_TEMPFAIL && e->code != EX_IOERR) {
		e->code = EX_CONFIG;
	}
	return err_prefix(e, "%s", k->folder);
}

/* The number that is next; 1 where none was ever given. */
static int read_next(const struct keys *k, uint64_t *next, struct err *e)
{
	struct buf in = {0};
	int rc = -1;

	*next = 1;
	if (faccessat(k->fd, NEXT, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return 0;
	}
	if (file_read(k->fd, NEXT, NUMBER_TEXT, &in, NULL, e) != 0) {
		unreadable(k, e);
	} else if (parse_decimal(in.p, in.n, INT64_MAX, next) != 0 || *next == 0) {
		err_set(e, EX_CONFIG, "cannot read %s/" NEXT ": it is damaged", k->folder);
	} else {
		rc = 0;
	}
	buf_free(&in);
	return rc;
}

/* All numbers that have a file, rising. The caller frees them. */
struct list {
	uint64_t *numbers;
	size_t n, cap;
};

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y ? 1 : 0;
}

static int add_number(struct list *l, const char *name)
{
	uint64_t number;

	if (parse_decimal(name, strlen(name), INT64_MAX, &number) != 0) {
		return 0; /* "next", and what is not ours */
	}
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 256 : 2 * l->cap;
		uint64_t *more = reallocarray(l->numbers, cap, sizeof *more);
		if (more == NULL) {
			return -1;
		}
		l->numbers = more;
		l->cap = cap;
	}
	l->numbers[l->n++] = number;
	return 0;
}

static int list_keys(struct list *l, const struct keys *k, struct err *e)
{
	const struct dirent *entry;
	DIR *names = file_read_names(k->fd);
	int rc = 0;

	if (names == NULL) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot list %s", k->folder);
	}
	while (rc == 0 && (errno = 0, entry = readdir(names)) != NULL) {
		if (add_number(l, entry->d_name) != 0) {
			rc = err_set(e, EX_TEMPFAIL, "cannot list %s: out of memory", k->folder);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, file_errno_code(EX_IOERR), "cannot list %s", k->folder);
	}
	(void)closedir(names); /* it was only read */
	if (rc == 0 && l->n > 0) {
		qsort(l->numbers, l->n, sizeof l->numbers[0], by_number);
	}
	return rc;
}

/* --- making --- */

/* The number that the next key gets. */
static int next_number(const struct keys *k, const struct list *l, uint64_t *next, struct err *e)
{
	if (read_next(k, next, e) != 0) {
		return -1;
	}
	if (l->n > 0 && l->numbers[l->n - 1] >= *next) {
		*next = l->numbers[l->n - 1] + 1; /* somebody lost it */
	}
	return 0;
}

/* Raise "next" by n, on disk: the numbers below it are ours. */
static int reserve(
	const struct keys *k, const struct list *l, size_t n, uint64_t *first, struct err *e)
{
	char text[NUMBER_TEXT];

	if (next_number(k, l, first, e) != 0) {
		return -1;
	}
	if (*first > (uint64_t)INT64_MAX - n) {
		return err_set(
			e, EX_CONFIG, "cannot make keys in %s: there is no number left", k->folder);
	}
	number_text(text, *first + n);
	return file_write(k->fd, NEXT, text, strlen(text), 0600, FILE_REPLACE, e) == 0
		       ? 0
		       : err_prefix(e, "%s", k->folder);
}

static int write_key(
	const struct keys *k, uint64_t number, const struct x25519_pair *pair, struct err *e)
{
	uint8_t bytes[KEY_FILE];
	char name[NUMBER_TEXT];
	int fd, rc = -1;

	number_text(name, number);
	memcpy(bytes, pair->private, X25519_BYTES);
	memcpy(bytes + X25519_BYTES, pair->public, X25519_BYTES);
	fd = openat(k->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s/%s", k->folder, name);
	} else {
		rc = file_write_all(fd, bytes, sizeof bytes) != 0
			     ? err_sys(e, file_errno_code(EX_IOERR), "cannot write %s/%s",
				       k->folder, name)
			     : file_sync(fd, name, e);
		if (close(fd) != 0 && rc == 0) {
			rc = err_sys(e, file_errno_code(EX_IOERR), "cannot write %s/%s", k->folder,
				name);
		}
	}
	wipe(bytes, sizeof bytes);
	return rc;
}

static int destroy_keys(const struct keys *k, const uint64_t *numbers, size_t n, struct err *e)
{
	char name[NUMBER_TEXT];

	for (size_t i = 0; i < n; i++) {
		number_text(name, numbers[i]);
		if (file_destroy(k->fd, name, e) != 0) {
			return err_prefix(e, "%s", k->folder);
		}
	}
	return n == 0 ? 0 : file_sync(k->fd, k->folder, e);
}

static int make_locked(const struct keys *k, const struct list *l, size_t n,
	struct x25519_pair *pairs, uint64_t *first, struct err *e)
{
	size_t i, too_many = l->n + n > ONETIME_MAX ? l->n + n - ONETIME_MAX : 0;
	char name[NUMBER_TEXT];

	if (reserve(k, l, n, first, e) != 0) {
		return -1;
	}
	for (i = 0; i < n; i++) {
		if (x25519_generate(&pairs[i], e) != 0 ||
			write_key(k, *first + i, &pairs[i], e) != 0) {
			break;
		}
	}
	if (i == n && file_sync(k->fd, k->folder, e) == 0 &&
		destroy_keys(k, l->numbers, too_many, e) == 0) {
		return 0;
	}
	for (size_t made = 0; made <= i && made < n; made++) { /* nobody was told of them */
		number_text(name, *first + made);
		(void)file_destroy(k->fd, name, NULL);
	}
	return -1;
}

int onetime_make(int dir, const char *contact, size_t n, struct x25519_pair *pairs, uint64_t *first,
	struct err *e)
{
	struct list l = {0};
	struct keys k;
	int rc = -1;

	if (n == 0 || n > ONETIME_MAX) {
		return err_set(e, EX_SOFTWARE, "cannot make %zu keys at once", n);
	}
	if (make_folder(&k, dir, contact, e) == 0 && lock_folder(&k, e) == 0 &&
		list_keys(&l, &k, e) == 0) {
		rc = make_locked(&k, &l, n, pairs, first, e);
		if (rc != 0) {
			wipe(pairs, n * sizeof pairs[0]);
		}
	}
	free(l.numbers);
	close_folder(&k);
	return rc;
}

/* --- finding and destroying --- */

static int no_such_key(const struct keys *k, uint64_t number, const char *why,
	struct x25519_pair *out, struct err *e)
{
	wipe(out, sizeof *out);
	return err_set(e, EX_NOINPUT, "there is no key %llu in %s%s", (unsigned long long)number,
		k->folder, why);
}

static int read_key(const struct keys *k, uint64_t number, struct x25519_pair *out, struct err *e)
{
	uint8_t public[X25519_BYTES];
	char name[NUMBER_TEXT];
	struct buf in = {0};

	number_text(name, number);
	if (faccessat(k->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return no_such_key(k, number, "", out, e);
	}
	if (file_read(k->fd, name, KEY_FILE, &in, NULL, e) != 0) {
		buf_free(&in);
		return unreadable(k, e);
	}
	if (in.n == KEY_FILE) {
		memcpy(out->private, in.p, X25519_BYTES);
		memcpy(out->public, in.p + X25519_BYTES, X25519_BYTES);
	}
	bool whole = in.n == KEY_FILE;
	buf_free(&in);
	if (whole) {
		x25519_public(public, out->private);
		whole = ct_eq(public, out->public, sizeof public);
	}
	return whole ? 0 : no_such_key(k, number, ": what is left of it is no key", out, e);
}

int onetime_find(int dir, const char *contact, uint64_t number, struct x25519_pair *out, bool *made,
	struct err *e)
{
	struct keys k;
	uint64_t next;
	int rc = open_folder(&k, dir, contact, e);

	*made = false;
	memset(out, 0, sizeof *out);
	if (rc == 1) {
		return no_such_key(&k, number, "", out, e);
	}
	if (rc == 0) {
		rc = read_next(&k, &next, e);
		*made = rc == 0 && number > 0 && number < next;
		rc = rc == 0 ? read_key(&k, number, out, e) : -1;
		*made = *made || rc == 0;
	}
	close_folder(&k);
	return rc;
}

int onetime_destroy(int dir, const char *contact, uint64_t number, struct err *e)
{
	struct keys k;
	int rc = open_folder(&k, dir, contact, e);

	if (rc == 0) {
		rc = lock_folder(&k, e) == 0 ? destroy_keys(&k, &number, 1, e) : -1;
	}
	close_folder(&k);
	return rc == 1 ? 0 : rc;
}

int onetime_destroy_all(int dir, const char *contact, struct err *e)
{
	struct list l = {0};
	struct keys k;
	int rc = open_folder(&k, dir, contact, e);

	if (rc == 0) {
		rc = lock_folder(&k, e) == 0 && list_keys(&l, &k, e) == 0
			     ? destroy_keys(&k, l.numbers, l.n, e)
			     : -1;
	}
	free(l.numbers);
	close_folder(&k);
	return rc == 1 ? 0 : rc;
}

/* Of l those that are old stay. */
static int keep_old(
	const struct keys *k, struct list *l, uint64_t below, int64_t before, struct err *e)
{
	char name[NUMBER_TEXT];
	struct stat st;
	size_t old = 0;

	for (size_t i = 0; i < l->n && l->numbers[i] < below; i++) {
		number_text(name, l->numbers[i]);
		if (fstatat(k->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			return err_sys(e, file_errno_code(EX_IOERR), "cannot look at %s/%s",
				k->folder, name);
		}
		if (st.st_mtim.tv_sec < before) {
			l->numbers[old++] = l->numbers[i];
		}
	}
	l->n = old;
	return 0;
}

int onetime_destroy_old(
	int dir, const char *contact, uint64_t below, int64_t before, size_t *n, struct err *e)
{
	struct list l = {0};
	struct keys k;
	int rc = open_folder(&k, dir, contact, e);

	*n = 0;
	if (rc == 0) {
		rc = lock_folder(&k, e) == 0 && list_keys(&l, &k, e) == 0 &&
				     keep_old(&k, &l, below, before, e) == 0
			     ? destroy_keys(&k, l.numbers, l.n, e)
			     : -1;
		*n = rc == 0 ? l.n : 0;
	}
	free(l.numbers);
	close_folder(&k);
	return rc == 1 ? 0 : rc;
}

int onetime_count(
	int dir, const char *contact, uint64_t from, size_t *n, uint64_t *next, struct err *e)
{
	struct list l = {0};
	struct keys k;
	int rc = open_folder(&k, dir, contact, e);

	*n = 0;
	*next = 1;
	if (rc == 0) {
		rc = lock_folder(&k, e) == 0 && list_keys(&l, &k, e) == 0
			     ? next_number(&k, &l, next, e)
			     : -1;
	}
	for (size_t i = l.n; rc == 0 && i > 0 && l.numbers[i - 1] >= from; i--) {
		(*n)++;
	}
	free(l.numbers);
	close_folder(&k);
	return rc == 1 ? 0 : rc;
}
