/* The founding chat's menu: send, history, wait, delete history, delete account, exit. */
#include "chat.h"
#include "input.h"

static const char menu[] = "\n"
			   "1) Send a message\n"
			   "2) View the history\n"
			   "3) Wait for messages\n"
			   "4) Delete the history\n"
			   "5) Delete the account\n"
			   "6) Exit\n";

/* The answer in line, whose text is replaced. 0, or -1: EX_NOINPUT (no more will come),
 * EX_TEMPFAIL. */
static int ask(const char *prompt, struct buf *line, struct err *e)
{
	struct message_part typed;
	int rc;

	(void)fputs(prompt, stdout);
	(void)fflush(stdout);
	wipe(line->p, line->n);
	line->n = 0;
	rc = input_line(&typed, CHAT_BODY_MAX, NULL, NULL, e);
	if (rc <= 0) {
		return rc < 0 ? -1 : err_set(e, EX_NOINPUT, "the input ended");
	}
	return buf_append(line, typed.p, typed.n) == 0 && buf_append(line, "", 1) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "out of memory");
}

static const char *text_of(const struct buf *line)
{
	return (const char *)line->p;
}

static int do_send(struct chat_job *j, struct buf *line, struct err *e)
{
	struct buf text = {0};
	int rc = ask("To: ", line, e);

	rc = rc == 0 ? ask("Message: ", &text, e) : rc;
	rc = rc == 0 ? chat_do_send_text(j, text_of(line), text.p, text.n - 1, e) : rc;
	buf_free(&text);
	if (rc == 0 && j->code == EX_OK) {
		(void)puts("The message is sent.");
	}
	return rc;
}

static int with_user(struct chat_job *j, struct buf *line, struct err *e,
	int (*run)(struct chat_job *j, const char *user, struct err *e))
{
	return ask("With: ", line, e) != 0 ? -1 : run(j, text_of(line), e);
}

static int choose(struct chat_job *j, char choice, struct buf *line, struct err *e)
{
	switch (choice) {
	case '1':
		return do_send(j, line, e);
	case '2':
		return with_user(j, line, e, chat_do_history);
	case '3':
		j->shown = 0;
		(void)puts("Waiting; Ctrl-C ends the program.");
		return chat_do_wait(j, NULL, e);
	case '4':
		return with_user(j, line, e, chat_do_delete_history);
	case '5':
		return chat_do_delete_account(j, e);
	default:
		return err_set(e, EX_USAGE, "a number from 1 to 6");
	}
}

/* What went wrong is told, and the menu comes again; a connection that broke is made anew. */
int chat_menu(struct chat_job *j, struct err *e)
{
	struct buf line = {0};
	bool ended = chat_connect(j, NULL, e) != 0;
	int rc = ended ? -1 : 0;

	while (!ended) {
		char choice;
		(void)fputs(menu, stdout);
		if (ask("Your choice: ", &line, e) != 0) {
			(void)puts("");
			break;
		}
		choice = line.n == 2 ? text_of(&line)[0] : '\0';
		if (choice == '6') {
			break;
		}
		j->code = EX_OK;
		if (choose(j, choice, &line, e) != 0) {
			(void)cli_fail(j->room.cli, e);
		} else if (choice == '5') {
			ended = true;
		}
		if (j->room.client != NULL && !j->room.client->alive) {
			chat_room_disconnect(&j->room);
		}
	}
	buf_free(&line);
	input_end();
	return rc;
}
