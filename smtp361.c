/* smtp361: one binary, many applets. This file holds the table of applets and the dispatch; each
 * applet lives in cmd/. Adding one is a row here and a file there. */
#include <errno.h>
#include <limits.h>

#include "cmd/cli.h"

/* name, also called as, what it does */
#define APPLETS                                                                        \
	APPLET(serve, "server", "run the server: mailboxes for a closed group")        \
	APPLET(client, NULL, "talk to the server by menu")                             \
	APPLET(send, NULL, "send messages from files, stdin or $EDITOR")               \
	APPLET(sendmail, NULL, "send a message from a program, as sendmail does")      \
	APPLET(queue, NULL, "show and flush what sendmail could not send yet")         \
	APPLET(inbox, NULL, "list your messages, or wait for the next")                \
	APPLET(read, NULL, "print one message")                                        \
	APPLET(delete, NULL, "remove messages from your mailbox")                      \
	APPLET(chat, NULL, "talk with others, end to end, forward secret")             \
	APPLET(put, NULL, "put a file on the server, and hand it to others")           \
	APPLET(get, NULL, "get a file of yours from the server")                       \
	APPLET(ls, NULL, "list your files on the server")                              \
	APPLET(rm, NULL, "remove files of yours from the server")                      \
	APPLET(join, NULL, "accept an invitation: keys, account, configuration")       \
	APPLET(keygen, "key_generator", "make key pairs for the server and its users") \
	APPLET(members, NULL, "whose keys you know, and what the server says of them") \
	APPLET(verify, NULL, "compare keys with another member, by a short code")      \
	APPLET(user, NULL, "invite, add, change, shut out and list accounts")          \
	APPLET(export, NULL, "write mailboxes as mbox files or Maildirs")              \
	APPLET(import, NULL, "put mbox files and Maildirs into mailboxes")             \
	APPLET(check, NULL, "look whether everything that is stored is whole")         \
	APPLET(atrest, NULL, "encrypt the mail in the server's folder, or decrypt it") \
	APPLET(seal, NULL, "encrypt a file to others, as an age file")                 \
	APPLET(unseal, NULL, "open a file that was sealed to you")                     \
	APPLET(ft, NULL, "read and write files of a file server by a shared key")      \
	APPLET(ftserve, NULL, "serve a folder of files to who has the key")            \
	APPLET(mitm, NULL, "stand between a client and a server, listen and attack")   \
	APPLET(lab, NULL, "run every attack, and show which protocol holds")

#define APPLET(name, alias, line) int name##_main(int argc, char **argv);
APPLETS
#undef APPLET

static const struct applet {
	const char *name, *alias, *line;
	int (*run)(int argc, char **argv);
} applets[] = {
#define APPLET(name, alias, line) {#name, alias, line, name##_main},
	APPLETS
#undef APPLET
};

enum { APPLETS_N = sizeof applets / sizeof applets[0] };

static const char help[] =
	"usage: smtp361 [--enhanced] APPLET [OPTIONS]\n"
	"\n"
	"Secure mail for a closed group, in one binary. `smtp361 APPLET --help` tells more.\n"
	"\n";

static const char help_end[] = "\n"
			       "  --list         print the applets' names\n"
			       "  --install DIR  make a symlink for each applet in DIR\n"
			       "  --version      print the version\n"
			       "  --enhanced     use the enhanced protocol, and no other\n";

static const struct applet *find_applet(const char *name)
{
	for (size_t i = 0; i < APPLETS_N; i++) {
		if (strcmp(name, applets[i].name) == 0 ||
			(applets[i].alias != NULL && strcmp(name, applets[i].alias) == 0)) {
			return &applets[i];
		}
	}
	return NULL;
}

/* By the name of a symlink: "send", "server", "smtp361-send". */
static const struct applet *find_by_link(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;

	return find_applet(strncmp(name, "smtp361-", 8) == 0 ? name + 8 : name);
}

static void print_applets(FILE *to)
{
	for (size_t i = 0; i < APPLETS_N; i++) {
		(void)fprintf(to, "  %-10s %s\n", applets[i].name, applets[i].line);
	}
}

static int finish(int code)
{
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		(void)fprintf(stderr, "smtp361: cannot write to standard output\n");
		return EX_IOERR;
	}
	return code;
}

static int print_help(void)
{
	(void)fputs(help, stdout);
	print_applets(stdout);
	(void)fputs(help_end, stdout);
	return finish(EX_OK);
}

static int print_list(void)
{
	for (size_t i = 0; i < APPLETS_N; i++) {
		(void)printf("%s\n", applets[i].name);
	}
	return finish(EX_OK);
}

static int make_link(const char *target, const char *dir, const char *prefix, const char *name)
{
	char path[PATH_MAX], there[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s%s", dir, prefix, name) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
	} else if (symlink(target, path) == 0) {
		return EX_OK;
	} else if (errno == EEXIST) {
		ssize_t n = readlink(path, there, sizeof there);
		if (n == (ssize_t)strlen(target) && memcmp(there, target, (size_t)n) == 0) {
			return EX_OK;
		}
		errno = EEXIST;
	}
	(void)fprintf(stderr, "smtp361: cannot make the symlink %s: %s\n", path, strerror(errno));
	return EX_CANTCREAT;
}

/* Symlinks by each name that the dispatch knows. What exists and is another file is left alone. */
static int install(const char *dir, const char *argv0)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int rc = EX_OK;

	self[n > 0 ? n : 0] = '\0';
	if (n <= 0 && (strchr(argv0, '/') == NULL || realpath(argv0, self) == NULL)) {
		(void)fprintf(stderr, "smtp361: cannot find this program's own path without /proc: "
				      "call it by its path\n");
		return EX_OSERR;
	}
	for (size_t i = 0; i < APPLETS_N && rc == EX_OK; i++) {
		rc = make_link(self, dir, "", applets[i].name);
		rc = rc == EX_OK ? make_link(self, dir, "smtp361-", applets[i].name) : rc;
		if (rc == EX_OK && applets[i].alias != NULL) {
			rc = make_link(self, dir, "", applets[i].alias);
		}
	}
	return rc;
}

static int misuse(const char *why, const char *what)
{
	char shown[200];

	(void)escape_text(shown, sizeof shown, what, strlen(what), false);
	(void)fprintf(stderr, "smtp361: %s%s\n%.*s\nThe applets are:\n", why, shown,
		(int)strcspn(help, "\n"), help);
	print_applets(stderr);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	static char enhanced[] = "--enhanced";
	const struct applet *a = argc > 0 ? find_by_link(argv[0]) : NULL;
	bool ahead;

	if (a != NULL) {
		return a->run(argc, argv);
	}
	if (argc < 2) {
		return misuse("no applet is named", "");
	}
	ahead = strcmp(argv[1], enhanced) == 0; /* an option of whichever applet follows */
	if (ahead && argc < 3) {
		return misuse("no applet is named behind ", enhanced);
	}
	a = find_applet(argv[ahead ? 2 : 1]);
	if (a != NULL && ahead) {
		argv[1] = argv[2];
		argv[2] = enhanced;
	}
	if (a != NULL) {
		return a->run(argc - 1, argv + 1);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		return print_help();
	}
	if (strcmp(argv[1], "--list") == 0) {
		return print_list();
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("smtp361 " SMTP361_VERSION "\n");
		return finish(EX_OK);
	}
	if (strcmp(argv[1], "--install") == 0) {
		return argc == 3 && argv[2][0] != '\0' ? install(argv[2], argv[0])
						       : misuse("--install takes a folder", "");
	}
	return misuse("there is no applet or option ", argv[ahead ? 2 : 1]);
}
