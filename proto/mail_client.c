/* What both wires' clients share; see mail_client.h. */
#include "mail_client.h"

int mail_from_memory(void *arg, void *p, size_t cap, size_t *n, struct err *e)
{
	struct mail_memory *m = arg;

	(void)e;
	*n = m->n < cap ? m->n : cap;
	if (*n > 0) {
		memcpy(p, m->p, *n);
		m->p += *n;
		m->n -= *n;
	}
	return 0;
}
