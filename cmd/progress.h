/* A line on stderr that tells how far a long work has come: on a terminal only, and only once it
 * has taken a second. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what, *unit; /* the caller's: "export", "messages"; NULL: bytes, with their rate
				  * and the time left */
	uint64_t total;          /* 0: nobody knows */
	uint64_t before;         /* done by an earlier run: it says nothing of the rate */
	int64_t begun, shown;    /* ms */
	bool on, drawn;
};

void progress_begin(struct progress *p, const char *what, const char *unit, uint64_t total);
void progress_tell(struct progress *p, uint64_t done);
/* Take the line away, ahead of other output or at the end. */
void progress_clear(struct progress *p);

/* "1.5 MB": bytes for a person, in decimal units. */
enum { PROGRESS_BYTES = 16 };
void progress_bytes(uint64_t n, char out[static PROGRESS_BYTES]);

#endif
