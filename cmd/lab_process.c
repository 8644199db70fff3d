/* The lab's processes: this program's own applets, run as they are in real life, in processes of
 * their own, which end with the lab; see lab.h. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lab.h"

typedef int applet(int argc, char **argv);
applet serve_main, keygen_main, user_main, send_main, inbox_main, read_main, sendmail_main,
	mitm_main, ft_main, ftserve_main, seal_main, chat_main;

static const struct {
	const char *name;
	applet *run;
} applets[] = {{"serve", serve_main}, {"keygen", keygen_main}, {"user", user_main},
	{"send", send_main}, {"inbox", inbox_main}, {"read", read_main},
	{"sendmail", sendmail_main}, {"ft", ft_main}, {"ftserve", ftserve_main},
	{"mitm", mitm_main}, {"seal", seal_main}, {"chat", chat_main},
	{"naive-server", lab_naive_server}, {"naive-client", lab_naive_client}};

enum { LOOK_MS = LAB_LOOK_MS };

/* --- signals: the lab is to leave nothing behind --- */

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction sa = {.sa_handler = handler};

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(number, &sa, NULL);
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

void lab_catch(void)
{
	handle(SIGCHLD, SIG_DFL); /* a caller may have left it ignored */
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		handle(ends[i], on_signal);
	}
}

int lab_nap(struct err *e)
{
	(void)poll(NULL, 0, LOOK_MS);
	return caught == 0 ? 0 : err_set(e, 128 + caught, "stopped by signal %d", (int)caught);
}

/* --- processes --- */

static applet *find(const char *name)
{
	for (size_t i = 0; i < sizeof applets / sizeof applets[0]; i++) {
		if (strcmp(applets[i].name, name) == 0) {
			return applets[i].run;
		}
	}
	return NULL;
}

/* The child's life: output into the folder, nothing of the caller's configuration. */
static void become(const struct lab_stage *st, const char *name, const char *const *args)
{
	static const char *const variables[] = {
		"SMTP361_SERVER", "SMTP361_USER", "SMTP361_PASSWORD_FILE", "XDG_CONFIG_HOME"};
	char *argv[LAB_ARGS_MAX + 1], path[LAB_PATH_MAX];
	const char *const outputs[] = {"out", "err"};
	int argc = 0;

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		handle(ends[i], SIG_DFL);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* where the lab is killed */

	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
		(void)unsetenv(variables[i]);
	}
	(void)setenv("HOME", st->dir, 1);
	for (int i = 0; i < 2; i++) {
		char file[64];
		(void)snprintf(file, sizeof file, "%s.%s", name, outputs[i]);
		lab_path(st, file, path);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
		if (fd < 0 || dup2(fd, i + 1) < 0) {
			_exit(EX_CANTCREAT);
		}
		(void)close(fd);
	}
	(void)close(STDIN_FILENO);
	(void)open("/dev/null", O_RDONLY);
	for (; args[argc] != NULL && argc < LAB_ARGS_MAX; argc++) {
		argv[argc] = strdup(args[argc]);
	}
	argv[argc] = NULL;
	exit(find(args[0])(argc, argv));
}

pid_t lab_start(
	const struct lab_stage *st, const char *name, const char *const *args, struct err *e)
{
	static const char *const outputs[] = {"out", "err"};
	char file[64], path[LAB_PATH_MAX];
	pid_t pid;

	for (int i = 0; i < 2; i++) { /* what an earlier one said is not this one's */
		(void)snprintf(file, sizeof file, "%s.%s", name, outputs[i]);
		lab_path(st, file, path);
		(void)unlink(path);
	}
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		become(st, name, args);
	}
	if (pid < 0) {
		err_sys(e, EX_OSERR, "cannot fork");
	}
	return pid;
}

static int status_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int lab_await(pid_t pid, int ms)
{
	int status = 0, waited = 0;
	pid_t rc;

	while ((rc = waitpid(pid, &status, WNOHANG)) == 0) {
		if (waited >= ms) {
			(void)kill(pid, SIGKILL);
			rc = waitpid(pid, &status, 0);
			break;
		}
		(void)poll(NULL, 0, LOOK_MS);
		waited += caught == 0 ? LOOK_MS : ms;
	}
	return rc == pid ? status_code(status) : -1;
}

int lab_run_applet(const struct lab_stage *st, const char *name, const char *const *args,
	struct buf *out, struct err *e)
{
	char file[64];
	pid_t pid = lab_start(st, name, args, e);
	int code;

	if (pid < 0) {
		return -1;
	}
	code = lab_await(pid, LAB_CLIENT_MS);
	if (code < 0) {
		return err_set(e, EX_OSERR, "cannot wait for %s", args[0]);
	}
	if (lab_nap(e) != 0) {
		return -1;
	}
	(void)snprintf(file, sizeof file, "%s.out", name);
	if (out != NULL) {
		out->n = 0;
		code = lab_read(st, file, out, e) == 0 && buf_append(out, "", 1) == 0 ? code : -1;
	}
	return code;
}
