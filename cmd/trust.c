/* Own keys, the server's word, and what is pinned; see trust.h. */
#include "trust.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/sshsig.h"
#include "../keys/keyfile.h"

static void note(const struct trust *own, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(const struct trust *own, const char *format, ...)
{
	const struct cli c = {.applet = own->applet};
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	cli_note(&c, "%s", text);
}

/* --- own keys --- */

/* Under the folder's lock, on a descriptor of its own. */
static int make_signing(const struct trust *own, struct err *e)
{
	char fingerprint[SSHSIG_FINGERPRINT_MAX];
	uint8_t public[P256_PUBLIC];
	enum keyfile_state state;
	enum keyfile_made made;
	int dir = openat(own->keys, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (dir < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open the folder of keys");
	}
	rc = file_lock(dir, e);
	rc = rc == 0 ? keyfile_look(dir, own->name, KEYFILE_P256, &state, e) : rc;
	if (rc == 0 && state != KEYFILE_WHOLE) { /* another process may have made it meanwhile */
		rc = keyfile_generate_p256(dir, own->name, false, &made, public, e);
		if (rc == 0) {
			sshsig_fingerprint(fingerprint, public);
			note(own, "made a signing key for %s: %s", own->name, fingerprint);
		}
	}
	(void)close(dir);
	return rc;
}

static int load_signing(struct trust *own, struct err *e)
{
	if (keyfile_load_p256_private(own->keys, own->name, &own->p256, e) == 0) {
		return 0;
	}
	return e->code == EX_NOINPUT && make_signing(own, e) == 0
		       ? keyfile_load_p256_private(own->keys, own->name, &own->p256, e)
		       : -1;
}

int trust_own(struct account *a, struct trust *own, struct err *e)
{
	*own = (struct trust){.applet = a->applet, .keys = -1, .chat = -1};
	if (x25519_self_check(e) != 0 || account_resolve(a, e) != 0) {
		return -1;
	}
	own->name = a->user;
	if (a->user == NULL) {
		err_set(e, EX_USAGE, "no user is given");
		return err_hint(e, "-u NAME, or $SMTP361_USER; or smtp361 join");
	}
	own->keys = file_open_dir(a->keys, e);
	if (own->keys < 0) {
		return -1;
	}
	if (keyfile_load_x25519_private(own->keys, own->name, &own->x25519, e) == 0 &&
		load_signing(own, e) == 0) {
		return 0;
	}
	if (e->code == EX_NOINPUT) {
		err_hint(e, "the keys are looked for in %s; -k DIR names another folder", a->keys);
	}
	return -1;
}

void trust_end(struct trust *own)
{
	if (own->keys >= 0) {
		(void)close(own->keys);
	}
	if (own->chat >= 0) {
		(void)close(own->chat);
	}
	wipe(own, sizeof *own);
	own->keys = own->chat = -1;
}

struct known_keys trust_keys(const struct trust *own)
{
	struct known_keys keys = {.signs = true};

	memcpy(keys.x25519, own->x25519.public, sizeof keys.x25519);
	memcpy(keys.p256, own->p256.public, sizeof keys.p256);
	return keys;
}

int trust_chat(struct trust *own, struct err *e)
{
	char folder[USER_NAME_MAX + 8];

	if (own->chat >= 0) {
		return own->chat;
	}
	(void)snprintf(folder, sizeof folder, "%s_chat", own->name);
	if (mkdirat(own->keys, folder, 0700) != 0 && errno != EEXIST) {
		return err_sys(
			e, file_errno_code(EX_CANTCREAT), "cannot create the folder %s", folder);
	}
	own->chat = openat(own->keys, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return own->chat >= 0 ? own->chat
			      : err_sys(e, file_errno_code(EX_NOINPUT), "cannot open the folder %s",
					folder);
}

/* --- fingerprints and warnings --- */

void trust_fingerprints(char out[static TRUST_FINGERPRINTS], const struct known_keys *keys)
{
	char x25519[KEYFILE_FINGERPRINT_MAX] = "?", p256[SSHSIG_FINGERPRINT_MAX] = "none";

	(void)keyfile_x25519_fingerprint(keys->x25519, x25519); /* for want of memory: "?" */
	if (keys->signs) {
		sshsig_fingerprint(p256, keys->p256);
	}
	(void)snprintf(out, TRUST_FINGERPRINTS, "X25519 %s, P-256 %s", x25519, p256);
}

static void show(const struct trust *own, const char *lead, const struct known_keys *keys)
{
	char text[TRUST_FINGERPRINTS];

	trust_fingerprints(text, keys);
	note(own, "  %s %s", lead, text);
}

/* -1, to return. */
static int changed(const struct trust *own, const char *name, const struct known_keys *was,
	const struct known_keys *now, const char *who, struct err *e)
{
	note(own,
		"WARNING: THE KEY OF %s HAS CHANGED. Somebody may be reading along, or %s has a "
		"new key.",
		name, name);
	show(own, "pinned:  ", was);
	show(own, "now:     ", now);
	err_set(e, EX_NOPERM, "%s gives %s another key than the one that is pinned", who, name);
	return err_hint(e, "ask %s, compare `smtp361 verify %s`, then: smtp361 members accept %s",
		name, name, name);
}

/* --- the server's directory --- */

int trust_publish(const struct trust *own, struct mail_client *c, struct err *e)
{
	struct known_keys keys = trust_keys(own);
	struct members_row row;

	if (enhanced_members_get(c, own->name, &row, e) != 0) {
		return -1;
	}
	if ((row.has_keys && !ct_eq(row.keys.x25519, keys.x25519, X25519_BYTES)) ||
		(row.keys.signs && !ct_eq(row.keys.p256, keys.p256, P256_PUBLIC))) {
		note(own,
			"WARNING: THE SERVER SHOWS ANOTHER KEY IN YOUR NAME. Who writes to %s is "
			"given it, and somebody may be reading along.",
			own->name);
		show(own, "yours:   ", &keys);
		show(own, "shown:   ", &row.keys);
		err_set(e, EX_PROTOCOL, "the server shows another key for %s than ours", own->name);
		return err_hint(e,
			"if you made new keys: smtp361 members publish; if not: ask the operator, "
			"and tell the others");
	}
	if (row.keys.signs) {
		return 0;
	}
	return enhanced_members_publish(c, own->name, keys.x25519, &own->p256, e);
}

/* --- members --- */

/* What a key file in the folder says, which a person put there. 1, 0 when there is none, or -1. */
static int from_folder(
	const struct trust *own, const char *name, struct known_keys *out, struct err *e)
{
	*out = (struct known_keys){.signs = false};
	if (keyfile_load_x25519_public(own->keys, name, out->x25519, e) != 0) {
		return e->code == EX_NOINPUT ? 0 : -1;
	}
	out->signs = keyfile_load_p256_public(own->keys, name, out->p256, e) == 0;
	return out->signs || e->code == EX_NOINPUT ? 1 : -1;
}

/* 1, 0 when nothing is pinned, or -1. */
static int from_pinned(
	const struct trust *own, const char *name, struct known_member *out, struct err *e)
{
	const struct known_member *found;
	struct known known;
	int rc = known_load(&known, own->keys, e);

	if (rc == 0 && (found = known_find(&known, name)) != NULL) {
		*out = *found;
		rc = 1;
	}
	known_free(&known);
	return rc;
}

/* Before something is pinned: a key file that stands there must not say otherwise. */
static int check_folder(const struct trust *own, const char *name, const struct known_keys *keys,
	const char *who, struct err *e)
{
	struct known_keys file;
	int rc = from_folder(own, name, &file, e);

	if (rc <= 0) {
		return rc;
	}
	return !ct_eq(file.x25519, keys->x25519, X25519_BYTES) ||
			       (file.signs && keys->signs &&
				       !ct_eq(file.p256, keys->p256, P256_PUBLIC))
		       ? changed(own, name, &file, keys, who, e)
		       : 0;
}

int trust_see(const struct trust *own, const char *name, const struct known_keys *keys,
	const char *who, struct known_member *out, struct err *e)
{
	char text[TRUST_FINGERPRINTS];
	enum known_how how;
	int rc = from_pinned(own, name, out, e);

	if (rc < 0 || (rc == 0 && check_folder(own, name, keys, who, e) != 0) ||
		known_see(own->keys, name, keys, &how, out, e) != 0) {
		return -1;
	}
	if (how == KNOWN_CHANGED) {
		return changed(own, name, &out->keys, keys, who, e);
	}
	if (how == KNOWN_SAME) {
		return 0;
	}
	trust_fingerprints(text, keys);
	if (how == KNOWN_SIGNING) {
		note(own, "WARNING: %s HAS A SIGNING KEY NOW, and %s alone vouches for it.", name,
			who);
	}
	note(own, "pinned %s's key %s: compare it by smtp361 verify %s", name, text, name);
	return from_pinned(own, name, out, e) >= 0 ? 0 : -1;
}

static int no_key(const char *name, struct err *e)
{
	err_set(e, EX_NOUSER, "%s has no key to seal to", name);
	return err_hint(e,
		"%s gets one with smtp361 join; or put %s_x25519_public.pem into the "
		"folder of keys",
		name, name);
}

int trust_member(const struct trust *own, struct mail_client *c, const char *name,
	struct known_member *out, struct err *e)
{
	struct members_row row = {.has_keys = false};
	int rc;

	*out = (struct known_member){.verified = false};
	if (strcmp(name, own->name) == 0) {
		(void)snprintf(out->name, sizeof out->name, "%s", name);
		out->keys = trust_keys(own);
		out->verified = true;
		return 0;
	}
	if (c != NULL && enhanced_members_get(c, name, &row, e) != 0) {
		return -1;
	}
	if (row.has_keys) {
		return trust_see(own, name, &row.keys, "the server", out, e);
	}
	rc = from_pinned(own, name, out, e);
	if (rc == 0) {
		(void)snprintf(out->name, sizeof out->name, "%s", name);
		rc = from_folder(own, name, &out->keys, e);
	}
	return rc > 0 ? 0 : rc == 0 ? no_key(name, e) : -1;
}
