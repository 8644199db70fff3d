/* Content as parts that are read as they are sent; see content.h. */
#include "content.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "../crypto/random.h"

enum {
	LINE_IN = 57, /* bytes that make a line of base64, */
	LINE_OUT = 77 /* which is 76 characters and LF */
};

static struct content_part *add_part(struct content *c, enum content_kind kind)
{
	struct content_part *p = &c->parts[c->n++];

	*p = (struct content_part){.kind = kind, .fd = -1};
	return p;
}

static int read_some(int fd, void *p, size_t cap, const char *path, size_t *n, struct err *e)
{
	ssize_t k;

	do {
		k = read(fd, p, cap);
	} while (k < 0 && errno == EINTR);
	if (k < 0) {
		return err_sys(e, EX_NOINPUT, "cannot read %s", path);
	}
	*n = (size_t)k;
	return 0;
}

static int check_limit(uint64_t chars, uint64_t max, const char *path, struct err *e)
{
	return chars <= max ? 0
			    : err_set(e, EX_DATAERR, "%s has more than %llu characters", path,
				      (unsigned long long)max);
}

/* What of a stream was read before it was known to be large goes to a file. */
static int spill(struct content_part *p, struct err *e)
{
	p->spill = p->spill == NULL ? spill_new(e) : p->spill;
	if (p->spill == NULL || spill_put(p->spill, p->memory.p, p->memory.n, e) != 0) {
		return -1;
	}
	p->kind = CONTENT_SPILLED;
	wipe(p->memory.p, p->memory.n);
	p->memory.n = 0;
	return 0;
}

/* Read a stream to its end, counting. keep: it cannot be read twice. */
static int look_through(struct content_part *p, int fd, bool keep, const char *path, uint64_t max,
	struct utf8_counter *count, struct err *e)
{
	size_t n = 1;

	while (n > 0) {
		if (!keep) {
			p->memory.n = 0;
		} else if (p->memory.n >= CONTENT_MEMORY && spill(p, e) != 0) {
			return -1;
		}
		if (buf_reserve(&p->memory, 65536) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
		uint8_t *at = p->memory.p + p->memory.n;
		if (read_some(fd, at, 65536, path, &n, e) != 0) {
			return -1;
		}
		(void)utf8_feed(count, at, n, UINT64_MAX);
		p->memory.n += n;
		p->bytes += n;
		if (count->invalid || check_limit(count->count, max, path, e) != 0) {
			break;
		}
	}
	if (count->invalid || (n == 0 && count->part_n > 0)) {
		return err_set(e, EX_DATAERR, "%s is not UTF-8 text", path);
	}
	if (n > 0) {
		return -1;
	}
	return keep && p->kind == CONTENT_SPILLED ? spill(p, e) : 0;
}

int content_open(struct content *c, const char *path, uint64_t max_chars, struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;
	struct content_part *p = add_part(c, CONTENT_MEMORY_PART);
	struct utf8_counter count = {0};
	struct stat st;

	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open %s", path);
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = err_set(e, EX_NOINPUT, "cannot read %s: it is a folder", name);
	} else {
		bool again = !is_stdin && S_ISREG(st.st_mode) && st.st_size > CONTENT_MEMORY;
		rc = look_through(p, fd, !again, name, max_chars, &count, e);
		if (rc == 0 && again) {
			p->kind = CONTENT_FILE;
			p->fd = fd;
			fd = STDIN_FILENO;
			buf_free(&p->memory);
		}
	}
	if (fd != STDIN_FILENO) {
		(void)close(fd);
	}
	c->bytes = p->bytes;
	c->chars = count.count;
	return rc;
}

int content_take(struct content *c, struct buf *text, uint64_t max_chars, struct err *e)
{
	struct content_part *p = add_part(c, CONTENT_MEMORY_PART);

	p->memory = *text;
	*text = (struct buf){0};
	p->bytes = c->bytes = p->memory.n;
	return message_check_content(p->memory.p, p->memory.n, max_chars, &c->chars, e);
}

void content_close(struct content *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->parts[i].fd >= 0) {
			(void)close(c->parts[i].fd);
		}
		spill_free(c->parts[i].spill);
		buf_free(&c->parts[i].memory);
	}
	c->n = c->current = 0; /* the parts are filled anew: most of them were never touched */
	c->bytes = c->chars = 0;
}

/* --- reading what is sent --- */

static int read_at(int fd, void *p, size_t n, uint64_t offset, size_t *got, struct err *e)
{
	for (*got = 0; *got < n;) {
		ssize_t k = pread(fd, (uint8_t *)p + *got, n - *got, (off_t)(offset + *got));
		if (k < 0 && errno != EINTR) {
			return err_sys(e, EX_NOINPUT, "cannot read the content");
		}
		if (k == 0) {
			break;
		}
		*got += k > 0 ? (size_t)k : 0;
	}
	return 0;
}

/* Line number `line` of a file's base64, with its LF and a NUL. What the file has grown by does not
 * count. */
static int encode_line(const struct content_part *p, uint64_t line, char out[static LINE_OUT + 4],
	size_t *n, struct err *e)
{
	uint64_t left = p->file_bytes - line * LINE_IN;
	uint8_t in[LINE_IN];
	size_t got, k;

	if (read_at(p->fd, in, left < LINE_IN ? (size_t)left : LINE_IN, line * LINE_IN, &got, e) !=
		0) {
		return -1;
	}
	k = base64_encode(out, in, got);
	while (k % 4 != 0) {
		out[k++] = '=';
	}
	out[k++] = '\n';
	*n = k;
	return 0;
}

/* From the middle of one line to the middle of another, if need be. */
static int read_base64(struct content_part *p, uint8_t *out, size_t cap, size_t *n, struct err *e)
{
	char line[LINE_OUT + 4];
	size_t skip, k;

	for (*n = 0; *n < cap && p->at < p->bytes; *n += k, p->at += k) {
		if (encode_line(p, p->at / LINE_OUT, line, &k, e) != 0) {
			return -1;
		}
		skip = (size_t)(p->at % LINE_OUT);
		k = k > skip ? k - skip : 0;
		k = k < cap - *n ? k : cap - *n;
		memcpy(out + *n, line + skip, k);
		if (k == 0) {
			break; /* the file became shorter: the caller sees it by the count */
		}
	}
	return 0;
}

static int read_part(struct content_part *p, uint8_t *out, size_t cap, size_t *n, struct err *e)
{
	uint64_t left = p->bytes - p->at;
	size_t k = left < cap ? (size_t)left : cap;

	if (p->kind == CONTENT_BASE64) {
		return read_base64(p, out, k, n, e);
	}
	*n = k;
	if (p->kind == CONTENT_SPILLED && spill_read(p->spill, out, k, p->at, n, e) != 0) {
		return -1;
	}
	if (p->kind == CONTENT_FILE && read_at(p->fd, out, k, p->at, n, e) != 0) {
		return -1;
	}
	if (p->kind == CONTENT_MEMORY_PART && k > 0) {
		memcpy(out, p->memory.p + p->at, k);
	}
	p->at += *n;
	return 0;
}

int content_read(void *arg, void *out, size_t cap, size_t *n, struct err *e)
{
	struct content *c = arg;
	size_t k = 1;

	for (*n = 0; *n < cap && c->current < c->n; *n += k) {
		if (read_part(&c->parts[c->current], (uint8_t *)out + *n, cap - *n, &k, e) != 0) {
			return -1;
		}
		if (c->parts[c->current].at == c->parts[c->current].bytes) {
			c->current++;
		} else if (k == 0) {
			break;
		}
	}
	return 0;
}

void content_rewind(struct content *c)
{
	for (size_t i = 0; i < c->n; i++) {
		c->parts[i].at = 0;
	}
	c->current = 0;
}

/* --- attachments --- */

static int add_text(struct content *c, const char *text, struct err *e)
{
	struct content_part *p = add_part(c, CONTENT_MEMORY_PART);

	p->bytes = strlen(text);
	return buf_append_str(&p->memory, text) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* A file's name for a header: its last part; what could end the quotes or the line is '_'. */
static void header_name(const char *path, char out[static 256])
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	size_t n = strlen(name), skip = n > 200 ? n - 200 : 0; /* the end tells its type */

	while (skip > 0 && ((uint8_t)name[skip] & 0xc0) == 0x80) {
		skip++;
	}
	(void)snprintf(out, 256, "%s", name + skip);
	for (char *s = out; *s != '\0'; s++) {
		*s = (uint8_t)*s < 0x20 || *s == 0x7f || *s == '"' || *s == '\\' ? '_' : *s;
	}
}

static int add_file(struct content *c, const char *path, const char *boundary, struct err *e)
{
	char head[1024], name[256];
	struct content_part *p;
	struct stat st;
	uint64_t ignored;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0) {
			(void)close(fd);
			return err_set(
				e, EX_NOINPUT, "cannot attach %s: it is no regular file", path);
		}
		return err_sys(e, EX_NOINPUT, "cannot open %s", path);
	}
	header_name(path, name);
	if (utf8_count((const uint8_t *)name, strlen(name), &ignored) != 0) {
		(void)close(fd);
		return err_set(e, EX_DATAERR, "cannot attach %s: its name is not UTF-8", path);
	}
	(void)snprintf(head, sizeof head,
		"\n--%s\nContent-Type: application/octet-stream\n"
		"Content-Transfer-Encoding: base64\n"
		"Content-Disposition: attachment; filename=\"%s\"\n\n",
		boundary, name);
	if (add_text(c, head, e) != 0) {
		(void)close(fd);
		return -1;
	}
	p = add_part(c, CONTENT_BASE64);
	p->fd = fd;
	p->file_bytes = (uint64_t)st.st_size;
	uint64_t rest = p->file_bytes % LINE_IN;
	p->bytes = p->file_bytes / LINE_IN * LINE_OUT + (rest == 0 ? 0 : (rest + 2) / 3 * 4 + 1);
	return 0;
}

/* The total. Names and headers are the only text here that is not ASCII, or counted already. */
static int measure(struct content *c, uint64_t text_bytes, uint64_t max_chars, struct err *e)
{
	uint64_t chars, k;

	chars = c->chars;
	c->bytes = text_bytes;
	for (size_t i = 0; i < c->n; i++) {
		const struct content_part *p = &c->parts[i];
		if (i == 1) {
			continue; /* the text itself */
		}
		k = p->bytes;
		if (p->kind == CONTENT_MEMORY_PART) {
			(void)utf8_count(p->memory.p, p->memory.n, &k);
		}
		chars += k;
		c->bytes += p->bytes;
	}
	c->chars = chars;
	return check_limit(c->chars, max_chars, "the message with its attachments", e);
}

int content_attach(
	struct content *c, const char *const *paths, size_t n, uint64_t max_chars, struct err *e)
{
	char boundary[48], head[512];
	uint8_t random[16];
	uint64_t text_bytes = c->bytes;
	struct content_part text = c->parts[0];

	if (n > (CONTENT_PARTS - 4) / 2) {
		return err_set(e, EX_USAGE, "more than %d attachments", (CONTENT_PARTS - 4) / 2);
	}
	if (random_bytes(random, sizeof random, e) != 0) {
		return -1;
	}
	memcpy(boundary, "smtp361-", 8);
	hex_encode(boundary + 8, random, sizeof random);
	(void)snprintf(head, sizeof head,
		"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"%s\"\n\n"
		"--%s\nContent-Type: text/plain; charset=utf-8\n"
		"Content-Transfer-Encoding: 8bit\n\n",
		boundary, boundary);
	c->n = 0;
	int rc = add_text(c, head, e);
	c->parts[c->n++] = text;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = add_file(c, paths[i], boundary, e);
	}
	(void)snprintf(head, sizeof head, "\n--%s--\n", boundary);
	rc = rc == 0 ? add_text(c, head, e) : rc;
	return rc == 0 ? measure(c, text_bytes, max_chars, e) : rc;
}
