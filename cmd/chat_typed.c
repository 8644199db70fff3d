/* What a person types while chatting: texts and commands; see chat_screen.h. */
#include "chat_screen.h"

enum { SHOWN = 30 /* messages of the history */ };

/* --- sending --- */

void chat_screen_sent(struct chat_screen *s, const struct chat_sent *sent)
{
	const char *name = s->node->c.name;

	if (sent->waiting > 0) {
		chat_screen_say(s, CHAT_TTY_WARNING,
			"* no one-time key of %s's is left: it goes when there are new ones", name);
	}
	if (sent->twice > 0) {
		chat_screen_say(s, CHAT_TTY_WARNING,
			"* the server gave one-time keys of %s's twice: they were not used", name);
	}
	if (sent->forged > 0) {
		chat_screen_say(s, CHAT_TTY_WARNING,
			"* the server gave one-time keys that are not %s's", name);
	}
}

static void send_text(struct chat_screen *s, const struct chat_text *t)
{
	struct chat_room *r = &s->job->room;
	struct chat_note note = {
		.event = CHAT_EVENT_OUT, .kind = t->kind, .time_us = message_now()};
	struct chat_line line = {.who = r->account.user,
		.with = s->node->c.name,
		.state = "waiting",
		.note = &note,
		.body = t->body.p,
		.body_n = t->body.n};
	struct chat_sent sent = {0};
	struct err e;

	if (chat_send_keep(r, s->node, t, &line.record, &e) != 0) {
		chat_screen_error(s, &e);
		s->not_kept = true;
		return;
	}
	(void)snprintf(note.name, sizeof note.name, "%s", t->name);
	(void)snprintf(note.type, sizeof note.type, "%s", t->type);
	s->waiting = false;
	if (r->client != NULL &&
		chat_send_waiting(r, s->node, s->job->allow_no_fs, &sent, &e) != 0) {
		if (r->client->alive) {
			chat_screen_error(s, &e);
		} else {
			chat_screen_lose(s, &e);
		}
	}
	note.no_fs = sent.without_fs > 0;
	line.state = sent.sent > 0 && sent.waiting == 0 ? CHAT_PRINT_PLAIN : "waiting";
	if (chat_screen_line(s, &line, &e) != 0) {
		chat_screen_error(s, &e);
	}
	chat_screen_sent(s, &sent);
}

/* --- commands --- */

static void do_text(struct chat_screen *s, const char *text)
{
	struct chat_text t;
	struct err e;

	if (chat_take_text(&t, text, strlen(text), &e) != 0) {
		chat_screen_error(s, &e);
	} else {
		send_text(s, &t);
	}
	buf_free(&t.body);
}

static void do_help(struct chat_screen *s, const char *rest)
{
	(void)rest;
	chat_screen_say(s, CHAT_TTY_PLAIN,
		"/picture FILE     send a file\n"
		"/save N [FILE]    write file N, as shown in brackets, to FILE\n"
		"/history          what was said\n"
		"/verify           the code that both of you compare\n"
		"/quit             leave; or Ctrl-D\n"
		"//text            a text that begins with /\n"
		"keys: Left, Right, Home, End, Delete; Ctrl-U, -K and -W take away");
}

static void do_picture(struct chat_screen *s, const char *rest)
{
	struct chat_text t;
	struct err e;

	if (chat_history_read_file(&t, rest, &e) != 0) {
		chat_screen_error(s, &e);
	} else {
		send_text(s, &t);
	}
	buf_free(&t.body);
}

static void do_save(struct chat_screen *s, const char *rest)
{
	size_t n = strcspn(rest, " ");
	char number[24];
	const char *path = rest + n + strspn(rest + n, " ");
	struct buf where = {0};
	struct err e;

	(void)snprintf(number, sizeof number, "%.*s", (int)(n < 23 ? n : 23), rest);
	if (chat_history_save(s->node, number, *path == '\0' ? NULL : path, &where, &e) != 0) {
		chat_screen_error(s, &e);
	} else {
		chat_screen_say(s, CHAT_TTY_FAINT, "* saved as %s", (const char *)where.p);
	}
	buf_free(&where);
}

static void do_history(struct chat_screen *s, const char *rest)
{
	(void)rest;
	chat_screen_history(s, SHOWN);
}

static void do_verify(struct chat_screen *s, const char *rest)
{
	const struct known_keys own = trust_keys(&s->job->room.own);
	char code[KNOWN_CODE_TEXT];
	struct err e;

	(void)rest;
	if (known_code(code, s->job->room.account.user, &own, s->node->c.name,
		    &s->node->member.keys, &e) != 0) {
		chat_screen_error(s, &e);
		return;
	}
	chat_screen_say(s, CHAT_TTY_PLAIN,
		"* read this to %s, by voice: %s\n* is it the same there? then: smtp361 verify %s",
		s->node->c.name, code, s->node->c.name);
}

static void do_quit(struct chat_screen *s, const char *rest)
{
	(void)rest;
	s->ended = true;
}

static void obey(struct chat_screen *s, const char *line)
{
	static const struct {
		const char *name;
		void (*run)(struct chat_screen *s, const char *rest);
		const char *needs; /* NULL: nothing */
	} commands[] = {{"/help", do_help, NULL}, {"/picture", do_picture, "FILE"},
		{"/file", do_picture, "FILE"}, {"/save", do_save, "N"},
		{"/history", do_history, NULL}, {"/verify", do_verify, NULL},
		{"/quit", do_quit, NULL}};
	size_t n = strcspn(line, " ");
	const char *rest = line + n + strspn(line + n, " ");

	if (line[0] != '/' || line[1] == '/') {
		do_text(s, line[0] == '/' ? line + 1 : line);
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strlen(commands[i].name) != n || memcmp(commands[i].name, line, n) != 0) {
			continue;
		}
		if (commands[i].needs != NULL && *rest == '\0') {
			chat_screen_say(s, CHAT_TTY_WARNING, "* %s: %s is missing",
				commands[i].name, commands[i].needs);
		} else {
			commands[i].run(s, rest);
		}
		return;
	}
	chat_screen_say(s, CHAT_TTY_WARNING, "* no such command: /help tells which there are");
}

void chat_screen_typed(struct chat_screen *s, const char *line)
{
	s->not_kept = false;
	if (line[strspn(line, " ")] == '\0') {
		chat_tty_draw(&s->tty);
		return; /* as an empty line */
	}
	obey(s, line);
	if (s->not_kept) {
		chat_screen_say(s, CHAT_TTY_WARNING,
			"* it was not sent, and is in your line again: Enter tries once more");
		chat_tty_put_back(&s->tty, line);
	}
}
