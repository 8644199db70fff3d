/* The noise wire where one side, or who stands between, means harm, or breaks: nothing gets the
 * file's name but all of it. */
#include "ft_noise.h"

#include <signal.h>
#include <sys/resource.h>

static void wrong_key(void **state)
{
	(void)state;
	use_secret(&client_secret, "another");
	make_input(1000);
	start_server();
	assert_refused(noise_writes("name"), e, EX_NOPERM);
	assert_string_equal(e.text, "the server does not take this key");
	assert_int_equal(heard.n, FT_SALT); /* it said no more than that */
	assert_int_equal(end_server(), EX_NOPERM);
	assert_false(is_there("name") || is_there(".name.part"));
}

static void not_allowed(void **state)
{
	(void)state;
	make_input(1000);
	host.allowed[FT_NOISE] = false;
	start_server();
	assert_refused(noise_writes("name"), e, EX_PROTOCOL);
	assert_int_equal(heard.n, 0);
	assert_int_equal(end_server(), EX_NOPERM);
	host.allowed[FT_NOISE] = true;
	host.no_writes = host.no_reads = true;
	for (int writes = 0; writes < 2; writes++) {
		start_server();
		assert_refused(writes ? noise_writes("name") : noise_reads("name"), e, EX_NOPERM);
		assert_contains(e.text, "the server says: ");
		assert_int_equal(end_server(), EX_NOPERM);
	}
	assert_unnamed();
}

/* --- cuts --- */

/* At every byte of what the client writes: the name stays free until the last one. */
static void cut_to_server(void **state)
{
	size_t n = 0;
	int rc = -1, code;

	(void)state;
	spew_text(".in", "abc");
	for (; rc != 0; n++) {
		assert_true(n < 1000);
		cut_at = n;
		start_server();
		rc = noise_writes("name");
		code = wait_for_server();
		assert_int_equal(rc == 0, code == 0);
		if (rc != 0) {
			/* between two messages of the opening nothing was cut */
			assert_true(code == EX_TEMPFAIL ||
				    (n <= FT_PREFACE_BYTES && code == EX_PROTOCOL));
			assert_unnamed();
		}
	}
	assert_same(".in", "name");
	assert_true(n > FT_PREFACE_BYTES + FT_NOISE_HELLO + 3 * (NOISE_TAG + FT_NOISE_LENGTH));
}

/* At every byte of what the server writes. */
static void cut_to_client(void **state)
{
	size_t n = 0;
	int rc = -1, code;

	(void)state;
	spew_text("name", "abc");
	between_server = true;
	for (; rc != 0; n++) {
		assert_true(n < 1000);
		cut_at = n;
		start_server();
		rc = noise_reads("name");
		code = end_server();
		assert_int_equal(rc == 0, code == 0);
		if (rc != 0) {
			/* cut right behind the salt it looks like one who knows another key */
			assert_int_equal(e.code, n == 0         ? EX_PROTOCOL
						 : n == FT_SALT ? EX_NOPERM
								: EX_TEMPFAIL);
			assert_false(is_there("out"));
		}
	}
	assert_same("name", "out");
}

/* A write whose end the server did not confirm is not "sent". */
static void cut_confirmation(void **state)
{
	size_t all = 0;
	int rc = -1;

	(void)state;
	spew_text(".in", "abc");
	between_server = true;
	for (size_t n = FT_SALT + 1; rc != 0; n++) {
		assert_true(n < 1000);
		cut_at = n;
		start_server();
		rc = noise_writes("name");
		(void)end_server();
		assert_true(rc == 0 || e.code == EX_TEMPFAIL);
		drop("name");
		all++;
	}
	assert_true(all > FT_NOISE_HELLO);
}

/* --- bits --- */

/* A bit of each byte that either side writes: nothing is named, whatever it is. */
static void flipped(bool writes)
{
	size_t all;

	spew_text(writes ? ".in" : "name", "abc");
	between_server = !writes;
	start_server();
	assert_int_equal(writes ? noise_writes("name") : noise_reads("name"), 0);
	all = writes ? conn.out : conn.in;
	assert_int_equal(end_server(), 0);
	host.login_ms = 1000; /* where a length grew, both sides wait */
	for (size_t i = 0; i < all; i++) {
		drop(writes ? "name" : "out");
		flip_at = 8 * i + i % 8;
		cut_at = all; /* or a longer length would be waited for */
		start_server();
		int rc = writes ? noise_writes("name") : noise_reads("name");
		if (rc == 0 || (writes ? wait_for_server() : end_server()) == 0) {
			fail_msg("byte %zu of %zu", i, all);
		}
		assert_false(is_there(writes ? "name" : "out"));
	}
}

static void flipped_to_server(void **state)
{
	(void)state;
	flipped(true);
}

static void flipped_to_client(void **state)
{
	(void)state;
	flipped(false);
}

/* --- trouble --- */

static struct rlimit before;

static void limit_files(rlim_t size)
{
	const struct rlimit little = {size, before.rlim_max};

	(void)sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, size == 0 ? &before : &little), 0);
}

/* Its peer hears of it long before all was sent, and nothing takes up room. */
static void full_disk(void **state)
{
	enum { LARGE = 50000000 };

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	make_input(LARGE);
	limit_files(100000);
	start_server(); /* the limit is the child's, too */
	limit_files(0);
	assert_refused(noise_writes("name"), e, EX_TEMPFAIL);
	assert_contains(e.text, "the server says: cannot write ");
	assert_true(conn.out < LARGE / 2);
	assert_int_equal(end_server(), EX_TEMPFAIL);
	assert_false(is_there("name") || is_there(".name.part"));
	assert_int_equal(linkat(folder.fd, ".in", folder.fd, "name", 0), 0);
	start_server();
	limit_files(100000);
	assert_int_equal(noise_reads("name"), -1);
	limit_files(0);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_int_equal(end_server(), EX_TEMPFAIL);
	assert_false(is_there("out") || is_there(".out.part"));
}

/* The file changes in the midst of being read: who takes it is told, and names nothing. */
static ssize_t touching_send(int fd, const void *p, size_t n, int flags)
{
	int in = openat(folder.fd, ".in", O_WRONLY | O_CLOEXEC);

	if (conn.out > 100000) {
		assert_int_equal(ftruncate(in, conn.out % 2 == 0 ? 1000 : 2000000), 0);
	}
	(void)close(in);
	return send(fd, p, n, flags);
}

static void changed_source(void **state)
{
	(void)state;
	make_input(1000000);
	start_server();
	conn.send = touching_send;
	assert_refused(noise_writes("name"), e, EX_TEMPFAIL);
	assert_int_equal(end_server(), EX_TEMPFAIL);
	assert_unnamed();
}

static ssize_t resetting_recv(int fd, void *p, size_t n, int flags)
{
	if (conn.in > 100000) {
		errno = ECONNRESET;
		return -1;
	}
	return recv(fd, p, n > 50000 ? 50000 : n, flags);
}

static void reset(void **state)
{
	(void)state;
	make_input(1000000);
	assert_int_equal(linkat(folder.fd, ".in", folder.fd, "name", 0), 0);
	start_server();
	conn.recv = resetting_recv;
	assert_refused(noise_reads("name"), e, EX_TEMPFAIL);
	assert_int_not_equal(end_server(), 0);
	assert_false(is_there("out"));
	assert_true(is_there(".out.part")); /* to go on with */
}

/* A client that falls silent: at once, in a record, between records. */
static void silence(void **state)
{
	(void)state;
	make_input(1000000);
	host.login_ms = 50;
	start_server();
	(void)conn_write(&conn, FT_PREFACE, 5, &e); /* it may have given up already */
	assert_int_equal(wait_for_server(), EX_TEMPFAIL);
	host.login_ms = 20000;
	host.idle_ms = 50;
	int ends[2];
	struct source from;
	start_server();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "some", 4), 4);
	assert_int_equal(source_over(&from, ends[0], &e), 0);
	job = (struct ft_job){.sends = true, .from = &from};
	assert_int_equal(run_noise("name"), -1); /* it waits for its pipe, and is told */
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_int_equal(end_server(), EX_TEMPFAIL);
	assert_unnamed();
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_NOISE_WIRE("another key is refused without a word", wrong_key),
		T_NOISE_WIRE("what is not allowed is refused", not_allowed),
		T_NOISE_WIRE("cut at each byte of the client's: nothing is named", cut_to_server),
		T_NOISE_WIRE("cut at each byte of the server's: nothing is named", cut_to_client),
		T_NOISE_WIRE("a file that was not confirmed was not sent", cut_confirmation),
		T_NOISE_WIRE(
			"a bit in each byte of the client's: nothing is named", flipped_to_server),
		T_NOISE_WIRE(
			"a bit in each byte of the server's: nothing is named", flipped_to_client),
		T_NOISE_WIRE("a full disk is told while the other side still sends", full_disk),
		T_NOISE_WIRE("a file that changes while it is read is not stored", changed_source),
		T_NOISE_WIRE("after a reset what came is kept", reset),
		T_NOISE_WIRE("who falls silent is not waited for", silence),
	};
	return RUN(tests);
}
