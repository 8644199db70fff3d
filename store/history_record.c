/* The records of a history; see history_record.h for the bytes. */
#include "history_record.h"

#include "../crypto/file.h"
#include "../crypto/random.h"

enum {
	MARK = 8,
	NUMBER_AT = MARK,
	NOTE_N_AT = NUMBER_AT + 8,
	BODY_N_AT = NOTE_N_AT + 4,
	NOTE_NONCE_AT = BODY_N_AT + 4,
	BODY_NONCE_AT = NOTE_NONCE_AT + GCM_NONCE,
	AD = HISTORY_ID + RECORD_HEAD + 1,
	WINDOW = 65536 /* of the file, while a mark is looked for */
};

static const uint8_t magic[8] = {'S', '3', '6', '1', 'H', 'S', 'T', '1'};
/* no text, and no number that a file is full of */
static const uint8_t mark[MARK] = {0xf6, 'R', 0x1d, 'e', 0x85, 'c', 0xc3, 0x0e};

void history_head_make(uint8_t out[static HISTORY_HEAD], const uint8_t id[static HISTORY_ID])
{
	memcpy(out, magic, sizeof magic);
	memcpy(out + sizeof magic, id, HISTORY_ID);
}

static void make_ad(
	uint8_t out[static AD], const struct record_key *k, const uint8_t *head, bool body)
{
	memcpy(out, k->id, HISTORY_ID);
	memcpy(out + HISTORY_ID, head, RECORD_HEAD);
	out[AD - 1] = body ? 1 : 0;
}

static void seal(const struct record_key *k, const uint8_t *head, bool body, const void *p,
	size_t n, uint8_t *out)
{
	uint8_t ad[AD];

	make_ad(ad, k, head, body);
	if (n > 0) {
		memcpy(out, p, n);
	}
	gcm_seal(&k->gcm, head + (body ? BODY_NONCE_AT : NOTE_NONCE_AT), ad, sizeof ad, out, n,
		out + n);
}

/* In place. */
static bool unseal(const struct record_key *k, const uint8_t *head, bool body, uint8_t *p, size_t n)
{
	uint8_t ad[AD];

	make_ad(ad, k, head, body);
	return gcm_open(&k->gcm, head + (body ? BODY_NONCE_AT : NOTE_NONCE_AT), ad, sizeof ad, p, n,
		       p + n) == 0;
}

int record_make(struct buf *out, const struct record_key *k, uint64_t number, const void *note,
	size_t note_n, const void *body, size_t body_n, struct err *e)
{
	size_t n = RECORD_OVERHEAD + note_n + body_n;
	uint8_t *head, *p;

	if (note_n > HISTORY_NOTE_MAX || body_n > HISTORY_BODY_MAX) {
		return err_set(e, EX_DATAERR, "cannot keep it in the history: it is too long");
	}
	if (buf_reserve(out, n) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot keep it in the history: out of memory");
	}
	head = out->p + out->n;
	memcpy(head, mark, MARK);
	put_u64be(head + NUMBER_AT, number);
	put_u32be(head + NOTE_N_AT, (uint32_t)note_n);
	put_u32be(head + BODY_N_AT, (uint32_t)body_n);
	if (random_bytes(head + NOTE_NONCE_AT, 2 * GCM_NONCE, e) != 0) {
		return -1;
	}
	p = head + RECORD_HEAD;
	seal(k, head, false, note, note_n, p);
	p += note_n + GCM_TAG;
	seal(k, head, true, body, body_n, p);
	p += body_n + GCM_TAG;
	put_u32be(p, (uint32_t)n);
	out->n += n;
	return 0;
}

/* --- reading --- */

void record_walk_begin(struct record_walk *w, const struct record_key *k, int fd, uint64_t size)
{
	*w = (struct record_walk){.key = k, .fd = fd, .size = size, .at = HISTORY_HEAD, .next = 1};
}

/* n bytes, or as many as there are. -1: the file cannot be read. */
static ssize_t look(const struct record_walk *w, uint64_t at, void *p, size_t n, struct err *e)
{
	ssize_t k = at >= w->size ? 0
				  : file_read_at(w->fd, p,
					    w->size - at < n ? (size_t)(w->size - at) : n, at);

	return k < 0 ? err_sys(e, EX_IOERR, "cannot read the history") : k;
}

static uint64_t record_bytes(const struct record_walk *w)
{
	return (uint64_t)RECORD_OVERHEAD + w->note_n + w->body_n;
}

/* Is there a head at this place, and all of its record, if its lengths are true? 1, 0 or -1. */
static int read_head(struct record_walk *w, uint64_t at, struct err *e)
{
	ssize_t k = look(w, at, w->head, RECORD_HEAD, e);
	struct cursor c = cursor_over(w->head + NUMBER_AT, 16);

	if (k != RECORD_HEAD || memcmp(w->head, mark, MARK) != 0) {
		return k < 0 ? -1 : 0;
	}
	w->number = (uint64_t)get_u32be(&c) << 32;
	w->number |= get_u32be(&c);
	w->note_n = get_u32be(&c);
	w->body_n = get_u32be(&c);
	w->start = at;
	return w->note_n <= HISTORY_NOTE_MAX && w->body_n <= HISTORY_BODY_MAX &&
	       record_bytes(w) <= w->size - at;
}

/* The same, and its note opens, which proves the head. */
static int read_record(struct record_walk *w, uint64_t at, struct err *e)
{
	int rc = read_head(w, at, e);

	if (rc != 1 || w->number < w->next) {
		return rc < 0 ? -1 : 0;
	}
	if (look(w, at + RECORD_HEAD, w->note, w->note_n + GCM_TAG, e) < 0) {
		return -1;
	}
	return unseal(w->key, w->head, false, w->note, w->note_n) ? 1 : 0;
}

/* Find a sound record behind this place. 1, 0 or -1. */
static int find_record(struct record_walk *w, uint64_t from, struct err *e)
{
	uint8_t *window = malloc(WINDOW);
	int rc = 0;

	if (window == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot read the history: out of memory");
	}
	while (rc == 0 && from + RECORD_OVERHEAD <= w->size) {
		ssize_t k = look(w, from, window, WINDOW, e);
		const uint8_t *p = k < MARK ? NULL : memmem(window, (size_t)k, mark, MARK);
		if (k < MARK) {
			rc = k < 0 ? -1 : 0;
			break;
		}
		if (p == NULL) {
			from += (uint64_t)k - (MARK - 1);
		} else {
			from += (uint64_t)(p - window);
			rc = read_record(w, from, e);
			from += rc == 0 ? 1 : 0;
		}
	}
	free(window);
	return rc;
}

/* What stands in the last bytes of the file, as the length of a record: -1, or 0. */
static int last_length(const struct record_walk *w, uint64_t *n, struct err *e)
{
	uint8_t last[4] = {0};
	struct cursor c = cursor_over(last, sizeof last);

	if (look(w, w->size - sizeof last, last, sizeof last, e) < 0) {
		return -1;
	}
	*n = get_u32be(&c);
	return 0;
}

/* Was all of a record written from `at` to the end of the file, whatever is left of it? Its length
 * stands last. 1, 0 or -1. */
static int was_finished(const struct record_walk *w, struct err *e)
{
	uint64_t n;

	if (w->size - w->at < RECORD_OVERHEAD) {
		return 0;
	}
	return last_length(w, &n, e) != 0 ? -1 : n == w->size - w->at;
}

/* What stands at `at` is no sound record, and none comes behind it. */
static int last_damaged(struct record_walk *w, struct err *e)
{
	int rc = read_head(w, w->at, e);
	uint64_t n = rc == 1 ? record_bytes(w) : w->size - w->at;

	if (rc == 0) {
		rc = was_finished(w, e);
	}
	if (rc == 1) {
		w->damaged = true;
		w->number = w->next++;
		w->note_n = w->body_n = 0;
		w->at += n;
	}
	return rc;
}

int record_walk_next(struct record_walk *w, struct err *e)
{
	int rc;

	w->damaged = false;
	if (w->at >= w->size) {
		return 0;
	}
	rc = read_record(w, w->at, e);
	if (rc == 0) {
		rc = find_record(w, w->at + 1, e);
	}
	if (rc == 0) {
		return last_damaged(w, e);
	}
	if (rc == 1) {
		w->at = w->start + record_bytes(w);
		w->next = w->number + 1;
	}
	return rc;
}

int record_walk_end(struct record_walk *w, struct err *e)
{
	uint64_t n;
	int rc;

	if (w->size == HISTORY_HEAD) {
		return 1;
	}
	if (w->size < HISTORY_HEAD + RECORD_OVERHEAD) {
		return 0;
	}
	if (last_length(w, &n, e) != 0) {
		return -1;
	}
	if (n < RECORD_OVERHEAD || n > w->size - HISTORY_HEAD) {
		return 0;
	}
	rc = read_record(w, w->size - n, e);
	if (rc == 1 && record_bytes(w) != n) {
		return 0;
	}
	if (rc == 1) {
		w->at = w->size;
		w->next = w->number + 1;
	}
	return rc;
}

int record_body(const struct record_walk *w, struct buf *out, struct err *e)
{
	size_t n = w->body_n + GCM_TAG;

	out->n = 0;
	if (buf_reserve(out, n) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot read the history: out of memory");
	}
	if (look(w, w->start + RECORD_HEAD + w->note_n + GCM_TAG, out->p, n, e) < 0) {
		return -1;
	}
	if (!unseal(w->key, w->head, true, out->p, w->body_n)) {
		return 0;
	}
	out->n = w->body_n;
	return 1;
}
