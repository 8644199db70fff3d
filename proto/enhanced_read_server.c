/* The enhanced protocol's `read` and `delete`: one message of a mailbox. See enhanced_server.h, and
 * PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "fields.h"

struct chosen {
	uint64_t wanted, index; /* wanted 0: the last */
	struct mailbox_meta meta;
	struct mailbox_ref ref;
};

static int visit_choice(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct chosen *c = arg;

	c->index++;
	if (c->wanted != 0 && c->wanted != c->index) {
		return 0;
	}
	c->meta = *meta;
	c->ref = *ref;
	return c->wanted != 0 ? 1 : 0;
}

/* Which message a request names: by id, index or "last". 0, or -1. */
static int choose(struct enhanced_session *s, const json_t *request, bool by_id_only,
	struct chosen *c, struct err *e)
{
	struct mailbox *box = s->host->box;
	uint8_t id[MAILBOX_ID_BYTES];
	int rc = fields_id(request, "id", id, e), named = 0;

	*c = (struct chosen){0};
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"id", "index", "last"};
		named += json_object_get(request, names[i]) != NULL ? 1 : 0;
	}
	if (named > 1 && !by_id_only) {
		return err_set(e, EX_DATAERR, "more than one message is named");
	}
	if (rc > 0) {
		return box->ops->find(box, s->report->user, id, &c->meta, &c->ref, e);
	}
	if (rc == 0 && !by_id_only) {
		rc = fields_true(request, "last")
			     ? 1
			     : fields_number(request, "index", INT64_MAX, &c->wanted, e);
	}
	if (rc <= 0) {
		return err_set(e, EX_DATAERR, "no message is named");
	}
	if (c->wanted == 0 && !fields_true(request, "last")) {
		return err_set(e, EX_NOINPUT, "there is no message with the index 0");
	}
	if (box->ops->list(box, s->report->user, NULL, visit_choice, c, e) < 0) {
		return -1;
	}
	return c->ref.id[0] != 0 || c->meta.source[0] != '\0'
		       ? 0
		       : err_set(e, EX_NOINPUT, "%s",
				 c->index == 0 ? "the inbox is empty"
					       : "there is no message with this index");
}

struct outgoing {
	struct enhanced_session *s;
	const struct chosen *c;
	bool begun;
};

static json_t *names_json(struct message_part to)
{
	json_t *array = json_array();
	struct users_list list;

	if (users_split(&list, to.p, to.n, NULL) == 0) {
		for (size_t i = 0; i < list.n; i++) {
			(void)json_array_append_new(array, json_string(list.names[i]));
		}
		users_list_free(&list);
	}
	return array;
}

static int put_head(void *arg, const struct message_head *h, const uint8_t *text,
	uint64_t content_bytes, struct err *e)
{
	struct outgoing *o = arg;
	char id[FIELDS_ID_TEXT + 1];
	json_t *reply = json_object();

	(void)text;
	hex_encode(id, o->c->ref.id, sizeof o->c->ref.id);
	if (json_object_set_new(reply, "type", json_string("message")) != 0 ||
		json_object_set_new(reply, "id", json_string(id)) != 0 ||
		fields_set_text(reply, "from", h->from.p, h->from.n) != 0 ||
		json_object_set_new(reply, "to", names_json(h->to)) != 0 ||
		fields_set_text(reply, "time", h->time.p, h->time.n) != 0 ||
		json_object_set_new(reply, "us", json_integer(o->c->meta.time_us)) != 0 ||
		fields_set_text(reply, "title", h->title.p, h->title.n) != 0 ||
		json_object_set_new(reply, "chars", json_integer((json_int_t)h->length)) != 0 ||
		json_object_set_new(reply, "length", json_integer((json_int_t)content_bytes)) !=
			0) {
		json_decref(reply);
		return enhanced_no_memory(e);
	}
	o->begun = true;
	return enhanced_put_json(&o->s->wire, reply, e);
}

static int put_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct outgoing *o = arg;

	return enhanced_put_raw(&o->s->wire, p, n, e);
}

int enhanced_do_read(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct chosen c;
	struct outgoing o = {.s = s, .c = &c};
	const struct mail_sink sink = {.head = put_head, .content = put_content, .arg = &o};
	struct err why;
	bool found = choose(s, request, false, &c, &why) == 0;

	if (found && mail_read(s->host->box, s->report->user, &c.ref, &sink, &why) == 0) {
		s->report->viewed++;
		return 0;
	}
	if (o.begun) {
		s->mute = true; /* it would be taken for content */
		*e = why;
		return -1;
	}
	return found && why.code == EX_DATAERR ? enhanced_refuse(s, ENHANCED_DAMAGED, why.text, e)
					       : enhanced_refuse_err(s, &why, e);
}

int enhanced_do_delete(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct mailbox *box = s->host->box;
	struct chosen c;
	struct err why;

	if (choose(s, request, true, &c, &why) != 0 ||
		box->ops->remove(box, s->report->user, &c.ref, &why) != 0) {
		return enhanced_refuse_err(s, &why, e);
	}
	presence_work(s->wire.conn->presence);
	s->report->removed++;
	return enhanced_answer_id(s, "deleted", c.ref.id, false, e);
}
