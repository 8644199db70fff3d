/* The server's key at rest, and at_rest.json; see rest.h. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

#include "../crypto/file.h"
#include "../crypto/hkdf.h"
#include "../crypto/password.h"
#include "../crypto/random.h"
#include "rest.h"
#include "rest_move.h"

_Static_assert((int)REST_SALT == (int)PASSWORD_SALT && (int)REST_KEY == (int)PASSWORD_KEY,
	"a passphrase makes a key as a file has it");

enum { NOTE_MAX = 4096 };

static const char *const kinds[] = {[REST_KEY_FILE] = "key-file", [REST_PASSPHRASE] = "passphrase"};

/* --- keys --- */

static void derive(uint8_t out[static REST_KEY], const uint8_t master[static REST_KEY],
	const struct rest_note *note, const char *what)
{
	char info[64];
	int n = snprintf(info, sizeof info, "smtp361 at rest 1 %s", what);

	(void)hkdf_sha256(
		out, REST_KEY, note->salt, sizeof note->salt, master, REST_KEY, info, (size_t)n);
}

static void derive_gcm(struct gcm *out, const uint8_t master[static REST_KEY],
	const struct rest_note *note, const char *what)
{
	uint8_t key[REST_KEY];

	derive(key, master, note, what);
	gcm_init(out, key);
	wipe(key, sizeof key);
}

/* All keys, and by what they are known. */
static int make(struct rest_key *out, uint8_t check[static REST_KEY], const struct rest_note *note,
	const void *secret, size_t n, struct err *e)
{
	uint8_t master[REST_KEY];

	if (note->kind == REST_PASSPHRASE) {
		if (password_key(master, secret, n, note->salt, e) != 0) {
			return -1;
		}
	} else if (n != REST_KEY) {
		return err_set(e, EX_NOPERM, "a key has %d bytes, and not %zu", REST_KEY, n);
	} else {
		memcpy(master, secret, REST_KEY);
	}
	derive(out->names, master, note, "names");
	derive(out->users, master, note, "users");
	derive(check, master, note, "check");
	derive_gcm(&out->meta, master, note, "meta");
	derive_gcm(&out->accounts, master, note, "accounts");
	wipe(master, sizeof master);
	return 0;
}

int rest_key_new(struct rest_key *out, struct rest_note *note, enum rest_kind kind,
	const void *secret, size_t n, struct err *e)
{
	uint8_t check[REST_KEY];

	*note = (struct rest_note){.kind = kind};
	if (random_bytes(note->salt, sizeof note->salt, e) != 0 ||
		make(out, check, note, secret, n, e) != 0) {
		return -1;
	}
	memcpy(note->check, check, sizeof note->check);
	return 0;
}

int rest_key_open(struct rest_key *out, const struct rest_note *note, const void *secret, size_t n,
	struct err *e)
{
	uint8_t check[REST_KEY];

	if (make(out, check, note, secret, n, e) != 0) {
		return -1;
	}
	if (!ct_eq(check, note->check, sizeof note->check)) {
		wipe(out, sizeof *out);
		return err_set(e, EX_NOPERM, "this is not the %s that the mail here is under",
			note->kind == REST_PASSPHRASE ? "passphrase" : "key");
	}
	return 0;
}

/* --- at_rest.json --- */

static int get_hex(const json_t *o, const char *field, uint8_t *out, size_t n)
{
	const json_t *value = json_object_get(o, field);

	return json_is_string(value)
		       ? hex_decode(out, n, json_string_value(value), json_string_length(value))
		       : -1;
}

static int get_note(const json_t *o, struct rest_note *note)
{
	const char *kind = json_string_value(json_object_get(o, "kind"));

	if (json_integer_value(json_object_get(o, "version")) != 1 || kind == NULL) {
		return -1;
	}
	note->kind = strcmp(kind, kinds[REST_PASSPHRASE]) == 0 ? REST_PASSPHRASE : REST_KEY_FILE;
	return strcmp(kind, kinds[note->kind]) == 0 &&
			       get_hex(o, "salt", note->salt, sizeof note->salt) == 0 &&
			       get_hex(o, "check", note->check, sizeof note->check) == 0
		       ? 0
		       : -1;
}

/* 1, 0, or -1: the disk would not tell. */
static int is_there(int dir, const char *name, struct err *e)
{
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		return 1;
	}
	return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot look for %s", name);
}

int rest_look(int dir, struct rest_note *note, enum rest_state *state, struct err *e)
{
	struct buf text = {0};
	json_t *o;
	int rc, ready = is_there(dir, REST_MOVE_READY, e), noted = is_there(dir, REST_NOTE, e),
		draft = is_there(dir, REST_MOVE_DRAFT, e);

	if (ready < 0 || noted < 0 || draft < 0) {
		return -1;
	}
	/* a draft may have mail in the clear, that would stay for good */
	*state = ready > 0 || draft > 0 ? REST_MOVING : noted > 0 ? REST_SEALED : REST_PLAIN;
	if (*state != REST_SEALED) {
		return 0;
	}
	if (file_read(dir, REST_NOTE, NOTE_MAX, &text, NULL, e) != 0) {
		return -1;
	}
	o = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	rc = get_note(o, note);
	json_decref(o);
	buf_free(&text);
	return rc == 0 ? 0
		       : err_set(e, EX_CONFIG,
				 "%s is damaged, or of a later version: without its salt no "
				 "key opens the mail here",
				 REST_NOTE);
}

int rest_note_write(int dir, const struct rest_note *note, struct err *e)
{
	char salt[2 * REST_SALT + 1], check[2 * REST_CHECK + 1], text[256];
	int n;

	hex_encode(salt, note->salt, sizeof note->salt);
	hex_encode(check, note->check, sizeof note->check);
	n = snprintf(text, sizeof text,
		"{\"version\": 1, \"kind\": \"%s\", \"salt\": \"%s\", \"check\": \"%s\"}\n",
		kinds[note->kind], salt, check);
	return file_write(dir, REST_NOTE, text, (size_t)n, 0600, FILE_REPLACE, e);
}
