/* Lines that `sha256sum -c` takes; see sum.h. */
#include "sum.h"

#include <string.h>

#include "../crypto/bytes.h"

void sum_print(FILE *out, const uint8_t digest[static HASH_BYTES], const char *name)
{
	char hex[2 * HASH_BYTES + 1];

	hex_encode(hex, digest, HASH_BYTES);
	(void)fprintf(out, "%s%s  ", strpbrk(name, "\\\n\r") != NULL ? "\\" : "", hex);
	for (; *name != '\0'; name++) {
		switch (*name) {
		case '\\':
			(void)fputs("\\\\", out);
			break;
		case '\n':
			(void)fputs("\\n", out);
			break;
		case '\r':
			(void)fputs("\\r", out);
			break;
		default:
			(void)fputc(*name, out);
		}
	}
	(void)fputc('\n', out);
}
