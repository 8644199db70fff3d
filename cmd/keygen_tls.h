/* keygen --tls: a self-signed certificate for the server's TLS. */
#ifndef CMD_KEYGEN_TLS_H
#define CMD_KEYGEN_TLS_H

#include "cli.h"

struct keygen_tls {
	const char *names; /* NAME[,NAME...]: host names and IP addresses */
	unsigned days;     /* that it is valid; 0: ten years */
	unsigned bits;     /* of an RSA key; 0: EC P-256 */
	bool force;
};

/* Make it in the folder, and tell of it. The exit code. */
int keygen_tls(const struct cli *c, const char *dir_name, const struct keygen_tls *wanted);

#endif
