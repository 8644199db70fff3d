/* mbox files; see mbox.h. */
#include "mbox.h"

#include "rfc5322.h"

static const char from[] = "From ";
enum { FROM = sizeof from - 1 };

bool mbox_find_kind(const char *name, enum mbox_kind *kind)
{
	static const char *const names[] = {[MBOX_RD] = "mboxrd",
		[MBOX_O] = "mboxo",
		[MBOX_CL] = "mboxcl",
		[MBOX_CL2] = "mboxcl2"};

	for (size_t i = MBOX_RD; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			*kind = (enum mbox_kind)i;
			return true;
		}
	}
	return false;
}

/* --- the filter --- */

void mbox_filter_begin(
	struct mbox_filter *f, enum mbox_quoting quoting, transfer_put *put, void *arg)
{
	*f = (struct mbox_filter){.quoting = quoting, .put = put, .arg = arg};
}

/* What was held back: the quotes, one more or one less where it is a From_ line, and its start. */
static int release(struct mbox_filter *f, struct err *e)
{
	static const char many[] = ">>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>";
	bool is_from = f->matched == FROM;
	uint64_t quotes = f->quotes;
	size_t matched = f->matched, k;

	if (is_from && f->quoting == MBOX_QUOTE) {
		quotes++;
	} else if (is_from && ((f->quoting == MBOX_UNQUOTE && quotes > 0) ||
				      (f->quoting == MBOX_UNQUOTE_ONE && quotes == 1))) {
		quotes--;
	}
	f->inside = true;
	f->quotes = 0;
	f->matched = 0;
	for (; quotes > 0; quotes -= k) {
		k = quotes < sizeof many - 1 ? (size_t)quotes : sizeof many - 1;
		if (f->put(f->arg, many, k, e) != 0) {
			return -1;
		}
	}
	return matched == 0 ? 0 : f->put(f->arg, from, matched, e);
}

int mbox_filter_take(struct mbox_filter *f, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p, *end;

	if (n == 0 || f->quoting == MBOX_AS_IS) {
		return n == 0 ? 0 : f->put(f->arg, p, n, e);
	}
	end = s + n;
	while (s < end) {
		if (f->inside) { /* up to and with the line's end, at once */
			const uint8_t *lf = memchr(s, '\n', (size_t)(end - s));
			size_t k = lf == NULL ? (size_t)(end - s) : (size_t)(lf + 1 - s);
			if (f->put(f->arg, s, k, e) != 0) {
				return -1;
			}
			s += k;
			f->inside = lf == NULL;
		} else if (f->matched == 0 && *s == '>') {
			f->quotes++;
			s++;
		} else if (*s == (uint8_t)from[f->matched]) {
			f->matched++;
			s++;
			if (f->matched == FROM && release(f, e) != 0) {
				return -1;
			}
		} else if (release(f, e) != 0) {
			return -1;
		}
	}
	return 0;
}

int mbox_filter_end(struct mbox_filter *f, struct err *e)
{
	return f->inside ? 0 : release(f, e);
}

/* --- writing --- */

int mbox_put_from(struct buf *out, const char *sender, int64_t time_us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static const char days[] = "SunMonTueWedThuFriSat";
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	char text[80];

	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -900 || tm.tm_year > 8099) {
		tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
	}
	(void)snprintf(text, sizeof text, " %.3s %.3s %2d %02d:%02d:%02d %04d\n",
		days + 3 * tm.tm_wday, months + 3 * tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec, tm.tm_year + 1900);
	if (buf_append(out, from, FROM) != 0 || buf_append_str(out, sender) != 0) {
		return -1;
	}
	return buf_append_str(out, text);
}

/* --- reading --- */

void mbox_open(struct mbox *m, enum mbox_kind kind, mbox_read_at *read_at, void *arg)
{
	m->read_at = read_at;
	m->arg = arg;
	m->kind = kind;
	m->at = m->block_at = 0;
	m->block_n = 0;
}

/* A stretch of the file from `at` on: as much of a line as fits a block. Its end is behind an LF
 * (*ended), or at the end of the file or of the block. 1, 0 at the end of the file, or -1. */
static int get_stretch(
	struct mbox *m, uint64_t at, const uint8_t **p, size_t *n, bool *ended, struct err *e)
{
	const uint8_t *lf = NULL;
	size_t skip;

	if (at >= m->block_at && at - m->block_at < m->block_n) {
		skip = (size_t)(at - m->block_at);
		lf = memchr(m->block + skip, '\n', m->block_n - skip);
	}
	if (lf == NULL) {
		m->block_at = at;
		m->block_n = 0; /* nothing of it counts when the reading fails */
		if (m->read_at(m->arg, at, m->block, sizeof m->block, &m->block_n, e) != 0) {
			m->block_n = 0;
			return -1;
		}
		skip = 0;
		lf = m->block_n == 0 ? NULL : memchr(m->block, '\n', m->block_n);
	}
	*p = m->block + skip;
	*ended = lf != NULL;
	*n = lf != NULL ? (size_t)(lf + 1 - *p) : m->block_n - skip;
	return *n > 0 ? 1 : 0;
}

static bool is_from_line(const uint8_t *p, size_t n)
{
	return n >= FROM && memcmp(p, from, FROM) == 0;
}

static bool is_empty(const uint8_t *p, size_t n, bool ended)
{
	return ended && (n == 1 || (n == 2 && p[0] == '\r'));
}

/* The time behind the sender, who may be anything without a blank. */
static int64_t time_of(const uint8_t *p, size_t n)
{
	const uint8_t *blank = memchr(p + FROM, ' ', n - FROM);
	int64_t us;

	if (blank == NULL ||
		rfc5322_parse_date((struct message_part){.p = blank, .n = n - (size_t)(blank - p)},
			&us) != 0) {
		return -1;
	}
	return us;
}

/* A header's line: does it say how long the body is? */
static void look_for_length(struct mbox *m, const uint8_t *p, size_t n)
{
	struct cursor c = cursor_over(p, n);
	struct rfc5322_field f;

	if (rfc5322_next(&c, &f) > 0 && rfc5322_is(&f, "Content-Length")) {
		m->has_length = parse_decimal(f.value.p, f.value.n, INT64_MAX, &m->length) == 0;
	}
}

/* Does the body that begins here, with the length that was told, end where a message can: ahead of
 * a From_ line, with an empty line or none between, or at the end of the file? *next is where that
 * line stands. 1, 0 or -1. */
static int length_holds(struct mbox *m, uint64_t body, uint64_t *next, struct err *e)
{
	uint64_t at = body + m->length;
	const uint8_t *p;
	uint8_t before = 0;
	size_t n = 0;
	bool ended;
	int rc;

	if (m->length > INT64_MAX - body) {
		return 0;
	}
	if (m->length > 0 && m->read_at(m->arg, at - 1, &before, 1, &n, e) != 0) {
		return -1;
	}
	if (m->length > 0 && n == 0) {
		return 0;
	}
	rc = get_stretch(m, at, &p, &n, &ended, e);
	if (rc > 0 && m->length > 0 && before != '\n' && !is_empty(p, n, ended)) {
		return 0; /* in the middle of a line */
	}
	for (int i = 0; rc > 0 && i < 2 && is_empty(p, n, ended); i++) {
		at += n;
		rc = get_stretch(m, at, &p, &n, &ended, e);
	}
	*next = at;
	return rc < 0 ? -1 : rc == 0 ? 1 : is_from_line(p, n) ? 1 : 0;
}

/* Look through a body for the next From_ line, from `at` to at most `limit`. *found: where it
 * stands, or where the file ends. 1 found, 0 not, or -1. *blank: how long the empty line ahead
 * of it is. */
static int scan(struct mbox *m, uint64_t at, uint64_t limit, bool after_empty, uint64_t *found,
	size_t *blank, struct err *e)
{
	bool line_starts = true, ended;
	const uint8_t *p;
	size_t n;
	int rc;

	*blank = after_empty ? *blank : 0;
	while (at < limit && (rc = get_stretch(m, at, &p, &n, &ended, e)) != 0) {
		if (rc < 0) {
			return -1;
		}
		/* where nobody says how the file was written, text that begins so by chance is told
		 * from it by the date; writers forget to quote, and to leave a line empty */
		if (line_starts && is_from_line(p, n) &&
			(time_of(p, n) >= 0 || (m->kind != MBOX_ANY && *blank > 0))) {
			*found = at;
			return 1;
		}
		*blank = line_starts && is_empty(p, n, ended) ? n : 0;
		line_starts = ended;
		at += n;
	}
	*found = at;
	return 0;
}

/* The header, line by line, up to its empty line. *at is behind it. */
static int skip_header(struct mbox *m, uint64_t *at, size_t *blank, struct err *e)
{
	bool line_starts = true, ended;
	const uint8_t *p;
	size_t n;
	int rc;

	m->has_length = false;
	*blank = 0;
	while ((rc = get_stretch(m, *at, &p, &n, &ended, e)) > 0) {
		if (line_starts && is_from_line(p, n)) {
			return 0; /* a message without a body, and without its empty line */
		}
		if (line_starts && m->kind != MBOX_RD && m->kind != MBOX_O) {
			look_for_length(m, p, n);
		}
		*at += n;
		if (line_starts && is_empty(p, n, ended)) {
			*blank = n;
			return 0;
		}
		line_starts = ended;
	}
	return rc;
}

/* The message ends ahead of *next, by its length or by the next From_ line. */
static int find_end(struct mbox *m, struct mbox_message *out, uint64_t body, size_t blank,
	uint64_t *next, struct err *e)
{
	enum mbox_quoting plain = m->kind == MBOX_O ? MBOX_UNQUOTE_ONE : MBOX_UNQUOTE;
	uint64_t found;
	size_t gap = 0;
	int rc = m->has_length ? length_holds(m, body, next, e) : 0;

	if (rc < 0) {
		return -1;
	}
	if (rc > 0) {
		out->end = body + m->length;
		/* a From_ line inside: nothing is quoted here */
		rc = m->kind == MBOX_CL    ? 0
		     : m->kind == MBOX_CL2 ? 1
					   : scan(m, body, out->end, false, &found, &gap, e);
		out->quoting = rc > 0 ? MBOX_AS_IS : MBOX_UNQUOTE_ONE;
		return rc < 0 ? -1 : 0;
	}
	gap = blank;
	rc = scan(m, body, UINT64_MAX, blank > 0, next, &gap, e);
	/* the empty line ahead of the next message is not the message's; but the one that ends its
	 * header is */
	out->end = gap > 0 && *next > body ? *next - gap : *next;
	out->quoting = plain;
	return rc < 0 ? -1 : 0;
}

int mbox_next(struct mbox *m, struct mbox_message *out, struct err *e)
{
	const uint8_t *p;
	uint64_t body, next;
	size_t n, blank;
	bool ended;
	int rc;

	while ((rc = get_stretch(m, m->at, &p, &n, &ended, e)) > 0 && is_empty(p, n, ended)) {
		m->at += n;
	}
	if (rc <= 0) {
		return rc;
	}
	if (!is_from_line(p, n)) {
		return err_set(e, EX_DATAERR, "at byte %llu a line \"From \" was expected",
			(unsigned long long)m->at);
	}
	if (!ended && n == sizeof m->block) {
		return err_set(e, EX_DATAERR, "the line \"From \" at byte %llu has no end",
			(unsigned long long)m->at);
	}
	out->time_us = time_of(p, n);
	out->start = body = m->at + n;
	if (skip_header(m, &body, &blank, e) != 0 || find_end(m, out, body, blank, &next, e) != 0) {
		return -1;
	}
	m->at = next;
	return 1;
}
