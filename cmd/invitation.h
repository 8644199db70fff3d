/* The line that invites a user, as PROTOCOL.md has it:
 *     smtp361://USER@HOST:PORT/KEY/SECRET/EXPIRES */
#ifndef CMD_INVITATION_H
#define CMD_INVITATION_H

#include "../crypto/x25519.h"
#include "../proto/conn.h"
#include "../proto/enhanced.h"

enum { INVITATION_MAX = 1024 };

struct invitation {
	char user[USER_NAME_MAX + 1];
	char server[CONN_HOST_MAX + 16]; /* HOST:PORT */
	uint8_t key[X25519_BYTES];       /* the server's */
	uint8_t secret[ENHANCED_SECRET];
	int64_t expires; /* seconds since 1970 */
};

void invitation_write(const struct invitation *i, char out[static INVITATION_MAX]);
/* Blanks and a line end around it do not count. 0, or -1 (EX_DATAERR, which part is wrong). wipe()
 * it after use. */
int invitation_read(struct invitation *i, const char *text, size_t n, struct err *e);

#endif
