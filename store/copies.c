/* Letters that were read or deleted before; see copies.h. */
#include "copies.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../crypto/file.h"

enum {
	WORD = 8, /* "deleted " */
	ID_TEXT = 2 * COPIES_ID,
	LINE = WORD + ID_TEXT + 1 + ID_TEXT + 1, /* each has this many bytes */
	FILE_BYTES_MAX = COPIES_MAX * LINE
};

static const char deleted[WORD + 1] = "deleted ", was_read[WORD + 1] = "read    ";

struct copies {
	int dir; /* of our own: it holds the lock */
	struct buf text;
};

static void copies_close(struct copies *c)
{
	if (c->dir >= 0) {
		(void)close(c->dir);
	}
	buf_free(&c->text);
}

static bool is_line(const char *line)
{
	uint8_t id[COPIES_ID];

	return (memcmp(line, deleted, WORD) == 0 || memcmp(line, was_read, WORD) == 0) &&
	       hex_decode(id, COPIES_ID, line + WORD, ID_TEXT) == 0 &&
	       line[WORD + ID_TEXT] == ' ' &&
	       hex_decode(id, COPIES_ID, line + WORD + ID_TEXT + 1, ID_TEXT) == 0 &&
	       line[LINE - 1] == '\n';
}

static int check(const struct buf *text, struct err *e)
{
	for (size_t at = 0; at < text->n; at += LINE) {
		if (text->n - at < LINE || !is_line((const char *)text->p + at)) {
			err_set(e, EX_CONFIG, "cannot use " COPIES_FILE ":%zu: it is damaged",
				at / LINE + 1);
			return err_hint(e, "move it away: a deleted letter that is delivered "
					   "again is not noticed then");
		}
	}
	return 0;
}

/* Lock the folder and read the file; none is an empty one. 0 or -1; copies_close is due in both
 * cases. */
static int copies_open(struct copies *c, int dir, struct err *e)
{
	int rc;

	*c = (struct copies){.dir = file_lock_own(dir, e)};
	if (c->dir < 0 || file_sweep(c->dir, COPIES_FILE, e) != 0) {
		return -1;
	}
	if (faccessat(c->dir, COPIES_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return 0;
	}
	rc = file_read(c->dir, COPIES_FILE, FILE_BYTES_MAX, &c->text, NULL, e);
	return rc == 0 ? check(&c->text, e) : rc;
}

static bool is_of(const struct copies *c, size_t at, const char *word, size_t offset,
	const char text[static ID_TEXT])
{
	const char *line = (const char *)c->text.p + at;

	return memcmp(line, word, WORD) == 0 && memcmp(line + offset, text, ID_TEXT) == 0;
}

static int add(
	struct copies *c, const char *word, const uint8_t *id, const uint8_t *digest, struct err *e)
{
	char line[LINE + 1];

	memcpy(line, word, WORD);
	hex_encode(line + WORD, id, COPIES_ID);
	line[WORD + ID_TEXT] = ' ';
	hex_encode(line + WORD + ID_TEXT + 1, digest, COPIES_ID);
	line[LINE - 1] = '\n';
	return buf_append(&c->text, line, LINE) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* The newest of them. */
static int save(const struct copies *c, struct err *e)
{
	size_t skip = c->text.n > FILE_BYTES_MAX ? c->text.n - FILE_BYTES_MAX : 0;

	return file_write(
		c->dir, COPIES_FILE, c->text.p + skip, c->text.n - skip, 0600, FILE_REPLACE, e);
}

int copies_deleted(int dir, const uint8_t (*ids)[COPIES_ID], size_t n, struct err *e)
{
	static const uint8_t none[COPIES_ID];
	struct copies c;
	int rc = copies_open(&c, dir, e);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = add(&c, deleted, ids[i], none, e);
	}
	rc = rc == 0 && n > 0 ? save(&c, e) : rc;
	copies_close(&c);
	return rc;
}

/* Is it there already? true with what is to be said of it. */
static bool find(
	const struct copies *c, const uint8_t *id, const uint8_t *digest, enum copies_verdict *out)
{
	char id_text[ID_TEXT + 1], digest_text[ID_TEXT + 1];
	bool found = false;

	*out = COPIES_NONE;
	hex_encode(id_text, id, COPIES_ID);
	hex_encode(digest_text, digest == NULL ? id : digest, COPIES_ID);
	for (size_t at = 0; at < c->text.n; at += LINE) {
		if (is_of(c, at, deleted, WORD, id_text)) {
			*out = COPIES_DELETED;
			return true;
		}
		if (digest != NULL && is_of(c, at, was_read, WORD + ID_TEXT + 1, digest_text)) {
			found = true;
			*out = is_of(c, at, was_read, WORD, id_text) ? COPIES_NONE : COPIES_MOVED;
		}
	}
	return found;
}

int copies_judge(int dir, const uint8_t id[static COPIES_ID], const uint8_t *digest,
	enum copies_verdict *out, struct err *e)
{
	struct copies c;
	int rc = copies_open(&c, dir, e);

	if (rc == 0 && !find(&c, id, digest, out) && digest != NULL) {
		rc = add(&c, was_read, id, digest, e);
		rc = rc == 0 ? save(&c, e) : rc;
	}
	copies_close(&c);
	return rc;
}
