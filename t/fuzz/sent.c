/* A sender's file of ids: whatever stands in it, a new message is new, and known when it is sent.
 * The input: a byte that tells which of the two files it is, and the file. */
#include "folder.h"

#include "../../crypto/random.h"
#include "../../store/sent.h"

static void put_file(int dir, const char *name, const uint8_t *p, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert(fd >= 0 && write(fd, p, n) == (ssize_t)n && close(fd) == 0);
}

static bool claim(int dir, const uint8_t *id, bool send)
{
	struct sent s;
	struct err e;
	bool known;

	assert(sent_claim(&s, dir, "client1", id, &known, &e) == 0);
	assert(!send || sent_add(&s, id, &e) == 0);
	sent_release(&s);
	return known;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t id[2 * MAILBOX_ID_BYTES]; /* two, that nobody guesses */
	struct err e;
	int dir;

	if (size == 0) {
		return 0;
	}
	dir = fuzz_make();
	assert(mkdirat(dir, SENT_FOLDER, 0700) == 0 && random_bytes(id, sizeof id, &e) == 0);
	if ((data[0] & 1) != 0) {
		put_file(dir, SENT_FOLDER "/client1", data + 1, size - 1);
	}
	if ((data[0] & 2) != 0) {
		put_file(dir, SENT_FOLDER "/client1.old", data + 1, size - 1);
	}
	if ((data[0] & 4) != 0) {
		assert(sent_sync(dir, "client1", &e) == 0);
	}
	assert(!claim(dir, id, true));
	assert(sent_note(dir, "client1", id + MAILBOX_ID_BYTES, &e) == 0);
	assert(claim(dir, id, false) && claim(dir, id + MAILBOX_ID_BYTES, false));
	assert(sent_sync(dir, "client1", &e) == 0);
	fuzz_remove(dir);
	return 0;
}
