/* What the unit tests share: a private folder, published vectors, children, and a table of tests
 * whose titles are assertions. Everything is inline, so that a test uses what it needs. */
#ifndef T_UNIT_H
#define T_UNIT_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../crypto/bytes.h"
#include "../../crypto/err.h"

/* Rows of the table. The second kind runs in a new folder, `folder`, that is removed behind it. */
#define T(title, function)                        \
	{                                         \
		title, function, NULL, NULL, NULL \
	}
#define T_FOLDER(title, function)                                 \
	{                                                         \
		title, function, folder_make, folder_remove, NULL \
	}
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)

/* A refusal: -1, this code, and a text that is not empty. */
#define assert_refused(call, e, wanted)               \
	do {                                          \
		(e).code = -1;                        \
		(e).text[0] = '\0';                   \
		assert_int_equal((call), -1);         \
		assert_int_equal((e).code, (wanted)); \
		assert_true((e).text[0] != '\0');     \
	} while (0)

#define assert_contains(text, part)                                              \
	do {                                                                     \
		if (strstr((text), (part)) == NULL) {                            \
			fail_msg("\"%s\" does not hold \"%s\"", (text), (part)); \
		}                                                                \
	} while (0)

/* --- a folder of its own --- */

static struct {
	char path[PATH_MAX];
	int fd;
} folder;

static inline int folder_make(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(folder.path, sizeof folder.path, "%s/smtp361-unit.XXXXXX",
		tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(folder.path) == NULL) {
		return -1;
	}
	folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder.fd < 0 ? -1 : 0;
}

static inline int folder_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static inline int folder_remove(void **state)
{
	(void)state;
	(void)close(folder.fd);
	return nftw(folder.path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many names the folder holds; `inside` names one in it, "." is itself. */
static int counted;
static inline int count_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)path;
	(void)st;
	(void)type;
	counted += where->level > 0 ? 1 : 0;
	return 0;
}
static inline int count_names(const char *inside)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof path, "%s/%s", folder.path, inside);
	counted = 0;
	assert_int_equal(nftw(path, count_one, 16, FTW_PHYS), 0);
	return counted;
}

static inline void spew(const char *name, const void *p, size_t n)
{
	int fd = openat(folder.fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_true(n == 0 || write(fd, p, n) == (ssize_t)n);
	assert_int_equal(close(fd), 0);
}

/* Another byte at this place of an open file, whatever it was. */
static inline void change_byte(int fd, off_t at)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x55;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static inline void spew_text(const char *name, const char *text)
{
	spew(name, text, strlen(text));
}

static inline void slurp(const char *name, struct buf *out)
{
	int fd = openat(folder.fd, name, O_RDONLY);
	ssize_t k = 1;

	assert_true(fd >= 0);
	for (out->n = 0; k > 0; out->n += (size_t)k) {
		assert_int_equal(buf_reserve(out, 65536), 0);
		k = read(fd, out->p + out->n, 65535);
		assert_true(k >= 0);
	}
	out->p[out->n] = '\0'; /* for strstr; it is not counted */
	(void)close(fd);
}

/* --- children --- */

static inline pid_t start_child(int (*run)(int i), int i)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(run(i));
	}
	return pid;
}

static inline int end_child(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* run(0) to run(n - 1), all at once; each must return 0. */
static inline void run_children(int n, int (*run)(int i))
{
	pid_t pids[64];
	int worst = 0;

	for (int i = 0; i < n; i++) {
		pids[i] = start_child(run, i);
	}
	for (int i = 0; i < n; i++) { /* all are waited for, whatever the first says */
		int code = end_child(pids[i]);
		worst = code > worst ? code : worst;
	}
	assert_int_equal(worst, 0);
}

/* --- published vectors --- */

/* Skips the test, loudly, where they are not. They are never freed: store/users gives jansson
 * another allocator in mid-course. */
static inline json_t *vectors(const char *file)
{
	static json_t *kept[8];
	static size_t kept_n;
	const char *dir = getenv("VECTORS");
	char path[PATH_MAX];
	json_error_t why;

	(void)snprintf(path, sizeof path, "%s/%s", dir == NULL ? "../shared/vectors" : dir, file);
	if (access(path, R_OK) != 0) {
		print_message("# SKIPPED: there is no %s\n", path);
		skip();
	}
	json_t *root = json_load_file(path, 0, &why);
	if (root == NULL) {
		fail_msg("%s:%d: %s", path, why.line, why.text);
	}
	assert_true(kept_n < COUNT(kept));
	kept[kept_n++] = root;
	return root;
}

static inline const char *text_of(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s == NULL ? "" : s;
}

/* The bytes that stand in hex under this key. out is empty before; the caller frees it. */
static inline void hex_of(const json_t *row, const char *key, struct buf *out)
{
	const char *hex = text_of(row, key);
	size_t n = strlen(hex) / 2;

	assert_int_equal(buf_reserve(out, n + 1), 0);
	assert_int_equal(hex_decode(out->p + out->n, n, hex, strlen(hex)), 0);
	out->n += n;
}

/* Bytes that look random and are the same in every run. */
static inline void fill_pattern(uint8_t *p, size_t n, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (uint8_t)(x >> 11);
	}
}

#endif
