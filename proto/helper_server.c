/* The server's helper; see helper_server.h. */
#include "helper_server.h"

#include <errno.h>
#include <sys/wait.h>

#include "log.h"

static int settle(const struct helper *h)
{
	struct mailbox *box = h->server->box;
	struct err e;

	if (box->ops->settle(box, &e) == 0) {
		return EX_OK;
	}
	log_err("settle", &e);
	return e.code == EX_OK ? EX_SOFTWARE : e.code;
}

/* false: it could not be forked. */
static bool start(struct helper *h, bool settles)
{
	pid_t pid = fork();

	if (pid == 0) {
		h->in_child(h->arg);
		if (settles) {
			_exit(settle(h));
		}
		h->server->after_death(h->server->arg);
		_exit(EX_OK);
	}
	h->pid = pid < 0 ? 0 : pid;
	h->settles = settles;
	return pid > 0;
}

void helper_clean_up(struct helper *h)
{
	if (h->pid == 0 && h->must_clean_up) {
		h->must_clean_up = !start(h, false); /* tried again when the next child ends */
	}
}

int helper_settle(struct helper *h)
{
	int look_ms;

	if (h->server->box == NULL || h->pid != 0) {
		return -1;
	}
	presence_listen(h->presence);
	if (settle_is_due(&h->settle, h->server->box, conn_now_ms(), &look_ms)) {
		if (start(h, true)) {
			return -1;
		}
		log_event("settle", "text=\"cannot fork: %s\"", strerror(errno));
		settle_ended(&h->settle, false, conn_now_ms());
		look_ms = SETTLE_RETRY_MS;
	}
	if (look_ms >= 0) {
		presence_told(h->presence);
	}
	return look_ms;
}

void helper_reap(struct helper *h, pid_t pid, int status)
{
	bool cleaned_up = pid == h->pid && !h->settles;

	if (pid == h->pid) {
		h->pid = 0;
		if (h->settles) {
			settle_ended(&h->settle, WIFEXITED(status) && WEXITSTATUS(status) == 0,
				conn_now_ms());
		}
	}
	/* one that was to clean up is not sent after itself */
	h->must_clean_up = h->must_clean_up ||
			   (WIFSIGNALED(status) && !cleaned_up && h->server->after_death != NULL);
}
