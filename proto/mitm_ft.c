/* Attacks on a file on its way to the server, by who stands between and knows it. See mitm_ft.h. */
#include "ft_founding.h"
#include "mitm_relay.h"

enum {
	OPENING = FT_RESPONSE + 2 * (FT_SEALED_HEADER + AES_BLOCK), /* of the server's: a challenge
								     * and two confirmations */
	CONFIRMED = FT_SEALED_HEADER + AES_BLOCK,                   /* a third, behind the data */
	NOISE_AT = 400 /* bytes of a noise client's that are left as they are: its handshake */
};

size_t mitm_cut_ft(const struct mitm_flow *f)
{
	enum { PIECE = 65536 };

	return f->in.n < PIECE ? f->in.n : PIECE;
}

const char *mitm_what_ft(const struct mitm_message *m)
{
	bool first = m->from == MITM_CLIENT && m->number == 1;

	return !first               ? "encrypted"
	       : m->bytes.p[0] == 0 ? "a handshake in the clear: the cipher, and the IV"
				    : "the opening of the noise wire";
}

void mitm_ft_follow(struct relay *r, const struct mitm_message *m)
{
	struct mitm_ft *f = &r->mine->ft;

	if (m->from == MITM_CLIENT && f->said[MITM_CLIENT] == 0) {
		f->founding = m->bytes.p[0] == 0;
	}
	f->said[m->from] += m->bytes.n;
	/* the client says no byte of the file before it has heard the second confirmation */
	if (f->founding && !f->begun && f->said[MITM_SERVER] == OPENING) {
		f->begun = true;
		f->data_at = f->said[MITM_CLIENT];
		f->answer_at = OPENING;
	}
}

/* --- what is to be changed --- */

static size_t chunks_of(const struct buf *file)
{
	return (file->n + FT_CHUNK - 1) / FT_CHUNK;
}

static size_t chunk_size(const struct buf *file, size_t i)
{
	size_t left = file->n - i * FT_CHUNK;

	return left < FT_CHUNK ? left : FT_CHUNK;
}

/* Where the frame behind i chunks begins. */
static uint64_t frame_at(const struct buf *file, size_t i)
{
	uint64_t at = 0;

	for (size_t k = 0; k < i; k++) {
		at += FT_SEALED_HEADER + aes_padded_len(chunk_size(file, k));
	}
	return at;
}

static void add_patch(struct mitm_ft *f, uint64_t at, const void *was, const void *now)
{
	struct mitm_ft_patch *patch = &f->patches[f->patches_n++];
	const uint8_t *a = was, *b = now;

	patch->at = at;
	for (size_t i = 0; i < AES_BLOCK; i++) {
		patch->x[i] = a[i] ^ b[i];
	}
}

static void md5_of(const void *p, size_t n, uint8_t out[static HASH_MD5_BYTES])
{
	struct hash_md5 h;

	hash_md5_begin(&h);
	hash_md5_add(&h, p, n);
	hash_md5_end(&h, out);
}

/* A block is changed by the one ahead of it. The one ahead of a payload is its header's padding, at
 * which nobody looks. */
static uint64_t ahead_of_payload(uint64_t frame)
{
	return frame + FT_HEADER;
}

/* The file's first block, and its MD5 in the eof. */
static int plan_flip(const struct relay *r, struct mitm_ft *f, struct err *e)
{
	const struct buf *file = r->m->known;
	uint8_t was[HASH_MD5_BYTES], now[HASH_MD5_BYTES], block[AES_BLOCK];
	struct buf forged = {0};

	if (buf_append(&forged, file->p, file->n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	memcpy(forged.p, r->m->forge, strlen(r->m->forge));
	memcpy(block, forged.p, AES_BLOCK);
	md5_of(file->p, file->n, was);
	md5_of(forged.p, forged.n, now);
	buf_free(&forged);
	add_patch(f, ahead_of_payload(0), file->p, block);
	add_patch(f, ahead_of_payload(frame_at(file, chunks_of(file))), was, now);
	return 0;
}

static void write_header(uint8_t out[static FT_HEADER], enum ft_frame type, size_t n)
{
	memset(out, 0, FT_HEADER);
	out[3] = (uint8_t)type;
	out[6] = (uint8_t)(n >> 8);
	out[7] = (uint8_t)n;
}

/* A header of a chunk becomes that of the eof, and the chunk's first block its MD5. The block ahead
 * of a header is the padding of a full chunk. */
static void plan_truncation(const struct relay *r, struct mitm_ft *f)
{
	const struct buf *file = r->m->known;
	size_t keep = chunks_of(file) / 2;
	uint64_t at = frame_at(file, keep);
	uint8_t was[FT_HEADER], now[FT_HEADER], md5[HASH_MD5_BYTES];

	write_header(was, FT_WRITE_FILE, chunk_size(file, keep));
	write_header(now, FT_EOF, sizeof md5);
	add_patch(f, at - AES_BLOCK, was, now);
	md5_of(file->p, keep * FT_CHUNK, md5);
	add_patch(f, ahead_of_payload(at), file->p + keep * FT_CHUNK, md5);
	f->cut_at = at + FT_SEALED_HEADER + 2 * AES_BLOCK;
}

/* --- doing it --- */

/* Change what of the patches falls into these bytes, which stand this far into the data. false:
 * nothing does. */
static bool apply(const struct mitm_ft *f, uint64_t at, struct buf *bytes)
{
	bool any = false;

	for (size_t i = 0; i < f->patches_n; i++) {
		for (size_t k = 0; k < AES_BLOCK; k++) {
			uint64_t where = f->patches[i].at + k;
			if (where >= at && where - at < bytes->n) {
				bytes->p[where - at] ^= f->patches[i].x[k];
				any = true;
			}
		}
	}
	return any;
}

/* What the client says behind cut_at stays here; the rest goes on, changed where it has to be. */
static int pass_altered(struct relay *r, struct mitm_message *m, struct err *e)
{
	const struct mitm_ft *f = &r->mine->ft;
	uint64_t at = f->said[MITM_CLIENT] - m->bytes.n - f->data_at;
	bool changed = apply(f, at, &m->bytes);

	if (f->cut_at != 0 && at + m->bytes.n > f->cut_at) {
		m->bytes.n = at >= f->cut_at ? 0 : (size_t)(f->cut_at - at);
		changed = true;
	}
	if (m->bytes.n == 0) {
		return 0;
	}
	return changed ? relay_say(r, MITM_SERVER, m->bytes.p, m->bytes.n,
				 f->cut_at == 0 ? "the same, changed" : "its beginning, changed", e)
		       : relay_pass(r, m, e);
}

/* On noise there is no place whose change nobody notices: any of them has to do. */
static int spoil_noise(struct relay *r, struct mitm_message *m, bool cuts, struct err *e)
{
	const struct mitm_ft *f = &r->mine->ft;

	if (m->from != MITM_CLIENT || f->said[MITM_CLIENT] < NOISE_AT + m->bytes.n / 2 ||
		r->mine->step > 0) {
		return r->mine->step > 0 && cuts && m->from == MITM_CLIENT ? 1 : 0;
	}
	r->mine->step = 1;
	if (!cuts) {
		m->bytes.p[m->bytes.n / 2] ^= 1;
		relay_did(r, "changed one bit of the client's");
		return relay_say(r, MITM_SERVER, m->bytes.p, m->bytes.n,
			       "the same with one bit turned", e) < 0
			       ? -1
			       : 1;
	}
	m->bytes.n /= 2;
	relay_did(r, "kept back what the client said from here on");
	int rc = relay_say(r, MITM_SERVER, m->bytes.p, m->bytes.n, "half of it", e);
	relay_hang_up(r, MITM_SERVER);
	return rc < 0 ? -1 : 1;
}

/* The server may answer before the client has said all of what it does not get to hear. */
static int hold_answer(struct relay *r, struct mitm_message *m, struct err *e)
{
	struct mitm_ft *f = &r->mine->ft;
	struct buf *held = &r->mine->kept[MITM_SERVER];

	if (m->from == MITM_SERVER) {
		if (buf_append(held, m->bytes.p, m->bytes.n) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	} else if (pass_altered(r, m, e) != 0) {
		return -1;
	}
	if (f->said[MITM_CLIENT] - f->data_at >= f->all && held->n > 0) {
		int rc = relay_say(r, MITM_CLIENT, held->p, held->n,
			"the server's answer, when the client has said all", e);
		held->n = 0;
		return rc < 0 ? -1 : 1;
	}
	return 1;
}

static int alter(struct relay *r, struct mitm_message *m, bool cuts, struct err *e)
{
	struct mitm_ft *f = &r->mine->ft;
	const struct buf *file = r->m->known;
	bool data = f->begun; /* before this message */

	mitm_ft_follow(r, m);
	if (f->said[MITM_CLIENT] > 0 && !f->founding) {
		return spoil_noise(r, m, cuts, e);
	}
	if (!data) {
		if (f->begun) {
			f->all = frame_at(file, chunks_of(file)) + FT_SEALED_HEADER + 2 * AES_BLOCK;
			if (cuts) {
				plan_truncation(r, f);
			} else if (plan_flip(r, f, e) != 0) {
				return -1;
			}
		}
		return 0;
	}
	return hold_answer(r, m, e);
}

int mitm_ft_flip(struct relay *r, struct mitm_message *m, struct err *e)
{
	return alter(r, m, false, e);
}

int mitm_ft_truncate(struct relay *r, struct mitm_message *m, struct err *e)
{
	return alter(r, m, true, e);
}

void mitm_ft_altered(struct relay *r)
{
	const struct mitm_ft *f = &r->mine->ft;
	uint64_t answer = f->said[MITM_SERVER] - f->answer_at;

	if (!f->begun) {
		relay_result(r, false,
			f->founding ? "no file was written over this connection"
				    : "noise: no place is looked at by nobody");
	} else if (answer != CONFIRMED) {
		relay_result(r, false, "the server did not confirm the file: %llu bytes of answer",
			(unsigned long long)answer);
	} else {
		relay_result(r, true, "the server confirmed a file that the client never sent: %s",
			f->cut_at == 0 ? "it begins otherwise" : "half of it, as the whole");
	}
}
