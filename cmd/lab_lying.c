/* A server that lies, for the lab: its stage, its members, and its folder; see lab_lying.h. */
#include "lab_lying.h"

#include <dirent.h>

static const char *const people[] = {"alice", "bob", "carol"};
enum { PEOPLE = sizeof people / sizeof people[0], LOOKS = 12000 };

/* --- a server of its own --- */

/* Copy a file between folders of the stage. */
static int copy_file(const struct lab_stage *st, const char *from, const char *to, struct err *e)
{
	struct buf text = {0};
	int rc = lab_read(st, from, &text, e);

	rc = rc == 0 ? lab_write_bytes(st, to, text.p, text.n, e) : rc;
	buf_free(&text);
	return rc;
}

/* A member's own folder: his pair, and the server's public key. */
static int make_home(const struct lab_stage *st, const char *who, struct err *e)
{
	static const char *const files[] = {
		"%s_x25519_private.pem", "%s_x25519_public.pem", "server_x25519_public.pem"};

	if (lab_make_folder(st, who, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char name[64], from[128], to[128];
		if (strchr(files[i], '%') != NULL) {
			(void)snprintf(name, sizeof name, "%s%s", who, files[i] + 2);
		} else {
			(void)snprintf(name, sizeof name, "%s", files[i]);
		}
		(void)snprintf(from, sizeof from, "site/%s", name);
		(void)snprintf(to, sizeof to, "%s/%s", who, name);
		if (copy_file(st, from, to, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int start_server(struct lie *l, const char *site)
{
	const char *const serve[] = {"serve", "-d", site, "-l", "127.0.0.1:0", "--enhanced", NULL};

	l->st.server_pid = lab_start(&l->st, "server", serve, l->s->e);
	return l->st.server_pid < 0 ? -1
				    : lab_await_listening(&l->st, "server", &l->st.server_pid,
					      l->st.server, l->s->e);
}

int lying_open(struct lie *l)
{
	struct lab_stage *st = &l->st;
	struct err *e = l->s->e;
	char site[LAB_PATH_MAX];
	const char *const keygen[] = {"keygen", "-d", site, "--only", "x25519", "server", people[0],
		people[1], people[2], NULL};

	*st = (struct lab_stage){.keep = true, .dialect = l->s->st->dialect};
	if (snprintf(st->dir, sizeof st->dir, "%s/%s", l->s->st->dir, l->s->name) >=
		(int)sizeof st->dir) {
		return err_set(e, EX_CANTCREAT, "the path of the lab's folder is too long");
	}
	lab_path(st, "site", site);
	if (lab_make_folder(st, "", e) != 0 || lab_make_folder(st, "site", e) != 0 ||
		lab_write(st, "site/user_pass.json",
			"{\"alice\": {}, \"bob\": {}, \"carol\": {}}\n", e) != 0 ||
		lab_write(st, "letter", LAB_CONTENT, e) != 0) {
		return -1;
	}
	if (lab_run_applet(st, "keygen", keygen, NULL, e) != 0) {
		return err_set(e, EX_SOFTWARE, "cannot make the keys of %s", st->dir);
	}
	for (size_t i = 0; i < PEOPLE; i++) {
		if (make_home(st, people[i], e) != 0) {
			return -1;
		}
	}
	return start_server(l, site);
}

void lying_close(struct lie *l)
{
	lab_close(&l->st);
}

/* --- what members do --- */

int lying_as(struct lie *l, const char *who, const char *name, const char *const args[LYING_ARGS])
{
	char keys[LAB_PATH_MAX];
	const char *all[LAB_ARGS_MAX] = {
		args[0], "--enhanced", "-s", l->st.server, "-u", who, "-k", keys};

	lab_path(&l->st, who, keys);
	for (size_t i = 1, n = 8; i < LYING_ARGS && args[i] != NULL; i++) {
		all[n++] = args[i];
	}
	return lab_run_applet(&l->st, name, all, NULL, l->s->e);
}

int lying_must(struct lie *l, const char *who, const char *name, const char *const args[LYING_ARGS])
{
	int code = lying_as(l, who, name, args);

	return code <= 0 ? code
			 : err_set(l->s->e, EX_SOFTWARE, "%s cannot %s (exit %d): see %s/%s.err",
				   who, args[0], code, l->st.dir, name);
}

int lying_send(struct lie *l)
{
	char letter[LAB_PATH_MAX];
	const char *const args[LYING_ARGS] = {
		"send", "-t", "bob", "--title", l->s->title, letter, l->sealed ? "--seal" : NULL};

	lab_path(&l->st, "letter", letter);
	return lying_must(l, "alice", "send", args);
}

int lying_say(struct lie *l)
{
	const char *const args[LYING_ARGS] = {"chat", "--send", "bob", LAB_CONTENT};

	return lying_must(l, "alice", "say", args);
}

int lying_meet(struct lie *l)
{
	static const char *const status[LYING_ARGS] = {"chat", "--status"};

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < PEOPLE; i++) {
			if (lying_must(l, people[i], "meet", status) != 0) {
				return -1;
			}
		}
	}
	return 0;
}

int lying_hear(struct lie *l, const char *who)
{
	static const char *const wait[LYING_ARGS] = {"chat", "--wait", "--timeout", "5"};

	return lying_as(l, who, "hear", wait);
}

/* --- what the server does, in its folder --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void look_once(struct lie *l, const char *path, const char *with)
{
	DIR *d = opendir(path);
	const struct dirent *entry;

	l->n = 0;
	while (d != NULL && l->n < LYING_FILES && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.' && strstr(entry->d_name, with) != NULL) {
			(void)snprintf(l->files[l->n++], sizeof l->files[0], "%s", entry->d_name);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	qsort(l->files, l->n, sizeof l->files[0], by_text);
}

int lying_look(struct lie *l, const char *folder, const char *with, size_t n)
{
	char path[LAB_PATH_MAX];

	lab_path(&l->st, folder, path);
	for (int i = 0; i < LOOKS; i++) {
		look_once(l, path, with);
		if (l->n >= n) {
			return 0;
		}
		if (lab_nap(l->s->e) != 0) {
			return -1;
		}
	}
	return err_set(l->s->e, EX_SOFTWARE, "there are no %zu messages in %s", n, path);
}

int lying_copy(struct lie *l, const char *folder, const char *name, const char *to_folder,
	const char *to_name)
{
	char from[LAB_TEXT], aside[LAB_TEXT], to[LAB_TEXT], old[LAB_PATH_MAX], new[LAB_PATH_MAX];

	(void)snprintf(from, sizeof from, "%s/%s", folder, name);
	(void)snprintf(aside, sizeof aside, "%s/.copy", to_folder);
	(void)snprintf(to, sizeof to, "%s/%s", to_folder, to_name);
	lab_path(&l->st, aside, old);
	lab_path(&l->st, to, new);
	if (copy_file(&l->st, from, aside, l->s->e) != 0) {
		return -1;
	}
	return rename(old, new) == 0 ? 0 : err_sys(l->s->e, EX_IOERR, "cannot write %s", new);
}

int lying_settled(struct lie *l)
{
	char path[LAB_PATH_MAX];

	lab_path(&l->st, "site/.journal", path);
	for (int i = 0; i < LOOKS; i++) {
		look_once(l, path, "0000"); /* a segment: its number, in 16 hexadecimal digits */
		if (l->n == 0) {
			return 0;
		}
		if (lab_nap(l->s->e) != 0) {
			return -1;
		}
	}
	return err_set(l->s->e, EX_SOFTWARE, "%s is not settled", path);
}

int lying_drop(struct lie *l, const char *folder, const char *name)
{
	char file[LAB_TEXT], path[LAB_PATH_MAX];

	(void)snprintf(file, sizeof file, "%s/%s", folder, name);
	lab_path(&l->st, file, path);
	return unlink(path) == 0 ? 0 : err_sys(l->s->e, EX_IOERR, "cannot remove %s", path);
}
