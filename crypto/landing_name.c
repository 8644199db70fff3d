/* What a file that arrives may be called by a peer; see landing.h. */
#include "landing.h"

/* It may come from a peer: it is shown as text that does nothing to a terminal. */
static int bad_name(const void *p, size_t n, const char *why, struct err *e)
{
	char shown[256];

	(void)escape_text(shown, sizeof shown, p, n, false);
	return err_set(e, EX_DATAERR, "no file can be called \"%s\" here: %s", shown, why);
}

int landing_check_name(const void *p, size_t n, struct err *e)
{
	char shown[4 * LANDING_NAME_MAX + 1];
	const uint8_t *s = p;

	if (n == 0) {
		return err_set(e, EX_DATAERR, "the name of the file is empty");
	}
	if (n > LANDING_NAME_MAX) {
		return err_set(e, EX_DATAERR, "the name of the file has %zu bytes, and %d is most",
			n, LANDING_NAME_MAX);
	}
	if (s[0] == '.') {
		return bad_name(p, n, "it begins with a dot", e);
	}
	if (memchr(p, '/', n) != NULL) {
		return bad_name(p, n, "it holds a slash", e);
	}
	/* what needs no escape is valid UTF-8 without control and direction characters */
	if (escape_text(shown, sizeof shown, p, n, false) != n || memcmp(shown, p, n) != 0) {
		return bad_name(p, n, "it holds control characters, or is no UTF-8", e);
	}
	return 0;
}
