/* Runs a command and stands between it, with all its children, and the kernel: each system call
 * asks here first (seccomp's user notification: Linux 5.6). At the calls that a plan names, it
 * fails with an error, comes up short, or everything dies: by SIGKILL, or as in a power cut, by the
 * shutdown of a file system under it.
 *
 *     inject FD COMMAND...
 *
 * FD is a socket. Each line that is read from it is a plan, and the first one is waited for:
 *
 *     WHOSE START CALLS FIRST LAST ACTION [ARGUMENT [ARGUMENT]]
 *
 *   WHOSE   all, or children: every process but the command's first
 *   START   now, or mark: from the command's mark on (see mark.h), and to the next one
 *   CALLS   which calls count: names with commas between, - and such names: all the others; or *
 *   FIRST LAST  the action strikes these of them, from 1; 0 for LAST: and all that follow
 *   ACTION  none; list: tell each; error NUMBER; short: half of a read or a write; kill: the
 *           process; end: all of them; cut FLAG FOLDER: the file system shuts down, then end
 *
 * It answers on the same socket: "planned behind N" to each plan, N calls having counted for the
 * one before; "call N NAME ON-WHAT" of each that was struck; at the end "calls N", and the exit
 * code, "exit CODE". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mark.h"

enum { LINE = 4096, HALF_MAX = 1 << 20, BROKEN = 125 };

static const struct {
	const char *name;
	int number;
} names[] = {
#define CALL(name) {#name, __NR_##name},
#include "calls.h"
#undef CALL
};

enum action { NONE, LIST, ERROR, SHORT, KILL, END, CUT };
static const char *const actions[] = {"none", "list", "error", "short", "kill", "end", "cut"};

static struct {
	bool children, armed;
	char start[8], calls[LINE / 2];
	unsigned long first, last, n;
	enum action action;
	int argument, folder;
} plan = {.folder = -1};

static pid_t command;
static int control;
static FILE *reports;

static void die(const char *what)
{
	(void)fprintf(stderr, "inject: cannot %s: %s\n", what, strerror(errno));
	if (command > 0) {
		(void)kill(-command, SIGKILL);
	}
	_exit(BROKEN);
}

static const char *name_of(int number)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].number == number) {
			return names[i].name;
		}
	}
	return "unknown";
}

/* --- plans --- */

static void take_plan(const char *line)
{
	char whose[16], action[16], folder[PATH_MAX] = "";
	int argument = 0;

	if (plan.folder >= 0) {
		(void)close(plan.folder);
	}
	plan.folder = -1;
	if (sscanf(line, "%15s %7s %2047s %lu %lu %15s %d %4095s", whose, plan.start, plan.calls,
		    &plan.first, &plan.last, action, &argument, folder) < 6) {
		errno = EINVAL;
		die("understand the plan");
	}
	for (plan.action = NONE; strcmp(actions[plan.action], action) != 0; plan.action++) {
		if (plan.action == CUT) {
			errno = EINVAL;
			die("understand the action");
		}
	}
	if (plan.action == CUT) {
		plan.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (plan.folder < 0) {
			die("open the file system");
		}
	}
	plan.children = strcmp(whose, "children") == 0;
	plan.armed = strcmp(plan.start, "now") == 0;
	plan.argument = argument;
	(void)fprintf(reports, "planned behind %lu\n", plan.n);
	plan.n = 0;
	(void)fflush(reports);
}

/* One plan to a line. false: nobody is there any more. */
static bool read_plan(void)
{
	char line[LINE];
	size_t n = 0;

	do {
		ssize_t k = read(control, line + n, 1);
		if (k <= 0 || ++n == sizeof line) {
			return false;
		}
	} while (line[n - 1] != '\n');
	line[n - 1] = '\0';
	take_plan(line);
	return true;
}

/* Is the name one of those with commas between? */
static bool is_named(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at++) {
		if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0')) {
			return true;
		}
	}
	return false;
}

static bool counts(const struct seccomp_notif *call)
{
	const char *name = name_of(call->data.nr);

	bool goes_on = plan.action == LIST || plan.action == ERROR || plan.action == SHORT;

	if (!plan.armed || (plan.children && (pid_t)call->pid == command) ||
		(goes_on && call->data.nr == __NR_write && call->data.args[0] == 1)) {
		return false; /* what it tells its judge is no part of what is judged */
	}
	return strcmp(plan.calls, "*") == 0 ||
	       (plan.calls[0] == '-' ? !is_named(plan.calls + 1, name)
				     : is_named(plan.calls, name));
}

/* --- what a call is about --- */

static bool takes_path(const char *name)
{
	return is_named("openat,linkat,unlinkat,renameat,renameat2,mkdirat,newfstatat,faccessat,"
			"faccessat2,symlinkat,readlinkat,utimensat,openat2",
		name);
}

/* The path in its second argument, or what its first one, a descriptor, stands for. */
static void tell_object(const struct seccomp_notif *call, char out[static PATH_MAX])
{
	struct iovec to = {.iov_base = out, .iov_len = PATH_MAX - 1};
	struct iovec from = {.iov_base = (void *)(uintptr_t)call->data.args[1], .iov_len = 256};
	char link[64];

	memset(out, 0, PATH_MAX);
	if (takes_path(name_of(call->data.nr))) {
		if (process_vm_readv((pid_t)call->pid, &to, 1, &from, 1, 0) < 0) {
			out[0] = '\0';
		}
	} else if (call->data.args[0] < 1024) {
		(void)snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)call->pid,
			(int)call->data.args[0]);
		ssize_t n = readlink(link, out, PATH_MAX - 1);
		out[n < 0 ? 0 : n] = '\0';
	}
	for (char *p = out; *p != '\0'; p++) {
		*p = *p == '\n' ? ' ' : *p;
	}
}

/* --- striking --- */

/* Half of a read or a write, done here with the caller's own descriptor; false: it is none. */
static bool halve(const struct seccomp_notif *call, struct seccomp_notif_resp *answer)
{
	static uint8_t bytes[HALF_MAX];
	const __u64 *a = call->data.args;
	struct iovec ours = {.iov_base = bytes, .iov_len = a[2] / 2};
	struct iovec theirs = {.iov_base = (void *)(uintptr_t)a[1], .iov_len = a[2] / 2};
	int nr = call->data.nr, pidfd, fd;
	bool writes = nr == __NR_write || nr == __NR_pwrite64;
	bool placed = nr == __NR_pread64 || nr == __NR_pwrite64;
	ssize_t n;

	if ((!writes && nr != __NR_read && nr != __NR_pread64) || a[2] < 2 || a[2] / 2 > HALF_MAX) {
		return false;
	}
	pidfd = (int)syscall(SYS_pidfd_open, call->pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)a[0], 0);
	if (fd < 0 || (writes && process_vm_readv((pid_t)call->pid, &ours, 1, &theirs, 1, 0) < 0)) {
		die("take a descriptor");
	}
	if (writes) {
		n = placed ? pwrite(fd, bytes, ours.iov_len, (off_t)a[3])
			   : write(fd, bytes, ours.iov_len);
	} else {
		n = placed ? pread(fd, bytes, ours.iov_len, (off_t)a[3])
			   : read(fd, bytes, ours.iov_len);
	}
	answer->val = n;
	answer->error = n < 0 ? -errno : 0;
	ours.iov_len = theirs.iov_len = n < 0 ? 0 : (size_t)n;
	if (!writes && n > 0 && process_vm_writev((pid_t)call->pid, &ours, 1, &theirs, 1, 0) < 0) {
		die("answer a read");
	}
	(void)close(fd);
	(void)close(pidfd);
	answer->val = n < 0 ? 0 : n;
	return true;
}

static void cut(void)
{
	uint32_t flag = (uint32_t)plan.argument;

	/* of linux/fs.h, since 6.12: XFS_IOC_GOINGDOWN, which ext4 and others took over */
	if (ioctl(plan.folder, _IOR('X', 125, uint32_t), &flag) != 0) {
		die("shut the file system down");
	}
	(void)kill(-command, SIGKILL);
}

/* false: there is nothing to answer any more. */
static bool strike(const struct seccomp_notif *call, struct seccomp_notif_resp *answer)
{
	char object[PATH_MAX];

	tell_object(call, object);
	if (plan.action == SHORT && !halve(call, answer)) {
		return true; /* it goes on whole */
	}
	(void)fprintf(reports, "call %lu %s %s\n", plan.n, name_of(call->data.nr), object);
	switch (plan.action) {
	case ERROR:
		answer->error = -plan.argument;
		break;
	case KILL:
		(void)kill((pid_t)call->pid, SIGKILL);
		break;
	case END:
		(void)kill(-command, SIGKILL);
		break;
	case CUT:
		cut();
		break;
	default:
		break;
	}
	if (plan.action != LIST) {
		(void)fflush(reports);
	}
	if (plan.action == ERROR || plan.action == SHORT) {
		answer->flags = 0;
	}
	return plan.action != KILL && plan.action != END && plan.action != CUT;
}

static void answer_call(int listener)
{
	struct seccomp_notif call = {0};
	struct seccomp_notif_resp answer = {0};
	bool answers = true;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
		return; /* it died, or was interrupted and comes again */
	}
	answer.id = call.id;
	answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (call.data.nr == MARK_CALL && call.data.args[0] == MARK_ARGUMENT) {
		plan.armed = strcmp(plan.start, "mark") == 0 ? !plan.armed : plan.armed;
	} else if (counts(&call)) {
		plan.n++;
		if (plan.action != NONE && plan.n >= plan.first &&
			(plan.last == 0 || plan.n <= plan.last)) {
			answers = strike(&call, &answer);
		}
	}
	if (answers) {
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

/* --- the command --- */

static int open_filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	struct sock_fprog program = {.len = 1, .filter = &all};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return -1;
	}
	return (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* In the child, nothing can be said any more once the filter stands: the parent knows by itself
 * which number its descriptor has, the lowest free one. */
static void run_command(char *const *argv)
{
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* without its judge each of its calls would fail */
	if (open_filter() < 0) {
		_exit(BROKEN);
	}
	(void)execvp(argv[0], argv);
	_exit(BROKEN + 2); /* 127, as shells have it */
}

/* The listener's descriptor in the child closes at its exec: take it before. */
static int take_listener(int number)
{
	int pidfd = (int)syscall(SYS_pidfd_open, command, 0), fd = -1, status;

	for (int i = 0; pidfd >= 0 && fd < 0 && i < 5000; i++) {
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
		if (fd < 0 && waitpid(command, &status, WNOHANG) != 0) {
			break; /* it could have no filter, and is gone */
		}
		(void)poll(NULL, 0, fd < 0 ? 1 : 0);
	}
	(void)close(pidfd);
	return fd;
}

static void serve_calls(int listener)
{
	struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = control, .events = POLLIN}};

	while (poll(p, 2, -1) >= 0 || errno == EINTR) {
		if (p[1].revents != 0 && !read_plan()) {
			p[1].fd = -1; /* what was planned is carried on */
		}
		if ((p[0].revents & POLLIN) != 0) {
			answer_call(listener);
		} else if ((p[0].revents & (POLLHUP | POLLERR)) != 0) {
			return; /* all that were under the filter are gone */
		}
	}
	die("wait for calls");
}

int main(int argc, char **argv)
{
	int number, listener, status = 0;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: inject FD COMMAND...\n");
		return 64;
	}
	control = (int)strtol(argv[1], NULL, 10);
	(void)fcntl(control, F_SETFD, FD_CLOEXEC);
	reports = fdopen(dup(control), "w");
	/* nobody need read before the end */
	if (reports == NULL || setvbuf(reports, NULL, _IOFBF, 1 << 20) != 0 || !read_plan()) {
		die("read a plan");
	}
	(void)fcntl(fileno(reports), F_SETFD, FD_CLOEXEC);
	number = dup(control);
	(void)close(number);
	command = fork();
	if (command == 0) {
		run_command(argv + 2);
	}
	listener = take_listener(number);
	if (listener < 0) {
		die("stand between a program and the kernel");
	}
	serve_calls(listener);
	(void)waitpid(command, &status, 0);
	(void)fprintf(reports, "calls %lu\nexit %d\n", plan.n,
		WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	(void)fclose(reports);
	return 0;
}
