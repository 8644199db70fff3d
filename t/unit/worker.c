/* Two threads at one work: each part is done once, whoever does it. */
#include "threads.h"

#include <poll.h>
#include <signal.h>

#include "../../crypto/worker.h"

/* --- the work --- */

enum { MOST = 33 };

static struct work {
	pthread_t caller;
	int naps_of; /* 1: of the caller's parts, 2: of the other's */
	int done[MOST + 1];
	bool elsewhere[MOST + 1];
} work;

static void note(void *arg, size_t i)
{
	struct work *w = arg;
	bool other = pthread_equal(pthread_self(), w->caller) == 0;

	if (w->naps_of == (other ? 2 : 1)) {
		(void)poll(NULL, 0, 1);
	}
	w->done[i]++;
	w->elsewhere[i] = other;
}

static size_t do_all(struct worker *w, size_t n, int naps_of)
{
	size_t elsewhere = 0;

	work = (struct work){.caller = pthread_self(), .naps_of = naps_of};
	worker_each(w, n, note, &work);
	for (size_t i = 0; i <= MOST; i++) {
		assert_int_equal(work.done[i], i < n ? 1 : 0);
		elsewhere += work.elsewhere[i] ? 1 : 0;
	}
	return elsewhere;
}

/* --- tests --- */

static void each_once(void **state)
{
	struct worker w;

	no_threads = *state != NULL;
	worker_begin(&w);
	for (int naps_of = 0; naps_of <= 2; naps_of++) {
		for (size_t n = 0; n <= MOST; n++) {
			size_t half = no_threads ? 0 : n / 2;
			assert_int_equal(do_all(&w, n, naps_of), half);
		}
	}
	worker_end(&w);
	worker_begin(&w); /* one that gets nothing to do */
	worker_end(&w);
	no_threads = false;
}

static void alone(void **state)
{
	(void)state;
	assert_int_equal(do_all(NULL, MOST, 0), 0);
}

/* Signals are the caller's: what he caught or blocked must not end or interrupt the other one. */

static struct masks {
	pthread_t caller;
	sigset_t other;
} masks;

static void note_mask(void *arg, size_t i)
{
	struct masks *m = arg;

	(void)i;
	if (pthread_equal(pthread_self(), m->caller) == 0) {
		(void)pthread_sigmask(SIG_SETMASK, NULL, &m->other);
	}
}

static void signals(void **state)
{
	static const int own[] = {SIGUSR2, SIGCHLD};
	sigset_t before, blocked, after;
	struct worker w;

	no_threads = *state != NULL;
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < COUNT(own); i++) {
		(void)sigaddset(&blocked, own[i]);
	}
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &blocked, &before), 0);
	worker_begin(&w);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	masks = (struct masks){.caller = pthread_self()};
	(void)sigemptyset(&masks.other);
	worker_each(&w, 2, note_mask, &masks);
	worker_end(&w);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	for (int i = 1; i < SIGSYS; i++) {
		bool held = i != SIGKILL && i != SIGSTOP && !no_threads;
		assert_int_equal(sigismember(&after, i), sigismember(&blocked, i));
		assert_int_equal(sigismember(&masks.other, i), held ? 1 : 0);
	}
	no_threads = false;
}

/* What its memory is used for next is not the thread's any more. */
static void ends(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct worker w;
		worker_begin(&w);
		assert_true(w.threaded);
		assert_int_equal(threads_running, 1);
		if (i % 2 == 1) {
			(void)do_all(&w, MOST, 0);
		}
		worker_end(&w);
		assert_int_equal(threads_running, 0);
	}
}

int main(void)
{
	static bool without;
	const struct CMUnitTest tests[] = {
		T("each part is done once, half of them by the other", each_once),
		{"and without a thread all of them here", each_once, NULL, NULL, &without},
		T("without a worker, too", alone),
		T("the other one gets no signal, and the caller those he got", signals),
		{"and without a thread", signals, NULL, NULL, &without},
		T("it has ended when its end returns", ends),
	};
	return RUN(tests);
}
