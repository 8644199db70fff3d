/* The armor of a sealed file; see age_armor.h. */
#include "age_armor.h"

#include "bytes.h"

static const char begin_line[] = "-----BEGIN AGE ENCRYPTED FILE-----";
static const char end_line[] = "-----END AGE ENCRYPTED FILE-----";

/* --- writing --- */

void age_armor_begin(struct age_armor_writer *a)
{
	a->part_n = 0;
	a->text_n = (size_t)snprintf(a->text, sizeof a->text, "%s\n", begin_line);
}

static int hand_out(struct age_armor_writer *a, const struct age_sink *to, struct err *e)
{
	size_t n = a->text_n;

	a->text_n = 0;
	return age_sink_put(to, a->text, n, e);
}

/* The line of what is in part. */
static int put_line(struct age_armor_writer *a, const struct age_sink *to, struct err *e)
{
	/* and a NUL, which the line's end takes the place of */
	if (sizeof a->text - a->text_n < AGE_ARMOR_LINE + 1 && hand_out(a, to, e) != 0) {
		return -1;
	}
	a->text_n += base64_padded_encode(a->text + a->text_n, a->part, a->part_n);
	a->text[a->text_n++] = '\n';
	a->part_n = 0;
	return 0;
}

int age_armor_write(struct age_armor_writer *a, const void *p, size_t n, const struct age_sink *to,
	struct err *e)
{
	const uint8_t *s = p;

	while (n > 0) {
		size_t k = AGE_ARMOR_BYTES - a->part_n;
		k = k < n ? k : n;
		memcpy(a->part + a->part_n, s, k);
		a->part_n += k;
		s += k;
		n -= k;
		if (a->part_n == AGE_ARMOR_BYTES && put_line(a, to, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int age_armor_end(struct age_armor_writer *a, const struct age_sink *to, struct err *e)
{
	if ((a->part_n > 0 && put_line(a, to, e) != 0) || hand_out(a, to, e) != 0) {
		return -1;
	}
	a->text_n = (size_t)snprintf(a->text, sizeof a->text, "%s\n", end_line);
	return hand_out(a, to, e);
}

/* --- reading --- */

static int bad(enum age_fault *fault, struct err *e, const char *why)
{
	return age_fault_set(fault, AGE_BAD_ARMOR, e, why);
}

static const char no_armor[] = "it is neither a sealed file nor the armor of one";

static int too_long(const struct age_armor_reader *a, enum age_fault *fault, struct err *e)
{
	return bad(fault, e,
		a->stage == AGE_ARMOR_AHEAD ? no_armor
					    : "the armor holds a line of more than 64 characters");
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool line_is(const struct age_armor_reader *a, size_t n, const char *text)
{
	return n == strlen(text) && memcmp(a->line, text, n) == 0;
}

static uint8_t *decoded(struct age_armor_reader *a)
{
	return a->lent == NULL ? a->own : a->lent;
}

static size_t room(const struct age_armor_reader *a)
{
	return (a->lent == NULL ? sizeof a->own : a->lent_n) - a->decoded;
}

static int hand_on(struct age_armor_reader *a, const struct age_sink *to, struct err *e)
{
	size_t n = a->decoded;

	a->decoded = 0;
	return age_sink_put(to, decoded(a), n, e);
}

/* A line of n characters in the body. */
static int read_body(struct age_armor_reader *a, size_t n, const struct age_sink *to,
	enum age_fault *fault, struct err *e)
{
	int k;

	if (room(a) < AGE_ARMOR_BYTES && hand_on(a, to, e) != 0) {
		return -1;
	}
	k = n == 0 ? -1
		   : base64_padded_decode(decoded(a) + a->decoded, AGE_ARMOR_BYTES, a->line, n);
	if (k <= 0) {
		return bad(fault, e, "the armor holds a line that is no canonical base64");
	}
	if (k < AGE_ARMOR_BYTES) {
		a->stage = AGE_ARMOR_LAST;
	}
	a->decoded += (size_t)k;
	return 0;
}

/* What was gathered is a line, without its LF. */
static int read_line(
	struct age_armor_reader *a, const struct age_sink *to, enum age_fault *fault, struct err *e)
{
	size_t n = a->n;

	a->n = 0;
	if (n > 0 && a->line[n - 1] == '\r') {
		n--;
	}
	if (n > AGE_ARMOR_LINE) {
		return too_long(a, fault, e);
	}
	if (a->stage == AGE_ARMOR_AHEAD) {
		a->stage = AGE_ARMOR_BODY;
		return line_is(a, n, begin_line) ? 0 : bad(fault, e, no_armor);
	}
	if (line_is(a, n, end_line)) {
		a->stage = AGE_ARMOR_BEHIND;
		return 0;
	}
	if (a->stage == AGE_ARMOR_LAST) {
		return bad(fault, e, "the armor goes on behind a short line");
	}
	return read_body(a, n, to, fault, e);
}

/* Whole lines in the body, as nearly all are, from where they stand. The bytes taken; whatever is
 * not so is left to read_line. */
static size_t read_whole(struct age_armor_reader *a, const char *s, size_t n)
{
	size_t taken = 0;

	while (n - taken > AGE_ARMOR_LINE && s[taken + AGE_ARMOR_LINE] == '\n' &&
		room(a) >= AGE_ARMOR_BYTES &&
		base64_padded_decode(decoded(a) + a->decoded, AGE_ARMOR_BYTES, s + taken,
			AGE_ARMOR_LINE) == AGE_ARMOR_BYTES) {
		a->decoded += AGE_ARMOR_BYTES;
		taken += AGE_ARMOR_LINE + 1;
	}
	return taken;
}

/* How many of these bytes belong to the line; *whole: its LF follows them. */
static size_t find_end(const char *s, size_t n, bool *whole)
{
	const char *end = memchr(s, '\n', n);

	*whole = end != NULL;
	return end != NULL ? (size_t)(end - s) : n;
}

static int read_lines(struct age_armor_reader *a, const char *s, size_t n,
	const struct age_sink *to, enum age_fault *fault, struct err *e)
{
	const char *end = s + n;

	while (s < end) {
		bool whole;
		size_t k;

		if ((a->stage == AGE_ARMOR_AHEAD && a->n == 0) || a->stage == AGE_ARMOR_BEHIND) {
			if (is_white(*s)) {
				s++;
				continue;
			}
		}
		if (a->stage == AGE_ARMOR_BEHIND) {
			return bad(fault, e, "something stands behind the armor's end");
		}
		if (a->stage == AGE_ARMOR_BODY && a->n == 0) {
			s += read_whole(a, s, (size_t)(end - s));
		}
		k = find_end(s, (size_t)(end - s), &whole);
		if (k > sizeof a->line - a->n) {
			return too_long(a, fault, e);
		}
		memcpy(a->line + a->n, s, k);
		a->n += k;
		s += k + (whole ? 1 : 0);
		if (whole && read_line(a, to, fault, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int age_armor_read(struct age_armor_reader *a, const void *p, size_t n, const struct age_sink *to,
	enum age_fault *fault, struct err *e)
{
	enum age_fault ours = AGE_SOUND;
	struct err why;
	int rc = read_lines(a, p, n, to, &ours, &why);

	/* what stands ahead of a bad line may have a fault of its own, which came first */
	if (hand_on(a, to, e) != 0) {
		return -1;
	}
	if (ours != AGE_SOUND) {
		*fault = ours;
	}
	if (rc != 0 && e != NULL) {
		*e = why;
	}
	return rc;
}

int age_armor_read_end(
	struct age_armor_reader *a, const struct age_sink *to, enum age_fault *fault, struct err *e)
{
	if (a->n > 0 && (read_line(a, to, fault, e) != 0 || hand_on(a, to, e) != 0)) {
		return -1;
	}
	return a->stage == AGE_ARMOR_BEHIND ? 0 : bad(fault, e, "the armor has no end: it was cut");
}
