/* Secrets from files, descriptors, the environment and a terminal; see key_source.h. */
#include "key_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/bytes.h"
#include "../crypto/random.h"
#include "account.h"

/* A key that others can read is no secret. */
static int check_mode(int fd, const char *file, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
		err_set(e, EX_NOPERM, "cannot use the key in %s: others can read it", file);
		return err_hint(e, "chmod 600 %s", file);
	}
	return 0;
}

static int from_file(const char *file, struct ft_secret *out, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;
	char what[256];

	if (fd < 0) {
		return err_sys(e, EX_NOINPUT, "cannot open the key file %s", file);
	}
	(void)snprintf(what, sizeof what, "the key file %.200s", file);
	rc = check_mode(fd, file, e);
	rc = rc == 0 ? account_password_fd(fd, what, out->text, &out->n, e) : rc;
	(void)close(fd);
	return rc;
}

/* Whoever gave it to us answers for it. */
static int from_descriptor(const char *number, struct ft_secret *out, struct err *e)
{
	char what[32];
	uint64_t fd;

	if (parse_decimal(number, strlen(number), INT32_MAX, &fd) != 0 || fd == STDOUT_FILENO ||
		fd == STDERR_FILENO) {
		return err_set(e, EX_USAGE, "\"fd:%.16s\" names no descriptor to read", number);
	}
	(void)snprintf(what, sizeof what, "descriptor %u", (unsigned)fd);
	return account_password_fd((int)fd, what, out->text, &out->n, e);
}

static int take_text(
	const char *text, size_t n, const char *what, struct ft_secret *out, struct err *e)
{
	if (n == 0 || n > sizeof out->text) {
		return err_set(
			e, EX_DATAERR, "the key in %s is %s", what, n == 0 ? "empty" : "too long");
	}
	memcpy(out->text, text, n);
	out->n = n;
	return 0;
}

static int from_variable(const char *name, struct ft_secret *out, struct err *e)
{
	const char *value = getenv(name);

	if (value == NULL) {
		return err_set(e, EX_NOINPUT, "cannot read the key: there is no $%.64s", name);
	}
	return take_text(value, strcspn(value, "\r\n"), "the environment", out, e);
}

static int from_prompt(struct ft_secret *out, struct err *e)
{
	if (isatty(STDIN_FILENO) != 1) {
		return err_set(e, EX_USAGE, "cannot ask for the key: stdin is no terminal");
	}
	if (account_password_ask("Key: ", out->text, &out->n, e) != 0) {
		return -1;
	}
	return out->n > 0 ? 0 : err_set(e, EX_DATAERR, "the key is empty");
}

static int by_form(const char *text, struct ft_secret *out, struct err *e)
{
	if (strncmp(text, "file:", 5) == 0) {
		return from_file(text + 5, out, e);
	}
	if (strncmp(text, "fd:", 3) == 0) {
		return from_descriptor(text + 3, out, e);
	}
	if (strncmp(text, "env:", 4) == 0) {
		return from_variable(text + 4, out, e);
	}
	if (strcmp(text, "prompt") == 0) {
		return from_prompt(out, e);
	}
	/* it may be the key itself: it is not repeated here */
	err_set(e, EX_USAGE,
		"the last argument names neither a cipher nor where the key is; and a key on the "
		"command line, which everybody on this machine can read, is refused");
	return err_hint(e, "none, aes128, aes256 or noise; file:FILE, fd:NUMBER, env:NAME or "
			   "prompt; or --insecure-key-argument");
}

int key_source_read(const char *text, bool as_is, bool ask, struct ft_secret *out, struct err *e)
{
	const char *named = getenv("SMTP361_FT_KEY");
	int rc = 1;

	out->n = 0;
	if (text != NULL && as_is) {
		rc = take_text(text, strlen(text), "the argument", out, e);
	} else if (text != NULL) {
		rc = by_form(text, out, e);
	} else if (named != NULL && named[0] != '\0') {
		rc = by_form(named, out, e);
		rc = rc != 0 ? err_prefix(e, "$SMTP361_FT_KEY") : 0;
	} else if (ask && isatty(STDIN_FILENO) == 1) {
		rc = from_prompt(out, e);
	}
	if (rc != 0) {
		wipe(out, sizeof *out);
	}
	return rc;
}

int key_source_make(struct ft_secret *out, struct err *e)
{
	uint8_t raw[FT_GENERATED];
	int rc = random_bytes(raw, sizeof raw, e);

	if (rc == 0) {
		out->n = base64url_encode((char *)out->text, raw, sizeof raw);
	}
	wipe(raw, sizeof raw);
	return rc;
}
