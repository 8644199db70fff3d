/* The folder of a key that is printed; see keygen_folder.h. */
#include "keygen_folder.h"

#include <fcntl.h>

#include "../crypto/file.h"

static bool has(int dir, const char *file)
{
	return faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int keygen_folder_open(const char *given, const char *file, struct err *e)
{
	struct account account = {.applet = "keygen"};
	int dir = file_open_dir(given == NULL ? "." : given, e), other = -1;

	if (dir < 0 || given != NULL || has(dir, file)) {
		return dir;
	}
	if (account_resolve(&account, e) == 0) {
		other = file_open_dir(account.keys, e);
	}
	account_free(&account);
	if (other >= 0 && !has(other, file)) {
		(void)close(other);
		return dir;
	}
	(void)close(dir);
	return other;
}

int keygen_folder_told(const char *given, int rc, struct err *e)
{
	if (rc == 0 || given != NULL || e->code != EX_NOINPUT) {
		return rc;
	}
	return err_hint(e, "it is neither here nor in the configuration's folder of keys; -d DIR "
			   "names another one");
}
