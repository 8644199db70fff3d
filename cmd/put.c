/* put: a file to the server, for oneself and for others. */
#include <fcntl.h>

#include "../crypto/hash.h"
#include "remote.h"
#include "sum.h"

static const char help[] =
	"usage: smtp361 put FILE [--name NAME] [--to USER[;USER...]] [--force] [--resume]\n"
	"\n"
	"Put FILE (- is stdin) among your files on the server, and hand it to others: it is in\n"
	"their list (`smtp361 ls`), and a message tells them of it. Exit 0 means that it is on\n"
	"stable storage, whole, with everybody who was named. When anything broke, the same\n"
	"command with --resume does what is left of it, and nothing twice. It needs the\n"
	"enhanced protocol.\n"
	"\n"
	"      --name NAME            what it is called there (FILE's name)\n"
	"  -t, --to USER[;USER...]    hand it to; repeatable; at most 100\n"
	"      --no-message           send no message to those\n"
	"      --force                replace a file of yours with that name; what was handed to\n"
	"                             others before stays theirs\n"
	"      --resume               go on with what an earlier try left, if it is the\n"
	"                             beginning of this file\n"
	"      --sum                  print the SHA-256, as `sha256sum -c` takes it\n" ACCOUNT_HELP;

struct given {
	char to[USER_NAME_MAX + 1], name[LANDING_NAME_MAX + 1];
};

struct job {
	const struct cli *c;
	struct account account;
	struct cli_list to;
	const char *file, *name;
	bool force, resume, sum, no_message;
	struct source from;
	struct ft_job ft;
	struct remote_progress progress;
	struct given given[ENHANCED_FILE_TO];
	size_t given_n;
	int code; /* of the first recipient who did not get it; or EX_OK */
};

/* --- what is put --- */

/* What cannot be read twice has no size yet: all of it, in a file without a name. */
static int spool(struct source *s, struct err *e)
{
	uint8_t piece[65536];
	int fd = file_nameless(-1);
	uint64_t hole = 0, at = 0;
	size_t n = 1;

	if (fd < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot make a temporary file");
	}
	while (n > 0 || hole > 0) {
		if (source_read(s, piece, sizeof piece, &n, &hole, e) != 0) {
			(void)close(fd);
			return -1;
		}
		at += n + hole;
		if (file_write_at(fd, piece, n, at - n) != 0 || ftruncate(fd, (off_t)at) != 0) {
			err_sys(e, EX_TEMPFAIL, "cannot write to a temporary file");
			(void)close(fd);
			return -1;
		}
	}
	source_close(s);
	if (source_over(s, fd, e) != 0) {
		(void)close(fd);
		return -1;
	}
	s->owned = true;
	return 0;
}

static int open_source(struct job *j, struct err *e)
{
	bool is_stdin = strcmp(j->file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(j->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	off_t offset;
	int rc;

	if (fd < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open %s", j->file);
	}
	rc = source_over(&j->from, fd, e);
	if (rc != 0) {
		err_prefix(e, "%s", j->file);
		if (!is_stdin) {
			(void)close(fd);
		}
		return -1;
	}
	j->from.owned = !is_stdin;
	offset = j->from.regular ? lseek(fd, 0, SEEK_CUR) : 0;
	if (j->from.regular && offset == 0) {
		return 0;
	}
	/* what was read of stdin before is no part of it */
	return offset > 0 && source_seek(&j->from, (uint64_t)offset, e) != 0 ? -1
									     : spool(&j->from, e);
}

static int join_recipients(struct buf *out, const struct cli_list *to, struct err *e)
{
	for (size_t i = 0; i < to->n; i++) {
		if (has_control(to->items[i], strlen(to->items[i]))) {
			return err_set(e, EX_USAGE, "a recipient's name holds a control character");
		}
		if ((i > 0 && buf_append(out, ";", 1) != 0) ||
			buf_append_str(out, to->items[i]) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return buf_append(out, "", 1) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static void note_given(void *arg, const struct files_given *g)
{
	struct job *j = arg;

	if (g->name == NULL) {
		j->code = j->code == EX_OK ? g->code : j->code;
		cli_note(j->c, "%s was not handed the file, the server says: %.*s", g->to,
			(int)g->why.n, (const char *)g->why.p);
	} else if (j->given_n < ENHANCED_FILE_TO) {
		struct given *to = &j->given[j->given_n++];
		(void)snprintf(to->to, sizeof to->to, "%s", g->to);
		(void)snprintf(to->name, sizeof to->name, "%s", g->name);
		if (strcmp(g->name, j->ft.name) != 0) {
			cli_note(j->c, "%s has it as %s/%s", g->to, j->account.user, g->name);
		}
	}
}

/* --- the message to a recipient --- */

/* As a shell takes it for one word. */
static int append_word(struct buf *out, const char *user, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._-+,:@%=/";
	bool quoted = name[strspn(name, plain)] != '\0';
	int rc = (quoted ? buf_append(out, "'", 1) : 0) != 0 || buf_append_str(out, user) != 0 ||
				 buf_append(out, "/", 1) != 0
			 ? -1
			 : 0;

	for (; rc == 0 && *name != '\0'; name++) {
		rc = *name == '\'' ? buf_append_str(out, "'\\''") : buf_append(out, name, 1);
	}
	return rc != 0 || !quoted ? rc : buf_append(out, "'", 1);
}

static int make_content(
	const struct job *j, const struct given *g, const char *size, struct buf *out)
{
	char line[256];

	(void)snprintf(line, sizeof line, "%s has handed you a file of %s (%llu bytes):\n\n    ",
		j->account.user, size, (unsigned long long)j->ft.total);
	return buf_append_str(out, line) != 0 || buf_append_str(out, g->name) != 0 ||
			       buf_append_str(out, "\n\nIt is yours. To fetch it:\n\n"
						   "    smtp361 get ") != 0 ||
			       append_word(out, j->account.user, g->name) != 0 ||
			       buf_append_str(out, "\n") != 0
		       ? -1
		       : 0;
}

/* "NAME (12.3 MB)", the name cut where a title ends. */
static int make_title(const struct given *g, const char *size, struct buf *out)
{
	struct utf8_counter count = {0};
	size_t n = strlen(g->name), most = MESSAGE_TITLE_CHARS - strlen(size) - 3;

	return buf_append(out, g->name, utf8_feed(&count, (const uint8_t *)g->name, n, most)) !=
				       0 ||
			       buf_append_str(out, " (") != 0 || buf_append_str(out, size) != 0 ||
			       buf_append(out, ")", 2) != 0
		       ? -1
		       : 0;
}

/* The same file for the same user has the same number: a retry's message is stored once. */
static void make_id(
	const struct job *j, const struct given *g, int64_t time_us, uint8_t id[static MAIL_ID])
{
	const uint64_t numbers[] = {(uint64_t)time_us, j->ft.total};
	uint8_t digest[HASH_BYTES];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, "smtp361 put", 12);
	hash_add(&h, g->to, strlen(g->to) + 1);
	hash_add(&h, g->name, strlen(g->name) + 1);
	for (size_t i = 0; i < 2; i++) {
		uint8_t bytes[8];
		put_u64le(bytes, numbers[i]);
		hash_add(&h, bytes, sizeof bytes);
	}
	hash_end(&h, digest);
	memcpy(id, digest, MAIL_ID);
}

static int send_message(const struct job *j, struct mail_client *c, const struct given *g,
	int64_t time_us, struct err *e)
{
	char size[PROGRESS_BYTES];
	struct buf title = {0}, content = {0};
	struct mail_memory memory;
	struct mail_letter l = {.to = g->to, .source = mail_from_memory, .arg = &memory};
	struct mail_stored stored;
	int rc;

	progress_bytes(j->ft.total, size);
	if (make_title(g, size, &title) != 0 || make_content(j, g, size, &content) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	} else {
		make_id(j, g, time_us, l.id);
		memory = (struct mail_memory){content.p, content.n};
		l.title = (const char *)title.p;
		l.bytes = content.n;
		rc = utf8_count(content.p, content.n, &l.chars) != 0
			     ? err_set(e, EX_SOFTWARE, "the message is no UTF-8")
		     : c->ops->post(c, &l, e) != 0 ? -1
						   : c->ops->acknowledge(c, &stored, e);
	}
	buf_free(&title);
	buf_free(&content);
	return rc == 0 ? 0 : err_prefix(e, "%s has the file, but no message was sent", g->to);
}

/* One who gets none keeps the others from none. 0, or -1 when the connection broke. */
static int send_messages(struct job *j, struct mail_client *c, int64_t time_us, struct err *e)
{
	for (size_t i = 0; i < j->given_n; i++) {
		if (strcmp(j->given[i].to, j->account.user) == 0 ||
			send_message(j, c, &j->given[i], time_us, e) == 0) {
			continue;
		}
		if (!c->alive) {
			return -1;
		}
		int code = cli_fail(j->c, e);
		j->code = j->code == EX_OK ? code : j->code;
	}
	return 0;
}

/* --- the applet --- */

static int put(struct job *j, struct mail_client *c, const char *to, struct err *e)
{
	struct files_put p = {
		.job = &j->ft, .to = j->to.n > 0 ? to : NULL, .given = note_given, .arg = j};
	int rc;

	remote_progress_begin(&j->progress, &j->ft);
	rc = enhanced_files_put(c, &p, e);
	progress_clear(&j->progress.line);
	if (rc != 0 && !c->alive && j->ft.done > 0) {
		err_hint(e, "the same command with --resume does what is left of it");
	}
	return rc != 0 || j->no_message ? rc : send_messages(j, c, p.time_us, e);
}

static int run(struct job *j, struct err *e)
{
	struct mail_client *client;
	struct buf to = {0};
	int rc = join_recipients(&to, &j->to, e);

	rc = rc == 0 ? open_source(j, e) : rc;
	if (rc == 0) {
		rc = remote_open(&j->account, &client, e);
		if (rc == 0) {
			rc = put(j, client, (const char *)to.p, e);
			remote_close(client);
		}
	}
	source_close(&j->from);
	buf_free(&to);
	return rc;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static int start(struct job *j)
{
	const struct cli *c = j->c;
	struct err e;

	if (c->args_n != 1) {
		return cli_usage(c, "put takes one FILE");
	}
	j->file = c->args[0];
	if (j->name == NULL && strcmp(j->file, "-") == 0) {
		return cli_usage(c, "what comes from stdin needs a --name");
	}
	if (j->no_message && j->to.n == 0) {
		return cli_usage(c, "--no-message goes with --to");
	}
	j->ft = (struct ft_job){.sends = true,
		.from = &j->from,
		.name = j->name == NULL ? base_name(j->file) : j->name,
		.force = j->force,
		.resume = j->resume,
		.sum = j->sum};
	if (landing_check_name(j->ft.name, strlen(j->ft.name), &e) != 0) {
		return cli_fail(c, &e);
	}
	cli_protect();
	j->account.applet = c->applet;
	j->from.fd = -1;
	if (run(j, &e) != 0) {
		return cli_fail(c, &e);
	}
	if (j->ft.refused_part) {
		cli_note(c, "what an earlier try left was not the beginning of this file: all of "
			    "it was sent");
	}
	if (j->sum) {
		sum_print(stdout, j->ft.digest, j->file);
	}
	return j->code;
}

APPLET_MAIN(put)
{
	static struct job j;
	const struct cli_option options[] = {ACCOUNT_OPTIONS(&j.account),
		{0, "name", CLI_TEXT, &j.name}, {'t', "to", CLI_LIST, &j.to},
		{0, "no-message", CLI_FLAG, &j.no_message}, {0, "force", CLI_FLAG, &j.force},
		{0, "resume", CLI_FLAG, &j.resume}, {0, "sum", CLI_FLAG, &j.sum}};
	struct cli c = {.applet = "put",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);

	if (rc >= 0) {
		return rc;
	}
	j.c = &c;
	rc = start(&j);
	account_free(&j.account);
	return cli_finish(&c, rc);
}
