/* Messages put into form; see submission.h. */
#include "submission.h"

#include <errno.h>
#include <strings.h>

#include "../crypto/hash.h"
#include "../crypto/random.h"

struct submission_reader {
	struct submission *s;
	const struct submission_rules *rules;
	struct buf head; /* as it came */
	struct buf body; /* what of it waits to be put */
	size_t line;     /* the line in hand begins here in head */
	size_t fields;
	bool in_body, ended;
	bool cr;       /* CRs are held back */
	bool dot;      /* so is a dot that began a line */
	size_t column; /* of the line in hand */
	uint64_t bytes;
};

void submission_free(struct submission *s)
{
	free(s->to);
	held_free(&s->body);
	buf_free(&s->head);
	*s = SUBMISSION_EMPTY;
}

uint64_t submission_bytes(const struct submission *s)
{
	return s->head.n + 1 + s->body.bytes;
}

int submission_each(const struct submission *s, transfer_put *put, void *arg, struct err *e)
{
	return put(arg, s->head.p, s->head.n, e) != 0 || put(arg, "\n", 1, e) != 0
		       ? -1
		       : held_each(&s->body, put, arg, e);
}

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

static bool same(const struct rfc5322_mailbox *a, const struct rfc5322_mailbox *b)
{
	return strcmp(a->local, b->local) == 0 && strcasecmp(a->domain, b->domain) == 0;
}

int submission_add(struct submission *s, const struct rfc5322_mailbox *m, struct err *e)
{
	for (size_t i = 0; i < s->to_n; i++) {
		if (same(&s->to[i], m)) {
			return 0;
		}
	}
	if (s->to_n == SUBMISSION_RECIPIENTS) {
		return err_set(
			e, EX_DATAERR, "it has more than %d recipients", SUBMISSION_RECIPIENTS);
	}
	if ((s->to_n & (s->to_n - 1)) == 0) { /* 0, 1, 2, 4 ...: all places are taken */
		size_t cap = s->to_n == 0 ? 1 : 2 * s->to_n;
		struct rfc5322_mailbox *more = realloc(s->to, cap * sizeof *more);
		if (more == NULL) {
			return no_memory(e);
		}
		s->to = more;
	}
	s->to[s->to_n++] = *m;
	return 0;
}

/* --- the header --- */

static bool is_one_of(const struct rfc5322_field *f, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (rfc5322_is(f, *names)) {
			return true;
		}
	}
	return false;
}

static const char *const to_fields[] = {"To", "Cc", "Bcc", NULL};
static const char *const resent_fields[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
static const char *const hidden_fields[] = {"Bcc", "Resent-Bcc", NULL};

static int add_field(struct submission *s, const struct rfc5322_field *f, struct err *e)
{
	struct cursor c = cursor_over(f->value.p, f->value.n);
	struct rfc5322_mailbox m;
	int rc;

	while ((rc = rfc5322_address_next(&c, &m)) > 0) {
		if (submission_add(s, &m, e) != 0) {
			return -1;
		}
	}
	return rc == 0 ? 0
		       : err_set(e, EX_DATAERR, "%.*s: \"%.*s\" is no address", (int)f->name.n,
				 (const char *)f->name.p, (int)(c.n < 100 ? c.n : 100),
				 (const char *)c.p);
}

/* The recipients that the header names: those it was sent on to, where it says so (RFC 5322 3.6.6).
 */
static int add_recipients(struct submission_reader *r, struct err *e)
{
	struct rfc5322_field f;
	bool resent = false;

	for (int pass = 0; pass < 2; pass++) {
		struct cursor c = cursor_over(r->head.p, r->head.n);
		while (rfc5322_next(&c, &f) > 0) {
			if (pass == 0) {
				resent = resent || is_one_of(&f, resent_fields);
			} else if (is_one_of(&f, resent ? resent_fields : to_fields) &&
				   add_field(r->s, &f, e) != 0) {
				return -1;
			}
		}
	}
	return 0;
}

bool submission_names(const struct submission *s, const struct rfc5322_mailbox *m)
{
	static const char *const shown_fields[] = {"To", "Cc", "Resent-To", "Resent-Cc", NULL};
	struct cursor c = cursor_over(s->head.p, s->head.n), value;
	struct rfc5322_mailbox one;
	struct rfc5322_field f;

	while (rfc5322_next(&c, &f) > 0) {
		value = cursor_over(f.value.p, is_one_of(&f, shown_fields) ? f.value.n : 0);
		while (rfc5322_address_next(&value, &one) > 0) {
			if (same(&one, m)) {
				return true;
			}
		}
	}
	return false;
}

/* From: NAME <ADDRESS>; a name that is no plain text is quoted, or in encoded words. */
static int put_from(struct submission_reader *r, struct buf *head)
{
	const struct rfc5322_mailbox *own = &r->s->from;
	struct rfc5322_mailbox m = *own;
	const char *name = r->rules->name;
	bool named = name != NULL && name[0] != '\0', ascii = true;
	int rc = 0;

	if (m.local[0] == '\0') {
		(void)snprintf(m.local, sizeof m.local, "MAILER-DAEMON");
	}
	if (m.domain[0] == '\0') {
		(void)snprintf(m.domain, sizeof m.domain, "%.255s", r->rules->host);
	}
	for (const char *p = name; named && *p != '\0'; p++) {
		ascii = ascii && *p >= ' ' && *p <= '~';
	}
	if (named && !ascii) {
		rc = rfc5322_put_text(head, "From", message_text(name));
		head->n -= rc == 0 ? 1 : 0; /* its line goes on */
	} else {
		rc = buf_append_str(head, named ? "From: \"" : "From:");
		for (; rc == 0 && named && *name != '\0'; name++) {
			rc = *name == '"' || *name == '\\' ? buf_append(head, "\\", 1) : 0;
			rc = rc == 0 ? buf_append(head, name, 1) : rc;
		}
		rc = rc == 0 && named ? buf_append_str(head, "\"") : rc;
	}
	if (rc != 0 || buf_append_str(head, named ? " <" : " ") != 0 ||
		rfc5322_address_put(head, &m) != 0) {
		return -1;
	}
	return buf_append_str(head, named ? ">\n" : "\n");
}

static int put_message_id(struct submission_reader *r, struct buf *head, struct err *e)
{
	uint8_t random[12];
	char text[2 * sizeof random + 1], line[400];

	if (random_bytes(random, sizeof random, e) != 0) {
		return -1;
	}
	hex_encode(text, random, sizeof random);
	(void)snprintf(line, sizeof line, "<%s.%lld@%.255s>", text,
		(long long)(message_now() / 1000000), r->rules->host);
	return rfc5322_put(head, "Message-ID", line) == 0 ? 0 : no_memory(e);
}

/* The fields that stay, and those that were missing. */
static int make_head(struct submission_reader *r, bool *own_id, struct err *e)
{
	struct cursor c = cursor_over(r->head.p, r->head.n);
	struct buf *head = &r->s->head;
	struct message_part v;
	struct rfc5322_field f;

	while (rfc5322_next(&c, &f) > 0) {
		if (!is_one_of(&f, hidden_fields) && buf_append(head, f.whole.p, f.whole.n) != 0) {
			return no_memory(e);
		}
	}
	*own_id = rfc5322_find(head->p, head->n, "Message-ID", &v) && v.n > 0;
	if ((!rfc5322_find(head->p, head->n, "From", &v) && put_from(r, head) != 0) ||
		(!rfc5322_find(head->p, head->n, "Date", &v) &&
			rfc5322_put_date(head, "Date", message_now()) != 0)) {
		return no_memory(e);
	}
	return *own_id ? 0 : put_message_id(r, head, e);
}

static int put_text(void *hash, const void *p, size_t n, struct err *e)
{
	(void)e;
	hash_add(hash, p, n);
	return 0;
}

static bool has_high(const void *p, size_t n)
{
	const uint8_t *s = p;

	for (size_t i = 0; i < n; i++) {
		if (s[i] > 0x7f) {
			return true;
		}
	}
	return false;
}

static int put_body(struct submission_reader *r, struct err *e)
{
	struct submission *s = r->s;

	s->eight_bit = s->eight_bit || has_high(r->body.p, r->body.n);
	if (r->body.n > 0 && held_put(&s->body, r->body.p, r->body.n, e) != 0) {
		return -1;
	}
	r->body.n = 0;
	return 0;
}

/* A message that names itself is the same one when it comes again; any other is a new one. */
static int make_id(const struct submission_reader *r, bool own_id, struct err *e)
{
	struct submission *s = r->s;
	uint8_t digest[HASH_BYTES];
	struct hash hash;

	if (!own_id) {
		return random_bytes(s->id, sizeof s->id, e);
	}
	hash_begin(&hash);
	for (size_t i = 0; i < s->to_n; i++) {
		hash_add(&hash, s->to[i].local, strlen(s->to[i].local) + 1);
		hash_add(&hash, s->to[i].domain, strlen(s->to[i].domain) + 1);
	}
	hash_add(&hash, r->head.p, r->head.n); /* as it came: what is added differs */
	if (held_each(&s->body, put_text, &hash, e) != 0) {
		return -1;
	}
	hash_end(&hash, digest);
	memcpy(s->id, digest, sizeof s->id);
	return 0;
}

static int begin_body(struct submission_reader *r, struct err *e)
{
	struct submission *s = r->s;

	r->in_body = true;
	if (r->rules->recipients_in_head && add_recipients(r, e) != 0) {
		return -1;
	}
	s->utf8_head = has_high(r->head.p, r->head.n);
	s->eight_bit = s->utf8_head;
	return 0;
}

/* A line of the header is whole. 1: it belongs to the header; 0: it ends it; 2: it is the body's
 * first. */
static int judge_line(struct submission_reader *r)
{
	const uint8_t *line = r->head.p + r->line;
	size_t n = r->head.n - r->line;
	struct cursor c = cursor_over(line, n);
	struct rfc5322_field f;
	int rc;

	if (r->fields > 0 && (line[0] == ' ' || line[0] == '\t')) {
		return 1;
	}
	if (r->fields == 0 && n > 5 && memcmp(line, "From ", 5) == 0) {
		r->head.n = r->line; /* an mbox's line, which is none of the message */
		return 1;
	}
	rc = rfc5322_next(&c, &f);
	r->fields += rc > 0 ? 1 : 0;
	return rc < 0 ? 2 : rc;
}

static int end_head_line(struct submission_reader *r, struct err *e)
{
	int what = judge_line(r);
	size_t n = r->head.n - r->line;

	if (what == 1) {
		r->line = r->head.n;
		return 0;
	}
	if (what == 2 && buf_append(&r->body, r->head.p + r->line, n) != 0) {
		return no_memory(e);
	}
	r->head.n = r->line;
	return begin_body(r, e);
}

/* --- its lines --- */

static int put_byte(struct submission_reader *r, uint8_t b, struct err *e)
{
	if (++r->bytes > r->rules->max_bytes) {
		return err_set(e, EX_DATAERR, "the message has more than %llu bytes",
			(unsigned long long)r->rules->max_bytes);
	}
	r->column = b == '\n' ? 0 : r->column + 1;
	if (r->in_body) {
		if (buf_append(&r->body, &b, 1) != 0) {
			return no_memory(e);
		}
		return r->body.n < 65536 ? 0 : put_body(r, e);
	}
	if (r->head.n == RFC5322_HEAD_MAX) {
		return err_set(
			e, EX_DATAERR, "its header has more than %d bytes", RFC5322_HEAD_MAX);
	}
	if (buf_append(&r->head, &b, 1) != 0) {
		return no_memory(e);
	}
	return b == '\n' ? end_head_line(r, e) : 0;
}

/* A byte whose line ends are LF. 0, 1: the end, or -1. */
static int take_byte(struct submission_reader *r, uint8_t b, struct err *e)
{
	if (r->dot) {
		r->dot = false;
		if (b == '\n') {
			r->ended = true;
			return 1;
		}
		if (put_byte(r, '.', e) != 0) {
			return -1;
		}
	} else if (b == '.' && r->column == 0 && r->rules->dot_ends) {
		r->dot = true;
		return 0;
	}
	return put_byte(r, b, e);
}

int submission_take(struct submission_reader *r, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0 && !r->ended; i++) {
		if (s[i] == '\0') {
			return err_set(e, EX_DATAERR, "the message holds a NUL");
		}
		if (s[i] == '\r') {
			r->cr = true;
			continue;
		}
		if (r->cr && s[i] != '\n') { /* a dot ahead of it is text, and ends nothing */
			rc = r->dot ? put_byte(r, '.', e) : 0;
			r->dot = false;
			rc = rc == 0 ? put_byte(r, r->in_body ? '\n' : ' ', e) : rc;
		}
		r->cr = false;
		rc = rc == 0 ? take_byte(r, s[i], e) : rc;
	}
	return r->ended ? 1 : rc;
}

/* --- from beginning to end --- */

struct submission_reader *submission_begin(
	struct submission *s, const struct submission_rules *rules, struct err *e)
{
	struct submission_reader *r = calloc(1, sizeof *r);

	if (r == NULL) {
		no_memory(e);
		return NULL;
	}
	r->s = s;
	r->rules = rules;
	return r;
}

void submission_reader_free(struct submission_reader *r)
{
	if (r != NULL) {
		buf_free(&r->head);
		buf_free(&r->body);
		free(r);
	}
}

int submission_end(struct submission_reader *r, struct err *e)
{
	bool own_id;

	if (!r->ended && !r->dot && r->column > 0 && put_byte(r, '\n', e) != 0) {
		return -1;
	}
	if (!r->in_body && begin_body(r, e) != 0) {
		return -1;
	}
	if (put_body(r, e) != 0 || make_head(r, &own_id, e) != 0) {
		return -1;
	}
	return make_id(r, own_id, e);
}

int submission_read(struct submission *s, const struct submission_rules *rules, int fd,
	const char *what, struct err *e)
{
	struct submission_reader *r = submission_begin(s, rules, e);
	uint8_t piece[16384];
	int rc = r == NULL ? -1 : 0;

	while (rc == 0) {
		ssize_t k = read(fd, piece, sizeof piece);
		if (k < 0 && errno != EINTR) {
			rc = err_sys(e, EX_NOINPUT, "cannot read %s", what);
		} else if (k == 0) {
			break;
		} else if (k > 0) {
			rc = submission_take(r, piece, (size_t)k, e);
		}
	}
	rc = rc < 0 ? rc : submission_end(r, e);
	submission_reader_free(r);
	return rc;
}
