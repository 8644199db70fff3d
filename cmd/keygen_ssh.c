/* keygen --ssh and --allowed-signers; see keygen_ssh.h. */
#include "keygen_ssh.h"

#include "../crypto/file.h"
#include "../crypto/sshsig.h"
#include "../keys/keyfile.h"

void keygen_print_signer(const char *name, const uint8_t public[static P256_PUBLIC])
{
	char text[SSHSIG_LINE_MAX];

	sshsig_write_public(text, public);
	(void)printf("%s namespaces=\"" SSHSIG_MAIL "," SSHSIG_CHAT "\" %s\n", name, text);
}

int keygen_ssh(const struct cli *c, const char *dir_name, bool line)
{
	const char *name = c->args[0];
	char text[SSHSIG_LINE_MAX];
	uint8_t public[P256_PUBLIC];
	struct err e;
	int dir = file_open_dir(dir_name, &e), rc;

	if (dir < 0) {
		return cli_fail(c, &e);
	}
	rc = keyfile_load_p256_public(dir, name, public, &e);
	(void)close(dir);
	if (rc != 0) {
		return cli_fail(c, &e);
	}
	if (line) {
		keygen_print_signer(name, public);
	} else {
		sshsig_write_public(text, public);
		(void)printf("%s %s\n", text, name);
	}
	return cli_finish(c, EX_OK);
}
