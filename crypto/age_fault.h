/* What can be wrong with a sealed file, and where its bytes go. */
#ifndef CRYPTO_AGE_FAULT_H
#define CRYPTO_AGE_FAULT_H

#include <stddef.h>

#include "err.h"

enum age_fault {
	AGE_SOUND,
	AGE_BAD_ARMOR,
	AGE_BAD_HEADER,  /* its form; also a recipient's point of low order */
	AGE_NO_MATCH,    /* none of the identities opens it */
	AGE_BAD_HMAC,    /* the header was changed */
	AGE_BAD_PAYLOAD, /* changed, cut, or something behind its end */
	AGE_OTHER        /* the sink's error, or no memory: the file may be sound */
};

/* Takes n bytes, all of them. 0, or -1 with e. */
struct age_sink {
	int (*take)(void *arg, const void *p, size_t n, struct err *e);
	void *arg;
};

static inline int age_sink_put(const struct age_sink *s, const void *p, size_t n, struct err *e)
{
	return n == 0 ? 0 : s->take(s->arg, p, n, e);
}

/* A fault of the file, which it does not have later: -1 (EX_DATAERR). */
static inline int age_fault_set(
	enum age_fault *out, enum age_fault fault, struct err *e, const char *why)
{
	*out = fault;
	return err_set(e, EX_DATAERR, "%s", why);
}

#endif
