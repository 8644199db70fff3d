/* Messages without an offer: sealed as an age file, and signed inside; see chat.h. Not forward
 * secret: whoever gets the private key of either side later reads them. */
#include "../crypto/age.h"
#include "../crypto/sshsig.h"
#include "chat_parts.h"

static const char sig_ends[] = "-----END SSH SIGNATURE-----\n";

static int gather(void *arg, const void *p, size_t n, struct err *e)
{
	struct buf *b = arg;

	if (n > CHAT_PACKET_MAX - b->n) {
		return err_set(e, EX_PROTOCOL, "the packet is not sound: it is too long");
	}
	return buf_append(b, p, n) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "cannot hold the message: out of memory");
}

/* --- writing --- */

static int sign(struct buf *out, const struct chat_self *self, const struct buf *header,
	const struct buf *body, struct err *e)
{
	uint8_t digest[HASH_BYTES];
	struct hash h;

	hash_begin(&h);
	hash_add(&h, header->p, header->n);
	hash_add(&h, body->p, body->n);
	hash_end(&h, digest);
	return sshsig_sign(out, self->p256, SSHSIG_CHAT, digest, e);
}

static int seal(struct buf *out, const struct age_recipient *to, size_t to_n,
	const struct buf *const parts[3], struct err *e)
{
	const struct age_sink sink = {.take = gather, .arg = out};
	struct age_seal *s = malloc(sizeof *s);
	int rc;

	if (s == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot seal the message: out of memory");
	}
	rc = age_seal_begin(s, to, to_n, false, sink, e);
	for (size_t i = 0; i < 3 && rc == 0; i++) {
		rc = age_seal_write(s, parts[i]->p, parts[i]->n, e);
	}
	rc = rc == 0 ? age_seal_end(s, e) : -1;
	age_seal_wipe(s);
	free(s);
	return rc;
}

int chat_write_sealed(struct buf *out, const struct chat_self *self, const struct chat_peer *peer,
	const struct chat_message *m, struct err *e)
{
	struct age_recipient to[2];
	struct buf header = {0}, signature = {0};
	const struct buf *const parts[3] = {&signature, &header, &m->body};
	const uint8_t kind = CHAT_PACKET_SEALED;
	size_t start = out->n;
	int rc = chat_header_write(&header, m, self->name, peer->name, e);

	memcpy(to[0].key, peer->keys->x25519, X25519_BYTES);
	memcpy(to[1].key, self->x25519->public, X25519_BYTES);
	if (rc == 0 && (buf_append(&header, "\n", 1) != 0 || buf_append(out, &kind, 1) != 0)) {
		rc = err_set(e, EX_TEMPFAIL, "cannot seal the message: out of memory");
	}
	rc = rc == 0 ? sign(&signature, self, &header, &m->body, e) : -1;
	rc = rc == 0 ? seal(out, to, 2, parts, e) : -1;
	out->n = rc == 0 ? out->n : start;
	buf_free(&header);
	buf_free(&signature);
	return rc;
}

/* --- reading --- */

static int unseal(struct buf *out, const struct x25519_pair *identity, const uint8_t *p, size_t n,
	struct err *e)
{
	const struct age_sink sink = {.take = gather, .arg = out};
	struct age_open *o = malloc(sizeof *o);
	int rc;

	if (o == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open the message: out of memory");
	}
	age_open_begin(o, identity, 1, AGE_BINARY, sink);
	rc = age_open_write(o, p, n, e) == 0 ? age_open_end(o, e) : -1;
	if (rc != 0 && o->fault != AGE_OTHER) {
		rc = err_set(e, EX_PROTOCOL,
			"the packet is not sound: it is not sealed to us, or was altered");
	}
	age_open_wipe(o);
	free(o);
	return rc;
}

/* The signature at the beginning, and the one line behind it. */
static int split(const struct buf *plain, size_t *signature_n, size_t *header_n, struct err *e)
{
	const size_t ends_n = sizeof sig_ends - 1;
	size_t look = plain->n < SSHSIG_TEXT_MAX ? plain->n : SSHSIG_TEXT_MAX;
	const uint8_t *at = look == 0 ? NULL : memmem(plain->p, look, sig_ends, ends_n);
	const uint8_t *lf;

	if (at == NULL) {
		return err_set(e, EX_PROTOCOL, "the packet is not sound: it is not signed");
	}
	*signature_n = (size_t)(at - plain->p) + ends_n;
	lf = memchr(plain->p + *signature_n, '\n', plain->n - *signature_n);
	if (lf == NULL) {
		return err_set(e, EX_PROTOCOL, "the packet is not sound: it has no header");
	}
	*header_n = (size_t)(lf - plain->p) - *signature_n;
	return 0;
}

static int check_signer(const struct chat_peer *peer, const uint8_t *signed_text,
	const struct buf *plain, size_t signature_n, struct err *e)
{
	uint8_t digest[HASH_BYTES], public[P256_PUBLIC];

	hash_of(signed_text, plain->n - signature_n, digest);
	if (sshsig_check(public, plain->p, signature_n, SSHSIG_CHAT, digest, e) != 0) {
		return err_set(e, EX_PROTOCOL, "the message's signature is not right");
	}
	if (!peer->keys->signs) {
		return err_set(e, EX_PROTOCOL,
			"cannot check the message: no signing key of %s is known", peer->name);
	}
	return ct_eq(public, peer->keys->p256, sizeof public)
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the message is not signed by %s", peer->name);
}

static int read_plain(struct chat_message *out, const struct chat_self *self,
	const struct chat_peer *peer, const struct buf *plain, struct err *e)
{
	size_t signature_n = 0, header_n = 0, body_n;
	const uint8_t *text;
	uint64_t size;

	if (split(plain, &signature_n, &header_n, e) != 0) {
		return -1;
	}
	text = plain->p + signature_n;
	body_n = plain->n - signature_n - header_n - 1;
	if (check_signer(peer, text, plain, signature_n, e) != 0 ||
		chat_header_read(out, &size, text, header_n, peer->name, self->name, e) != 0) {
		return -1;
	}
	if (size != body_n) {
		return err_set(e, EX_PROTOCOL, "the packet is not sound: its size");
	}
	if (buf_append(&out->body, text + header_n + 1, body_n) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot hold the message: out of memory");
	}
	return chat_body_check(out, e);
}

int chat_read_sealed(struct chat_message *out, const struct chat_self *self,
	const struct chat_peer *peer, const void *p, size_t n, struct err *e)
{
	const uint8_t *bytes = p;
	enum chat_packet kind;
	struct buf plain = {0};
	uint64_t offer;
	int rc;

	*out = (struct chat_message){.kind = CHAT_TEXT};
	if (chat_look(p, n, &kind, &offer, e) != 0) {
		return -1;
	}
	if (kind != CHAT_PACKET_SEALED) {
		return err_set(e, EX_PROTOCOL, "the packet is not sound: it is not sealed");
	}
	rc = unseal(&plain, self->x25519, bytes + 1, n - 1, e) == 0
		     ? read_plain(out, self, peer, &plain, e)
		     : -1;
	out->no_fs = true;
	buf_free(&plain);
	if (rc != 0) {
		buf_free(&out->body);
	}
	return rc;
}
