/* atrest: from plain mail to mail at rest, and back; keys for it. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/random.h"
#include "../proto/mail_server.h"
#include "../store/rest_move.h"
#include "at_rest.h"
#include "cli.h"
#include "progress.h"

static const char help[] =
	"usage: smtp361 atrest [-d DIR] on|off KEY | status | resume\n"
	"       smtp361 atrest newkey FILE\n"
	"\n"
	"Encrypt the mail in a server's folder, or decrypt it: messages, titles, the names of\n"
	"users, indexes and user_pass.json. The server must not run meanwhile, and needs the\n"
	"same KEY from then on (`smtp361 serve --at-rest`). Ids, times, the order of arrival and\n"
	"what was sent stay as they are. It can be killed at any time, and run again; until the\n"
	"end there is room needed for all of it twice.\n"
	"\n"
	"  newkey FILE    write a new key into FILE, which must not be there\n"
	"  on             encrypt everything\n"
	"  off            decrypt everything\n"
	"  status         tell what the folder is: plain, key-file, passphrase or interrupted\n"
	"  resume         undo or finish what was interrupted, and tell which; it needs no KEY\n"
	"\n"
	"KEY is one of these:\n"
	"      --at-rest FILE      a key of `smtp361 atrest newkey`; - asks for a passphrase\n"
	"      --at-rest-passphrase-file FILE\n"
	"                          the passphrase is FILE's first line; - is stdin\n"
	"\n"
	"  -d, --dir DIR           the server's folder (.)\n"
	"\n"
	"Ids, times and sizes stay visible, and so do users' files (`smtp361 put`), the names of\n"
	"public keys, and what chat keeps. What was deleted may stay on the medium, in blocks\n"
	"that nobody uses. Without the key the mail is lost: keep a copy of it elsewhere.\n"
	"Exit codes: 65 a message cannot be read, or is in nobody's mailbox, and is named:\n"
	"nothing was changed; 75 a server runs; 77 another key; 78 it is so already, or nothing\n"
	"was interrupted.\n";

struct job {
	const struct cli *cli;
	const char *dir_name;
	struct at_rest at_rest;
	int dir;
	struct users *users; /* NULL: there are none */
	struct progress progress;
};

/* --- keys --- */

/* The folder of a file, and its name there. */
static int open_folder_of(const char *file, const char **name, struct err *e)
{
	const char *slash = strrchr(file, '/');
	char path[FILE_PATH_MAX] = ".";
	int n = slash == NULL ? 1 : slash == file ? 1 : (int)(slash - file);

	*name = slash == NULL ? file : slash + 1;
	if (slash != NULL && (size_t)n >= sizeof path) {
		return err_set(e, EX_CANTCREAT, "cannot create %s: its path is too long", file);
	}
	if (slash != NULL) {
		(void)snprintf(path, sizeof path, "%.*s", n, file);
	}
	return file_open_dir(path, e);
}

static int do_newkey(struct job *j, const char *file, struct err *e)
{
	uint8_t key[REST_KEY];
	char text[2 * REST_KEY + 2];
	const char *name;
	int dir = open_folder_of(file, &name, e), rc;

	if (dir < 0) {
		return -1;
	}
	rc = random_bytes(key, sizeof key, e);
	if (rc == 0) {
		hex_encode(text, key, sizeof key);
		(void)snprintf(text + 2 * REST_KEY, 2, "\n");
		rc = file_write(dir, name, text, sizeof text - 1, 0600, FILE_NEW, e);
	}
	(void)close(dir);
	wipe(key, sizeof key);
	wipe(text, sizeof text);
	if (rc == 0) {
		cli_note(j->cli, "keep a copy of %s: without it the mail is lost", file);
	}
	return rc;
}

/* --- converting --- */

static bool is_user(void *arg, const char *name)
{
	const struct job *j = arg;

	return j->users != NULL && users_known(j->users, name);
}

struct finding {
	const struct rest_key *key;
	const char *folder;
	char *user;
};

static int compare(void *arg, const struct users_row *row)
{
	const struct finding *f = arg;
	char name[USER_NAME_MAX + 1];

	rest_name(f->key, row->name, name);
	if (strcmp(name, f->folder) != 0) {
		return 0;
	}
	(void)snprintf(f->user, USER_NAME_MAX + 1, "%s", row->name);
	return 1;
}

static bool find_user(void *arg, const char *folder, char user[static USER_NAME_MAX + 1])
{
	const struct job *j = arg;
	struct finding f = {.key = &j->at_rest.key, .folder = folder, .user = user};

	return j->users != NULL && users_each(j->users, compare, &f) != 0;
}

static void moved(void *arg, uint64_t messages)
{
	struct job *j = arg;

	progress_tell(&j->progress, messages);
}

static int convert(struct job *j, struct rest_move *m, struct err *e)
{
	int rc;

	m->dir = j->dir;
	m->describe = mail_describe;
	m->is_user = is_user;
	m->find_user = find_user;
	m->moved = moved;
	m->arg = j;
	progress_begin(&j->progress, m->to != NULL ? "encrypted" : "decrypted", "messages", 0);
	rc = rest_move(m, e);
	progress_clear(&j->progress);
	if (rc == 0) {
		(void)fprintf(stderr, "%llu mailbox%s and %llu message%s are %s\n",
			(unsigned long long)m->mailboxes, m->mailboxes == 1 ? "" : "es",
			(unsigned long long)m->messages, m->messages == 1 ? "" : "s",
			m->to != NULL ? "encrypted" : "decrypted");
	}
	return rc;
}

static const char *name_of(enum rest_state state)
{
	return state == REST_PLAIN    ? "plain"
	       : state == REST_SEALED ? "encrypted"
				      : "being converted";
}

/* Undo or finish what was interrupted, and say which, and what the mail is now. 0 or -1. */
static int resume(
	const struct job *j, enum rest_resumed *how, enum rest_state *state, struct err *e)
{
	struct rest_note note;

	do { /* whom it waited for may have been killed */
		if (rest_resume(j->dir, how, e) != 0 || rest_look(j->dir, &note, state, e) != 0) {
			return -1;
		}
	} while (*how == REST_NOTHING && *state == REST_MOVING);
	if (*how != REST_NOTHING) {
		cli_note(j->cli, "what was interrupted is %s: the mail is %s",
			*how == REST_UNDONE ? "undone" : "finished", name_of(*state));
	}
	return 0;
}

/* What the folder is, once nothing is interrupted. 0, 1: that is what is wanted, and only since
 * what was interrupted is undone or finished; or -1 (EX_CONFIG: it was so before). */
static int look(const struct job *j, enum rest_state wanted, struct err *e)
{
	enum rest_resumed how;
	enum rest_state state;

	if (resume(j, &how, &state, e) != 0) {
		return -1;
	}
	if (state != wanted) {
		return 0;
	}
	return how != REST_NOTHING
		       ? 1
		       : err_set(e, EX_CONFIG, "the mail is %s already", name_of(state));
}

/* The accounts tell which folders are mailboxes. */
static int load_users(struct job *j, struct err *e)
{
	struct accounts_store *s;
	bool none;
	struct accounts_text text = {0};
	int rc = at_rest_accounts(&j->at_rest, j->dir, &s, e);

	if (rc != 0) {
		return -1;
	}
	rc = s->ops->read(s, &text, e);
	none = text.version.none;
	buf_free(&text.text);
	rc = rc == 0 ? users_load(s, &j->users, e) : none ? 0 : -1;
	s->ops->close(s);
	return rc;
}

/* A key beside the mail hides nothing from who has the disk. */
static void tell_of_key(const struct job *j)
{
	const char *file =
		j->at_rest.key_file != NULL ? j->at_rest.key_file : j->at_rest.passphrase_file;
	char *key = strcmp(file, "-") == 0 ? NULL : realpath(file, NULL),
	     *dir = realpath(j->dir_name, NULL);
	size_t n = dir == NULL ? 0 : strlen(dir);

	if (key != NULL && n > 0 && strncmp(key, dir, n) == 0 &&
		(key[n] == '/' || dir[n - 1] == '/')) {
		cli_note(j->cli, "%s is in %s: who has this disk has the key, too", file,
			j->dir_name);
	}
	free(key);
	free(dir);
}

static int do_on(struct job *j, const char *operand, struct err *e)
{
	struct at_rest_secret secret = {.n = 0};
	struct rest_key key;
	struct rest_note note;
	struct rest_move m = {.to = &key, .note = &note};
	int rc = look(j, REST_SEALED, e);

	(void)operand;
	if (rc != 0) { /* encrypted it is; but under this key? */
		return rc < 0 ? -1 : at_rest_open(&j->at_rest, j->dir, j->dir_name, e);
	}
	rc = at_rest_read(&j->at_rest, true, &secret, e);
	if (rc > 0) {
		err_set(e, EX_USAGE, "under which key? None is given");
		return err_hint(e, "--at-rest FILE, of smtp361 atrest newkey FILE");
	}
	rc = rc == 0 ? rest_key_new(&key, &note, secret.kind, secret.bytes, secret.n, e) : rc;
	rc = rc == 0 ? load_users(j, e) : rc;
	rc = rc == 0 ? convert(j, &m, e) : rc;
	if (rc == 0) {
		tell_of_key(j);
	}
	wipe(&secret, sizeof secret);
	wipe(&key, sizeof key);
	return rc;
}

static int do_off(struct job *j, const char *operand, struct err *e)
{
	struct rest_move m = {.from = &j->at_rest.key, .note = &j->at_rest.note};
	int rc = look(j, REST_PLAIN, e);

	(void)operand;
	if (rc != 0) {
		return rc < 0 ? -1 : 0;
	}
	return at_rest_open(&j->at_rest, j->dir, j->dir_name, e) != 0 || load_users(j, e) != 0
		       ? -1
		       : convert(j, &m, e);
}

static int do_resume(struct job *j, const char *operand, struct err *e)
{
	enum rest_resumed how;
	enum rest_state state;

	(void)operand;
	if (resume(j, &how, &state, e) != 0) {
		return -1;
	}
	return how != REST_NOTHING
		       ? 0
		       : err_set(e, EX_CONFIG, "nothing was interrupted here: the mail is %s",
				 name_of(state));
}

static int do_status(struct job *j, const char *operand, struct err *e)
{
	struct rest_note note;
	enum rest_state state;

	(void)operand;
	if (rest_look(j->dir, &note, &state, e) != 0) {
		return -1;
	}
	(void)printf("%s\n", state == REST_PLAIN            ? "plain"
			     : state == REST_MOVING         ? "interrupted"
			     : note.kind == REST_PASSPHRASE ? "passphrase"
							    : "key-file");
	return 0;
}

static const struct verb {
	const char *name;
	size_t operands;
	bool in_folder, with_key;
	int (*run)(struct job *j, const char *operand, struct err *e);
} verbs[] = {
	{"newkey", 1, false, false, do_newkey},
	{"on", 0, true, true, do_on},
	{"off", 0, true, true, do_off},
	{"status", 0, true, false, do_status},
	{"resume", 0, true, false, do_resume},
};

static const struct verb *find_verb(const struct cli *c)
{
	for (size_t i = 0; c->args_n > 0 && i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(verbs[i].name, c->args[0]) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

static int run(const struct verb *v, struct job *j, const char *operand, struct err *e)
{
	int rc;

	j->dir_name = j->dir_name == NULL ? "." : j->dir_name;
	j->dir = v->in_folder ? file_open_dir(j->dir_name, e) : -1;
	if (v->in_folder && j->dir < 0) {
		return -1;
	}
	rc = v->run(j, operand, e);
	at_rest_end(&j->at_rest);
	users_free(j->users);
	if (j->dir >= 0) {
		(void)close(j->dir);
	}
	return rc;
}

APPLET_MAIN(atrest)
{
	struct job j = {.dir = -1};
	const struct cli_option options[] = {
		{'d', "dir", CLI_TEXT, &j.dir_name}, AT_REST_OPTIONS(&j.at_rest)};
	struct cli c = {.applet = "atrest",
		.help = help,
		.options = options,
		.options_n = sizeof options / sizeof options[0]};
	int rc = cli_parse(&c, argc, argv);
	const struct verb *v;
	struct err e;

	if (rc >= 0) {
		return rc;
	}
	v = find_verb(&c);
	if (v == NULL) {
		return cli_usage(&c, "atrest takes on, off, status, resume or newkey");
	}
	if (c.args_n - 1 != v->operands) {
		return cli_usage(
			&c, "%s takes %s", v->name, v->operands > 0 ? "a FILE" : "no more");
	}
	if (!v->with_key && (j.at_rest.key_file != NULL || j.at_rest.passphrase_file != NULL)) {
		return cli_usage(&c, "%s takes no key", v->name);
	}
	cli_protect();
	j.cli = &c;
	rc = run(v, &j, v->operands > 0 ? c.args[1] : NULL, &e);
	return cli_finish(&c, rc == 0 ? EX_OK : cli_fail(&c, &e));
}
