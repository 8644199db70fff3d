/* Chat without talking: histories, the state of things, and accounts; see chat.h. */
#include "../crypto/file.h"
#include "chat.h"
#include "input.h"

/* --- histories --- */

static int print_line(void *arg, const struct chat_line *line, struct err *e)
{
	const struct chat_job *j = arg;
	struct buf text = {0};
	int rc;

	if (j->json || !cli_is_terminal()) {
		return j->json ? chat_print_json(line, e) : chat_print_script(line, e);
	}
	rc = chat_print_person(&text, line, e);
	(void)fwrite(text.p, 1, text.n, stdout);
	buf_free(&text);
	return rc;
}

int chat_do_history(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_node *n = chat_room_contact(&j->room, user, e);
	struct buf missing = {0};
	size_t damaged, count;
	int rc;

	if (n == NULL) {
		return -1;
	}
	if (history_look(j->room.desk.dir, user) == HISTORY_NONE) {
		return err_set(e, EX_NOINPUT, "there is no history with %s", user);
	}
	if (chat_room_history(&j->room, n, e) != 0 ||
		chat_history_each(&j->room, n, j->last, print_line, j, &damaged, e) != 0) {
		return -1;
	}
	if (damaged > 0) {
		cli_note(j->room.cli, "%zu records of the history are damaged", damaged);
		chat_worse(j, EX_DATAERR);
	}
	rc = chat_history_missing(&j->room, n, &missing, &count, e);
	rc = rc == 0 ? chat_print_notes(j->room.cli, &missing, e) : rc;
	buf_free(&missing);
	return rc;
}

int chat_do_save(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_node *n = chat_room_contact(&j->room, user, e);

	return n == NULL || chat_room_history(&j->room, n, e) != 0
		       ? -1
		       : chat_history_save(n, j->save, j->output, NULL, e);
}

int chat_do_delete_history(struct chat_job *j, const char *user, struct err *e)
{
	struct chat_node *n = chat_room_contact(&j->room, user, e);

	return n == NULL ? -1 : chat_history_delete(&j->room, n, e);
}

/* --- the state of things --- */

static size_t count_waiting(const struct chat_contact *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->out_n; i++) {
		n += c->out[i].sent ? 0 : 1;
	}
	return n;
}

struct held {
	struct chat_held rows[1000];
	size_t n;
};

static int add_held(void *arg, const struct chat_held *row, struct err *e)
{
	struct held *h = arg;

	(void)e;
	if (h->n < sizeof h->rows / sizeof h->rows[0]) {
		h->rows[h->n++] = *row;
	}
	return 0;
}

static uint64_t held_for(const struct held *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++) {
		if (strcmp(h->rows[i].to, name) == 0) {
			return h->rows[i].held;
		}
	}
	return 0;
}

static int print_status(
	struct chat_job *j, const struct chat_node *n, const struct held *held, struct err *e)
{
	const char *name = n->c.name;
	const char *key = n->changed ? "changed" : n->member.verified ? "verified" : "pinned";
	uint64_t offers = held_for(held, name);
	size_t waiting = count_waiting(&n->c);
	struct chat_presence there;
	char at[MESSAGE_TIME_LEN + 1] = "-";
	json_t *o;

	if (enhanced_chat_presence(j->room.client, name, &there, e) != 0) {
		return -1;
	}
	if (there.last_us > 0) {
		message_format_time(there.last_us, at);
	}
	if (!j->json) {
		(void)printf("%s\t%s\t%llu\t%zu\t%s\n", name, key, (unsigned long long)offers,
			waiting, there.present ? "here" : at);
		return 0;
	}
	o = json_object();
	cli_json_text(o, "name", name, strlen(name));
	cli_json_text(o, "key", key, strlen(key));
	cli_json_number(o, "one_time_keys", offers);
	cli_json_number(o, "waiting", waiting);
	(void)json_object_set_new(o, "present", json_boolean(there.present));
	if (there.last_us > 0) {
		cli_json_number(o, "last_us", (uint64_t)there.last_us);
	}
	return cli_print_json_line(o, e);
}

int chat_do_status(struct chat_job *j, struct err *e)
{
	static struct held held;
	int rc = chat_connect(j, NULL, e);

	rc = rc == 0 ? enhanced_chat_offers(j->room.client, add_held, &held, e) : rc;
	if (rc == 0 && !j->json && cli_is_terminal()) {
		(void)puts("NAME\tKEY\tONE-TIME KEYS\tWAITING\tSEEN");
	}
	for (struct chat_node *n = j->room.nodes; rc == 0 && n != NULL; n = n->next) {
		rc = n->known ? print_status(j, n, &held, e) : 0;
		chat_worse(j, n->broken ? EX_CONFIG : EX_OK);
	}
	return rc;
}

/* --- accounts --- */

int chat_do_exists(struct chat_job *j, const char *user, struct err *e)
{
	struct members_row row;

	if (!user_name_valid(user)) {
		return err_set(e, EX_NOUSER, "\"%.80s\" is no user's name", user);
	}
	return remote_open(&j->room.account, &j->room.client, e) != 0
		       ? -1
		       : enhanced_members_get(j->room.client, user, &row, e);
}

static bool asked_and_sure(const char *user)
{
	struct message_part line;

	(void)fprintf(stderr,
		"Your account, and what waits on the server of your chats, will be gone. Your mail "
		"and files\nstay there, out of your reach, until its operator removes them.\n"
		"Type %s to delete it: ",
		user);
	return input_line(&line, CHAT_BODY_MAX, NULL, NULL, NULL) > 0 && line.n == strlen(user) &&
	       memcmp(line.p, user, line.n) == 0;
}

int chat_do_delete_account(struct chat_job *j, struct err *e)
{
	struct chat_room *r = &j->room;

	if (!j->yes && isatty(STDIN_FILENO) != 1) {
		return err_set(e, EX_USAGE, "--delete-account needs --yes where nobody is asked");
	}
	if (!j->yes && !asked_and_sure(r->account.user)) {
		return err_set(e, EX_NOINPUT, "the account was not deleted");
	}
	if (r->client == NULL && remote_open(&r->account, &r->client, e) != 0) {
		return -1;
	}
	if (enhanced_members_remove_account(r->client, e) != 0) {
		return -1;
	}
	cli_note(r->cli, "the account %s is gone; your keys and histories stay here, in %s",
		r->account.user, r->account.keys);
	return 0;
}
