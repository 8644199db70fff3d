/* How a failure travels: a function returns 0, or -1 and fills a struct err. Nothing below cmd/
 * prints or exits. The text reads "cannot WHAT ON-WHAT: WHY", lower case, without a full stop; a
 * cure that is known follows as a second line "hint: ...". */
#ifndef CRYPTO_ERR_H
#define CRYPTO_ERR_H

#include <sysexits.h>

enum { ERR_TEXT_MAX = 512 };

struct err {
	int code; /* a sysexits value: EX_TEMPFAIL (75) means that trying again may help */
	char text[ERR_TEXT_MAX];
};

/* Fill e (NULL: nobody wants to know). Control bytes in the result are replaced by '?', because
 * parts of it may come from a peer. Always -1, so that `return err_set(...)` reads well. */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same, with ": " and errno's text behind it. errno is kept. */
int err_sys(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "WHAT: " ahead of the text that e holds. Always -1. */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Add a line "hint: ..." that tells the cure. Always -1. */
int err_hint(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
