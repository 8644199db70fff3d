/* user_pass.json, and lists of recipients. */
#include "fuzz.h"

#include "../../store/users.h"

#include <fcntl.h>

static int visit(void *arg, const struct users_row *row)
{
	(void)arg;
	assert(user_name_valid(row->name));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char folder[] = "/tmp/smtp361-fuzz-XXXXXX";
	static int dir = -1;
	struct users *users;
	struct users_list list;
	struct err e;
	int fd;

	if (dir < 0) {
		assert(mkdtemp(folder) != NULL);
		dir = open(folder, O_RDONLY | O_DIRECTORY);
	}
	fd = openat(dir, USERS_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
	if (users_load(dir, &users, NULL, &e) == 0) {
		(void)users_each(users, visit, NULL);
		users_free(users);
	} else {
		assert(e.code == EX_CONFIG);
	}
	(void)unlinkat(dir, USERS_FILE, 0);
	if (users_split(&list, data, size, &e) == 0) {
		assert(list.n > 0 && list.n <= USERS_LIST_MAX);
		users_list_free(&list);
	}
	(void)rmdir(folder);
	(void)close(dir);
	dir = -1;
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	return 0;
}
