/* send --batch: letters from stdin, a line of JSON each; see outbox.h. */
#include "../crypto/random.h"
#include "../proto/fields.h"
#include "input.h"
#include "outbox.h"

enum { LINE_MAX_BYTES = 16 << 20, ATTACH_MAX = 64 };

/* Nobody may be writing yet: what is on its way is settled first. */
static int settle(void *arg, struct err *e)
{
	return outbox_settle(arg, e);
}

/* "to": "a;b", or an array of names. */
static int take_to(struct outgoing *l, const json_t *o, struct err *e)
{
	const json_t *to = json_object_get(o, "to"), *name;
	size_t i;

	if (json_is_string(to)) {
		return buf_append_str(&l->to, json_string_value(to));
	}
	if (!json_is_array(to)) {
		return err_set(e, EX_DATAERR, "there is no \"to\"");
	}
	json_array_foreach(to, i, name)
	{
		const char *text = json_string_value(name);
		if (text == NULL || !user_name_valid(text)) {
			return err_set(e, EX_NOUSER, "\"to\" holds what is no user's name");
		}
		if ((i > 0 && buf_append(&l->to, ";", 1) != 0) ||
			buf_append_str(&l->to, text) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return 0;
}

static int take_attachments(struct outgoing *l, const json_t *o, uint64_t max_chars, struct err *e)
{
	const json_t *all = json_object_get(o, "attach"), *name;
	const char *paths[ATTACH_MAX];
	size_t i, n = 0;

	if (all == NULL) {
		return 0;
	}
	json_array_foreach(all, i, name)
	{
		if (!json_is_string(name) || n == ATTACH_MAX) {
			n = 0;
			break;
		}
		paths[n++] = json_string_value(name);
	}
	if (n == 0) {
		return err_set(
			e, EX_DATAERR, "\"attach\" is no array of 1 to %d files", ATTACH_MAX);
	}
	return content_attach(&l->content, paths, n, max_chars, e);
}

static int take_content(struct outgoing *l, const json_t *o, uint64_t max_chars, struct err *e)
{
	struct message_part text = {0}, file = {0};
	struct buf copy = {0};
	int has_text = fields_text(o, "content", &text, e);
	int has_file = has_text < 0 ? -1 : fields_text(o, "file", &file, e);

	if (has_file < 0) {
		return -1;
	}
	if (has_text + has_file != 1) {
		return err_set(e, EX_DATAERR, "there must be \"content\" or \"file\"");
	}
	if (has_file > 0) {
		return strcmp((const char *)file.p, "-") == 0
			       ? err_set(e, EX_DATAERR, "\"file\" cannot be standard input")
			       : content_open(&l->content, (const char *)file.p, max_chars, e);
	}
	if (buf_append(&copy, text.p, text.n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return content_take(&l->content, &copy, max_chars, e);
}

static int take_line(
	struct outbox *box, struct outgoing *l, struct message_part line, struct err *e)
{
	json_t *o = fields_parse(line.p, line.n, e);
	struct message_part title = {.p = (const uint8_t *)""}, id;
	int rc = -1, has_id;

	if (o == NULL) {
		e->code = e->code == EX_PROTOCOL ? EX_DATAERR : e->code;
		return -1;
	}
	has_id = fields_text(o, "id", &id, e);
	if (has_id > 0 && outbox_read_id((const char *)id.p, id.n, l->id, e) != 0) {
		e->code = EX_DATAERR;
	} else if (has_id >= 0 && (has_id > 0 || random_bytes(l->id, sizeof l->id, e) == 0) &&
		   take_to(l, o, e) == 0 && fields_text(o, "title", &title, e) >= 0 &&
		   message_check_title(title.p, title.n, e) == 0) {
		rc = buf_append(&l->to, "", 1) != 0 ||
				     buf_append(&l->title, title.p, title.n) != 0 ||
				     buf_append(&l->title, "", 1) != 0
			     ? err_set(e, EX_TEMPFAIL, "out of memory")
			     : take_content(l, o, box->max_chars, e);
		rc = rc == 0 ? take_attachments(l, o, box->max_chars, e) : rc;
	}
	json_decref(o);
	return rc;
}

int outbox_batch(struct outbox *o, struct err *e)
{
	struct message_part line;
	struct outgoing *l;
	struct err fault;
	int rc;

	for (size_t number = 1; (rc = input_line(&line, LINE_MAX_BYTES, settle, o, e)) > 0;
		number++) {
		if (line.n == 0) {
			continue;
		}
		l = outbox_letter(o, e);
		if (l == NULL) {
			rc = -1;
			break;
		}
		if (take_line(o, l, line, e) != 0) {
			fault = *e;
			err_prefix(&fault, "line %zu", number);
			rc = outbox_settle(o, e); /* the lines before it are told before it */
			outbox_fault(o, l, &fault);
			if (rc != 0) {
				break;
			}
		} else if (outbox_post(o, l, e) != 0) {
			rc = -1;
			break;
		}
	}
	input_end();
	if (rc != 0 && o->n > 0 && o->client->alive) {
		struct err ignored; /* what was posted is told, whatever ended the reading */
		(void)outbox_settle(o, &ignored);
	}
	return rc == 0 ? outbox_finish(o, e) : rc;
}
