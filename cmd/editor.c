/* Content that a person writes in an editor; see content.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "content.h"

/* The child: the editor, by the shell as every program does it ("$EDITOR" may hold arguments), with
 * the signals as they were before this program set them. */
static void become_editor(const char *command, const char *path)
{
	struct sigaction ordinary = {.sa_handler = SIG_DFL};

	(void)sigaction(SIGINT, &ordinary, NULL);
	(void)sigaction(SIGQUIT, &ordinary, NULL);
	(void)sigaction(SIGPIPE, &ordinary, NULL);
	(void)execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
	_exit(127);
}

static int run_editor(const char *editor, const char *path, struct err *e)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, on_int, on_quit;
	char command[4096];
	int status = 0;
	pid_t pid;

	/* exec, so that no shell stands between and takes the Ctrl-C; "A=b editor" cannot be
	 * exec'ed */
	if (snprintf(command, sizeof command, "%s%s \"$1\"",
		    strchr(editor, '=') == NULL ? "exec " : "", editor) >= (int)sizeof command) {
		return err_set(e, EX_USAGE, "$EDITOR is too long");
	}
	/* Ctrl-C belongs to the editor while it runs, as with system(3) */
	(void)sigaction(SIGINT, &ignore, &on_int);
	(void)sigaction(SIGQUIT, &ignore, &on_quit);
	pid = fork();
	if (pid == 0) {
		become_editor(command, path);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			pid = -1;
		}
	}
	(void)sigaction(SIGINT, &on_int, NULL);
	(void)sigaction(SIGQUIT, &on_quit, NULL);
	if (pid < 0) {
		return err_sys(e, EX_OSERR, "cannot run the editor %s", editor);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		return err_set(e, EX_UNAVAILABLE, "the editor %s failed; nothing was sent", editor);
	}
	return 0;
}

/* Nothing was written: there is nothing to keep. */
static bool is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0;
}

int content_from_editor(
	struct content *c, uint64_t max_chars, char kept[static FILE_PATH_MAX], struct err *e)
{
	const char *editor = getenv("VISUAL");
	int fd, rc;

	editor = editor != NULL && editor[0] != '\0' ? editor : getenv("EDITOR");
	if (editor == NULL || editor[0] == '\0') {
		err_set(e, EX_USAGE, "no content is given");
		return err_hint(e, "name a file, pipe it in, or set $EDITOR");
	}
	fd = file_temporary(kept);
	if (fd < 0) {
		err_sys(e, EX_CANTCREAT, "cannot create %s", kept);
		kept[0] = '\0';
		return -1;
	}
	(void)close(fd);
	rc = run_editor(editor, kept, e);
	bool given_up = rc != 0 && is_empty(kept);
	rc = rc == 0 ? content_open(c, kept, max_chars, e) : rc;
	if (rc == 0 && c->bytes == 0) {
		given_up = true;
		rc = err_set(e, EX_DATAERR, "the content is empty; nothing was sent");
	}
	if (given_up) {
		(void)unlink(kept);
		kept[0] = '\0';
	}
	return rc;
}
