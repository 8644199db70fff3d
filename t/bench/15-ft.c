/* File transfer over loopback, a file of 1 GiB in memory to one in memory, in GiB/s, each cipher
 * and direction, from the start of `ft` to its end. The yardstick of all is a plain copy through a
 * TCP socket, in pieces of 64 KiB, that makes the same file. Beside it: scp, and openssl enc in
 * pipes, where they are there; and BearSSL's own AES-256-GCM. All take turns, round by round.
 *     15-ft SMTP361 FOLDER ADDRESS SERVER_PID [SCP_PORT SCP_KEY]
 * FOLDER: where "big" is, and drop/big, which ADDRESS serves; the key is in the file "key" */
#include <bearssl.h>

#include "files.h"
#include "loopback.h"
#include "process.h"

enum { ROUNDS = 5, PIECE = 65536, RECORD = 61441 };

static const char *program, *address, *server, *scp_port, *scp_key;
static uint64_t size;
static uint8_t piece[PIECE];

struct way {
	const char *what;
	void (*run)(const char *cipher);
	const char *cipher;
	enum goal kind;
	double goal;
	struct rounds rates;
};

static void must_end_well(pid_t pid, const char *what)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		die("%s failed", what);
	}
}

/* In a child: this descriptor as that one, and the program. */
static pid_t start(const char *const *argv, int in, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		if ((in < 0 || dup2(in, STDIN_FILENO) >= 0) &&
			(out < 0 || dup2(out, STDOUT_FILENO) >= 0)) {
			(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		}
		_exit(127);
	}
	return pid;
}

/* --- ours --- */

static pid_t start_ft(const char *verb, const char *cipher)
{
	static char key[4096 + 8], big[4096], got[4096];
	char path[4096];
	const bool writes = strcmp(verb, "write") == 0;
	const char *argv[] = {program, "ft", verb, writes ? "got" : "big", address, cipher, key,
		writes ? "-i" : "-o", writes ? big : got, "-q", NULL};

	path_of("key", path);
	(void)snprintf(key, sizeof key, "file:%s", path);
	path_of("big", big);
	path_of("out", got);
	return start(argv, -1, -1);
}

static void read_it(const char *cipher)
{
	must_end_well(start_ft("read", cipher), "ft read");
}

static void write_it(const char *cipher)
{
	must_end_well(start_ft("write", cipher), "ft write");
}

/* --- the others --- */

static void copy(int from, int to)
{
	ssize_t n;

	while ((n = read(from, piece, sizeof piece)) > 0) {
		if (file_write_all(to, piece, (size_t)n) != 0) {
			die("cannot write: %s", strerror(errno));
		}
	}
	if (n < 0) {
		die("cannot read: %s", strerror(errno));
	}
}

static void plain(const char *cipher)
{
	int ends[2], big;
	pid_t pid;

	(void)cipher;
	loopback(ends);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		copy(ends[1], open_file("out", O_WRONLY | O_CREAT | O_EXCL));
		_exit(0);
	}
	(void)close(ends[1]);
	big = open_file("big", O_RDONLY);
	copy(big, ends[0]);
	(void)close(big);
	(void)close(ends[0]);
	must_end_well(pid, "the plain copy");
}

static void openssl_pipe(const char *cipher)
{
	const char *const seal[] = {"openssl", "enc", cipher, "-pass", "pass:x", "-pbkdf2", NULL};
	const char *const unseal[] = {
		"openssl", "enc", "-d", cipher, "-pass", "pass:x", "-pbkdf2", NULL};
	int ends[2], out = open_file("out", O_WRONLY | O_CREAT | O_EXCL);
	int big = open_file("big", O_RDONLY);
	pid_t taker, sender;

	loopback(ends);
	taker = start(unseal, ends[1], out);
	sender = start(seal, big, ends[0]);
	(void)close(out); /* a file that somebody has open keeps its memory */
	(void)close(big);
	(void)close(ends[0]);
	(void)close(ends[1]);
	must_end_well(sender, "openssl enc");
	must_end_well(taker, "openssl enc -d");
}

static void scp(const char *cipher)
{
	char option[64], from[4096 + 32], to[4096];
	const char *const argv[] = {"scp", "-q", "-c", option, "-P", scp_port, "-i", scp_key, "-o",
		"StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
		"LogLevel=ERROR", from, to, NULL};

	(void)snprintf(option, sizeof option, "%s", cipher);
	path_of("big", to);
	(void)snprintf(from, sizeof from, "127.0.0.1:%s", to);
	path_of("out", to);
	must_end_well(start(argv, -1, -1), "scp");
}

static double gcm_rate(void)
{
	static uint8_t record[RECORD];
	const uint8_t key[32] = {1}, nonce[12] = {0};
	br_aes_x86ni_ctr_keys ni;
	br_aes_ct64_ctr_keys soft;
	const br_block_ctr_class **keys = (const br_block_ctr_class **)&ni.vtable;
	br_ghash hash = br_ghash_pclmul_get();
	br_gcm_context g;
	uint8_t tag[16];
	double began;

	if (br_aes_x86ni_ctr_get_vtable() != NULL) {
		br_aes_x86ni_ctr_init(&ni, key, sizeof key);
	} else {
		keys = (const br_block_ctr_class **)&soft.vtable;
		br_aes_ct64_ctr_init(&soft, key, sizeof key);
	}
	br_gcm_init(&g, keys, hash != 0 ? hash : br_ghash_ctmul64);
	began = now();
	for (uint64_t at = 0; at < size; at += RECORD) {
		br_gcm_reset(&g, nonce, sizeof nonce);
		br_gcm_flip(&g);
		br_gcm_run(&g, 1, record, sizeof record);
		br_gcm_get_tag(&g, tag);
	}
	return (double)size / 1073741824.0 / (now() - began);
}

/* --- rounds --- */

static void clear(void)
{
	remove_file("out");
	remove_file("drop/got");
}

static void round_of(struct way *w)
{
	double began;

	clear();
	warm((off_t)size);
	began = now();
	w->run(w->cipher);
	rounds_add(&w->rates, (double)size / 1073741824.0 / (now() - began));
	clear();
}

/* The PSS of the server's one session; 0: there is none. */
static double session_pss(void)
{
	double sum = 0;

	return children(server, &sum) == 1 && !isnan(sum) ? sum : 0;
}

/* What `ft` and its session hold while bytes move. */
static void memory(const char *verb)
{
	/* the median: at the start Argon2id has its 19 MiB in the client for some 30 ms */
	struct rounds ours = {0}, theirs = {0};
	char what[64];
	pid_t pid = start_ft(verb, "noise");
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		double mine = pss(pid), session = session_pss();
		if (session > 0) {
			rounds_add(&ours, mine);
			rounds_add(&theirs, session);
		}
		(void)usleep(10000);
	}
	clear();
	(void)snprintf(what, sizeof what, "noise %s, memory of the client", verb);
	print_row(&(struct row){what, "KiB", median(&ours), NAN, AT_MOST, 8000});
	(void)snprintf(what, sizeof what, "noise %s, memory of its session", verb);
	print_row(&(struct row){what, "KiB", median(&theirs), NAN, AT_MOST, 8000});
}

int main(int argc, char **argv)
{
	static struct way ways[] = {{"a plain copy by TCP", plain, NULL, GOAL_NONE, 0, {{0}, 0}},
		{"ft read noise", read_it, "noise", RATIO_AT_LEAST, 0.6, {{0}, 0}},
		{"ft write noise", write_it, "noise", RATIO_AT_LEAST, 0.6, {{0}, 0}},
		{"ft read aes256", read_it, "aes256", GOAL_NONE, 0, {{0}, 0}},
		{"ft read aes128", read_it, "aes128", GOAL_NONE, 0, {{0}, 0}},
		{"ft read none", read_it, "none", GOAL_NONE, 0, {{0}, 0}},
		{"openssl enc -aes-256-ctr, in pipes", openssl_pipe, "-aes-256-ctr", GOAL_NONE, 0,
			{{0}, 0}},
		{"scp, aes256-gcm", scp, "aes256-gcm@openssh.com", GOAL_NONE, 0, {{0}, 0}}};
	size_t n = sizeof ways / sizeof ways[0];
	struct rounds gcm = {0};
	double yard, noise;

	if (argc != 5 && argc != 7) {
		die("usage: 15-ft SMTP361 FOLDER ADDRESS SERVER_PID [SCP_PORT SCP_KEY]");
	}
	program = argv[1];
	folder = argv[2];
	address = argv[3];
	server = argv[4];
	n -= argc == 7 ? 0 : 1;
	scp_port = argc == 7 ? argv[5] : NULL;
	scp_key = argc == 7 ? argv[6] : NULL;
	size = (uint64_t)bytes_of("big");
	for (int r = 0; r < ROUNDS; r++) {
		for (size_t i = 0; i < n; i++) {
			round_of(&ways[i]);
		}
		rounds_add(&gcm, gcm_rate());
	}
	section("File transfer, 1 GiB from memory to memory. Yardstick: a plain copy by TCP");
	yard = median(&ways[0].rates);
	noise = median(&ways[1].rates);
	for (size_t i = 1; i < n; i++) {
		print_row(&(struct row){ways[i].what, "GiB/s", median(&ways[i].rates), yard,
			ways[i].kind, ways[i].goal});
	}
	print_row(&(struct row){
		"BearSSL's AES-256-GCM, one core", "GiB/s", median(&gcm), yard, GOAL_NONE, 0});
	if (argc == 7) {
		print_row(&(struct row){"ft read noise, beside scp", "GiB/s", noise,
			median(&ways[n - 1].rates), RATIO_ABOVE, 1});
	}
	memory("read");
	memory("write");
	return 0;
}
