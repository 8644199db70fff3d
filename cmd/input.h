/* Standard input, by lines or whole, in memory that is wiped. There is one: who reads goes on where
 * another part of the program stopped. */
#ifndef CMD_INPUT_H
#define CMD_INPUT_H

#include "../crypto/bytes.h"
#include "../crypto/err.h"
#include "../proto/message.h"

/* Called ahead of a read that would wait for whoever writes. 0, or -1 ends it. */
typedef int input_idle(void *arg, struct err *e);

/* The next line, without its LF; it is valid until the next call, which wipes it. idle may be NULL.
 * 1, 0 at the end, or -1: EX_DATAERR (more than `most` bytes), EX_NOINPUT (it cannot be read),
 * EX_TEMPFAIL (no memory). */
int input_line(struct message_part *line, size_t most, input_idle *idle, void *arg, struct err *e);
/* All that is left. 0 or -1, as above. */
int input_rest(struct buf *out, size_t most, struct err *e);
/* Nothing more is read: wipe what was. */
void input_end(void);

#endif
