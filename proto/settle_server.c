/* When to settle; see settle_server.h. */
#include "settle_server.h"

bool settle_is_due(struct settle *s, struct mailbox *m, int64_t now_ms, int *look_ms)
{
	bool busy = false;

	*look_ms = -1;
	if (!m->ops->unsettled(m, &busy)) {
		s->since_ms = 0;
		return false;
	}
	if (s->since_ms == 0) {
		s->since_ms = now_ms;
	}
	if (now_ms < s->not_before_ms) {
		*look_ms = (int)(s->not_before_ms - now_ms);
		return false;
	}
	if (busy && now_ms - s->since_ms < SETTLE_BUSY_MS) {
		*look_ms = SETTLE_LOOK_MS;
		return false;
	}
	return true;
}

void settle_ended(struct settle *s, bool done, int64_t now_ms)
{
	int64_t next = s->retry_ms == 0 ? SETTLE_RETRY_MS : 2 * s->retry_ms;

	s->since_ms = 0; /* what is left came meanwhile: it may wait as long as any */
	s->retry_ms = done ? 0 : next > SETTLE_RETRY_MAX_MS ? SETTLE_RETRY_MAX_MS : next;
	s->not_before_ms = now_ms + (done ? SETTLE_LOOK_MS : s->retry_ms);
}
