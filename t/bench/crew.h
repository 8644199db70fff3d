/* As many processes as are asked for, that begin together: what is measured is the time from the
 * word to the end of the last one. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "bench.h"

struct crew_post {
	unsigned number; /* of this process, from 0 */
	int ready, go;   /* a byte when it can begin; end of file when it may */
};

/* In the process, when all that is not measured has been done: wait for the word. */
static inline void crew_await(const struct crew_post *p)
{
	uint8_t byte = 0;

	/* closed at once, so that one that dies is missed and not waited for */
	if (write(p->ready, &byte, 1) != 1 || close(p->ready) != 0 || read(p->go, &byte, 1) != 0) {
		die("cannot meet the other processes: %s", strerror(errno));
	}
}

static inline void crew_pipe(int p[2])
{
	if (pipe2(p, O_CLOEXEC) != 0) {
		die("cannot open a pipe: %s", strerror(errno));
	}
}

/* In the process: its work, and when that ended. */
static inline _Noreturn void crew_work(const struct crew_post *p, int results,
	double (*work)(const struct crew_post *p, const void *arg), const void *arg)
{
	double end = work(p, arg);

	_exit(write(results, &end, sizeof end) == sizeof end ? 0 : 1);
}

/* work: calls crew_await once, and returns the time (of now()) at which it was done. *start: when
 * the word was given. The end of the last one. */
static inline double crew_run(unsigned n,
	double (*work)(const struct crew_post *p, const void *arg), const void *arg, double *start)
{
	int ready[2], go[2], results[2];
	double last = 0, end;
	uint8_t byte;

	crew_pipe(ready);
	crew_pipe(go);
	crew_pipe(results);
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct crew_post p = {i, ready[1], go[0]};
			(void)close(go[1]);
			crew_work(&p, results[1], work, arg);
		}
		if (pid < 0) {
			die("cannot fork: %s", strerror(errno));
		}
	}
	(void)close(ready[1]);
	(void)close(results[1]); /* so that the death of one is an end of file */
	for (unsigned i = 0; i < n; i++) {
		if (read(ready[0], &byte, 1) != 1) {
			die("a process could not begin");
		}
	}
	*start = now();
	(void)close(go[1]);
	for (unsigned i = 0; i < n; i++) {
		if (read(results[0], &end, sizeof end) != sizeof end) {
			die("a process did not finish");
		}
		last = end > last ? end : last;
	}
	while (wait(NULL) > 0) {
	}
	(void)close(ready[0]);
	(void)close(go[0]);
	(void)close(results[0]);
	return last;
}

#endif
