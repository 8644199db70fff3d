/* Watching one file of a folder; see watch.h. */
#include "watch.h"

#include <limits.h>
#include <sys/inotify.h>

static void look(const struct watch *w, struct stat *st)
{
	if (fstatat(w->dir, w->name, st, 0) != 0) {
		*st = (struct stat){0};
	}
}

void watch_open(struct watch *w, int dir, const char *name)
{
	char path[64];

	*w = (struct watch){
		.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .dir = dir, .name = name};
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
	/* the folder, since a rewrite is a rename; mail goes into folders below, and tells
	 * nothing */
	if (w->fd >= 0 &&
		inotify_add_watch(w->fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0) {
		watch_close(w);
	}
	look(w, &w->last);
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0) {
		(void)close(w->fd);
	}
	w->fd = -1;
}

bool watch_changed(struct watch *w)
{
	_Alignas(struct inotify_event) char events[sizeof(struct inotify_event) + NAME_MAX + 1];
	struct stat now;
	bool changed;

	while (w->fd >= 0 && read(w->fd, events, sizeof events) > 0) {
	}
	look(w, &now);
	changed = now.st_ino != w->last.st_ino || now.st_mtim.tv_sec != w->last.st_mtim.tv_sec ||
		  now.st_mtim.tv_nsec != w->last.st_mtim.tv_nsec;
	w->last = now;
	return changed;
}
