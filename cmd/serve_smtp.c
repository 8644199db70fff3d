/* serve's SMTP door; see serve_smtp.h. */
#include "serve_smtp.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/hash.h"
#include "../crypto/random.h"
#include "../keys/certificate.h"
#include "../proto/log.h"
#include "../proto/message.h"

bool serve_smtp_wanted(const struct serve_smtp *s)
{
	return s->smtp.n + s->smtps.n > 0;
}

/* "postmaster=alice" */
static bool take_alias(struct serve_smtp *s, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t i = s->door.aliases_n, n = equals == NULL ? 0 : (size_t)(equals - text);

	if (n == 0 || n > SMTP_LOCAL_MAX || has_control(text, n) || memchr(text, '@', n) != NULL ||
		!user_name_valid(equals + 1)) {
		return false;
	}
	memcpy(s->alias_names[i], text, n);
	s->alias_names[i][n] = '\0';
	s->aliases[i] = (struct smtp_alias){.name = s->alias_names[i], .user = equals + 1};
	s->door.aliases = s->aliases;
	s->door.aliases_n++;
	return true;
}

int serve_smtp_misused(const struct cli *c, struct serve_smtp *s)
{
	bool more = s->domains.n > 0 || s->alias_texts.n > 0 || s->open || s->tls_only ||
		    s->cert != NULL || s->key != NULL;

	if (!serve_smtp_wanted(s) && more) {
		return cli_usage(c, "--smtp or --smtps is missing");
	}
	if ((s->cert == NULL) != (s->key == NULL)) {
		return cli_usage(c, "--tls-cert and --tls-key go together");
	}
	if (s->domains.n > SERVE_DOMAINS_MAX || s->alias_texts.n > SERVE_ALIASES_MAX) {
		return cli_usage(c, "at most %d --smtp-domain, and %d --smtp-alias",
			SERVE_DOMAINS_MAX, SERVE_ALIASES_MAX);
	}
	for (size_t i = 0; i < s->alias_texts.n; i++) {
		if (!take_alias(s, s->alias_texts.items[i])) {
			return cli_usage(c, "\"%.80s\" is no NAME=USER", s->alias_texts.items[i]);
		}
	}
	for (size_t i = 0; i < s->domains.n; i++) {
		size_t n = strlen(s->domains.items[i]);
		if (n == 0 || n > SMTP_DOMAIN_MAX || has_control(s->domains.items[i], n) ||
			strchr(s->domains.items[i], '@') != NULL) {
			return cli_usage(c, "\"%.80s\" is no domain", s->domains.items[i]);
		}
	}
	return EX_OK;
}

static void add_door(struct server *server, const char *address, int door, const char *wire)
{
	server->listen[server->listen_n++] =
		(struct server_door){.address = address, .door = door, .wire = wire};
}

void serve_smtp_listen(const struct serve_smtp *s, struct server *server)
{
	for (size_t i = 0; i < s->smtp.n; i++) {
		add_door(server, s->smtp.items[i], HOST_DOOR_SMTP, "SMTP");
	}
	for (size_t i = 0; i < s->smtps.n; i++) {
		add_door(server, s->smtps.items[i], HOST_DOOR_SMTPS, "SMTP over TLS");
	}
}

/* --- the certificate --- */

static int load(const struct serve_smtp *s, struct tls_identity **out, struct err *e)
{
	return s->cert == NULL
		       ? certificate_load(s->dir, CERTIFICATE_FILE, CERTIFICATE_KEY_FILE, out, e)
		       : certificate_load(AT_FDCWD, s->cert, s->key, out, e);
}

/* Nothing at all is there, and nothing was asked for: with half of a pair, or one that cannot be
 * looked at, TLS does not go away in silence. */
static bool is_absent(const struct serve_smtp *s, const char *file)
{
	struct stat st;

	return fstatat(s->dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

static bool has_files(const struct serve_smtp *s)
{
	return s->cert != NULL || !is_absent(s, CERTIFICATE_FILE) ||
	       !is_absent(s, CERTIFICATE_KEY_FILE);
}

static bool is_invalid_now(const struct tls_identity *id)
{
	int64_t now = message_now() / 1000000;

	return tls_identity_certificate(id)->until < now ||
	       tls_identity_certificate(id)->from > now;
}

static int load_first(
	const struct cli *c, struct serve_smtp *s, const char *dir_name, struct err *e)
{
	if (!has_files(s)) {
		if (s->smtps.n > 0 || s->tls_only) {
			err_set(e, EX_NOINPUT, "cannot read %s/%s: no such file", dir_name,
				CERTIFICATE_FILE);
			return err_hint(e, "smtp361 keygen -d %s --tls NAME", dir_name);
		}
		cli_note(c,
			"there is no %s: mail programs log in without TLS, by SCRAM-SHA-256 or "
			"CRAM-MD5 alone; smtp361 keygen -d %s --tls NAME makes it",
			CERTIFICATE_FILE, dir_name);
		return 0;
	}
	if (load(s, &s->door.identity, e) != 0) {
		return -1;
	}
	if (is_invalid_now(s->door.identity)) {
		cli_note(c, "the certificate for SMTP has expired, or is not valid yet");
	}
	return 0;
}

void serve_smtp_reload(struct serve_smtp *s)
{
	struct tls_identity *fresh;
	char pin[2 * TLS_PIN_BYTES + 1];
	struct err e;

	if (s->door.identity == NULL && !has_files(s)) {
		return;
	}
	if (load(s, &fresh, &e) != 0) {
		log_err("reload", &e);
		return;
	}
	tls_identity_free(s->door.identity);
	s->door.identity = fresh;
	hex_encode(pin, tls_identity_certificate(fresh)->digest, TLS_PIN_BYTES);
	log_event("reload", "certificate=%s%s", pin,
		is_invalid_now(fresh) ? " text=\"it is not valid now\"" : "");
}

/* --- names --- */

static void find_names(struct serve_smtp *s)
{
	static const char local[] = "localhost";
	size_t n = 0;

	if (gethostname(s->host, sizeof s->host) != 0 || s->host[0] == '\0') {
		(void)snprintf(s->host, sizeof s->host, "%s", local);
	}
	s->host[sizeof s->host - 1] = '\0';
	for (char *p = s->host; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	s->names[n++] = local;
	if (s->domains.n == 0) {
		s->names[n++] = s->host;
	}
	for (size_t i = 0; i < s->domains.n; i++) {
		s->names[n++] = s->domains.items[i];
	}
	s->door.domains = s->names;
	s->door.domains_n = n;
	/* the first that an operator names is what others call this host */
	s->door.name = s->domains.n > 0 ? s->domains.items[0] : s->host;
}

/* Names that nobody has get salts that look real, and are the same at each try, after a restart,
 * too. */
static int make_decoy_key(struct serve_smtp *s, const void *secret, size_t n, struct err *e)
{
	static const char label[] = "smtp361 decoys";
	struct hash h;

	if (n == 0) {
		return random_bytes(s->door.decoy_key, sizeof s->door.decoy_key, e);
	}
	hash_begin(&h);
	hash_add(&h, label, sizeof label);
	hash_add(&h, secret, n);
	hash_end(&h, s->door.decoy_key);
	wipe(&h, sizeof h);
	return 0;
}

int serve_smtp_start(const struct cli *c, struct serve_smtp *s, int dir, const char *dir_name,
	const void *secret, size_t n, struct err *e)
{
	s->dir = dir;
	s->door.open = s->open;
	s->door.tls_only = s->tls_only;
	find_names(s);
	return make_decoy_key(s, secret, n, e) != 0 ? -1 : load_first(c, s, dir_name, e);
}

void serve_smtp_end(struct serve_smtp *s)
{
	tls_identity_free(s->door.identity);
	s->door.identity = NULL;
	wipe(s->door.decoy_key, sizeof s->door.decoy_key);
}
