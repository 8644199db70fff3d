/* The ground floor's way to files: read whole and bounded, write durably or not at all. keys/ and
 * store/ share it; nobody else opens a file that must survive a crash.
 *
 * A file is written aside as ".NAME.new", synced, and then linked (new) or renamed (replacing) to
 * its name, and the folder is synced: after a crash at any instant the name holds the old bytes or
 * the new ones. Writers of one folder hold file_lock(), so a stale ".NAME.new" is known to be
 * nobody's. */
#ifndef CRYPTO_FILE_H
#define CRYPTO_FILE_H

#include <dirent.h>
#include <sys/stat.h>

#include "bytes.h"
#include "err.h"

enum file_how { FILE_NEW, FILE_REPLACE };

/* The sysexits code that fits errno: EX_TEMPFAIL where trying again may help (full, out of
 * descriptors or memory, read-only, I/O error), otherwise `other`. */
int file_errno_code(int other);

/* Open a folder. Its descriptor (close it), or -1 (EX_NOINPUT). */
int file_open_dir(const char *path, struct err *e);

/* Read the names in a folder, whose own descriptor stays as it is. For closedir; or NULL, errno. */
DIR *file_read_names(int dir);

/* Wait for the folder's writers' lock (flock on the folder itself: no lock file is left lying
 * about). It is held until the descriptor is closed: pass one of your own. 0 or -1. */
int file_lock(int dir, struct err *e);
/* The same with a descriptor of its own for the folder dir: close it, and the lock is given back.
 * The descriptor, or -1. */
int file_lock_own(int dir, struct err *e);

/* Read a regular file of at most max bytes, appending to out. A FIFO, a folder or a device is
 * refused without waiting. Symlinks are followed. st may be NULL. path names the file in errors. 0,
 * or -1 (EX_NOINPUT; EX_DATAERR when it is larger; out unchanged). */
int file_read(
	int dir, const char *name, size_t max, struct buf *out, struct stat *st, struct err *e);

/* Write a file durably, with these permission bits exactly. FILE_NEW refuses an existing name
 * (EX_CANTCREAT). 0, or -1 and the folder is as it was. */
int file_write(int dir, const char *name, const void *p, size_t n, mode_t mode, enum file_how how,
	struct err *e);

/* Remove what a writer that was killed may have left of this name. The caller holds the lock. 0 or
 * -1. */
int file_sweep(int dir, const char *name, struct err *e);

/* Destroy a file that holds a key: its bytes are overwritten and the overwriting synced before it
 * is unlinked. A file system that writes elsewhere than where the bytes were (copy on write, flash)
 * may keep them beneath. The folder is not synced: that is the caller's, once for many. 0 (also
 * when there is none), or -1: it is still there, overwritten or not. */
int file_destroy(int dir, const char *name, struct err *e);

enum { FILE_PATH_MAX = 4096 };

/* A new file in $TMPDIR (0600), and its path. The descriptor, or -1 with errno. */
int file_temporary(char path[static FILE_PATH_MAX]);
/* A file that nobody finds, whatever happens to us: in the folder dir where that can be, else (and
 * with -1) in $TMPDIR. The descriptor, or -1 with errno. */
int file_nameless(int dir);

/* Write all of it, over short writes and EINTR. 0, or -1 with errno. */
int file_write_all(int fd, const void *p, size_t n);

/* The same at an offset; a file that takes no more is full (ENOSPC). */
int file_write_at(int fd, const void *p, size_t n, uint64_t offset);
/* Read up to n bytes at an offset, over short reads and EINTR; fewer only at the end of the file.
 * The bytes read, or -1 with errno. */
ssize_t file_read_at(int fd, void *p, size_t n, uint64_t offset);

/* Sync what a descriptor stands for (a file's data, a folder's names). 0, or -1 with e. */
int file_sync(int fd, const char *what, struct err *e);

#endif
