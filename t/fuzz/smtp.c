/* The SMTP door (smtp_parties.h): a client says anything, logs in rightly and wrongly, with and
 * without TLS. Whatever it says, each reply is well formed, nobody is let in who did not show a
 * password, each message that is stored was acknowledged, and comes back as it was sent.
 *
 * The input: a byte of flags, and the client's script. */
#include "smtp_parties.h"

#include <fcntl.h>
#include <poll.h>

#include "../../proto/original.h"

enum {
	FLAG_PIECES = 7, /* how much a read or a write does: 0 everything */
	FLAG_OPEN = 8,
	FLAG_TLS_ONLY = 16,
	FLAG_SMTPS = 32,
	FLAG_NO_TLS = 64, /* the server has no certificate */
	FLAG_SMALL = 128  /* its messages are small */
};

/* The C library's poll never waits: it is how a refused login takes its time. */
int hurried_poll(struct pollfd *p, nfds_t n, int ms) __asm__("poll");
int hurried_poll(struct pollfd *p, nfds_t n, int ms)
{
	(void)p;
	(void)n;
	(void)ms;
	return 0;
}

/* --- replies --- */

static bool is_code(const uint8_t *p)
{
	return p[0] >= '2' && p[0] <= '5' && p[1] >= '0' && p[1] <= '5' && p[2] >= '0' &&
	       p[2] <= '9';
}

/* The lines of all replies are sound. How many begin so. */
static size_t count_replies(const char *begins)
{
	size_t found = 0;

	for (size_t at = 0, n; at < heard.n; at += n + 2) {
		const uint8_t *p = heard.p + at, *end = memmem(p, heard.n - at, "\r\n", 2);
		assert(end != NULL);
		n = (size_t)(end - p);
		assert(n >= 3 && n + 2 <= 512 && is_code(p));
		assert(n == 3 || p[3] == ' ' || p[3] == '-');
		for (size_t i = 0; i < n; i++) {
			assert(p[i] >= ' ' && p[i] <= '~');
		}
		found += n >= strlen(begins) && memcmp(p, begins, strlen(begins)) == 0 ? 1 : 0;
	}
	return found;
}

/* Did the script itself hold a password in base64, at any of its three alignments? */
static bool has_said_password(void)
{
	static const char *const forms[] = {"cGFzc3dvcmQy", "YXNzd29y", "c3N3b3Jk"};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (said.n > 0 && memmem(said.p, said.n, forms[i], strlen(forms[i])) != NULL) {
			return true;
		}
	}
	return false;
}

/* --- what was stored --- */

static int gather(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	assert(buf_append(arg, p, n) == 0);
	return 0;
}

/* Is it this message that was said here, up to its line of one dot? Where that ends, or 0. */
static size_t said_at(size_t at, const struct buf *message)
{
	size_t k = 0;
	bool line_begins = true;

	while (at + 3 <= said.n) {
		if (line_begins && said.p[at] == '.') {
			if (memcmp(said.p + at, ".\r\n", 3) == 0) {
				return k == message->n ? at + 3 : 0;
			}
			at++;
		}
		if (k == message->n || said.p[at] != message->p[k]) {
			return 0;
		}
		line_begins = said.p[at] == '\n';
		at++;
		k++;
	}
	return 0;
}

/* Behind this place. Where it ends. */
static size_t find_said(size_t from, const struct buf *message)
{
	for (size_t at = from; at < said.n; at++) {
		size_t end = at > 0 && said.p[at - 1] == '\n' ? said_at(at, message) : 0;
		if (end > 0) {
			return end;
		}
	}
	return 0;
}

static void check_stored(void)
{
	static struct original o;
	struct buf message = {0};
	size_t at = 0;
	struct err e;

	for (size_t i = 0; i < delivered_n; i++) {
		const struct buf *content = &delivered[i].content;
		struct utf8_counter count = {0};
		(void)utf8_feed(&count, content->p, content->n, UINT64_MAX);
		assert(!count.invalid && count.part_n == 0 && count.count == delivered[i].chars);
		message.n = 0;
		original_begin(&o, gather, &message);
		assert(original_decode(&o, content->p, content->n, &e) == 0);
		assert(original_decode_end(&o, &e) == 0);
		at = find_said(at, &message);
		assert(at > 0);
	}
	buf_free(&message);
}

static void check_senders(bool open, bool somebody)
{
	for (size_t i = 0; i < delivered_n; i++) {
		const char *source = delivered[i].source;
		assert(strcmp(source, SMTP_UNVERIFIED) == 0 ? open : somebody && is_user(source));
	}
}

/* --- a session --- */

static void serve(uint8_t flags)
{
	static const size_t most[] = {SIZE_MAX, 1, 3, 17, 256, 4096, 32768, 65537};
	static const char *const domains[] = {"localhost", "group.example"};
	static struct presence presence;
	static struct gate gate;
	const struct smtp_host door = {.name = "mail.group.example",
		.domains = domains,
		.domains_n = 2,
		.open = (flags & FLAG_OPEN) != 0,
		.tls_only = (flags & FLAG_TLS_ONLY) != 0,
		.identity = (flags & FLAG_NO_TLS) != 0 ? NULL : identity};
	struct guard guard;
	struct host host = {.dir = -1,
		.accounts = {.store = &accounts, .dir = -1},
		.box = &box,
		.gate = &gate,
		.guard = &guard,
		.login_ms = 60000,
		.idle_ms = 60000,
		.mail_ms = 60000,
		.max_chars = (flags & FLAG_SMALL) != 0 ? 100 : 1000000,
		.smtp = &door};
	struct report report;
	struct err e;
	int rc;

	piece_max = most[flags & FLAG_PIECES];
	conn = (struct conn){.fd = open("/dev/null", O_RDWR | O_CLOEXEC), /* for poll */
		.stop_fd = -1,
		.peer = "127.0.0.1:1",
		.door = (flags & FLAG_SMTPS) != 0 && door.identity != NULL ? HOST_DOOR_SMTPS
									   : HOST_DOOR_SMTP,
		.presence = &presence,
		.recv = server_recv,
		.send = server_send};
	if (conn.door == HOST_DOOR_SMTPS) {
		begin_tls();
	}
	if (presence.slots == NULL) {
		assert(presence_open(&presence, 1, NULL) == 0);
		gate_open(&gate);
	}
	presence_clear(&presence, 0);
	guard_open(&guard);
	rc = session_serve(&conn, &host, &report, &e);
	assert(rc == 0 || e.code == EX_NOPERM || e.code == EX_PROTOCOL || e.code == EX_TEMPFAIL);
	bool somebody = count_replies("235 ") > 0;
	assert(!somebody || knew_password || has_said_password());
	assert(count_replies("250 2.0.0 stored as ") == delivered_n && report.sent == delivered_n);
	check_senders(door.open, somebody);
	accounts_close(&host.accounts);
	guard_close(&guard);
	presence_drain(&presence);
	conn_close(&conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	begin_parties(data + 1, size - 1);
	serve(data[0]);
	check_stored();
	end_parties();
	return 0;
}
