/* The server of the founding wire; see ft_server.h. What it answers, and when it does not, is the
 * founding program's, the padding oracle included. */
#include "ft_founding.h"

#include "../crypto/bytes.h"
#include "../crypto/random.h"
#include "ft_server.h"

static int confirm(struct ft_founding *f, uint8_t yes, struct err *e)
{
	return ft_founding_put(f, FT_CONFIRMATION, &yes, 1, e);
}

/* The cipher and the IV that the client chose. */
static int take_hello(struct ft_founding *f, const struct ft_host *host, struct ft_report *report,
	enum ft_cipher *cipher, uint8_t iv[static FT_IV], struct err *e)
{
	char hex[2 * FT_IV + 1];
	uint8_t *p;
	size_t n;

	if (ft_founding_expect(f, FT_HANDSHAKE, &p, &n, e) != 0) {
		return -1;
	}
	if (p[0] > FT_AES256) {
		return err_set(e, EX_PROTOCOL, "there is no cipher %u", (unsigned)p[0]);
	}
	*cipher = (enum ft_cipher)p[0];
	memcpy(iv, p + 1, FT_IV);
	report->cipher = ft_cipher_name(*cipher);
	ft_say("Cipher: %s", report->cipher);
	if (*cipher != FT_NONE) {
		hex_encode(hex, iv, FT_IV);
		ft_say("IV: %s", hex);
	}
	if (!host->allowed[*cipher] || (*cipher != FT_NONE && host->secret == NULL)) {
		(void)confirm(f, 0, NULL);
		return err_set(e, EX_NOPERM, "the cipher %s is not allowed here", report->cipher);
	}
	return 0;
}

/* Does the client know the key? The two ways to fail look different from outside: that is the
 * padding oracle. */
static int challenge(struct ft_founding *f, struct err *e)
{
	uint8_t number[FT_NONCE], answer[FT_NONCE];
	size_t padding, got;

	if (random_bytes(number, sizeof number, e) != 0) {
		return -1;
	}
	ft_say("Sending challenge...");
	if (ft_founding_put_number(f, number, e) != 0) {
		return -1;
	}
	if (ft_founding_get_number(f, answer, &padding, &got, e) != 0) {
		if (got > 0 || e->code != EX_PROTOCOL) {
			return -1;
		}
		padding = 0; /* the client has nothing to answer */
	}
	if (padding == 0) {
		ft_say("Client could not decrypt challenge. Ending communication.");
		return err_set(e, EX_NOPERM, "the client does not have the key");
	}
	ft_founding_next_number(number);
	if (padding != AES_BLOCK || !ct_eq(number, answer, sizeof number)) {
		ft_say("Client supplied bad response to challenge. Ending communication.");
		(void)confirm(f, 0, NULL);
		return err_set(e, EX_NOPERM, "the client's response is wrong");
	}
	ft_say("Received good response. Initializing communication.");
	return 0;
}

static int log_in(
	struct ft_founding *f, const struct ft_host *host, struct ft_report *report, struct err *e)
{
	enum ft_cipher cipher = FT_NONE;
	uint8_t iv[FT_IV];

	conn_deadline(f->conn, host->login_ms);
	if (take_hello(f, host, report, &cipher, iv, e) != 0) {
		return -1;
	}
	ft_founding_seal(f, cipher, host->secret, iv);
	if (f->sealed && challenge(f, e) != 0) {
		return -1;
	}
	return confirm(f, 1, e);
}

static int serve_read(struct ft_founding *f, const struct ft_host *host, struct ft_report *report,
	const uint8_t *name, size_t n, struct err *e)
{
	struct ft_job job = {0};
	struct source s;
	int rc = ft_open_read(host, report, name, n, &s, &job, e);

	f->idle_ms = host->idle_ms;
	if (rc != 0) {
		(void)ft_founding_complain(f, e);
	} else if (confirm(f, 1, e) != 0 || ft_founding_send(f, &job, e) != 0) {
		rc = -1;
	}
	return ft_done(host, report, &job, rc, false, e);
}

static int serve_write(struct ft_founding *f, const struct ft_host *host, struct ft_report *report,
	const uint8_t *name, size_t n, struct err *e)
{
	struct ft_job job = {0};
	struct landing l;
	int rc = ft_open_write(host, report, name, n, &l, &job, e);

	f->idle_ms = host->idle_ms;
	if (rc != 0) {
		(void)ft_founding_complain(f, e);
	} else if (confirm(f, 1, e) != 0 || ft_founding_take(f, &job, e) != 0 ||
		   confirm(f, 1, e) != 0) {
		rc = -1;
	}
	return ft_done(host, report, &job, rc, false, e);
}

static int serve(
	struct ft_founding *f, const struct ft_host *host, struct ft_report *report, struct err *e)
{
	enum ft_frame type;
	uint8_t *p;
	size_t n;

	if (log_in(f, host, report, e) != 0 || ft_founding_get(f, &type, &p, &n, e) != 0) {
		return -1;
	}
	switch (n > FT_REQUEST_MAX ? FT_FRAMES : type) {
	case FT_READ_FILE:
		return serve_read(f, host, report, p, n, e);
	case FT_WRITE_FILE:
		return serve_write(f, host, report, p, n, e);
	default:
		return err_set(e, EX_PROTOCOL, "a frame of type %u and %zu bytes is no request",
			(unsigned)type, n);
	}
}

int ft_founding_serve(
	struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e)
{
	struct ft_founding f;
	int rc;

	ft_founding_begin(&f, c);
	rc = serve(&f, host, report, e);
	wipe(&f, sizeof f);
	if (rc != 0) {
		conn_finish(c); /* why it failed must arrive, whatever the client still sends */
	}
	return rc;
}
