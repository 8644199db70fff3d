/* The noise wire of file transfer, between a client and a server that mean well. */
#include "ft_noise.h"

#include <poll.h>
#include <sys/syscall.h>

/* The C library's poll, in a hurry: a pipe that waits is told after 10 ms, not after half a
 * minute. */
int hurried_poll(struct pollfd *p, nfds_t n, int ms) __asm__("poll");
int hurried_poll(struct pollfd *p, nfds_t n, int ms)
{
	struct timespec t = {.tv_nsec = (ms < 0 || ms > 10 ? 10 : ms) * 1000000l};

	return (int)syscall(SYS_ppoll, p, n, &t, NULL, 0);
}

static const size_t sizes[] = {0, 1, 4095, 4096, 4097, FT_NOISE_DATA - 1, FT_NOISE_DATA,
	FT_NOISE_DATA + 1, FT_NOISE_BATCH *FT_NOISE_DATA, FT_NOISE_BATCH *FT_NOISE_DATA + 1,
	3000001};

static void assert_digest(const char *name)
{
	uint8_t digest[HASH_BYTES];
	struct buf b = {0};

	slurp(name, &b);
	hash_of(b.p, b.n, digest);
	assert_memory_equal(job.digest, digest, sizeof digest);
	buf_free(&b);
}

/* What was transferred is whole, and counted so. */
static void transfer(int (*run)(const char *name), const char *from, const char *to,
	const char *part, uint64_t begun_at)
{
	struct stat st;

	assert_int_equal(fstatat(folder.fd, from, &st, 0), 0);
	start_server();
	if (run("name") != 0) {
		fail_msg("%s, %lld bytes: %s", from, (long long)st.st_size, e.text);
	}
	assert_int_equal(end_server(), 0);
	assert_int_equal(job.done, st.st_size);
	assert_int_equal(job.total, st.st_size);
	assert_int_equal(job.begun_at, begun_at);
	assert_same(from, to);
	assert_false(is_there(part));
	if (sums) {
		assert_digest(from);
	}
}

/* There and back again; both begin at this byte. */
static void write_it(uint64_t begun_at)
{
	transfer(noise_writes, ".in", "name", ".name.part", begun_at);
}

static void read_it(uint64_t begun_at)
{
	transfer(noise_reads, "name", "out", ".out.part", begun_at);
}

static void round_trip(void)
{
	write_it(0);
	read_it(0);
	drop("name");
}

static void every_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
		sums = i % 2 == 1;
		host.sum = i % 2 == 1;
		make_input(sizes[i / 2]);
		round_trip();
	}
	sums = false;
}

static void odd_ways(void **state)
{
	(void)state;
	odd = true;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		make_input(sizes[i]);
		between_server = i % 2 == 1;
		round_trip();
	}
}

/* Data, 1 GiB of nothing, data, nothing: few records, and few blocks. */
static void holes(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	make_input(100000);
	fd = openat(folder.fd, ".in", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "midst", 5, 1 << 30), 5);
	assert_int_equal(ftruncate(fd, (1 << 30) + 3000000), 0);
	assert_int_equal(fstat(fd, &st), 0);
	(void)close(fd);
	if (st.st_blocks > 10000) {
		skip();
	}
	start_server();
	assert_int_equal(noise_writes("name"), 0);
	assert_true(conn.out < 200000);
	assert_int_equal(end_server(), 0);
	assert_int_equal(fstatat(folder.fd, "name", &st, 0), 0);
	assert_int_equal(st.st_size, (1 << 30) + 3000000);
	assert_true(st.st_blocks < 10000);
	start_server();
	assert_int_equal(noise_reads("name"), 0);
	assert_true(conn.in < 200000);
	assert_int_equal(end_server(), 0);
	assert_int_equal(fstatat(folder.fd, "out", &st, 0), 0);
	assert_int_equal(st.st_size, (1 << 30) + 3000000);
	assert_true(st.st_blocks < 10000);
	fd = openat(folder.fd, "out", O_RDONLY | O_CLOEXEC);
	char midst[7];
	assert_int_equal(pread(fd, midst, 7, (1 << 30) - 1), 7);
	assert_memory_equal(midst, "\0midst", 7);
	(void)close(fd);
}

static void replaces_when_told(void **state)
{
	(void)state;
	make_input(1000);
	spew_text("name", "old");
	start_server();
	assert_refused(noise_writes("name"), e, EX_CANTCREAT);
	assert_contains(e.text, "the server says: cannot create name: it exists");
	assert_int_equal(end_server(), EX_CANTCREAT);
	forces = true;
	write_it(0);
	forces = false;
}

/* --- going on --- */

/* Cut what one side writes behind so many bytes, and go on. */
static void go_on(bool writes, size_t cut, uint64_t least)
{
	struct stat st;
	const char *part = writes ? ".name.part" : ".out.part";

	resumes = true;
	drop("name");
	drop(part);
	cut_at = cut;
	between_server = !writes;
	if (!writes) {
		assert_int_equal(linkat(folder.fd, ".in", folder.fd, "name", 0), 0);
	}
	start_server();
	assert_int_equal(writes ? noise_writes("name") : noise_reads("name"), -1);
	assert_int_equal(wait_for_server() == 0, 0);
	assert_false(is_there(writes ? "name" : "out"));
	assert_int_equal(fstatat(folder.fd, part, &st, 0), 0);
	assert_true((uint64_t)st.st_size >= least);
	cut_at = SIZE_MAX;
	if (writes) {
		write_it((uint64_t)st.st_size);
	} else {
		read_it((uint64_t)st.st_size);
	}
	assert_false(job.refused_part);
	drop("name");
	resumes = false;
}

static void broken_off(void **state)
{
	uint32_t x = 1;

	(void)state;
	make_input(2000000);
	for (int i = 0; i < 40; i++) {
		x = x * 1664525u + 1013904223u;
		size_t cut = 70000 + x / 65536 * 29 % 1900000;
		sums = i % 4 >= 2;
		go_on(i % 2 == 0, cut, cut - 70000);
	}
	sums = false;
}

/* A part is what we put there: begun_at tells what was kept of it. */
static void with_part(bool writes, const void *p, size_t n, uint64_t begun_at, bool refused)
{
	resumes = true;
	drop("name");
	spew(writes ? ".name.part" : ".out.part", p, n);
	if (writes) {
		write_it(begun_at);
	} else {
		assert_int_equal(linkat(folder.fd, ".in", folder.fd, "name", 0), 0);
		read_it(begun_at);
	}
	assert_int_equal(job.refused_part, refused);
	resumes = false;
}

static void parts(void **state)
{
	enum { N = 200000 };
	struct buf in = {0};

	(void)state;
	for (int writes = 0; writes < 2; writes++) {
		make_input(N);
		slurp(".in", &in);
		assert_int_equal(buf_reserve(&in, 10), 0);
		with_part(writes, in.p, 0, 0, false);
		with_part(writes, in.p, 1, 1, false);
		with_part(writes, in.p, PROOF_BLOCK, PROOF_BLOCK, false);
		with_part(writes, in.p, N - 1, N - 1, false);
		with_part(writes, in.p, N, N, false);    /* it lacked the end alone */
		with_part(writes, in.p, N + 1, 0, true); /* longer than the file */
		in.p[0] ^= 1;
		with_part(writes, in.p, 1, 0, true);
		with_part(writes, in.p, N, 0, true);
		in.p[0] ^= 1;
		in.p[N / 2 - 1] ^= 1;
		with_part(writes, in.p, N / 2, 0, true);
		with_part(writes, in.p, N / 2 - 1, N / 2 - 1, false);
	}
	make_input(0);
	with_part(true, in.p, 5, 0, true);
	with_part(false, in.p, 5, 0, true);
	/* nobody asked: what is held is dropped */
	make_input(N);
	slurp(".in", &in);
	spew(".name.part", in.p, N / 2);
	drop("name");
	write_it(0);
	buf_free(&in);
}

/* --- pipes --- */

static int pour(int fd)
{
	uint8_t piece[1000];

	fill_pattern(piece, sizeof piece, 9);
	for (int i = 0; i < 1000; i++) {
		if (write(fd, piece, sizeof piece) != sizeof piece) {
			return 1;
		}
	}
	return 0;
}

static void from_a_pipe(void **state)
{
	struct source from;
	struct buf got = {0};
	int ends[2];
	pid_t pid;

	(void)state;
	start_server();
	assert_int_equal(
		pipe2(ends, O_CLOEXEC), 0); /* now, or the server would hold it open, too */
	pid = start_child(pour, ends[1]);
	(void)close(ends[1]);
	assert_int_equal(source_over(&from, ends[0], &e), 0);
	job = (struct ft_job){.sends = true, .from = &from};
	resumes = true; /* a pipe cannot be gone on with: it is not asked for */
	assert_int_equal(run_noise("name"), 0);
	resumes = false;
	assert_int_equal(job.done, 1000000);
	assert_int_equal(end_child(pid), 0);
	assert_int_equal(end_server(), 0);
	slurp("name", &got);
	assert_int_equal(got.n, 1000000);
	assert_memory_equal(got.p, got.p + 1000, 999000);
	buf_free(&got);
	(void)close(ends[0]);
}

static void into_a_pipe(void **state)
{
	struct landing to;
	uint8_t in[1001];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	make_input(1000);
	write_it(0);
	start_server();
	landing_stream(&to, ends[1]);
	job = (struct ft_job){.to = &to};
	assert_int_equal(run_noise("name"), 0);
	assert_int_equal(end_server(), 0);
	assert_int_equal(read(ends[0], in, sizeof in), 1000);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* The other side of a client whose pipe waits: it writes the pipe only once it has heard of it. */
static int hear_of_waiting(int pipe_end)
{
	struct conn c;
	struct ft_noise *w;
	enum ft_noise_kind kind = FT_NOISE_OBJECT;
	uint8_t *p;
	json_t *o;
	size_t n = 1;

	conn_close(&conn);
	conn_init(&c, server_end);
	conn_deadline(&c, 20000);
	w = ft_noise_new(&c, "client", &e);
	if (w == NULL || ft_noise_get_raw(w, FT_PREFACE_BYTES, &p, &e) != 0 ||
		ft_noise_put_raw(w, salt, sizeof salt, &e) != 0 || ft_noise_flush(w, &e) != 0 ||
		ft_noise_shake_hands(w, false, salt, psk, &e) != 0 ||
		ft_noise_get_object(w, "write", &o, &e) != 0 ||
		ft_noise_put_object(w, ft_noise_object("ready"), &e) != 0) {
		return 1;
	}
	json_decref(o);
	for (int i = 0; i < 3; i++) {
		if (ft_noise_get(w, &kind, &p, &n, &e) != 0 || kind != FT_NOISE_BYTES || n != 0) {
			return 2;
		}
	}
	if (write(pipe_end, "late", 4) != 4 || close(pipe_end) != 0) {
		return 3;
	}
	while (n == 0) {
		if (ft_noise_get(w, &kind, &p, &n, &e) != 0 || kind != FT_NOISE_BYTES) {
			return 4;
		}
	}
	if (n != 4 || memcmp(p, "late", 4) != 0 || ft_noise_get(w, &kind, &p, &n, &e) != 0) {
		return 5;
	}
	while (kind == FT_NOISE_BYTES && n == 0) { /* until the end of the pipe was seen */
		if (ft_noise_get(w, &kind, &p, &n, &e) != 0) {
			return 6;
		}
	}
	o = ft_noise_object("done");
	ft_noise_add(&o, "size", json_integer(4));
	if (kind != FT_NOISE_END || ft_noise_put_object(w, o, &e) != 0 ||
		ft_noise_flush(w, &e) != 0) {
		return 7;
	}
	ft_noise_free(w);
	return 0;
}

static void waiting_pipe(void **state)
{
	struct source from;
	int ends[2], pair[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	conn_init(&conn, pair[0]);
	server_end = pair[1];
	server = start_child(hear_of_waiting, ends[1]);
	(void)close(server_end);
	(void)close(ends[1]);
	assert_int_equal(source_over(&from, ends[0], &e), 0);
	job = (struct ft_job){.sends = true, .from = &from};
	if (run_noise("name") != 0) {
		fail_msg("%s", e.text);
	}
	assert_int_equal(job.done, 4);
	assert_int_equal(end_server(), 0);
	(void)close(ends[0]);
}

/* An empty record changes nothing for who takes it, either. */
static void lives(void **state)
{
	struct ft_noise *w;
	json_t *o;
	uint8_t *p;

	(void)state;
	start_server();
	w = ft_noise_new(&conn, "server", &e);
	assert_int_equal(ft_noise_put_raw(w, FT_PREFACE, FT_PREFACE_BYTES, &e), 0);
	assert_int_equal(ft_noise_flush(w, &e), 0);
	assert_int_equal(ft_noise_get_raw(w, FT_SALT, &p, &e), 0);
	assert_int_equal(ft_noise_shake_hands(w, true, salt, psk, &e), 0);
	o = ft_noise_object("write");
	ft_noise_add(&o, "name", json_string("name"));
	assert_int_equal(ft_noise_put_object(w, o, &e), 0);
	for (int i = 0; i < 1000; i++) {
		p = ft_noise_room(w, &e);
		assert_non_null(p);
		*p = (uint8_t)i;
		assert_int_equal(ft_noise_put_room(w, i % 100 == 0, &e), 0);
	}
	assert_int_equal(ft_noise_put_number(w, FT_NOISE_END, 10, &e), 0);
	assert_int_equal(ft_noise_get_object(w, "ready", &o, &e), 0);
	json_decref(o);
	assert_int_equal(ft_noise_get_object(w, "done", &o, &e), 0);
	json_decref(o);
	ft_noise_free(w);
	assert_int_equal(end_server(), 0);
	assert_true(is_there("name"));
}

/* --- what is told --- */

static void traces(void **state)
{
	char fingerprint[FT_FINGERPRINT];

	(void)state;
	make_input(200000);
	write_it(0);
	assert_int_equal(buf_append(&traced, "", 1), 0);
	ft_fingerprint(psk, fingerprint);
	assert_contains((char *)traced.p, fingerprint);
	assert_contains((char *)traced.p, "handshake hash ");
	assert_contains((char *)traced.p, "> record 0: write, ");
	assert_contains((char *)traced.p, "< record 0: ready, ");
	assert_contains((char *)traced.p,
		"> records 1 to 5: the file from byte 0 to 200000, and its end\n");
	assert_contains((char *)traced.p, "< record 1: done, ");
	assert_null(strstr((char *)traced.p, (char *)client_secret.text));
	read_it(0);
	assert_int_equal(buf_append(&traced, "", 1), 0);
	assert_contains((char *)traced.p,
		"< records 1 to 5: the file from byte 0 to 200000, and its end\n");
	buf_free(&traced);
}

static uint64_t told_done, told_total, told_times;

static void tell(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	assert_true(done >= told_done);
	told_done = done;
	told_total = total;
	told_times++;
}

static void progress(void **state)
{
	struct source from;

	(void)state;
	make_input(10 * FT_NOISE_DATA);
	assert_int_equal(source_open(&from, folder.fd, ".in", &e), 0);
	job = (struct ft_job){.sends = true, .from = &from, .progress = tell};
	start_server();
	assert_int_equal(run_noise("name"), 0);
	assert_int_equal(end_server(), 0);
	source_close(&from);
	assert_int_equal(told_done, 10 * FT_NOISE_DATA);
	assert_int_equal(told_total, 10 * FT_NOISE_DATA);
	assert_int_equal(told_times, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_NOISE_WIRE(
			"files of every size go there and back, with their hashes", every_size),
		T_NOISE_WIRE("reads and writes that are odd change nothing", odd_ways),
		T_NOISE_WIRE("holes cost neither the wire nor the disk", holes),
		T_NOISE_WIRE(
			"an existing file is replaced where that is asked", replaces_when_told),
		T_NOISE_WIRE("cut anywhere, it is gone on with from there", broken_off),
		T_NOISE_WIRE("a part is gone on with where it is the file's beginning", parts),
		T_NOISE_WIRE("a pipe is sent", from_a_pipe),
		T_NOISE_WIRE("a pipe takes it", into_a_pipe),
		T_NOISE_WIRE("while a pipe waits the peer hears that we live", waiting_pipe),
		T_NOISE_WIRE("records that say just that change nothing", lives),
		T_NOISE_WIRE("the trace has fingerprint, hash and records, and no key", traces),
		T_NOISE_WIRE("progress is told for each record", progress),
	};
	return RUN(tests);
}
