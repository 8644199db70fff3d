/* keygen --ssh and --allowed-signers: a signing key as OpenSSH has it. */
#ifndef CMD_KEYGEN_SSH_H
#define CMD_KEYGEN_SSH_H

#include "../crypto/p256.h"
#include "cli.h"

/* "bob namespaces="..." ecdsa-sha2-nistp256 AAAA...", and LF, on stdout: who may sign what
 * (ssh-keygen(1), ALLOWED SIGNERS). */
void keygen_print_signer(const char *name, const uint8_t public[static P256_PUBLIC]);

/* For the NAME that is the operand, from the folder (-d; NULL: keygen_folder.h's); line: as above,
 * or else the key alone. The exit code. */
int keygen_ssh(const struct cli *c, const char *folder, bool line);

#endif
