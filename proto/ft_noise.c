/* Sealed records of the noise wire, both ways; see ft_noise.h. */
#include "ft_noise.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>

#include "../crypto/secret.h"

struct ft_noise *ft_noise_new(struct conn *c, const char *peer, struct err *e)
{
	struct ft_noise *w = malloc(sizeof *w);

	if (w == NULL) {
		(void)err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	json_set_alloc_funcs(secret_malloc, secret_free);
	memset(w, 0, offsetof(struct ft_noise, in));
	w->conn = c;
	w->peer = peer;
	return w;
}

void ft_noise_free(struct ft_noise *w)
{
	if (w != NULL) {
		wipe(w->in, w->in_most);
		wipe(w->out, w->out_most);
		wipe(w, offsetof(struct ft_noise, in));
	}
	free(w);
}

void ft_noise_say(const struct ft_noise *w, const char *format, ...)
{
	char line[512];
	va_list args;

	if (w->trace != NULL) {
		va_start(args, format);
		(void)vsnprintf(line, sizeof line, format, args);
		va_end(args);
		w->trace(w->trace_arg, line);
	}
}

void ft_noise_idle(struct ft_noise *w, int64_t idle_ms)
{
	w->idle_ms = idle_ms;
	w->extra_ms = 0;
}

void ft_noise_wait_for(struct ft_noise *w, uint64_t bytes)
{
	w->extra_ms = (int64_t)(bytes / FT_NOISE_PROOF_RATE);
}

/* --- bytes out --- */

static void put_length(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

/* The write failed: an error that the peer sent before it went tells more than the broken pipe. */
static int broken(struct ft_noise *w, struct err *e)
{
	struct err said = {0};

	w->silent = true;
	if (w->rx.has_key && ft_noise_listen(w, &said) != 0 && w->told) {
		*e = said;
	}
	return -1;
}

int ft_noise_flush(struct ft_noise *w, struct err *e)
{
	size_t n = w->out_n;

	w->out_n = 0;
	if (n == 0) {
		return 0;
	}
	if (w->idle_ms > 0) { /* each of the records that it holds has its time */
		conn_deadline(w->conn, w->idle_ms * FT_NOISE_BATCH);
	}
	return conn_write(w->conn, w->out, n, e) == 0 ? 0 : broken(w, e);
}

/* Room for a message of n bytes, with what stands around it. */
static int make_room(struct ft_noise *w, size_t n, struct err *e)
{
	size_t all = FT_NOISE_LENGTH + n + NOISE_TAG;

	if (sizeof w->out - w->out_n < all && ft_noise_flush(w, e) != 0) {
		return -1;
	}
	w->out_most = w->out_n + all > w->out_most ? w->out_n + all : w->out_most;
	return 0;
}

/* Seal the n bytes that stand behind the room for their length. */
static int seal(struct ft_noise *w, size_t n, struct err *e)
{
	uint8_t *at = w->out + w->out_n;

	if (noise_seal(&w->tx, at + FT_NOISE_LENGTH, n, e) != 0) {
		return -1;
	}
	put_length(at, n + NOISE_TAG);
	w->out_n += FT_NOISE_LENGTH + n + NOISE_TAG;
	return 0;
}

uint8_t *ft_noise_room(struct ft_noise *w, struct err *e)
{
	return make_room(w, FT_NOISE_KIND + FT_NOISE_DATA, e) != 0
		       ? NULL
		       : w->out + w->out_n + FT_NOISE_LENGTH + FT_NOISE_KIND;
}

int ft_noise_put_room(struct ft_noise *w, size_t n, struct err *e)
{
	w->out[w->out_n + FT_NOISE_LENGTH] = FT_NOISE_BYTES;
	return seal(w, FT_NOISE_KIND + n, e);
}

int ft_noise_put_number(struct ft_noise *w, enum ft_noise_kind kind, uint64_t value, struct err *e)
{
	uint8_t *at;

	if (make_room(w, FT_NOISE_KIND + sizeof value, e) != 0) {
		return -1;
	}
	at = w->out + w->out_n + FT_NOISE_LENGTH;
	at[0] = (uint8_t)kind;
	for (size_t i = sizeof value; i > 0; i--, value >>= 8) {
		at[i] = (uint8_t)value;
	}
	return seal(w, FT_NOISE_KIND + sizeof value, e);
}

int ft_noise_put_object(struct ft_noise *w, json_t *o, struct err *e)
{
	char type[16] = "";
	uint8_t *at;
	size_t n;
	int rc = make_room(w, FT_NOISE_KIND + FT_NOISE_OBJECT_MAX, e);

	if (rc == 0) {
		at = w->out + w->out_n + FT_NOISE_LENGTH;
		at[0] = FT_NOISE_OBJECT;
		n = o == NULL ? 0
			      : json_dumpb(o, (char *)at + FT_NOISE_KIND, FT_NOISE_OBJECT_MAX,
					JSON_COMPACT);
		rc = n == 0 || n > FT_NOISE_OBJECT_MAX ? err_set(e, EX_TEMPFAIL, "out of memory")
						       : seal(w, FT_NOISE_KIND + n, e);
	}
	if (rc == 0) {
		(void)snprintf(
			type, sizeof type, "%s", json_string_value(json_object_get(o, "type")));
		ft_noise_say(w, "> record %llu: %s, %zu bytes",
			(unsigned long long)w->tx.counter - 1, type, n);
	}
	json_decref(o);
	return rc;
}

int ft_noise_put_raw(struct ft_noise *w, const void *p, size_t n, struct err *e)
{
	if (make_room(w, n, e) != 0) {
		return -1;
	}
	memcpy(w->out + w->out_n, p, n);
	w->out_n += n;
	return 0;
}

/* --- bytes in --- */

static size_t have(const struct ft_noise *w)
{
	return w->end - w->start;
}

/* Read more, over what was read before. 1, 0 at the end of the connection, or -1. */
static int fill(struct ft_noise *w, struct err *e)
{
	size_t got;

	if (w->start == w->end) {
		w->start = w->end = 0;
	} else if (sizeof w->in - w->start < FT_NOISE_LENGTH + NOISE_MESSAGE_MAX) {
		memmove(w->in, w->in + w->start, have(w));
		w->end = have(w);
		w->start = 0;
	}
	switch (conn_read(w->conn, w->in + w->end, sizeof w->in - w->end, 0, &got, e)) {
	case CONN_DATA:
		w->end += got;
		w->in_most = w->end > w->in_most ? w->end : w->in_most;
		return 1;
	case CONN_EOF:
		w->silent = true;
		return 0;
	default:
		return -1;
	}
}

/* Wait until n bytes are there, however they trickle in: the deadline is not put off. 0, 1 at the
 * connection's end before the first of them, or -1. */
static int await(struct ft_noise *w, size_t n, struct err *e)
{
	while (have(w) < n) {
		int rc = fill(w, e);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0) {
			return have(w) == 0 ? 1
					    : err_set(e, EX_TEMPFAIL,
						      "the connection ended inside a message");
		}
	}
	return 0;
}

int ft_noise_get_raw(struct ft_noise *w, size_t n, uint8_t **p, struct err *e)
{
	int rc = await(w, n, e);

	*p = w->in + w->start;
	w->start += rc == 0 ? n : 0;
	return rc;
}

/* The next Noise message. 0, 1 at the connection's end before it, or -1. */
static int get_message(struct ft_noise *w, size_t most, uint8_t **p, size_t *n, struct err *e)
{
	int rc = await(w, FT_NOISE_LENGTH, e);

	if (rc != 0) {
		return rc;
	}
	*n = (size_t)w->in[w->start] << 8 | w->in[w->start + 1];
	if (*n > most) { /* nobody waits for what has no place */
		return err_set(e, EX_PROTOCOL,
			"a message of %zu bytes came, where at most %zu have a place", *n, most);
	}
	rc = await(w, FT_NOISE_LENGTH + *n, e);
	*p = w->in + w->start + FT_NOISE_LENGTH;
	w->start += rc == 0 ? FT_NOISE_LENGTH + *n : 0;
	return rc;
}

int ft_noise_get(
	struct ft_noise *w, enum ft_noise_kind *kind, uint8_t **p, size_t *n, struct err *e)
{
	int rc;

	if (ft_noise_flush(w, e) != 0) {
		return -1;
	}
	if (w->idle_ms > 0) {
		conn_deadline(w->conn, w->idle_ms + w->extra_ms);
	}
	rc = get_message(w, NOISE_MESSAGE_MAX, p, n, e);
	w->extra_ms = 0;
	if (rc > 0) {
		return err_set(
			e, EX_TEMPFAIL, "the %s ended the connection in the midst of it", w->peer);
	}
	if (rc < 0) {
		return -1;
	}
	if (noise_open(&w->rx, *p, *n, e) != 0) {
		w->silent = true; /* who knows who hears it */
		return -1;
	}
	*n -= NOISE_TAG;
	if (*n < FT_NOISE_KIND || **p >= FT_NOISE_KINDS) {
		return err_set(e, EX_PROTOCOL, "a record came that is of no kind");
	}
	*kind = (enum ft_noise_kind) * *p;
	*p += FT_NOISE_KIND;
	*n -= FT_NOISE_KIND;
	return 0;
}

int ft_noise_number(const uint8_t *p, size_t n, uint64_t *value, struct err *e)
{
	struct cursor c = cursor_over(p, n);

	*value = 0;
	for (size_t i = 0; i < sizeof *value; i++) {
		*value = *value << 8 | get_u8(&c);
	}
	if (c.failed || cursor_left(&c) != 0 || *value > INT64_MAX) {
		return err_set(e, EX_PROTOCOL, "a record came whose number is none");
	}
	return 0;
}

int ft_noise_listen(struct ft_noise *w, struct err *e)
{
	struct pollfd in = {.fd = w->conn->fd, .events = POLLIN};
	enum ft_noise_kind kind;
	json_t *o;
	uint8_t *p;
	size_t n;

	if (have(w) == 0 && poll(&in, 1, 0) <= 0) {
		return 0;
	}
	if (ft_noise_get(w, &kind, &p, &n, e) != 0) {
		return -1;
	}
	if (kind != FT_NOISE_OBJECT || ft_noise_take_object(w, "error", p, n, &o, e) == 0) {
		return err_set(e, EX_PROTOCOL, "the %s spoke out of turn", w->peer);
	}
	return -1;
}
