/* The largest message, from the menu's choice to the acknowledgement, within a session; against as
 * many bytes over a plain loopback connection to a process that writes them to disk in the same
 * durable steps and answers with one byte. 4-large FOLDER      FOLDER: for the yardstick's files */
#include "../../crypto/file.h"
#include "loopback.h"

enum { ROUNDS = 11, HEAD = 128 }; /* HEAD: about what our header adds */

/* --- the plain copy --- */

static void take_one(int fd, int dir, size_t n, unsigned long number)
{
	static uint8_t piece[CLASSIC_BUF];
	struct raw_file f;

	raw_begin(&f, dir, dir, number);
	while (n > 0) {
		ssize_t k = read(fd, piece, n < sizeof piece ? n : sizeof piece);
		if (k <= 0) {
			_exit(number == 0 ? 1 : 0); /* the sender has finished */
		}
		if (file_write_all(f.fd, piece, (size_t)k) != 0) {
			die("cannot write: %s", strerror(errno));
		}
		n -= (size_t)k;
	}
	raw_end(&f);
	if (write(fd, "k", 1) != 1) {
		die("cannot answer: %s", strerror(errno));
	}
}

/* A receiver of messages of n bytes, in a process of its own. The connection to it. */
static int start_receiver(const char *folder, size_t n)
{
	int ends[2];
	pid_t pid;

	loopback(ends);
	pid = fork();
	if (pid == 0) {
		int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(ends[0]);
		if (dir < 0) {
			die("the receiver cannot open %s: %s", folder, strerror(errno));
		}
		for (unsigned long i = 0;; i++) {
			take_one(ends[1], dir, n, i);
		}
	}
	if (pid < 0) {
		die("cannot fork: %s", strerror(errno));
	}
	(void)close(ends[1]);
	return ends[0];
}

static double plain_copy(int fd, const uint8_t *p, size_t n)
{
	double start = now();
	uint8_t byte;

	if (file_write_all(fd, p, n) != 0 || read(fd, &byte, 1) != 1) {
		die("the plain copy failed: %s", strerror(errno));
	}
	return (now() - start) * 1e3;
}

/* --- ours --- */

static double send_one(struct classic_client *c, const uint8_t *p, size_t n, int number)
{
	double start = now();
	char title[32];

	(void)snprintf(title, sizeof title, "large %zu %d", n, number);
	bench_send(c, "box1", title, p, n, MESSAGE_CONTENT_CHARS);
	return (now() - start) * 1e3;
}

static void measure(const char *what, const char *character, const char *folder)
{
	static struct classic_client c;
	size_t width = strlen(character), n = width * MESSAGE_CONTENT_CHARS;
	uint8_t *text = malloc(n + HEAD);
	struct rounds ours = {0}, yard = {0};
	int fd;

	if (text == NULL) {
		die("out of memory");
	}
	for (size_t i = 0; i < n + HEAD; i++) {
		text[i] = (uint8_t)character[i % width];
	}
	fd = start_receiver(folder, n + HEAD);
	bench_login(&c, 1);
	for (int i = 0; i < ROUNDS; i++) {
		rounds_add(&ours, send_one(&c, text, n, i));
		rounds_add(&yard, plain_copy(fd, text, n + HEAD));
	}
	classic_client_quit(&c);
	classic_client_end(&c);
	(void)close(fd);
	(void)wait(NULL);
	free(text);
	print_row(&(struct row){what, "ms", median(&ours), median(&yard), RATIO_AT_MOST, 2});
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		die("usage: 4-large FOLDER");
	}
	section("A message of 1,000,000 characters, acknowledged. Yardstick: as many bytes\n"
		"over a plain socket + write + fdatasync + link + fsync(folder) + 1 byte back");
	measure("ASCII, 1 MB", "x", argv[1]);
	measure("4-byte characters, 4 MB", "\xf0\x9f\x98\x80", argv[1]);
	return 0;
}
