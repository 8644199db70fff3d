/* What the tests of attachments share: taking a message apart into a folder "out", without its
 * names on standard output, and looking at what is there. */
#ifndef T_ATTACHMENTS_H
#define T_ATTACHMENTS_H

#include "unit.h"

#include "../../cmd/attachments.h"

static struct err e;
static size_t first_piece; /* how long the first one is; 0: like the others */

#define HEAD_LINES "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n"
#define HEAD_LINES_CRLF "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"B\"\r\n\r\n"

static inline int open_out(void **state)
{
	return folder_make(state) == 0 && mkdirat(folder.fd, "out", 0700) == 0 ? 0 : -1;
}

#define T_OUT(title, function)                                 \
	{                                                      \
		title, function, open_out, folder_remove, NULL \
	}

/* The names of what is saved are for people. */
static inline int silence(void)
{
	int kept, null = open("/dev/null", O_WRONLY);

	(void)fflush(stdout);
	kept = dup(STDOUT_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)close(null);
	return kept;
}

static inline void speak(int kept)
{
	(void)fflush(stdout);
	(void)dup2(kept, STDOUT_FILENO);
	(void)close(kept);
}

static inline int feed(struct attachments *a, const uint8_t *p, size_t n, size_t piece)
{
	size_t k, at = 0;

	if (first_piece > 0) {
		at = first_piece < n ? first_piece : n;
		if (attachments_take(a, p, at, &e) != 0) {
			return -1;
		}
	}
	for (; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		if (attachments_take(a, p + at, k, &e) != 0) {
			return -1;
		}
	}
	return attachments_end(a, &e);
}

/* Take a message apart, in pieces of this size. 0, or the error's code. */
static inline int take(const void *p, size_t n, size_t piece)
{
	char path[PATH_MAX + 8];
	struct attachments *a;
	int kept, rc;

	(void)snprintf(path, sizeof path, "%s/out", folder.path);
	a = attachments_open(path, &e);
	assert_non_null(a);
	e.code = 0;
	kept = silence();
	rc = feed(a, p, n, piece) == 0 ? 0 : e.code;
	attachments_close(a);
	speak(kept);
	return rc;
}

/* One part, with this parameter of its Content-Disposition. */
static inline int take_part(const char *parameter, const char *encoding, const void *p, size_t n)
{
	struct buf b = {0};
	char head[2000];
	int rc;

	(void)snprintf(head, sizeof head,
		HEAD_LINES "--B\nContent-Transfer-Encoding: %s\nContent-Disposition: attachment; "
			   "%s\n\n",
		encoding, parameter);
	assert_int_equal(buf_append_str(&b, head), 0);
	assert_int_equal(buf_append(&b, p, n), 0);
	assert_int_equal(buf_append_str(&b, "\n--B--\n"), 0);
	rc = take(b.p, b.n, 4096);
	buf_free(&b);
	return rc;
}

static inline bool there(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "out/%s", name);
	return faccessat(folder.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void assert_file(const char *name, const void *p, size_t n)
{
	char path[PATH_MAX];
	struct buf b = {0};
	struct stat st;

	if (!there(name)) {
		fail_msg("there is no %s", name);
	}
	(void)snprintf(path, sizeof path, "out/%s", name);
	slurp(path, &b);
	if (b.n != n || memcmp(b.p, p, n) != 0) {
		fail_msg("%s has %zu bytes, not %zu: %.60s", name, b.n, n, (char *)b.p);
	}
	assert_int_equal(fstatat(folder.fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	buf_free(&b);
}

/* Remove what is there. How many names it were. */
static inline int clear_out(void)
{
	char path[PATH_MAX + 8];
	int n = count_names("out");

	(void)snprintf(path, sizeof path, "%s/out", folder.path);
	assert_int_equal(nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(mkdirat(folder.fd, "out", 0700), 0);
	return n;
}

#endif
