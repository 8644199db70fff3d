/* Signs and checks as sealed mail and chat do, for ssh-keygen at the other end:
 *
 *     sshsig sign NAMESPACE DIR NAME <MESSAGE >SIGNATURE
 *     sshsig check NAMESPACE SIGNATURE <MESSAGE       the key, as OpenSSH has it; or 65
 */
#include <fcntl.h>

#include "../../crypto/file.h"
#include "../../crypto/sshsig.h"
#include "../../keys/keyfile.h"

static int fail(const struct err *e)
{
	(void)fprintf(stderr, "%s\n", e->text);
	return e->code;
}

static int digest_stdin(uint8_t out[static HASH_BYTES])
{
	struct hash h;
	uint8_t part[4096];
	ssize_t n;

	hash_begin(&h);
	while ((n = read(STDIN_FILENO, part, sizeof part)) > 0) {
		hash_add(&h, part, (size_t)n);
	}
	hash_end(&h, out);
	return n == 0 ? 0 : -1;
}

static int sign(const char *namespace, const char *folder, const char *name,
	const uint8_t digest[static HASH_BYTES], struct err *e)
{
	struct buf text = {0};
	struct p256_pair pair;
	int dir = file_open_dir(folder, e);

	if (dir < 0 || keyfile_load_p256_private(dir, name, &pair, e) != 0 ||
		sshsig_sign(&text, &pair, namespace, digest, e) != 0) {
		return -1;
	}
	(void)fwrite(text.p, 1, text.n, stdout);
	buf_free(&text);
	wipe(&pair, sizeof pair);
	(void)close(dir);
	return 0;
}

static int check(const char *namespace, const char *file, const uint8_t digest[static HASH_BYTES],
	struct err *e)
{
	char line[SSHSIG_LINE_MAX];
	uint8_t public[P256_PUBLIC];
	struct buf text = {0};
	int rc = file_read(AT_FDCWD, file, SSHSIG_TEXT_MAX, &text, NULL, e);

	rc = rc == 0 ? sshsig_check(public, text.p, text.n, namespace, digest, e) : rc;
	buf_free(&text);
	if (rc == 0) {
		sshsig_write_public(line, public);
		(void)puts(line);
	}
	return rc;
}

int main(int argc, char **argv)
{
	uint8_t digest[HASH_BYTES];
	struct err e;
	int rc;

	if (argc < 4 || digest_stdin(digest) != 0) {
		return EX_USAGE;
	}
	rc = strcmp(argv[1], "sign") == 0 && argc == 5 ? sign(argv[2], argv[3], argv[4], digest, &e)
	     : strcmp(argv[1], "check") == 0           ? check(argv[2], argv[3], digest, &e)
						       : err_set(&e, EX_USAGE, "usage");
	return rc == 0 ? fflush(stdout) : fail(&e);
}
