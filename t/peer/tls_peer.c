/* Both ends of conn_tls.h on a socket, for openssl's programs to be the other end:
 *
 *     tls_peer serve CERT KEY          prints its port, then a line for each connection
 *     tls_peer dial PORT HOST CA|PIN   CA is a file, PIN 64 hex digits; a line; then stdin goes out
 *
 * The line is "ok SUITE" or "failed CODE TEXT". What the client says is echoed. */
#include <fcntl.h>
#include <netinet/in.h>

#include "../../crypto/bytes.h"
#include "../../crypto/file.h"
#include "../../proto/conn_tls.h"

enum { DEADLINE_MS = 20000 };

static int tell(const struct conn *c, int rc, const struct err *e)
{
	char suite[TLS_SUITE_MAX];

	if (rc == 0) {
		conn_tls_describe(c, suite);
		(void)printf("ok %s\n", suite);
	} else {
		(void)printf("failed %d %s\n", e->code, e->text);
	}
	(void)fflush(stdout);
	return rc == 0 ? 0 : e->code;
}

static void read_text(const char *path, struct buf *out)
{
	struct err e;

	if (file_read(AT_FDCWD, path, TLS_TRUST_TEXT_MAX, out, NULL, &e) != 0) {
		(void)fprintf(stderr, "tls_peer: %s\n", e.text);
		exit(EX_NOINPUT);
	}
}

static void echo(struct conn *c)
{
	uint8_t text[4096];
	size_t got;

	while (conn_read(c, text, sizeof text, 0, &got, NULL) == CONN_DATA &&
		conn_write(c, text, got, NULL) == 0) {
	}
	conn_finish(c);
}

static int listen_on_loopback(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 16) != 0 ||
		getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
		perror("tls_peer");
		exit(EX_OSERR);
	}
	(void)printf("%d\n", ntohs(a.sin_port));
	(void)fflush(stdout);
	return fd;
}

static int serve(const char *chain_path, const char *key_path)
{
	struct buf chain = {0}, key = {0};
	struct tls_identity *id;
	struct conn c;
	struct err e;
	bool from_key;
	int fd;

	read_text(chain_path, &chain);
	read_text(key_path, &key);
	if (tls_identity_parse(&id, chain.p, chain.n, key.p, key.n, &from_key, &e) != 0) {
		(void)fprintf(stderr, "tls_peer: %s\n", e.text);
		return e.code;
	}
	fd = listen_on_loopback();
	for (;;) {
		conn_init(&c, accept(fd, NULL, NULL));
		conn_deadline(&c, DEADLINE_MS);
		if (tell(&c, conn_tls_accept(&c, id, &e), &e) == 0) {
			echo(&c);
		}
		conn_close(&c);
	}
}

/* stdin to the peer, and as many bytes back to stdout. */
static int talk(struct conn *c, struct err *e)
{
	uint8_t text[4096];
	size_t got;
	ssize_t n;

	while ((n = read(STDIN_FILENO, text, sizeof text)) > 0) {
		if (conn_write(c, text, (size_t)n, e) != 0 ||
			conn_read_exact(c, text, (size_t)n, &got, e) != CONN_DATA) {
			return -1;
		}
		(void)fwrite(text, 1, got, stdout);
	}
	conn_finish(c);
	return 0;
}

static int dial(const char *port, const char *host, const char *trusted)
{
	struct buf text = {0};
	struct tls_trust *trust = NULL;
	struct conn_tls_check check = {.host = host};
	uint8_t pin[TLS_PIN_BYTES];
	struct conn c;
	struct err e;
	int rc;

	if (hex_decode(pin, sizeof pin, trusted, strlen(trusted)) == 0) {
		check.pin = pin;
	} else {
		read_text(trusted, &text);
		if (tls_trust_parse(&trust, text.p, text.n, &e) != 0) {
			(void)fprintf(stderr, "tls_peer: %s\n", e.text);
			return e.code;
		}
		check.trust = trust;
	}
	rc = conn_dial(&c, "127.0.0.1", port, &e);
	if (rc == 0) {
		conn_deadline(&c, DEADLINE_MS);
		rc = conn_tls_connect(&c, &check, &e);
		if (tell(&c, rc, &e) == 0 && talk(&c, &e) != 0) {
			rc = tell(&c, -1, &e);
		}
		conn_close(&c);
	}
	tls_trust_free(trust);
	buf_free(&text);
	return rc == 0 ? 0 : e.code;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0) {
		return serve(argv[2], argv[3]);
	}
	if (argc == 5 && strcmp(argv[1], "dial") == 0) {
		return dial(argv[2], argv[3], argv[4]);
	}
	(void)fputs("usage: tls_peer serve CERT KEY | dial PORT HOST CA|PIN\n", stderr);
	return EX_USAGE;
}
