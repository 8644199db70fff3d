/* An SMTP server's bytes against the client: whatever it says, the session ends, within bounds, and
 * a message counts as taken only when the server has said so behind its end. */
#include <errno.h>
#include <sys/socket.h>

#include "fuzz.h"

#include "../../proto/smtp_client_state.h"

static struct {
	const uint8_t *p;
	size_t n;
	size_t sent; /* bytes that the client wrote, */
	bool ended;  /* and it ended a message */
	uint8_t last[5];
} wire;

/* A few bytes at a time: replies are put together from pieces. */
static ssize_t take(int fd, void *p, size_t n, int flags)
{
	size_t k = wire.n < 7 ? wire.n : 7;

	(void)fd;
	(void)flags;
	k = k < n ? k : n;
	memcpy(p, wire.p, k);
	wire.p += k;
	wire.n -= k;
	return (ssize_t)k;
}

static ssize_t give(int fd, const void *p, size_t n, int flags)
{
	static const uint8_t end[5] = "\r\n.\r\n";
	const uint8_t *s = p;

	(void)fd;
	(void)flags;
	for (size_t i = 0; i < n; i++) {
		memmove(wire.last, wire.last + 1, 4);
		wire.last[4] = s[i];
		wire.ended = wire.ended || memcmp(wire.last, end, 5) == 0;
	}
	wire.sent += n;
	return (ssize_t)n;
}

static int text(void *arg, transfer_put *put, void *put_arg, struct err *e)
{
	static const char message[] = "Subject: x\n\n.\n.x\n\xc3\xa4\n";

	(void)arg;
	return put(put_arg, message, sizeof message - 1, e);
}

static void refused(void *arg, const char *recipient, const char *why)
{
	(void)arg;
	assert(strlen(recipient) > 0 && !has_control(why, strlen(why)));
}

static void send_one(struct smtp_client *c)
{
	static const struct rfc5322_mailbox from = {.local = "a", .domain = "b"},
					    to[2] = {{"c", "d"}, {"e f", "g"}};
	enum smtp_fate fates[2];
	const struct smtp_envelope v = {
		&from, to, 2, true, false, text, NULL, refused, NULL, fates};
	struct err e = {0};

	wire.ended = false;
	if (smtp_client_send(c, &v, &e) == 0) {
		assert(wire.ended && (fates[0] == SMTP_ACCEPTED || fates[1] == SMTP_ACCEPTED));
	} else {
		assert(e.code != 0 && e.text[0] != '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct smtp_target target = {
		.host = "h", .port = "1", .hello = "h", .tls = SMTP_IN_THE_CLEAR};
	struct smtp_client *c = calloc(1, sizeof *c);
	struct err e = {0};

	assert(c != NULL);
	wire.p = data;
	wire.n = size;
	c->target = &target;
	c->alive = true;
	c->conn = (struct conn){.fd = -1, .stop_fd = -1, .recv = take, .send = give};
	smtp_lines_over(&c->lines, &c->conn);
	if (smtp_client_greet(c, &e) == 0) {
		if (smtp_client_login(c, "user", "password", 8, &e) != 0) {
			assert(e.code != 0 && e.text[0] != '\0');
		}
		for (int i = 0; i < 2 && smtp_client_is_alive(c); i++) {
			send_one(c);
		}
	} else {
		assert(e.code != 0 && e.text[0] != '\0');
	}
	smtp_client_end(c);
	return 0;
}
