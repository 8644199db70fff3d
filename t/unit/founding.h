/* What the tests of the founding wire share: a server in a child over a pair of sockets, serving
 * `folder`, and what stands between the two: it records, cuts and flips what one side writes, and
 * makes reads and writes odd. */
#ifndef T_FOUNDING_H
#define T_FOUNDING_H

#include "unit.h"

#include <sys/socket.h>

#include "../../proto/ft_founding.h"
#include "../../proto/ft_server.h"

static struct err e;
static struct conn conn; /* the client's end */
static struct ft_secret client_secret, server_secret;
static uint8_t salt[FT_SALT], psk[FT_PSK];
static struct ft_host host;
static pid_t server;
static int server_end;

/* --- what stands between: of the process that sets it, so before or behind the fork --- */

static bool odd; /* short, interrupted, not ready */
static unsigned turn;
static size_t cut_at;       /* so many bytes are written, and then no more; SIZE_MAX: all */
static size_t flip_at;      /* the bit of all that is written that changes; SIZE_MAX: none */
static struct buf recorded; /* what was written */
static struct buf heard;    /* what was read */

static inline bool odd_turn(void)
{
	turn++;
	if (!odd || turn % 5 > 1) {
		return false;
	}
	errno = turn % 5 == 0 ? EINTR : EAGAIN;
	return true;
}

static inline ssize_t between_recv(int fd, void *p, size_t n, int flags)
{
	if (odd_turn()) {
		return -1;
	}
	n = odd && n > turn % 7000 + 1 ? turn % 7000 + 1 : n;
	ssize_t got = recv(fd, p, n, flags);
	assert_int_equal(buf_append(&heard, p, got < 0 ? 0 : (size_t)got), 0);
	return got;
}

static inline ssize_t between_send(int fd, const void *p, size_t n, int flags)
{
	size_t at = recorded.n, k = odd && n > turn % 5000 + 1 ? turn % 5000 + 1 : n;
	ssize_t sent;

	if (odd_turn()) {
		return -1;
	}
	if (at >= cut_at) {
		(void)shutdown(fd, SHUT_WR);
		errno = EPIPE;
		return -1;
	}
	k = k < cut_at - at ? k : cut_at - at;
	assert_int_equal(buf_append(&recorded, p, k), 0);
	if (flip_at / 8 >= at && flip_at / 8 < at + k) {
		recorded.p[flip_at / 8] ^= (uint8_t)(1 << flip_at % 8);
	}
	sent = send(fd, recorded.p + at, k, flags);
	recorded.n = at + (sent < 0 ? 0 : (size_t)sent);
	if (recorded.n >= cut_at) {
		(void)shutdown(fd, SHUT_WR);
	}
	return sent;
}

static inline void stand_between(struct conn *c)
{
	c->recv = between_recv;
	c->send = between_send;
}

static inline void nothing_between(void)
{
	odd = false;
	turn = 0;
	cut_at = flip_at = SIZE_MAX;
	recorded.n = 0;
}

/* --- the server --- */

static bool between_server; /* what stands between changes what the server writes */

/* Its lines go to ".log", which is no file of the service. */
static inline int run_server(int i)
{
	struct conn c;
	struct ft_report report;
	struct err why = {.code = EX_SOFTWARE};
	int log = openat(folder.fd, ".log", O_WRONLY | O_CREAT | O_APPEND, 0600);

	(void)i;
	conn_close(&conn);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0) {
		return EX_OSERR;
	}
	conn_init(&c, server_end);
	c.peer = "peer";
	if (between_server) {
		stand_between(&c);
	}
	int rc = ft_serve(&c, &host, &report, &why);
	conn_close(&c);
	return rc == 0 ? 0 : why.code;
}

static inline void start_server(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	conn_init(&conn, pair[0]);
	server_end = pair[1];
	recorded.n = heard.n = 0;
	turn = 0;
	server = start_child(run_server, 0);
	(void)close(server_end);
	if (!between_server) {
		stand_between(&conn);
	}
	conn_deadline(&conn, 20000);
}

/* The client goes; what the server came to. */
static inline int end_server(void)
{
	conn_close(&conn);
	return end_child(server);
}

/* A client that is cut stays until the server has judged what came. */
static inline int wait_for_server(void)
{
	int code = end_child(server);

	conn_close(&conn);
	return code;
}

static inline void use_secret(struct ft_secret *s, const char *text)
{
	s->n = strlen(text);
	memcpy(s->text, text, s->n);
}

static inline int open_founding(void **state)
{
	if (folder_make(state) != 0) {
		return -1;
	}
	use_secret(&client_secret, "correct horse battery");
	use_secret(&server_secret, "correct horse battery");
	host = (struct ft_host){.dir = folder.fd,
		.secret = &server_secret,
		.salt = salt,
		.psk = psk,
		.allowed = {true, true, true, true},
		.login_ms = 20000,
		.idle_ms = 20000};
	between_server = false;
	nothing_between();
	return 0;
}

static inline int close_founding(void **state)
{
	buf_free(&recorded);
	buf_free(&heard);
	return folder_remove(state);
}

#define T_FOUNDING(title, function)                                  \
	{                                                            \
		title, function, open_founding, close_founding, NULL \
	}

/* --- a client and its files, which are ".in" and ".out" --- */

static struct ft_job job;

static inline int run_client(enum ft_cipher cipher, const char *name)
{
	const struct ft_login login = {.cipher = cipher, .secret = &client_secret};

	job.name = name;
	e = (struct err){.code = -1};
	return ft_founding_run(&conn, &login, &job, &e);
}

/* Write ".in" as this name. */
static inline int client_writes(enum ft_cipher cipher, const char *name)
{
	struct source from;
	int fd = openat(folder.fd, ".in", O_RDONLY | O_CLOEXEC), rc;

	assert_true(fd >= 0);
	assert_int_equal(source_over(&from, fd, &e), 0);
	job = (struct ft_job){.sends = true, .from = &from};
	rc = run_client(cipher, name);
	source_close(&from);
	(void)close(fd);
	return rc;
}

/* Read this name into "out". */
static inline int client_reads(enum ft_cipher cipher, const char *name)
{
	struct landing to;
	int rc;

	(void)unlinkat(folder.fd, "out", 0);
	assert_int_equal(landing_open(&to, folder.fd, "out", FILE_NEW, false, &e), 0);
	job = (struct ft_job){.to = &to};
	rc = run_client(cipher, name);
	(void)landing_end(&to, false);
	return rc;
}

static inline bool is_there(const char *name)
{
	return faccessat(folder.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* No file arrived, and no part of one is left. */
static inline void assert_nothing(void)
{
	assert_false(is_there("name") || is_there(".name.part"));
	assert_false(is_there("out") || is_there(".out.part"));
}

static inline void assert_same(const char *one, const char *other)
{
	struct buf a = {0}, b = {0};

	slurp(one, &a);
	slurp(other, &b);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
	buf_free(&a);
	buf_free(&b);
}

static inline void make_input(size_t n)
{
	uint8_t *p = malloc(n + 1);

	assert_non_null(p);
	fill_pattern(p, n, (uint32_t)n + 1);
	spew(".in", p, n);
	free(p);
}

/* --- frames in the clear, good and bad --- */

static struct buf script;

static inline void put_frame(
	uint32_t type, uint32_t length, uint8_t odd_zero, const void *p, size_t n)
{
	const uint8_t header[FT_HEADER] = {(uint8_t)(type >> 24), (uint8_t)(type >> 16),
		(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(length >> 24),
		(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, [15] = odd_zero};

	assert_int_equal(buf_append(&script, header, sizeof header), 0);
	assert_int_equal(buf_append(&script, p, n), 0);
}

static inline void put_opening(void)
{
	static const uint8_t hello[FT_HANDSHAKE_BYTES];

	script.n = 0;
	put_frame(FT_HANDSHAKE, sizeof hello, 0, hello, sizeof hello);
}

#endif
