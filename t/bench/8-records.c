/* Sealed records over loopback, from one process to another, with the keys of a real handshake; MB
 * are 10^6 bytes of content. Two yardsticks. BearSSL's own AES-256-GCM, memory to memory in the
 * same pieces: one process seals while another opens, because so do the two ends of a connection;
 * the slower one counts. And a plain TCP connection with writes and reads as long as ours. */
#include <bearssl.h>

#include "../../crypto/file.h"
#include "enhanced.h"
#include "loopback.h"

enum {
	ROUNDS = 9,
	PIECES = 1024, /* of ENHANCED_PIECE bytes, in a round */
	SEALED = ENHANCED_LENGTH + ENHANCED_PIECE + NOISE_TAG,
	WRITE = ENHANCED_BUFFER / SEALED * SEALED /* as many records as fit the buffer */
};

static uint8_t content[ENHANCED_PIECE];
static struct enhanced sender, receiver;

/* Run two halves at once; the time until both have ended, as MB/s of a round. */
static double both(void (*child)(int fd), void (*parent)(int fd))
{
	double start = now();
	int ends[2], status;
	pid_t pid;

	loopback(ends);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		child(ends[1]);
		_exit(0);
	}
	(void)close(ends[1]);
	parent(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("the receiving half failed");
	}
	(void)close(ends[0]);
	return (double)PIECES * ENHANCED_PIECE / 1e6 / (now() - start);
}

/* --- ours --- */

static void pass(struct noise *from, struct noise *to)
{
	uint8_t message[ENHANCED_THIRD], payload[ENHANCED_THIRD];
	size_t n, payload_n;
	struct err e;

	if (noise_write(from, NULL, 0, message, sizeof message, &n, &e) != 0 ||
		noise_read(to, message, n, payload, &payload_n, &e) != 0) {
		die("the handshake failed: %s", e.text);
	}
}

/* sender.tx and receiver.rx. */
static void shake_hands(void)
{
	const struct peer *p = bench_peer();
	struct noise_setup setup = {.pattern = ENHANCED_PATTERN, .s = &p->server};
	struct noise client, server;
	struct err e;

	if (noise_begin(&server, &setup, &e) != 0) {
		die("%s", e.text);
	}
	setup = (struct noise_setup){.pattern = ENHANCED_PATTERN,
		.initiator = true,
		.s = &p->own,
		.remote_static = p->server.public};
	if (noise_begin(&client, &setup, &e) != 0) {
		die("%s", e.text);
	}
	pass(&client, &server);
	pass(&server, &client);
	pass(&client, &server);
	if (noise_split(&client, &sender.tx, &sender.rx, &e) != 0 ||
		noise_split(&server, &receiver.tx, &receiver.rx, &e) != 0) {
		die("%s", e.text);
	}
}

static void send_sealed(int fd)
{
	struct conn c;
	struct err e;
	int rc = 0;

	conn_init(&c, fd);
	sender.conn = &c;
	for (int i = 0; i < PIECES && rc == 0; i++) {
		rc = enhanced_put_raw(&sender, content, sizeof content, &e);
	}
	if (rc != 0 || enhanced_flush(&sender, &e) != 0) {
		die("cannot send: %s", e.text);
	}
}

static void receive_sealed(int fd)
{
	uint64_t left = (uint64_t)PIECES * ENHANCED_PIECE;
	struct conn c;
	struct err e;
	uint8_t *p;
	size_t n;

	conn_init(&c, fd);
	receiver.conn = &c;
	while (left > 0) {
		if (enhanced_get_raw(&receiver, &left, &p, &n, &e) != 0) {
			die("cannot receive: %s", e.text);
		}
	}
}

static double sealed(void)
{
	enhanced_init(&sender, NULL);
	enhanced_init(&receiver, NULL);
	shake_hands();
	return both(receive_sealed, send_sealed);
}

/* --- plain TCP --- */

static void send_plain(int fd)
{
	for (size_t left = (size_t)PIECES * ENHANCED_PIECE; left > 0;) {
		size_t k = left < WRITE ? left : WRITE;
		if (file_write_all(fd, sender.out, k) != 0) {
			die("cannot write: %s", strerror(errno));
		}
		left -= k;
	}
}

static void receive_plain(int fd)
{
	for (size_t left = (size_t)PIECES * ENHANCED_PIECE; left > 0;) {
		ssize_t k = read(fd, receiver.in, sizeof receiver.in);
		if (k <= 0) {
			die("cannot read: %s", strerror(errno));
		}
		left -= (size_t)k;
	}
}

/* --- GCM alone --- */

static void gcm(int encrypt)
{
	static const uint8_t key[GCM_KEY], nonce[GCM_NONCE];
	const br_block_ctr_class *ctr = br_aes_x86ni_ctr_get_vtable();
	br_ghash hash = br_ghash_pclmul_get();
	br_aes_gen_ctr_keys keys;
	br_gcm_context context;
	uint8_t tag[GCM_TAG];

	(ctr == NULL ? &br_aes_ct64_ctr_vtable : ctr)->init(&keys.vtable, key, sizeof key);
	br_gcm_init(&context, &keys.vtable, hash == NULL ? br_ghash_ctmul64 : hash);
	for (int i = 0; i < PIECES; i++) {
		br_gcm_reset(&context, nonce, sizeof nonce);
		br_gcm_flip(&context);
		br_gcm_run(&context, encrypt, content, sizeof content);
		br_gcm_get_tag(&context, tag);
	}
}

static void seal(int fd)
{
	(void)fd;
	gcm(1);
}

static void unseal(int fd)
{
	(void)fd;
	gcm(0);
}

int main(void)
{
	struct rounds ours = {0}, bare = {0}, plain = {0};

	for (int i = 0; i < ROUNDS; i++) {
		rounds_add(&ours, sealed());
		rounds_add(&bare, both(unseal, seal));
		rounds_add(&plain, both(receive_plain, send_plain));
	}
	section("Sealed records over loopback. Yardsticks: AES-256-GCM in memory, one process\n"
		"sealing while another opens; and plain TCP with writes as long");
	print_row(&(struct row){"records, against AES-256-GCM", "MB/s", median(&ours),
		median(&bare), GOAL_NONE, 0});
	print_row(&(struct row){
		"records, against plain TCP", "MB/s", median(&ours), median(&plain), GOAL_NONE, 0});
	return 0;
}
