/* What the benchmarks ask of processes: what a fork costs, and what a server's time and memory are.
 * A process is named by its number as text, which is how run.sh tells it. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include "bench.h"

enum { SETTLE_MS = 5000 }; /* for sessions that were left to be gone from the list of children */

static inline void fork_exit(const void *arg)
{
	pid_t pid = fork();

	(void)arg;
	if (pid == 0) {
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid) {
		die("cannot fork: %s", strerror(errno));
	}
}

/* User and system time of a process and of its children that ended, in milliseconds. */
static inline double cpu_ms(const char *pid)
{
	char path[64];
	unsigned long v[4];
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f,
				 "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
				 " %lu %lu %lu %lu",
				 &v[0], &v[1], &v[2], &v[3]) != 4) {
		die("cannot read %s", path);
	}
	(void)fclose(f);
	return (double)(v[0] + v[1] + v[2] + v[3]) * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

/* The PSS of a process in KiB; NAN when it cannot be read: a process that holds keys lets nobody
 * but root look at its memory. */
static inline double pss(long pid)
{
	char path[64], line[128];
	double kib = NAN;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
	f = fopen(path, "r");
	while (f != NULL && isnan(kib) && fgets(line, sizeof line, f) != NULL) {
		(void)sscanf(line, "Pss: %lf kB", &kib);
	}
	if (f != NULL) {
		(void)fclose(f);
	}
	return kib;
}

/* How many children a process has, and the sum of their PSS if it is asked for. NAN: not known. */
static inline double children(const char *parent, double *sum)
{
	char path[64];
	double n = 0;
	long pid;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%s/task/%s/children", parent, parent);
	f = fopen(path, "r");
	if (f == NULL) {
		return NAN;
	}
	for (; fscanf(f, "%ld", &pid) == 1; n++) {
		if (sum != NULL) {
			*sum += pss(pid);
		}
	}
	(void)fclose(f);
	return n;
}

/* The mean PSS of a server's sessions, which must be so many once those that ended are gone. */
static inline double mean_pss(const char *server, unsigned wanted)
{
	double sum = 0, n = children(server, NULL), until = now() + SETTLE_MS / 1e3;

	while (!isnan(n) && n != wanted && now() < until) {
		(void)usleep(1000);
		n = children(server, NULL);
	}
	if (isnan(n)) {
		return NAN;
	}
	if (children(server, &sum) != wanted) {
		die("the server has %.0f sessions, not %u", n, wanted);
	}
	return sum / wanted;
}

#endif
