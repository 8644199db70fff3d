/* Attachments, line by line; see attachments.h. A file's name comes from who sent the message: it
 * becomes one part of a path, without anything that a shell or a terminal would take for more. */
#include "attachments.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "../crypto/file.h"
#include "../proto/charset.h"
#include "../proto/rfc5322.h"
#include "cli.h"

enum { LINE_MAX_BYTES = 4096, BOUNDARY_MAX = 72 /* RFC 2046 5.1.1: 70 */, COPIES_MAX = 1000 };

enum state { HEAD, BETWEEN, PART_HEAD, PART, AFTER };

struct attachments {
	int dir, fd;             /* fd: of the file that is being written; -1: none */
	char name[NAME_MAX + 1]; /* its name */
	enum state state;
	char boundary[BOUNDARY_MAX + 1]; /* empty until the head has told it */
	bool base64;                     /* of this part */
	char wanted[NAME_MAX + 1];       /* the part's file name; empty: it has none */
	char header[LINE_MAX_BYTES];     /* the field in hand, unfolded (RFC 5322 2.2.3) */
	uint8_t line[LINE_MAX_BYTES];
	size_t line_n;
	bool inside;          /* the line began in an earlier piece: it is no boundary */
	char quantum[4];      /* base64 characters that wait for more */
	size_t quantum_n;     /* 4 or more: the padding came, and nothing may follow */
	const char *line_end; /* of a part that is no base64: it belongs to the next boundary */
	size_t saved;
};

struct attachments *attachments_open(const char *dir, struct err *e)
{
	struct attachments *a = calloc(1, sizeof *a);

	if (a == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	a->fd = -1;
	a->dir = file_open_dir(dir, e);
	if (a->dir < 0) {
		free(a);
		return NULL;
	}
	return a;
}

void attachments_close(struct attachments *a)
{
	if (a == NULL) {
		return;
	}
	if (a->fd >= 0) {
		(void)close(a->fd);
		(void)unlinkat(a->dir, a->name, 0);
	}
	(void)close(a->dir);
	free(a);
}

/* --- header lines --- */

/* The value of a parameter, without its quotes. false when it is not there. */
static bool parameter(const char *line, const char *name, char *out, size_t cap)
{
	const char *at = strcasestr(line, name);
	size_t n;

	if (at == NULL) {
		return false;
	}
	at += strlen(name);
	if (*at == '"') {
		at++;
		n = strcspn(at, "\"");
	} else {
		n = strcspn(at, "; \t");
	}
	if (n == 0 || n >= cap) {
		return false;
	}
	memcpy(out, at, n);
	out[n] = '\0';
	return true;
}

static bool starts(const char *line, const char *with)
{
	return strncasecmp(line, with, strlen(with)) == 0;
}

/* A name that is longer than a file's can be loses its beginning: the end tells its type. */
static void take_name(struct attachments *a, const char *line)
{
	char value[LINE_MAX_BYTES];
	struct buf name = {0};
	const char *from;
	int rc;

	if (parameter(line, "filename=", value, sizeof value)) {
		for (char *p = value; *p != '\0'; p++) {
			*p = (uint8_t)*p < ' ' ? '_' : *p;
		}
		rc = rfc5322_text(&name, message_text(value));
	} else if (parameter(line, "filename*=", value, sizeof value)) {
		rc = charset_put_extended(&name, value);
	} else {
		return;
	}
	if (rc == 0 && name.n > 0 && memchr(name.p, '\0', name.n) == NULL &&
		buf_append(&name, "", 1) == 0) {
		from = (const char *)name.p + (name.n - 1 > NAME_MAX ? name.n - 1 - NAME_MAX : 0);
		while (((uint8_t)*from & 0xc0) == 0x80) { /* not inside a character */
			from++;
		}
		(void)snprintf(a->wanted, sizeof a->wanted, "%s", from);
	}
	buf_free(&name);
}

static void take_header(struct attachments *a, const char *line)
{
	if (a->state == HEAD && starts(line, "Content-Type:") &&
		strcasestr(line, "multipart/") != NULL) {
		(void)parameter(line, "boundary=", a->boundary, sizeof a->boundary);
	} else if (starts(line, "Content-Transfer-Encoding:")) {
		a->base64 = strcasestr(line, "base64") != NULL;
	} else if (starts(line, "Content-Disposition:")) {
		take_name(a, line);
	}
}

/* A line of a head: it begins a field, or goes on with the one in hand; an empty one ends it. */
static void take_header_line(struct attachments *a, const char *line)
{
	size_t n = strlen(a->header);

	if (line[0] == ' ' || line[0] == '\t') {
		(void)snprintf(a->header + n, sizeof a->header - n, "%s", line);
		return;
	}
	take_header(a, a->header);
	(void)snprintf(a->header, sizeof a->header, "%s", line);
}

/* --- files --- */

/* One part of a path, that hides nothing and is no option: from whatever the sender wrote. */
static void safe_name(char *name)
{
	char *slash = strrchr(name, '/'), *s;

	if (slash != NULL) {
		memmove(name, slash + 1, strlen(slash));
	}
	for (s = name; *s != '\0'; s++) {
		if ((uint8_t)*s < 0x20 || *s == 0x7f || strchr("\\:*?\"<>|", *s) != NULL) {
			*s = '_';
		}
	}
	if (name[0] == '.' || name[0] == '-' || name[0] == ' ') {
		name[0] = '_';
	}
	if (name[0] == '\0') {
		memcpy(name, "attachment", sizeof "attachment");
	}
}

static int create(struct attachments *a, struct err *e)
{
	safe_name(a->wanted);
	for (int copy = 1; copy < COPIES_MAX; copy++) {
		if (copy == 1) {
			(void)snprintf(a->name, sizeof a->name, "%s", a->wanted);
		} else {
			(void)snprintf(a->name, sizeof a->name, "%.240s~%d", a->wanted, copy);
		}
		a->fd = openat(a->dir, a->name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (a->fd >= 0 || errno != EEXIST) {
			break;
		}
	}
	return a->fd >= 0 ? 0 : err_sys(e, EX_CANTCREAT, "cannot create %s", a->name);
}

static int put(struct attachments *a, const void *p, size_t n, struct err *e)
{
	return file_write_all(a->fd, p, n) == 0
		       ? 0
		       : err_sys(e, EX_CANTCREAT, "cannot write %s", a->name);
}

static int finish_file(struct attachments *a, struct err *e)
{
	int fd = a->fd;

	if (fd < 0) {
		return 0;
	}
	if (a->base64 && a->quantum_n != 0 && a->quantum_n != sizeof a->quantum + 1) {
		return err_set(e, EX_DATAERR, "the attachment %s is cut short", a->name);
	}
	a->fd = -1;
	if (close(fd) != 0) {
		err_sys(e, EX_CANTCREAT, "cannot write %s", a->name);
		(void)unlinkat(a->dir, a->name, 0);
		return -1;
	}
	a->saved++;
	cli_print(a->name, strlen(a->name));
	(void)puts("");
	return 0;
}

/* --- content --- */

/* Four characters with their padding, if any. */
static int decode_quantum(struct attachments *a, struct err *e)
{
	uint8_t out[3];
	size_t n = 4;

	while (n > 2 && a->quantum[n - 1] == '=') {
		n--;
	}
	int k = base64_decode(out, sizeof out, a->quantum, n);
	if (k <= 0) {
		return err_set(e, EX_DATAERR, "the attachment %s is damaged", a->name);
	}
	a->quantum_n = n < 4 ? sizeof a->quantum + 1 : 0;
	return put(a, out, (size_t)k, e);
}

static int take_base64(struct attachments *a, const uint8_t *p, size_t n, struct err *e)
{
	uint8_t whole[LINE_MAX_BYTES];
	int k;

	if (n > 0 && p[n - 1] == '\r') {
		n--;
	}
	/* a line of whole quanta at once, as ours are; the odd one by itself */
	if (a->quantum_n == 0 && n % 4 == 0 && n > 0 && p[n - 1] != '=') {
		k = base64_decode(whole, sizeof whole, (const char *)p, n);
		return k > 0 ? put(a, whole, (size_t)k, e)
			     : err_set(e, EX_DATAERR, "the attachment %s is damaged", a->name);
	}
	for (size_t i = 0; i < n; i++) {
		if (a->quantum_n > sizeof a->quantum) {
			return err_set(e, EX_DATAERR, "the attachment %s is damaged", a->name);
		}
		a->quantum[a->quantum_n++] = (char)p[i];
		if (a->quantum_n == sizeof a->quantum && decode_quantum(a, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* A line of a part, or a stretch of one; ended: its LF is there. */
static int take_content(
	struct attachments *a, const uint8_t *p, size_t n, bool ended, struct err *e)
{
	if (a->fd < 0) {
		return 0;
	}
	if (a->base64) {
		return take_base64(a, p, n, e);
	}
	bool crlf = ended && n > 0 && p[n - 1] == '\r';
	if ((a->line_end != NULL && put(a, a->line_end, strlen(a->line_end), e) != 0) ||
		put(a, p, crlf ? n - 1 : n, e) != 0) {
		return -1;
	}
	a->line_end = crlf ? "\r\n" : ended ? "\n" : NULL;
	return 0;
}

/* 1 a part begins, 2 the last one ended, 0 it is another line. */
static int is_boundary(const struct attachments *a, const char *line)
{
	size_t n = strlen(a->boundary);

	if (n == 0 || strncmp(line, "--", 2) != 0 || strncmp(line + 2, a->boundary, n) != 0) {
		return 0;
	}
	return strncmp(line + 2 + n, "--", 2) == 0 ? 2 : line[2 + n] == '\0' ? 1 : 0;
}

/* A whole line, as text. */
static int take_line(struct attachments *a, char *line, size_t n, struct err *e)
{
	size_t text_n = n > 0 && line[n - 1] == '\r' ? n - 1 : n;
	char last = line[text_n];
	int boundary;

	line[text_n] = '\0';
	boundary = a->inside || a->state == AFTER ? 0 : is_boundary(a, line);
	if (boundary > 0) {
		if (finish_file(a, e) != 0) {
			return -1;
		}
		a->state = boundary == 1 ? PART_HEAD : AFTER;
		a->base64 = false;
		a->line_end = NULL;
		a->quantum_n = 0;
		a->wanted[0] = a->header[0] = '\0';
		return 0;
	}
	if (a->state == HEAD || a->state == PART_HEAD) {
		if (a->inside) { /* the end of a line too long for a header: passed over */
			return 0;
		}
		take_header_line(a, line);
		if (text_n == 0) {
			a->state = a->state == HEAD ? BETWEEN : PART;
			return a->state == PART && a->wanted[0] != '\0' ? create(a, e) : 0;
		}
		return 0;
	}
	line[text_n] = last;
	return a->state == PART ? take_content(a, (uint8_t *)line, n, true, e) : 0;
}

int attachments_take(struct attachments *a, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n') {
			if (take_line(a, (char *)a->line, a->line_n, e) != 0) {
				return -1;
			}
			a->line_n = 0;
			a->inside = false;
			continue;
		}
		a->line[a->line_n++] = s[i];
		if (a->line_n == sizeof a->line - 1) { /* a long one goes in stretches */
			if (a->state == PART &&
				take_content(a, a->line, a->line_n, false, e) != 0) {
				return -1;
			}
			a->line_n = 0;
			a->inside = true;
		}
	}
	return 0;
}

int attachments_end(struct attachments *a, struct err *e)
{
	if (a->line_n > 0 && take_line(a, (char *)a->line, a->line_n, e) != 0) {
		return -1;
	}
	if (a->boundary[0] != '\0' && a->state != AFTER) {
		return err_set(e, EX_DATAERR, "the message ends inside an attachment");
	}
	return a->saved > 0 ? 0 : err_set(e, EX_NOINPUT, "nothing is attached to the message");
}
