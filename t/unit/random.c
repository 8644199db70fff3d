/* The random generator: what matters is that no two processes share a stream. */
#include "unit.h"

#include "../../crypto/random.h"

enum { N = 64 };

static int report_fd;

static int child_reports(int i)
{
	uint8_t bytes[N];

	(void)i;
	if (random_bytes(bytes, N, NULL) != 0) {
		return 1;
	}
	return write(report_fd, bytes, N) == N ? 0 : 2;
}

static void streams_differ(void **state)
{
	enum { STREAMS = 5 }; /* the parent before, three children, the parent behind them */
	uint8_t all[STREAMS][N];
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	report_fd = pipes[1];
	assert_int_equal(random_bytes(all[0], N, NULL), 0); /* seeded: what a child would inherit */
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(end_child(start_child(child_reports, i)), 0);
		assert_int_equal(read(pipes[0], all[i], N), N);
	}
	assert_int_equal(random_bytes(all[4], N, NULL), 0);
	for (int i = 0; i < STREAMS; i++) {
		for (int k = 0; k < i; k++) {
			assert_memory_not_equal(all[i], all[k], N);
			assert_memory_not_equal(all[i], all[k], 8);
		}
	}
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void never_repeats(void **state)
{
	enum { MANY = 500 };
	static uint8_t ids[MANY][16];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(random_bytes(ids[i], 16, NULL), 0);
		for (int k = 0; k < i; k++) {
			assert_memory_not_equal(ids[i], ids[k], 16);
		}
	}
}

static void sizes(void **state)
{
	uint8_t p[4097], zero[4097] = {0};

	(void)state;
	memset(p, 0, sizeof p);
	assert_int_equal(random_bytes(p, 0, NULL), 0);
	assert_memory_equal(p, zero, sizeof p);
	assert_int_equal(random_bytes(p, 4096, NULL), 0);
	assert_int_equal(p[4096], 0);
	for (size_t i = 0; i < 4096; i += 32) {
		assert_memory_not_equal(p + i, zero, 32);
	}
}

static void prng_is_seeded(void **state)
{
	const br_prng_class **prng = random_prng(NULL);
	uint8_t a[32], b[32];

	(void)state;
	assert_non_null(prng);
	(*prng)->generate(prng, a, sizeof a);
	assert_int_equal(random_bytes(b, sizeof b, NULL), 0);
	assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a forked child shares its stream with no parent and no sibling", streams_differ),
		T("500 ids are 500 different ids", never_repeats),
		T("exactly the bytes asked for are filled", sizes),
		T("the generator in BearSSL's form goes on with the same stream", prng_is_seeded),
	};
	return RUN(tests);
}
