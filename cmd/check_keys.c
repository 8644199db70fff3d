/* Key files: can each be used, and do both halves of a pair belong together? */
#include "check_keys.h"

#include "../keys/keyfile.h"

struct folder {
	int dir;
	mailbox_finding *found;
	void *arg;
};

static int halves_rsa(int dir, const char *name, bool *same, struct err *e)
{
	char one[KEYFILE_FINGERPRINT_MAX] = "", two[KEYFILE_FINGERPRINT_MAX] = "";
	struct rsa_private private;
	struct rsa_public public;
	int rc = keyfile_load_private(dir, name, &private, e);

	rc = rc == 0 ? keyfile_fingerprint(&private.public, one) : rc;
	wipe(&private, sizeof private);
	rc = rc == 0 ? keyfile_load_public(dir, name, &public, e) : rc;
	rc = rc == 0 ? keyfile_fingerprint(&public, two) : rc;
	*same = strcmp(one, two) == 0;
	return rc;
}

static int halves_x25519(int dir, const char *name, bool *same, struct err *e)
{
	struct x25519_pair pair;
	uint8_t public[X25519_BYTES];
	int rc = keyfile_load_x25519_private(dir, name, &pair, e);

	rc = rc == 0 ? keyfile_load_x25519_public(dir, name, public, e) : rc;
	*same = rc == 0 && ct_eq(pair.public, public, sizeof public);
	wipe(&pair, sizeof pair);
	return rc;
}

static int halves_p256(int dir, const char *name, bool *same, struct err *e)
{
	struct p256_pair pair;
	uint8_t public[P256_PUBLIC];
	int rc = keyfile_load_p256_private(dir, name, &pair, e);

	rc = rc == 0 ? keyfile_load_p256_public(dir, name, public, e) : rc;
	*same = rc == 0 && ct_eq(pair.public, public, sizeof public);
	wipe(&pair, sizeof pair);
	return rc;
}

static int public_rsa(int dir, const char *name, struct err *e)
{
	struct rsa_public public;

	return keyfile_load_public(dir, name, &public, e);
}

static int public_x25519(int dir, const char *name, struct err *e)
{
	uint8_t public[X25519_BYTES];

	return keyfile_load_x25519_public(dir, name, public, e);
}

static int public_p256(int dir, const char *name, struct err *e)
{
	uint8_t public[P256_PUBLIC];

	return keyfile_load_p256_public(dir, name, public, e);
}

/* The one whose names are ends of the others' names is last. */
static const struct kind {
	const char *infix, *private_end, *public_end;
	/* Do both halves belong together? 0 with *same, or -1: one of them is not sound. */
	int (*halves)(int dir, const char *name, bool *same, struct err *e);
	int (*public)(int dir, const char *name, struct err *e);
} kinds[] = {
	{"_x25519", "_x25519_private.pem", "_x25519_public.pem", halves_x25519, public_x25519},
	{"_p256", "_p256_private.pem", "_p256_public.pem", halves_p256, public_p256},
	{"", "_private.pem", "_public.pem", halves_rsa, public_rsa},
};

static void check_private(const struct folder *f, const char *name, const struct kind *kind)
{
	char text[ERR_TEXT_MAX];
	struct err why = {0};
	bool same;

	if (kind->halves(f->dir, name, &same, &why) != 0) {
		/* the public half alone may be kept elsewhere; what is wrong with it is told by its
		 * own name */
		if (strstr(why.text, "_private.pem") != NULL) {
			f->found(f->arg, NULL, false, why.text);
		}
	} else if (!same) {
		(void)snprintf(text, sizeof text,
			"%s%s_private.pem and its _public.pem are halves of two pairs", name,
			kind->infix);
		f->found(f->arg, NULL, false, text);
	}
}

static void check_public(const struct folder *f, const char *name, const struct kind *kind)
{
	struct err why = {0};

	if (kind->public(f->dir, name, &why) != 0) {
		f->found(f->arg, NULL, false, why.text);
	}
}

/* Does the name end so? What is ahead of it goes to out. */
static bool ends(const char *name, const char *end, char *out, size_t cap)
{
	size_t n = strlen(name), end_n = strlen(end);

	if (n <= end_n || n - end_n >= cap || strcmp(name + n - end_n, end) != 0) {
		return false;
	}
	memcpy(out, name, n - end_n);
	out[n - end_n] = '\0';
	return user_name_valid(out);
}

void check_key(int dir, const char *name, mailbox_finding *found, void *arg)
{
	const struct folder here = {.dir = dir, .found = found, .arg = arg}, *f = &here;
	char owner[USER_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (ends(name, kinds[i].private_end, owner, sizeof owner)) {
			check_private(f, owner, &kinds[i]);
			return;
		}
		if (ends(name, kinds[i].public_end, owner, sizeof owner)) {
			check_public(f, owner, &kinds[i]);
			return;
		}
	}
}
