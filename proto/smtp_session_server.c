/* What the parts of the SMTP door share: lines, replies, and whose an address is; see
 * smtp_session_server.h. */
#include "smtp_session_server.h"

#include <ctype.h>
#include <stdarg.h>
#include <strings.h>

#include "conn_tls.h"
#include "log.h"

/* --- replies --- */

enum { REPLY_MAX = 512 /* RFC 5321 4.5.3.1.5 */, FLUSH_BYTES = 8192 };

void smtp_log(const struct smtp_session *s, const char *who, const void *line, size_t n)
{
	char shown[2 * SMTP_COMMAND_MAX];

	if (s->host->verbose) {
		(void)escape_text(shown, sizeof shown, line, n, false);
		log_event(who, "%s", shown);
	}
}

/* between: ' ', or '-' where more lines follow. */
static void put_reply(struct smtp_session *s, const char *code_and_status, char between,
	const char *format, va_list args)
{
	char line[REPLY_MAX];
	int n = snprintf(line, sizeof line - 2, "%s%c", code_and_status, between);
	int k = vsnprintf(line + n, sizeof line - 2 - (size_t)n, format, args);

	n = k < 0 ? n : n + k > (int)sizeof line - 3 ? (int)sizeof line - 3 : n + k;
	smtp_log(s, "S:", line, (size_t)n);
	memcpy(line + n, "\r\n", 2);
	if (buf_append(&s->out, line, (size_t)n + 2) != 0) {
		s->over = true;
		err_set(&s->end, EX_TEMPFAIL, "out of memory");
	}
}

void smtp_reply(struct smtp_session *s, const char *code_and_status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_reply(s, code_and_status, ' ', format, args);
	va_end(args);
}

void smtp_reply_more(struct smtp_session *s, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_reply(s, code, '-', format, args);
	va_end(args);
}

int smtp_flush(struct smtp_session *s, struct err *e)
{
	int rc = s->out.n == 0 ? 0 : conn_write(s->conn, s->out.p, s->out.n, e);

	s->out.n = 0;
	return rc;
}

void smtp_end(struct smtp_session *s, int code, const char *why)
{
	s->over = s->told = true;
	if (code != 0) {
		err_set(&s->end, code, "%s", why);
	}
}

void smtp_refuse(struct smtp_session *s, const char *code_and_status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_reply(s, code_and_status, ' ', format, args);
	va_end(args);
	s->errors++;
	if (s->errors >= SMTP_ERRORS && !s->over) {
		smtp_reply(s, "421 4.7.0", "too many errors");
		smtp_end(s, EX_PROTOCOL, "too many errors");
	}
}

int smtp_begin_tls(struct smtp_session *s, struct err *e)
{
	int rc = conn_tls_accept(s->conn, s->door->identity, e);

	tls_identity_forget_key(s->door->identity);
	return rc;
}

/* --- lines --- */

static int ended_by_line(struct smtp_session *s, const char *text, struct err *e)
{
	smtp_reply(s, "500 5.5.2", "%s", text);
	smtp_end(s, EX_PROTOCOL, text);
	(void)smtp_flush(s, e);
	return err_set(e, EX_PROTOCOL, "%s", text);
}

/* SMTP_FAILED where the session is at its end, with e. */
static enum smtp_got next_line(
	struct smtp_session *s, size_t max, const uint8_t **line, size_t *n, struct err *e)
{
	uint8_t first;

	if ((!smtp_has_line(&s->lines) || s->out.n > FLUSH_BYTES) && smtp_flush(s, e) != 0) {
		return SMTP_FAILED;
	}
	switch (smtp_peek(&s->lines, &first, e)) {
	case CONN_FAILED:
		return SMTP_FAILED;
	case CONN_EOF:
		err_set(e, EX_PROTOCOL, "the client left without QUIT");
		return SMTP_FAILED;
	default:
		break;
	}
	if (first == 0x16) { /* RFC 5246 6.2.1: a handshake; the client mixed up the ports */
		(void)ended_by_line(s, "this is SMTP, and TLS begins with STARTTLS here", e);
		return SMTP_FAILED;
	}
	return smtp_line(&s->lines, max, line, n, e);
}

enum smtp_got smtp_next(
	struct smtp_session *s, size_t max, const uint8_t **line, size_t *n, struct err *e)
{
	enum smtp_got got = next_line(s, max, line, n, e);

	if (got == SMTP_BARE) {
		(void)ended_by_line(s, "a CR or LF stands alone: a line ends in CR LF", e);
		return SMTP_FAILED;
	}
	return got;
}

/* --- addresses --- */

static bool is_ours(const struct smtp_host *door, const char *domain)
{
	for (size_t i = 0; i < door->domains_n; i++) {
		if (strcasecmp(door->domains[i], domain) == 0) {
			return true;
		}
	}
	return domain[0] == '\0';
}

bool smtp_user_of(const struct smtp_session *s, const struct smtp_path *path,
	char user[static USER_NAME_MAX + 1])
{
	size_t n = strlen(path->local);

	user[0] = '\0';
	if (!is_ours(s->door, path->domain)) {
		return false;
	}
	if (n <= USER_NAME_MAX) {
		for (size_t i = 0; i <= n; i++) {
			user[i] = (char)tolower((unsigned char)path->local[i]);
		}
	}
	if (!user_name_valid(user)) {
		user[0] = '\0';
	}
	return true;
}
