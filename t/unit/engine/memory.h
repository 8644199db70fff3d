/* The second engine behind store/mailbox.h: in memory, for tests alone. It keeps what a replicated
 * store of objects and ordered maps would keep, and changes one object at a time:
 *
 *   claim     (only if `once`) the sender's record of this id names the attempt
 *   object    the message, under a name of its own, not committed
 *   entry     in each mailbox's map, by (time, id): a place that counts towards its limits, but
 *             that nobody is shown
 *   commit    the object is marked; from here on it is delivered to all, before it to none
 *
 * An entry is given its place in the order of arrival when it is first looked at behind the commit,
 * by a reader or by settle(). What a delivery that died left is never listed and counts towards no
 * limit; recover() sweeps it, and a retry begins anew. A process and its children share one store;
 * a child may be killed between any two steps. */
#ifndef T_MEMORY_H
#define T_MEMORY_H

#include "../../../store/mailbox.h"

/* An empty store. describe: see mailbox.h; check() asks it. 0 or -1. */
int memory_open(mailbox_describe *describe, struct mailbox **out, struct err *e);
/* As a process that is started again sees it: another handle of the same store. The old one is
 * gone. 0 or -1. */
int memory_reopen(struct mailbox **m, struct err *e);

/* What befalls this handle at a step, counted from 1, and at all behind it. */
enum memory_fault {
	MEMORY_SOUND,
	MEMORY_REFUSES, /* it is not taken */
	MEMORY_LOSES,   /* it is taken, but its answer is lost; the ones behind it are not taken */
	MEMORY_DIES     /* the process ends ahead of it */
};
enum { MEMORY_DIED = 99 }; /* its exit code */

void memory_fail(struct mailbox *m, enum memory_fault fault, unsigned step);
unsigned memory_steps(const struct mailbox *m); /* since memory_fail */

/* Change bytes of a message where it lies. 0, or -1 (EX_NOINPUT). */
int memory_damage(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct err *e);

#endif
