/* Where export writes: an mbox, or a Maildir. Nothing shows under its name before it is whole and
 * on disk. */
#ifndef CMD_EXPORT_OUT_H
#define CMD_EXPORT_OUT_H

#include "../proto/transfer.h"
#include "ids.h"

struct export_out;

struct export_ops {
	/* Is this message there already? */
	bool (*has)(const struct export_out *o, const struct mailbox_meta *meta);
	int (*begin)(struct export_out *o, const struct mailbox_meta *meta, const char *sender,
		struct err *e);
	transfer_put *put; /* arg: the struct export_out */
	int (*end)(struct export_out *o, struct err *e);
	/* Take back the message that was begun. */
	int (*undo)(struct export_out *o, struct err *e);
	/* All of it came: make it last, under its name. 0, or -1 (EX_CANTCREAT, EX_IOERR). */
	int (*finish)(struct export_out *o, struct err *e);
	/* Sweep what is not finished. After finish, too; it frees o. */
	void (*close)(struct export_out *o);
};

struct export_out {
	const struct export_ops *ops;
};

/* path: "-" is standard output. An existing file is refused (EX_CANTCREAT) unless force, which
 * replaces it. NULL with e. */
struct export_out *export_mbox_open(const char *path, bool force, struct err *e);
/* Made if it is not there; what it holds already is not written again. NULL with e. */
struct export_out *export_maildir_open(const char *path, struct err *e);

#endif
