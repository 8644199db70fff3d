/* Chats with the server at hand; see chat_room.h. */
#include "chat_room.h"

#include <fcntl.h>
#include <stdarg.h>

#include "../crypto/file.h"
#include "../crypto/sshsig.h"
#include "../keys/keyfile.h"

/* --- opening --- */

static int load_passphrase(struct chat_room *r, struct err *e)
{
	static uint8_t again[PASSWORD_MAX];
	size_t again_n = 0;
	int rc = 0;

	if (r->passphrase_file != NULL) {
		rc = account_password_file(r->passphrase_file, r->passphrase, &r->passphrase_n, e);
	} else if (r->passphrase_asked) {
		rc = account_password_ask(
			"Passphrase of new histories: ", r->passphrase, &r->passphrase_n, e);
		rc = rc == 0 ? account_password_ask("Once more: ", again, &again_n, e) : rc;
		if (rc == 0 && (again_n != r->passphrase_n ||
				       memcmp(again, r->passphrase, again_n) != 0)) {
			rc = err_set(e, EX_DATAERR, "these were two different passphrases");
		}
		wipe(again, sizeof again);
	} else {
		return 0;
	}
	if (rc == 0 && r->passphrase_n == 0) {
		rc = err_set(e, EX_DATAERR, "the passphrase is empty");
	}
	r->desk.passphrase = rc == 0 ? r->passphrase : NULL;
	r->desk.passphrase_n = r->passphrase_n;
	return rc;
}

int chat_room_open(struct chat_room *r, struct err *e)
{
	r->own.keys = r->own.chat = -1;
	if (remote_check(&r->account, e) != 0 || trust_own(&r->account, &r->own, e) != 0 ||
		trust_chat(&r->own, e) < 0) {
		return -1;
	}
	r->desk = (struct chat_desk){.dir = r->own.chat,
		.self = {.name = r->own.name, .x25519 = &r->own.x25519, .p256 = &r->own.p256}};
	return load_passphrase(r, e);
}

void chat_room_disconnect(struct chat_room *r)
{
	if (r->client != NULL) {
		remote_close(r->client);
	}
	r->client = NULL;
	r->read = r->crowded = false;
	for (struct chat_node *n = r->nodes; n != NULL; n = n->next) {
		n->checked = n->changed = n->stranger = false;
	}
}

void chat_room_close(struct chat_room *r)
{
	chat_room_disconnect(r);
	while (r->nodes != NULL) {
		struct chat_node *n = r->nodes;
		r->nodes = n->next;
		chat_contact_close(&n->c);
		free(n);
	}
	trust_end(&r->own);
	wipe(r->passphrase, sizeof r->passphrase);
	account_free(&r->account);
}

int chat_room_connect(struct chat_room *r, struct err *e)
{
	if (remote_open(&r->account, &r->client, e) != 0) {
		return -1;
	}
	if (trust_publish(&r->own, r->client, e) != 0) {
		chat_room_disconnect(r);
		return -1;
	}
	return 0;
}

static void tell(const struct chat_room *r, bool warning, const char *text)
{
	if (r->tell != NULL) {
		r->tell(r->tell_arg, warning, text);
	} else {
		cli_note(r->cli, "%s", text);
	}
}

void chat_room_note(const struct chat_room *r, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	tell(r, false, text);
}

void chat_room_warn(const struct chat_room *r, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	tell(r, true, text);
}

/* --- contacts --- */

/* What is pinned, if anything. */
static int load_pinned(struct chat_room *r, struct chat_node *n, struct err *e)
{
	struct known k;
	int rc = known_load(&k, r->own.keys, e);
	const struct known_member *m = rc == 0 ? known_find(&k, n->c.name) : NULL;

	n->known = m != NULL;
	n->member = m != NULL ? *m : n->member;
	known_free(&k);
	return rc;
}

struct chat_node *chat_room_contact(struct chat_room *r, const char *name, struct err *e)
{
	struct chat_node *n;

	for (n = r->nodes; n != NULL; n = n->next) {
		if (strcmp(n->c.name, name) == 0) {
			return n;
		}
	}
	if (!user_name_valid(name)) {
		err_set(e, EX_USAGE, "\"%.80s\" is no user's name", name);
		return NULL;
	}
	if (strcmp(name, r->account.user) == 0) {
		err_set(e, EX_USAGE, "%s is you", name);
		return NULL;
	}
	n = calloc(1, sizeof *n);
	if (n == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	(void)snprintf(n->c.name, sizeof n->c.name, "%s", name);
	if (load_pinned(r, n, e) != 0) {
		free(n);
		return NULL;
	}
	n->anew = r->follows;
	n->next = r->nodes;
	r->nodes = n;
	return n;
}

int chat_room_history(struct chat_room *r, struct chat_node *n, struct err *e)
{
	char prompt[96], name[USER_NAME_MAX + 1];
	bool asked;
	int rc;

	if (n->opened) {
		return chat_contact_look(&n->c, e);
	}
	memcpy(name, n->c.name, sizeof name);
	asked = r->may_ask && r->desk.passphrase == NULL &&
		history_look(r->desk.dir, name) == HISTORY_PASSPHRASE;
	if (asked) { /* for this one alone: a new history is never made with it */
		(void)snprintf(prompt, sizeof prompt, "Passphrase of the history with %s: ", name);
		if (account_password_ask(prompt, r->passphrase, &r->passphrase_n, e) != 0) {
			return -1;
		}
		r->desk.passphrase = r->passphrase;
		r->desk.passphrase_n = r->passphrase_n;
	}
	rc = chat_contact_open(&n->c, &r->desk, name, e);
	if (asked) {
		r->desk.passphrase = NULL;
		wipe(r->passphrase, sizeof r->passphrase);
	}
	if (rc != 0) {
		chat_contact_close(&n->c);
		memcpy(n->c.name, name, sizeof name);
		return -1;
	}
	n->opened = true;
	n->c.since = n->c.shown = n->anew ? 0 : n->c.seen;
	return 0;
}

bool chat_room_is_broken(struct chat_room *r, struct chat_node *n, const struct err *e)
{
	if (e->code != EX_CONFIG) {
		return false;
	}
	if (!n->broken) {
		n->broken = true;
		(void)cli_fail(r->cli, e);
	}
	return true;
}

struct chat_peer chat_room_peer(const struct chat_node *n)
{
	return (struct chat_peer){.name = n->c.name, .keys = &n->member.keys};
}

/* --- trust --- */

int chat_room_see(
	struct chat_room *r, struct chat_node *n, const struct members_row *row, struct err *e)
{
	char shown[TRUST_FINGERPRINTS];

	n->checked = true;
	if (!row->has_keys) {
		return n->known ? 0
				: err_set(e, EX_UNAVAILABLE,
					  "%s has no key yet, and cannot be written to", n->c.name);
	}
	if (trust_see(&r->own, n->c.name, &row->keys, "the server", &n->member, e) != 0) {
		n->changed = e->code == EX_NOPERM;
		return -1;
	}
	n->known = true;
	if (r->account.verbose) {
		trust_fingerprints(shown, &n->member.keys);
		chat_room_note(r, "%s is %s, %s", n->c.name, shown,
			n->member.verified ? "verified" : "pinned");
	}
	return 0;
}

int chat_room_check(struct chat_room *r, struct chat_node *n, struct err *e)
{
	struct members_row row;

	if (n->checked && n->changed) { /* it was told at length */
		err_set(e, EX_NOPERM, "the key of %s has changed", n->c.name);
		return err_hint(e,
			"ask %s, compare `smtp361 verify %s`, then: smtp361 members accept %s",
			n->c.name, n->c.name, n->c.name);
	}
	if (n->checked && n->stranger) {
		return err_set(e, EX_NOUSER, "the server knows no %s", n->c.name);
	}
	if (n->checked || r->client == NULL) {
		return 0;
	}
	if (enhanced_members_get(r->client, n->c.name, &row, e) != 0) {
		n->checked = n->stranger = e->code == EX_NOUSER;
		return -1;
	}
	return chat_room_see(r, n, &row, e);
}

int chat_room_check_signs(struct chat_room *r, struct chat_node *n, struct err *e)
{
	n->checked = n->checked && (n->member.keys.signs || n->changed || n->stranger);
	return chat_room_check(r, n, e);
}
