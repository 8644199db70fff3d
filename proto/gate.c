/* Slots by record locks; see gate.h. */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>

enum { GATE_POLL_MS = 10 };

void gate_open(struct gate *g)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *f = tmpfile();

	g->fd = f == NULL ? -1 : fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
	g->slots = processors > 0 ? (unsigned)processors : 1;
	if (f != NULL) {
		(void)fclose(f);
	}
}

void gate_close(struct gate *g)
{
	if (g->fd >= 0) {
		(void)close(g->fd);
	}
	g->fd = -1;
}

static int lock_slot(const struct gate *g, unsigned slot, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1};
	int rc;

	do {
		rc = fcntl(g->fd, F_SETLK, &lock);
	} while (rc != 0 && errno == EINTR);
	return rc;
}

static bool try_slots(struct gate *g)
{
	for (unsigned i = 0; i < g->slots; i++) {
		if (lock_slot(g, i, F_WRLCK) == 0) {
			g->taken = i;
			return true;
		}
	}
	return false;
}

void gate_take(struct gate *g)
{
	while (g->fd >= 0 && !try_slots(g)) {
		(void)poll(NULL, 0, GATE_POLL_MS); /* whichever slot is free first */
	}
}

void gate_give(struct gate *g)
{
	if (g->fd >= 0) {
		(void)lock_slot(g, g->taken, F_UNLCK);
	}
}
