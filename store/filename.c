/* Safe file names; see filename.h. */
#include "filename.h"

#include "../crypto/bytes.h"
#include "../crypto/hash.h"

enum { HASH_HEX = 16, STEM_CAP = 4096 };

/* Percent-encode into out, which has three times the room. Returns the length. */
static size_t encode(char *out, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n = strlen(text), k = 0;

	for (size_t i = 0; i < n;) {
		uint32_t cp = 0;
		int len = utf8_next(p + i, n - i, &cp);
		bool unsafe = len < 1 || cp < 0x20 || cp == 0x7f || cp == '/' || cp == '%' ||
			      (cp == '.' && k == 0);
		size_t need = unsafe ? 3 : (size_t)len;
		if (unsafe) {
			(void)snprintf(out + k, 4, "%%%02X", p[i]);
		} else {
			memcpy(out + k, p + i, need);
		}
		k += need;
		i += len < 1 ? 1 : (size_t)len;
	}
	out[k] = '\0';
	return k;
}

/* Cut the stem to at most n bytes, between characters. */
static void cut(char *stem, size_t n)
{
	while (n > 0 && ((uint8_t)stem[n] & 0xc0) == 0x80) {
		n--;
	}
	stem[n] = '\0';
}

static void hash_hex(char out[static HASH_HEX + 1], const char *text)
{
	uint8_t digest[HASH_BYTES];

	hash_of(text, strlen(text), digest);
	hex_encode(out, digest, HASH_HEX / 2);
}

void filename_make(char out[static FILENAME_MAX_BYTES + 1], const char *source, const char *title,
	unsigned long copy)
{
	char stem[STEM_CAP], tail[HASH_HEX + 40] = "", hash[HASH_HEX + 1];
	char text[STEM_CAP / 3];
	size_t room;

	(void)snprintf(text, sizeof text, "%s_%s", source, title);
	size_t n = encode(stem, text);
	if (copy > 1) {
		(void)snprintf(tail, sizeof tail, "~%lu", copy);
	}
	room = FILENAME_MAX_BYTES - strlen(tail) - strlen(".txt");
	if (n > room) {
		hash_hex(hash, stem);
		room -= HASH_HEX + 1;
		cut(stem, room);
		(void)snprintf(
			out, FILENAME_MAX_BYTES + 1, "%.*s-%s%s.txt", (int)room, stem, hash, tail);
	} else {
		(void)snprintf(out, FILENAME_MAX_BYTES + 1, "%.*s%s.txt", (int)room, stem, tail);
	}
}
