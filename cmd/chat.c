/* chat: what members say to each other, end to end: at a terminal line by line or by a menu, and
 * in scripts. */
#include "chat.h"

#include <sys/resource.h>

static const char help[] =
	"usage: smtp361 chat [USER]\n"
	"       smtp361 chat --send USER TEXT|-\n"
	"       smtp361 chat --picture FILE USER\n"
	"       smtp361 chat --wait [USER] [--timeout SECONDS]\n"
	"       smtp361 chat --history USER [--last N]\n"
	"       smtp361 chat --save NUMBER [-o FILE] USER\n"
	"       smtp361 chat --delete-history USER\n"
	"       smtp361 chat --exists USER | --status | --delete-account [--yes]\n"
	"\n"
	"Talk with USER, line by line on a terminal; in a pipe each line of stdin is a message.\n"
	"Without USER, on a terminal, by a menu. Each message has keys of its own on both sides,\n"
	"which are destroyed once it is read: nobody needs to be there, and whoever has both of\n"
	"your keys tomorrow cannot read what was said today. What is missing, late, repeated or\n"
	"forged is named. It needs the enhanced protocol.\n"
	"\n"
	"      --send USER            send TEXT; - is stdin\n"
	"      --picture FILE         send any file, with its name and type\n"
	"      --to USER              to whom, instead of behind FILE\n"
	"      --allow-no-fs          when USER's one-time keys have run out, send sealed: not\n"
	"                             forward secret, and marked so on both sides. Without it\n"
	"                             messages wait for new ones, and the exit code is 75\n"
	"      --wait                 wait until something comes, of USER or of anybody, and\n"
	"                             print all that has come\n"
	"      --timeout SECONDS      wait no longer than this; then exit 75\n"
	"      --history USER         what was said: a line each; elsewhere than on a terminal\n"
	"                             number, time, who, state, text, separated by tabs\n"
	"      --last N               the last N of it\n"
	"      --save NUMBER          write the file with this number in the history\n"
	"  -o, --output FILE          where to (its own name, in this folder); - is stdout\n"
	"      --delete-history USER  destroy the key of the history, and the history\n"
	"      --exists USER          exit 0, or 67 when the server knows no such user\n"
	"      --status               whom you know: key, one-time keys that stand for them,\n"
	"                             messages that wait, here or when last seen\n"
	"      --delete-account       delete your account on the server, and what waits of chats;\n"
	"                             your mail and files stay there, out of your reach\n"
	"      --yes                  without asking\n"
	"      --json                 an object on each line\n"
	"      --passphrase-file FILE new histories are opened by the passphrase on its first\n"
	"                             line, not by your private key; and old ones of that kind\n"
	"      --history-passphrase   the same, asked for\n"
	"Exit 65: something was missing, repeated or forged; 77: somebody's key has changed.\n"
	"\n" ACCOUNT_HELP;

/* --- what is asked for --- */

/* The operand that says whom; NULL with a usage error told when there is none. */
static const char *user_of(const struct chat_job *j)
{
	const struct cli *c = j->room.cli;

	return j->to != NULL ? j->to : c->args_n > 0 ? c->args[0] : NULL;
}

static int dispatch(struct chat_job *j, struct err *e)
{
	const struct cli *c = j->room.cli;
	const char *user = user_of(j);
	bool terminal = isatty(STDIN_FILENO) == 1 && cli_is_terminal();

	if (j->send != NULL) {
		return chat_do_send(j, j->send, c->args[0], e);
	}
	if (j->history != NULL) {
		return chat_do_history(j, j->history, e);
	}
	if (j->delete_history != NULL) {
		return chat_do_delete_history(j, j->delete_history, e);
	}
	if (j->exists != NULL) {
		return chat_do_exists(j, j->exists, e);
	}
	if (j->status || j->delete_account) {
		return j->status ? chat_do_status(j, e) : chat_do_delete_account(j, e);
	}
	if (j->wait) {
		return chat_do_wait(j, user, e);
	}
	if (j->picture != NULL) {
		return chat_do_picture(j, user, e);
	}
	if (j->save != NULL) {
		return chat_do_save(j, user, e);
	}
	if (user == NULL) {
		return chat_menu(j, e);
	}
	return terminal ? chat_screen(j, user, e) : chat_do_lines(j, user, e);
}

/* --- options that go together --- */

/* One thing at a time. */
static size_t verbs(const struct chat_job *j)
{
	const bool given[] = {j->send != NULL, j->picture != NULL, j->wait, j->history != NULL,
		j->save != NULL, j->delete_history != NULL, j->exists != NULL, j->status,
		j->delete_account};
	size_t n = 0;

	for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
		n += given[i] ? 1 : 0;
	}
	return n;
}

/* How many operands there must be: at least and at most. */
static void operands(const struct chat_job *j, size_t *least, size_t *most)
{
	bool one = j->send != NULL || ((j->picture != NULL || j->save != NULL) && j->to == NULL);
	bool talks = verbs(j) == 0;

	*least = one ? 1 : 0;
	*most = one || (talks && j->to == NULL) || (j->wait && j->to == NULL) ? 1 : 0;
}

/* -1 when all is well, or the exit code. */
static int check_options(const struct chat_job *j)
{
	const struct cli *c = j->room.cli;
	bool terminal = isatty(STDIN_FILENO) == 1 && cli_is_terminal();
	size_t least, most;

	operands(j, &least, &most);
	if (verbs(j) > 1) {
		return cli_usage(c, "chat does one thing at a time");
	}
	if (c->args_n > most) {
		return cli_usage(c, "chat takes no \"%s\" here", c->args[most]);
	}
	if (c->args_n < least) {
		return cli_usage(c, "%s is missing", j->send != NULL ? "TEXT" : "USER");
	}
	if (verbs(j) == 0 && user_of(j) == NULL && !terminal) {
		return cli_usage(c, "whom to talk with is not said, and nobody can be asked");
	}
	if (j->timeout != 0 && !j->wait) {
		return cli_usage(c, "--timeout goes with --wait");
	}
	if (j->last != 0 && j->history == NULL) {
		return cli_usage(c, "--last goes with --history");
	}
	if (j->output != NULL && j->save == NULL) {
		return cli_usage(c, "--output goes with --save");
	}
	if (j->to != NULL && (j->send != NULL || j->history != NULL)) {
		return cli_usage(c, "--to does not go with these");
	}
	if (j->yes && !j->delete_account) {
		return cli_usage(c, "--yes goes with --delete-account");
	}
	if (j->room.passphrase_file != NULL && j->room.passphrase_asked) {
		return cli_usage(
			c, "--passphrase-file and --history-passphrase do not go together");
	}
	return -1;
}

/* Who waits for anybody has the histories with everybody open. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* else it goes on with what there is */
	}
}

static int start(struct chat_job *j)
{
	struct chat_room *r = &j->room;
	struct err e;
	int rc;

	cli_protect();
	raise_descriptors();
	r->account.applet = r->cli->applet;
	r->may_ask = isatty(STDIN_FILENO) == 1;
	rc = chat_room_open(r, &e) != 0 || dispatch(j, &e) != 0 ? -1 : 0;
	if (rc != 0) {
		(void)fflush(stdout);
		rc = cli_fail(r->cli, &e);
	} else {
		rc = j->code;
	}
	chat_room_close(r);
	return rc;
}

APPLET_MAIN(chat)
{
	static struct chat_job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.room.account),
		{0, "send", CLI_TEXT, &j.send}, {0, "picture", CLI_TEXT, &j.picture},
		{0, "to", CLI_TEXT, &j.to}, {0, "allow-no-fs", CLI_FLAG, &j.allow_no_fs},
		{0, "wait", CLI_FLAG, &j.wait}, {0, "timeout", CLI_NUMBER, &j.timeout},
		{0, "history", CLI_TEXT, &j.history}, {0, "last", CLI_NUMBER, &j.last},
		{0, "save", CLI_TEXT, &j.save}, {'o', "output", CLI_TEXT, &j.output},
		{0, "delete-history", CLI_TEXT, &j.delete_history},
		{0, "exists", CLI_TEXT, &j.exists}, {0, "status", CLI_FLAG, &j.status},
		{0, "delete-account", CLI_FLAG, &j.delete_account}, {0, "yes", CLI_FLAG, &j.yes},
		{0, "json", CLI_FLAG, &j.json},
		{0, "passphrase-file", CLI_TEXT, &j.room.passphrase_file},
		{0, "history-passphrase", CLI_FLAG, &j.room.passphrase_asked}};
	struct cli c = {.applet = "chat",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);

	if (rc >= 0) {
		return rc;
	}
	j.room.cli = &c;
	rc = check_options(&j);
	if (rc < 0) {
		rc = start(&j);
	}
	return cli_finish(&c, rc);
}
