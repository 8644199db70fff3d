/* What a login costs the server, against the two things that it cannot do without: one RSA-2048
 * private operation and one fork. The client must not count, so it sends one login block again and
 * again, which the classic protocol accepts, and reads the key block without decrypting it:
 * connect, 256 bytes there, 256 bytes back, close, one after the other. A whole login with its
 * menu, whose client does a private operation of its own, is shown beside it. 2-login SERVER_PID */
#include <netdb.h>

#include "process.h"

enum { ROUNDS = 11, LOGINS = 60, WHOLE = 20 };

struct target {
	char host[CONN_HOST_MAX], port[8];
	struct rsa_private server; /* for the yardstick: the private operation itself */
	uint8_t block[RSA_BYTES_MAX];
	size_t block_n, reply_n;
};

static void prepare(struct target *t)
{
	static const char login[] = "client1\npassword1";
	const char *address = getenv("SMTP361_SERVER");
	struct rsa_public client;
	struct err e;

	if (conn_split(address == NULL ? "" : address, t->host, t->port, &e) != 0 ||
		keyfile_load_private(AT_FDCWD, "server", &t->server, &e) != 0 ||
		keyfile_load_public(AT_FDCWD, "client1", &client, &e) != 0 ||
		rsa_oaep_encrypt(&t->server.public, login, strlen(login), t->block, &e) != 0) {
		die("%s", e.text);
	}
	t->block_n = t->server.public.n_len;
	t->reply_n = client.n_len;
}

static void replay(const void *target)
{
	const struct target *t = target;
	uint8_t reply[RSA_BYTES_MAX];
	struct conn c;
	struct err e = {0};
	size_t got;

	if (conn_dial(&c, t->host, t->port, &e) != 0) {
		die("%s", e.text);
	}
	conn_deadline(&c, 10000);
	if (conn_write(&c, t->block, t->block_n, &e) != 0 ||
		conn_read_exact(&c, reply, t->reply_n, &got, &e) != CONN_DATA) {
		die("a replayed login got no key block: %s", e.text);
	}
	conn_close(&c);
}

static void whole(const void *target)
{
	static struct classic_client c;

	(void)target;
	bench_login(&c, 1);
	classic_client_end(&c);
}

static void rsa_operation(const void *target)
{
	const struct target *t = target;
	uint8_t block[RSA_BYTES_MAX];

	memcpy(block, t->block, t->block_n);
	if (rsa_oaep_decrypt(&t->server, block) < 0) {
		die("the login block cannot be decrypted");
	}
}

int main(int argc, char **argv)
{
	static struct target t;
	struct rounds login = {0}, cpu = {0}, full = {0}, rsa = {0}, forked = {0};
	double wall, bare, private;

	if (argc != 2) {
		die("usage: 2-login SERVER_PID");
	}
	prepare(&t);
	(void)milliseconds(replay, &t, 5); /* everything is in memory from here on */
	(void)milliseconds(whole, &t, 1);
	for (int i = 0; i < ROUNDS; i++) {
		double before = cpu_ms(argv[1]);
		rounds_add(&login, milliseconds(replay, &t, LOGINS));
		rounds_add(&cpu, (cpu_ms(argv[1]) - before) / LOGINS);
		rounds_add(&rsa, milliseconds(rsa_operation, &t, LOGINS));
		rounds_add(&forked, milliseconds(fork_exit, &t, LOGINS));
		rounds_add(&full, milliseconds(whole, &t, WHOLE));
	}
	wall = median(&login);
	private = median(&rsa);
	bare = private + median(&forked);
	section("Logins, one by one. Yardstick: one RSA-2048 private operation + fork + exit");
	print_row(&(struct row){
		"a login, by the clock (replayed block)", "ms", wall, bare, RATIO_AT_MOST, 1.3});
	print_row(&(struct row){
		"the same, logins per second", "/s", 1e3 / wall, 1e3 / bare, GOAL_NONE, 0});
	print_row(&(struct row){
		"a login, CPU time of the server", "ms", median(&cpu), bare, GOAL_NONE, 0});
	print_row(&(struct row){"to the first menu; yardstick + client's RSA", "ms", median(&full),
		bare + private, GOAL_NONE, 0});
	return 0;
}
