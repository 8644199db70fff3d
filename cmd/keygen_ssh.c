/* keygen --ssh and --allowed-signers; see keygen_ssh.h. */
#include "keygen_ssh.h"

#include "../crypto/sshsig.h"
#include "../keys/keyfile.h"
#include "keygen_folder.h"

void keygen_print_signer(const char *name, const uint8_t public[static P256_PUBLIC])
{
	char text[SSHSIG_LINE_MAX];

	sshsig_write_public(text, public);
	(void)printf("%s namespaces=\"" SSHSIG_MAIL "," SSHSIG_CHAT "\" %s\n", name, text);
}

int keygen_ssh(const struct cli *c, const char *folder, bool line)
{
	const char *name = c->args[0];
	char text[SSHSIG_LINE_MAX], file[USER_NAME_MAX + 32];
	uint8_t public[P256_PUBLIC];
	struct err e;
	int dir, rc;

	(void)snprintf(file, sizeof file, "%s_p256_public.pem", name);
	dir = keygen_folder_open(folder, file, &e);
	if (dir < 0) {
		return cli_fail(c, &e);
	}
	rc = keygen_folder_told(folder, keyfile_load_p256_public(dir, name, public, &e), &e);
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
