/* The lab's stage: a private folder, a server and clients in it, a relay between them; see
 * lab.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../crypto/file.h"
#include "../store/filename.h"
#include "lab.h"

enum { WAIT_MS = 60000, LOOK_MS = LAB_LOOK_MS, FILE_MAX = 16 << 20 };

/* --- files --- */

void lab_path(const struct lab_stage *st, const char *file, char out[static LAB_PATH_MAX])
{
	(void)snprintf(out, LAB_PATH_MAX, "%s/%s", st->dir, file);
}

int lab_read(const struct lab_stage *st, const char *file, struct buf *out, struct err *e)
{
	char path[LAB_PATH_MAX];

	lab_path(st, file, path);
	return file_read(AT_FDCWD, path, FILE_MAX, out, NULL, e);
}

int lab_write_bytes(
	const struct lab_stage *st, const char *file, const void *p, size_t n, struct err *e)
{
	char path[LAB_PATH_MAX];
	int fd;

	lab_path(st, file, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || file_write_all(fd, p, n) != 0) {
		err_sys(e, EX_CANTCREAT, "cannot write %s", path);
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	return close(fd) == 0 ? 0 : err_sys(e, EX_CANTCREAT, "cannot write %s", path);
}

int lab_write(const struct lab_stage *st, const char *file, const char *text, struct err *e)
{
	return lab_write_bytes(st, file, text, strlen(text), e);
}

size_t lab_count_in(const struct lab_stage *st, const char *file, const char *text)
{
	struct buf all = {0};
	struct err ignored;
	size_t count = 0;

	if (lab_read(st, file, &all, &ignored) == 0 && buf_append(&all, "", 1) == 0) {
		for (const char *p = (const char *)all.p; (p = strstr(p, text)) != NULL; p++) {
			count++;
		}
	}
	buf_free(&all);
	return count;
}

bool lab_is_stolen(
	const struct lab_stage *st, const char *from, const char *title, const char *content)
{
	char name[FILENAME_MAX_BYTES + 1], file[FILENAME_MAX_BYTES + 8];

	filename_make(name, from, title, 1);
	(void)snprintf(file, sizeof file, "loot/%s", name);
	return lab_count_in(st, file, content) == 1;
}

/* Remove a folder and what is in it; no link is followed. */
static void remove_tree(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		(void)unlinkat(at, name, 0);
		if (fd >= 0) {
			(void)close(fd);
		}
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			remove_tree(fd, entry->d_name);
		}
	}
	(void)closedir(d);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

int lab_client(const struct lab_stage *st, const char *name, const char *user, bool enhanced,
	bool relayed, const char *const *args, struct buf *out, struct err *e)
{
	char keys[LAB_PATH_MAX], password[LAB_PATH_MAX], file[64];
	const char *all[LAB_ARGS_MAX + 1];
	size_t n = 0;

	lab_path(st, "site", keys);
	(void)snprintf(file, sizeof file, "%s.password", user);
	lab_path(st, file, password);
	all[n++] = args[0];
	all[n++] = enhanced ? "--enhanced" : "--classic";
	all[n++] = "-s";
	all[n++] = relayed ? st->relay : st->server;
	all[n++] = "-u";
	all[n++] = user;
	all[n++] = "-k";
	all[n++] = keys;
	all[n++] = "--password-file";
	all[n++] = password;
	if (!enhanced) {
		all[n++] = "--dialect";
		all[n++] = st->dialect->name;
	}
	for (size_t i = 1; args[i] != NULL && n < LAB_ARGS_MAX; i++) {
		all[n++] = args[i];
	}
	all[n] = NULL;
	return lab_run_applet(st, name, all, out, e);
}

/* The address of "Listening on ADDR:PORT" in a file, if it is there, with this behind it. */
static bool find_address(
	const struct lab_stage *st, const char *file, const char *behind, char address[static 64])
{
	static const char lead[] = "Listening on ";
	struct buf text = {0};
	const char *line = NULL;
	struct err ignored;
	bool found = false;

	if (lab_read(st, file, &text, &ignored) == 0 && buf_append(&text, "", 1) == 0) {
		line = (const char *)text.p;
	}
	while (!found && line != NULL && (line = strstr(line, lead)) != NULL) {
		size_t n = strcspn(line += strlen(lead), " \n");
		found = strncmp(line + n, behind, strlen(behind)) == 0;
		if (found) {
			(void)snprintf(address, 64, "%.*s", (int)n, line);
		}
	}
	buf_free(&text);
	return found;
}

/* The same, as soon as it is there. */
static int await_address(const struct lab_stage *st, const char *name, pid_t *pid,
	const char *behind, char address[static 64], struct err *e)
{
	char file[64];

	(void)snprintf(file, sizeof file, "%s.err", name);
	for (int ms = 0; ms < WAIT_MS; ms += LOOK_MS) {
		if (find_address(st, file, behind, address)) {
			return 0;
		}
		if (waitpid(*pid, NULL, WNOHANG) != 0) {
			*pid = 0;
			break;
		}
		if (lab_nap(e) != 0) {
			return -1;
		}
	}
	err_set(e, EX_SOFTWARE, "%s did not begin to listen", name);
	return err_hint(e, "with -d DIR, %s there says why", file);
}

int lab_await_listening(const struct lab_stage *st, const char *name, pid_t *pid,
	char address[static 64], struct err *e)
{
	return await_address(st, name, pid, "\n", address, e);
}

/* --- the stage --- */

static const char *const users[] = {"alice", "bob", "carol"};
static const char accounts[] = "{\"alice\": \"" LAB_PASSWORD "\", \"bob\": \"" LAB_PASSWORD
			       "\", \"carol\": \"" LAB_PASSWORD "\"}\n";

static int make_keys(const struct lab_stage *st, const char *site, struct err *e)
{
	const char *const keygen[] = {
		"keygen", "-d", site, "server", users[0], users[1], users[2], NULL};
	char file[64], key[LAB_PATH + 128];
	int code = lab_run_applet(st, "keygen", keygen, NULL, e);

	for (size_t i = 0; code == 0 && i < 3; i++) {
		const char *const args[] = {"user", "-d", site, "key", users[i], key, NULL};
		(void)snprintf(key, sizeof key, "%s/%s_x25519_public.pem", site, users[i]);
		(void)snprintf(file, sizeof file, "%s.password", users[i]);
		code = lab_write(st, file, LAB_PASSWORD "\n", e) != 0
			       ? -1
			       : lab_run_applet(st, "user", args, NULL, e);
	}
	return code > 0 ? err_set(e, EX_SOFTWARE, "cannot make the lab's keys (exit %d)", code)
			: code;
}

/* What the attacker says to an SMTP server: a login as carol, and a mail to her, whose text the
 * victim writes. */
static int write_commands(const struct lab_stage *st, struct err *e)
{
	char secret[64], base64[2 * sizeof secret], commands[1024];
	int n = snprintf(secret, sizeof secret, "%ccarol%c%s", '\0', '\0', LAB_PASSWORD);

	(void)base64_padded_encode(base64, secret, (size_t)n);
	(void)snprintf(commands, sizeof commands,
		"EHLO carol\nAUTH PLAIN %s\nMAIL FROM:<carol@localhost>\n"
		"RCPT TO:<carol@localhost>\nDATA\n",
		base64);
	return lab_write(st, "commands", commands, e);
}

/* For SMTP: a certificate, and alice's opting in to a login by CRAM-MD5. */
static int prepare_smtp(const struct lab_stage *st, const char *site, struct err *e)
{
	char password[LAB_PATH_MAX];
	const char *const keygen[] = {"keygen", "-d", site, "--tls", "127.0.0.1", NULL};
	const char *const user[] = {"user", "-d", site, "smtp", "alice", "--cram-md5", "--scram",
		"--password-file", password, NULL};
	int code = lab_run_applet(st, "keygen", keygen, NULL, e);

	lab_path(st, "alice.password", password);
	code = code == 0 ? lab_run_applet(st, "user", user, NULL, e) : code;
	code = code == 0 ? write_commands(st, e) : code;
	return code > 0 ? err_set(e, EX_SOFTWARE, "cannot prepare SMTP (exit %d)", code) : code;
}

static int start_server(struct lab_stage *st, const char *site, struct err *e)
{
	const char *const serve[] = {"serve", "-d", site, "-l", "127.0.0.1:0", "--smtp",
		"127.0.0.1:0", "--dialect", st->dialect->name, NULL};

	st->server_pid = lab_start(st, "server", serve, e);
	if (st->server_pid < 0 ||
		await_address(st, "server", &st->server_pid, "\n", st->server, e) != 0) {
		return -1;
	}
	return await_address(st, "server", &st->server_pid, " for SMTP\n", st->door, e);
}

int lab_start_naive(struct lab_stage *st, struct err *e)
{
	char site[LAB_PATH_MAX], folder[LAB_PATH_MAX];
	const char *const args[] = {"naive-server", site, folder, NULL};

	lab_path(st, "site", site);
	lab_path(st, "naive", folder);
	st->naive_pid = lab_start(st, "naive", args, e);
	st->target = st->naive;
	return st->naive_pid < 0 ? -1
				 : lab_await_listening(st, "naive", &st->naive_pid, st->naive, e);
}

int lab_start_ft(struct lab_stage *st, struct err *e)
{
	char folder[LAB_PATH_MAX], key[LAB_PATH_MAX], source[LAB_PATH_MAX + 8];
	const char *const args[] = {
		"ftserve", "127.0.0.1:0", source, "-d", folder, "--allow", "aes256", NULL};

	lab_path(st, "ft", folder);
	lab_path(st, "ft.key", key);
	(void)snprintf(source, sizeof source, "file:%s", key);
	st->ft_pid = lab_start(st, "ftserve", args, e);
	return st->ft_pid < 0 ? -1 : lab_await_listening(st, "ftserve", &st->ft_pid, st->files, e);
}

int lab_make_folder(const struct lab_stage *st, const char *name, struct err *e)
{
	char path[LAB_PATH_MAX];

	lab_path(st, name, path);
	return mkdir(path, 0700) == 0 || errno == EEXIST
		       ? 0
		       : err_sys(e, EX_CANTCREAT, "cannot make %s", path);
}

int lab_open(
	struct lab_stage *st, const char *dir, const struct classic_dialect *dialect, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char site[LAB_PATH_MAX];

	lab_catch();
	*st = (struct lab_stage){.keep = dir != NULL, .dialect = dialect};
	if (dir == NULL) {
		(void)snprintf(st->dir, sizeof st->dir, "%s/smtp361-lab.XXXXXX",
			tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
		if (mkdtemp(st->dir) == NULL) {
			st->dir[0] = '\0';
			return err_sys(e, EX_CANTCREAT, "cannot make a folder in %s",
				tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
		}
	} else {
		(void)snprintf(st->dir, sizeof st->dir, "%s", dir);
		if (mkdir(dir, 0700) != 0) { /* an old lab's would mix with this one */
			err_sys(e, EX_CANTCREAT, "cannot make %s", dir);
			st->dir[0] = '\0';
			return -1;
		}
	}
	lab_path(st, "site", site);
	return lab_make_folder(st, "site", e) != 0 || lab_make_folder(st, "loot", e) != 0 ||
			       lab_make_folder(st, "mail", e) != 0 ||
			       lab_make_folder(st, "naive", e) != 0 ||
			       lab_make_folder(st, "ft", e) != 0 ||
			       lab_write(st, "site/user_pass.json", accounts, e) != 0 ||
			       make_keys(st, site, e) != 0 || prepare_smtp(st, site, e) != 0 ||
			       start_server(st, site, e) != 0
		       ? -1
		       : 0;
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGTERM);
		(void)lab_await(*pid, WAIT_MS);
	}
	*pid = 0;
}

void lab_close(struct lab_stage *st)
{
	stop(&st->relay_pid);
	stop(&st->naive_pid);
	stop(&st->ft_pid);
	stop(&st->server_pid);
	if (!st->keep && st->dir[0] != '\0') {
		remove_tree(AT_FDCWD, st->dir);
	}
}

/* --- the attacker --- */

int lab_attack(struct lab_stage *st, const struct mitm_attack *a, bool enhanced, struct err *e)
{
	char site[LAB_PATH_MAX], loot[LAB_PATH_MAX], files[3][LAB_PATH_MAX];
	char name[sizeof st->relay_out - 4];
	const char *args[LAB_ARGS_MAX] = {"mitm", "--json", "--hex", "-v", "-l", "127.0.0.1:0",
		"--to", st->target, "-d", loot, "-k", site, "--victim", "alice", "--stolen",
		"alice", "--stolen", "server", "--dialect", st->dialect->name, "--inject", files[0],
		a->name};
	size_t n = 0;

	lab_path(st, "site", site);
	lab_path(st, "loot", loot);
	lab_path(st, "commands", files[0]);
	lab_path(st, "ft.file", files[1]);
	lab_path(st, "ft.words", files[2]);
	while (args[n] != NULL) {
		n++;
	}
	if (a->ft) {
		const char *const more[] = {
			"--known", files[1], "--words", files[2], "--forge", LAB_FORGED};
		memcpy(args + n, more, sizeof more);
		n += sizeof more / sizeof more[0];
	}
	args[n] = enhanced && a->permissive == NULL ? "--enhanced" : NULL;
	(void)snprintf(name, sizeof name, "relay-%s-%s", a->name, lab_wire(a, enhanced));
	(void)snprintf(st->relay_out, sizeof st->relay_out, "%s.out", name);
	st->relay_pid = lab_start(st, name, args, e);
	return st->relay_pid < 0 ? -1 : lab_await_listening(st, name, &st->relay_pid, st->relay, e);
}

static char *copy_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return strdup(text == NULL ? "" : text);
}

static void take_line(struct lab_run *run, const json_t *o)
{
	const char *who = json_string_value(json_object_get(o, "who"));
	const char *word = json_string_value(json_object_get(o, "text"));

	if (json_is_true(json_object_get(o, "ended"))) {
		run->ended++;
	} else if (word != NULL) {
		run->results++;
		run->wins += json_is_true(json_object_get(o, "won")) ? 1 : 0;
		(void)snprintf(run->word, sizeof run->word, "%s", word);
	} else if (who != NULL) {
		if (run->said_n < LAB_SAID_MAX) {
			struct lab_said *s = &run->said[run->said_n++];
			(void)snprintf(s->who, sizeof s->who, "%s", who);
			s->connection =
				(unsigned)json_integer_value(json_object_get(o, "connection"));
			s->bytes = (size_t)json_integer_value(json_object_get(o, "bytes"));
			s->what = copy_text(o, "what");
			s->hex = copy_text(o, "hex");
		}
	}
}

void lab_run_free(struct lab_run *run)
{
	for (size_t i = 0; i < run->said_n; i++) {
		free(run->said[i].what);
		free(run->said[i].hex);
	}
	run->said_n = 0;
	run->ended = run->results = run->wins = 0;
}

static int read_relay(const struct lab_stage *st, struct lab_run *run, struct err *e)
{
	struct buf all = {0};
	struct cursor c;
	const uint8_t *line;
	size_t n;

	lab_run_free(run);
	if (lab_read(st, st->relay_out, &all, e) != 0) {
		buf_free(&all);
		return -1;
	}
	c = cursor_over(all.p, all.n);
	while (get_line(&c, &line, &n)) {
		json_t *o = json_loadb((const char *)line, n, 0, NULL);
		take_line(run, o);
		json_decref(o);
	}
	buf_free(&all);
	return 0;
}

int lab_stop_attack(struct lab_stage *st, unsigned connections, unsigned results,
	struct lab_run *run, struct err *e)
{
	int rc = 0;

	for (int ms = 0; rc == 0 && ms < WAIT_MS; ms += LOOK_MS) {
		rc = read_relay(st, run, e);
		if (run->ended >= connections && run->results >= results) {
			break;
		}
		rc = rc == 0 ? lab_nap(e) : rc;
	}
	stop(&st->relay_pid);
	rc = rc == 0 ? read_relay(st, run, e) : -1;
	return rc == 0 && (run->ended < connections || run->results < results)
		       ? err_set(e, EX_SOFTWARE,
				 "the attack did not come about; with -d DIR, %s there "
				 "has what was said",
				 st->relay_out)
		       : rc;
}
