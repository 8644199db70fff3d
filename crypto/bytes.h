/* The ground floor: bytes, and the few things that everybody does with them. A peer's bytes are
 * read through struct cursor, which cannot run over its end and remembers its first failure; text
 * is (pointer, length), because it may hold NUL. */
#ifndef CRYPTO_BYTES_H
#define CRYPTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Overwrite n secret bytes, in a way that the compiler does not remove. p may be NULL when n is 0.
 */
void wipe(void *p, size_t n);

/* Equal, in a time that depends on n alone. */
bool ct_eq(const void *a, const void *b, size_t n);

/* FNV-1a, 32 bits: for tables, locks by name and accidents; not against an adversary. */
uint32_t fnv1a(const void *p, size_t n);

/* --- a cursor over bytes that someone else wrote --- */
struct cursor {
	const uint8_t *p;
	size_t n;    /* bytes left */
	bool failed; /* latched; every get after it returns nothing */
};

struct cursor cursor_over(const void *p, size_t n);
size_t cursor_left(const struct cursor *c); /* 0 once failed */
uint8_t get_u8(struct cursor *c);           /* 0 on failure, like the ones below */
uint16_t get_u16le(struct cursor *c);
uint32_t get_u32le(struct cursor *c);
uint32_t get_u32be(struct cursor *c);
uint64_t get_u64le(struct cursor *c);
const uint8_t *get_bytes(
	struct cursor *c, size_t n); /* n bytes inside the source; NULL on failure */
/* One line ended by LF, its end not included. false (and failed) when no LF is left. */
bool get_line(struct cursor *c, const uint8_t **line, size_t *n);
/* The rest of the line must be exactly this text. */
bool get_literal(struct cursor *c, const char *text);

void put_u16le(uint8_t *p, uint16_t v);
void put_u32le(uint8_t *p, uint32_t v);
void put_u32be(uint8_t *p, uint32_t v);
void put_u64le(uint8_t *p, uint64_t v);
void put_u64be(uint8_t *p, uint64_t v);

/* --- a growing buffer --- */
struct buf {
	uint8_t *p; /* owned; NULL while cap is 0 */
	size_t n, cap;
};

/* Make room for n bytes more. 0, or -1 when memory is short or n + b->n overflows. */
int buf_reserve(struct buf *b, size_t n);
int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_str(struct buf *b, const char *s);
void buf_free(struct buf *b); /* wipes, frees, and leaves an empty buffer */

/* --- text --- */

/* Decode one UTF-8 code point (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF).
 * Its length 1..4 in bytes, 0 when more bytes are needed, or -1 when it is invalid. n >= 1. */
int utf8_next(const uint8_t *p, size_t n, uint32_t *code_point);

/* Count the code points of valid UTF-8. 0, or -1 where it is invalid or cut. */
int utf8_count(const uint8_t *p, size_t n, uint64_t *count);

/* A counter that takes text in pieces: feed it, and finish with utf8_done. */
struct utf8_counter {
	uint64_t count;  /* code points so far; each invalid byte counts as one */
	bool invalid;    /* latched */
	uint8_t part[4]; /* the start of a code point that a piece ended in */
	size_t part_n;
};

/* Take up to n bytes, stopping behind code point number `limit`. Returns the bytes taken. */
size_t utf8_feed(struct utf8_counter *u, const uint8_t *p, size_t n, uint64_t limit);

/* Does any byte below 0x20, or 0x7f, stand in it? */
bool has_control(const void *p, size_t n);

/* Write text for a terminal or a log: control characters (C0, DEL, C1, and those that turn the
 * reading direction) and invalid bytes become \n, \t, \xHH or \u{HEX}; with keep_lines LF and TAB
 * stay as they are. For people, not to be read back: a backslash stays one. At most cap - 1 bytes
 * and a NUL; the bytes written. */
size_t escape_text(char *out, size_t cap, const void *p, size_t n, bool keep_lines);

/* Lower-case hex of n bytes and a NUL: out holds 2 n + 1. */
void hex_encode(char *out, const void *p, size_t n);
/* Exactly 2 n hex digits. 0 or -1. */
int hex_decode(uint8_t *out, size_t n, const char *hex, size_t hex_n);

/* Base64 (RFC 4648), without padding: out holds at least base64_len(n) + 1; returns the length. */
size_t base64_len(size_t n);
size_t base64_encode(char *out, const void *p, size_t n);
/* The strict reverse: no padding, no white space, no stray bits. The bytes written, or -1. */
int base64_decode(uint8_t *out, size_t cap, const char *p, size_t n);
/* Both with padding to whole groups of four, as SASL has it: out holds base64_padded_len(n) + 1. No
 * group may lack its padding. */
size_t base64_padded_len(size_t n);
size_t base64_padded_encode(char *out, const void *p, size_t n);
int base64_padded_decode(uint8_t *out, size_t cap, const char *p, size_t n);
/* Without padding, with the alphabet that is safe in addresses and file names (RFC 4648 5). */
size_t base64url_encode(char *out, const void *p, size_t n);
int base64url_decode(uint8_t *out, size_t cap, const char *p, size_t n);

/* A user's name is [a-z0-9][a-z0-9_-]{0,31}: safe in a path, a header and a log. */
enum { USER_NAME_MAX = 32 };
bool user_name_valid(const char *name);

/* Decimal digits alone, no sign, no leading zero but "0" itself, at most max. 0 or -1. */
int parse_decimal(const void *p, size_t n, uint64_t max, uint64_t *value);

#endif
