/* Sealed files: keys as text, and the parts put together; see age.h. */
#include "age.h"

#include "bech32.h"
#include "random.h"

/* --- keys as text --- */

static const char recipient_prefix[] = "age", identity_prefix[] = "AGE-SECRET-KEY-";

void age_write_recipient(
	char out[static AGE_RECIPIENT_TEXT + 1], const uint8_t public[static X25519_BYTES])
{
	bech32_encode(out, recipient_prefix, public, X25519_BYTES);
}

void age_write_identity(
	char out[static AGE_IDENTITY_TEXT + 1], const uint8_t private[static X25519_BYTES])
{
	bech32_encode(out, identity_prefix, private, X25519_BYTES);
}

int age_read_recipient(uint8_t out[static X25519_BYTES], const char *text, size_t n, struct err *e)
{
	uint8_t shared[X25519_BYTES];
	static const uint8_t any[X25519_BYTES] = {1};

	if (bech32_decode(out, X25519_BYTES, recipient_prefix, text, n) != X25519_BYTES) {
		return err_set(e, EX_DATAERR, "it is no recipient (age1..., 62 characters)");
	}
	/* whoever's secret it is multiplied with: a point of low order has none */
	return x25519_shared(shared, any, out) == 0
		       ? 0
		       : err_set(e, EX_DATAERR, "it is a point of low order, not a key");
}

int age_read_identity(struct x25519_pair *out, const char *text, size_t n, struct err *e)
{
	static const uint8_t zero[X25519_BYTES]; /* nobody drew them */

	if (bech32_decode(out->private, X25519_BYTES, identity_prefix, text, n) != X25519_BYTES ||
		ct_eq(out->private, zero, sizeof zero)) {
		return err_set(
			e, EX_DATAERR, "it is no identity (AGE-SECRET-KEY-1..., 74 characters)");
	}
	x25519_public(out->public, out->private);
	return 0;
}

/* how: was it gone on with, though it had failed? */
static int refuse_more(struct err *e, const char *how)
{
	return err_set(e, EX_SOFTWARE, "a file that failed was %s on", how);
}

/* --- sealing --- */

static int armor_take(void *arg, const void *p, size_t n, struct err *e)
{
	struct age_seal *s = arg;

	return age_armor_write(&s->armor, p, n, &s->out, e);
}

/* Where what is sealed goes. */
static struct age_sink sealed_sink(struct age_seal *s)
{
	return s->armored ? (struct age_sink){armor_take, s} : s->out;
}

int age_seal_begin(struct age_seal *s, const struct age_recipient *recipients, size_t n,
	bool armored, struct age_sink out, struct err *e)
{
	uint8_t file_key[AGE_FILE_KEY], start[AGE_NONCE];
	struct age_sink to;
	struct buf header = {0};
	int rc = -1;

	s->armored = armored;
	s->failed = true; /* until it has begun */
	s->out = out;
	to = sealed_sink(s);
	age_armor_begin(&s->armor);
	if (random_bytes(file_key, sizeof file_key, e) == 0 &&
		random_bytes(start, sizeof start, e) == 0 &&
		age_header_make(&header, file_key, recipients, n, e) == 0) {
		age_stream_begin(&s->stream, file_key, start);
		rc = age_sink_put(&to, header.p, header.n, e);
		rc = rc == 0 ? age_sink_put(&to, start, sizeof start, e) : rc;
	}
	wipe(file_key, sizeof file_key);
	buf_free(&header);
	s->failed = rc != 0;
	return rc;
}

int age_seal_write(struct age_seal *s, const void *p, size_t n, struct err *e)
{
	struct age_sink to = sealed_sink(s);

	if (s->failed) {
		return refuse_more(e, "written");
	}
	s->failed = age_stream_write(&s->stream, p, n, &to, e) != 0;
	return s->failed ? -1 : 0;
}

int age_seal_end(struct age_seal *s, struct err *e)
{
	struct age_sink to = sealed_sink(s);

	if (s->failed) {
		return refuse_more(e, "written");
	}
	s->failed = age_stream_end(&s->stream, &to, e) != 0 ||
		    (s->armored && age_armor_end(&s->armor, &s->out, e) != 0);
	return s->failed ? -1 : 0;
}

void age_seal_wipe(struct age_seal *s)
{
	wipe(s, sizeof *s);
}

/* --- opening --- */

void age_open_begin(struct age_open *o, const struct x25519_pair *identities, size_t n,
	enum age_form form, struct age_sink out)
{
	memset(&o->armor, 0, sizeof o->armor);
	memset(&o->header, 0, sizeof o->header);
	o->fault = AGE_SOUND;
	o->form = form;
	o->header.identities = identities;
	o->header.identities_n = n;
	o->stream.out = out;
	o->stream.batch = NULL;
}

/* The next bytes, out of their armor: the header, then the payload. */
static int take_binary(void *arg, const void *p, size_t n, struct err *e)
{
	struct age_open *o = arg;
	const uint8_t *s = p;
	size_t used = 0;
	int rc;

	if (o->header.expects != AGE_HEADER_WHOLE) {
		rc = age_header_read(&o->header, s, n, &used, &o->fault, e);
		if (rc <= 0) {
			return rc;
		}
		age_stream_open(&o->stream, o->header.file_key);
		wipe(o->header.file_key, sizeof o->header.file_key);
	}
	return age_stream_read(&o->stream, s + used, n - used, &o->fault, e);
}

/* rc: what is returned. A failure that is not the file's has its own name. */
static int latch(struct age_open *o, int rc)
{
	if (rc != 0 && o->fault == AGE_SOUND) {
		o->fault = AGE_OTHER;
	}
	return rc;
}

int age_open_write(struct age_open *o, const void *p, size_t n, struct err *e)
{
	const struct age_sink inner = {take_binary, o};
	const uint8_t *s = p;

	if (o->fault != AGE_SOUND) {
		return refuse_more(e, "read");
	}
	if (n == 0) {
		return 0;
	}
	if (o->form == AGE_EITHER) {
		/* a binary file begins with a letter */
		o->form = s[0] == '-' || s[0] <= ' ' ? AGE_ARMORED : AGE_BINARY;
	}
	if (o->stream.batch != NULL) {
		o->armor.lent = o->stream.batch->decoded;
		o->armor.lent_n = sizeof o->stream.batch->decoded;
	}
	return latch(o, o->form == AGE_ARMORED
				? age_armor_read(&o->armor, p, n, &inner, &o->fault, e)
				: take_binary(o, p, n, e));
}

int age_open_end(struct age_open *o, struct err *e)
{
	const struct age_sink inner = {take_binary, o};

	if (o->fault != AGE_SOUND) {
		return refuse_more(e, "read");
	}
	if (o->form == AGE_ARMORED && age_armor_read_end(&o->armor, &inner, &o->fault, e) != 0) {
		return latch(o, -1);
	}
	if (o->header.expects != AGE_HEADER_WHOLE) {
		return age_fault_set(&o->fault, AGE_BAD_HEADER, e,
			o->header.text.n == 0 ? "it is empty" : "the header was cut");
	}
	return latch(o, age_stream_read_end(&o->stream, &o->fault, e));
}

void age_open_wipe(struct age_open *o)
{
	age_header_wipe(&o->header);
	wipe(o, sizeof *o);
}
