/* An allocator that wipes; see secret.h. */
#include "secret.h"

#include <malloc.h>

#include "bytes.h"

void *secret_malloc(size_t n)
{
	return malloc(n);
}

/* How long it is the allocator knows: glibc and musl both tell. */
void secret_free(void *p)
{
	if (p != NULL) {
		wipe(p, malloc_usable_size(p));
		free(p);
	}
}
