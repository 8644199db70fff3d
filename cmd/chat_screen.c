/* Chat line by line, for a person at a terminal: what comes appears above the line that is being
 * typed. The connection may break: what is typed waits, and goes when there is another. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>

#include "chat_offers.h"
#include "chat_screen.h"

enum {
	WAIT_SECONDS = 20, /* then we ask again who is here, and whether what waits can go */
	AGAIN_SECONDS = 5, /* between two tries to connect */
	HERE_SECONDS = 30, /* who waited so lately is here still: between two waits */
	SHOWN_AT_FIRST = 10,
	BEGINNING = 24,      /* columns of a message: with "* delivered: " and "..." 40 */
	QUIET_SECONDS = 600, /* once is enough: that somebody else has written */
	USED_UP = 10,        /* one-time keys of ours, before there are new ones */
	PATIENCE = 5         /* seconds: a person waits, and nothing that is typed is seen */
};

static int64_t seconds_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* --- saying --- */

void chat_screen_say(struct chat_screen *s, enum chat_tty_look look, const char *format, ...)
{
	char text[1024], shown[2048];
	va_list args;
	size_t n;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	n = escape_text(shown, sizeof shown - 1, text, strlen(text), true);
	shown[n++] = '\n';
	chat_tty_print(&s->tty, look, shown, n);
	wipe(text, sizeof text); /* it may be of what was said */
	wipe(shown, sizeof shown);
}

/* What the rooms below tell while we draw. */
static void tell(void *screen, bool warning, const char *text)
{
	chat_screen_say(screen, warning ? CHAT_TTY_WARNING : CHAT_TTY_FAINT, "* %s", text);
}

static void trace(void *screen, const char *line)
{
	tell(screen, false, line);
}

void chat_screen_error(struct chat_screen *s, const struct err *e)
{
	chat_screen_say(s, CHAT_TTY_WARNING, "* %s", e->text);
}

int chat_screen_line(void *arg, const struct chat_line *line, struct err *e)
{
	struct chat_screen *s = arg;
	struct buf text = {0};
	int rc = chat_print_person(&text, line, e);

	if (rc == 0) {
		chat_tty_print(&s->tty, CHAT_TTY_PLAIN, text.p, text.n);
	}
	buf_free(&text);
	return rc;
}

static int show_warning(struct chat_screen *s, const struct chat_node *from,
	const struct chat_came *came, struct err *e)
{
	struct buf text = {0};
	int rc = chat_print_warning(&text, from->c.name, came, e);

	if (rc == 0 && text.n > 0) {
		chat_screen_say(
			s, CHAT_TTY_WARNING, "* %.*s", (int)text.n - 1, (const char *)text.p);
	}
	buf_free(&text);
	return rc;
}

/* Bytes of a message that are enough to know it by: of its first line, and no wider than this. */
static size_t beginning(const struct buf *text)
{
	size_t at = 0, width = 0;
	uint32_t c;
	int k;

	while (at < text->n && text->p[at] != '\n') {
		k = utf8_next(text->p + at, text->n - at, &c);
		width += chat_edit_width_of(c);
		if (k <= 0 || width > BEGINNING) {
			break;
		}
		at += (size_t)k;
	}
	return at;
}

/* NULL: it is not in the history. */
static const struct chat_out *message_of(const struct chat_contact *c, const struct chat_note *r)
{
	for (size_t i = c->out_n; i-- > 0;) {
		if (c->out[i].number == r->number &&
			memcmp(c->out[i].stream, r->stream, sizeof r->stream) == 0) {
			return &c->out[i];
		}
	}
	return NULL;
}

/* What the newest receipt says, where that was not told before: by the message, as other lines may
 * have come behind it. */
static void say_delivered(struct chat_screen *s)
{
	struct chat_contact *c = &s->node->c;
	const struct chat_note receipt = c->receipt, *before = &s->receipt;
	bool same = memcmp(receipt.stream, before->stream, sizeof receipt.stream) == 0;
	uint64_t last = same ? before->number : 0;
	const struct chat_out *out = message_of(c, &receipt);
	struct chat_note note = {0};
	struct buf text = {0};
	struct err e;
	size_t n;

	if (receipt.number <= last) {
		return;
	}
	s->receipt = receipt;
	if (out == NULL || chat_contact_body(c, out->record, &note, &text, &e) != 0) {
		chat_screen_say(s, CHAT_TTY_FAINT, "* delivered, up to message %llu",
			(unsigned long long)receipt.number);
	} else {
		if (note.kind == CHAT_FILE) {
			buf_free(&text);
			(void)buf_append_str(&text, note.name);
		}
		n = beginning(&text);
		chat_screen_say(s, CHAT_TTY_FAINT, "* delivered%s: %.*s%s",
			receipt.number > last + 1 ? " up to" : "", (int)n, (const char *)text.p,
			n < text.n ? "..." : "");
	}
	buf_free(&text);
}

/* Somebody else than whom we talk with has written. */
static void say_elsewhere(struct chat_screen *s, const char *name)
{
	struct err ignored;
	struct chat_node *n = chat_room_contact(&s->job->room, name, &ignored);
	int64_t now = seconds_now();

	if (n != NULL && now >= n->quiet_until) {
		n->quiet_until = now + QUIET_SECONDS;
		chat_screen_say(s, CHAT_TTY_FAINT, "* %s has written: /quit, then smtp361 chat %s",
			name, name);
	}
}

static int show_came(
	void *arg, const struct chat_node *from, const struct chat_came *came, struct err *e)
{
	struct chat_screen *s = arg;
	const struct chat_line line = {.who = from->c.name,
		.with = from->c.name,
		.state = CHAT_PRINT_PLAIN,
		.note = &came->note,
		.body = came->body.p,
		.body_n = came->body.n,
		.record = came->record};

	if (show_warning(s, from, came, e) != 0) {
		return -1;
	}
	if (came->shown) {
		return 0;
	}
	s->used += came->verdict == CHAT_CAME_MESSAGE ? 1 : 0;
	if (came->verdict == CHAT_CAME_MESSAGE && from == s->node) {
		return chat_screen_line(s, &line, e);
	}
	if (came->verdict == CHAT_CAME_MESSAGE) {
		say_elsewhere(s, from->c.name);
	} else if (came->verdict == CHAT_CAME_RECEIPT && from == s->node) {
		say_delivered(s);
	}
	return 0;
}

void chat_screen_history(struct chat_screen *s, unsigned last)
{
	struct buf missing = {0};
	size_t damaged, count;
	struct err e;

	if (chat_news_of(s->node, UINT64_MAX, show_came, s, &e) != 0 ||
		chat_history_each(
			&s->job->room, s->node, last, chat_screen_line, s, &damaged, &e) != 0 ||
		chat_history_missing(&s->job->room, s->node, &missing, &count, &e) != 0) {
		chat_screen_error(s, &e);
	} else {
		if (damaged > 0) {
			chat_screen_say(s, CHAT_TTY_WARNING,
				"* %zu records of the history are damaged", damaged);
		}
		chat_tty_print(&s->tty, CHAT_TTY_WARNING, missing.p, missing.n);
	}
	buf_free(&missing);
}

/* --- the server --- */

/* "bob is here", "bob was here 5 minutes ago": when it changes. */
static int see_presence(struct chat_screen *s, struct err *e)
{
	const char *name = s->node->c.name;
	struct chat_presence p;
	int64_t ago;
	bool here;

	if (enhanced_chat_presence(s->job->room.client, name, &p, e) != 0) {
		return -1;
	}
	ago = p.last_us > 0 ? (message_now() - p.last_us) / 1000000 : INT64_MAX;
	here = p.present || ago < HERE_SECONDS;
	if (s->presence_known && here == s->here) {
		return 0;
	}
	s->here = here;
	s->presence_known = true;
	if (here) {
		chat_screen_say(s, CHAT_TTY_FAINT, "* %s is here (says the server)", name);
	} else if (p.last_us == 0) {
		chat_screen_say(s, CHAT_TTY_FAINT, "* %s was never here (says the server)", name);
	} else if (ago < 7200) {
		chat_screen_say(s, CHAT_TTY_FAINT,
			"* %s was here %lld minutes ago (says the server)", name,
			(long long)(ago / 60));
	} else if (ago < 172800) {
		chat_screen_say(s, CHAT_TTY_FAINT, "* %s was here %lld hours ago (says the server)",
			name, (long long)(ago / 3600));
	} else {
		chat_screen_say(s, CHAT_TTY_FAINT, "* %s was here %lld days ago (says the server)",
			name, (long long)(ago / 86400));
	}
	return 0;
}

/* Whenever it was written, and whether or not there was a server then. */
static bool has_waiting(const struct chat_contact *c)
{
	size_t i = 0;

	while (i < c->out_n && (c->out[i].sent || c->out[i].lost)) {
		i++;
	}
	return i < c->out_n;
}

/* New one-time keys for those that were used, and what waited for one of the contact's. */
static int refresh(struct chat_screen *s, struct err *e)
{
	struct chat_sent sent = {0};
	int rc;

	if (s->used >= USED_UP) {
		if (chat_offers_top_up(&s->job->room, s->node->c.name, e) != 0) {
			return -1;
		}
		s->used = 0;
	}
	if (!has_waiting(&s->node->c)) {
		return 0;
	}
	rc = chat_send_waiting(&s->job->room, s->node, s->job->allow_no_fs, &sent, e);
	if (sent.twice > 0 || sent.forged > 0) {
		chat_screen_sent(s, &sent);
	}
	if (sent.without_fs > 0) {
		chat_screen_say(s, CHAT_TTY_FAINT,
			"* what waited is sent; %zu of it sealed, not forward secret",
			sent.without_fs);
	} else if (sent.sent > 0) {
		chat_screen_say(s, CHAT_TTY_FAINT, "* what waited is sent");
	}
	return rc;
}

/* What waits; then wait for more. */
static int fetch_and_wait(struct chat_screen *s, struct err *e)
{
	struct chat_room *r = &s->job->room;
	struct chat_fetched fetched;
	int rc;

	chat_tty_clear(&s->tty); /* warnings go to stderr */
	rc = chat_fetch(r, show_came, s, &fetched, e);
	rc = rc == 0 ? refresh(s, e) : rc;
	rc = rc == 0 ? see_presence(s, e) : rc;
	chat_tty_draw(&s->tty);
	if (rc != 0) {
		return -1;
	}
	s->waiting = enhanced_chat_wait(r->client, WAIT_SECONDS, fetched.left, e) == 0;
	return s->waiting ? 0 : -1;
}

/* Nothing more over this connection: another one, in a while. */
void chat_screen_lose(struct chat_screen *s, const struct err *e)
{
	if (s->job->room.client != NULL) {
		chat_screen_say(s, CHAT_TTY_WARNING,
			"* %s\n* what you type waits until the server is there", e->text);
	}
	chat_room_disconnect(&s->job->room);
	s->waiting = false;
	s->presence_known = false;
	s->next = seconds_now() + AGAIN_SECONDS;
}

static void connect_again(struct chat_screen *s)
{
	struct chat_room *r = &s->job->room;
	struct err e;
	int rc;

	s->next = seconds_now() + AGAIN_SECONDS;
	chat_tty_clear(&s->tty); /* warnings go to stderr */
	rc = chat_connect(s->job, s->node->c.name, &e);
	chat_tty_draw(&s->tty);
	if (rc == 0) {
		chat_screen_say(s, CHAT_TTY_FAINT, "* connected again");
		s->next = 0;
	} else if (r->client != NULL) {
		chat_screen_lose(s, &e);
	}
}

/* 0, or -1: a key has changed, and nothing more is said here. */
static int keep_up(struct chat_screen *s, struct err *e)
{
	struct chat_room *r = &s->job->room;

	if (r->client == NULL && seconds_now() >= s->next) {
		connect_again(s);
	}
	if (r->client == NULL || s->waiting || seconds_now() < s->next) {
		return 0;
	}
	if (chat_room_check(r, s->node, e) == 0 && fetch_and_wait(s, e) == 0) {
		return 0;
	}
	if (!r->client->alive) {
		chat_screen_lose(s, e);
		return 0;
	}
	if (e->code == EX_TEMPFAIL) { /* as when another command of ours is at it */
		chat_screen_error(s, e);
		s->next = seconds_now() + AGAIN_SECONDS;
		return 0;
	}
	return -1;
}

/* --- the loop --- */

static void act(struct chat_screen *s, enum chat_tty_event event)
{
	static char line[CHAT_EDIT_LINE + 1];

	if (event == CHAT_TTY_ENTERED && chat_tty_take(&s->tty, line) > 0) {
		chat_screen_typed(s, line);
		wipe(line, sizeof line);
	} else if (event == CHAT_TTY_TOO_LONG) {
		(void)chat_tty_take(&s->tty, line);
		wipe(line, sizeof line);
		chat_screen_say(s, CHAT_TTY_WARNING,
			"* a line has at most %d bytes, and this was not sent; --send USER - takes "
			"more",
			CHAT_EDIT_LINE);
	} else if (event == CHAT_TTY_ENDED || event == CHAT_TTY_INTERRUPTED) {
		s->ended = true;
		s->job->code = event == CHAT_TTY_INTERRUPTED ? 128 + SIGINT : s->job->code;
	}
}

/* Wait for whatever is first, and see to it. */
static int turn(struct chat_screen *s, struct err *e)
{
	struct mail_client *c = s->waiting ? s->job->room.client : NULL;
	struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = chat_tty_signals(), .events = POLLIN},
		{.fd = c == NULL ? -1 : enhanced_chat_fd(c), .events = POLLIN}};
	bool more = chat_tty_has_bytes(&s->tty) || (c != NULL && enhanced_chat_has_bytes(c));
	uint64_t packets;

	if (chat_news_of(s->node, UINT64_MAX, show_came, s, e) != 0) {
		return -1;
	}
	say_delivered(s); /* by a receipt that another process of ours took, too */
	if (poll(p, 3, more ? 0 : 1000) < 0 && errno != EINTR) {
		return err_sys(e, EX_OSERR, "cannot wait for what comes");
	}
	if (p[1].revents != 0) {
		act(s, chat_tty_signalled(&s->tty));
	}
	if (!s->ended && (p[0].revents != 0 || chat_tty_has_bytes(&s->tty))) {
		act(s, chat_tty_typed(&s->tty));
	}
	if (c != NULL && s->waiting && (p[2].revents != 0 || enhanced_chat_has_bytes(c))) {
		s->waiting = false;
		if (enhanced_chat_waited(c, &packets, e) != 0) {
			chat_screen_lose(s, e);
		}
	}
	return 0;
}

static int run(struct chat_screen *s, struct err *e)
{
	const struct chat_node *n = s->node;
	int rc = 0;

	chat_screen_say(s, CHAT_TTY_FAINT, "* chat with %s, %s; /help tells more", n->c.name,
		n->member.verified ? "verified" : "not verified yet");
	chat_screen_history(s, SHOWN_AT_FIRST);
	while (rc == 0 && !s->ended) {
		rc = keep_up(s, e);
		rc = rc == 0 ? turn(s, e) : rc;
	}
	return rc;
}

int chat_screen(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_screen s = {.job = j, .node = chat_room_contact(&j->room, user, e)};
	int rc;

	j->room.reads = true;
	j->room.desk.patience = PATIENCE;
	if (s.node == NULL || chat_connect(j, user, e) != 0 ||
		chat_room_check(&j->room, s.node, e) != 0 ||
		chat_room_history(&j->room, s.node, e) != 0 || chat_tty_open(&s.tty, e) != 0) {
		return -1;
	}
	s.receipt = s.node->c.receipt;
	j->room.tell = tell;
	j->room.account.trace = trace;
	j->room.tell_arg = j->room.account.trace_arg = &s;
	j->room.may_ask = false; /* while a line is being typed nothing else can be */
	rc = run(&s, e);
	chat_tty_close(&s.tty);
	j->room.tell = NULL;
	j->room.account.trace = NULL;
	j->room.may_ask = true;
	return rc;
}
