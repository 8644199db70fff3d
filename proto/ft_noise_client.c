/* The noise wire's client; see ft_noise.h. */
#include "../crypto/random.h"
#include "ft_noise.h"

/* The opening, the salt, the key made of it, the handshake. */
static int open_channel(struct ft_noise *w, const struct ft_secret *secret, struct err *e)
{
	uint8_t salt[FT_SALT], psk[FT_PSK], *p;
	int rc = ft_noise_put_raw(w, FT_PREFACE, FT_PREFACE_BYTES, e) != 0 ||
				 ft_noise_flush(w, e) != 0
			 ? -1
			 : ft_noise_get_raw(w, FT_SALT, &p, e);

	if (rc > 0) {
		err_set(e, EX_PROTOCOL, "the server ended the connection before it said anything");
		return err_hint(e, "it may be no ftserve, or have no room: its log says why");
	}
	if (rc < 0) {
		return -1;
	}
	memcpy(salt, p, sizeof salt);
	rc = ft_psk(secret, salt, psk, e);
	if (rc == 0) {
		rc = ft_noise_shake_hands(w, true, salt, psk, e);
	}
	wipe(psk, sizeof psk);
	return rc > 0 ? err_set(e, EX_NOPERM, "the server does not take this key") : rc;
}

static int put_request(struct ft_noise *w, const char *type, const struct ft_job *job,
	const uint8_t *key, struct err *e)
{
	json_t *o = ft_noise_object(type);
	uint64_t size;

	ft_noise_add(&o, "name", json_string(job->name));
	if (job->sends && source_size(job->from, &size)) {
		ft_noise_add(&o, "size", json_integer((json_int_t)size));
	}
	if (job->sends && job->force) {
		ft_noise_add(&o, "force", json_true());
	}
	if (job->sends && job->resume && job->from->regular) {
		ft_noise_add(&o, "resume", json_true());
	}
	if (key != NULL) {
		ft_noise_add(&o, "held", json_integer((json_int_t)job->to->held));
		ft_noise_add_hex(&o, "key", key, PROOF_KEY);
	}
	return ft_noise_put_object(w, o, e) != 0 ? -1 : ft_noise_flush(w, e);
}

static int say_go(struct ft_noise *w, uint64_t offset, struct err *e)
{
	json_t *o = ft_noise_object("go");

	ft_noise_add(&o, "offset", json_integer((json_int_t)offset));
	return ft_noise_put_object(w, o, e) != 0 ? -1 : ft_noise_flush(w, e);
}

/* --- writing --- */

/* The server holds bytes of an earlier try: prove that our file begins so, where it can. */
static int offer(struct ft_noise *w, struct ft_job *job, uint64_t held,
	const uint8_t key[static PROOF_KEY], uint64_t *offset, struct err *e)
{
	uint64_t size, offered;
	uint8_t check[PROOF_BYTES];
	json_t *o = ft_noise_object("from");
	json_t *go;
	int rc = 0;

	offered = source_size(job->from, &size) && size >= held ? held : 0;
	ft_noise_add(&o, "offset", json_integer((json_int_t)offered));
	if (offered > 0) {
		rc = proof_of(job->from->fd, held, key, check, e);
		ft_noise_add_hex(&o, "check", check, sizeof check);
	}
	if (rc != 0) {
		json_decref(o);
		return -1;
	}
	ft_noise_wait_for(w, held);
	if (ft_noise_put_object(w, o, e) != 0 || ft_noise_get_object(w, "go", &go, e) != 0) {
		return -1;
	}
	rc = ft_noise_need_number(go, "offset", offset, e);
	json_decref(go);
	if (rc == 0 && *offset != 0 && *offset != offered) {
		return err_set(e, EX_PROTOCOL, "the server goes on from where nobody was");
	}
	job->refused_part = *offset == 0;
	return rc;
}

/* Where to begin, by what the server answered. */
static int agree(struct ft_noise *w, struct ft_job *job, const json_t *ready, uint64_t *offset,
	struct err *e)
{
	uint8_t key[PROOF_KEY];
	uint64_t held;

	*offset = 0;
	if (json_object_get(ready, "held") == NULL) {
		return 0;
	}
	if (!job->resume || !job->from->regular) {
		return err_set(e, EX_PROTOCOL, "the server goes on with what it was not asked to");
	}
	if (ft_noise_need_number(ready, "held", &held, e) != 0 ||
		ft_noise_need_hex(ready, "key", key, sizeof key, e) != 0) {
		return -1;
	}
	return offer(w, job, held, key, offset, e);
}

/* The server has all of it on its disk. */
static int take_done(struct ft_noise *w, const struct ft_job *job, struct err *e)
{
	uint64_t size;
	json_t *o;
	int rc = ft_noise_get_object(w, "done", &o, e);

	if (rc != 0) {
		return -1;
	}
	rc = ft_noise_need_number(o, "size", &size, e);
	json_decref(o);
	if (rc == 0 && size != job->done) {
		return err_set(e, EX_PROTOCOL, "the server has another size than was sent");
	}
	return rc;
}

static int run_write(struct ft_noise *w, struct ft_job *job, int64_t idle_ms, struct err *e)
{
	uint64_t offset;
	json_t *ready;
	int rc;

	(void)source_size(job->from, &job->total);
	if (put_request(w, "write", job, NULL, e) != 0 ||
		ft_noise_get_object(w, "ready", &ready, e) != 0) {
		return -1;
	}
	ft_noise_idle(w, idle_ms);
	rc = agree(w, job, ready, &offset, e);
	json_decref(ready);
	return rc != 0 || ft_noise_begin_at(job, offset, e) != 0 || ft_noise_send(w, job, e) != 0
		       ? -1
		       : take_done(w, job, e);
}

/* --- reading --- */

/* What we hold was proven or not: say from where to send. */
static int judge(struct ft_noise *w, struct ft_job *job, const json_t *ready,
	const uint8_t own[static PROOF_BYTES], uint64_t *offset, struct err *e)
{
	uint8_t check[PROOF_BYTES];

	if (ft_noise_need_number(ready, "offset", offset, e) != 0) {
		return -1;
	}
	if (*offset != 0 && (*offset != job->to->held || *offset > job->total)) {
		return err_set(e, EX_PROTOCOL, "the server goes on from where nobody was");
	}
	if (*offset > 0 && ft_noise_need_hex(ready, "check", check, sizeof check, e) != 0) {
		return -1;
	}
	if (*offset > 0 && !ct_eq(check, own, sizeof check)) {
		*offset = 0;
	}
	job->refused_part = *offset == 0;
	return say_go(w, *offset, e);
}

static int run_read(struct ft_noise *w, struct ft_job *job, int64_t idle_ms, struct err *e)
{
	bool held = job->resume && !job->to->stream && job->to->held > 0;
	uint8_t key[PROOF_KEY], own[PROOF_BYTES];
	uint64_t offset = 0;
	json_t *ready;
	int rc = held ? random_bytes(key, sizeof key, e) : 0;

	if (rc != 0 || put_request(w, "read", job, held ? key : NULL, e) != 0) {
		return -1;
	}
	ft_noise_idle(w, idle_ms);
	if (held) { /* both sides compute at the same time */
		ft_noise_wait_for(w, job->to->held);
		rc = proof_of(job->to->fd, job->to->held, key, own, e);
	}
	if (rc != 0 || ft_noise_get_object(w, "ready", &ready, e) != 0) {
		return -1;
	}
	rc = ft_noise_need_number(ready, "size", &job->total, e);
	if (rc == 0 && held) {
		rc = judge(w, job, ready, own, &offset, e);
	}
	json_decref(ready);
	if (rc != 0 || ft_noise_begin_at(job, offset, e) != 0) {
		return -1;
	}
	ft_noise_wait_for(w, offset); /* the server may hash what lies ahead */
	return ft_noise_take(w, job, job->total, e);
}

int ft_noise_run(struct conn *c, const struct ft_login *login, struct ft_job *job, struct err *e)
{
	struct ft_noise *w = ft_noise_new(c, "server", e);
	int rc;

	if (w == NULL) {
		return -1;
	}
	w->trace = login->trace;
	w->trace_arg = login->trace_arg;
	conn_deadline(c, FT_LOGIN_MS);
	rc = open_channel(w, login->secret, e);
	if (rc == 0) {
		rc = job->sends ? run_write(w, job, FT_IDLE_MS, e)
				: run_read(w, job, FT_IDLE_MS, e);
		if (rc != 0) {
			(void)ft_noise_fail(w, e);
		}
	}
	ft_noise_free(w);
	return rc;
}
