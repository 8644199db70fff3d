/* Destinations; see destination.h. */
#include "destination.h"

#include <limits.h>

int destination_smtp(const struct destination *d, char host[static CONN_HOST_MAX],
	char port[static 8], uint8_t pin[static TLS_PIN_BYTES], struct err *e)
{
	static const char lead[] = "SHA256:"; /* and base64, as keygen prints it */
	const char *text = d->tls_pin;

	memset(pin, 0, TLS_PIN_BYTES);
	if (conn_split_port(d->smtp, d->implicit_tls ? "465" : "587", host, port, e) != 0) {
		return -1;
	}
	if (text == NULL) {
		return 0;
	}
	if (strncmp(text, lead, sizeof lead - 1) == 0) {
		text += sizeof lead - 1;
		if (base64_decode(pin, TLS_PIN_BYTES, text, strcspn(text, "=")) == TLS_PIN_BYTES) {
			return 0;
		}
	}
	err_set(e, EX_USAGE, "\"%.100s\" is no SHA256: and 43 characters: a key's fingerprint",
		d->tls_pin);
	return err_hint(e,
		"it stands behind \"server_tls:\" and the kind of key, where keygen --tls "
		"made it; the certificate's, in hex, is for mail programs");
}

static int resolve_smtp(struct destination *d, struct err *e)
{
	struct account *a = &d->account;
	char host[CONN_HOST_MAX], port[8];
	uint8_t pin[TLS_PIN_BYTES];

	if (a->password_file != NULL && a->user == NULL) {
		return err_set(e, EX_USAGE, "there is a password file, but no --user to log in");
	}
	if (d->tls_ca != NULL && d->tls_pin != NULL) {
		return err_set(e, EX_USAGE, "--tls-ca and --tls-pin do not go together");
	}
	if (d->no_tls && (d->implicit_tls || d->tls_ca != NULL || d->tls_pin != NULL)) {
		return err_set(e, EX_USAGE, "--no-tls does not go with what is about TLS");
	}
	a->resolved = true;
	return destination_smtp(d, host, port, pin, e);
}

int destination_resolve(struct destination *d, struct err *e)
{
	struct account *a = &d->account;

	if (a->password_file != NULL && strcmp(a->password_file, "-") == 0) {
		return err_set(e, EX_USAGE, "standard input is the message, and not the password");
	}
	if (d->smtp != NULL) {
		return resolve_smtp(d, e);
	}
	if (d->no_tls || d->tls_ca != NULL || d->tls_pin != NULL || d->timeout != 0) {
		return err_set(e, EX_USAGE,
			"--tls-ca, --tls-pin, --no-tls and --timeout go with --smtp or --smtps");
	}
	a->enhanced = true;
	if (account_resolve(a, e) != 0) {
		return -1;
	}
	if (a->server == NULL || a->user == NULL) {
		err_set(e, EX_USAGE, "no %s is given", a->server == NULL ? "server" : "user");
		return err_hint(e, "%s",
			a->server == NULL ? "--server HOST[:PORT], or $SMTP361_SERVER; or "
					    "smtp361 join; or --smtp HOST"
					  : "--user NAME, or $SMTP361_USER");
	}
	return 0;
}

/* --- to and from JSON --- */

/* Every field that is text; `path`: it names a file. */
static const struct text_field {
	const char *name;
	size_t at;
	bool path;
} texts[] = {
	{"server", offsetof(struct destination, account.server), false},
	{"user", offsetof(struct destination, account.user), false},
	{"keys", offsetof(struct destination, account.keys), true},
	{"password_file", offsetof(struct destination, account.password_file), true},
	{"pin", offsetof(struct destination, account.pin), false},
	{"smtp", offsetof(struct destination, smtp), false},
	{"tls_ca", offsetof(struct destination, tls_ca), true},
	{"tls_pin", offsetof(struct destination, tls_pin), false},
};

static const char **text_of(struct destination *d, const struct text_field *f)
{
	return (const char **)(void *)((char *)d + f->at);
}

static json_t *text_json(const char *text, bool is_path)
{
	char whole[PATH_MAX], here[PATH_MAX];

	if (!is_path || text[0] == '/') {
		return json_string(text);
	}
	if (getcwd(here, sizeof here) == NULL ||
		snprintf(whole, sizeof whole, "%s/%s", here, text) >= (int)sizeof whole) {
		return NULL;
	}
	return json_string(whole);
}

json_t *destination_write(const struct destination *d)
{
	json_t *o = json_object();
	int rc = o == NULL ? -1 : 0;

	for (size_t i = 0; rc == 0 && i < sizeof texts / sizeof texts[0]; i++) {
		const char *text = *text_of((struct destination *)(uintptr_t)d, &texts[i]);
		if (text != NULL) {
			rc = json_object_set_new(o, texts[i].name, text_json(text, texts[i].path));
		}
	}
	if (rc != 0 || json_object_set_new(o, "implicit_tls", json_boolean(d->implicit_tls)) != 0 ||
		json_object_set_new(o, "no_tls", json_boolean(d->no_tls)) != 0 ||
		json_object_set_new(o, "timeout", json_integer(d->timeout)) != 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int destination_read(struct destination *d, json_t *value, struct err *e)
{
	const json_t *timeout = json_object_get(value, "timeout");

	*d = (struct destination){.own = json_incref(value)};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const json_t *text = json_object_get(value, texts[i].name);
		if (text != NULL && !json_is_string(text)) {
			return err_set(e, EX_DATAERR, "its \"%s\" is no text", texts[i].name);
		}
		*text_of(d, &texts[i]) = json_string_value(text);
	}
	d->implicit_tls = json_is_true(json_object_get(value, "implicit_tls"));
	d->no_tls = json_is_true(json_object_get(value, "no_tls"));
	d->timeout = (unsigned)json_integer_value(timeout);
	d->account.enhanced = d->smtp == NULL;
	d->account.resolved = true;
	return d->smtp != NULL || (d->account.server != NULL && d->account.user != NULL &&
					  d->account.keys != NULL)
		       ? 0
		       : err_set(e, EX_DATAERR, "it does not say where it goes");
}

void destination_free(struct destination *d)
{
	account_free(&d->account);
	json_decref(d->own);
	*d = (struct destination){.own = NULL};
}

void destination_describe(const struct destination *d, char out[static 400])
{
	if (d->smtp != NULL) {
		(void)snprintf(out, 400, "smtp%s %.300s", d->implicit_tls ? "s" : "", d->smtp);
	} else {
		(void)snprintf(out, 400, "%.64s at %.300s", d->account.user, d->account.server);
	}
}
