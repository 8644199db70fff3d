/* Chat in words; see chat_print.h. */
#include "chat_print.h"

#include <stdarg.h>

#include "progress.h"

/* --- text --- */

static int add(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int add(struct buf *out, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return buf_append_str(out, text);
}

/* A peer's text: nothing in it moves the cursor. Its lines stay lines, set in below the first. */
static int add_escaped(struct buf *out, const void *p, size_t n, const char *indent)
{
	const uint8_t *s = p;
	char shown[4096];
	enum { PIECE = sizeof shown / 12 };
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t k = n < PIECE ? n : PIECE, line;
		const uint8_t *end;
		while (k < n && k > 1 && (s[k] & 0xc0) == 0x80) { /* not inside a character */
			k--;
		}
		end = indent == NULL ? NULL : memchr(s, '\n', k);
		line = end == NULL ? k : (size_t)(end - s);
		(void)escape_text(shown, sizeof shown, s, line, false);
		rc = buf_append_str(out, shown);
		if (rc == 0 && end != NULL) {
			rc = buf_append_str(out, "\n") != 0 || buf_append_str(out, indent) != 0;
		}
		line += end == NULL ? 0 : 1;
		s += line;
		n -= line;
	}
	wipe(shown, sizeof shown);
	return rc == 0 ? 0 : -1;
}

static int no_memory(int rc, struct err *e)
{
	return rc == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* --- what is wrong --- */

bool chat_print_is_fault(const struct chat_came *came)
{
	switch (came->verdict) {
	case CHAT_CAME_MESSAGE:
		return came->place.missing > 0 || came->place.how == SEQUENCE_LATE ||
		       came->place.how == SEQUENCE_REPEATED || came->place.how == SEQUENCE_ANEW;
	case CHAT_CAME_RECEIPT:
		return came->lost > 0;
	case CHAT_CAME_NOTHING:
		return false;
	case CHAT_CAME_TWICE:
	case CHAT_CAME_USED:
	case CHAT_CAME_UNKNOWN:
	case CHAT_CAME_FORGED:
		break;
	}
	return true;
}

static int warn_missing(struct buf *out, const char *from, const struct chat_came *came)
{
	unsigned long long first = came->place.first_missing, n = came->place.missing;

	if (n == 0) {
		return 0;
	}
	return n == 1 ? add(out, "%s: message %llu of %llu is missing\n", from, first,
				(unsigned long long)came->place.highest)
		      : add(out, "%s: messages %llu to %llu of %llu are missing\n", from, first,
				first + n - 1, (unsigned long long)came->place.highest);
}

static int warn_place(struct buf *out, const char *from, const struct chat_came *came)
{
	unsigned long long number = came->note.number;
	int rc = 0;

	switch (came->place.how) {
	case SEQUENCE_LATE:
		rc = add(out, "%s: message %llu came late\n", from, number);
		break;
	case SEQUENCE_REPEATED:
		rc = add(out, "%s: message %llu came twice%s\n", from, number,
			came->place.second ? ", with another content" : ", or very late");
		break;
	case SEQUENCE_ANEW:
		rc = add(out,
			"%s: the messages are counted from 1 anew: ask %s whether that is so\n",
			from, from);
		break;
	case SEQUENCE_NEXT:
	case SEQUENCE_FIRST:
	case SEQUENCE_GAP:
	case SEQUENCE_KNOWN:
		break;
	}
	return rc == 0 ? warn_missing(out, from, came) : rc;
}

int chat_print_warning(
	struct buf *out, const char *from, const struct chat_came *came, struct err *e)
{
	unsigned long long number = came->note.number;
	int rc = 0;

	switch (came->verdict) {
	case CHAT_CAME_MESSAGE:
		rc = warn_place(out, from, came);
		break;
	case CHAT_CAME_RECEIPT:
		if (came->lost > 0) {
			rc = add(out, "%llu of your %llu messages to %s did not come there\n",
				(unsigned long long)came->note.missing, number, from);
		}
		break;
	case CHAT_CAME_NOTHING:
		break;
	case CHAT_CAME_TWICE:
		rc = add(out, "%s: message %llu came twice\n", from, number);
		break;
	case CHAT_CAME_USED:
		rc = add(out,
			"a message came, said to be from %s, to a one-time key that was used or "
			"given up: it cannot be read\n",
			from);
		break;
	case CHAT_CAME_UNKNOWN:
		rc = add(out,
			"a message came, said to be from %s, to a one-time key that is not in this "
			"folder: of another machine of yours, or is this an older copy?\n",
			from);
		break;
	case CHAT_CAME_FORGED:
		rc = add(out, "a forged message came, said to be from %s: %s\n", from,
			came->why.text);
		break;
	}
	return no_memory(rc, e);
}

int chat_print_notes(const struct cli *c, struct buf *text, struct err *e)
{
	const char *line;

	if (buf_append(text, "", 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (line = (const char *)text->p; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		cli_note(c, "%.*s", (int)n, line);
		line += n + (line[n] == '\n' ? 1 : 0);
	}
	return 0;
}

/* --- a message --- */

/* By the clock of whoever wrote it, in our time of day. */
static void time_text(char out[static 24], int64_t us, bool whole)
{
	time_t at = (time_t)(us / 1000000);
	struct tm t;

	if (localtime_r(&at, &t) == NULL ||
		strftime(out, 24, whole ? "%Y-%m-%d %H:%M" : "%H:%M", &t) == 0) {
		(void)snprintf(out, 24, "?");
	}
}

static int add_body(struct buf *out, const struct chat_line *l, const char *indent)
{
	char size[PROGRESS_BYTES];

	if (l->note->kind == CHAT_TEXT) {
		return add_escaped(out, l->body, l->body_n, indent);
	}
	progress_bytes(l->body_n, size);
	return add_escaped(out, l->note->name, strlen(l->note->name), NULL) != 0 ||
			       buf_append_str(out, " (") != 0 ||
			       add_escaped(out, l->note->type, strlen(l->note->type), NULL) != 0 ||
			       add(out, ", %s)", size) != 0
		       ? -1
		       : 0;
}

int chat_print_person(struct buf *out, const struct chat_line *l, struct err *e)
{
	char at[24];
	int rc;

	time_text(at, l->note->time_us, l->whole_date);
	rc = add(out, "%s %s: ", at, l->who);
	if (rc == 0 && l->note->kind == CHAT_FILE) {
		rc = add(out, "[file %llu] ", (unsigned long long)l->record);
	}
	rc = rc == 0 ? add_body(out, l, "      ") : rc;
	if (rc == 0 && l->note->no_fs) {
		rc = buf_append_str(out, "  [sealed, not forward secret]");
	}
	if (rc == 0 && strcmp(l->state, CHAT_PRINT_PLAIN) != 0) {
		rc = add(out, "  (%s)", l->state);
	}
	return no_memory(rc == 0 ? buf_append_str(out, "\n") : rc, e);
}

int chat_print_script(const struct chat_line *l, struct err *e)
{
	char at[MESSAGE_TIME_LEN + 1];
	struct buf body = {0};
	int rc = add_body(&body, l, NULL);

	message_format_time(l->note->time_us, at);
	if (rc == 0) {
		(void)printf("%llu\t%s\t%s\t%s%s\t%.*s\n", (unsigned long long)l->record, at,
			l->who, l->state, l->note->no_fs ? ",sealed" : "", (int)body.n,
			(const char *)body.p);
	}
	buf_free(&body);
	return no_memory(rc, e);
}

int chat_print_json(const struct chat_line *l, struct err *e)
{
	const struct chat_note *n = l->note;
	bool in = strcmp(l->state, CHAT_PRINT_PLAIN) == 0;
	json_t *o = json_object();

	cli_json_text(o, "event", "message", 7);
	cli_json_text(o, in ? "from" : "to", l->with, strlen(l->with));
	cli_json_number(o, "record", l->record);
	cli_json_number(o, "number", n->number);
	cli_json_number(o, "us", (uint64_t)n->time_us);
	cli_json_text(o, "state", l->state, strlen(l->state));
	(void)json_object_set_new(o, "forward_secret", json_boolean(!n->no_fs));
	if (n->kind == CHAT_FILE) {
		cli_json_text(o, "name", n->name, strlen(n->name));
		cli_json_text(o, "type", n->type, strlen(n->type));
		cli_json_number(o, "bytes", l->body_n);
	} else {
		cli_json_text(o, "text", l->body, l->body_n);
	}
	return cli_print_json_line(o, e);
}

int chat_print_json_fault(const char *from, const struct chat_came *came, struct err *e)
{
	static const char *const names[] = {[CHAT_CAME_MESSAGE] = "place",
		[CHAT_CAME_RECEIPT] = "receipt",
		[CHAT_CAME_NOTHING] = "nothing",
		[CHAT_CAME_TWICE] = "twice",
		[CHAT_CAME_USED] = "used",
		[CHAT_CAME_UNKNOWN] = "unknown",
		[CHAT_CAME_FORGED] = "forged"};
	static const char *const places[] = {[SEQUENCE_NEXT] = "next",
		[SEQUENCE_FIRST] = "missing",
		[SEQUENCE_GAP] = "missing",
		[SEQUENCE_LATE] = "late",
		[SEQUENCE_KNOWN] = "again",
		[SEQUENCE_REPEATED] = "repeated",
		[SEQUENCE_ANEW] = "anew"};
	bool message = came->verdict == CHAT_CAME_MESSAGE;
	const char *what = message ? places[came->place.how] : names[came->verdict];
	struct buf text = {0};
	json_t *o = json_object();
	int rc = chat_print_warning(&text, from, came, e);

	cli_json_text(o, "event", what, strlen(what));
	cli_json_text(o, "from", from, strlen(from));
	if (came->note.number > 0) {
		cli_json_number(o, "number", came->note.number);
	}
	if (message && came->place.missing > 0) {
		cli_json_number(o, "first_missing", came->place.first_missing);
		cli_json_number(o, "missing", came->place.missing);
	}
	if (came->verdict == CHAT_CAME_RECEIPT) {
		cli_json_number(o, "missing", came->note.missing);
	}
	cli_json_text(o, "text", text.p, text.n > 0 ? text.n - 1 : 0);
	buf_free(&text);
	return rc == 0 ? cli_print_json_line(o, e) : rc;
}
