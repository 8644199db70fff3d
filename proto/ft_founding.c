/* Frames of the founding wire, and the data in them; see ft_founding.h. */
#include "ft_founding.h"

#include <poll.h>

#include "../crypto/bytes.h"

/* Bytes of a payload. A chunk of nothing could be repeated for ever. */
static const struct {
	size_t least, most;
} limits[FT_FRAMES] = {
	[FT_HANDSHAKE] = {FT_HANDSHAKE_BYTES, FT_HANDSHAKE_BYTES},
	[FT_READ_FILE] = {1, FT_REQUEST_MAX},
	[FT_WRITE_FILE] = {1, FT_CHUNK_MAX},
	[FT_CONFIRMATION] = {1, 1},
	[FT_ERROR] = {1, FT_COMPLAINT_MAX},
	[FT_EOF] = {HASH_MD5_BYTES, HASH_MD5_BYTES},
};

void ft_founding_begin(struct ft_founding *f, struct conn *c)
{
	f->conn = c;
	f->sealed = false;
	f->idle_ms = 0;
	f->out_n = f->start = f->end = 0;
}

size_t ft_founding_key(
	enum ft_cipher cipher, const struct ft_secret *secret, uint8_t key[static FT_KEY_MAX])
{
	size_t n = cipher == FT_AES128 ? 16 : 32;

	for (size_t i = 0; i < n; i++) {
		key[i] = secret->text[i % secret->n];
	}
	return n;
}

void ft_founding_seal(struct ft_founding *f, enum ft_cipher cipher, const struct ft_secret *secret,
	const uint8_t iv[static FT_IV])
{
	uint8_t key[FT_KEY_MAX];
	size_t n;

	f->sealed = cipher != FT_NONE;
	if (f->sealed) {
		n = ft_founding_key(cipher, secret, key);
		(void)cbc_init(&f->out_stream, key, n, iv);
		f->in_stream = f->out_stream;
		wipe(key, sizeof key);
	}
}

/* --- out --- */

static size_t header_size(const struct ft_founding *f)
{
	return f->sealed ? FT_SEALED_HEADER : FT_HEADER;
}

static void begin_frame(const struct ft_founding *f)
{
	if (f->idle_ms != 0) {
		conn_deadline(f->conn, f->idle_ms);
	}
}

int ft_founding_flush(struct ft_founding *f, struct err *e)
{
	size_t n = f->out_n;

	begin_frame(f);
	f->out_n = 0;
	return conn_write(f->conn, f->out, n, e);
}

uint8_t *ft_founding_room(struct ft_founding *f, struct err *e)
{
	if (sizeof f->out - f->out_n < FT_FRAME_ROOM && ft_founding_flush(f, e) != 0) {
		return NULL;
	}
	return f->out + f->out_n + header_size(f);
}

void ft_founding_put_room(struct ft_founding *f, enum ft_frame type, size_t n)
{
	uint8_t *p = f->out + f->out_n;
	size_t all = header_size(f) + n;

	put_u32be(p, (uint32_t)type);
	put_u32be(p + 4, (uint32_t)n);
	memset(p + 8, 0, 8);
	if (f->sealed) {
		aes_pad(p, FT_HEADER);
		aes_pad(p + FT_SEALED_HEADER, n);
		all = FT_SEALED_HEADER + aes_padded_len(n);
		cbc_encrypt(&f->out_stream, p, all);
	}
	f->out_n += all;
}

int ft_founding_put(
	struct ft_founding *f, enum ft_frame type, const void *p, size_t n, struct err *e)
{
	uint8_t *room = ft_founding_room(f, e);

	if (room == NULL) {
		return -1;
	}
	memcpy(room, p, n);
	ft_founding_put_room(f, type, n);
	return ft_founding_flush(f, e);
}

/* --- in --- */

/* Have n bytes at `start`. 0, or -1. */
static int fetch(struct ft_founding *f, size_t n, struct err *e)
{
	size_t got;

	if (f->start == f->end) {
		f->start = f->end = 0;
	} else if (sizeof f->in - f->start < n) {
		memmove(f->in, f->in + f->start, f->end - f->start);
		f->end -= f->start;
		f->start = 0;
	}
	while (f->end - f->start < n) {
		switch (conn_read(f->conn, f->in + f->end, sizeof f->in - f->end, 0, &got, e)) {
		case CONN_DATA:
			f->end += got;
			break;
		case CONN_EOF:
			return err_set(e, EX_PROTOCOL,
				"the other side ended the connection before the transfer's end");
		default:
			return -1;
		}
	}
	return 0;
}

/* The next n bytes, decrypted; they were fetched. */
static uint8_t *take(struct ft_founding *f, size_t n)
{
	uint8_t *p = f->in + f->start;

	if (f->sealed) {
		cbc_decrypt(&f->in_stream, p, n);
	}
	f->start += n;
	return p;
}

/* What a header says, where it says something of this wire. 0, or -1. */
static int read_header(const uint8_t *p, enum ft_frame *type, size_t *n, struct err *e)
{
	static const uint8_t zeros[8];
	struct cursor c = cursor_over(p, FT_HEADER);
	uint32_t kind = get_u32be(&c), length = get_u32be(&c);

	if (kind >= FT_FRAMES || memcmp(c.p, zeros, sizeof zeros) != 0) {
		return err_set(e, EX_PROTOCOL,
			"what came is no frame: the keys differ, or it was changed on its way");
	}
	if (length < limits[kind].least || length > limits[kind].most) {
		return err_set(e, EX_PROTOCOL, "a frame of type %u cannot have %u bytes",
			(unsigned)kind, (unsigned)length);
	}
	*type = (enum ft_frame)kind;
	*n = length;
	return 0;
}

int ft_founding_get(
	struct ft_founding *f, enum ft_frame *type, uint8_t **p, size_t *n, struct err *e)
{
	size_t body;

	begin_frame(f);
	if (fetch(f, header_size(f), e) != 0 ||
		read_header(take(f, header_size(f)), type, n, e) != 0) {
		return -1;
	}
	body = f->sealed ? aes_padded_len(*n) : *n;
	if (fetch(f, body, e) != 0) {
		return -1;
	}
	*p = take(f, body);
	return 0;
}

/* --- numbers --- */

int ft_founding_put_number(
	struct ft_founding *f, const uint8_t number[static FT_NONCE], struct err *e)
{
	memcpy(f->out, number, FT_NONCE);
	aes_pad(f->out, FT_NONCE);
	cbc_encrypt(&f->out_stream, f->out, FT_RESPONSE);
	f->out_n = FT_RESPONSE;
	return ft_founding_flush(f, e);
}

int ft_founding_get_number(struct ft_founding *f, uint8_t number[static FT_NONCE], size_t *padding,
	size_t *got, struct err *e)
{
	const uint8_t *p;
	int rc = fetch(f, FT_RESPONSE, e);

	*got = rc == 0 ? FT_RESPONSE : f->end - f->start;
	if (rc == 0) {
		p = take(f, FT_RESPONSE);
		*padding = aes_padding(p + FT_NONCE);
		memcpy(number, p, FT_NONCE);
	}
	return rc;
}

void ft_founding_next_number(uint8_t number[static FT_NONCE])
{
	size_t i = FT_NONCE;

	while (i > 0 && ++number[i - 1] == 0) {
		i--;
	}
}

/* --- complaints --- */

int ft_founding_complain(struct ft_founding *f, const struct err *e)
{
	char text[FT_COMPLAINT_MAX];

	(void)snprintf(text, sizeof text, "%s: %.*s", ft_error_name(e->code),
		(int)strcspn(e->text, "\n"), e->text);
	(void)ft_founding_put(f, FT_ERROR, text, strlen(text), NULL);
	return -1;
}

/* The peer's, into e. Always -1. */
static int hear_complaint(const uint8_t *p, size_t n, struct err *e)
{
	char text[FT_COMPLAINT_MAX + 1];
	const uint8_t *colon = memchr(p, ':', n);
	size_t name = colon == NULL ? 0 : (size_t)(colon - p);
	int code = ft_error_code(p, name, -1);

	if (code < 0 || n < name + 3 || colon[1] != ' ') {
		code = EX_DATAERR; /* text without a name */
	} else {
		p += name + 2;
		n -= name + 2;
	}
	(void)escape_text(text, sizeof text, p, n, false);
	return err_set(e, code, "the other side says: %s", text);
}

int ft_founding_expect(
	struct ft_founding *f, enum ft_frame type, uint8_t **p, size_t *n, struct err *e)
{
	enum ft_frame came;

	if (ft_founding_get(f, &came, p, n, e) != 0) {
		return -1;
	}
	if (came == FT_ERROR) {
		return hear_complaint(*p, *n, e);
	}
	return came == type ? 0
			    : err_set(e, EX_PROTOCOL, "a frame of type %u came where %u was due",
				      (unsigned)came, (unsigned)type);
}

/* --- the data --- */

/* Nothing is due from who takes a file: what comes is why it does not go on. */
static bool is_interrupted(const struct ft_founding *f)
{
	struct pollfd p = {.fd = f->conn->fd, .events = POLLIN};

	return f->end > f->start || poll(&p, 1, 0) > 0;
}

/* What it says, before any failure to write, which follows from that. Always -1. */
static int hear_interruption(struct ft_founding *f, struct err *e)
{
	enum ft_frame type;
	uint8_t *p;
	size_t n;

	if (is_interrupted(f) && ft_founding_get(f, &type, &p, &n, NULL) == 0) {
		if (type == FT_ERROR) {
			return hear_complaint(p, n, e);
		}
		return err_set(
			e, EX_PROTOCOL, "a frame of type %u came amid the data", (unsigned)type);
	}
	return -1;
}

/* Send what stands in the buffer, where the peer still listens. */
static int flush_data(struct ft_founding *f, struct err *e)
{
	if (is_interrupted(f)) {
		err_set(e, EX_PROTOCOL, "the other side ended the connection amid the data");
		return hear_interruption(f, e);
	}
	return ft_founding_flush(f, e) == 0 ? 0 : hear_interruption(f, e);
}

/* The next bytes of the file, at most FT_CHUNK; a hole is sent as the zeros that it stands for. */
static int next_chunk(struct ft_job *job, uint8_t *p, uint64_t *hole, size_t *n, struct err *e)
{
	if (*hole == 0 && source_read(job->from, p, FT_CHUNK, n, hole, e) != 0) {
		return -1;
	}
	if (*hole > 0) {
		*n = *hole < FT_CHUNK ? (size_t)*hole : FT_CHUNK;
		memset(p, 0, *n);
		*hole -= *n;
	}
	return 0;
}

static int send_chunks(
	struct ft_founding *f, struct ft_job *job, struct hash_md5 *md5, struct err *e)
{
	uint64_t hole = 0;
	uint8_t *p;
	size_t n;

	for (;;) {
		if (sizeof f->out - f->out_n < FT_FRAME_ROOM && flush_data(f, e) != 0) {
			return -1;
		}
		p = ft_founding_room(f, e);
		if (next_chunk(job, p, &hole, &n, e) != 0) {
			return ft_founding_complain(f, e);
		}
		if (n == 0) {
			break;
		}
		hash_md5_add(md5, p, n);
		ft_moved(job, p, n);
		ft_founding_put_room(f, FT_WRITE_FILE, n);
		/* a program at the other end of a pipe may be slow: what it said goes on at once */
		if (!job->from->regular && flush_data(f, e) != 0) {
			return -1;
		}
	}
	return source_unchanged(job->from, e) == 0 ? 0 : ft_founding_complain(f, e);
}

int ft_founding_send(struct ft_founding *f, struct ft_job *job, struct err *e)
{
	struct hash_md5 md5;
	uint8_t *p;

	(void)source_size(job->from, &job->total);
	hash_md5_begin(&md5);
	if (ft_begin_at(job, 0, e) != 0) {
		return ft_founding_complain(f, e);
	}
	if (send_chunks(f, job, &md5, e) != 0) {
		return -1;
	}
	hash_md5_end(&md5, job->md5);
	ft_end(job);
	p = ft_founding_room(f, e); /* send_chunks has made it */
	memcpy(p, job->md5, sizeof job->md5);
	ft_founding_put_room(f, FT_EOF, sizeof job->md5);
	return flush_data(f, e);
}

/* All is there: does it agree, and does it land? */
static int finish(struct ft_founding *f, struct ft_job *job, const struct hash_md5 *md5,
	const uint8_t said[static HASH_MD5_BYTES], struct err *e)
{
	hash_md5_end(md5, job->md5);
	ft_end(job);
	if (!ct_eq(job->md5, said, HASH_MD5_BYTES)) {
		err_set(e, EX_PROTOCOL,
			"the checksum does not agree: what came is not what was sent");
		return ft_founding_complain(f, e);
	}
	return landing_finish(job->to, e) == 0 ? 0 : ft_founding_complain(f, e);
}

int ft_founding_take(struct ft_founding *f, struct ft_job *job, struct err *e)
{
	struct hash_md5 md5;
	enum ft_frame type;
	uint8_t *p;
	size_t n;

	hash_md5_begin(&md5);
	if (ft_begin_at(job, 0, e) != 0) {
		return ft_founding_complain(f, e);
	}
	while (ft_founding_get(f, &type, &p, &n, e) == 0) {
		switch (type) {
		case FT_WRITE_FILE:
			if (landing_write(job->to, p, n, e) != 0) {
				return ft_founding_complain(f, e);
			}
			hash_md5_add(&md5, p, n);
			ft_moved(job, p, n);
			break;
		case FT_EOF:
			return finish(f, job, &md5, p, e);
		case FT_ERROR:
			return hear_complaint(p, n, e);
		default:
			return err_set(e, EX_PROTOCOL, "a frame of type %u came amid the data",
				(unsigned)type);
		}
	}
	return -1;
}
