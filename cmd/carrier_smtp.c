/* Submissions to an SMTP server; see carrier.h. */
#include <fcntl.h>

#include "../crypto/file.h"
#include "../proto/smtp_client.h"
#include "carrier.h"

#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"

struct carrier_smtp {
	struct smtp_client *client; /* NULL: not connected */
	struct tls_trust *trust;
	uint8_t pin[TLS_PIN_BYTES];
	char host[CONN_HOST_MAX], port[8], hello[LOCAL_USERS_HOST_MAX];
	struct smtp_target target;
};

/* --- whom to trust --- */

static int load_trust(struct carrier_smtp *s, const char *path, struct err *e)
{
	struct buf text = {0};
	int rc = file_read(AT_FDCWD, path, TLS_TRUST_TEXT_MAX, &text, NULL, e);

	rc = rc == 0 ? tls_trust_parse(&s->trust, text.p, text.n, e) : rc;
	buf_free(&text);
	if (rc != 0) {
		err_prefix(e, "CA certificates, %.200s", path);
		(void)err_hint(e, "--tls-ca FILE names another file, --tls-pin the server's key");
	}
	return rc;
}

static int prepare_tls(struct carrier_smtp *s, const struct destination *d, struct err *e)
{
	if (d->no_tls) {
		s->target.tls = SMTP_IN_THE_CLEAR;
		return 0;
	}
	s->target.tls = d->implicit_tls ? SMTP_TLS_AT_ONCE : SMTP_STARTTLS;
	s->target.check.host = s->host;
	if (d->tls_pin != NULL) {
		s->target.check.pin = s->pin;
		return 0;
	}
	if (load_trust(s, d->tls_ca == NULL ? SYSTEM_CAS : d->tls_ca, e) != 0) {
		return -1;
	}
	s->target.check.trust = s->trust;
	return 0;
}

static int prepare(struct carrier *c, struct err *e)
{
	const struct destination *d = c->to;
	struct carrier_smtp *s;

	if (c->smtp != NULL) {
		return 0;
	}
	s = c->smtp = calloc(1, sizeof *s);
	if (s == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	local_users_host(s->hello);
	s->target = (struct smtp_target){.host = s->host,
		.port = s->port,
		.hello = s->hello,
		.patience_ms = (int64_t)d->timeout * 1000,
		.trace = d->account.verbose ? account_trace : NULL,
		.trace_arg = (void *)(uintptr_t)&d->account};
	return destination_smtp(d, s->host, s->port, s->pin, e) != 0 ? -1 : prepare_tls(s, d, e);
}

/* --- the session --- */

void carrier_smtp_end(struct carrier *c)
{
	if (c->smtp != NULL) {
		smtp_client_end(c->smtp->client);
		tls_trust_free(c->smtp->trust);
		wipe(c->smtp, sizeof *c->smtp);
		free(c->smtp);
	}
	c->smtp = NULL;
}

static int login(struct carrier *c, struct err *e)
{
	const struct account *a = &c->to->account;
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = account_password_file(a->password_file, password, &n, e);

	rc = rc == 0 ? smtp_client_login(c->smtp->client, a->user, password, n, e) : rc;
	wipe(password, sizeof password);
	return rc;
}

/* A session that is as it must be: who has logged in cannot be a stranger again. */
static int connect_smtp(struct carrier *c, bool authenticate, struct err *e)
{
	struct smtp_client **client = &c->smtp->client;

	if (authenticate && c->out.code != 0) {
		*e = c->out;
		return -1;
	}
	if (*client != NULL && (!smtp_client_is_alive(*client) ||
				       (!authenticate && smtp_client_is_logged_in(*client)))) {
		smtp_client_end(*client);
		*client = NULL;
	}
	if (*client == NULL && smtp_client_open(client, &c->smtp->target, e) != 0) {
		c->down = *e;
		return -1;
	}
	if (authenticate && !smtp_client_is_logged_in(*client) && login(c, e) != 0) {
		/* nothing goes on behind it, not even what needs no login */
		smtp_client_end(*client);
		*client = NULL;
		c->out = *e;
		return -1;
	}
	return 0;
}

/* --- one message --- */

static int each(void *arg, transfer_put *put, void *put_arg, struct err *e)
{
	return submission_each(arg, put, put_arg, e);
}

struct refusals {
	struct carrier *carrier;
	struct err first;
	size_t n;
};

static void refused(void *arg, const char *recipient, const char *why)
{
	struct refusals *r = arg;

	if (r->n++ == 0) {
		err_set(&r->first, EX_NOUSER, "%.200s is refused: %.280s", recipient, why);
	} else if (r->carrier->tell != NULL) {
		struct err one;
		err_set(&one, EX_NOUSER, "%.200s is refused: %.280s", recipient, why);
		r->carrier->tell(r->carrier->tell_arg, one.text);
	}
}

/* Those who have it need it no more. */
static int keep_refused(
	struct submission *s, const enum smtp_fate *fates, const struct refusals *r, struct err *e)
{
	bool later = false;
	size_t left = 0, all = s->to_n;

	for (size_t i = 0; i < all; i++) {
		later = later || fates[i] == SMTP_LATER;
		if (fates[i] != SMTP_ACCEPTED) {
			s->to[left++] = s->to[i];
		}
	}
	if (left == 0) {
		return 0;
	}
	s->to_n = left;
	*e = r->first;
	e->code = later ? EX_TEMPFAIL : EX_NOUSER;
	return left == all ? -1
			   : err_hint(e,
				     "the message has reached %zu of %zu: send it again to "
				     "the others alone",
				     all - left, all);
}

static int send_envelope(
	struct carrier *c, struct submission *s, enum smtp_fate *fates, struct err *e)
{
	struct refusals refusals = {.carrier = c};
	const struct smtp_envelope v = {.from = &s->from,
		.to = s->to,
		.to_n = s->to_n,
		.eight_bit = s->eight_bit,
		.utf8 = s->utf8_head,
		.text = each,
		.text_arg = s,
		.refused = refused,
		.refused_arg = &refusals,
		.fates = fates};

	if (smtp_client_send(c->smtp->client, &v, e) != 0 && refusals.n < s->to_n) {
		return -1;
	}
	return keep_refused(s, fates, &refusals, e);
}

int carrier_smtp_send(struct carrier *c, struct submission *s, bool authenticate, struct err *e)
{
	enum smtp_fate *fates;
	int rc = prepare(c, e);

	if (rc != 0) {
		c->down = *e;
		return -1;
	}
	/* only a file has been named: without one nobody wants to log in */
	if (connect_smtp(c, authenticate && c->to->account.password_file != NULL, e) != 0) {
		return -1;
	}
	for (size_t i = 0; i < s->to_n; i++) {
		if (s->to[i].domain[0] == '\0') {
			(void)snprintf(
				s->to[i].domain, sizeof s->to[i].domain, "%.255s", c->smtp->hello);
		}
	}
	fates = calloc(s->to_n, sizeof *fates);
	rc = fates == NULL ? err_set(e, EX_TEMPFAIL, "out of memory")
			   : send_envelope(c, s, fates, e);
	free(fates);
	return rc;
}
