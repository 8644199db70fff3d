/* Counting what changes in a folder; see notices.h. */
#include "notices.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

void notices_open(struct notices *n)
{
	*n = (struct notices){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .wd = -1};
}

void notices_close(struct notices *n)
{
	if (n->fd >= 0) {
		(void)close(n->fd);
	}
	n->fd = n->wd = -1;
}

void notices_begin(struct notices *n, int dir)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
	n->wd = n->fd < 0 ? -1
			  : inotify_add_watch(n->fd, path,
				    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
}

/* One event; false when some were lost. */
static bool count(const struct notices *n, const struct inotify_event *event, const char *name,
	unsigned *names)
{
	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		return false;
	}
	/* what is left of a folder before this one is of another wd */
	if (event->wd == n->wd && (event->mask & IN_IGNORED) == 0 && name[0] != '.') {
		(*names)++;
	}
	return true;
}

bool notices_end(struct notices *n, unsigned *names)
{
	_Alignas(struct inotify_event) char events[4096];
	struct inotify_event event;
	bool known = n->wd >= 0;
	ssize_t got;

	*names = 0;
	while (known && (got = read(n->fd, events, sizeof events)) > 0) {
		for (ssize_t at = 0; at < got; at += (ssize_t)sizeof event + event.len) {
			memcpy(&event, events + at, sizeof event);
			known = count(n, &event, events + at + sizeof event, names) && known;
		}
	}
	if (n->wd >= 0) {
		(void)inotify_rm_watch(n->fd, n->wd);
	}
	n->wd = -1;
	return known;
}
