/* The names of the queue's files, for queue_store.c and queue_write.c. */
#ifndef CMD_QUEUE_FILES_H
#define CMD_QUEUE_FILES_H

#include "queue_store.h"

#define QUEUE_MESSAGE ".message"
#define QUEUE_STATE ".state"

enum {
	QUEUE_DIGITS = 16,       /* of an id */
	QUEUE_NAME_MAX = 40,     /* with its NUL */
	QUEUE_LINE_MAX = 1 << 20 /* bytes of a ticket, of 1000 recipients, and of a state */
};

/* The name of one of an entry's files. */
static inline void queue_name(char out[static QUEUE_NAME_MAX], const char *id, const char *kind)
{
	(void)snprintf(out, QUEUE_NAME_MAX, "%.*s%s", QUEUE_DIGITS, id, kind);
}

static inline bool queue_id_read(const char *id, uint64_t *time_us)
{
	size_t n = strlen(id), zeros = strspn(id, "0");

	return n == QUEUE_DIGITS && zeros < n &&
	       parse_decimal(id + zeros, n - zeros, INT64_MAX, time_us) == 0;
}

/* Is it an entry's file of this kind? */
static inline bool queue_id_of(const char *file, const char *kind, char id[static QUEUE_ID_MAX])
{
	uint64_t ignored;

	memset(id, 0, QUEUE_ID_MAX);
	(void)snprintf(id, QUEUE_ID_MAX, "%.*s", QUEUE_DIGITS, file);
	return queue_id_read(id, &ignored) && strcmp(file + QUEUE_DIGITS, kind) == 0;
}

#endif
