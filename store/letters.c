/* Numbers of letters by their ids; see letters.h. */
#include "letters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../crypto/file.h"

enum {
	ID_TEXT = 2 * SEQUENCE_ID,
	STREAM_TEXT = 2 * SEQUENCE_STREAM,
	LINE_MAX = ID_TEXT + USER_NAME_MAX + STREAM_TEXT + 24,
	FILE_BYTES_MAX = LETTERS_MAX * LINE_MAX
};

static const uint8_t nobody[SEQUENCE_ID];

struct entry {
	uint8_t id[SEQUENCE_ID];
	struct letters_contact to;
};

struct letters {
	int dir; /* of our own: it holds the lock */
	struct entry *entries;
	size_t n;
};

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* --- the file --- */

/* A field that ends in this byte. */
static bool get_word(struct cursor *c, char end, const char **word, size_t *n)
{
	const uint8_t *stop = c->n == 0 ? NULL : memchr(c->p, end, c->n);

	if (stop == NULL) {
		return false;
	}
	*n = (size_t)(stop - c->p);
	*word = (const char *)get_bytes(c, *n + 1);
	return true;
}

static bool read_entry(struct cursor *c, struct entry *out)
{
	const char *id, *name, *stream, *number;
	size_t id_n, name_n, stream_n, number_n;

	if (!get_word(c, ' ', &id, &id_n) || !get_word(c, ' ', &name, &name_n) ||
		!get_word(c, ' ', &stream, &stream_n) || !get_word(c, '\n', &number, &number_n) ||
		name_n > USER_NAME_MAX) {
		return false;
	}
	*out = (struct entry){.id = {0}};
	memcpy(out->to.name, name, name_n);
	return hex_decode(out->id, SEQUENCE_ID, id, id_n) == 0 && strlen(out->to.name) == name_n &&
	       user_name_valid(out->to.name) &&
	       hex_decode(out->to.number.stream, SEQUENCE_STREAM, stream, stream_n) == 0 &&
	       parse_decimal(number, number_n, INT64_MAX, &out->to.number.number) == 0 &&
	       out->to.number.number > 0;
}

static int parse(struct letters *l, const struct buf *text, struct err *e)
{
	struct cursor c = cursor_over(text->p, text->n);

	/* and room for what a letter adds */
	l->entries = calloc(LETTERS_MAX, sizeof *l->entries);
	if (l->entries == NULL) {
		return no_memory(e);
	}
	while (cursor_left(&c) > 0) {
		if (l->n == LETTERS_MAX || !read_entry(&c, &l->entries[l->n])) {
			return err_set(e, EX_CONFIG, "cannot use " LETTERS_FILE ":%zu: %s",
				l->n + 1, "it is no number of a letter");
		}
		l->n++;
	}
	return 0;
}

static void letters_close(struct letters *l)
{
	if (l->dir >= 0) {
		(void)close(l->dir);
	}
	free(l->entries);
	*l = (struct letters){.dir = -1};
}

/* Lock the folder and read the file; none is an empty one. 0, or -1 and nothing is open. */
static int letters_open(struct letters *l, int dir, struct err *e)
{
	struct buf text = {0};
	int rc;

	*l = (struct letters){.dir = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (l->dir < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open the folder");
	}
	rc = file_lock(l->dir, e);
	rc = rc == 0 ? file_sweep(l->dir, LETTERS_FILE, e) : rc;
	if (rc == 0 && faccessat(l->dir, LETTERS_FILE, F_OK, 0) == 0) {
		rc = file_read(l->dir, LETTERS_FILE, FILE_BYTES_MAX, &text, NULL, e);
	} else if (rc == 0 && errno != ENOENT) {
		rc = err_sys(e, file_errno_code(EX_NOINPUT), "cannot look for " LETTERS_FILE);
	}
	rc = rc == 0 ? parse(l, &text, e) : rc;
	buf_free(&text);
	if (rc != 0) {
		letters_close(l);
	}
	return rc;
}

static int save(const struct letters *l, struct err *e)
{
	struct buf text = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const struct entry *one = &l->entries[i];
		char id[ID_TEXT + 1], stream[STREAM_TEXT + 1], line[LINE_MAX + 1];
		hex_encode(id, one->id, SEQUENCE_ID);
		hex_encode(stream, one->to.number.stream, SEQUENCE_STREAM);
		(void)snprintf(line, sizeof line, "%s %s %s %" PRIu64 "\n", id, one->to.name,
			stream, one->to.number.number);
		rc = buf_append_str(&text, line) == 0 ? 0 : no_memory(e);
	}
	rc = rc == 0 ? file_write(l->dir, LETTERS_FILE, text.p, text.n, 0600, FILE_REPLACE, e) : rc;
	buf_free(&text);
	return rc;
}

/* --- numbers --- */

static bool is_of(const struct entry *one, const uint8_t *id, const char *name)
{
	return memcmp(one->id, id, SEQUENCE_ID) == 0 && strcmp(one->to.name, name) == 0;
}

static struct entry *find(const struct letters *l, const uint8_t *id, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (is_of(&l->entries[i], id, name)) {
			return &l->entries[i];
		}
	}
	return NULL;
}

/* What the letter has already, or can take over from one that was refused. A number of 0: neither.
 * 0 or -1. */
static int take_over(
	int dir, const uint8_t *id, struct letters_contact *contacts, size_t n, struct err *e)
{
	struct letters l;
	bool changed = false;
	int rc;

	if (letters_open(&l, dir, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		struct entry *one = find(&l, id, contacts[i].name);
		contacts[i].fresh = false;
		if (one == NULL && (one = find(&l, nobody, contacts[i].name)) != NULL) {
			memcpy(one->id, id, SEQUENCE_ID);
			changed = contacts[i].fresh = true;
		}
		contacts[i].number =
			one == NULL ? (struct sequence_number){.number = 0} : one->to.number;
	}
	rc = changed ? save(&l, e) : 0;
	letters_close(&l);
	return rc;
}

/* Behind the others; where there is no room the oldest go. */
static void append(struct letters *l, const uint8_t *id, const struct letters_contact *to)
{
	if (l->n == LETTERS_MAX) {
		l->n--;
		memmove(l->entries, l->entries + 1, l->n * sizeof *l->entries);
	}
	memcpy(l->entries[l->n].id, id, SEQUENCE_ID);
	l->entries[l->n++].to = *to;
}

/* Write down what was drawn. Another process may have numbered the same letter meanwhile: then it
 * has the number of that one, and ours is for the next. 0 or -1. */
static int record(
	int dir, const uint8_t *id, struct letters_contact *contacts, size_t n, struct err *e)
{
	struct letters l;
	int rc;

	if (letters_open(&l, dir, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		const struct entry *one = find(&l, id, contacts[i].name);
		if (one == NULL) {
			append(&l, id, &contacts[i]);
		} else if (contacts[i].fresh && memcmp(&one->to.number, &contacts[i].number,
							sizeof one->to.number) != 0) {
			struct sequence_number has = one->to.number;
			append(&l, nobody, &contacts[i]);
			contacts[i].number = has;
			contacts[i].fresh = false;
		}
	}
	rc = save(&l, e);
	letters_close(&l);
	return rc;
}

int letters_number(int dir, const char *kind, const uint8_t id[static SEQUENCE_ID],
	struct letters_contact *contacts, size_t n, struct err *e)
{
	size_t drawn = 0;
	int rc;

	if (memcmp(id, nobody, SEQUENCE_ID) == 0) {
		return err_set(e, EX_SOFTWARE, "no letter has an id of zeros");
	}
	rc = take_over(dir, id, contacts, n, e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (contacts[i].number.number == 0) {
			rc = sequence_next(dir, contacts[i].name, kind, &contacts[i].number, e);
			contacts[i].fresh = true;
			drawn++;
		}
	}
	return rc != 0 || drawn == 0 ? rc : record(dir, id, contacts, n, e);
}

int letters_give_back(int dir, const uint8_t id[static SEQUENCE_ID],
	const struct letters_contact *contacts, size_t n, struct err *e)
{
	struct letters l;
	int rc;

	if (letters_open(&l, dir, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		struct entry *one = contacts[i].fresh ? find(&l, id, contacts[i].name) : NULL;
		if (one != NULL) {
			memset(one->id, 0, SEQUENCE_ID);
		}
	}
	rc = save(&l, e);
	letters_close(&l);
	return rc;
}

int letters_refused(int dir, const uint8_t id[static SEQUENCE_ID], struct err *e)
{
	struct letters l;
	int rc;

	if (letters_open(&l, dir, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < l.n; i++) {
		if (memcmp(l.entries[i].id, id, SEQUENCE_ID) == 0) {
			memset(l.entries[i].id, 0, SEQUENCE_ID);
		}
	}
	rc = save(&l, e);
	letters_close(&l);
	return rc;
}
