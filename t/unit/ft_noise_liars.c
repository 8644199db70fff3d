/* The noise wire with a peer that has the key, and lies: it ends with the code that the lie
 * deserves, the liar is told, and nothing gets the file's name. */
#include "ft_noise.h"

enum { RECORDS = 4 };

/* A record of the liar's: its kind as a letter, and the body: an Object, Data, a Hole or an End of
 * a number; Raw: kind and body as they are; Again: the record before, as it was sealed. */
struct lie {
	char kind;
	uint64_t number; /* or the bytes of a body that holds NULs */
	const char *body;
};

static struct buf last; /* as it was sealed */

static int put_lie(struct ft_noise *w, const struct lie *lie)
{
	uint8_t plain[100 + NOISE_TAG] = {1};
	size_t n = lie->body == NULL ? 8 : lie->kind == 'R' ? lie->number : strlen(lie->body);

	if (lie->kind == 'A') {
		return ft_noise_put_raw(w, last.p, last.n, &e);
	}
	assert_true(n + 1 <= 100 || lie->kind == 'O');
	if (lie->kind == 'O') {
		json_t *o = json_loads(lie->body, 0, NULL);
		return ft_noise_put_object(w, o, &e);
	}
	if (lie->kind == 'D') {
		memcpy(plain + 1, lie->body, n);
	} else if (lie->kind == 'R') {
		memcpy(plain, lie->body, n);
	} else {
		plain[0] = lie->kind == 'H' ? FT_NOISE_HOLE : FT_NOISE_END;
		for (size_t i = 0; i < 8; i++) {
			plain[1 + i] = (uint8_t)(lie->number >> (56 - 8 * i));
		}
	}
	n += lie->kind == 'R' ? 0 : 1;
	assert_int_equal(noise_seal(&w->tx, plain, n, &e), 0);
	const uint8_t length[2] = {0, (uint8_t)(n + NOISE_TAG)};
	last.n = 0;
	assert_int_equal(buf_append(&last, length, 2), 0);
	assert_int_equal(buf_append(&last, plain, n + NOISE_TAG), 0);
	return ft_noise_put_raw(w, last.p, last.n, &e);
}

/* Say all of it in one write, and listen to the end: the code of the error that is told, 0 where
 * none is. */
static int lie_to(struct ft_noise *w, const struct lie lies[static RECORDS])
{
	enum ft_noise_kind kind;
	uint8_t *p;
	json_t *o;
	size_t n;

	for (size_t i = 0; i < RECORDS && lies[i].kind != '\0'; i++) {
		assert_int_equal(put_lie(w, &lies[i]), 0);
	}
	(void)ft_noise_flush(w, &e);
	while (!w->told && ft_noise_get(w, &kind, &p, &n, &e) == 0) {
		if (kind == FT_NOISE_OBJECT && ft_noise_take_object(w, NULL, p, n, &o, &e) == 0) {
			json_decref(o);
		}
	}
	return w->told ? e.code : 0; /* the peer waits for us to leave */
}

/* --- a client that lies --- */

#define WRITE                                                    \
	{                                                        \
		'O', 0, "{\"type\":\"write\",\"name\":\"name\"}" \
	}
#define WRITE_5                                                             \
	{                                                                   \
		'O', 0, "{\"type\":\"write\",\"name\":\"name\",\"size\":5}" \
	}
#define RESUME                                                                              \
	{                                                                                   \
		'O', 0, "{\"type\":\"write\",\"name\":\"held\",\"resume\":true,\"size\":5}" \
	}
#define READ                                                     \
	{                                                        \
		'O', 0, "{\"type\":\"read\",\"name\":\"there\"}" \
	}
#define DIGITS "1111111111111111111111111111111111111111111111111111111111111111"
#define READ_HELD                                                                                  \
	{                                                                                          \
		'O', 0, "{\"type\":\"read\",\"name\":\"there\",\"held\":4,\"key\":\"" DIGITS "\"}" \
	}

static const struct {
	struct lie lies[RECORDS];
	int code;
} clients[] = {
	{{{'D', 0, "data"}}, EX_PROTOCOL},
	{{{'E', 0, NULL}}, EX_PROTOCOL},
	{{{'R', 0, ""}}, EX_PROTOCOL},
	{{{'R', 2, "\4x"}}, EX_PROTOCOL},
	{{{'R', 2, "\xffx"}}, EX_PROTOCOL},
	{{{'R', 1, "\0"}}, EX_PROTOCOL},
	{{{'R', 3, "\0[]"}}, EX_PROTOCOL},
	{{{'R', 3, "\0{}"}}, EX_PROTOCOL},
	{{{'R', 4, "\0{\0}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"write\"}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"write\",\"name\":1}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":1,\"name\":\"name\"}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"done\",\"name\":\"name\"}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"write\",\"name\":\"name\",\"size\":-1}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"write\",\"name\":\"name\",\"size\":1.5}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"write\",\"name\":\"../name\"}"}}, EX_DATAERR},
	{{{'O', 0, "{\"type\":\"write\",\"name\":\"\"}"}}, EX_DATAERR},
	{{{'O', 0, "{\"type\":\"write\",\"name\":\"there\"}"}}, EX_CANTCREAT},
	{{{'O', 0, "{\"type\":\"read\",\"name\":\"none\"}"}}, EX_NOINPUT},
	{{WRITE_5, {'D', 0, "hell"}, {'E', 4, NULL}}, EX_PROTOCOL},
	{{WRITE_5, {'D', 0, "hello!"}}, EX_PROTOCOL},
	{{WRITE_5, {'H', 6, NULL}}, EX_PROTOCOL},
	{{WRITE_5, {'D', 0, "hello"}, {'H', 1, NULL}}, EX_PROTOCOL},
	{{WRITE, {'D', 0, "hello"}, {'E', 4, NULL}}, EX_PROTOCOL},
	{{WRITE, {'D', 0, "hello"}, {'E', 6, NULL}}, EX_PROTOCOL},
	{{WRITE, {'D', 0, "hello"}, {'E', 5, NULL}, {'D', 0, "!"}}, EX_PROTOCOL},
	{{WRITE, {'E', 1ull << 63, NULL}}, EX_PROTOCOL},
	{{WRITE, {'H', 1ull << 63, NULL}}, EX_PROTOCOL},
	{{WRITE, {'H', UINT64_MAX, NULL}}, EX_PROTOCOL},
	{{WRITE, {'H', INT64_MAX, NULL}, {'H', 1, NULL}}, EX_PROTOCOL},
	{{WRITE, {'H', INT64_MAX, NULL}, {'D', 0, "x"}}, EX_PROTOCOL},
	{{WRITE, {'R', 8, "\2\0\0\0\0\0\0\1"}}, EX_PROTOCOL},
	{{WRITE, {'R', 10, "\3\0\0\0\0\0\0\0\0\0"}}, EX_PROTOCOL},
	{{WRITE, {'D', 0, "x"}, {'O', 0, "{\"type\":\"done\",\"size\":1}"}}, EX_PROTOCOL},
	{{WRITE, {'D', 0, "x"}, {'R', 2, "\0{"}}, EX_PROTOCOL},
	{{RESUME, {'O', 0, "{\"type\":\"from\",\"offset\":3,\"check\":\"" DIGITS "\"}"}},
		EX_PROTOCOL},
	{{RESUME, {'O', 0, "{\"type\":\"from\",\"offset\":4}"}}, EX_PROTOCOL},
	{{RESUME, {'O', 0, "{\"type\":\"from\",\"offset\":4,\"check\":\"11\"}"}}, EX_PROTOCOL},
	{{RESUME, {'O', 0, "{\"type\":\"from\"}"}}, EX_PROTOCOL},
	{{RESUME, {'D', 0, "x"}}, EX_PROTOCOL},
	{{READ, {'O', 0, "{\"type\":\"done\",\"size\":4}"}}, EX_PROTOCOL},
	{{READ, {'D', 0, "x"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"read\",\"name\":\"there\",\"held\":4}"}}, EX_PROTOCOL},
	{{{'O', 0, "{\"type\":\"read\",\"name\":\"there\",\"held\":-4,\"key\":\"" DIGITS "\"}"}},
		EX_PROTOCOL},
	{{READ_HELD, {'O', 0, "{\"type\":\"go\",\"offset\":3}"}}, EX_PROTOCOL},
	{{READ_HELD, {'O', 0, "{\"type\":\"go\"}"}}, EX_PROTOCOL},
};

static struct ft_noise *as_client(void)
{
	struct ft_noise *w = ft_noise_new(&conn, "server", &e);
	uint8_t *p;

	assert_int_equal(ft_noise_put_raw(w, FT_PREFACE, FT_PREFACE_BYTES, &e), 0);
	assert_int_equal(ft_noise_flush(w, &e), 0);
	assert_int_equal(ft_noise_get_raw(w, FT_SALT, &p, &e), 0);
	assert_int_equal(ft_noise_shake_hands(w, true, salt, psk, &e), 0);
	return w;
}

static void lying_clients(void **state)
{
	(void)state;
	spew_text("there", "what");
	for (size_t i = 0; i < COUNT(clients); i++) {
		spew_text(".held.part", "held");
		start_server();
		struct ft_noise *w = as_client();
		int told = lie_to(w, clients[i].lies);
		int code = end_server();
		ft_noise_free(w);
		if (told != clients[i].code || code != clients[i].code) {
			fail_msg("lie %zu: told %d, ended by %d, not %d", i, told, code,
				clients[i].code);
		}
		assert_false(is_there("name") || is_there("held"));
		(void)unlinkat(folder.fd, ".name.part", 0);
	}
}

/* What is sealed once is not taken twice, and the liar is told nothing: who knows who it is. */
static void replays(void **state)
{
	static const struct lie lies[][RECORDS] = {
		{WRITE, {'D', 0, "x"}, {'A', 0, NULL}}, {WRITE, {'E', 0, NULL}, {'A', 0, NULL}}};

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		start_server();
		struct ft_noise *w = as_client();
		assert_int_equal(lie_to(w, lies[i]), i == 0 ? 0 : EX_PROTOCOL);
		assert_int_equal(end_server(), EX_PROTOCOL);
		ft_noise_free(w);
		assert_false(is_there("name"));
	}
}

/* --- a server that lies --- */

#define READY                                  \
	{                                      \
		'O', 0, "{\"type\":\"ready\"}" \
	}
#define READY_5                                           \
	{                                                 \
		'O', 0, "{\"type\":\"ready\",\"size\":5}" \
	}

static const struct {
	bool writes, resumes;
	struct lie lies[RECORDS];
	int code;
} servers[] = {
	{false, false, {READY}, EX_PROTOCOL},
	{false, false, {{'O', 0, "{\"type\":\"ready\",\"size\":-5}"}}, EX_PROTOCOL},
	{false, false, {{'O', 0, "{\"type\":\"go\",\"size\":5}"}}, EX_PROTOCOL},
	{false, false, {{'D', 0, "hello"}}, EX_PROTOCOL},
	{false, false, {READY_5, {'D', 0, "hello!"}}, EX_PROTOCOL},
	{false, false, {READY_5, {'H', 6, NULL}}, EX_PROTOCOL},
	{false, false, {READY_5, {'H', UINT64_MAX, NULL}}, EX_PROTOCOL},
	{false, false, {READY_5, {'D', 0, "hell"}, {'E', 4, NULL}}, EX_PROTOCOL},
	{false, false, {READY_5, {'D', 0, "hello"}, {'E', 4, NULL}}, EX_PROTOCOL},
	{false, false, {READY_5, {'D', 0, "hello"}, {'E', 5, NULL}, {'D', 0, "!"}}, EX_PROTOCOL},
	{false, false, {READY_5, {'D', 0, "hello"}, {'A', 0, NULL}}, EX_PROTOCOL},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"no-input\"}"}}, EX_NOINPUT},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"exists\"}"}}, EX_CANTCREAT},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"rejected\"}"}}, EX_DATAERR},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"denied\"}"}}, EX_NOPERM},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"try-later\"}"}}, EX_TEMPFAIL},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"protocol\"}"}}, EX_PROTOCOL},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":\"other\"}"}}, EX_PROTOCOL},
	{false, false, {{'O', 0, "{\"type\":\"error\",\"code\":7,\"text\":7}"}}, EX_PROTOCOL},
	{false, false,
		{READY_5, {'D', 0, "h"}, {'O', 0, "{\"type\":\"error\",\"code\":\"try-later\"}"}},
		EX_TEMPFAIL},
	{false, true, {READY_5}, EX_PROTOCOL},
	{false, true, {{'O', 0, "{\"type\":\"ready\",\"size\":5,\"offset\":3}"}}, EX_PROTOCOL},
	{false, true, {{'O', 0, "{\"type\":\"ready\",\"size\":5,\"offset\":4}"}}, EX_PROTOCOL},
	{false, true,
		{{'O', 0, "{\"type\":\"ready\",\"size\":3,\"offset\":4,\"check\":\"" DIGITS "\"}"}},
		EX_PROTOCOL},
	{true, false, {{'O', 0, "{\"type\":\"done\",\"size\":5}"}}, EX_PROTOCOL},
	{true, false, {READY, {'O', 0, "{\"type\":\"done\",\"size\":4}"}}, EX_PROTOCOL},
	{true, false, {READY, {'D', 0, "x"}}, EX_PROTOCOL},
	{true, false, {{'O', 0, "{\"type\":\"ready\",\"held\":4,\"key\":\"" DIGITS "\"}"}},
		EX_PROTOCOL},
	{true, true, {{'O', 0, "{\"type\":\"ready\",\"held\":4}"}}, EX_PROTOCOL},
	{true, true,
		{{'O', 0, "{\"type\":\"ready\",\"held\":4,\"key\":\"" DIGITS "\"}"},
			{'O', 0, "{\"type\":\"go\",\"offset\":3}"}},
		EX_PROTOCOL},
	{true, true,
		{{'O', 0, "{\"type\":\"ready\",\"held\":9,\"key\":\"" DIGITS "\"}"},
			{'O', 0, "{\"type\":\"go\",\"offset\":9}"}},
		EX_PROTOCOL},
};

static int lying_server(int i)
{
	struct conn c;
	struct ft_noise *w;
	uint8_t *p;

	conn_close(&conn);
	conn_init(&c, server_end);
	conn_deadline(&c, 20000);
	w = ft_noise_new(&c, "client", &e);
	if (w == NULL || ft_noise_get_raw(w, FT_PREFACE_BYTES, &p, &e) != 0 ||
		ft_noise_put_raw(w, salt, sizeof salt, &e) != 0 || ft_noise_flush(w, &e) != 0 ||
		ft_noise_shake_hands(w, false, salt, psk, &e) != 0) {
		return 1;
	}
	(void)lie_to(w, servers[i].lies);
	ft_noise_free(w);
	return 0;
}

static void lying_servers(void **state)
{
	int pair[2];

	(void)state;
	for (size_t i = 0; i < COUNT(servers); i++) {
		spew_text(".in", "hello");
		spew_text(".out.part", "held");
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		conn_init(&conn, pair[0]);
		server_end = pair[1];
		server = start_child(lying_server, (int)i);
		(void)close(server_end);
		resumes = servers[i].resumes;
		int rc = servers[i].writes ? noise_writes("name") : noise_reads("name");
		resumes = false;
		if (rc != -1 || e.code != servers[i].code) {
			fail_msg("lie %zu: %d, %d: %s", i, rc, e.code, e.text);
		}
		assert_int_equal(end_server(), 0);
		assert_false(is_there("out"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_NOISE_WIRE("a client that lies is refused, and told", lying_clients),
		T_NOISE_WIRE("a record that comes again is none", replays),
		T_NOISE_WIRE("a server that lies is refused", lying_servers),
	};
	return RUN(tests);
}
