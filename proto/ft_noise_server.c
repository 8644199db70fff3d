/* The noise wire's server; see ft_noise.h. */
#include "../crypto/random.h"
#include "ft_noise.h"
#include "ft_server.h"
#include "log.h"

struct session {
	struct ft_noise *w;
	const struct ft_host *host;
	struct ft_report *report;
	struct ft_job job;
	struct source from;
	struct landing to;
};

static void trace_to_log(void *arg, const char *line)
{
	(void)arg;
	log_trace(line);
}

/* The opening, the salt, the handshake. */
static int open_channel(struct session *s, struct err *e)
{
	struct ft_noise *w = s->w;
	uint8_t *p;
	int rc = ft_noise_get_raw(w, FT_PREFACE_BYTES, &p, e);

	if (rc != 0 || memcmp(p, FT_PREFACE, FT_PREFACE_BYTES) != 0) {
		return rc < 0 ? -1 : err_set(e, EX_PROTOCOL, "the client speaks another protocol");
	}
	if (!s->host->allowed[FT_NOISE]) {
		return err_set(e, EX_NOPERM, "noise is not allowed here");
	}
	ft_say("Cipher: %s", ft_cipher_name(FT_NOISE));
	return ft_noise_put_raw(w, s->host->salt, FT_SALT, e) != 0 || ft_noise_flush(w, e) != 0
		       ? -1
		       : ft_noise_shake_hands(w, false, s->host->salt, s->host->psk, e);
}

/* An object whose only field, or whose last one, is this. */
static int put_with_number(
	struct ft_noise *w, const char *type, const char *name, uint64_t value, struct err *e)
{
	json_t *o = ft_noise_object(type);

	ft_noise_add(&o, name, json_integer((json_int_t)value));
	return ft_noise_put_object(w, o, e) != 0 ? -1 : ft_noise_flush(w, e);
}

/* --- the client writes --- */

/* Compare the client's file with what an earlier try left here. What is longer than the file is not
 * worth a proof: it is not its beginning. */
static int compare(struct session *s, uint64_t size, uint64_t *offset, struct err *e)
{
	uint8_t key[PROOF_KEY], own[PROOF_BYTES], check[PROOF_BYTES];
	json_t *o = ft_noise_object("ready");
	uint64_t held = s->to.held;
	json_t *from;
	int rc = random_bytes(key, sizeof key, e);

	ft_noise_add(&o, "held", json_integer((json_int_t)held));
	ft_noise_add_hex(&o, "key", key, sizeof key);
	if (rc != 0) {
		json_decref(o);
		return -1;
	}
	if (ft_noise_put_object(s->w, o, e) != 0 || ft_noise_flush(s->w, e) != 0 ||
		(held <= size &&
			proof_of(s->to.fd, held, key, own, e) != 0)) { /* while the client does */
		return -1;
	}
	ft_noise_wait_for(s->w, held);
	if (ft_noise_get_object(s->w, "from", &from, e) != 0) {
		return -1;
	}
	rc = ft_noise_need_number(from, "offset", offset, e);
	if (rc == 0 && *offset != 0 && *offset != held) {
		rc = err_set(e, EX_PROTOCOL, "the client goes on from where nobody was");
	}
	if (rc == 0 && *offset != 0) {
		rc = ft_noise_need_hex(from, "check", check, sizeof check, e);
	}
	json_decref(from);
	if (rc == 0 && *offset != 0 && (held > size || !ct_eq(check, own, sizeof check))) {
		*offset = 0;
	}
	s->job.refused_part = rc == 0 && *offset == 0;
	return rc != 0 ? -1 : put_with_number(s->w, "go", "offset", *offset, e);
}

static int serve_write(struct session *s, const json_t *o, struct message_part name, struct err *e)
{
	uint64_t size = UINT64_MAX, offset = 0;
	int rc;

	if (json_object_get(o, "size") != NULL && ft_noise_need_number(o, "size", &size, e) != 0) {
		return -1;
	}
	s->job.force = fields_true(o, "force");
	s->job.resume = fields_true(o, "resume");
	if (ft_open_write(s->host, s->report, name.p, name.n, &s->to, &s->job, e) != 0) {
		return -1;
	}
	s->job.total = size == UINT64_MAX ? 0 : size;
	ft_noise_idle(s->w, s->host->idle_ms);
	if (s->job.resume && s->to.held > 0) {
		rc = compare(s, size, &offset, e);
	} else {
		rc = ft_noise_put_object(s->w, ft_noise_object("ready"), e) != 0
			     ? -1
			     : ft_noise_flush(s->w, e);
	}
	if (rc != 0 || ft_noise_begin_at(&s->job, offset, e) != 0) {
		return -1;
	}
	ft_noise_wait_for(s->w, offset); /* the client may hash what lies ahead */
	return ft_noise_take(s->w, &s->job, size, e);
}

/* --- the client reads --- */

/* Say what there is, and prove it to a client that holds some of it: *offset, as it decides. */
static int offer(struct session *s, bool resumes, uint64_t held,
	const uint8_t key[static PROOF_KEY], uint64_t *offset, struct err *e)
{
	uint64_t offered = resumes && held <= s->job.total ? held : 0;
	json_t *o = ft_noise_object("ready"), *go;
	uint8_t check[PROOF_BYTES];
	int rc = offered > 0 ? proof_of(s->from.fd, offered, key, check, e) : 0;

	ft_noise_add(&o, "size", json_integer((json_int_t)s->job.total));
	if (resumes) {
		ft_noise_add(&o, "offset", json_integer((json_int_t)offered));
	}
	if (offered > 0 && rc == 0) {
		ft_noise_add_hex(&o, "check", check, sizeof check);
	}
	if (rc != 0) {
		json_decref(o);
		return -1;
	}
	if (ft_noise_put_object(s->w, o, e) != 0 || ft_noise_flush(s->w, e) != 0) {
		return -1;
	}
	if (!resumes) {
		return 0;
	}
	ft_noise_wait_for(s->w, held);
	if (ft_noise_get_object(s->w, "go", &go, e) != 0) {
		return -1;
	}
	rc = ft_noise_need_number(go, "offset", offset, e);
	json_decref(go);
	if (rc == 0 && *offset != 0 && *offset != offered) {
		return err_set(e, EX_PROTOCOL, "the client goes on from where nobody was");
	}
	s->job.refused_part = rc == 0 && *offset == 0;
	return rc;
}

/* The client has all of it on its disk. */
static int take_done(struct session *s, struct err *e)
{
	uint64_t size;
	json_t *o;
	int rc = ft_noise_get_object(s->w, "done", &o, e);

	if (rc != 0) {
		return -1;
	}
	rc = ft_noise_need_number(o, "size", &size, e);
	json_decref(o);
	if (rc == 0 && size != s->job.done) {
		return err_set(e, EX_PROTOCOL, "the client has another size than was sent");
	}
	return rc;
}

static int serve_read(struct session *s, const json_t *o, struct message_part name, struct err *e)
{
	bool resumes = json_object_get(o, "held") != NULL;
	uint8_t key[PROOF_KEY] = {0};
	uint64_t held = 0, offset = 0;

	if (resumes && (ft_noise_need_number(o, "held", &held, e) != 0 ||
			       ft_noise_need_hex(o, "key", key, sizeof key, e) != 0)) {
		return -1;
	}
	s->job.resume = resumes;
	if (ft_open_read(s->host, s->report, name.p, name.n, &s->from, &s->job, e) != 0) {
		return -1;
	}
	ft_noise_idle(s->w, s->host->idle_ms);
	return offer(s, resumes, held, key, &offset, e) != 0 ||
			       ft_noise_begin_at(&s->job, offset, e) != 0 ||
			       ft_noise_send(s->w, &s->job, e) != 0
		       ? -1
		       : take_done(s, e);
}

/* --- the session --- */

static int serve_request(struct session *s, struct err *e)
{
	struct message_part name;
	struct err why;
	json_t *o;
	int rc = ft_noise_get_object(s->w, NULL, &o, e);

	if (rc != 0) {
		return -1;
	}
	if (fields_text(o, "name", &name, &why) <= 0) {
		rc = err_set(e, EX_PROTOCOL, "the request names no file");
	} else if (fields_is(o, "type", "write")) {
		rc = serve_write(s, o, name, e);
	} else if (fields_is(o, "type", "read")) {
		rc = serve_read(s, o, name, e);
	} else {
		rc = err_set(e, EX_PROTOCOL, "the client asks for what there is not");
	}
	json_decref(o);
	return rc;
}

int ft_noise_serve(
	struct conn *c, const struct ft_host *host, struct ft_report *report, struct err *e)
{
	struct session s = {.w = ft_noise_new(c, "client", e), .host = host, .report = report};
	int rc;

	if (s.w == NULL) {
		return -1;
	}
	s.w->trace = host->verbose ? trace_to_log : NULL;
	conn_deadline(c, host->login_ms);
	rc = open_channel(&s, e);
	if (rc == 0) {
		rc = serve_request(&s, e);
		if (rc != 0) {
			(void)ft_noise_fail(s.w, e);
		}
	}
	ft_noise_free(s.w);
	return ft_done(host, report, &s.job, rc, true, e);
}
