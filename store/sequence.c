/* Numbers of messages; see sequence.h. The file, integers little-endian:
 *
 *     8   magic
 *     8   the stream of what we send, 8 the last number given in it (0: none was)
 *     1   how many streams came, and for each, in the order in which they began:
 *         8 stream, 8 highest number, 4 how many are missing, 8 for each of those, rising
 *     4   how many messages are remembered, the oldest first: 16 id, 8 stream, 8 number
 *     32  SHA-256 of all before it */
#include "sequence.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "../crypto/random.h"

enum {
	MAGIC = 8,
	KIND_MAX = 8,
	SEEN_BYTES = SEQUENCE_ID + SEQUENCE_STREAM + 8,
	NAME_BYTES = USER_NAME_MAX + 1 + KIND_MAX + 1,
	FILE_BYTES_MAX = MAGIC + 16 + 1 + SEQUENCE_STREAMS_MAX * (20 + 8 * SEQUENCE_GAPS_MAX) + 4 +
			 SEEN_BYTES * SEQUENCE_RECENT_MAX + HASH_BYTES
};

static const char magic[MAGIC + 1] = "S361SEQ1";

struct stream {
	uint8_t id[SEQUENCE_STREAM];
	uint64_t highest; /* 0 nowhere */
	uint64_t gaps[SEQUENCE_GAPS_MAX];
	size_t gaps_n;
};

/* A message that came. */
struct seen {
	uint8_t id[SEQUENCE_ID];
	struct sequence_number number;
};

struct numbers {
	char name[NAME_BYTES];
	int lock;
	struct sequence_number sent; /* its number is 0: none was */
	struct stream streams[SEQUENCE_STREAMS_MAX];
	size_t streams_n;
	struct seen seen[SEQUENCE_RECENT_MAX];
	size_t seen_n;
};

/* --- the file --- */

static bool get_stream(struct cursor *c, struct stream *s)
{
	const uint8_t *id = get_bytes(c, SEQUENCE_STREAM);
	uint32_t n;

	if (id != NULL) {
		memcpy(s->id, id, sizeof s->id);
	}
	s->highest = get_u64le(c);
	n = get_u32le(c);
	if (s->highest == 0 || n > SEQUENCE_GAPS_MAX) {
		return false;
	}
	for (s->gaps_n = 0; s->gaps_n < n; s->gaps_n++) {
		uint64_t before = s->gaps_n == 0 ? 0 : s->gaps[s->gaps_n - 1];
		s->gaps[s->gaps_n] = get_u64le(c);
		if (s->gaps[s->gaps_n] <= before || s->gaps[s->gaps_n] >= s->highest) {
			return false;
		}
	}
	return true;
}

/* false: these are not bytes of ours. */
static bool get_numbers(struct numbers *s, const uint8_t *p, size_t n)
{
	struct cursor c;
	uint8_t sum[HASH_BYTES];
	const uint8_t *bytes;

	if (n < MAGIC + HASH_BYTES || memcmp(p, magic, MAGIC) != 0) {
		return false;
	}
	hash_of(p, n - HASH_BYTES, sum);
	if (memcmp(sum, p + n - HASH_BYTES, HASH_BYTES) != 0) {
		return false;
	}
	c = cursor_over(p + MAGIC, n - MAGIC - HASH_BYTES);
	bytes = get_bytes(&c, SEQUENCE_STREAM);
	if (bytes != NULL) {
		memcpy(s->sent.stream, bytes, SEQUENCE_STREAM);
	}
	s->sent.number = get_u64le(&c);
	s->streams_n = get_u8(&c);
	for (size_t i = 0; i < s->streams_n; i++) {
		if (i == SEQUENCE_STREAMS_MAX || !get_stream(&c, &s->streams[i])) {
			return false;
		}
	}
	s->seen_n = get_u32le(&c);
	if (s->seen_n > SEQUENCE_RECENT_MAX) {
		return false;
	}
	for (size_t i = 0; i < s->seen_n; i++) {
		bytes = get_bytes(&c, SEQUENCE_ID + SEQUENCE_STREAM);
		if (bytes != NULL) {
			memcpy(s->seen[i].id, bytes, SEQUENCE_ID);
			memcpy(s->seen[i].number.stream, bytes + SEQUENCE_ID, SEQUENCE_STREAM);
		}
		s->seen[i].number.number = get_u64le(&c);
	}
	return !c.failed && cursor_left(&c) == 0;
}

static void put_u64(struct buf *b, uint64_t v) /* room was reserved */
{
	put_u64le(b->p + b->n, v);
	b->n += 8;
}

static void put_bytes(struct buf *b, const void *p, size_t n)
{
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put_u32(struct buf *b, size_t v)
{
	put_u32le(b->p + b->n, (uint32_t)v);
	b->n += 4;
}

static void put_numbers(struct buf *b, const struct numbers *s)
{
	put_bytes(b, magic, MAGIC);
	put_bytes(b, s->sent.stream, SEQUENCE_STREAM);
	put_u64(b, s->sent.number);
	b->p[b->n++] = (uint8_t)s->streams_n;
	for (size_t i = 0; i < s->streams_n; i++) {
		const struct stream *t = &s->streams[i];
		put_bytes(b, t->id, SEQUENCE_STREAM);
		put_u64(b, t->highest);
		put_u32(b, t->gaps_n);
		for (size_t k = 0; k < t->gaps_n; k++) {
			put_u64(b, t->gaps[k]);
		}
	}
	put_u32(b, s->seen_n);
	for (size_t i = 0; i < s->seen_n; i++) {
		put_bytes(b, s->seen[i].id, SEQUENCE_ID);
		put_bytes(b, s->seen[i].number.stream, SEQUENCE_STREAM);
		put_u64(b, s->seen[i].number.number);
	}
	hash_of(b->p, b->n, b->p + b->n);
	b->n += HASH_BYTES;
}

/* --- reading and replacing it, under the folder's lock --- */

static bool kind_valid(const char *kind)
{
	size_t n = strspn(kind, "abcdefghijklmnopqrstuvwxyz");

	return n > 0 && n <= KIND_MAX && kind[n] == '\0';
}

static int no_memory(const char *name, struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot count the messages in %s: out of memory", name);
}

static int load(struct numbers *s, int dir, struct err *e)
{
	struct buf in = {0};
	int rc = -1;

	if (faccessat(dir, s->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		return 0; /* there is none yet */
	}
	if (file_read(dir, s->name, FILE_BYTES_MAX, &in, NULL, e) == 0) {
		rc = get_numbers(s, in.p, in.n) ? 0
						: err_set(e, EX_CONFIG,
							  "cannot count the messages in %s: it is "
							  "damaged",
							  s->name);
	}
	if (rc != 0 && e != NULL && e->code != EX_TEMPFAIL && e->code != EX_IOERR) {
		e->code = EX_CONFIG;
		err_hint(e, "move it away: what went missing or was repeated before is not "
			    "noticed then");
	}
	buf_free(&in);
	return rc;
}

static void end(struct numbers *s)
{
	if (s != NULL) {
		if (s->lock >= 0) {
			(void)close(s->lock);
		}
		free(s);
	}
}

/* NULL with e. */
static struct numbers *begin(int dir, const char *contact, const char *kind, struct err *e)
{
	struct numbers *s;

	if (!user_name_valid(contact) || !kind_valid(kind)) {
		err_set(e, EX_SOFTWARE, "cannot count messages of \"%.40s\", \"%.40s\"", contact,
			kind);
		return NULL;
	}
	s = calloc(1, sizeof *s);
	if (s == NULL) {
		(void)no_memory(contact, e);
		return NULL;
	}
	(void)snprintf(s->name, sizeof s->name, "%s.%s", contact, kind);
	s->lock = file_lock_own(dir, e);
	if (s->lock < 0 || load(s, dir, e) != 0) {
		end(s);
		return NULL;
	}
	return s;
}

static int save(const struct numbers *s, int dir, struct err *e)
{
	struct buf b = {0};
	int rc = -1;

	if (buf_reserve(&b, FILE_BYTES_MAX) != 0) {
		return no_memory(s->name, e);
	}
	put_numbers(&b, s);
	rc = file_write(dir, s->name, b.p, b.n, 0600, FILE_REPLACE, e);
	buf_free(&b);
	return rc;
}

/* --- sending --- */

int sequence_next(
	int dir, const char *contact, const char *kind, struct sequence_number *out, struct err *e)
{
	struct numbers *s = begin(dir, contact, kind, e);
	int rc = -1;

	if (s == NULL) {
		return -1;
	}
	if (s->sent.number == 0 || s->sent.number >= INT64_MAX) {
		s->sent.number = 0;
		rc = random_bytes(s->sent.stream, SEQUENCE_STREAM, e);
	} else {
		rc = 0;
	}
	if (rc == 0) {
		s->sent.number++;
		rc = save(s, dir, e);
	}
	if (rc == 0) {
		*out = s->sent;
	}
	end(s);
	return rc;
}

/* --- what comes --- */

static struct stream *find_stream(struct numbers *s, const uint8_t *id)
{
	for (size_t i = 0; i < s->streams_n; i++) {
		if (memcmp(s->streams[i].id, id, SEQUENCE_STREAM) == 0) {
			return &s->streams[i];
		}
	}
	return NULL;
}

static struct stream *add_stream(struct numbers *s, const uint8_t *id)
{
	struct stream *t;

	if (s->streams_n == SEQUENCE_STREAMS_MAX) {
		memmove(s->streams, s->streams + 1,
			(SEQUENCE_STREAMS_MAX - 1) * sizeof s->streams[0]);
		s->streams_n--;
	}
	t = &s->streams[s->streams_n++];
	*t = (struct stream){0};
	memcpy(t->id, id, SEQUENCE_STREAM);
	return t;
}

/* NULL: it is not remembered. */
static const struct seen *find_seen(const struct numbers *s, const uint8_t *id)
{
	for (size_t i = s->seen_n; i > 0; i--) {
		if (memcmp(s->seen[i - 1].id, id, SEQUENCE_ID) == 0) {
			return &s->seen[i - 1];
		}
	}
	return NULL;
}

/* Did another have this number before that one? */
static bool number_taken(
	const struct numbers *s, const struct sequence_number *number, const struct seen *before)
{
	for (const struct seen *one = s->seen; one < before; one++) {
		if (one->number.number == number->number &&
			memcmp(one->number.stream, number->stream, SEQUENCE_STREAM) == 0) {
			return true;
		}
	}
	return false;
}

static void remember(struct numbers *s, const struct sequence_number *number, const uint8_t *id)
{
	if (s->seen_n == SEQUENCE_RECENT_MAX) {
		memmove(s->seen, s->seen + 1, (SEQUENCE_RECENT_MAX - 1) * sizeof s->seen[0]);
		s->seen_n--;
	}
	memcpy(s->seen[s->seen_n].id, id, SEQUENCE_ID);
	s->seen[s->seen_n++].number = *number;
}

/* first to last are missing: the newest SEQUENCE_GAPS_MAX are remembered. */
static void add_gaps(struct stream *t, uint64_t first, uint64_t last)
{
	uint64_t n = last - first + 1;
	size_t drop;

	if (n > SEQUENCE_GAPS_MAX) {
		first = last - SEQUENCE_GAPS_MAX + 1;
		n = SEQUENCE_GAPS_MAX;
	}
	drop = t->gaps_n + n > SEQUENCE_GAPS_MAX ? t->gaps_n + n - SEQUENCE_GAPS_MAX : 0;
	t->gaps_n -= drop;
	memmove(t->gaps, t->gaps + drop, t->gaps_n * sizeof t->gaps[0]);
	for (; n > 0; n--) {
		t->gaps[t->gaps_n++] = first++;
	}
}

/* Was it missing? It is not any more. */
static bool fill_gap(struct stream *t, uint64_t number)
{
	for (size_t i = 0; i < t->gaps_n; i++) {
		if (t->gaps[i] == number) {
			t->gaps_n--;
			memmove(t->gaps + i, t->gaps + i + 1, (t->gaps_n - i) * sizeof t->gaps[0]);
			return true;
		}
	}
	return false;
}

static void take(
	struct numbers *s, const struct sequence_number *number, struct sequence_taken *out)
{
	struct stream *t = find_stream(s, number->stream);

	if (t == NULL) {
		out->how = s->streams_n == 0 ? SEQUENCE_FIRST : SEQUENCE_ANEW;
		t = add_stream(s, number->stream);
	} else if (number->number > t->highest) {
		out->how = number->number == t->highest + 1 ? SEQUENCE_NEXT : SEQUENCE_GAP;
	} else {
		out->how = fill_gap(t, number->number) ? SEQUENCE_LATE : SEQUENCE_REPEATED;
	}
	if (number->number > t->highest) {
		out->missing = number->number - t->highest - 1;
		if (out->missing > 0) {
			out->first_missing = t->highest + 1;
			add_gaps(t, out->first_missing, number->number - 1);
		}
		t->highest = number->number;
	}
	out->highest = t->highest;
	out->gaps = t->gaps_n;
}

int sequence_take(int dir, const char *contact, const char *kind,
	const struct sequence_number *number, const uint8_t id[static SEQUENCE_ID],
	struct sequence_taken *out, struct err *e)
{
	const struct stream *t;
	const struct seen *seen;
	struct numbers *s;
	int rc = 0;

	*out = (struct sequence_taken){0};
	if (number->number == 0 || number->number > INT64_MAX) {
		return err_set(e, EX_DATAERR, "no message has the number %llu",
			(unsigned long long)number->number);
	}
	s = begin(dir, contact, kind, e);
	if (s == NULL) {
		return -1;
	}
	seen = find_seen(s, id);
	if (seen != NULL) {
		t = find_stream(s, number->stream);
		*out = (struct sequence_taken){.how = SEQUENCE_KNOWN,
			.highest = t == NULL ? 0 : t->highest,
			.gaps = t == NULL ? 0 : t->gaps_n,
			.second = number_taken(s, number, seen)};
	} else {
		take(s, number, out);
		out->second = out->how == SEQUENCE_REPEATED &&
			      number_taken(s, number, s->seen + s->seen_n);
		if (out->how != SEQUENCE_REPEATED || out->second) {
			remember(s, number, id);
			rc = save(s, dir, e);
		}
	}
	end(s);
	return rc;
}

int sequence_missing(int dir, const char *contact, const char *kind, uint64_t *out, size_t cap,
	size_t *n, struct sequence_number *newest, struct err *e)
{
	struct numbers *s = begin(dir, contact, kind, e);

	*n = 0;
	*newest = (struct sequence_number){.number = 0};
	if (s == NULL) {
		return -1;
	}
	if (s->streams_n > 0) {
		const struct stream *t = &s->streams[s->streams_n - 1];
		memcpy(newest->stream, t->id, SEQUENCE_STREAM);
		newest->number = t->highest;
		*n = t->gaps_n;
		for (size_t i = 0; i < cap && i < t->gaps_n; i++) {
			out[i] = t->gaps[i];
		}
	}
	end(s);
	return 0;
}

int sequence_each_missing(int dir, const char *contact, const char *kind, sequence_visit *visit,
	void *arg, struct err *e)
{
	struct numbers *s = begin(dir, contact, kind, e);
	int rc = 0;

	if (s == NULL) {
		return -1;
	}
	for (size_t i = 0; rc == 0 && i < s->streams_n; i++) {
		const struct stream *t = &s->streams[i];
		if (t->gaps_n > 0) {
			rc = visit(arg, t->highest, t->gaps, t->gaps_n, i + 1 == s->streams_n);
		}
	}
	end(s);
	return rc;
}

int sequence_forgive(int dir, const char *contact, const char *kind, struct err *e)
{
	struct numbers *s = begin(dir, contact, kind, e);
	int rc;

	if (s == NULL) {
		return -1;
	}
	for (size_t i = 0; i < s->streams_n; i++) {
		s->streams[i].gaps_n = 0;
	}
	rc = s->streams_n == 0 ? 0 : save(s, dir, e);
	end(s);
	return rc;
}
