/* The fields of an exported message; see archive.h. */
#include "archive.h"

/* the last second that has four digits of year */
#define TIME_MAX_US 253402300799999999u

static const char *const kinds[ARCHIVE_KINDS] = {
	[ARCHIVE_TEXT] = "text", [ARCHIVE_MIME] = "mime", [ARCHIVE_MESSAGE] = "message"};

void archive_letter_free(struct archive_letter *l)
{
	buf_free(&l->to);
}

/* --- writing --- */

/* The recipients as they were written, in lines that fold behind a semicolon. What folds are made
 * of does not stand in it: blanks are escaped. */
static int put_recipients(struct buf *out, const struct buf *to)
{
	size_t column = strlen("X-SMTP361-To: ");
	int rc = buf_append_str(out, "X-SMTP361-To: ");

	for (size_t i = 0; rc == 0 && i < to->n; i++) {
		uint8_t c = to->p[i];
		if (column > 76 && i > 0 && to->p[i - 1] == ';') {
			rc = buf_append_str(out, "\n ");
			column = 1;
		}
		if (rc == 0) {
			rc = c == ' '    ? buf_append_str(out, "%20")
			     : c == '\t' ? buf_append_str(out, "%09")
					 : buf_append(out, &c, 1);
		}
		column += c == ' ' || c == '\t' ? 3 : 1;
	}
	return rc == 0 ? buf_append_str(out, "\n") : rc;
}

static int put_to(struct buf *out, const struct buf *to, const char *domain)
{
	struct users_list list;
	size_t column = strlen("To:");
	struct err ignored;
	char item[USER_NAME_MAX + RFC5322_ADDRESS_MAX + 4];
	int rc = buf_append_str(out, "To:");

	if (rc != 0 || users_split(&list, to->p, to->n, &ignored) != 0) {
		return -1; /* what was read was split before */
	}
	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		(void)snprintf(item, sizeof item, "%s@%.250s%s", list.names[i], domain,
			i + 1 < list.n ? "," : "");
		rc = rfc5322_put_item(out, item, &column);
	}
	users_list_free(&list);
	return rc == 0 ? buf_append_str(out, "\n") : rc;
}

static int put_type(struct buf *out, const struct archive_letter *l)
{
	char type[ARCHIVE_BOUNDARY_MAX + 64];

	if (l->kind == ARCHIVE_MIME) {
		(void)snprintf(type, sizeof type, "multipart/mixed; boundary=\"%s\"", l->boundary);
	} else {
		(void)snprintf(type, sizeof type, "%s",
			l->kind == ARCHIVE_MESSAGE ? "message/rfc822"
						   : "text/plain; charset=utf-8");
	}
	return rfc5322_put(out, "MIME-Version", "1.0") != 0 ||
			       rfc5322_put(out, "Content-Type", type) != 0 ||
			       rfc5322_put(
				       out, "Content-Transfer-Encoding", transfer_name(l->how)) != 0
		       ? -1
		       : 0;
}

int archive_put_head(struct buf *out, const struct archive_letter *l, const char *domain)
{
	char id[2 * MAILBOX_ID_BYTES + 1], digest[2 * HASH_BYTES + 1], number[32];
	char message_id[sizeof id + RFC5322_ADDRESS_MAX + 4];
	char from[USER_NAME_MAX + RFC5322_ADDRESS_MAX + 4];

	hex_encode(id, l->meta.id, MAILBOX_ID_BYTES);
	hex_encode(digest, l->digest, HASH_BYTES);
	(void)snprintf(number, sizeof number, "%lld", (long long)l->meta.time_us);
	(void)snprintf(message_id, sizeof message_id, "<%s@%.250s>", id, domain);
	(void)snprintf(from, sizeof from, "%s@%.250s", l->meta.source, domain);
	if (rfc5322_put(out, "X-SMTP361-Id", id) != 0 ||
		rfc5322_put(out, "X-SMTP361-Mailbox", l->mailbox) != 0 ||
		rfc5322_put(out, "X-SMTP361-Time", number) != 0 ||
		rfc5322_put(out, "X-SMTP361-From", l->meta.source) != 0 ||
		put_recipients(out, &l->to) != 0 ||
		rfc5322_put(out, "X-SMTP361-Content", kinds[l->kind]) != 0 ||
		rfc5322_put(out, "X-SMTP361-SHA256", digest) != 0 ||
		rfc5322_put(out, "Message-ID", message_id) != 0 ||
		rfc5322_put_date(out, "Date", l->meta.time_us) != 0 ||
		rfc5322_put(out, "From", from) != 0 || put_to(out, &l->to, domain) != 0 ||
		rfc5322_put_text(out, "Subject", message_text(l->meta.title)) != 0 ||
		put_type(out, l) != 0) {
		return -1;
	}
	return buf_append_str(out, "\n");
}

size_t archive_mime_head(const void *p, size_t n, char boundary[static ARCHIVE_BOUNDARY_MAX])
{
	const size_t head = strlen(ARCHIVE_MIME_HEAD), end = strlen(ARCHIVE_MIME_END);
	const char *s = p;
	size_t k = 0;

	if (n < head || memcmp(s, ARCHIVE_MIME_HEAD, head) != 0) {
		return 0;
	}
	/* a boundary that needs no quoting, and none that folding or trimming would change */
	while (head + k < n &&
		((s[head + k] >= '0' && s[head + k] <= '9') || s[head + k] == '-' ||
			((s[head + k] | 0x20) >= 'a' && (s[head + k] | 0x20) <= 'z'))) {
		k++;
	}
	if (k == 0 || k >= ARCHIVE_BOUNDARY_MAX || n - head - k < end ||
		memcmp(s + head + k, ARCHIVE_MIME_END, end) != 0) {
		return 0;
	}
	memcpy(boundary, s + head, k);
	boundary[k] = '\0';
	return head + k + end;
}

/* --- reading --- */

static bool is_any(const struct rfc5322_field *f, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (rfc5322_is(f, names[i])) {
			return true;
		}
	}
	return false;
}

bool archive_is_bookkeeping(const struct rfc5322_field *f)
{
	static const char *const names[] = {"Status", "X-Status", "X-Keywords", "X-Label", "X-UID",
		"X-IMAP", "X-IMAPbase", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys",
		"X-Account-Key", "X-UIDL", "Content-Length", "Lines"};

	return is_any(f, names, sizeof names / sizeof names[0]);
}

static bool is_ours(const void *p, size_t n)
{
	static const char *const travelled[] = {
		"Received", "Return-Path", "Delivered-To", "X-Original-To", "Resent-From"};
	struct cursor c = cursor_over(p, n);
	struct rfc5322_field f;
	bool first = false, ahead = true;

	while (rfc5322_next(&c, &f) > 0) {
		if (ahead && !archive_is_bookkeeping(&f)) {
			first = rfc5322_is(&f, "X-SMTP361-Id");
			ahead = false;
		}
		if (is_any(&f, travelled, sizeof travelled / sizeof travelled[0])) {
			return false;
		}
	}
	return first;
}

static int damaged(struct err *e, const char *field)
{
	return err_set(e, EX_DATAERR, "its field %s is missing or damaged", field);
}

static int read_name(const void *p, size_t n, const char *field, char *out, struct err *e)
{
	struct message_part v;

	if (!rfc5322_find(p, n, field, &v) || v.n > USER_NAME_MAX ||
		memchr(v.p, '\0', v.n) != NULL) {
		return damaged(e, field);
	}
	memcpy(out, v.p, v.n);
	out[v.n] = '\0';
	return user_name_valid(out) ? 0 : damaged(e, field);
}

static int read_hex(
	const void *p, size_t n, const char *field, uint8_t *out, size_t out_n, struct err *e)
{
	struct message_part v;

	return rfc5322_find(p, n, field, &v) && hex_decode(out, out_n, (const char *)v.p, v.n) == 0
		       ? 0
		       : damaged(e, field);
}

/* The recipients: folds go, escapes become blanks again; then it is what a message may say. */
static int read_recipients(const void *p, size_t n, struct archive_letter *l, struct err *e)
{
	struct users_list list;
	struct message_part v;

	if (!rfc5322_find(p, n, "X-SMTP361-To", &v)) {
		return damaged(e, "X-SMTP361-To");
	}
	for (size_t i = 0; i < v.n; i++) {
		uint8_t c = v.p[i];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			continue;
		}
		if (c == '%' &&
			(v.n - i < 3 || hex_decode(&c, 1, (const char *)v.p + i + 1, 2) != 0 ||
				(c != ' ' && c != '\t'))) {
			return damaged(e, "X-SMTP361-To");
		}
		i += v.p[i] == '%' ? 2 : 0;
		if (buf_append(&l->to, &c, 1) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	if (l->to.n > MESSAGE_HEAD_MAX - 1024 || users_split(&list, l->to.p, l->to.n, e) != 0) {
		return damaged(e, "X-SMTP361-To");
	}
	users_list_free(&list);
	return 0;
}

static int read_title(const void *p, size_t n, struct archive_letter *l, struct err *e)
{
	struct message_part v = {0};
	struct buf title = {0};
	int rc;

	if (!rfc5322_find(p, n, "Subject", &v)) {
		return damaged(e, "Subject");
	}
	rc = buf_reserve(&title, 1) != 0 || rfc5322_text(&title, v) != 0
		     ? err_set(e, EX_TEMPFAIL, "out of memory")
	     : message_check_title(title.p, title.n, e) != 0 ? damaged(e, "Subject")
							     : 0;
	if (rc == 0) {
		memcpy(l->meta.title, title.p, title.n);
		l->meta.title[title.n] = '\0';
	}
	buf_free(&title);
	return rc;
}

static int read_content(const void *p, size_t n, struct archive_letter *l, struct err *e)
{
	struct message_part v = {0}, type = {0}, how = {0};

	l->kind = ARCHIVE_KINDS;
	(void)rfc5322_find(p, n, "X-SMTP361-Content", &v);
	for (int i = 0; i < ARCHIVE_KINDS; i++) {
		if (v.n == strlen(kinds[i]) && memcmp(v.p, kinds[i], v.n) == 0) {
			l->kind = (enum archive_kind)i;
		}
	}
	if (l->kind == ARCHIVE_KINDS) {
		return damaged(e, "X-SMTP361-Content");
	}
	(void)rfc5322_find(p, n, "Content-Type", &type);
	if (l->kind == ARCHIVE_MIME &&
		!rfc5322_parameter(type, "boundary", l->boundary, sizeof l->boundary)) {
		return damaged(e, "Content-Type");
	}
	(void)rfc5322_find(p, n, "Content-Transfer-Encoding", &how);
	l->how = transfer_find(how);
	return l->how == TRANSFER_OTHER ? damaged(e, "Content-Transfer-Encoding") : 0;
}

int archive_parse_head(const void *p, size_t n, struct archive_letter *l, struct err *e)
{
	struct message_part v = {0};
	uint64_t us;

	if (!is_ours(p, n)) {
		return 0;
	}
	if (!rfc5322_find(p, n, "X-SMTP361-Time", &v) ||
		parse_decimal(v.p, v.n, TIME_MAX_US, &us) != 0) {
		return damaged(e, "X-SMTP361-Time");
	}
	l->meta.time_us = (int64_t)us;
	if (read_hex(p, n, "X-SMTP361-Id", l->meta.id, sizeof l->meta.id, e) != 0 ||
		read_hex(p, n, "X-SMTP361-SHA256", l->digest, sizeof l->digest, e) != 0 ||
		read_name(p, n, "X-SMTP361-Mailbox", l->mailbox, e) != 0 ||
		read_name(p, n, "X-SMTP361-From", l->meta.source, e) != 0 ||
		read_recipients(p, n, l, e) != 0 || read_title(p, n, l, e) != 0 ||
		read_content(p, n, l, e) != 0) {
		return -1;
	}
	return 1;
}
