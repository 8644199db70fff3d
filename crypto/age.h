/* Sealed files: the age format, version 1 (age-encryption.org/v1), for X25519 recipients, binary or
 * armored. No file is opened here: bytes are pushed in, and what comes of them is handed to a
 * function, in order. What is opened is authenticated before it is handed out, a chunk of 64 KiB at
 * a time; that it was all of the file is known only when age_open_end returned 0.
 *
 * A file of another kind of recipient (scrypt, plugins, post-quantum) is read as far as to say that
 * no identity matches. Each struct is for one file. */
#ifndef CRYPTO_AGE_H
#define CRYPTO_AGE_H

#include "age_armor.h"
#include "age_header.h"
#include "age_stream.h"

/* --- keys as text --- */

enum { AGE_RECIPIENT_TEXT = 62, AGE_IDENTITY_TEXT = 74 };

/* "age1..." and "AGE-SECRET-KEY-1...", each with a NUL behind it. */
void age_write_recipient(
	char out[static AGE_RECIPIENT_TEXT + 1], const uint8_t public[static X25519_BYTES]);
void age_write_identity(
	char out[static AGE_IDENTITY_TEXT + 1], const uint8_t private[static X25519_BYTES]);

/* Read n characters. 0, or -1 (EX_DATAERR): no such text, or a point with which no secret can be
 * shared. What was read is not in the error: it may be a secret. */
int age_read_recipient(uint8_t out[static X25519_BYTES], const char *text, size_t n, struct err *e);
int age_read_identity(struct x25519_pair *out, const char *text, size_t n, struct err *e);

/* --- sealing --- */

struct age_seal {
	bool armored;
	bool failed;         /* latched: a number that a chunk was sealed with serves once */
	struct age_sink out; /* the caller's */
	struct age_armor_writer armor;
	struct age_stream_writer stream; /* whose batch the caller may lend, once it was begun */
};

/* Begin a file for n recipients (at least 1) and hand out its header. 0, or -1: EX_TEMPFAIL (no
 * memory, no random bytes), EX_DATAERR (no secret can be shared with a recipient), or what the sink
 * said. age_seal_wipe() s in any case. */
int age_seal_begin(struct age_seal *s, const struct age_recipient *recipients, size_t n,
	bool armored, struct age_sink out, struct err *e);
/* The next n bytes of the file. 0, or -1: the sink's error. Nothing is taken after that
 * (EX_SOFTWARE). */
int age_seal_write(struct age_seal *s, const void *p, size_t n, struct err *e);
/* The end of it. 0 or -1. */
int age_seal_end(struct age_seal *s, struct err *e);
void age_seal_wipe(struct age_seal *s);

/* --- opening --- */

enum age_form { AGE_BINARY, AGE_ARMORED, AGE_EITHER /* the first byte tells */ };

struct age_open {
	enum age_fault fault; /* why it failed, once it did */
	enum age_form form;
	struct age_armor_reader armor;
	struct age_header header;
	struct age_stream_reader stream; /* whose batch the caller may lend, once it was begun */
};

/* Begin. The identities (n of them) must stay until the end. age_open_wipe() o in any case. */
void age_open_begin(struct age_open *o, const struct x25519_pair *identities, size_t n,
	enum age_form form, struct age_sink out);
/* The next n bytes of the sealed file. 0, or -1: o->fault tells the kind. EX_DATAERR, EX_NOPERM
 * (AGE_NO_MATCH), EX_TEMPFAIL (no memory), or what the sink said. Nothing is taken after that. */
int age_open_write(struct age_open *o, const void *p, size_t n, struct err *e);
/* The end of it. 0: what was handed out is the whole file. -1 as above. */
int age_open_end(struct age_open *o, struct err *e);
void age_open_wipe(struct age_open *o);

#endif
