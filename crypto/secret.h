/* Memory for what is secret through and through: whatever is freed is wiped. For libraries that
 * take an allocator, as jansson does: its strings are passwords here. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include <stddef.h>

/* NULL when memory is short. */
void *secret_malloc(size_t n);
/* Wipes, and frees. NULL is fine. */
void secret_free(void *p);

#endif
