/* The file itself on the noise wire, the same from either side; see ft_noise.h. */
#include "ft_noise.h"

#include <errno.h>
#include <poll.h>

int ft_noise_begin_at(struct ft_job *job, uint64_t offset, struct err *e)
{
	if (job->sends && job->from->regular && source_seek(job->from, offset, e) != 0) {
		return -1;
	}
	if (!job->sends && !job->to->stream && landing_from(job->to, offset, e) != 0) {
		return -1;
	}
	return ft_begin_at(job, offset, e);
}

/* --- sending --- */

/* A pipe may wait for long: what is read already goes out, the peer is told that we live, and
 * listened to. */
static int wait_for_pipe(struct ft_noise *w, const struct ft_job *job, struct err *e)
{
	struct pollfd p[2] = {
		{.fd = job->from->fd, .events = POLLIN}, {.fd = w->conn->fd, .events = POLLIN}};
	int64_t ms = w->idle_ms / 4 < FT_NOISE_ALIVE_MS ? w->idle_ms / 4 : FT_NOISE_ALIVE_MS;
	int rc;

	if (poll(p, 1, 0) > 0) {
		return 0;
	}
	do {
		if (ft_noise_flush(w, e) != 0) {
			return -1;
		}
		rc = poll(p, 2, ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : (int)ms);
		if (rc < 0 && errno != EINTR) {
			return err_sys(e, EX_TEMPFAIL, "cannot wait for the input");
		}
		if (rc > 0 && p[1].revents != 0 && ft_noise_listen(w, e) != 0) {
			return -1;
		}
		if (rc == 0 && (ft_noise_room(w, e) == NULL || ft_noise_put_room(w, 0, e) != 0)) {
			return -1;
		}
	} while (rc <= 0 || p[0].revents == 0);
	return 0;
}

/* The next piece, or hole. 1, 0 at the end, or -1. */
static int send_piece(struct ft_noise *w, struct ft_job *job, struct err *e)
{
	uint64_t hole;
	uint8_t *room;
	size_t n;

	if (!job->from->regular && wait_for_pipe(w, job, e) != 0) {
		return -1;
	}
	room = ft_noise_room(w, e);
	/* told between batches, so that a full disk over there is known soon */
	if (room == NULL || (w->out_n == 0 && ft_noise_listen(w, e) != 0) ||
		source_read(job->from, room, FT_NOISE_DATA, &n, &hole, e) != 0) {
		return -1;
	}
	if (n > 0) {
		ft_moved(job, room, n); /* hashed before it is sealed */
		return ft_noise_put_room(w, n, e) == 0 ? 1 : -1;
	}
	if (hole > 0) {
		ft_moved(job, NULL, hole);
		return ft_noise_put_number(w, FT_NOISE_HOLE, hole, e) == 0 ? 1 : -1;
	}
	return 0;
}

int ft_noise_send(struct ft_noise *w, struct ft_job *job, struct err *e)
{
	uint64_t first = w->tx.counter, size;
	bool sized = source_size(job->from, &size);
	int rc;

	do {
		rc = send_piece(w, job, e);
	} while (rc > 0);
	if (rc < 0 || source_unchanged(job->from, e) != 0) {
		return -1;
	}
	if (sized && job->done != size) {
		return err_set(e, EX_TEMPFAIL, "the file became shorter while it was read");
	}
	ft_end(job);
	if (ft_noise_put_number(w, FT_NOISE_END, job->done, e) != 0 || ft_noise_flush(w, e) != 0) {
		return -1;
	}
	ft_noise_say(w, "> records %llu to %llu: the file from byte %llu to %llu, and its end",
		(unsigned long long)first, (unsigned long long)w->tx.counter - 1,
		(unsigned long long)job->begun_at, (unsigned long long)job->done);
	w->extra_ms = FT_SYNC_MS;
	return 0;
}

/* --- taking --- */

/* May the file have n bytes more? */
static int check_size(const struct ft_job *job, uint64_t size, uint64_t n, struct err *e)
{
	uint64_t most = size < INT64_MAX ? size : INT64_MAX;

	return job->done <= most && n <= most - job->done
		       ? 0
		       : err_set(e, EX_PROTOCOL, "more came than the %llu bytes of the file",
				 (unsigned long long)most);
}

static int take_end(
	struct ft_noise *w, struct ft_job *job, uint64_t size, uint64_t end, struct err *e)
{
	if (end != job->done || (size != UINT64_MAX && end != size)) {
		return err_set(e, EX_PROTOCOL, "the end came at byte %llu, and is told at %llu",
			(unsigned long long)job->done, (unsigned long long)end);
	}
	if (w->end != w->start) {
		return err_set(e, EX_PROTOCOL, "more came behind the end of the file");
	}
	if (landing_finish(job->to, e) != 0) {
		return -1;
	}
	ft_end(job);
	return 0;
}

/* The file is there, whether the peer hears of it or not. */
static void confirm(struct ft_noise *w, const struct ft_job *job)
{
	json_t *o = ft_noise_object("done");
	struct err e;

	ft_noise_add(&o, "size", json_integer((json_int_t)job->done));
	if (ft_noise_put_object(w, o, &e) != 0 || ft_noise_flush(w, &e) != 0) {
		ft_noise_say(w, "the %s was not told that the file is whole: %s", w->peer, e.text);
	}
}

/* Is it worth going on? Asked amid work that a peer has made with few bytes. 0 or -1. */
static int still_there(const struct ft_noise *w, struct err *e)
{
	struct pollfd p = {.fd = w->conn->fd, .events = POLLRDHUP};

	if (conn_is_stopping(w->conn)) {
		return err_set(e, EX_TEMPFAIL, "the server is stopping");
	}
	return poll(&p, 1, 0) > 0 ? err_set(e, EX_TEMPFAIL, "the %s has left", w->peer) : 0;
}

/* So many zeros: where they are hashed, or a pipe takes them, that is work, done in slices. */
static int take_hole(struct ft_noise *w, struct ft_job *job, uint64_t n, struct err *e)
{
	uint64_t slice = job->sum || job->to->stream ? FT_NOISE_SLICE : UINT64_MAX;

	while (n > 0) {
		uint64_t k = n < slice ? n : slice;
		if (landing_hole(job->to, k, e) != 0) {
			return -1;
		}
		ft_moved(job, NULL, k);
		n -= k;
		if (n > 0 && still_there(w, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* One record. 1 to go on, 0 at the end, or -1. */
static int take_record(struct ft_noise *w, struct ft_job *job, uint64_t size, struct err *e)
{
	enum ft_noise_kind kind;
	uint64_t number = 0;
	json_t *o;
	uint8_t *p;
	size_t n;

	if (ft_noise_get(w, &kind, &p, &n, e) != 0) {
		return -1;
	}
	if ((kind == FT_NOISE_HOLE || kind == FT_NOISE_END) &&
		ft_noise_number(p, n, &number, e) != 0) {
		return -1;
	}
	switch (kind) {
	case FT_NOISE_BYTES:
		if (check_size(job, size, n, e) != 0 || landing_write(job->to, p, n, e) != 0) {
			return -1;
		}
		ft_moved(job, p, n);
		return 1;
	case FT_NOISE_HOLE:
		if (check_size(job, size, number, e) != 0 || take_hole(w, job, number, e) != 0) {
			return -1;
		}
		return 1;
	case FT_NOISE_END:
		return take_end(w, job, size, number, e);
	default: /* it can only be an error */
		if (ft_noise_take_object(w, "error", p, n, &o, e) == 0) {
			json_decref(o);
		}
		return -1;
	}
}

int ft_noise_take(struct ft_noise *w, struct ft_job *job, uint64_t size, struct err *e)
{
	uint64_t first = w->rx.counter;
	int rc;

	do {
		rc = take_record(w, job, size, e);
	} while (rc > 0);
	if (rc == 0) {
		ft_noise_say(w,
			"< records %llu to %llu: the file from byte %llu to %llu, and its end",
			(unsigned long long)first, (unsigned long long)w->rx.counter - 1,
			(unsigned long long)job->begun_at, (unsigned long long)job->done);
		confirm(w, job);
	}
	return rc;
}
