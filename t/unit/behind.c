/* Writing behind: all of it, in order, once, by a thread and without one. */
#include "threads.h"

#include <poll.h>

#include "../../crypto/behind.h"

/* --- where it is written --- */

static struct behind b;
static struct err e;

static struct sink {
	struct buf got;
	_Atomic size_t taken; /* bytes in it, for who looks from outside of the thread */
	size_t largest;
	int nap;             /* ms, each time */
	int calls, fails_at; /* which call fails; 0: none does */
} to;

static int take(void *arg, const void *p, size_t n, struct err *why)
{
	struct sink *s = arg;

	if (s->nap > 0) {
		(void)poll(NULL, 0, s->nap);
	}
	s->calls++;
	s->largest = n > s->largest ? n : s->largest;
	if (s->calls == s->fails_at) {
		return err_set(why, EX_IOERR, "cannot write the sink: call %d", s->calls);
	}
	if (buf_append(&s->got, p, n) != 0) {
		return -1;
	}
	s->taken = s->got.n;
	return 0;
}

static void begin(int nap, int fails_at)
{
	buf_free(&to.got);
	to = (struct sink){.nap = nap, .fails_at = fails_at};
	behind_begin(&b, take, &to);
	assert_int_equal(b.threaded, !no_threads);
}

static void assert_wiped(void)
{
	static const uint8_t zeros[sizeof b.piece];

	assert_memory_equal(b.piece, zeros, sizeof zeros);
}

/* --- tests --- */

enum { WHOLE = 5 * BEHIND_PIECE + 12345 };

static uint8_t content[WHOLE];

static void put_all(size_t at_once)
{
	for (size_t at = 0; at < WHOLE; at += at_once) {
		size_t n = WHOLE - at < at_once ? WHOLE - at : at_once;
		assert_int_equal(behind_put(&b, content + at, n, &e), 0);
	}
}

static void all_of_it(void **state)
{
	static const size_t sizes[] = {1000, 65552, BEHIND_PIECE - 1, BEHIND_PIECE,
		BEHIND_PIECE + 1, 2 * BEHIND_PIECE, WHOLE};

	for (size_t i = 0; i < WHOLE; i++) {
		content[i] = (uint8_t)(i * 2654435761u >> 13);
	}
	no_threads = *state != NULL;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (int nap = 0; nap <= 2; nap += 2) { /* a slow sink, too */
			begin(nap, 0);
			put_all(sizes[i]);
			assert_int_equal(behind_end(&b, &e), 0);
			assert_int_equal(threads_running, 0);
			assert_int_equal(to.got.n, WHOLE);
			assert_memory_equal(to.got.p, content, WHOLE);
			assert_true(to.largest <= BEHIND_PIECE);
			assert_wiped();
		}
	}
	begin(0, 0);
	assert_int_equal(behind_put(&b, content, 0, &e), 0);
	assert_int_equal(behind_end(&b, NULL), 0);
	assert_int_equal(to.calls, 0);
	buf_free(&to.got);
	no_threads = false;
}

/* Who sends little, and slowly, is not kept waiting for a full piece. */
static void little_at_once(void **state)
{
	(void)state;
	begin(0, 0);
	for (size_t i = 1; i <= 20; i++) {
		assert_int_equal(behind_put(&b, "line\n", 5, &e), 0);
		while (to.taken != 5 * i) { /* else the test never ends */
			(void)poll(NULL, 0, 1);
		}
	}
	to.nap = 20; /* what comes while it writes is written behind that */
	assert_int_equal(behind_put(&b, "one\n", 4, &e), 0);
	(void)poll(NULL, 0, 5);
	assert_int_equal(behind_put(&b, "two\n", 4, &e), 0);
	while (to.taken != 108) {
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(behind_end(&b, &e), 0);
	buf_free(&to.got);
}

static void refused(void **state)
{
	no_threads = *state != NULL;
	for (int call = 1; call <= 5; call++) {
		begin(0, call);
		int rc = 0;
		for (int i = 0; i < 5 && rc == 0; i++) {
			rc = behind_put(&b, content, BEHIND_PIECE, &e);
		}
		assert_refused(behind_end(&b, &e), e, EX_IOERR);
		assert_contains(e.text, "cannot write the sink: call");
		assert_int_equal(to.calls, call); /* and not called again */
		assert_int_equal(to.got.n, (size_t)(call - 1) * BEHIND_PIECE);
		assert_wiped();
	}
	begin(0, 1);
	(void)behind_put(&b, content, 2 * BEHIND_PIECE, &e);
	assert_refused(behind_put(&b, content, BEHIND_PIECE, &e), e, EX_IOERR);
	assert_int_equal(behind_end(&b, NULL), -1);
	buf_free(&to.got);
	no_threads = false;
}

int main(void)
{
	static bool without;
	const struct CMUnitTest tests[] = {
		T("what is put is written, in order, once", all_of_it),
		{"and without a thread", all_of_it, NULL, NULL, &without},
		T("what comes slowly is written as it comes", little_at_once),
		T("a failed write is told, and is the last one", refused),
		{"and without a thread", refused, NULL, NULL, &without},
	};
	return RUN(tests);
}
