/* What the tests of a retry share: sending under an id, and counting what it left in a mailbox. */
#ifndef T_ONCE_H
#define T_ONCE_H

#include "store.h"

#include "../../store/sent.h"

static const char *sender = "client1";        /* who sends */
static const char *body = "once and no more"; /* what is sent */

/* Send a message under an id; once: only if it was not sent before. */
static inline int send_with(const uint8_t *id, const char *to, bool once)
{
	return post(&(struct letter){.title = "Once",
		.content = body,
		.to = to,
		.from = sender,
		.time_us = message_now(),
		.id = id,
		.once = once});
}

static inline int send_once(const uint8_t *id, const char *to)
{
	return send_with(id, to, true);
}

#endif
