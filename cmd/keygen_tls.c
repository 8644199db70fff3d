/* keygen --tls; see keygen_tls.h. */
#include "keygen_tls.h"

#include "../crypto/file.h"
#include "../keys/certificate.h"

enum {
	DAYS = 3652, /* ten years */
	DAYS_MAX = 36500,
	SECONDS_A_DAY = 86400,
	NAMES_TEXT_MAX = X509_NAMES_MAX * (X509_NAME_MAX + 1)
};

/* The names between the commas of text, which is cut up. -1 go on, or the exit code. */
static int split_names(const struct cli *c, char *text, struct x509_wish *wish)
{
	struct err e;

	for (char *at = text; at != NULL;) {
		char *comma = strchr(at, ',');
		if (comma != NULL) {
			*comma++ = '\0';
		}
		if (wish->names_n == X509_NAMES_MAX) {
			return cli_usage(c, "--tls takes at most %d names", X509_NAMES_MAX);
		}
		if (x509_check_name(at, &e) != 0) {
			return cli_usage(c, "%s", e.text);
		}
		wish->names[wish->names_n++] = at;
		at = comma;
	}
	return -1;
}

/* A day of grace for clients whose clocks are behind. */
static void set_times(struct x509_wish *wish, unsigned days)
{
	int64_t now = (int64_t)time(NULL);

	wish->from = now < SECONDS_A_DAY ? 0 : now - SECONDS_A_DAY;
	wish->until = now + (int64_t)days * SECONDS_A_DAY;
}

static void tell(const struct cli *c, const struct keygen_tls *wanted,
	const struct tls_certificate *made, const char *dir_name)
{
	char pin[CERTIFICATE_PIN_MAX], digest[CERTIFICATE_DIGEST_MAX], until[40] = "", kind[32];
	time_t end = (time_t)made->until;
	struct tm t;

	(void)snprintf(kind, sizeof kind, wanted->bits == 0 ? "EC P-256" : "RSA %u", wanted->bits);
	certificate_write_pin(made->pin, pin);
	certificate_write_digest(made->digest, digest);
	if (gmtime_r(&end, &t) != NULL) {
		(void)strftime(until, sizeof until, "%Y-%m-%d", &t);
	}
	(void)printf("server_tls: %s %s (made)\n", kind, pin);
	(void)printf("server_tls: certificate for %s until %s, SHA256 %s\n", wanted->names, until,
		digest);
	cli_note(c,
		"next: smtp361 serve -d %s --smtp 2525; mail programs trust " CERTIFICATE_FILE
		" as a CA file, or take one of these fingerprints",
		dir_name);
}

static int make(const struct cli *c, const char *dir_name, const struct keygen_tls *wanted,
	const struct x509_wish *wish)
{
	struct tls_certificate made;
	struct err e;
	int dir = file_open_dir(dir_name, &e), rc = EX_OK;

	if (dir < 0) {
		return cli_fail(c, &e);
	}
	if (file_lock(dir, &e) != 0 || certificate_make(dir, wish, wanted->force, &made, &e) != 0) {
		rc = cli_fail(c, &e);
	}
	(void)close(dir);
	if (rc == EX_OK) {
		tell(c, wanted, &made, dir_name);
	}
	return cli_finish(c, rc);
}

int keygen_tls(const struct cli *c, const char *dir_name, const struct keygen_tls *wanted)
{
	struct x509_wish wish = {.rsa_bits = wanted->bits};
	char names[NAMES_TEXT_MAX];
	int rc;

	if (wanted->days > DAYS_MAX) {
		return cli_usage(c, "--days takes 1 to %d, not %u", (int)DAYS_MAX, wanted->days);
	}
	if (strlen(wanted->names) >= sizeof names) {
		return cli_usage(c, "--tls takes at most %d names", X509_NAMES_MAX);
	}
	memcpy(names, wanted->names, strlen(wanted->names) + 1);
	rc = split_names(c, names, &wish);
	if (rc >= 0) {
		return rc;
	}
	set_times(&wish, wanted->days == 0 ? DAYS : wanted->days);
	cli_protect();
	return make(c, dir_name, wanted, &wish);
}
