/* A mailbox's .ids: whatever stands in it, an id that was never noted is not found, one that was is
 * found where it was noted, and a whole new table forgets what there was. */
#include "folder.h"

#include "../../crypto/random.h"
#include "../../store/hints.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t id[MAILBOX_ID_BYTES]; /* that nobody guesses */
	uint64_t where = 0;
	struct hints_new n;
	struct hints h;
	struct err e;
	int dir = fuzz_make(), fd = openat(dir, HINTS_FILE, O_WRONLY | O_CREAT, 0600), rc;

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
	assert(random_bytes(id, sizeof id, &e) == 0);
	hints_open(&h, dir);
	assert(!hints_find(&h, id, &where));
	rc = hints_put(&h, id, 77);
	assert(rc == 1 || (rc == 0 && hints_find(&h, id, &where) && where == 77));
	assert(hints_begin(&n, dir, size) == 0);
	hints_add(&n, id, 78);
	id[0] ^= 1;
	assert(hints_finish(&n, true) == 0 && !hints_find(&h, id, &where));
	hints_close(&h);
	hints_open(&h, dir);
	assert(!hints_find(&h, id, &where));
	id[0] ^= 1;
	assert(hints_find(&h, id, &where) && where == 78);
	hints_close(&h);
	fuzz_remove(dir);
	return 0;
}
