/* What accounts have for mail programs: a password for these alone, and what mechanisms of SMTP
 * need that show no password, CRAM-MD5 and SCRAM-SHA-256; see users.h. */
#include "users_change.h"

#include "../crypto/hkdf.h"
#include "../crypto/random.h"

/* --- looking --- */

unsigned users_mechanisms_of(const json_t *account)
{
	return (json_object_get(account, USERS_CRAM) != NULL ? (unsigned)USERS_CRAM_MD5 : 0) |
	       (json_object_get(account, USERS_SCRAM) != NULL ? (unsigned)USERS_SCRAM_SHA256 : 0);
}

static bool read_cram(const json_t *field, struct cram_states *out)
{
	const char *text = json_string_value(field);

	return text != NULL && json_string_length(field) == USERS_KEY_CHARS &&
	       base64_decode((uint8_t *)out, sizeof *out, text, USERS_KEY_CHARS) == sizeof *out;
}

static bool read_scram(const json_t *field, struct scram_verifier *out)
{
	const char *text = json_string_value(field);

	return text != NULL && scram_verifier_read(out, text, json_string_length(field)) == 0;
}

const char *users_mechanisms_fault(const json_t *account)
{
	const json_t *cram = json_object_get(account, USERS_CRAM);
	const json_t *scram = json_object_get(account, USERS_SCRAM);
	struct cram_states states;
	struct scram_verifier v;
	const char *fault = NULL;

	if (cram != NULL && !read_cram(cram, &states)) {
		fault = "\"" USERS_CRAM "\" is not two states of MD5";
	} else if (scram != NULL && !read_scram(scram, &v)) {
		fault = "\"" USERS_SCRAM "\" is no verifier that can be used";
	}
	wipe(&states, sizeof states);
	wipe(&v, sizeof v);
	return fault;
}

/* Decoys are made for all: it shall take as long for those who have no need of one. */
bool users_cram(const struct users *u, const char *name, struct cram_states *out)
{
	const json_t *field = json_object_get(json_object_get(u->root, name), USERS_CRAM);
	struct cram_states own;
	struct err ignored;
	bool found;

	(void)random_bytes(out, sizeof *out, &ignored); /* or zeros: false says the same */
	found = users_mail(u, name) != USERS_MAIL_NONE && read_cram(field, &own);
	if (found) {
		*out = own;
	}
	wipe(&own, sizeof own);
	return found;
}

static void make_decoy(
	const char *name, const uint8_t key[static SCRAM_KEY], struct scram_verifier *out)
{
	uint8_t bytes[SCRAM_SALT + 2 * SCRAM_KEY];

	*out = (struct scram_verifier){.iterations = SCRAM_ITERATIONS, .salt_n = SCRAM_SALT};
	(void)hkdf_sha256(bytes, sizeof bytes, NULL, 0, key, SCRAM_KEY, name, strlen(name));
	memcpy(out->salt, bytes, SCRAM_SALT);
	memcpy(out->stored_key, bytes + SCRAM_SALT, SCRAM_KEY);
	memcpy(out->server_key, bytes + SCRAM_SALT + SCRAM_KEY, SCRAM_KEY);
	wipe(bytes, sizeof bytes);
}

bool users_scram(const struct users *u, const char *name, const uint8_t decoy_key[static SCRAM_KEY],
	struct scram_verifier *out)
{
	const json_t *field = json_object_get(json_object_get(u->root, name), USERS_SCRAM);
	struct scram_verifier own;
	bool found;

	make_decoy(name, decoy_key, out);
	found = users_mail(u, name) != USERS_MAIL_NONE && read_scram(field, &own);
	if (found) {
		*out = own;
	}
	wipe(&own, sizeof own);
	return found;
}

unsigned users_any_mechanism(const struct users *u)
{
	const char *name;
	json_t *account;
	unsigned any = 0;

	json_object_foreach(u->root, name, account)
	{
		unsigned has =
			(json_object_get(account, USERS_CRAM) != NULL ? USERS_CRAM_MD5 : 0u) |
			(json_object_get(account, USERS_SCRAM) != NULL ? USERS_SCRAM_SHA256 : 0u);
		if ((has & ~any) != 0 && users_mail(u, name) != USERS_MAIL_NONE) {
			any |= has;
		}
	}
	return any;
}

/* --- changing --- */

static int put_cram(json_t *account, const struct change *c)
{
	char text[USERS_KEY_CHARS + 1];
	struct cram_states s;
	int rc;

	cram_states_of(c->password, c->n, &s);
	(void)base64_encode(text, &s, sizeof s);
	rc = json_object_set_new(account, USERS_CRAM, json_string(text));
	wipe(&s, sizeof s);
	wipe(text, sizeof text);
	return rc;
}

/* What is made of the password is kept for the next try: it takes most of a second. */
static int make_scram(struct change *c, struct err *e)
{
	uint8_t salt[SCRAM_SALT];
	struct scram_verifier v;

	if (c->scram[0] == '\0') {
		if (random_bytes(salt, sizeof salt, e) != 0) {
			return -1;
		}
		(void)scram_make(c->password, c->n, salt, sizeof salt, SCRAM_ITERATIONS, &v);
		(void)scram_verifier_write(&v, c->scram);
		wipe(&v, sizeof v);
	}
	return 0;
}

int users_make_mechanisms(json_t *account, struct change *c, unsigned mechanisms, struct err *e)
{
	(void)json_object_del(account, USERS_CRAM);
	(void)json_object_del(account, USERS_SCRAM);
	if ((mechanisms & USERS_CRAM_MD5) != 0 && put_cram(account, c) != 0) {
		return users_no_memory(c->name, e);
	}
	if ((mechanisms & USERS_SCRAM_SHA256) == 0) {
		return 0;
	}
	if (make_scram(c, e) != 0) {
		return -1;
	}
	return json_object_set_new(account, USERS_SCRAM, json_string(c->scram)) == 0
		       ? 0
		       : users_no_memory(c->name, e);
}

/* Is the change's password the account's? 0, or -1 (EX_NOPERM, EX_TEMPFAIL). */
static int judge_password(json_t *root, const json_t *account, struct change *c, struct err *e)
{
	const struct users now = {.root = root};
	const char *phc = users_argon2(account);
	bool ok;

	if (phc != NULL && strcmp(phc, c->judged) == 0) {
		return 0;
	}
	if (phc == NULL && !json_is_string(account)) {
		err_set(e, EX_NOPERM, "%s has no password", c->name);
		return err_hint(e, "smtp361 user passwd %s sets one", c->name);
	}
	if (users_check_password(&now, c->name, c->password, c->n, NULL, &ok, e) != 0) {
		return -1;
	}
	if (!ok) {
		return err_set(e, EX_NOPERM, "this is not the password of %s", c->name);
	}
	if (phc != NULL) {
		(void)snprintf(c->judged, sizeof c->judged, "%s", phc);
	}
	return 0;
}

static int apply_mechanisms(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account = json_object_get(root, c->name);

	if (account == NULL) {
		return users_no_such(c->name, e);
	}
	if (c->mechanisms == 0 && users_mechanisms_of(account) == 0 &&
		users_smtp_argon2(account) == NULL) {
		return 0;
	}
	if ((c->mechanisms != 0 && judge_password(root, account, c, e) != 0) ||
		users_open_account(root, c, &account, e) != 0) {
		return -1;
	}
	*changed = true;
	(void)json_object_del(account, USERS_SMTP_PASSWORD);
	return users_make_mechanisms(account, c, c->mechanisms, e);
}

static int apply_smtp_password(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	if (users_open_account(root, c, &account, e) != 0 ||
		(c->smtp[0] == '\0' && password_hash(c->smtp, c->password, c->n, e) != 0)) {
		return -1;
	}
	*changed = true;
	return json_object_set_new(account, USERS_SMTP_PASSWORD, json_string(c->smtp)) == 0
		       ? users_make_mechanisms(account, c, c->mechanisms, e)
		       : users_no_memory(c->name, e);
}

int users_set_mechanisms(struct accounts_store *s, const char *name, const void *password, size_t n,
	unsigned mechanisms, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n, .mechanisms = mechanisms};

	return users_edit(s, false, apply_mechanisms, &c, e);
}

int users_set_smtp_password(struct accounts_store *s, const char *name, const void *password,
	size_t n, unsigned mechanisms, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n, .mechanisms = mechanisms};

	return users_check_length(n, e) == 0 ? users_edit(s, false, apply_smtp_password, &c, e)
					     : -1;
}
