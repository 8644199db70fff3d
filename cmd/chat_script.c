/* Chat in scripts: send, wait, history and the others, each a command; see chat.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "../crypto/file.h"
#include "chat.h"
#include "chat_offers.h"
#include "input.h"

enum { WAIT_SECONDS = 240 /* for one request to the server */ };

void chat_worse(struct chat_job *j, int code)
{
	static const int order[] = {EX_NOPERM, EX_CONFIG, EX_DATAERR, EX_TEMPFAIL, EX_OK};

	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		if (j->code == order[i] || code == order[i]) {
			j->code = order[i];
			return;
		}
	}
}

/* --- sending --- */

int chat_take_text(struct chat_text *out, const void *p, size_t n, struct err *e)
{
	uint64_t chars;

	*out = (struct chat_text){.kind = CHAT_TEXT};
	if (n > CHAT_BODY_MAX) {
		return err_set(e, EX_DATAERR, "the text has more than %d bytes", CHAT_BODY_MAX);
	}
	if (utf8_count(p, n, &chars) != 0) {
		return err_set(e, EX_DATAERR, "the text is no valid UTF-8");
	}
	return buf_append(&out->body, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static void tell_waiting(struct chat_job *j, const char *name)
{
	if (j->waiting > 0) {
		cli_note(j->room.cli,
			"%zu %s for new one-time keys of %s's, who makes them with the next chat "
			"command; --allow-no-fs sends without",
			j->waiting, j->waiting == 1 ? "message waits" : "messages wait", name);
		chat_worse(j, EX_TEMPFAIL);
	}
}

/* What the server did wrong on the way, and what is not as a person would expect. */
static void tell_keys(void *arg, const struct chat_node *n, const struct chat_sent *s)
{
	struct chat_job *j = arg;
	const struct chat_room *r = &j->room;
	const char *name = n->c.name;

	if (s->twice > 0) {
		chat_room_warn(r,
			"the server gave %zu one-time keys of %s's that it had given before: they "
			"were not used",
			s->twice, name);
		chat_worse(j, EX_DATAERR);
	}
	if (s->forged > 0) {
		chat_room_warn(r, "the server gave %zu one-time keys that are not %s's for you",
			s->forged, name);
		chat_worse(j, EX_DATAERR);
	}
	if (s->without_fs > 0) {
		chat_room_warn(r, "%zu %s sealed to %s: not forward secret", s->without_fs,
			s->without_fs == 1 ? "message went" : "messages went", name);
	}
}

static void tell_sent(struct chat_job *j, const struct chat_node *n, const struct chat_sent *s)
{
	tell_keys(j, n, s);
	j->waiting = s->waiting;
	if (!j->piped) {
		tell_waiting(j, n->c.name);
	}
}

int chat_connect(struct chat_job *j, const char *first, struct err *e)
{
	struct chat_room *r = &j->room;

	return r->client != NULL ? 0
	       : chat_room_connect(r, e) != 0 || chat_offers_top_up(r, first, e) != 0
		       ? -1
		       : chat_send_all_waiting(r, tell_keys, j, e);
}

/* 75 says that a message waits, and goes by itself. What was not kept may be sent again: 69. */
static int not_kept(struct err *e)
{
	e->code = e->code == EX_TEMPFAIL ? EX_UNAVAILABLE : e->code;
	return -1;
}

int chat_send_text(struct chat_job *j, struct chat_node *n, const struct chat_text *t, bool *waits,
	struct err *e)
{
	struct chat_sent sent;

	if (waits != NULL) {
		*waits = true;
	}
	if (chat_room_check(&j->room, n, e) != 0 || chat_send_keep(&j->room, n, t, NULL, e) != 0) {
		return not_kept(e);
	}
	if (chat_send_waiting(&j->room, n, j->allow_no_fs, &sent, e) != 0) {
		tell_keys(j, n, &sent);
		err_prefix(e, "the message waits, and goes with the next chat command");
		e->code = e->code == EX_NOPERM || e->code == EX_DATAERR ? e->code : EX_TEMPFAIL;
		return -1;
	}
	if (waits != NULL) {
		*waits = sent.waiting > 0;
	}
	tell_sent(j, n, &sent);
	return 0;
}

/* Connected, with whom it is about at hand. NULL with e. */
static struct chat_node *begin(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_node *n = chat_room_contact(&j->room, user, e);

	return n == NULL || chat_connect(j, user, e) != 0 || chat_room_check(&j->room, n, e) != 0 ||
			       chat_room_history(&j->room, n, e) != 0
		       ? NULL
		       : n;
}

static int send_and_free(
	struct chat_job *j, const char *user, struct chat_text *t, int rc, struct err *e)
{
	struct chat_node *n = rc == 0 ? begin(j, user, e) : NULL;

	rc = n == NULL ? not_kept(e) : chat_send_text(j, n, t, NULL, e);
	buf_free(&t->body);
	return rc;
}

/* All of stdin; a line end at its end is none of the text. */
static int read_text(struct buf *out, struct err *e)
{
	int rc = input_rest(out, CHAT_BODY_MAX + 1, e);

	out->n -= rc == 0 && out->n > 0 && out->p[out->n - 1] == '\n' ? 1 : 0;
	return rc;
}

int chat_do_send_text(
	struct chat_job *j, const char *user, const void *text, size_t n, struct err *e)
{
	struct chat_text t;
	int rc = chat_take_text(&t, text, n, e);

	if (rc == 0 && n == 0) {
		rc = err_set(e, EX_DATAERR, "the text is empty");
	}
	return send_and_free(j, user, &t, rc, e);
}

int chat_do_send(struct chat_job *j, const char *user, const char *text, struct err *e)
{
	struct buf in = {0};
	int rc;

	if (strcmp(text, "-") != 0) {
		return chat_do_send_text(j, user, text, strlen(text), e);
	}
	rc = read_text(&in, e) == 0 ? chat_do_send_text(j, user, in.p, in.n, e) : not_kept(e);
	buf_free(&in);
	return rc;
}

int chat_do_picture(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_text t;
	int rc = chat_history_read_file(&t, j->picture, e);

	return send_and_free(j, user, &t, rc, e);
}

/* A pipe may take its time: where the connection ended meanwhile, there is another. */
static int send_line(
	struct chat_job *j, struct chat_node *n, const char *line, size_t len, struct err *e)
{
	struct chat_text t;
	int rc = chat_take_text(&t, line, len, e);

	rc = rc == 0 ? chat_send_text(j, n, &t, NULL, e) : rc;
	buf_free(&t.body);
	if (rc != 0 && j->room.client != NULL && !j->room.client->alive) {
		chat_room_disconnect(&j->room);
		rc = begin(j, n->c.name, e) != NULL ? 0 : -1; /* what was kept has gone now */
	}
	return rc;
}

int chat_do_lines(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_node *n = begin(j, user, e);
	struct message_part line;
	int rc = n == NULL ? -1 : 0;

	j->piped = true;
	while (rc == 0 && (rc = input_line(&line, CHAT_BODY_MAX, NULL, NULL, e)) > 0) {
		rc = line.n > 0 ? send_line(j, n, (const char *)line.p, line.n, e) : 0;
	}
	if (n != NULL) {
		tell_waiting(j, n->c.name);
	}
	input_end();
	return rc;
}

/* --- receiving --- */

static int show_message(struct chat_job *j, const struct chat_node *from,
	const struct chat_came *came, struct err *e)
{
	const struct chat_line line = {.who = from->c.name,
		.with = from->c.name,
		.state = CHAT_PRINT_PLAIN,
		.note = &came->note,
		.body = came->body.p,
		.body_n = came->body.n,
		.record = came->record};
	struct buf text = {0};
	int rc;

	if (j->json || !cli_is_terminal()) {
		return j->json ? chat_print_json(&line, e) : chat_print_script(&line, e);
	}
	rc = chat_print_person(&text, &line, e);
	(void)fwrite(text.p, 1, text.n, stdout);
	buf_free(&text);
	return rc;
}

static int show_fault(struct chat_job *j, const struct chat_node *from,
	const struct chat_came *came, struct err *e)
{
	struct buf text = {0};
	int rc;

	chat_worse(j, EX_DATAERR);
	if (j->json) {
		return chat_print_json_fault(from->c.name, came, e);
	}
	rc = chat_print_warning(&text, from->c.name, came, e);
	rc = rc == 0 ? chat_print_notes(j->room.cli, &text, e) : rc;
	buf_free(&text);
	return rc;
}

static int show(
	void *arg, const struct chat_node *from, const struct chat_came *came, struct err *e)
{
	struct chat_job *j = arg;
	bool ours = j->only == NULL || strcmp(j->only, from->c.name) == 0;
	int rc = 0;

	if (chat_print_is_fault(came)) {
		j->shown += ours ? 1 : 0;
		rc = show_fault(j, from, came, e);
	}
	if (came->shown) {
		return rc;
	}
	if (rc == 0 && came->verdict == CHAT_CAME_MESSAGE && ours) {
		j->shown++;
		rc = show_message(j, from, came, e);
	} else if (rc == 0 && came->verdict == CHAT_CAME_MESSAGE) {
		cli_note(j->room.cli, "%s has written, too: smtp361 chat --history %s",
			from->c.name, from->c.name);
	}
	if (rc == 0 && fflush(stdout) != 0) {
		rc = err_sys(e, EX_IOERR, "cannot write to standard output");
	}
	return rc;
}

static int64_t seconds_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* What another process received. */
static int show_news(struct chat_job *j, struct err *e)
{
	struct chat_node *n = j->only == NULL ? NULL : chat_room_contact(&j->room, j->only, e);

	return j->only == NULL ? chat_news_all(&j->room, show, j, e)
	       : n == NULL     ? -1
			       : chat_news_of(n, UINT64_MAX, show, j, e);
}

/* For the server's answer, or for what another process receives: of that the server tells nothing,
 * once nothing waits. */
static int wait_for_answer(struct chat_job *j, int64_t end, struct err *e)
{
	struct mail_client *c = j->room.client;
	struct pollfd p = {.fd = enhanced_chat_fd(c), .events = POLLIN};
	uint64_t packets;
	int rc = 0;

	while (rc == 0 && j->shown == 0 && seconds_now() < end && !enhanced_chat_has_bytes(c)) {
		rc = poll(&p, 1, 1000);
		if (rc > 0) {
			break;
		}
		rc = rc < 0 && errno != EINTR ? err_sys(e, EX_OSERR, "cannot wait") : 0;
		rc = rc == 0 ? show_news(j, e) : rc;
	}
	return rc < 0 ? -1 : j->shown > 0 ? 0 : enhanced_chat_waited(c, &packets, e);
}

static int wait_for_more(struct chat_job *j, int64_t end, size_t known, struct err *e)
{
	int64_t now = seconds_now(), left = j->timeout == 0 ? WAIT_SECONDS : end - now;

	if (left <= 0) {
		return err_set(e, EX_TEMPFAIL, "nothing came in %u second%s", j->timeout,
			j->timeout == 1 ? "" : "s");
	}
	left = left < WAIT_SECONDS ? left : WAIT_SECONDS;
	return enhanced_chat_wait(j->room.client, (unsigned)left, known, e) != 0
		       ? -1
		       : wait_for_answer(j, now + left, e);
}

/* Did what was told keep something of his from us; or, with NULL, of anybody's? The exit code, or
 * 0. */
static int kept_from(const struct chat_job *j, const char *user, const struct chat_fetched *fetched)
{
	for (const struct chat_node *n = j->room.nodes; user != NULL && n != NULL; n = n->next) {
		if (strcmp(n->c.name, user) == 0) {
			return n->changed ? EX_NOPERM : n->locked;
		}
	}
	return fetched->changed ? EX_NOPERM : fetched->locked;
}

int chat_do_wait(struct chat_job *j, const char *user, struct err *e)
{
	int64_t end = seconds_now() + j->timeout;
	struct chat_fetched fetched;
	int kept;

	j->only = user;
	j->room.reads = true;
	if (chat_news_begin(&j->room, user, e) != 0) {
		return -1;
	}
	if (user != NULL ? begin(j, user, e) == NULL : chat_connect(j, NULL, e) != 0) {
		return -1;
	}
	for (;;) {
		if (chat_fetch(&j->room, show, j, &fetched, e) != 0 || show_news(j, e) != 0) {
			return -1;
		}
		kept = kept_from(j, user, &fetched);
		if (kept != 0) {
			chat_worse(j, kept);
			return 0; /* it was told */
		}
		if (j->shown > 0) {
			return 0;
		}
		if (wait_for_more(j, end, fetched.left, e) != 0) {
			return -1;
		}
		if (j->shown > 0) {
			return 0;
		}
	}
}
