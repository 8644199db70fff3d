/* Attachments, taken apart in pieces that the first byte sizes: whatever names a message gives its
 * files, they are regular files in the one folder, and no larger than the message. */
#include "folder.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "../../cmd/attachments.h"

/* Two levels down, so that a way out shows. */
static int make_inner(void)
{
	size_t n = strlen(fuzz_path);
	int dir;

	assert(n + 5 < sizeof fuzz_path);
	memcpy(fuzz_path + n, "/1", 3);
	assert(mkdir(fuzz_path, 0700) == 0);
	memcpy(fuzz_path + n, "/1/2", 5);
	assert(mkdir(fuzz_path, 0700) == 0);
	dir = open(fuzz_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(dir >= 0);
	return dir;
}

static void remove_inner(int dir)
{
	char *end = fuzz_path + strlen(fuzz_path);

	fuzz_remove(dir);
	end[-2] = '\0';
	assert(rmdir(fuzz_path) == 0); /* it held nothing else */
	end[-4] = '\0';
}

/* Everything in the folder is a plain file, readable by its owner alone. How many they are. */
static int check_folder(int dir, size_t size)
{
	DIR *d = fdopendir(dup(dir));
	const struct dirent *entry;
	struct stat st;
	int files = 0;

	assert(d != NULL);
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		assert(entry->d_name[0] != '.' && entry->d_name[0] != '-');
		assert(fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
		assert(st.st_mode == (S_IFREG | 0600) && (size_t)st.st_size <= size);
		for (const char *s = entry->d_name; *s != '\0'; s++) {
			assert((uint8_t)*s >= 0x20 && *s != 0x7f && *s != '\\');
		}
		files++;
	}
	(void)closedir(d);
	return files;
}

static int feed(
	struct attachments *a, const uint8_t *data, size_t size, size_t piece, struct err *e)
{
	for (size_t at = 0; at < size; at += piece) {
		size_t k = size - at < piece ? size - at : piece;
		if (attachments_take(a, data + at, k, e) != 0) {
			return -1;
		}
	}
	return attachments_end(a, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attachments *a;
	struct err e = {0};
	int top, dir, rc, files;

	if (size < 1) {
		return 0;
	}
	top = fuzz_make();
	dir = make_inner();
	a = attachments_open(fuzz_path, &e);
	assert(a != NULL);
	rc = feed(a, data + 1, size - 1, (size_t)data[0] + 1, &e);
	attachments_close(a);
	files = check_folder(dir, size);
	if (rc == 0) {
		assert(files > 0);
	} else {
		assert(e.code == EX_DATAERR || e.code == EX_NOINPUT || e.code == EX_CANTCREAT);
		assert(e.code != EX_NOINPUT || files == 0);
	}
	remove_inner(dir);
	(void)close(top);
	assert(rmdir(fuzz_path) == 0);
	return 0;
}
